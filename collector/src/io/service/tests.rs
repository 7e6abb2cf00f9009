//! The collector through its router, as the dashboard in the same process and the server use it. The clock is made up.

mod agents;
mod hostile;
mod lasting;
mod refusals;

use std::{
    ops::RangeInclusive,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, header},
};
use futures_util::StreamExt;
use pitot_model::{
    Cell, Report, Stats, Status, TimeRange,
    api::{Agents, Anomaly, AnomalyPage, CollectorStatus, HeatMap, Problem, SeriesAnswer, Table},
    budget, wire,
};
use tower::ServiceExt;

use super::*;
use crate::{
    alert::{AlertConfig, ReceiverConfig, ReceiverKind},
    store::contract::{at, report},
};

/// The time at which the tests play, in seconds.
const NOON: i64 = 1_768_176_000;

struct Bench {
    collector: Collector,
    router: Router,
    now: Arc<AtomicI64>,
}

struct Reply {
    status: u16,
    kind: String,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Reply {
    fn json<T: for<'de> serde::Deserialize<'de>>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| unreachable!("{e}: {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Bench {
    fn new(data: Option<PathBuf>) -> Self {
        Self::with(Config { data, ..Config::default() })
    }

    fn at(data: PathBuf, now: i64) -> Self {
        Self::start(Config { data: Some(data), ..Config::default() }, now)
    }

    fn with(config: Config) -> Self {
        Self::start(config, NOON)
    }

    /// At so many seconds since the epoch.
    fn start(config: Config, now: i64) -> Self {
        let now = Arc::new(AtomicI64::new(now));
        let told = now.clone();
        let clock: Clock = Arc::new(move || at(told.load(Ordering::SeqCst)));
        let collector = open_at(config, clock).expect("opens");
        let router = collector.router();
        Self { collector, router, now }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.expect("answers");
        let status = response.status().as_u16();
        let text = |name| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let (kind, retry_after) = (text(header::CONTENT_TYPE).unwrap_or_default(), text(header::RETRY_AFTER));
        let body = to_bytes(response.into_body(), 1 << 24).await.expect("reads").to_vec();
        Reply { status, kind, retry_after, body }
    }

    async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    async fn post(&self, body: impl Into<Body>, encoding: &str) -> Reply {
        let request = Request::post("/api/v1/reports").header(header::CONTENT_ENCODING, encoding);
        self.send(request.body(body.into()).expect("a request")).await
    }

    /// Ships a steady window per sequence; sixty of a hundred fail during the incident.
    async fn play(&self, sequences: RangeInclusive<u64>, incident: RangeInclusive<u64>) {
        for sequence in sequences {
            let end = 10 * sequence as i64;
            self.now.store(NOON + end, Ordering::SeqCst);
            let n_failed = if incident.contains(&sequence) { 60 } else { 0 };
            assert_eq!(self.ship(&steady(sequence, end, n_failed)).await.status, 200);
        }
    }

    async fn ship(&self, report: &Report) -> Reply {
        let packed = zstd::encode_all(&wire::encode_report(report)[..], 3).expect("packs");
        self.post(packed, "zstd").await
    }
}

/// A report whose windows start so many seconds after noon.
fn shifted(sequence: u64, windows: &[(i64, u64)]) -> Report {
    let windows: Vec<_> = windows.iter().map(|(start, n)| (NOON + start, *n)).collect();
    let mut report = report(sequence, &windows);
    report.made = at(NOON);
    report.watermark = at(NOON - 5);
    report
}

#[tokio::test]
async fn questions_are_answered_from_what_was_shipped() {
    let bench = Bench::new(None);
    let stored = bench.ship(&shifted(1, &[(-20, 6), (-70, 4)])).await;
    let text = stored.text();
    assert!(
        stored.status == 200 && text.starts_with(r#"{"sequence":1,"duplicate":false,"transactions":10,"#),
        "{text}"
    );
    let again = bench.ship(&shifted(1, &[(-20, 6), (-70, 4)])).await;
    assert!(again.text().starts_with(r#"{"sequence":1,"duplicate":true,"transactions":0,"#), "{}", again.text());

    let table: Table = bench.get("/api/v1/table?by=route&sort=count&q=method:GET").await.json();
    assert_eq!((table.totals.count, table.row_count, table.coverage.transactions), (10, 2, 10));
    assert_eq!(table.range, TimeRange::new(at(NOON - 900), at(NOON)));
    assert_eq!(table.watermark, at(NOON - 5));

    let path = format!("/api/v1/series?from={}&to={}&step_ms=60000&by=consumer", NOON - 120, NOON);
    let series: SeriesAnswer = bench.get(&path).await.json();
    assert_eq!((series.lines.len(), series.lines[0].points.len()), (2, 2));
    let map: HeatMap = bench.get("/api/v1/heatmap?bands=5").await.json();
    assert_eq!(map.columns.iter().flatten().sum::<u64>(), 10);
    let agents: Agents = bench.get("/api/v1/agents").await.json();
    assert_eq!((agents.agents[0].sequence, agents.agents[0].last_seen), (1, at(NOON)));
    let status: CollectorStatus = bench.get("/api/v1/status").await.json();
    assert_eq!((status.window_ms, status.store.newest), (10_000, Some(at(NOON - 10))));
}

#[tokio::test]
async fn pages_for_people_and_machines_are_served() {
    let bench = Bench::new(None);
    bench.ship(&shifted(1, &[(-20, 6)])).await;
    for (path, kind, part) in [
        ("/", "text/html; charset=utf-8", "<html"),
        ("/healthz", "text/plain; charset=utf-8", "ok"),
        ("/readyz", "text/plain; charset=utf-8", "ready"),
        ("/metrics", "text/plain; version=0.0.4; charset=utf-8", "pitot_transactions_total 6"),
    ] {
        let reply = bench.get(path).await;
        assert_eq!((reply.status, reply.kind.as_str()), (200, kind), "{path}");
        assert!(reply.text().contains(part), "{path}: {}", reply.text());
    }
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let bench = Bench::new(None);
    for (path, status, kind, at) in [
        ("/api/v1/nothing", 404, "/problems/not-found", None),
        ("/api/v1/reports", 405, "/problems/wrong-method", None),
        ("/api/v1/table?q=colour:red", 400, "/problems/bad-filter", Some(0)),
        ("/api/v1/table?q=kind:rate", 400, "/problems/bad-filter", Some(0)),
        ("/api/v1/table?colour=red", 400, "/problems/bad-query", None),
        ("/api/v1/table?by=colour", 400, "/problems/bad-query", None),
        ("/api/v1/table?from=soon", 400, "/problems/bad-query", None),
        ("/api/v1/table?from=20&to=10", 400, "/problems/bad-range", None),
        ("/api/v1/table?limit=10001", 400, "/problems/bad-query", None),
        ("/api/v1/anomalies?limit=1001", 400, "/problems/bad-query", None),
        ("/api/v1/series?step_ms=0", 400, "/problems/bad-query", None),
        ("/api/v1/series?from=0&to=1000000&step_ms=10000", 400, "/problems/too-much", None),
        ("/api/v1/heatmap?bands=201", 400, "/problems/bad-query", None),
        ("/api/v1/live?q=path:/x", 400, "/problems/bad-filter", Some(0)),
    ] {
        let reply = bench.get(path).await;
        assert_eq!((reply.status, reply.kind.as_str()), (status, "application/problem+json"), "{path}");
        let problem: Problem = reply.json();
        assert_eq!((problem.kind.as_str(), problem.status, problem.at), (kind, status, at), "{path}");
        assert!(!problem.detail.is_empty(), "{path}");
    }
    let wrong = bench.send(Request::delete("/api/v1/table").body(Body::empty()).expect("a request")).await;
    assert_eq!((wrong.status, wrong.kind.as_str()), (405, "application/problem+json"));
}

#[tokio::test]
async fn bad_reports_are_refused_and_counted() {
    let bench = Bench::new(None);
    let announced = Request::post("/api/v1/reports").header(header::CONTENT_LENGTH, budget::REPORT_BYTES + 1);
    let announced = bench.send(announced.body(Body::empty()).expect("a request")).await;
    let mut unaligned = shifted(1, &[(-20, 1)]);
    unaligned.windows[0].start = at(NOON - 15);
    for (name, reply, status) in [
        ("noise", bench.post("noise", "").await, 400),
        ("not zstd", bench.post("noise", "zstd").await, 400),
        ("gzip", bench.post("noise", "gzip").await, 415),
        ("large", bench.post(vec![0; budget::REPORT_BYTES + 1], "").await, 413),
        ("announced as large", announced, 413),
        ("ahead", bench.ship(&shifted(1, &[(3_600, 1)])).await, 422),
        ("narrow and shifted", bench.ship(&unaligned).await, 422),
    ] {
        assert_eq!((reply.status, reply.kind.as_str()), (status, "application/problem+json"), "{name}");
        assert_eq!(reply.json::<Problem>().status, status, "{name}");
    }
    let metrics = bench.get("/metrics").await.text();
    assert!(metrics.contains("pitot_reports_total{result=\"refused\"} 7"), "{metrics}");
    assert_eq!(bench.get("/api/v1/status").await.json::<CollectorStatus>().store.windows, 0);
}

#[tokio::test]
async fn reports_of_newer_versions_and_forgotten_incarnations_are_refused() {
    let bench = Bench::new(None);
    let mut newer = wire::encode_report(&shifted(1, &[(-20, 1)]));
    // Behind the magic, the first field is the version.
    assert_eq!(newer[4..6], [8, 1]);
    newer[5] = 2;
    let reply = bench.post(newer, "").await;
    assert_eq!((reply.status, reply.json::<Problem>().kind.as_str()), (422, "/problems/newer-report"));
    let mut report = shifted(1, &[(-20, 1)]);
    for incarnation in 10..20 {
        report.agent.incarnation = incarnation;
        assert_eq!(bench.ship(&report).await.status, 200);
    }
    report.agent.incarnation = 10;
    let reply = bench.ship(&report).await;
    assert_eq!((reply.status, reply.json::<Problem>().kind.as_str()), (409, "/problems/stale"));
}

#[tokio::test]
async fn what_is_open_ends_when_all_agents_are_gone() {
    let dir = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(Some(dir.path().join("data")));
    bench.play(1..=48, 41..=48).await;
    let open = async || -> u64 {
        let page: AnomalyPage = bench.get("/api/v1/anomalies?q=kind:errors%20state:open").await.json();
        page.count
    };
    while open().await == 0 {}
    bench.now.fetch_add(3_600, Ordering::SeqCst);
    while open().await > 0 {}
    bench.collector.close().await;
}

#[tokio::test]
async fn what_comes_after_its_window_was_complete_is_counted_as_late() {
    let bench = Bench::new(None);
    for (sequence, windows, watermark, late) in [
        (1, [(-20, 6)], -5, 0),
        (2, [(-10, 1)], 0, 0),
        (3, [(-20, 4)], 0, 4),
        (3, [(-20, 4)], 0, 4),
        (4, [(-10, 2)], 0, 6),
    ] {
        let mut report = shifted(sequence, &windows);
        report.watermark = at(NOON + watermark);
        assert_eq!(bench.ship(&report).await.status, 200);
        let table: Table = bench.get("/api/v1/table").await.json();
        assert_eq!(table.coverage.get(pitot_model::Reason::Late), late, "{sequence}");
    }
    let table: Table = bench.get("/api/v1/table").await.json();
    assert_eq!(table.totals.count, 13, "late is in the numbers");
}

#[tokio::test]
async fn live_readers_hear_of_the_anomalies_that_they_asked_for() {
    let bench = Bench::new(None);
    let listen = async |q: &str| {
        let request = Request::get(format!("/api/v1/live?q={q}")).body(Body::empty()).expect("a request");
        bench.router.clone().oneshot(request).await.expect("answers").into_body().into_data_stream()
    };
    let (mut errors, mut latency) = (listen("kind:errors").await, listen("kind:latency").await);
    bench.play(1..=48, 41..=48).await;
    let told = loop {
        let event = errors.next().await.expect("the stream goes on").expect("reads");
        if event.starts_with(b"event: anomaly") {
            break String::from_utf8_lossy(&event).into_owned();
        }
    };
    assert!(told.contains("\"kind\":\"errors\""), "{told}");
    bench.collector.close().await;
    while let Some(event) = latency.next().await {
        assert!(!event.expect("reads").starts_with(b"event: anomaly"));
    }
}

#[tokio::test]
async fn live_readers_are_told_of_new_data_until_the_end() {
    let bench = Bench::new(None);
    let request = Request::get("/api/v1/live").body(Body::empty()).expect("a request");
    let response = bench.router.clone().oneshot(request).await.expect("answers");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    bench.ship(&shifted(1, &[(-20, 6)])).await;
    bench.now.fetch_add(5, Ordering::SeqCst);
    let event = events.next().await.expect("an event").expect("reads");
    let text = String::from_utf8_lossy(&event).into_owned();
    assert!(text.starts_with("event: data\ndata: {\"event\":\"data\""), "{text}");
    assert!(text.contains("\"transactions\":6"), "{text}");
    bench.collector.clone().close().await;
    assert!(events.next().await.is_none(), "the stream ends with the collector");
    assert_eq!(bench.get("/api/v1/status").await.status, 503);
}

#[tokio::test]
async fn receivers_are_told_when_it_begins_and_when_it_is_over() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (told, mut hears) = tokio::sync::mpsc::unbounded_channel::<serde_json::Value>();
    let receiver = Router::new().route(
        "/hook",
        axum::routing::post(async move |axum::Json(body): axum::Json<serde_json::Value>| {
            let _ = told.send(body);
        }),
    );
    tokio::spawn(axum::serve(listener, receiver).into_future());
    let receiver = ReceiverConfig {
        name: "hook".into(),
        kind: ReceiverKind::Webhook,
        url: format!("http://{address}/hook"),
        filter: "kind:errors".into(),
        repeat: None,
    };
    let alerts = AlertConfig { receivers: vec![receiver], ..AlertConfig::default() };
    let bench = Bench::with(Config { alerts, ..Config::default() });
    bench.play(1..=48, 41..=48).await;
    let firing = hears.recv().await.expect("told");
    assert_eq!((&firing["status"], &firing["anomaly"]["kind"]), (&"firing".into(), &"errors".into()), "{firing}");
    bench.play(49..=90, 0..=0).await;
    loop {
        let next = hears.recv().await.expect("told that it is over");
        if next["status"] == "resolved" {
            assert_eq!(next["anomaly"]["id"], firing["anomaly"]["id"]);
            break;
        }
    }
    bench.collector.close().await;
}

#[tokio::test]
async fn an_old_log_is_kept_in_memory_and_refused_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    for (data, status, count) in [(None, 200, 12), (Some(dir.path().join("data")), 422, 0)] {
        let bench = Bench::new(data);
        let years_ago = -900 * 86_400;
        for sequence in 1..=2 {
            let reply = bench.ship(&shifted(sequence, &[(years_ago + 20 * sequence as i64, 6)])).await;
            assert_eq!(reply.status, status, "{}", reply.text());
            bench.now.fetch_add(3_600, Ordering::SeqCst);
        }
        let table: Table = bench.get(&format!("/api/v1/table?from={}", NOON + years_ago)).await.json();
        assert_eq!(table.totals.count, count);
        bench.collector.close().await;
    }
}

#[tokio::test]
async fn a_collector_continues_where_it_was_closed() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    for round in 1..=3_u64 {
        let bench = Bench::new(Some(data.clone()));
        assert_eq!(bench.ship(&shifted(round, &[(-20, 5)])).await.status, 200);
        let table: Table = bench.get("/api/v1/table?by=none").await.json();
        assert_eq!(table.totals.count, 5 * round);
        let taken = open(Config { data: Some(data.clone()), ..Config::default() }).err();
        assert!(taken.is_some_and(|e| e.to_string().contains("in use by another process")));
        bench.collector.close().await;
    }
}

/// A window of steady traffic that ended at `end` seconds after noon, and how many of its hundred answers failed.
fn steady(sequence: u64, end: i64, n_failed: u64) -> Report {
    let mut report = shifted(sequence, &[(end - 10, 1)]);
    let template = report.windows[0].cells[0].clone();
    report.watermark = at(NOON + end);
    report.windows[0].cells.clear();
    for (status, n) in [(200, 100 - n_failed), (500, n_failed)] {
        let mut cell = Cell { status: Status::code(status), stats: Stats { count: n, ..Stats::default() }, ..template };
        (0..n).for_each(|i| cell.stats.duration.record(20_000 + 100 * i));
        report.windows[0].cells.extend((n > 0).then_some(cell));
    }
    report
}

#[tokio::test]
async fn an_error_burst_becomes_one_anomaly_that_outlives_the_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let bench = Bench::new(Some(data.clone()));
    bench.play(1..=48, 41..=48).await;
    bench.collector.close().await;

    let bench = Bench::new(Some(data));
    let page: AnomalyPage = bench.get("/api/v1/anomalies?q=kind:errors%20state:open").await.json();
    assert_eq!(page.count, 1, "{:?}", page.anomalies);
    let anomaly = &page.anomalies[0];
    assert_eq!(anomaly.subject.service.as_deref(), Some("shop"));
    let one: Anomaly = bench.get(&format!("/api/v1/anomalies/{}", anomaly.id)).await.json();
    assert_eq!(one, *anomaly);
    let metrics = bench.get("/metrics").await.text();
    assert!(metrics.contains("pitot_anomalies_open{kind=\"errors\""), "{metrics}");
    assert_eq!(bench.get("/api/v1/status").await.json::<CollectorStatus>().open_anomalies, 1);
    for (path, status) in [("nobody", 404), ("%ff", 400), ("?cursor=none", 400), ("?q=path:/x", 400)] {
        let reply =
            bench.get(&format!("/api/v1/anomalies{}{path}", if path.starts_with('?') { "" } else { "/" })).await;
        assert_eq!((reply.status, reply.kind.as_str()), (status, "application/problem+json"), "{path}");
    }
}

#[tokio::test]
async fn a_server_stops_when_asked() {
    let bench = Bench::new(None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = bench.collector.serve(listener, async move {
        let _ = stopped.await;
    });
    let _ = stop.send(());
    serving.await.expect("ends");
    bench.collector.close().await;
}

#[test]
fn windows_that_do_not_divide_a_minute_are_refused() {
    let config = Config { window: Duration::from_secs(7), ..Config::default() };
    let refused = open(config).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused.contains("does not divide a minute"), "{refused}");
}
