//! One agent in full: what it says about itself, and what it read and lost, by reason and over time. In: its row and its
//! coverage by interval. Out: lines of at most the style's width.

use std::{io, time::Duration};

use pitot_model::{
    Coverage, Reason, TimeRange, Timestamp,
    api::{AgentCoverage, AgentRow},
};

use super::words;
use crate::report::{
    Style, figures, names,
    text::paint::{Ink, Paint},
};

/// Cells of the bar of a spool.
const BAR: usize = 20;
/// Cells of labels.
const LABEL: usize = 10;
/// Cells of a line over time, at most; a step is never wider than one cell.
const SPARK: usize = 120;
/// From nothing to the most.
const LEVELS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What the collector has of it, in the range that was asked for.
pub(super) struct Seen<'a> {
    pub(super) range: TimeRange,
    pub(super) step_ms: u64,
    pub(super) coverage: Option<&'a AgentCoverage>,
}

struct Page<'a> {
    width: usize,
    paint: Paint,
    out: &'a mut dyn io::Write,
}

pub(super) fn write(
    a: &AgentRow,
    seen: &Seen<'_>,
    now: Timestamp,
    style: Style,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page { width: style.width.max(Style::MIN_WIDTH), paint: Paint::new(style.color), out };
    let (sign, ink) = words::sign(a);
    let (sign, name) = (page.paint.ink(ink, sign), page.paint.ink(Ink::Strong, &words::name(a)));
    writeln!(page.out, "{sign} {name}  {}, {}", a.state.name(), names::clean(&a.program))?;
    writeln!(page.out)?;
    page.facts(a, now)?;
    page.heading("Read and lost since the collector knows it")?;
    page.coverage(&a.coverage)?;
    let span = words::span(seen.range.len());
    match seen.coverage {
        None => page.heading(&format!("Nothing came of it in the last {span}")),
        Some(c) => {
            let step = words::span(Duration::from_millis(seen.step_ms));
            page.heading(&format!("The last {span}, in steps of {step}"))?;
            page.over_time(c, seen)?;
            page.coverage(&c.total)
        }
    }
}

impl Page<'_> {
    fn facts(&mut self, a: &AgentRow, now: Timestamp) -> io::Result<()> {
        let behind = words::span(now.since(a.watermark));
        let seen = words::span(now.since(a.last_seen));
        self.fact("seen", &format!("{seen} ago, report {}", figures::count(a.sequence)))?;
        self.fact(
            "lag",
            &format!("{}; its data is complete until {behind} ago", words::span(Duration::from_millis(a.lag_ms))),
        )?;
        if a.backlog.is_some() {
            self.fact("spool", &format!("{}  {}", words::spool_bar(a, BAR), words::spool(a)))?;
        }
        if let Some(b) = a.backlog {
            let broken =
                if b.broken_sources > 0 { format!(", {} cannot be read", b.broken_sources) } else { String::new() };
            self.fact(
                "sources",
                &format!("{}{broken}, {} of files not read yet", b.sources, figures::bytes(b.unread_bytes)),
            )?;
        }
        if let Some(g) = a.gauges {
            let (waiting, open) = (figures::count(g.requests_in_flight), figures::count(g.connections));
            self.fact("captures", &format!("{waiting} requests in flight, {open} connections"))?;
        }
        self.fact("clock", &words::clock(a).unwrap_or_else(|| "right".to_owned()))?;
        if a.refused_reports > 0 {
            self.fact("refused", &words::refused(a))?;
        }
        Ok(())
    }

    fn fact(&mut self, label: &str, text: &str) -> io::Result<()> {
        let label = self.paint.ink(Ink::Faint, &format!("{label:<LABEL$}"));
        writeln!(self.out, "  {label}{}", words::cut(text, self.width - LABEL - 2))
    }

    fn heading(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out)?;
        writeln!(self.out, "  {}", self.paint.ink(Ink::Strong, text))
    }

    fn coverage(&mut self, c: &Coverage) -> io::Result<()> {
        let transactions = words::counted(c.transactions, "transaction", "transactions");
        let whole = c.transactions.saturating_add(c.lost());
        let seen = format!("{} %", figures::percent(c.transactions, whole));
        let mark = if c.is_full() { "" } else { "~ " };
        let read = words::read(c);
        let said = format!("{mark}{seen} seen: {read} read, {transactions}, {} lost", figures::count(c.lost()));
        writeln!(self.out, "  {}", words::cut(&said, self.width - 2))?;
        let mut reasons: Vec<_> = c.reasons.iter().filter(|(_, n)| **n > 0).collect();
        reasons.sort_by_key(|(r, n)| (!r.is_loss(), std::cmp::Reverse(**n), **r));
        for (reason, n) in reasons {
            self.reason(*reason, *n)?;
        }
        Ok(())
    }

    fn reason(&mut self, r: Reason, n: u64) -> io::Result<()> {
        let (effect, ink) = if r.is_loss() { ("lost ", Ink::Warn) } else { ("noted", Ink::Faint) };
        let head = format!("  {effect}  {:>12}  {:<20}", figures::count(n), r.name().replace('_', " "));
        let help = words::cut(r.help().trim(), self.width.saturating_sub(names::width(&head) + 1));
        writeln!(self.out, "{} {}", self.paint.ink(ink, &head), self.paint.ink(Ink::Faint, &help))
    }

    fn over_time(&mut self, c: &AgentCoverage, seen: &Seen<'_>) -> io::Result<()> {
        let cells = (self.width - LABEL - 20).min(SPARK);
        let mut drawn = 0;
        for (label, value, ink) in [
            ("read", (|c: &Coverage| c.transactions) as fn(&Coverage) -> u64, Ink::Accent),
            ("lost", Coverage::lost, Ink::Bad),
        ] {
            let (line, most) = over_time(c, seen, cells, value);
            drawn = line.chars().count();
            let label = self.paint.ink(Ink::Faint, &format!("{label:<LABEL$}"));
            let most = self.paint.ink(Ink::Faint, &format!("  most {}", words::short(most)));
            writeln!(self.out, "  {label}{}{most}", self.paint.ink(ink, &line))?;
        }
        let (from, to) = (clock(seen.range.from), clock(seen.range.to));
        let blank = " ".repeat(drawn.saturating_sub(from.len() + to.len()).max(2));
        writeln!(self.out, "  {:<LABEL$}{}", "", self.paint.ink(Ink::Faint, &format!("{from}{blank}{to} UTC")))
    }
}

/// A cell for as many steps as share it, and the most that any has.
fn over_time(c: &AgentCoverage, seen: &Seen<'_>, cells: usize, value: fn(&Coverage) -> u64) -> (String, u64) {
    let length = u64::try_from(seen.range.len().as_millis()).unwrap_or(u64::MAX).max(1);
    let steps = usize::try_from(length.div_ceil(seen.step_ms.max(1))).unwrap_or(usize::MAX);
    // The same number of steps in every cell, or they would look uneven.
    let shared = steps.div_ceil(cells).max(1);
    let mut sums = vec![0_u64; steps.div_ceil(shared)];
    for interval in &c.intervals {
        let step = interval.at.since(seen.range.from).as_millis() / u128::from(seen.step_ms.max(1));
        let at = step / shared as u128;
        if let Some(sum) = sums.get_mut(at as usize) {
            *sum = sum.saturating_add(value(&interval.coverage));
        }
    }
    let most = sums.iter().copied().max().unwrap_or(0);
    let level = |n: u64| if n == 0 { 0 } else { (n as f64 / most as f64 * 8.0).ceil().clamp(1.0, 8.0) as usize };
    (sums.into_iter().map(|n| LEVELS[level(n)]).collect(), most)
}

/// `01-12 08:30`, UTC.
fn clock(t: Timestamp) -> String {
    Timestamp::from_secs(t.as_secs()).to_string().get(5..16).unwrap_or_default().replace('T', " ")
}
