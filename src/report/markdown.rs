//! The report for issues and chats: GitHub Flavored Markdown.
//!
//! In: a document. Out: headings, tables and lists. Names are code spans, inside of which nothing has a meaning: no
//! links, no mentions, no markup.

use std::io;

use pitot_model::api::Document;

use super::{
    facts, figures, names,
    sheet::{Cell, Column, Kind, Sheet},
};

/// Characters of a name that are shown.
const NAME_ROOM: usize = 120;

pub(super) fn write(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "## pitot report\n")?;
    for source in facts::sources(doc) {
        writeln!(out, "- {}", code(&source))?;
    }
    writeln!(out, "- {}\n", facts::range(doc.range))?;
    headlines(doc, out)?;
    if let Some(note) = facts::durations(doc.totals.count, &doc.totals.duration_us) {
        writeln!(out, "{note}\n")?;
    }
    statuses(doc, out)?;
    for sheet in Sheet::all(doc) {
        table(&sheet, out)?;
    }
    coverage(doc, out)
}

fn headlines(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let all = facts::headlines(doc);
    let row = |cells: Vec<&str>| format!("| {} |", cells.join(" | "));
    writeln!(out, "{}", row(all.iter().map(|h| h.label).collect()))?;
    writeln!(out, "{}", row(all.iter().map(|_| "---:").collect()))?;
    writeln!(out, "{}", row(all.iter().map(|h| h.value.trim_start_matches('~')).collect()))?;
    if all.iter().any(|h| !h.note.is_empty()) {
        writeln!(out, "{}", row(all.iter().map(|h| h.note.as_str()).collect()))?;
    }
    writeln!(out)
}

fn statuses(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    if doc.totals.count == 0 {
        return Ok(());
    }
    writeln!(out, "### Statuses\n\n| status | requests | share |\n| :--- | ---: | ---: |")?;
    for (status, n) in facts::statuses(&doc.totals.status) {
        writeln!(out, "| {status} | {} | {} |", figures::count(n), facts::share(n, doc.totals.count))?;
    }
    writeln!(out)
}

fn table(sheet: &Sheet<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let columns: Vec<&Column> = sheet.columns.iter().copied().filter(|c| c.kind != Kind::Bar).collect();
    let row = |cell: &dyn Fn(&Column) -> String| {
        format!("| {} |", columns.iter().map(|c| cell(c)).collect::<Vec<_>>().join(" | "))
    };
    let rule = |c: &Column| if c.kind == Kind::Number { "---:" } else { ":---" }.to_owned();
    writeln!(out, "### {} ({})\n", sheet.title, figures::count(sheet.all as u64))?;
    writeln!(out, "{}", row(&|c| c.title.to_owned()))?;
    writeln!(out, "{}", row(&rule))?;
    for part in sheet.parts {
        writeln!(out, "{}", row(&|c| cell(sheet.cell(part, c))))?;
    }
    if let Some(more) = facts::hidden(sheet.parts.len(), sheet.all) {
        writeln!(out, "\n{more}")?;
    }
    writeln!(out)
}

fn cell(cell: Cell) -> String {
    match cell {
        Cell::Text(name) => code(&name),
        Cell::Number(figure, _) => figure.to_string(),
        Cell::Bar(_) => String::new(),
    }
}

fn coverage(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "### Coverage\n\n{}", facts::coverage(&doc.coverage).replace('~', "\\~"))?;
    if !doc.coverage.reasons.is_empty() {
        writeln!(out)?;
    }
    for (&reason, &n) in &doc.coverage.reasons {
        writeln!(out, "- {} {}: {}", figures::count(n), facts::effect(reason), facts::help(reason))?;
    }
    Ok(())
}

/// A clean name as a code span that holds in a table.
///
/// Source: GitHub Flavored Markdown, code spans (a fence longer than any inside) and tables (pipes are escaped even in
/// code; a backslash before one would be read as its escape, so that pipe becomes a broken bar).
fn code(name: &str) -> String {
    let text = names::fit(name, NAME_ROOM).replace("\\|", "\\¦").replace('|', "\\|");
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let space = if text.starts_with('`') || text.ends_with('`') || text.trim() != text { " " } else { "" };
    format!("{fence}{space}{text}{space}{fence}")
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn render(doc: &Document) -> String {
        let mut out = Vec::new();
        write(doc, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_code() {
        for (name, want) in [
            ("/v1/orders/{uuid}", "`/v1/orders/{uuid}`"),
            ("<b>@x</b>", "`<b>@x</b>`"),
            ("a|b", "`a\\|b`"),
            ("a\\|b", "`a\\¦b`"),
            ("`", "`` ` ``"),
            ("a``b", "```a``b```"),
            (" x ", "`  x  `"),
        ] {
            assert_eq!(code(name), want);
        }
        assert!(names::width(&code(&"x".repeat(500))) <= NAME_ROOM + 2);
    }

    #[test]
    fn a_route_is_a_row() {
        let page = render(&sample::one());
        for want in [
            "| requests | errors | 4xx | p50 | p90 | p99 | max | sent |\n| ---: | ---: |",
            "| method | route | requests | share % | err % | 4xx % | p50 | p90 | p99 | max | sent |\n| :--- | :--- | ---: |",
            "| `GET` | `/v1/orders/{int}` | 1 | 100 | 100 | 0 | 12.3 ms | 12.3 ms | 12.3 ms | 12.3 ms | 512 B |",
            "### Coverage\n\nfull: 1 line read, 1 transaction, nothing lost\n",
        ] {
            assert!(page.contains(want), "{want}\n{page}");
        }
    }

    #[test]
    fn tables_keep_their_columns() {
        for (name, doc) in sample::all() {
            let mut columns = 0;
            for line in render(&doc).lines() {
                let bars = line.replace("\\|", "").matches('|').count();
                if bars == 0 {
                    columns = 0;
                    continue;
                }
                assert!(columns == 0 || bars == columns, "{name}: {line}");
                columns = bars;
            }
        }
    }

    #[test]
    fn nothing_of_a_name_stands_outside_of_code() {
        for line in render(&sample::hostile()).lines() {
            let outside = without_code(line);
            assert!(!outside.trim_start_matches('#').contains(['<', '@', '[', '#', '*', '`']), "{outside}\n{line}");
        }
    }

    /// A span starts with a run of backticks and ends with the next run of that length.
    fn without_code(line: &str) -> String {
        let run = |text: &str| text.len() - text.trim_start_matches('`').len();
        let (mut outside, mut rest) = (String::new(), line);
        while let Some((before, _)) = rest.split_once('`') {
            outside.push_str(before);
            rest = &rest[before.len()..];
            let fence = run(rest);
            rest = &rest[fence..];
            loop {
                let Some(at) = rest.find('`') else { return outside + "`" };
                let found = run(&rest[at..]);
                rest = &rest[at + found..];
                if found == fence {
                    break;
                }
            }
        }
        outside + rest
    }
}
