//! How fast a collector takes a year: reports as an agent makes them of an old log, one after another. In: a directory
//! (an empty one is best), days, transactions a day. Out: cells per second, the slowest acknowledgements and questions,
//! what is on disk, and whether the counts are right.
//!
//! `cargo run --release -p pitot-collector --example backfill -- /tmp/backfill 365 20000`

#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use pitot_collector::{Collector, Config, Encoding};
use pitot_model::{
    AgentId, Cell, Consumer, Evidence, Report, Resource, Route, Stats, Status, Timestamp, Window, api::Table, wire,
};
use tower::ServiceExt as _;

/// Cells of a report, as an agent ships them.
const CELLS: usize = 16_000;
const WIDTH: Duration = Duration::from_secs(10);
const DAY: i64 = 86_400;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().unwrap_or_else(|| "backfill-data".into()));
    let days: i64 = args.next().and_then(|s| s.parse().ok()).unwrap_or(365);
    let per_day: i64 = args.next().and_then(|s| s.parse().ok()).unwrap_or(20_000);
    let collector = pitot_collector::open(Config { data: Some(dir), ..Config::default() }).expect("the store opens");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(fill(&collector, days, per_day));
    runtime.block_on(collector.close());
}

async fn fill(collector: &Collector, days: i64, per_day: i64) {
    let now = now();
    let is_done = Arc::new(AtomicBool::new(false));
    let asker = tokio::spawn(ask(collector.clone(), is_done.clone()));
    let (mut noise, mut sequence, mut n_cells, mut n_all) = (1_u64, 0, 0, 0);
    let mut cells: BTreeMap<(Timestamp, u32, u32, u16), Stats> = BTreeMap::new();
    let (mut took, began) = (Vec::new(), Instant::now());
    let mut in_acks = Duration::ZERO;
    let total = days * per_day;
    for i in 0..=total {
        if cells.len() >= CELLS || i == total {
            sequence += 1;
            n_cells += cells.len();
            let report = report(sequence, std::mem::take(&mut cells), now);
            let body = zstd::encode_all(&wire::encode_report(&report)[..], 1).expect("packs");
            let sent = Instant::now();
            collector.ingest_bytes(body.into(), Encoding::Zstd, None).await.expect("is acknowledged");
            in_acks += sent.elapsed();
            took.push(sent.elapsed().as_secs_f64() * 1_000.0);
        }
        if i == total {
            break;
        }
        let mut next = |below: u64| {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (noise >> 33) % below
        };
        let at = now - Duration::from_secs((days * DAY) as u64) + Duration::from_secs((i * DAY / per_day) as u64);
        let (route, consumer) = (next(40) as u32, (next(30) * next(30)) as u32);
        let status = if next(50) == 0 { 500 } else { 200 };
        let us = 1_000 + next(200_000);
        let stats = cells.entry((at.floor(WIDTH), route, consumer, status)).or_default();
        stats.count += 1;
        stats.response_bytes += 512;
        stats.duration.record(us);
        n_all += 1;
    }
    let all = began.elapsed();
    is_done.store(true, Ordering::SeqCst);
    let mut asked = asker.await.expect("asks");
    let status: pitot_model::api::CollectorStatus = get(collector, "/api/v1/status").await;
    let from = (now - Duration::from_secs((days * DAY + 3_600) as u64)).as_secs();
    let began = Instant::now();
    let table: Table = get(collector, &format!("/api/v1/table?from={from}&to={}&by=route", now.as_secs() + 20)).await;
    println!("{n_all} transactions, {n_cells} cells, {sequence} reports in {:.1} s", all.as_secs_f64());
    println!("{:.0} cells/s while acknowledging", n_cells as f64 / in_acks.as_secs_f64());
    println!(
        "acknowledged within ms: p50 {:.0}, p99 {:.0}, max {:.0}",
        q(&mut took, 0.5),
        q(&mut took, 0.99),
        q(&mut took, 1.0)
    );
    println!(
        "a question meanwhile, ms: p50 {:.1}, p99 {:.1}, max {:.1}",
        q(&mut asked, 0.5),
        q(&mut asked, 0.99),
        q(&mut asked, 1.0)
    );
    println!("{} windows, {:.1} MB on disk", status.store.windows, status.store.disk_bytes as f64 / 1e6);
    println!(
        "the whole by route: {} transactions in {:.0} ms",
        table.totals.count,
        began.elapsed().as_secs_f64() * 1e3
    );
}

async fn get<T: serde::de::DeserializeOwned>(collector: &Collector, path: &str) -> T {
    let request = http::Request::get(path).body(axum::body::Body::empty()).expect("a request");
    let response = collector.router().oneshot(request).await.expect("answers");
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.expect("reads");
    serde_json::from_slice(&bytes).expect("is what was asked for")
}

/// Milliseconds of a question that costs nothing itself, all the while: how long the owner thread is busy with one thing.
async fn ask(collector: Collector, is_done: Arc<AtomicBool>) -> Vec<f64> {
    let mut took = Vec::new();
    while !is_done.load(Ordering::SeqCst) {
        let request = http::Request::get("/readyz").body(axum::body::Body::empty()).expect("a request");
        let began = Instant::now();
        collector.router().oneshot(request).await.expect("answers");
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    took
}

fn report(sequence: u64, cells: BTreeMap<(Timestamp, u32, u32, u16), Stats>, now: Timestamp) -> Report {
    let mut windows: Vec<Window> = Vec::new();
    let mut n = 0;
    for ((start, route, consumer, status), stats) in cells {
        if windows.last().is_none_or(|w| w.start != start) {
            windows.push(Window::new(start, WIDTH, Resource { service: "shop".into(), ..Resource::default() }));
        }
        let Some(window) = windows.last_mut() else { continue };
        let (route, consumer) = (
            Route::new("GET", format!("/v1/things/{route}")),
            Consumer::new(format!("consumer {consumer}"), Evidence::Key),
        );
        let place = |at: Option<usize>, len: usize| at.unwrap_or(len) as u32;
        let (r, c) = (
            place(window.routes.iter().position(|x| *x == route), window.routes.len()),
            place(window.consumers.iter().position(|x| *x == consumer), window.consumers.len()),
        );
        if r as usize == window.routes.len() {
            window.routes.push(route);
        }
        if c as usize == window.consumers.len() {
            window.consumers.push(consumer);
        }
        n += stats.count;
        window.cells.push(Cell { route: r, consumer: c, status: Status::code(status), stats });
    }
    let watermark = windows.last().map_or(now, |w| w.start + w.width);
    let mut report = Report { sequence, made: now, watermark, windows, ..Report::default() };
    report.agent = AgentId { name: "backfill".into(), incarnation: 1 };
    report.coverage.transactions = n;
    report
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after the epoch");
    Timestamp::from_micros(since.as_micros() as i64)
}

fn q(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get(((values.len() as f64 * q) as usize).min(last)).copied().unwrap_or(0.0)
}
