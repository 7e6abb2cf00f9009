//! A small shop with two open incidents, made up the same way every time. In: questions. Out: the answers that a
//! collector would give.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{
    Backlog, Coverage, Evidence, Gauges, Reason, Sketch, Stats, Status, TimeRange, Timestamp,
    api::{
        AgentCoverage, AgentRow, AgentState, Agents, Anomaly, AnomalyKind, AnomalyPage, Carrier, CollectorStatus,
        CoverageAnswer, CoverageInterval, CoverageQuery, Explanation, GroupBy, HeatMap, HeatMapQuery, Point, Row,
        RowKey, SeriesAnswer, SeriesLine, SeriesQuery, Severity, State, StoreStats, Table, TableQuery, Totals,
    },
};

use crate::event::{Answer, Ask};

/// Monday, 2026-01-12T08:45:00Z.
pub(super) const NOW: i64 = 1_768_207_500;

/// What the collector holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    Shop,
    Empty,
    /// The shop, with lines that could not be read.
    Lossy,
}

struct Kind {
    key: RowKey,
    per_s: f64,
    p50_us: f64,
    error_ratio: f64,
}

pub(super) fn answer(world: World, ask: &Ask) -> Answer {
    match ask {
        Ask::Status => Answer::Status(status(world)),
        Ask::Table(q) => Answer::Table(Box::new(table(world, q))),
        Ask::Series(q) => Answer::Series(series(world, q)),
        Ask::HeatMap(q) => Answer::HeatMap(heat_map(world, q)),
        Ask::Anomalies(_) => {
            let mut anomalies = if world == World::Empty { Vec::new() } else { anomalies() };
            if world == World::Lossy {
                anomalies.insert(0, silence());
            }
            Answer::Anomalies(AnomalyPage { count: anomalies.len() as u64, anomalies, cursor: None })
        }
        Ask::Agents => Answer::Agents(agents(world)),
        Ask::Coverage(q) => Answer::Coverage(Box::new(coverage(world, q))),
    }
}

fn at(seconds_ago: i64) -> Timestamp {
    Timestamp::from_secs(NOW - seconds_ago)
}

fn status(world: World) -> CollectorStatus {
    let is_empty = world == World::Empty;
    CollectorStatus {
        version: "0.1.0".into(),
        started: at(7_500),
        // The empty one waits for data of now, months after the shop.
        now: if is_empty { at(-86_400 * 300) } else { at(-3) },
        window_ms: 10_000,
        watermark: if is_empty { Timestamp::EPOCH } else { at(0) },
        open_anomalies: if is_empty { 0 } else { 2 },
        store: StoreStats {
            id: String::new(),
            windows: if is_empty { 0 } else { 1_893 },
            disk_bytes: 12_345_678,
            oldest: (!is_empty).then(|| at(7_200)),
            newest: (!is_empty).then(|| at(0)),
        },
    }
}

fn key(service: &str, method: &str, route: &str) -> RowKey {
    let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    RowKey { service: some(service), method: some(method), route: some(route), ..RowKey::default() }
}

fn consumer(name: &str, evidence: Evidence) -> RowKey {
    RowKey { consumer: Some(name.into()), evidence: Some(evidence), ..RowKey::default() }
}

fn kinds(by: GroupBy) -> Vec<Kind> {
    let kind = |key, per_s, p50_us, error_ratio| Kind { key, per_s, p50_us, error_ratio };
    match by {
        GroupBy::Route => vec![
            kind(key("catalog", "GET", "/v1/products/{int}"), 212.0, 4_200.0, 0.0),
            kind(key("catalog", "GET", "/v1/search"), 96.0, 310_000.0, 0.0004),
            kind(key("checkout", "POST", "/v1/orders"), 41.0, 38_000.0, 0.062),
            kind(key("accounts", "GET", "/v1/users/{uuid}/orders"), 37.5, 12_300.0, 0.0),
            kind(key("accounts", "POST", "/v1/sessions"), 12.2, 88_000.0, 0.0),
            kind(key("checkout", "GET", "/v1/orders/{uuid}/items/{int}/tracking/events"), 9.1, 21_000.0, 0.0),
            kind(key("media", "GET", "/thumbs/{hex}"), 2.4, 1_100.0, 0.0),
            kind(key("catalog", "PUT", "/v1/\u{1b}[31mproducts/日本語"), 0.04, 9_100.0, 0.5),
        ],
        GroupBy::Consumer => vec![
            kind(consumer("acme-mobile", Evidence::Key), 143.0, 9_000.0, 0.001),
            kind(consumer("bulk-importer", Evidence::Key), 97.0, 290_000.0, 0.0),
            kind(consumer("k_5f3a9c1b77d2", Evidence::Token), 66.0, 11_000.0, 0.031),
            kind(consumer("203.0.113.77", Evidence::Address), 31.0, 8_000.0, 0.0),
            kind(consumer("", Evidence::None), 12.0, 7_500.0, 0.0),
        ],
        GroupBy::Version => vec![kind(key("checkout", "", ""), 40.0, 38_000.0, 0.06)],
        GroupBy::None => vec![kind(RowKey::default(), 410.2, 11_500.0, 0.0064)],
        _ => vec![
            kind(key("catalog", "", ""), 308.0, 8_700.0, 0.0001),
            kind(key("checkout", "", ""), 50.1, 36_000.0, 0.051),
            kind(key("accounts", "", ""), 49.7, 31_000.0, 0.0),
            kind(key("media", "", ""), 2.4, 1_100.0, 0.0),
        ],
    }
}

fn table(world: World, q: &TableQuery) -> Table {
    let range = range(q.from, q.to);
    let seconds = range.len().as_secs_f64().min(7_200.0);
    let rows = |by| kinds(by).into_iter().map(|k| Row { totals: totals(&k, seconds), key: k.key }).collect::<Vec<_>>();
    let mut coverage = Coverage { lines_read: 3_700_000, bytes_read: 811_000_000, ..Coverage::default() };
    let is_empty = world == World::Empty || q.q.contains("nobody");
    let (rows, totals) = if is_empty {
        (Vec::new(), Totals::default())
    } else {
        let all = rows(GroupBy::None).remove(0).totals;
        coverage.transactions = all.count;
        (rows(q.by), all)
    };
    coverage.add(Reason::LineBlank, 12);
    if world == World::Lossy {
        coverage.add(Reason::LineMalformed, 5_204);
        coverage.add(Reason::LineTooLong, 33);
        coverage.add(Reason::SpoolEvicted, 1_980);
        coverage.add(Reason::ConsumerFolded, 711);
    }
    Table { range, row_count: rows.len(), rows, totals, coverage, watermark: range.to }
}

fn totals(k: &Kind, seconds: f64) -> Totals {
    let count = (k.per_s * seconds) as u64;
    let mut stats = Stats { count, request_bytes: count * 310, response_bytes: count * 5_400, ..Stats::default() };
    for (us, weight) in latencies(k.p50_us) {
        stats.duration.record_n(us, ((count as f64 * weight) as u64).max(1));
        stats.ttfb.record_n(us * 4 / 5, ((count as f64 * weight) as u64).max(1));
    }
    stats.count = stats.duration.count();
    let errors = (stats.count as f64 * k.error_ratio) as u64;
    let missing = stats.count / 90;
    let mut status = BTreeMap::new();
    for (code, n) in [(200, stats.count - errors - missing), (404, missing), (503, errors)] {
        if n > 0 {
            status.insert(Status::code(code), n);
        }
    }
    Totals::new(&stats, status)
}

/// Durations around a median, with a long tail: value and share.
fn latencies(p50_us: f64) -> [(u64, f64); 9] {
    [
        (0.4, 0.1),
        (0.7, 0.2),
        (0.95, 0.3),
        (1.3, 0.2),
        (2.0, 0.12),
        (3.1, 0.05),
        (6.5, 0.02),
        (14.0, 0.008),
        (31.0, 0.002),
    ]
    .map(|(factor, share)| ((p50_us * factor) as u64, share))
}

/// A bell on a logarithmic scale with a longer tail upwards: value and share.
fn smooth(p50_us: f64, each: &mut dyn FnMut(f64, f64)) {
    for i in -12..=24 {
        let x = f64::from(i) / 4.0;
        let share = if x < 0.0 { (-x * x).exp() } else { (-0.9 * x).exp() };
        each(p50_us * (x / 2.0).exp(), share * 0.15);
    }
}

/// A wave in `[0, 1]`: people's days, and no randomness.
fn wave(i: usize, seed: f64) -> f64 {
    let x = i as f64;
    0.55 + 0.25 * (x / 17.0 + seed).sin() + 0.15 * (x / 3.3 + 2.0 * seed).sin()
}

fn series(world: World, q: &SeriesQuery) -> SeriesAnswer {
    let range = range(q.from, q.to);
    let (steps, step_ms) = steps(range, q.step_ms);
    let line = |k: &Kind| {
        let points = (0..steps).map(|i| {
            let count = (k.per_s * step_ms as f64 / 1000.0 * 2.0 * wave(i, k.p50_us)) as u64;
            let is_late = i * 10 > steps * 7;
            let slow = if is_late && k.p50_us > 200_000.0 { 6.0 } else { 1.0 + wave(i, k.per_s) };
            let errors = if is_late { k.error_ratio * 3.0 } else { k.error_ratio / 20.0 };
            Point {
                count,
                server_errors: (count as f64 * errors) as u64,
                client_errors: count / 90,
                response_bytes: count * 5_400,
                p50_us: Some(k.p50_us as u64),
                p90_us: Some((k.p50_us * 2.0) as u64),
                p99_us: Some((k.p50_us * 4.0 * slow) as u64),
            }
        });
        SeriesLine { key: k.key.clone(), points: points.collect() }
    };
    let lines = if world == World::Empty {
        Vec::new()
    } else {
        kinds(q.by.unwrap_or(GroupBy::None)).iter().map(line).collect()
    };
    SeriesAnswer { range, step_ms, lines, watermark: range.to }
}

fn heat_map(world: World, q: &HeatMapQuery) -> HeatMap {
    let range = range(q.from, q.to);
    let (steps, step_ms) = steps(range, q.step_ms);
    let bands = q.bands.unwrap_or(24);
    let top = (Sketch::MAX_US as f64).ln();
    let bound = |i: usize| (top * i as f64 / bands as f64).exp() as u64;
    let bounds_us: Vec<u64> = (0..=bands).map(bound).collect();
    let column = |i: usize| {
        let mut column = vec![0; bands];
        let mut count = |us: f64, n: f64| {
            let band = (us.ln() / top * bands as f64) as usize;
            column[band.min(bands - 1)] += n as u64;
        };
        for (p50, n) in [(4_200.0, 900.0), (12_300.0, 300.0), (60_000.0, 120.0)] {
            smooth(p50 * (0.8 + 0.4 * wave(i, 1.0)), &mut |us, share| count(us, n * share * wave(i, 2.0) * 2.0));
        }
        if i * 10 > steps * 7 {
            smooth(1_400_000.0 * (0.8 + 0.4 * wave(i, 5.0)), &mut |us, share| count(us, 220.0 * share));
        }
        column
    };
    let columns = if world == World::Empty { vec![vec![0; bands]; steps] } else { (0..steps).map(column).collect() };
    HeatMap { range, step_ms, bounds_us, columns }
}

fn anomalies() -> Vec<Anomaly> {
    let slow = Anomaly {
        id: "latency-search-1".into(),
        kind: AnomalyKind::Latency,
        severity: Severity::Critical,
        state: State::Open,
        subject: key("catalog", "GET", "/v1/search"),
        start: at(270),
        end: None,
        updated: at(10),
        expected: 310_000.0,
        observed: 2_310_000.0,
        unit: "us".into(),
        score: 14.2,
        affected: 2_604,
        title: "GET /v1/search is slow: p99 2.31s, expected 310ms".into(),
        explanation: Some(Explanation {
            carriers: vec![
                Carrier { key: consumer("bulk-importer", Evidence::Key), share: 0.91, without: Some(322_000.0) },
                Carrier {
                    key: RowKey { status: Some(Status::code(200)), ..RowKey::default() },
                    share: 0.06,
                    without: Some(2_100_000.0),
                },
                Carrier { key: consumer("acme-mobile", Evidence::Key), share: 0.03, without: None },
            ],
        }),
    };
    let errors = Anomaly {
        id: "errors-orders-1".into(),
        kind: AnomalyKind::Errors,
        severity: Severity::Warning,
        subject: key("checkout", "POST", "/v1/orders"),
        start: at(420),
        expected: 0.002,
        observed: 0.062,
        unit: "ratio".into(),
        score: 6.1,
        affected: 183,
        title: "POST /v1/orders fails: 6.20 % errors, expected 0.20 %".into(),
        explanation: Some(Explanation {
            carriers: vec![Carrier {
                key: RowKey { version: Some("2.4.1".into()), ..key("checkout", "", "") },
                share: 0.97,
                without: Some(0.0021),
            }],
        }),
        ..slow.clone()
    };
    let new = Anomaly {
        id: "new-1".into(),
        kind: AnomalyKind::NewConsumer,
        severity: Severity::Info,
        state: State::Resolved,
        subject: consumer("203.0.113.77", Evidence::Address),
        start: at(800),
        end: Some(at(560)),
        expected: 0.0,
        observed: 31.0,
        unit: "1/s".into(),
        score: 2.0,
        affected: 7_440,
        title: "203.0.113.77 was never seen before: 31.0/s".into(),
        explanation: None,
        ..slow.clone()
    };
    vec![slow, errors, new]
}

fn silence() -> Anomaly {
    Anomaly {
        id: "silent-web-2".into(),
        kind: AnomalyKind::SilentAgent,
        severity: Severity::Warning,
        subject: RowKey { agent: Some("web-2".into()), ..RowKey::default() },
        start: at(340),
        expected: 1.0,
        observed: 340.0,
        unit: "s".into(),
        score: 340.0,
        affected: 0,
        title: "agent web-2 is silent: nothing for 5m 40s".into(),
        explanation: None,
        ..anomalies().remove(0)
    }
}

fn agents(world: World) -> Agents {
    let captures = Gauges { requests_in_flight: 37, streams_open: 4, connections: 1_204, buffered_bytes: 65_536 };
    let backlog = Backlog { spool_limit_bytes: 256_000_000, sources: 3, ..Backlog::default() };
    let agent = |name: &str, ago, clock_offset_ms, lost| {
        let mut coverage = Coverage { transactions: 1_846_000, lines_read: 1_846_012, ..Coverage::default() };
        coverage.add(Reason::LineMalformed, lost);
        AgentRow {
            name: name.into(),
            incarnation: 1,
            sequence: 411,
            program: "pitot 0.1.0".into(),
            last_seen: at(ago),
            clock_offset_ms,
            watermark: at(ago),
            lag_ms: 400,
            coverage,
            backlog: Some(backlog),
            ..AgentRow::default()
        }
    };
    match world {
        World::Empty => Agents { agents: Vec::new() },
        World::Shop => Agents { agents: vec![agent("web-1", 0, 12, 0), agent("web-2", 1, -3, 0)] },
        World::Lossy => {
            let full = Backlog {
                spool_reports: 2_111,
                spool_bytes: 133_000_000,
                oldest: Some(at(851)),
                unread_bytes: 12_345_678,
                broken_sources: 1,
                ..backlog
            };
            let mut filling = AgentRow {
                backlog: Some(full),
                lag_ms: 850_000,
                gauges: Some(captures),
                ..agent("edge-eu-west-1a.example.net", 0, 12, 5_204)
            };
            filling.coverage.add(Reason::SpoolEvicted, 1_980);
            let refused = AgentRow {
                refused_reports: 3,
                refusal: "it is from the future;\u{1b}[2J set the clock".into(),
                ..agent("batch-7", 1, -7_300, 0)
            };
            let silent = AgentRow { state: AgentState::Silent, ..agent("web-2", 340, -3, 0) };
            let stopped = AgentRow { state: AgentState::Stopped, backlog: None, ..agent("laptop", 4_000, 0, 0) };
            Agents { agents: vec![refused, filling, stopped, agent("web-1", 0, 12, 0), silent] }
        }
    }
}

fn coverage(world: World, q: &CoverageQuery) -> CoverageAnswer {
    let range = range(q.from, q.to);
    let (steps, step_ms) = steps(range, q.step_ms);
    let interval = |i: usize| {
        let transactions = (2_000.0 * wave(i, 3.0)) as u64;
        let mut coverage = Coverage { transactions, lines_read: transactions, ..Coverage::default() };
        let is_bad = world == World::Lossy && (i * 10 > steps * 6) && (i * 10 < steps * 8);
        coverage.add(Reason::SpoolEvicted, if is_bad { 11 * (i as u64 % 5 + 1) } else { 0 });
        CoverageInterval { at: range.from + Duration::from_millis(step_ms * i as u64), coverage }
    };
    let intervals: Vec<_> = (0..steps).map(interval).collect();
    let mut total = Coverage::default();
    intervals.iter().for_each(|i| total.merge(&i.coverage));
    let name = q.agent.clone().unwrap_or_default();
    let agents = vec![AgentCoverage { name, total: total.clone(), intervals }];
    CoverageAnswer { range, step_ms, total, agents: if world == World::Empty { Vec::new() } else { agents } }
}

fn range(from: Option<Timestamp>, to: Option<Timestamp>) -> TimeRange {
    let to = to.unwrap_or(at(0));
    TimeRange::new(from.unwrap_or(to - Duration::from_secs(900)), to)
}

/// Number and length of steps: about 120 if not asked for, never shorter than a window.
fn steps(range: TimeRange, step_ms: Option<u64>) -> (usize, u64) {
    let length = range.len().as_millis() as u64;
    let step = step_ms.unwrap_or(length / 120).max(1).next_multiple_of(10_000);
    (length.div_ceil(step) as usize, step)
}
