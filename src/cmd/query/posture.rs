//! `pitot query --what deprecations`, `limits` and `credentials` as text. In: answers of the API. Out: aligned lines.

use std::{fmt::Display, io::Write, time::Duration};

use pitot_model::{
    Timestamp,
    api::{Calls, CredentialsAnswer, Deprecations, LimitsAnswer, SaidBy},
    show_duration,
};

use super::printable;

/// Consumers that are shown of a deprecated route.
const CONSUMERS: usize = 10;

/// Characters of a series.
const SPARKS: usize = 24;

pub(super) fn write_deprecations(out: &mut impl Write, answer: &Deprecations) -> std::io::Result<()> {
    for r in &answer.routes {
        let name = printable(&format!("{}  {} {}", r.service, r.method, r.route));
        let said = match r.said_by {
            SaidBy::Responses => "said by responses",
            SaidBy::Contract => "said by the contract",
            SaidBy::Both => "said by responses and the contract",
        };
        let since = r.since.map_or("deprecated".into(), |t| format!("deprecated since {t}"));
        let sunset = r.sunset.map_or(String::new(), |t| format!(", goes away {t}"));
        writeln!(out, "{name}\n  {since}{sunset}; {said}")?;
        writeln!(out, "  {:>10}  {:>7}  {:20}  {:SPARKS$}", "requests", "trend", "last seen", "")?;
        let line = |out: &mut _, name: &str, calls: &Calls| {
            let (n, trend, last) = (calls.count, trend(calls), seen(calls.last_seen));
            let sparks = sparks(&calls.series);
            Write::write_fmt(out, format_args!("  {n:>10}  {trend:>7}  {last:20}  {sparks:SPARKS$}  {name}\n"))
        };
        for by in r.consumers.iter().take(CONSUMERS) {
            let group = if by.group.is_empty() { String::new() } else { format!(", {}", by.group) };
            let name = if by.consumer.is_empty() { "(nobody)" } else { &by.consumer };
            line(out, &printable(&format!("{name}  ({}{group})", by.evidence.name())), &by.calls)?;
        }
        line(out, &format!("all, {} consumers", r.consumer_count), &r.calls)?;
        writeln!(out)?;
    }
    let (n, all, range) = (answer.routes.len(), answer.row_count, answer.range);
    writeln!(out, "{n} of {all} deprecated routes that were called, {} to {}", range.from, range.to)
}

pub(super) fn write_limits(out: &mut impl Write, answer: &LimitsAnswer) -> std::io::Result<()> {
    let or_dash = |n: Option<String>| n.unwrap_or("–".into());
    writeln!(
        out,
        "{:>9}  {:>7}  {:>7}  {:>7}  {:>7}  {:>8}  {:>6}  {:>8}  ",
        "requests", "429", "waits", "early", "in time", "longest", "left", "limit"
    )?;
    for r in &answer.rows {
        let longest = or_dash(r.longest_wait_s.map(|s| show_duration(Duration::from_secs(s))));
        let left = or_dash(r.least_left.map(|n| format!("{:.1} %", n as f64 / 10.0)));
        let limit = or_dash(r.limit_told.map(|n| n.to_string()));
        let name = printable(&format!("{}  {} {}  {}", r.service, r.method, r.route, r.consumer));
        writeln!(
            out,
            "{:>9}  {:>7}  {:>7}  {:>7}  {:>7}  {longest:>8}  {left:>6}  {limit:>8}  {name}",
            r.requests, r.refused, r.asked_to_wait, r.retried_early, r.retried_in_time
        )?;
    }
    let (n, all, range) = (answer.rows.len(), answer.row_count, answer.range);
    writeln!(out, "{n} of {all} consumers on routes, {} to {}\n", range.from, range.to)?;
    writeln!(out, "{:>12}  {:>12}  {:>9}  {:>9}  ", "limit/min", "most/min", "consumers", "requests")?;
    for s in &answer.suggestions {
        let name = printable(&format!("{}  {} {}", s.service, s.method, s.route));
        writeln!(
            out,
            "{:>12.1}  {:>12.1}  {:>9}  {:>9}  {name}",
            s.per_minute, s.most_per_minute, s.consumers, s.requests
        )?;
    }
    let window = answer.suggestions.first().map_or(60_000, |s| s.window_ms);
    let window = show_duration(Duration::from_millis(window));
    writeln!(out, "a limit that 99 of 100 consumers never meet, by the busiest {window} of each")
}

pub(super) fn write_credentials(out: &mut impl Write, answer: &CredentialsAnswer) -> std::io::Result<()> {
    writeln!(out, "{:>10}  {:>9}  {:>9}  told by", "requests", "401", "403")?;
    for (evidence, n) in &answer.by_evidence {
        writeln!(out, "{:>10}  {:>9}  {:>9}  {}", n.requests, n.unauthorized, n.forbidden, printable(evidence))?;
    }
    let share = answer.tokens_expired as f64 * 100.0 / answer.tokens.max(1) as f64;
    writeln!(out, "\n{} of {} web tokens had expired ({share:.2} %)", answer.tokens_expired, answer.tokens)?;
    for t in &answer.expired {
        let name = printable(&format!("{}  {}", t.service, t.consumer));
        writeln!(out, "{:>10}  of {:>9}  last seen {:20}  {name}", t.expired, t.tokens, seen(t.last_seen))?;
    }
    writeln!(
        out,
        "\n{:>11}  {:>10}  {:>9}  {:>9}  {:20}  ",
        "credentials", "requests", "401, 403", "with", "last seen"
    )?;
    for a in &answer.addresses {
        let credentials = if a.is_exact { a.credentials.to_string() } else { format!("~{}", a.credentials) };
        let name = printable(&format!("{}  {}", a.address, a.service));
        writeln!(
            out,
            "{credentials:>11}  {:>10}  {:>9}  {:>9}  {:20}  {name}",
            a.requests,
            a.refused,
            a.credentials_refused,
            seen(a.last_seen)
        )?;
    }
    let (n, all, range) = (answer.addresses.len(), answer.row_count, answer.range);
    writeln!(out, "{n} of {all} addresses with credentials, {} to {}", range.from, range.to)
}

/// How the second half of the range compares with the first.
fn trend(calls: &Calls) -> String {
    match (calls.before, calls.now) {
        (0, 0) => String::new(),
        (0, _) => "new".into(),
        (_, 0) => "gone".into(),
        (before, now) => format!("{:+.0} %", (now as f64 / before as f64 - 1.0) * 100.0),
    }
}

/// To the second.
fn seen(at: Timestamp) -> impl Display {
    Timestamp::from_secs(at.as_secs()).to_string()
}

/// A series in few characters, each for as many points.
fn sparks(series: &[u64]) -> String {
    const LEVELS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let each = series.len().div_ceil(SPARKS).max(1);
    let sums: Vec<u64> =
        series.chunks(each).map(|part| part.iter().fold(0_u64, |sum, n| sum.saturating_add(*n))).collect();
    let most = sums.iter().copied().max().unwrap_or(0).max(1);
    let level = |n: u64| (u128::from(n) * 8).div_ceil(u128::from(most)) as usize;
    sums.into_iter().map(|n| LEVELS[level(n).min(8)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_compared() {
        for (before, now, want) in [(0, 0, ""), (0, 3, "new"), (4, 0, "gone"), (4, 6, "+50 %"), (4, 1, "-75 %")] {
            assert_eq!(trend(&Calls { before, now, ..Calls::default() }), want);
        }
    }

    #[test]
    fn series_fit_a_line() {
        assert_eq!(sparks(&[0, 1, 8]), "·▁█");
        assert_eq!(sparks(&[0; 400]).chars().count(), 24);
        assert_eq!(sparks(&[u64::MAX, u64::MAX]), "██");
        assert_eq!(sparks(&[]), "");
    }
}
