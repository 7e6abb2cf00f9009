//! What is said of an agent, in few words. In: a row of the API. Out: clean text.

use std::time::Duration;

use pitot_model::{
    Coverage, Timestamp,
    api::{AgentRow, AgentState, Trouble},
};

use crate::report::{
    figures,
    names::{clean, width},
    text::{grid::bar, paint::Ink},
};

/// Reasons of losses that are named in one line.
const REASONS: usize = 3;

/// Its name, safe to show.
pub(super) fn name(a: &AgentRow) -> String {
    if a.name.is_empty() { "(no name)".to_owned() } else { clean(&a.name).into_owned() }
}

/// A sign for how it is, which says the same as its colour.
pub(super) fn sign(a: &AgentRow) -> (&'static str, Ink) {
    match (a.trouble(), a.state) {
        (Some(Trouble::Silent), _) => ("▲", Ink::Bad),
        (Some(Trouble::Lossy), _) => ("~", Ink::Warn),
        (Some(_), _) => ("▲", Ink::Warn),
        (None, AgentState::Stopped) => ("○", Ink::Faint),
        (None, _) => ("●", Ink::Good),
    }
}

/// What is wrong with it, a line each.
pub(super) fn troubles(a: &AgentRow, now: Timestamp) -> Vec<String> {
    let mut said = Vec::new();
    let backlog = a.backlog.unwrap_or_default();
    if a.state == AgentState::Silent {
        said.push(format!(
            "silent: nothing for {}; its host, its process or the way to here is down",
            span(now.since(a.last_seen))
        ));
    }
    if a.spool_share() >= AgentRow::SPOOL_FILLING {
        said.push(format!("spool: {}", spool(a)));
    }
    if backlog.broken_sources > 0 {
        said.push(format!(
            "sources: {} of {} cannot be read; its log says why",
            backlog.broken_sources, backlog.sources
        ));
    }
    if a.lag_ms > AgentRow::LAGGING_MS {
        said.push(format!("lag: what it ships is {} old", span(Duration::from_millis(a.lag_ms))));
    }
    said.extend(clock(a).map(|clock| format!("clock: {clock}")));
    if a.refused_reports > 0 {
        said.push(format!("refused: {}", refused(a)));
    }
    said.extend(losses(&a.coverage).map(|losses| format!("lost: {losses}")));
    said
}

/// `133 MB of 256 MB in 2,111 reports, the oldest 14m old`.
pub(super) fn spool(a: &AgentRow) -> String {
    let Some(b) = a.backlog else { return "not told".to_owned() };
    if b.spool_reports == 0 {
        return format!("empty, {} at most", figures::bytes(b.spool_limit_bytes));
    }
    let (held, limit) = (figures::bytes(b.spool_bytes), figures::bytes(b.spool_limit_bytes));
    let reports = counted(b.spool_reports, "report", "reports");
    // Both by the agent's clock: when it was made, and how late it was then.
    let sent = a.last_seen + Duration::from_millis(a.clock_offset_ms.max(0).unsigned_abs());
    let sent = sent - Duration::from_millis(a.clock_offset_ms.min(0).unsigned_abs());
    let oldest = b.oldest.map(|oldest| format!(", the oldest {} old", span(sent.since(oldest)))).unwrap_or_default();
    format!("{held} of {limit} in {reports}{oldest}")
}

/// `███···  52 %`; empty where nothing is told.
pub(super) fn spool_bar(a: &AgentRow, cells: usize) -> String {
    let Some(b) = a.backlog else { return "–".to_owned() };
    let share = a.spool_share();
    let drawn = bar(share, cells);
    let rest = "·".repeat(cells - drawn.chars().count().min(cells));
    let full = figures::percent(b.spool_bytes.min(b.spool_limit_bytes), b.spool_limit_bytes.max(1));
    format!("{drawn}{rest} {full:>5} %")
}

/// `7.30s ahead`; `None` where it is as good as right.
pub(super) fn clock(a: &AgentRow) -> Option<String> {
    let off = a.clock_offset_ms.unsigned_abs();
    let way = if a.clock_offset_ms < 0 { "behind" } else { "ahead" };
    (off > AgentRow::CLOCK_SHOWN_MS).then(|| format!("{} {way}", span(Duration::from_millis(off))))
}

/// `3 reports, the last one since …`.
pub(super) fn refused(a: &AgentRow) -> String {
    let reports = counted(a.refused_reports, "report", "reports");
    match a.refusal.as_str() {
        "" => reports,
        why => format!("{reports}, the last one: {}", clean(why)),
    }
}

/// `5,204 line malformed, 1,980 spool evicted`; `None` where nothing is lost.
pub(super) fn losses(c: &Coverage) -> Option<String> {
    let mut all: Vec<_> = c.reasons.iter().filter(|(r, n)| r.is_loss() && **n > 0).collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let more = all
        .len()
        .checked_sub(REASONS)
        .filter(|&n| n > 0)
        .map(|n| format!(" and {} more", counted(n as u64, "reason", "reasons")));
    let named =
        all.iter().take(REASONS).map(|(r, n)| format!("{} {}", figures::count(**n), r.name().replace('_', " ")));
    let named = named.collect::<Vec<_>>().join(", ");
    (!named.is_empty()).then(|| named + &more.unwrap_or_default())
}

/// `1.85M lines`.
pub(super) fn read(c: &Coverage) -> String {
    match (c.lines_read, c.packets_read) {
        (lines, 0) => format!("{} lines", short(lines)),
        (0, packets) => format!("{} packets", short(packets)),
        (lines, packets) => format!("{} lines, {} packets", short(lines), short(packets)),
    }
}

/// The beginning of a sentence that is too long, ending with `…`.
pub(super) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if width(&out) + width(c.encode_utf8(&mut [0; 4])) >= room {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// `9,999` or `1.85M`.
pub(super) fn short(n: u64) -> String {
    let mut x = n as f64;
    if n < 10_000 {
        return figures::count(n);
    }
    let mut units = ["k", "M", "G", "T", "P", "E"].into_iter();
    let mut unit = "";
    while x >= 999.5 {
        let Some(next) = units.next() else { break };
        (x, unit) = (x / 1e3, next);
    }
    format!("{}{unit}", figures::three(x))
}

/// A span of time in one unit: `12s`, `14m`, `5h`, `3d`; less than a second as `0.4s`.
pub(super) fn span(d: Duration) -> String {
    match d.as_secs() {
        0 if d.is_zero() => "0s".to_owned(),
        0..10 => format!("{:.1}s", d.as_secs_f64()),
        s @ 10..120 => format!("{s}s"),
        s @ 120..7_200 => format!("{}m", s / 60),
        s @ 7_200..172_800 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}

pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", figures::count(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_few_words() {
        let ms = |ms| span(Duration::from_millis(ms));
        for (got, want) in [
            (short(9_999), "9,999"),
            (short(10_000), "10.0k"),
            (short(1_846_012), "1.85M"),
            (short(999_600), "1.00M"),
            (ms(0), "0s"),
            (ms(420), "0.4s"),
            (ms(95_000), "95s"),
            (ms(7_199_000), "119m"),
            (ms(90_000_000), "25h"),
            (ms(900_000_000), "10d"),
        ] {
            assert_eq!(got, want);
        }
    }
}
