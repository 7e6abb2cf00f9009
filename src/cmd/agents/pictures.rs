//! What people see of a fleet, pinned as text.

use std::time::Duration;

use pitot_model::{
    Backlog, Coverage, Gauges, Reason, TimeRange, Timestamp,
    api::{AgentCoverage, AgentRow, AgentState, Agents, CoverageInterval},
};

use super::{detail, list};
use crate::report::Style;

/// Monday, 2026-01-12T08:45:00Z.
const NOW: Timestamp = Timestamp::from_secs(1_768_207_500);

fn ago(s: u64) -> Timestamp {
    NOW - Duration::from_secs(s)
}

fn agent(name: &str) -> AgentRow {
    let backlog = Backlog { spool_limit_bytes: 256_000_000, sources: 3, ..Backlog::default() };
    AgentRow {
        name: name.into(),
        incarnation: 3,
        sequence: 4_711,
        program: "pitot 0.1.0".into(),
        last_seen: ago(1),
        clock_offset_ms: 12,
        watermark: ago(4),
        lag_ms: 400,
        coverage: Coverage {
            lines_read: 1_846_012,
            bytes_read: 811_000_000,
            transactions: 1_846_000,
            ..Coverage::default()
        },
        backlog: Some(backlog),
        ..AgentRow::default()
    }
}

fn fleet() -> Agents {
    let mut silent = AgentRow { state: AgentState::Silent, last_seen: ago(742), ..agent("web-3") };
    silent.coverage.add(Reason::LineMalformed, 12);
    let full = Backlog {
        spool_reports: 2_111,
        spool_bytes: 133_000_000,
        oldest: Some(ago(851)),
        broken_sources: 1,
        ..agent("").backlog.unwrap_or_default()
    };
    let mut filling = AgentRow { backlog: Some(full), lag_ms: 850_000, ..agent("edge-eu-west-1a.example.net") };
    for (reason, n) in [
        (Reason::SpoolEvicted, 1_980),
        (Reason::LineMalformed, 5_204),
        (Reason::LineTooLong, 33),
        (Reason::FileLost, 1),
        (Reason::LineBlank, 400),
    ] {
        filling.coverage.add(reason, n);
    }
    let off = AgentRow {
        clock_offset_ms: -7_300,
        refused_reports: 3,
        refusal: "it is of the year 2031, from the future;\u{1b}[2J set the clock".into(),
        ..agent("batch-7")
    };
    let captures = Gauges { requests_in_flight: 37, streams_open: 4, connections: 1_204, buffered_bytes: 65_536 };
    let packets = Coverage { packets_read: 96_000_000, transactions: 3_100_000, ..Coverage::default() };
    let tap = AgentRow { gauges: Some(captures), coverage: packets, ..agent("tap-1") };
    let old = AgentRow { backlog: None, program: "pitot 0.0.9".into(), ..agent("old") };
    let stopped = AgentRow { state: AgentState::Stopped, last_seen: ago(11_000), ..agent("laptop") };
    Agents { agents: vec![agent("web-1"), old, off, filling, silent, stopped, tap] }
}

fn listed(agents: &Agents, width: usize, color: bool) -> String {
    let mut out = Vec::new();
    list::write(agents, NOW, Style { color, width }, &mut out).expect("memory takes all");
    String::from_utf8(out).expect("it is text")
}

fn detailed(a: &AgentRow, coverage: Option<&AgentCoverage>, width: usize) -> String {
    let mut out = Vec::new();
    let seen = detail::Seen { range: TimeRange::new(ago(21_600), NOW), step_ms: 180_000, coverage };
    detail::write(a, &seen, NOW, Style { color: false, width }, &mut out).expect("memory takes all");
    String::from_utf8(out).expect("it is text")
}

fn losses() -> AgentCoverage {
    let interval = |i: u64| {
        let mut coverage = Coverage { transactions: 9_000 + i * 40, lines_read: 9_100 + i * 40, ..Coverage::default() };
        coverage.add(Reason::SpoolEvicted, if (70..90).contains(&i) { (i - 69) * 20 } else { 0 });
        CoverageInterval { at: ago(21_600 - i * 180), coverage }
    };
    let intervals: Vec<_> = (0..120).filter(|i| *i != 40).map(interval).collect();
    let mut total = Coverage::default();
    intervals.iter().for_each(|i| total.merge(&i.coverage));
    AgentCoverage { name: "edge".into(), total, intervals }
}

#[test]
fn the_fleet() {
    for width in [80, 120] {
        insta::assert_snapshot!(format!("fleet_{width}"), listed(&fleet(), width, false));
    }
    assert!(listed(&Agents { agents: Vec::new() }, 80, false).starts_with("no agent has shipped"));
}

#[test]
fn one_agent() {
    let fleet = fleet();
    let find = |name: &str| fleet.agents.iter().find(|a| a.name.starts_with(name)).expect("it is there");
    for width in [80, 120] {
        insta::assert_snapshot!(format!("one_{width}"), detailed(find("edge"), Some(&losses()), width));
    }
    insta::assert_snapshot!("one_quiet_80", detailed(find("tap"), None, 80));
}

#[test]
fn nothing_is_wider_than_the_terminal_or_obeyed_by_it() {
    for width in [60, 70, 80, 100, 120, 200] {
        let text = listed(&fleet(), width, false) + &detailed(&fleet().agents[2], Some(&losses()), width);
        for line in text.lines() {
            assert!(crate::report::names::width(line) <= width, "{width}: {line}");
            assert!(!line.contains('\u{1b}'), "{line}");
        }
    }
}

#[test]
fn colour_says_nothing_that_the_text_does_not() {
    let colored = listed(&fleet(), 120, true);
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    assert!(colored.contains("\u{1b}["));
    let trimmed = |text: &str| text.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&(plain + rest)), trimmed(&listed(&fleet(), 120, false)));
}
