"use strict";
// Sorts, filters and folds the rows that are already there. Without it the page says the same.
const FOLDED = 25;
for (const section of document.querySelectorAll("section.sheet")) {
  const body = section.querySelector("tbody");
  const rows = Array.from(body.rows);
  const words = rows.map((row) => Array.from(row.querySelectorAll("bdi"), (b) => b.textContent).join(" ").toLowerCase());
  const titles = Array.from(section.querySelectorAll("th"));
  const what = section.querySelector("h2").firstChild.textContent.trim().toLowerCase();
  let folded = rows.length > FOLDED + 5;

  const tools = (place) => {
    const div = document.createElement("div");
    div.className = "tools " + place;
    return div;
  };
  const filter = document.createElement("input");
  filter.type = "search";
  filter.placeholder = "Filter " + what;
  filter.setAttribute("aria-label", filter.placeholder);
  const top = tools("top");
  top.append(filter);
  section.querySelector("h2").after(top);
  const unfold = document.createElement("button");
  unfold.type = "button";
  const end = tools("end");
  end.append(unfold);
  section.querySelector(".scroll").after(end);

  const show = () => {
    const wanted = filter.value.trim().toLowerCase();
    const matches = new Set(rows.filter((_, i) => words[i].includes(wanted)));
    let shown = 0;
    for (const row of body.rows) {
      row.hidden = !matches.has(row) || (folded && shown >= FOLDED);
      if (!row.hidden) shown += 1;
    }
    end.hidden = !folded || matches.size <= shown;
    unfold.textContent = "Show all " + matches.size.toLocaleString("en");
  };
  const sort = (column, descending) => {
    const value = (row) => {
      const cell = row.cells[column];
      return "v" in cell.dataset ? Number(cell.dataset.v) : cell.classList.contains("n") ? -1 : cell.textContent;
    };
    const keyed = rows.map((row) => [value(row), row]);
    keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (descending ? -1 : 1));
    body.append(...keyed.map(([, row]) => row));
    for (const title of titles) title.removeAttribute("aria-sort");
    titles[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
    show();
  };

  titles.forEach((title, column) => {
    if (!title.textContent) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title.textContent;
    title.replaceChildren(button);
    const number = title.classList.contains("n");
    button.addEventListener("click", () => {
      const now = title.getAttribute("aria-sort");
      sort(column, now ? now === "ascending" : number);
    });
    if (title.textContent.endsWith("requests")) title.setAttribute("aria-sort", "descending");
  });
  filter.addEventListener("input", show);
  unfold.addEventListener("click", () => {
    folded = false;
    show();
  });
  if (rows.length < 8) top.hidden = true;
  show();
}
