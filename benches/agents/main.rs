//! Many agents and one collector: how many cells of state a second it takes, how long an acknowledgement lasts, what
//! that costs; and whether slow or hostile agents hurt the others.
//!
//!   cargo bench --bench agents -- [SECONDS]        of traffic per row, 15 by default
//!
//! In: nothing; traffic is made up. Out: one line per row. The agents are tasks of this process, and the collector is the
//! real one, with its data on disk: an acknowledgement means that the report is there to stay. Both share the machine, so
//! latencies are upper bounds. CPU is user + system time of the collector, from /proc.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot go on ends")]

mod collector;
mod fleet;
mod strangers;
mod traffic;

use std::{sync::Arc, time::Duration};

use self::{
    collector::Collector,
    fleet::{Fleet, Pace},
    strangers::Strangers,
    traffic::Stock,
};

const AGENTS: usize = 200;

fn main() {
    // Cargo adds `--bench`.
    let seconds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(15);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    println!(
        "  {:44} {:>9} {:>10} {:>7} {:>7} {:>7} {:>6} {:>8} {:>7} {:>7} {:>9} {:>8}",
        format!("{AGENTS} agents, {seconds} s"),
        "reports/s",
        "cells/s",
        "p50 ms",
        "p99 ms",
        "max ms",
        "again",
        "CPU s/s",
        "RSS MiB",
        "peak",
        "disk MiB",
        "strangers"
    );
    for (name, pace, strangers) in [
        ("a report per second", Pace::EverySecond, Strangers::NONE),
        ("a report per second, 10 slow", Pace::EverySecond, Strangers { slow: 10, hostile: 0 }),
        ("a report per second, 10 hostile", Pace::EverySecond, Strangers { slow: 0, hostile: 10 }),
        ("a report per second, 10 slow, 10 hostile", Pace::EverySecond, Strangers { slow: 10, hostile: 10 }),
        ("as fast as they are acknowledged", Pace::Fastest, Strangers::NONE),
        ("as fast as acknowledged, 10 slow, 10 hostile", Pace::Fastest, Strangers { slow: 10, hostile: 10 }),
    ] {
        runtime.block_on(row(name, pace, strangers, seconds));
    }
}

async fn row(name: &str, pace: Pace, strangers: Strangers, seconds: u64) {
    let collector = Collector::start();
    let stock = Arc::new(Stock::new(AGENTS, pace.reports(seconds)));
    let length = Duration::from_secs(seconds);
    let strangers = strangers.start(collector.address);
    let before = collector.cpu_seconds();
    let shipped = Fleet { url: collector.url(), pace, length }.run(stock).await;
    let cpu = collector.cpu_seconds() - before;
    let (rss, peak) = collector.memory_mib();
    let turned_away = strangers.stop();
    let mut waits = shipped.waits_ms;
    waits.sort_by(f64::total_cmp);
    let quantile = |q: f64| waits[((waits.len() as f64 * q).ceil() as usize).clamp(1, waits.len()) - 1];
    let took = shipped.took.as_secs_f64();
    println!(
        "  {name:44} {:9.0} {:10.0} {:7.1} {:7.1} {:7.1} {:6} {:8.2} {rss:7} {peak:7} {:9.1} {turned_away:8}",
        waits.len() as f64 / took,
        shipped.cells as f64 / took,
        quantile(0.5),
        quantile(0.99),
        quantile(1.0),
        shipped.again,
        cpu / took,
        collector.disk_mib(),
    );
}
