//! How many reports a collector acknowledges: so many senders at a time, each an agent of its own that sends the next
//! report when the last one is acknowledged. In: a directory (an empty one is best), seconds per round. Out: a table.
//!
//! `cargo run --release -p pitot-collector --example acks -- /tmp/acks 3`

#![expect(clippy::disallowed_methods, reason = "it measures real time")]

use std::{path::PathBuf, time::Duration, time::Instant};

use pitot_collector::{Collector, Config, Encoding};
use pitot_model::{AgentId, Cell, Consumer, Evidence, Report, Resource, Route, Stats, Status, Timestamp, Window, wire};

const SENDERS: [usize; 4] = [1, 16, 64, 200];
const CELLS: u32 = 100;

fn main() {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().unwrap_or_else(|| "acks-data".into()));
    let seconds = args.next().and_then(|s| s.parse().ok()).unwrap_or(3);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!("{:>8} {:>10} {:>10} {:>10} {:>12}", "senders", "acks/s", "p50 ms", "p99 ms", "question ms");
    for senders in SENDERS {
        let data = dir.join(senders.to_string());
        let collector =
            pitot_collector::open(Config { data: Some(data), ..Config::default() }).expect("the store opens");
        runtime.block_on(round(&collector, senders, Duration::from_secs(seconds)));
        runtime.block_on(collector.close());
    }
}

async fn round(collector: &Collector, senders: usize, lasts: Duration) {
    let began = Instant::now();
    let end = began + lasts;
    let tasks: Vec<_> = (0..senders).map(|i| tokio::spawn(send(collector.clone(), i, end))).collect();
    let asker = tokio::spawn(ask(collector.clone(), end));
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.expect("sends"));
    }
    let took_all = began.elapsed().as_secs_f64();
    let asked = asker.await.expect("asks");
    let rate = took.len() as f64 / took_all;
    println!(
        "{senders:>8} {rate:>10.0} {:>10.2} {:>10.2} {:>12.2}",
        quantile(&mut took, 0.5),
        quantile(&mut took, 0.99),
        asked
    );
}

/// Milliseconds of every acknowledgement.
async fn send(collector: Collector, agent: usize, end: Instant) -> Vec<f64> {
    let (mut took, mut sequence) = (Vec::new(), 0);
    while Instant::now() < end {
        sequence += 1;
        let body = zstd::encode_all(&wire::encode_report(&report(agent, sequence))[..], 1).expect("packs");
        let began = Instant::now();
        collector.ingest_bytes(body.into(), Encoding::Zstd, None).await.expect("is acknowledged");
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    took
}

/// Milliseconds of the slowest of a hundred questions that cost nothing themselves.
async fn ask(collector: Collector, end: Instant) -> f64 {
    use tower::ServiceExt as _;
    let mut took = Vec::new();
    while Instant::now() < end {
        let request = http::Request::get("/readyz").body(axum::body::Body::empty()).expect("a request");
        let began = Instant::now();
        collector.router().oneshot(request).await.expect("answers");
        took.push(began.elapsed().as_secs_f64() * 1_000.0);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    quantile(&mut took, 0.99)
}

fn report(agent: usize, sequence: u64) -> Report {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after the epoch");
    let now = Timestamp::from_micros(now.as_micros() as i64);
    let width = Duration::from_secs(10);
    let resource = Resource { service: format!("shop-{}", agent % 10), ..Resource::default() };
    let mut window = Window::new(now.floor(width), width, resource);
    window.routes = (0..10).map(|i| Route::new("GET", format!("/v1/things/{i}"))).collect();
    window.consumers = (0..10).map(|i| Consumer::new(format!("consumer {i}"), Evidence::Key)).collect();
    for i in 0..CELLS {
        let mut stats = Stats { count: 1, response_bytes: 512, ..Stats::default() };
        stats.duration.record(1_000 + 7 * u64::from(i));
        window.cells.push(Cell { route: i / 10, consumer: i % 10, status: Status::code(200), stats });
    }
    let mut report = Report { sequence, made: now, watermark: now, windows: vec![window], ..Report::default() };
    report.agent = AgentId { name: format!("agent {agent}"), incarnation: 1 };
    report.coverage.transactions = u64::from(CELLS);
    report
}

fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get((values.len() as f64 * q) as usize).copied().unwrap_or(0.0)
}
