//! Answers against a plain recomputation from every single transaction, for both engines, through crashes, late and
//! repeated reports and rolling up.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{
    AgentId, Cell, Consumer, Evidence, Report, Resource, Route, RouteAlias, Sketch, Stats, Status, TimeRange,
    Timestamp, Window,
    api::{GroupBy, HeatMapQuery, Quantiles, RowKey, SeriesQuery, SortBy, TableQuery},
};

use super::*;
use crate::{
    io::embedded::Embedded,
    store::{
        Appended, Memory,
        contract::{at, levels, range},
    },
};

#[derive(Debug, Clone)]
struct Fact {
    at: Timestamp,
    version: String,
    route: Route,
    consumer: String,
    status: Status,
    us: u64,
}

/// Reports of two hours with late and repeated parts, and the transactions in them. Same seed, same answer.
fn traffic(seed: u64) -> (Vec<Report>, Vec<Fact>) {
    let mut state = seed;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let (mut reports, mut facts) = (Vec::new(), Vec::new());
    for sequence in 1..=120_u64 {
        let agent = AgentId { name: "web".into(), incarnation: 1 };
        let mut report = Report { agent, sequence, watermark: at(sequence as i64 * 60), ..Report::default() };
        for _ in 0..3 {
            let late = if next(10) == 0 { next(sequence * 60) } else { 0 };
            let second = ((sequence - 1) * 60 + next(60)).saturating_sub(late) as i64;
            let version = format!("{}", 1 + next(2));
            let batch: Vec<Fact> = (0..1 + next(12))
                .map(|_| Fact {
                    at: at(second),
                    version: version.clone(),
                    route: Route::new(["GET", "POST"][next(2) as usize], format!("/r{}", next(5))),
                    consumer: format!("c{}", next(6)),
                    status: [Status::code(200), Status::code(404), Status::code(503), Status::RESET][next(4) as usize],
                    us: 1 << next(30),
                })
                .collect();
            report.windows.push(window(&batch));
            report.coverage.transactions += batch.len() as u64;
            facts.extend(batch);
        }
        reports.push(report);
    }
    (reports, facts)
}

fn window(facts: &[Fact]) -> Window {
    let resource = Resource { service: "shop".into(), version: facts[0].version.clone(), instance: "i".into() };
    let mut w = Window::new(facts[0].at.floor(Duration::from_secs(10)), Duration::from_secs(10), resource);
    for f in facts {
        let consumer = Consumer::new(f.consumer.clone(), Evidence::Key);
        let route = w.routes.iter().position(|r| *r == f.route).unwrap_or_else(|| {
            w.routes.push(f.route.clone());
            w.routes.len() - 1
        });
        let consumer = w.consumers.iter().position(|c| *c == consumer).unwrap_or_else(|| {
            w.consumers.push(consumer);
            w.consumers.len() - 1
        });
        let mut stats = Stats { count: 1, request_bytes: 7, response_bytes: f.us, ..Stats::default() };
        stats.duration.record(f.us);
        let (route, consumer) = (route as u32, consumer as u32);
        let same = |c: &&mut Cell| (c.route, c.consumer, c.status) == (route, consumer, f.status);
        match w.cells.iter_mut().find(same) {
            Some(cell) => cell.stats.merge(&stats),
            None => w.cells.push(Cell { route, consumer, status: f.status, stats }),
        }
    }
    w
}

/// Stores all reports, some twice, rolling up now and then; the embedded engine is dropped and opened again every
/// twenty reports.
fn filled(reports: &[Report], dir: Option<&std::path::Path>) -> Box<dyn Store> {
    let open = || -> Box<dyn Store> {
        match dir {
            Some(dir) => Box::new(Embedded::open(dir, levels()).expect("opens")),
            None => Box::new(Memory::new(levels())),
        }
    };
    let mut store = open();
    for (i, report) in reports.iter().enumerate() {
        if dir.is_some() && i % 20 == 19 {
            drop(store);
            store = open();
        }
        assert_eq!(store.append(report, report.watermark).expect("appends"), Appended::Stored);
        if i % 7 == 0 {
            assert_eq!(store.append(report, report.watermark).expect("appends"), Appended::Duplicate);
        }
        if i % 31 == 30 {
            store.roll_up().expect("rolls up");
        }
    }
    store
}

fn with_stores(check: impl Fn(Context<'_>, &[Fact])) {
    for seed in [1, 2] {
        let (reports, facts) = traffic(seed);
        let dir = tempfile::tempdir().expect("a directory");
        for dir in [None, Some(dir.path())] {
            let store = filled(&reports, dir);
            println!("seed {seed}, embedded {}", dir.is_some());
            check(Context { store: &*store, now: at(7_200), watermark: at(7_200) }, &facts);
        }
    }
}

fn key_of(by: GroupBy, f: &Fact) -> RowKey {
    let service = Some("shop".to_owned());
    let none = RowKey::default();
    match by {
        GroupBy::None => none,
        GroupBy::Service => RowKey { service, ..none },
        GroupBy::Version => RowKey { service, version: Some(f.version.clone()), ..none },
        GroupBy::Route => {
            let (method, route) = (Some(f.route.method.clone()), Some(f.route.template.clone()));
            RowKey { service, method, route, ..none }
        }
        GroupBy::Method => RowKey { method: Some(f.route.method.clone()), ..none },
        GroupBy::Consumer => RowKey { consumer: Some(f.consumer.clone()), evidence: Some(Evidence::Key), ..none },
        GroupBy::Group => RowKey { group: Some(String::new()), ..none },
        GroupBy::Status => RowKey { status: Some(f.status), ..none },
    }
}

const BYS: [GroupBy; 8] = [
    GroupBy::None,
    GroupBy::Service,
    GroupBy::Version,
    GroupBy::Route,
    GroupBy::Method,
    GroupBy::Consumer,
    GroupBy::Group,
    GroupBy::Status,
];

type Matches = fn(&Fact) -> bool;

const FILTERS: [(&str, Matches); 6] = [
    ("", |_| true),
    ("version:2", |f| f.version == "2"),
    ("route:\"GET /r1\" OR route:/r2", |f| f.route == Route::new("GET", "/r1") || f.route.template == "/r2"),
    ("consumer:c3 -status:5xx", |f| f.consumer == "c3" && f.status.class() != 5),
    ("method:POST consumer:c*", |f| f.route.method == "POST"),
    ("service:other", |_| false),
];

fn sketch<'a>(facts: impl Iterator<Item = &'a Fact>) -> Sketch {
    let mut s = Sketch::new();
    facts.for_each(|f| s.record(f.us));
    s
}

#[test]
fn tables_equal_a_plain_recomputation() {
    with_stores(|cx, facts| {
        for (from, to) in [(0, 7_200), (600, 3_600), (1_230, 1_250), (3_590, 7_210)] {
            for by in BYS {
                for (q, matches) in FILTERS {
                    let query = TableQuery {
                        q: q.into(),
                        from: Some(at(from)),
                        to: Some(at(to)),
                        by,
                        sort: SortBy::Name,
                        limit: Some(0),
                    };
                    let answer = table(cx, &query).expect("answers");
                    assert_eq!(answer.range, range(from, to));
                    let mut want: BTreeMap<RowKey, Vec<&Fact>> = BTreeMap::new();
                    let matching = |f: &&Fact| matches(f) && answer.range.contains(f.at);
                    for f in facts.iter().filter(matching) {
                        want.entry(key_of(by, f)).or_default().push(f);
                    }
                    assert_eq!(answer.row_count, want.len(), "{q} {by:?}");
                    for (row, (key, facts)) in answer.rows.iter().zip(&want) {
                        assert_eq!(row.key, *key, "{q} {by:?}");
                        assert_eq!(row.totals.count, facts.len() as u64);
                        assert_eq!(row.totals.request_bytes, 7 * facts.len() as u64);
                        assert_eq!(row.totals.response_bytes, facts.iter().map(|f| f.us).sum::<u64>());
                        assert_eq!(row.totals.duration_us, Quantiles::of(&sketch(facts.iter().copied())));
                        let failed = facts.iter().filter(|f| f.status.is_server_error()).count();
                        assert_eq!(row.totals.server_errors(), failed as u64);
                    }
                    assert_eq!(answer.totals.count, want.values().map(|f| f.len() as u64).sum::<u64>());
                }
            }
        }
    });
}

#[test]
fn series_equal_a_plain_recomputation_at_every_level() {
    with_stores(|cx, facts| {
        for (step_s, by) in [
            (10, GroupBy::None),
            (30, GroupBy::None),
            (60, GroupBy::Route),
            (600, GroupBy::Consumer),
            (3_600, GroupBy::Consumer),
        ] {
            let query = SeriesQuery {
                from: Some(at(0)),
                to: Some(at(7_200)),
                step_ms: Some(step_s * 1_000),
                by: Some(by),
                limit: Some(0),
                ..SeriesQuery::default()
            };
            let answer = series(cx, &query).expect("answers");
            let mut want: BTreeMap<RowKey, BTreeMap<i64, Sketch>> = BTreeMap::new();
            for f in facts {
                let step = f.at.as_secs() / step_s as i64;
                want.entry(key_of(by, f)).or_default().entry(step).or_default().record(f.us);
            }
            assert_eq!((answer.step_ms, answer.lines.len()), (step_s * 1_000, want.len()), "{by:?}");
            for line in &answer.lines {
                for (step, point) in (0..).zip(&line.points) {
                    let all = want[&line.key].get(&step).cloned().unwrap_or_default();
                    assert_eq!((point.count, point.p99_us), (all.count(), all.quantile_us(0.99)), "{step} {by:?}");
                }
            }
        }
    });
}

#[test]
fn heat_maps_hold_every_transaction_in_its_band() {
    with_stores(|cx, facts| {
        for step_ms in [10_000, 60_000, 600_000] {
            let query = HeatMapQuery {
                q: "status:200".into(),
                from: Some(at(0)),
                to: Some(at(7_200)),
                step_ms: Some(step_ms),
                bands: Some(10),
            };
            let map = heatmap(cx, &query).expect("answers");
            assert_eq!((map.bounds_us.len(), map.columns.len() as u64), (11, 7_200_000 / step_ms));
            for (i, column) in map.columns.iter().enumerate() {
                let start = at((i as u64 * step_ms / 1_000) as i64);
                let step = TimeRange::new(start, start + Duration::from_millis(step_ms));
                let mut want = vec![0_u64; 10];
                // Durations here are powers of two, so that a bucket's least value is the value.
                for f in facts.iter().filter(|f| step.contains(f.at) && f.status == Status::code(200)) {
                    let band = map.bounds_us.windows(2).position(|b| b[0] <= f.us && f.us < b[1]).expect("in a band");
                    want[band] += 1;
                }
                assert_eq!(column, &want, "{step:?}");
            }
        }
    });
}

#[test]
fn aliases_move_what_was_counted_before() {
    let mut store = Memory::new(levels());
    let (reports, facts) = traffic(3);
    for report in &reports {
        store.append(report, report.watermark).expect("appends");
    }
    let alias = RouteAlias { service: "shop".into(), from: Route::new("GET", "/r1"), to: Route::new("GET", "/r{int}") };
    let last = Report { agent: reports[0].agent.clone(), sequence: 1_000, aliases: vec![alias], ..Report::default() };
    store.append(&last, at(7_200)).expect("appends");
    let cx = Context { store: &store, now: at(7_200), watermark: at(7_200) };
    let count = |q: &str| {
        let query = TableQuery { q: q.into(), from: Some(at(0)), by: GroupBy::Route, ..TableQuery::default() };
        table(cx, &query).expect("answers").totals.count
    };
    let want = facts.iter().filter(|f| f.route == Route::new("GET", "/r1")).count() as u64;
    assert_eq!(count("route:\"GET /r{int}\""), want);
    assert_eq!(count("route:\"GET /r1\""), 0);
}

#[test]
fn rows_are_ordered_and_cut_but_counted() {
    let mut store = Memory::new(levels());
    let (reports, _) = traffic(4);
    for report in &reports {
        store.append(report, report.watermark).expect("appends");
    }
    let cx = Context { store: &store, now: at(7_200), watermark: at(7_100) };
    for sort in [SortBy::Count, SortBy::Errors, SortBy::ErrorRatio, SortBy::P50, SortBy::P99, SortBy::Bytes] {
        let query = TableQuery { from: Some(at(0)), by: GroupBy::Route, sort, limit: Some(4), ..TableQuery::default() };
        let answer = table(cx, &query).expect("answers");
        assert_eq!((answer.rows.len(), answer.row_count), (4, 10));
        let rank = |i: usize| {
            let t = &answer.rows[i].totals;
            match sort {
                SortBy::Count => t.count as f64,
                SortBy::Errors => t.server_errors() as f64,
                SortBy::ErrorRatio => t.error_ratio(),
                SortBy::P50 => t.duration_us.p50.unwrap_or(0) as f64,
                SortBy::P99 => t.duration_us.p99.unwrap_or(0) as f64,
                _ => t.response_bytes as f64,
            }
        };
        assert!((1..4).all(|i| rank(i - 1) >= rank(i)), "{sort:?}");
    }
}

#[test]
fn wrong_questions_are_told_what_is_wrong() {
    let store = Memory::new(levels());
    let cx = Context { store: &store, now: at(7_200), watermark: at(0) };
    let ask = |q: &str, from: Option<i64>, to: Option<i64>, limit: Option<usize>| {
        let query = TableQuery { q: q.into(), from: from.map(at), to: to.map(at), limit, ..TableQuery::default() };
        table(cx, &query).map_err(|e| e.problem())
    };
    for (q, from, to, limit, kind, at) in [
        ("status:", None, None, None, "/problems/bad-filter", Some(7)),
        ("service:a kind:rate", None, None, None, "/problems/bad-filter", Some(10)),
        ("words", None, None, None, "/problems/bad-filter", Some(0)),
        ("", Some(10), Some(10), None, "/problems/bad-range", None),
        ("", None, None, Some(10_001), "/problems/bad-query", None),
    ] {
        let problem = ask(q, from, to, limit).expect_err(q);
        assert_eq!((problem.kind.as_str(), problem.status, problem.at), (kind, 400, at), "{}", problem.detail);
    }
    let long = SeriesQuery { from: Some(at(0)), to: Some(at(1_000_000)), step_ms: Some(10_000), ..Default::default() };
    assert!(matches!(series(cx, &long), Err(QueryError::Steps(100_000))));
    let flat = HeatMapQuery { bands: Some(0), ..HeatMapQuery::default() };
    assert!(matches!(heatmap(cx, &flat), Err(QueryError::Parameter { name: "bands", .. })));
    let empty = ask("", Some(0), Some(7_200), None).expect("answers");
    assert_eq!((empty.rows.len(), empty.totals.count), (0, 0));
}
