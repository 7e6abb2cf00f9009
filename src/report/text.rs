//! The report for people in a terminal or a pipe.
//!
//! In: a document and a [`Style`]. Out: lines of at most the style's width, without trailing blanks. Sections, from
//! the whole to its parts: sources, headline numbers, over time, statuses, services, routes, consumers, coverage.

mod chart;
pub(crate) mod grid;
pub(crate) mod paint;

use std::io;

use pitot_model::api::Document;

use self::paint::{Ink, Paint};
use super::{
    Style,
    facts::{self, Tone},
    figures, names,
    sheet::Sheet,
};

/// Blanks in front of everything but headings.
const INDENT: &str = "  ";

pub(super) fn write(doc: &Document, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page { width: style.width.max(Style::MIN_WIDTH), paint: Paint::new(style.color), out };
    page.head(doc)?;
    if doc.totals.count == 0 {
        page.line("")?;
        page.words(Ink::Plain, &format!("no transactions: {}", why_empty(doc)))?;
        return page.coverage(doc);
    }
    page.headlines(doc)?;
    page.over_time(doc)?;
    page.statuses(doc)?;
    for sheet in Sheet::all(doc) {
        page.sheet(doc, &sheet)?;
    }
    page.coverage(doc)
}

fn why_empty(doc: &Document) -> &'static str {
    match (doc.coverage.lines_read, doc.coverage.packets_read) {
        (0, 0) => "the sources are empty",
        (0, _) => "no packet belongs to one that was asked for; the reasons are below",
        _ => "no line holds one that was asked for; the reasons are below",
    }
}

/// Where lines go.
struct Page<'a> {
    width: usize,
    paint: Paint,
    out: &'a mut dyn io::Write,
}

impl Page<'_> {
    fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{}", text.trim_end())
    }

    /// Text in as many lines as it needs.
    fn words(&mut self, ink: Ink, text: &str) -> io::Result<()> {
        for line in wrap(text, self.width - INDENT.len()) {
            self.line(&format!("{INDENT}{}", self.paint.ink(ink, &line)))?;
        }
        Ok(())
    }

    fn head(&mut self, doc: &Document) -> io::Result<()> {
        let time = facts::range(doc.range);
        let title = "pitot report";
        let gap = self.width.saturating_sub(title.len() + names::width(&time));
        let title = self.paint.ink(Ink::Strong, title);
        if gap < 2 {
            self.line(&title)?;
            self.line(&names::fit(&time, self.width))?;
        } else {
            self.line(&format!("{title}{}{time}", " ".repeat(gap)))?;
        }
        for source in facts::sources(doc) {
            let source = self.paint.ink(Ink::Faint, &names::fit(&source, self.width));
            self.line(&source)?;
        }
        Ok(())
    }

    /// `Title ───────────── note`
    fn heading(&mut self, title: &str, note: &str) -> io::Result<()> {
        let taken = names::width(title) + names::width(note) + if note.is_empty() { 1 } else { 2 };
        let rule = self.paint.ink(Ink::Faint, &"─".repeat(self.width.saturating_sub(taken)));
        let title = self.paint.ink(Ink::Strong, title);
        self.line("")?;
        self.line(&format!("{title} {rule} {note}"))
    }

    /// Three lines per row of numbers: what, how much, and what belongs to it.
    fn headlines(&mut self, doc: &Document) -> io::Result<()> {
        let all = facts::headlines(doc);
        let widths: Vec<usize> = all
            .iter()
            .map(|h| [h.label, &h.value, &h.note].map(names::width).into_iter().max().unwrap_or(0) + 3)
            .collect();
        let mut at = 0;
        while at < all.len() {
            let mut room = self.width - INDENT.len() + 3;
            let fits = widths[at..].iter().take_while(|&&w| room.checked_sub(w).map(|left| room = left).is_some());
            let end = at + fits.count().max(1);
            let mut lines = [INDENT.to_owned(), INDENT.to_owned(), INDENT.to_owned()];
            for (h, &width) in all[at..end].iter().zip(&widths[at..end]) {
                let value_ink = match h.tone {
                    Tone::Plain => Ink::Strong,
                    Tone::ServerError => Ink::Bad,
                    Tone::ClientError => Ink::Warn,
                };
                for (line, (text, ink)) in
                    lines.iter_mut().zip([(h.label, Ink::Faint), (&h.value, value_ink), (&h.note, Ink::Faint)])
                {
                    line.push_str(&self.paint.ink(ink, text));
                    line.push_str(&" ".repeat(width - names::width(text)));
                }
            }
            self.line("")?;
            for line in lines {
                self.line(&line)?;
            }
            at = end;
        }
        if let Some(note) = facts::durations(doc.totals.count, &doc.totals.duration_us) {
            self.line("")?;
            self.words(Ink::Plain, &note)?;
        }
        Ok(())
    }

    fn over_time(&mut self, doc: &Document) -> io::Result<()> {
        let Some(chart) = chart::over_time(doc, self.width - INDENT.len(), self.paint) else { return Ok(()) };
        self.heading("Over time", &chart.note)?;
        for line in chart.lines {
            self.line(&format!("{INDENT}{line}"))?;
        }
        Ok(())
    }

    fn statuses(&mut self, doc: &Document) -> io::Result<()> {
        self.heading("Statuses", "")?;
        for line in chart::statuses(&doc.totals.status, self.width - INDENT.len(), self.paint) {
            self.line(&format!("{INDENT}{line}"))?;
        }
        Ok(())
    }

    fn sheet(&mut self, doc: &Document, sheet: &Sheet<'_>) -> io::Result<()> {
        let note = format!("{} · by requests", figures::count(sheet.all as u64));
        self.heading(sheet.title, &note)?;
        for line in grid::lines(sheet, facts::mark(&doc.coverage), self.width - INDENT.len(), self.paint) {
            self.line(&format!("{INDENT}{line}"))?;
        }
        if let Some(more) = facts::hidden(sheet.parts.len(), sheet.all) {
            let more = self.paint.ink(Ink::Faint, &format!("{more}; `--limit 0` shows all"));
            self.line(&format!("{INDENT}{more}"))?;
        }
        Ok(())
    }

    fn coverage(&mut self, doc: &Document) -> io::Result<()> {
        let c = &doc.coverage;
        self.heading("Coverage", "")?;
        let ink = if c.is_full() { Ink::Plain } else { Ink::Warn };
        self.words(ink, &facts::coverage(c))?;
        let digits = c.reasons.values().map(|&n| figures::count(n).len()).max().unwrap_or(0);
        for (&reason, &n) in &c.reasons {
            let start = format!("{INDENT}{:>digits$}  {:<5}  ", figures::count(n), facts::effect(reason));
            let room = self.width - names::width(&start);
            let mut words = wrap(facts::help(reason), room).into_iter();
            self.line(&format!("{start}{}", words.next().unwrap_or_default()))?;
            for rest in words {
                self.line(&format!("{}{rest}", " ".repeat(names::width(&start))))?;
            }
        }
        Ok(())
    }
}

/// Words in lines of at most `room` columns; a single word may be longer.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let fits = lines.last().is_none_or(|l| l.is_empty() || names::width(l) + 1 + names::width(word) <= room);
        match lines.last_mut() {
            Some(line) if fits => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    fn render(doc: &Document, width: usize, color: bool) -> String {
        let mut out = Vec::new();
        write(doc, Style { color, width }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for (name, doc) in sample::all() {
            for width in [0, 60, 61, 80, 100, 137, 250] {
                for line in render(&doc, width, false).lines() {
                    assert!(names::width(line) <= width.max(60), "{name} at {width}: {line}");
                    assert_eq!(line, line.trim_end(), "{name} at {width}");
                }
            }
        }
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        for (name, doc) in sample::all() {
            let colored = render(&doc, 100, true);
            let mut plain = String::new();
            let mut rest = colored.as_str();
            while let Some((before, after)) = rest.split_once("\u{1b}[") {
                plain.push_str(before);
                let (code, after) = after.split_once('m').unwrap();
                assert!(code.bytes().all(|b| b.is_ascii_digit() || b == b';'), "{code}");
                rest = after;
            }
            plain.push_str(rest);
            let lines = |t: &str| t.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
            assert_eq!(lines(&plain), lines(&render(&doc, 100, false)), "{name}");
        }
    }

    #[test]
    fn what_is_said() {
        let rich = render(&sample::rich(), 100, false);
        for want in [
            "access.log · combined+rt (detected) · ",
            "2026-01-12 00:00:00 – 2026-01-13 00:00:00 UTC · 1 d",
            "errors   ",
            "Over time ─",
            "1 ms ",
            "12:00",
            "GET     /v1/orders/{uuid}",
            "Services ─",
            "Consumers ─",
            "Line that the format does not fit",
            "~ 99.9",
        ] {
            assert!(rich.contains(want), "{want}\n{rich}");
        }
    }

    #[test]
    fn an_empty_document_says_why() {
        assert_eq!(
            render(&sample::empty(), 60, false),
            "pitot report                                   no time known\n\
             empty.log · format not known · 0 lines\n\
             \n  no transactions: the sources are empty\n\
             \nCoverage ───────────────────────────────────────────────────\n  \
             full: 0 lines read, 0 transactions, nothing lost\n"
        );
    }

    #[test]
    fn one_transaction_as_a_whole() {
        assert_eq!(render(&sample::one(), 80, false), ONE);
    }

    const ONE: &str = "\
pitot report                                             2026-01-12 00:00:00 UTC
standard input · combined+rt · 1 line

  requests   errors   4xx   p50            p90           p99
  1          100 %    0 %   12.3 ms        12.3 ms       12.3 ms
             1        0     mean 12.3 ms   p95 12.3 ms   p99.9 12.3 ms

  max           sent
  12.3 ms       512 B
  min 12.3 ms

Over time ────────────────────────────────────────────────────── in steps of 1 s
  requests ██████  max 1
  errors   ██████  max 1
     10 ms┤██████
          └┬─────
           01-12

Statuses ───────────────────────────────────────────────────────────────────────
  ██████████████████████████████████████████████████████████████████████████████
  █ 5xx 100 %
  503 1

Routes ───────────────────────────────────────────────────────── 1 · by requests
  method  route             requests  share %  err %  4xx %      p50      p99
  GET     /v1/orders/{int}         1      100    100      0  12.3 ms  12.3 ms

Consumers ────────────────────────────────────────────────────── 1 · by requests
  consumer     known by  requests  share %  err %  4xx %      p50      p99
  (anonymous)  none             1      100    100      0  12.3 ms  12.3 ms

Coverage ───────────────────────────────────────────────────────────────────────
  full: 1 line read, 1 transaction, nothing lost
";

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrap("line that ends before its last field", 12), ["line that", "ends before", "its last", "field"]);
        assert_eq!(wrap("", 12), [""]);
    }
}
