//! What all formats say about a document in words: sources, time, headline numbers, statuses, coverage.
//!
//! In: a document. Out: short clean texts; a format only decides where they stand and how they are escaped.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{
    Coverage, Reason, Status, TimeRange, Timestamp,
    api::{Document, Quantiles, Source},
};

use super::{
    figures::{self, Figure},
    names,
};

/// Sources that are listed; of more, only the number is said.
const SOURCES_SHOWN: usize = 5;

/// Shortest range in seconds over which an average rate means something.
const RATE_FROM_S: f64 = 1.0;

/// One headline number.
pub(super) struct Headline {
    pub(super) label: &'static str,
    pub(super) value: String,
    /// A second number that belongs to it; may be empty.
    pub(super) note: String,
    pub(super) tone: Tone,
}

/// What a number is about; formats may colour it, the label says it as well.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    ServerError,
    ClientError,
}

/// The numbers that stand first.
pub(super) fn headlines(doc: &Document) -> Vec<Headline> {
    let t = &doc.totals;
    let d = &t.duration_us;
    let mark = mark(&doc.coverage);
    let plain = |label, value: String, note: String| Headline { label, value, note, tone: Tone::Plain };
    let errors = |label, n: u64, tone| Headline {
        label,
        value: share(n, t.count),
        note: if t.count == 0 { String::new() } else { figures::count(n) },
        tone: if n > 0 { tone } else { Tone::Plain },
    };
    let latency = |label, us, note| plain(label, figures::duration(us).to_string(), note);
    let beside = |name: &str, us: Option<u64>| match us {
        Some(_) => format!("{name} {}", figures::duration(us)),
        None => String::new(),
    };
    let seconds = seconds(doc);
    let mut all = vec![
        plain("requests", format!("{mark}{}", figures::count(t.count)), rate_note(t.count, seconds)),
        errors("errors", t.server_errors(), Tone::ServerError),
        errors("4xx", t.client_errors(), Tone::ClientError),
        latency("p50", d.p50, beside("mean", d.mean.map(|m| m.round() as u64))),
        latency("p90", d.p90, beside("p95", d.p95)),
        latency("p99", d.p99, beside("p99.9", d.p999)),
        latency("max", d.max, beside("min", d.min)),
    ];
    if t.ttfb_us.n > 0 {
        all.push(latency("first byte", t.ttfb_us.p50, beside("p99", t.ttfb_us.p99)));
    }
    if t.response_bytes > 0 {
        all.push(plain("sent", figures::bytes(t.response_bytes).to_string(), byte_rate(t.response_bytes, seconds)));
    }
    if t.request_bytes > 0 {
        all.push(plain("received", figures::bytes(t.request_bytes).to_string(), byte_rate(t.request_bytes, seconds)));
    }
    all
}

/// Seconds that averages over time refer to; `None` where they would mean nothing.
pub(super) fn seconds(doc: &Document) -> Option<f64> {
    doc.range.map(|r| r.len().as_secs_f64()).filter(|&s| s >= RATE_FROM_S)
}

fn rate_note(count: u64, seconds: Option<f64>) -> String {
    seconds.map(|s| count as f64 / s).map(|rate| figures::rate(rate, rate).to_string()).unwrap_or_default()
}

fn byte_rate(bytes: u64, seconds: Option<f64>) -> String {
    match seconds.map(|s| (bytes as f64 / s) as u64) {
        Some(rate) if rate > 0 => format!("{}/s", figures::bytes(rate)),
        _ => String::new(),
    }
}

/// A share with its sign: `0.42 %`.
pub(super) fn share(part: u64, whole: u64) -> String {
    match figures::percent(part, whole) {
        unknown if unknown == "–" => unknown,
        digits => Figure { digits, unit: "%" }.to_string(),
    }
}

/// `~` where the numbers hold less than the truth, nothing where they hold all of it.
pub(super) fn mark(coverage: &Coverage) -> &'static str {
    if coverage.is_full() { "" } else { "~" }
}

/// One line per source, then one about those that are left out.
pub(super) fn sources(doc: &Document) -> Vec<String> {
    let mut lines: Vec<String> = doc.sources.iter().take(SOURCES_SHOWN).map(source).collect();
    if let Some(more) = doc.sources.len().checked_sub(SOURCES_SHOWN).filter(|&n| n > 0) {
        lines.push(format!("… and {} more sources", figures::count(more as u64)));
    }
    lines
}

fn source(s: &Source) -> String {
    let name = if s.name == "-" { "standard input".into() } else { names::clean(&s.name) };
    let format = match names::clean(&s.format) {
        f if f.is_empty() => "format not known".into(),
        // What a capture is, its first bytes say.
        f if s.detected && !s.is_capture() => format!("{f} (detected)"),
        f => f.into_owned(),
    };
    let read = if s.is_capture() { counted(s.lines, "packet", "packets") } else { counted(s.lines, "line", "lines") };
    format!("{name} · {format} · {read}")
}

fn counted(n: u64, one: &'static str, many: &'static str) -> String {
    format!("{} {}", figures::count(n), plural(n, one, many))
}

pub(super) fn plural(n: u64, one: &'static str, many: &'static str) -> &'static str {
    if n == 1 { one } else { many }
}

/// `2026-01-12 08:00:00 – 09:30:00 UTC · 1 h 30 min`; the end is that of the last transaction.
pub(super) fn range(range: Option<TimeRange>) -> String {
    let Some(r) = range else { return "no time known".into() };
    if r.len() < Duration::from_secs(1) {
        return format!("{} UTC", clock(r.from));
    }
    let (from, to) = (clock(r.from), clock(r.to));
    let to = match (from.split_once(' '), to.split_once(' ')) {
        (Some((a, _)), Some((b, time))) if a == b => time,
        _ => &to,
    };
    format!("{from} – {to} UTC · {}", span(r.len()))
}

/// `2026-01-12 08:00:00`, UTC.
pub(super) fn clock(t: Timestamp) -> String {
    let text = Timestamp::from_secs(t.as_secs()).to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

/// A span of time in its two greatest units: `1 h 30 min`.
pub(super) fn span(d: Duration) -> String {
    let s = d.as_secs();
    let two = |big: u64, unit, small: u64, rest| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {rest}"),
    };
    match s {
        0..60 => format!("{s} s"),
        60..3_600 => two(s / 60, "min", s % 60, "s"),
        3_600..86_400 => two(s / 3_600, "h", s / 60 % 60, "min"),
        _ => two(s / 86_400, "d", s / 3_600 % 24, "h"),
    }
}

/// Transactions by class of status: `1xx` to `5xx`, then `other` (reset, timeout, truncated, none, unheard of). gRPC codes
/// are 4xx or 5xx.
pub(super) fn classes(status: &BTreeMap<Status, u64>) -> [(&'static str, u64); 6] {
    let mut classes = [("1xx", 0), ("2xx", 0), ("3xx", 0), ("4xx", 0), ("5xx", 0), ("other", 0)];
    for (s, &n) in status {
        let place = match s.class() {
            class @ 1..=5 => usize::from(class) - 1,
            _ => 5,
        };
        classes[place].1 += n;
    }
    classes
}

/// Statuses with their counts, the most frequent first.
pub(super) fn statuses(status: &BTreeMap<Status, u64>) -> Vec<(Status, u64)> {
    let mut all: Vec<_> = status.iter().map(|(&s, &n)| (s, n)).collect();
    all.sort_by_key(|&(s, n)| (std::cmp::Reverse(n), s));
    all
}

/// What coverage says first: whether the numbers hold everything, and how much else.
pub(super) fn coverage(c: &Coverage) -> String {
    let (lines, packets) = (counted(c.lines_read, "line", "lines"), counted(c.packets_read, "packet", "packets"));
    let read = match (c.lines_read, c.packets_read) {
        (_, 0) => lines,
        (0, _) => packets,
        _ => format!("{lines} and {packets}"),
    };
    let held = counted(c.transactions, "transaction", "transactions");
    if c.is_full() {
        return format!("full: {read} read, {held}, nothing lost");
    }
    let percent = (c.ratio() * 10_000.0).floor() / 100.0;
    format!("~ {percent} %: {read} read, {held}, {} lost", figures::count(c.lost()))
}

/// What a reason means for the numbers.
pub(super) fn effect(reason: Reason) -> &'static str {
    if reason.is_loss() { "lost" } else { "noted" }
}

/// What a reason says, in a sentence without a full stop.
pub(super) fn help(reason: Reason) -> &'static str {
    reason.help().trim_start()
}

/// What durations are known of, where that is not everything.
pub(super) fn durations(count: u64, d: &Quantiles) -> Option<String> {
    match d.n {
        _ if count == 0 => None,
        0 => Some("durations are not known: no source says how long a request took".into()),
        n if n < count => {
            Some(format!("durations are known of {} of {} requests", figures::count(n), figures::count(count)))
        }
        _ => None,
    }
}

/// `… and 37 more`; `None` when nothing is hidden.
pub(super) fn hidden(shown: usize, all: usize) -> Option<String> {
    let more = all.checked_sub(shown).filter(|&n| n > 0)?;
    Some(format!("… and {} more", figures::count(more as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let t = |s: &str| s.parse::<Timestamp>().unwrap();
        for (from, to, want) in [
            ("2026-01-12T08:00:00Z", "2026-01-12T09:30:00Z", "2026-01-12 08:00:00 – 09:30:00 UTC · 1 h 30 min"),
            ("2026-01-12T23:59:00Z", "2026-01-14T00:59:00Z", "2026-01-12 23:59:00 – 2026-01-14 00:59:00 UTC · 1 d 1 h"),
            ("2026-01-12T08:00:00Z", "2026-01-12T08:00:00.001Z", "2026-01-12 08:00:00 UTC"),
        ] {
            assert_eq!(range(Some(TimeRange::new(t(from), t(to)))), want);
        }
    }

    #[test]
    fn statuses_fall_in_classes() {
        let status = [(Status::code(204), 5), (Status::code(503), 1), (Status::RESET, 2), (Status::code(7), 3)];
        assert_eq!(classes(&status.into()), [("1xx", 0), ("2xx", 5), ("3xx", 0), ("4xx", 0), ("5xx", 1), ("other", 5)]);
    }

    #[test]
    fn coverage_that_is_nearly_full_is_not_called_full() {
        let mut c = Coverage { lines_read: 1_000_001, transactions: 1_000_000, ..Coverage::default() };
        assert_eq!(coverage(&c), "full: 1,000,001 lines read, 1,000,000 transactions, nothing lost");
        c.add(Reason::LineMalformed, 1);
        assert_eq!(coverage(&c), "~ 99.99 %: 1,000,001 lines read, 1,000,000 transactions, 1 lost");
        c = Coverage { packets_read: 7, transactions: 1, ..Coverage::default() };
        assert_eq!(coverage(&c), "full: 7 packets read, 1 transaction, nothing lost");
        c.lines_read = 1;
        assert_eq!(coverage(&c), "full: 1 line and 7 packets read, 1 transaction, nothing lost");
    }
}
