//! How fast the spool takes and gives reports, and what they cost on disk. In: a directory (default: the system's for
//! temporary files). Out: figures, one a line.
//!
//! `cargo run --release -p pitot-agent --example spool_speed -- DIRECTORY`
#![expect(clippy::disallowed_methods, reason = "a measurement takes real time")]

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use pitot_agent::{
    Cursor,
    spool::{Spool, SpoolConfig, SpoolError},
};
use pitot_model::{Cell, Consumer, Coverage, Evidence, Report, Resource, Route, Stats, Status, Timestamp, Window};

/// Reports of the ordinary size: what an agent makes in one second.
const REPORTS: u64 = 2_000;
/// Files that wait when a spool is opened.
const MANY: u64 = 100_000;

fn main() -> Result<(), SpoolError> {
    let base = env::args_os().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    for (routes, consumers) in [(10, 5), (50, 100)] {
        let place = base.join(format!("pitot-spool-speed-{}", std::process::id()));
        cycle(&place, &report(routes, consumers))?;
        // What is left is of no use to anybody.
        let _ = std::fs::remove_dir_all(&place);
    }
    let place = base.join(format!("pitot-spool-many-{}", std::process::id()));
    many(&place)?;
    let _ = std::fs::remove_dir_all(&place);
    Ok(())
}

/// Pushes reports, opens the spool again, and takes them.
fn cycle(place: &Path, report: &Report) -> Result<(), SpoolError> {
    let config = SpoolConfig { directory: Some(place.to_path_buf()), ..SpoolConfig::default() };
    let (mut spool, _) = Spool::open(&config, "bench", 1)?;
    let cells: usize = report.windows.iter().map(|w| w.cells.len()).sum();
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    for i in 0..REPORTS {
        let begun = Instant::now();
        spool.push(&mut report.clone(), &cursors(i), report.made)?;
        slowest = slowest.max(begun.elapsed());
    }
    let per_s = REPORTS as f64 / begun.elapsed().as_secs_f64();
    let bytes = spool.backlog().spool_bytes / REPORTS;
    println!("{cells} cells: {per_s:.0} pushes/s, the slowest {slowest:.1?}, {bytes} bytes a report");
    let begun = Instant::now();
    while let Some(front) = spool.front()? {
        spool.acknowledge(front.number)?;
    }
    println!("{cells} cells: {:.0} taken/s from a backlog", REPORTS as f64 / begun.elapsed().as_secs_f64());
    Ok(())
}

/// Opens a spool in which many reports wait: copies of one.
fn many(place: &Path) -> Result<(), SpoolError> {
    let config = SpoolConfig { directory: Some(place.to_path_buf()), ..SpoolConfig::default() };
    let (mut spool, _) = Spool::open(&config, "bench", 1)?;
    let report = report(10, 5);
    spool.push(&mut report.clone(), &cursors(1), report.made)?;
    drop(spool);
    let name = |i: u64| place.join(format!("{i:020}.report"));
    let copied = (2..=MANY).try_for_each(|i| std::fs::copy(name(1), name(i)).map(drop));
    if let Err(error) = copied {
        println!("not all of {MANY}: {error}");
    }
    let begun = Instant::now();
    let (spool, _) = Spool::open(&config, "bench", 1)?;
    println!("{} reports wait: opened in {:.1?}", spool.backlog().spool_reports, begun.elapsed());
    Ok(())
}

/// Four followed files, each with a sample of its format.
fn cursors(offset: u64) -> Vec<Cursor> {
    let of = |i: usize| Cursor {
        source: format!("/var/log/app-{i}/access.log"),
        path: format!("/var/log/app-{i}/access.log"),
        offset,
        sample: "192.0.2.7 - - [12/Jan/2026:08:30:00 +0000] \"GET /v1/users/42 HTTP/1.1\" 200 512\n".repeat(200),
        ..Cursor::default()
    };
    (0..4).map(of).collect()
}

fn report(routes: u32, consumers: u32) -> Report {
    let mut window = Window::new(Timestamp::from_secs(1_768_176_000), Duration::from_secs(10), Resource::default());
    window.routes = (0..routes).map(|i| Route::new("GET", format!("/v1/things-{i}/{{id}}"))).collect();
    window.consumers = (0..consumers).map(|i| Consumer::new(format!("consumer-{i}"), Evidence::Key)).collect();
    for (route, consumer) in (0..routes).flat_map(|r| (0..consumers).map(move |c| (r, c))) {
        let mut stats = Stats { count: 5, request_bytes: 900, response_bytes: 20_000, ..Stats::default() };
        (1..=5).for_each(|i| stats.duration.record(u64::from(1_000 + 977 * i * (1 + route) + 131 * consumer)));
        window.cells.push(Cell { route, consumer, status: Status::code(200), stats });
    }
    let transactions = window.count();
    let coverage = Coverage { lines_read: transactions, transactions, ..Coverage::default() };
    Report { made: window.start, windows: vec![window], coverage, ..Report::default() }
}
