//! The report for browsers: one file that needs nothing else, neither network nor script.
//!
//! In: a document. Out: HTML with its style, drawings (SVG) and a small script inside. Tables and drawings are static;
//! the script only sorts, filters and folds rows. The content policy allows exactly this style and this script, by
//! hash, and nothing from elsewhere, so that a name that slipped through an escape still could not run or load anything.

mod chart;

use std::io;

use pitot_model::api::Document;

use super::{
    facts::{self, Tone},
    figures, names,
    sheet::{Cell, Column, Kind, Sheet},
};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// SHA-256 of [`STYLE`] in base 64; a test says what it has to be.
const STYLE_HASH: &str = "tVWd/4ZiUy1CDqYb9EJOdF4W8ptIjrgxzrmeZPXACZ8=";
/// Likewise of [`SCRIPT`].
const SCRIPT_HASH: &str = "YGutsG1XTv0CYGJzS5Y/x9OwhRvF9RoqMxIlkMPO7u4=";

pub(super) fn write(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    head(doc, out)?;
    headlines(doc, out)?;
    if doc.totals.count > 0 {
        chart::over_time(doc, out)?;
        statuses(doc, out)?;
    }
    for sheet in Sheet::all(doc) {
        table(doc, &sheet, out)?;
    }
    coverage(doc, out)?;
    write!(out, "</main>\n<footer>pitot {}</footer>\n", escape(&names::clean(&doc.program)))?;
    write!(out, "<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

fn head(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let first = doc.sources.first().map_or("", |s| s.name.as_str());
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; \
         script-src 'sha256-{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>pitot report · {}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{LOGO}pitot report</h1>\n<p>{}</p>\n<ul>\n",
        escape(&names::clean(first)),
        escape(&facts::range(doc.range)),
    )?;
    for source in facts::sources(doc) {
        writeln!(out, "<li><bdi>{}</bdi></li>", escape(&source))?;
    }
    write!(out, "</ul>\n</header>\n<main>\n")
}

/// A pitot tube in a stream.
const LOGO: &str = "<svg class=\"logo\" viewBox=\"0 0 32 32\" aria-hidden=\"true\">\
    <path d=\"M2 9h9M2 16h6M2 23h9\"/><path class=\"tube\" d=\"M13 16h9a4 4 0 0 0 4-4V3\"/></svg>";

fn headlines(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "<dl class=\"headlines\">")?;
    for h in facts::headlines(doc) {
        let class = match h.tone {
            Tone::Plain => "",
            Tone::ServerError => " class=\"bad\"",
            Tone::ClientError => " class=\"warn\"",
        };
        let (label, value, note) = (escape(h.label), escape(&h.value), escape(&h.note));
        writeln!(out, "<div{class}><dt>{label}</dt><dd>{value}</dd><dd class=\"note\">{note}</dd></div>")?;
    }
    writeln!(out, "</dl>")?;
    match facts::durations(doc.totals.count, &doc.totals.duration_us) {
        Some(note) => writeln!(out, "<p class=\"remark\">{}</p>", escape(&note)),
        None if doc.totals.count == 0 => writeln!(out, "<p class=\"remark\">no transactions</p>"),
        None => Ok(()),
    }
}

fn statuses(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let all = doc.totals.count;
    write!(out, "<section>\n<h2>Statuses</h2>\n")?;
    chart::classes(&doc.totals.status, out)?;
    writeln!(out, "<ul class=\"legend\">")?;
    for (class, n) in facts::classes(&doc.totals.status).into_iter().filter(|(_, n)| *n > 0) {
        writeln!(out, "<li><i class=\"s{class}\"></i>{class} <b>{}</b></li>", facts::share(n, all))?;
    }
    write!(out, "</ul>\n<ul class=\"codes\">\n")?;
    for (status, n) in facts::statuses(&doc.totals.status) {
        writeln!(out, "<li><b>{status}</b> {} <small>{}</small></li>", figures::count(n), facts::share(n, all))?;
    }
    write!(out, "</ul>\n</section>\n")
}

fn table(doc: &Document, sheet: &Sheet<'_>, out: &mut dyn io::Write) -> io::Result<()> {
    let mark = facts::mark(&doc.coverage);
    write!(
        out,
        "<section class=\"sheet\">\n<h2>{} <small>{} · by requests</small></h2>\n<div class=\"scroll\"><table>\n<thead><tr>",
        sheet.title,
        figures::count(sheet.all as u64),
    )?;
    for column in &sheet.columns {
        let mark = if column.title == "requests" { mark } else { "" };
        let (class, help) = (class(column), escape(column.help));
        write!(out, "<th scope=\"col\" class=\"{class}\" title=\"{help}\">{mark}{}</th>", column.title)?;
    }
    write!(out, "</tr></thead>\n<tbody>\n")?;
    let most = sheet.parts.iter().map(|p| p.count).max().unwrap_or(0);
    for part in sheet.parts {
        write!(out, "<tr>")?;
        for column in &sheet.columns {
            cell(column, sheet.cell(part, column), most as f64 / doc.totals.count.max(1) as f64, out)?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if let Some(more) = facts::hidden(sheet.parts.len(), sheet.all) {
        writeln!(out, "<p class=\"remark\">{more}; <code>--limit 0</code> shows all</p>")?;
    }
    writeln!(out, "</section>")
}

fn class(column: &Column) -> &'static str {
    match column.kind {
        Kind::Name => "name",
        Kind::Label => "label",
        Kind::Number => "n",
        Kind::Bar => "bar",
    }
}

/// `most` is the share that fills a bar.
fn cell(column: &Column, cell: Cell, most: f64, out: &mut dyn io::Write) -> io::Result<()> {
    match cell {
        Cell::Text(name) => {
            // Long routes are broken behind a slash rather than inside a word.
            let name = escape(&name);
            let name = if column.kind == Kind::Name { name.replace('/', "/<wbr>") } else { name };
            write!(out, "<td class=\"{}\"><bdi>{name}</bdi></td>", class(column))
        }
        Cell::Number(figure, None) => write!(out, "<td class=\"n\">{}</td>", escape(&figure.digits)),
        Cell::Number(figure, Some(value)) => {
            let bad = if column.title == "err %" && value >= 0.01 { " bad" } else { "" };
            let unit = if figure.unit.is_empty() { String::new() } else { format!(" <small>{}</small>", figure.unit) };
            write!(out, "<td class=\"n{bad}\" data-v=\"{value}\">{}{unit}</td>", escape(&figure.digits))
        }
        Cell::Bar(share) => {
            let width = if most > 0.0 { (share / most * 100.0).clamp(0.5, 100.0) } else { 0.0 };
            write!(
                out,
                "<td class=\"bar\" data-v=\"{share}\"><svg viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" \
                 aria-hidden=\"true\"><rect width=\"{width:.1}\" height=\"1\"/></svg></td>"
            )
        }
    }
}

fn coverage(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let c = &doc.coverage;
    let class = if c.is_full() { "good" } else { "warn" };
    write!(out, "<section>\n<h2>Coverage</h2>\n<p class=\"{class}\">{}</p>\n", escape(&facts::coverage(c)))?;
    if !c.reasons.is_empty() {
        writeln!(out, "<table class=\"reasons\">")?;
        for (&reason, &n) in &c.reasons {
            let (effect, help) = (facts::effect(reason), escape(facts::help(reason)));
            writeln!(out, "<tr><td class=\"n\">{}</td><td>{effect}</td><td>{help}</td></tr>", figures::count(n))?;
        }
        writeln!(out, "</table>")?;
    }
    writeln!(out, "</section>")
}

/// A text that means nothing in HTML, be it between tags or in a quoted attribute.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::{super::sample, *};

    fn render(doc: &Document) -> String {
        let mut out = Vec::new();
        write(doc, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_policy_allows_this_style_and_this_script() {
        for (text, hash) in [(STYLE, STYLE_HASH), (SCRIPT, SCRIPT_HASH)] {
            assert_eq!(base64(&Sha256::digest(text)), hash, "of {}", &text[..60]);
        }
    }

    /// Source: RFC 4648, section 4.
    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let group = |three: &[u8]| {
            let n = (0..3).fold(0, |n, i| n << 8 | u32::from(three.get(i).copied().unwrap_or(0)));
            (0..4).map(move |i| char::from(DIGITS[(n >> (18 - 6 * i)) as usize & 63]))
        };
        let mut text: String = bytes.chunks(3).flat_map(group).collect();
        let fill = (3 - bytes.len() % 3) % 3;
        text.truncate(text.len() - fill);
        text + &"=".repeat(fill)
    }

    #[test]
    fn names_are_text() {
        let page = render(&sample::hostile());
        let body = page.replace(STYLE, "").replace(SCRIPT, "");
        assert_eq!(body.matches("<script").count(), 1);
        assert_eq!(body.matches("</style>").count(), 1);
        for want in
            ["&lt;script&gt;alert(1)&lt;/<wbr>script&gt;", "&quot;quoted&quot; &#39;single&#39; &amp; &lt;b&gt;"]
        {
            assert!(body.contains(want), "{want}");
        }
        assert!(!body.contains("<b>\""));
    }

    #[test]
    fn nothing_is_loaded_and_nothing_is_styled_in_place() {
        for (name, doc) in sample::all() {
            let page = render(&doc);
            for forbidden in [" src=", " href=", " style=", "url(", "@import", " onclick", "innerHTML"] {
                assert!(!page.contains(forbidden), "{name}: {forbidden}");
            }
        }
    }

    #[test]
    fn elements_are_closed() {
        for (name, doc) in sample::all() {
            let page = render(&doc);
            for element in ["section", "table", "tr", "td", "th", "svg", "div", "ul", "li", "bdi", "dl", "title", "g"] {
                let open =
                    page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
                assert_eq!(open, page.matches(&format!("</{element}>")).count(), "{name}: {element}");
            }
        }
    }
}
