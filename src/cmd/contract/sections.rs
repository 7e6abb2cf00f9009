//! What differs between what is called and what is described, as text. In: an answer, a style. Out: sections with tables.

use std::io::{self, Write};

use pitot_model::{
    Timestamp,
    api::{Caller, ContractAnswer, DeprecatedOperation, DocumentState, Rows, UndocumentedRoute},
};

use crate::report::{
    Style, names,
    text::paint::{Ink, Paint},
};

/// Heights of the bars of a sparkline.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Consumers of one operation that are shown.
const CALLERS: usize = 5;

/// Faults of one document that are shown.
const FAULTS: usize = 5;

pub(super) fn write(out: &mut impl Write, answer: &ContractAnswer, style: Style) -> io::Result<()> {
    let page = Page { paint: Paint::new(style.color), width: style.width.max(Style::MIN_WIDTH) };
    page.head(out, answer)?;
    page.deprecated(out, &answer.deprecated)?;
    page.routes(out, "Not documented", &answer.undocumented)?;
    page.routes(out, "Methods not documented", &answer.undocumented_methods)?;
    page.statuses(out, answer)?;
    page.unused(out, answer)?;
    page.foot(out, answer)
}

struct Page {
    paint: Paint,
    width: usize,
}

/// A column: its title, whether it is flush right, its cells.
type Column<'t> = (&'t str, bool, Vec<String>);

impl Page {
    fn head(&self, out: &mut impl Write, answer: &ContractAnswer) -> io::Result<()> {
        if answer.documents.is_empty() {
            writeln!(out, "the collector knows no document; name one by `openapi` in collector.toml")?;
            return writeln!(out, "`pitot contract export` writes one of what is called");
        }
        for document in &answer.documents {
            self.document(out, document)?;
        }
        let share = percent(answer.described, answer.requests);
        let range = format!("{} to {}", answer.range.from, answer.range.to);
        let mark = if answer.coverage.is_full() { "" } else { "~" };
        let line =
            format!("{range}  {mark}{} requests, {share} on operations that are described", grouped(answer.requests));
        writeln!(out, "{}", self.paint.ink(Ink::Faint, &line))
    }

    fn document(&self, out: &mut impl Write, document: &DocumentState) -> io::Result<()> {
        let title = if document.title.is_empty() { "(no title)".to_owned() } else { clean(&document.title) };
        let version = clean(&document.version);
        let kind = if document.dialect.starts_with('2') { "Swagger" } else { "OpenAPI" };
        let file = format!("{}, {kind} {}", clean(&document.file), clean(&document.dialect));
        let service =
            if document.service.is_empty() { String::new() } else { format!(", for {}", clean(&document.service)) };
        writeln!(
            out,
            "{} {version}  {}",
            self.paint.ink(Ink::Strong, &title),
            self.paint.ink(Ink::Faint, &(file + &service))
        )?;
        let perhaps = match document.perhaps_called {
            0 => String::new(),
            n => format!(", perhaps {n} more"),
        };
        writeln!(out, "  {} of {} operations called{perhaps}", document.called, document.operations)?;
        for fault in document.faults.iter().take(FAULTS) {
            let at = self.paint.ink(Ink::Warn, &clean(&fault.pointer));
            writeln!(out, "  {at}: {}", clean(&fault.message))?;
        }
        match document.faults.len().saturating_sub(FAULTS) as u64 + document.more_faults {
            0 => Ok(()),
            more => writeln!(out, "  and {more} more such places"),
        }
    }

    /// A title with the number of rows; whether there are any.
    fn title(&self, out: &mut impl Write, title: &str, n: usize) -> io::Result<bool> {
        if n > 0 {
            writeln!(
                out,
                "\n{}  {}",
                self.paint.ink(Ink::Strong, title),
                self.paint.ink(Ink::Faint, &grouped(n as u64))
            )?;
        }
        Ok(n > 0)
    }

    fn deprecated(&self, out: &mut impl Write, rows: &Rows<DeprecatedOperation>) -> io::Result<()> {
        if !self.title(out, "Deprecated and still called", rows.row_count)? {
            return Ok(());
        }
        for row in &rows.rows {
            let sunset = row.sunset.map_or(String::new(), |s| format!("  until {}", date(s)));
            let name = format!("{} {}", row.method, row.route);
            let facts = format!("{}  {}{sunset}", clean(&row.service), sparkline(&row.steps));
            let room = self.width.saturating_sub(names::width(&facts) + 6);
            let name = self.paint.ink(Ink::Warn, &names::fit(&clean(&name), room.max(20)));
            writeln!(out, "  {name}  {}", self.paint.ink(Ink::Faint, &facts))?;
            let all = Caller {
                consumer: format!("all, {} consumers", row.consumer_count),
                evidence: pitot_model::Evidence::None,
                group: String::new(),
                requests: row.requests,
                later: row.later,
                last_seen: row.last_seen,
            };
            let shown: Vec<&Caller> = row.consumers.iter().take(CALLERS).chain([&all]).collect();
            let column = |f: fn(&Caller) -> String| shown.iter().map(|c| f(c)).collect();
            self.table(
                out,
                &[
                    ("REQUESTS", true, column(|c| grouped(c.requests))),
                    ("TREND", true, column(|c| trend(c.requests, c.later))),
                    ("LAST SEEN", false, column(|c| minute(c.last_seen))),
                    ("CONSUMER", false, column(caller)),
                ],
            )?;
        }
        self.more(out, rows)
    }

    fn routes(&self, out: &mut impl Write, title: &str, rows: &Rows<UndocumentedRoute>) -> io::Result<()> {
        if !self.title(out, title, rows.row_count)? {
            return Ok(());
        }
        let column = |f: &dyn Fn(&UndocumentedRoute) -> String| rows.rows.iter().map(f).collect();
        let who = |r: &UndocumentedRoute| match (r.consumers.first(), r.consumer_count) {
            (None, _) => "–".to_owned(),
            (Some(one), 1) => names::fit(&clean(&one.consumer), 20).into_owned(),
            (Some(one), n) => format!("{} +{}", names::fit(&clean(&one.consumer), 16), n - 1),
        };
        let statuses = |r: &UndocumentedRoute| {
            let mut most: Vec<_> = r.status.iter().collect();
            most.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
            most.iter().take(3).map(|(s, _)| s.to_string()).collect::<Vec<_>>().join(" ")
        };
        self.table(
            out,
            &[
                ("REQUESTS", true, column(&|r| grouped(r.requests))),
                ("STATUSES", false, column(&statuses)),
                ("FIRST SEEN", false, column(&|r| minute(r.first_seen))),
                ("LAST SEEN", false, column(&|r| minute(r.last_seen))),
                ("CONSUMERS", false, column(&who)),
                ("ROUTE", false, column(&|r| clean(&format!("{}  {} {}", r.service, r.method, r.route)))),
            ],
        )?;
        self.more(out, rows)
    }

    fn statuses(&self, out: &mut impl Write, answer: &ContractAnswer) -> io::Result<()> {
        let rows = &answer.undocumented_statuses;
        if !self.title(out, "Statuses not documented", rows.row_count)? {
            return Ok(());
        }
        self.table(
            out,
            &[
                ("REQUESTS", true, rows.rows.iter().map(|r| grouped(r.requests)).collect()),
                ("SHARE", true, rows.rows.iter().map(|r| percent(r.requests, r.of_requests)).collect()),
                ("STATUS", false, rows.rows.iter().map(|r| r.status.to_string()).collect()),
                ("LAST SEEN", false, rows.rows.iter().map(|r| minute(r.last_seen)).collect()),
                (
                    "OPERATION",
                    false,
                    rows.rows.iter().map(|r| clean(&format!("{}  {} {}", r.service, r.method, r.route))).collect(),
                ),
            ],
        )?;
        self.more(out, rows)
    }

    fn unused(&self, out: &mut impl Write, answer: &ContractAnswer) -> io::Result<()> {
        let rows = &answer.unused;
        if !self.title(out, "Documented and never called", rows.row_count)? {
            return Ok(());
        }
        let has_many = answer.documents.len() > 1;
        for row in &rows.rows {
            let name = clean(&format!("{} {}", row.method, row.route));
            let deprecated = if row.deprecated { "deprecated" } else { "" };
            let file = if has_many { clean(&row.file) } else { String::new() };
            let id = clean(&row.id);
            let facts: Vec<&str> = [deprecated, &id, &file].into_iter().filter(|f| !f.is_empty()).collect();
            let facts = facts.join(", ");
            let room = self.width.saturating_sub(names::width(&facts) + 4).max(20);
            writeln!(out, "  {}  {}", names::fit(&name, room), self.paint.ink(Ink::Faint, &facts))?;
        }
        self.more(out, rows)
    }

    fn foot(&self, out: &mut impl Write, answer: &ContractAnswer) -> io::Result<()> {
        let mut notes = Vec::new();
        let (nothing, folded) = (answer.nothing_there, answer.folded);
        if nothing.requests > 0 {
            let (requests, routes) = (grouped(nothing.requests), grouped(nothing.routes));
            notes.push(format!(
                "{requests} requests on {routes} routes were answered only by 404, 405, 410 or 501: not listed"
            ));
        }
        if folded.requests > 0 {
            let requests = grouped(folded.requests);
            notes.push(format!("{requests} requests are on routes that were folded and cannot be compared"));
        }
        if answer.not_compared > 0 {
            let requests = grouped(answer.not_compared);
            notes.push(format!("{requests} requests are of services that no document is for"));
        }
        if !notes.is_empty() {
            writeln!(out)?;
        }
        notes.iter().try_for_each(|note| writeln!(out, "{}", self.paint.ink(Ink::Faint, note)))
    }

    fn more<T>(&self, out: &mut impl Write, rows: &Rows<T>) -> io::Result<()> {
        match rows.row_count - rows.rows.len().min(rows.row_count) {
            0 => Ok(()),
            more => writeln!(
                out,
                "{}",
                self.paint.ink(Ink::Faint, &format!("  and {} more; -n 0 shows all", grouped(more as u64)))
            ),
        }
    }

    /// Columns side by side; the last one is cut where a line has no room.
    fn table(&self, out: &mut impl Write, columns: &[Column<'_>]) -> io::Result<()> {
        let widths: Vec<usize> = columns
            .iter()
            .map(|(title, _, cells)| cells.iter().map(|c| names::width(c)).chain([title.len()]).max().unwrap_or(0))
            .collect();
        let before: usize = widths.iter().rev().skip(1).map(|w| w + 2).sum::<usize>() + 2;
        let room = self.width.saturating_sub(before).max(20);
        let line = |cell: &dyn Fn(usize) -> String| {
            let mut line = String::from(" ");
            for (i, (_, is_right, _)) in columns.iter().enumerate() {
                let text = cell(i);
                let pad = " ".repeat(widths[i].saturating_sub(names::width(&text)));
                let is_last = i + 1 == columns.len();
                line.push(' ');
                match (is_right, is_last) {
                    (true, _) => line.push_str(&(pad + &text + " ")),
                    (_, true) => line.push_str(&names::fit(&text, room)),
                    _ => line.push_str(&(text + &pad + " ")),
                }
            }
            line
        };
        writeln!(out, "{}", self.paint.ink(Ink::Faint, &line(&|i| columns[i].0.to_owned())))?;
        let n_rows = columns.first().map_or(0, |(_, _, cells)| cells.len());
        (0..n_rows).try_for_each(|row| writeln!(out, "{}", line(&|i| columns[i].2[row].clone()).trim_end()))
    }
}

fn clean(text: &str) -> String {
    names::clean(text).into_owned()
}

fn caller(c: &Caller) -> String {
    let group = if c.group.is_empty() { String::new() } else { format!(" ({})", c.group) };
    let name = if c.consumer.is_empty() { "(nobody known)" } else { &c.consumer };
    clean(&format!("{name}{group}"))
}

/// `1,204`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn percent(part: u64, all: u64) -> String {
    if all == 0 { "–".to_owned() } else { format!("{:.1} %", part as f64 * 100.0 / all as f64) }
}

/// The later half of the range against the one before.
fn trend(requests: u64, later: u64) -> String {
    let earlier = requests.saturating_sub(later);
    match (earlier, later) {
        (0, _) => "new".to_owned(),
        (_, 0) => "gone".to_owned(),
        (e, l) => format!("{:+.0} %", (l as f64 / e as f64 - 1.0) * 100.0),
    }
}

/// `2026-01-12 08:30`.
fn minute(at: Timestamp) -> String {
    at.to_string().get(..16).unwrap_or_default().replace('T', " ")
}

fn date(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

fn sparkline(steps: &[u64]) -> String {
    let most = steps.iter().copied().max().unwrap_or(0).max(1);
    let level = |n: u64| (n as u128 * (LEVELS.len() as u128 - 1)).div_ceil(most as u128) as usize;
    steps.iter().map(|&n| if n == 0 { ' ' } else { LEVELS[level(n).min(LEVELS.len() - 1)] }).collect()
}
