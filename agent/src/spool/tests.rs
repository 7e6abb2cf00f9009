//! What the spool promises, step by step. Random actions, crashes and errors of the disk are in `model`.

mod model;
mod sim;

use std::time::Duration;

use pitot_model::{Cell, Consumer, Coverage, Reason, Report, Resource, Route, Stats, Timestamp, Window};

use super::*;

fn config() -> SpoolConfig {
    SpoolConfig::default()
}

fn now() -> Timestamp {
    Timestamp::from_secs(1_768_176_000)
}

/// A report of so many transactions.
fn report(count: u64) -> Report {
    let window = Window {
        routes: vec![Route::new("GET", "/v1/users/{id}")],
        consumers: vec![Consumer::default()],
        cells: vec![Cell { stats: Stats { count, ..Stats::default() }, ..Cell::default() }],
        ..Window::new(now().floor(Duration::from_secs(10)), Duration::from_secs(10), Resource::default())
    };
    Report {
        made: now(),
        windows: vec![window],
        coverage: Coverage { lines_read: count, transactions: count, ..Coverage::default() },
        ..Report::default()
    }
}

#[test]
fn reports_in_memory_come_out_in_order_and_reading_waits() {
    let (mut spool, cursors) = Spool::open(&config(), "web-1", 7).expect("opens");
    assert_eq!(cursors, []);
    for sequence in 1..=4 {
        assert!(!spool.is_full());
        let mut report = report(sequence * 10);
        spool.push(&mut report, &[], now()).expect("takes");
        assert_eq!((report.agent.name.as_str(), report.agent.incarnation, report.sequence), ("web-1", 7, sequence));
    }
    assert!(spool.is_full());
    let refused = spool.push(&mut report(50), &[], now());
    assert!(matches!(refused, Err(SpoolError::Full { .. })));
    let front = spool.front().expect("reads").expect("is there");
    assert_eq!((front.sequence, front.transactions), (1, 10));
    assert_eq!(spool.front().expect("reads"), Some(front.clone()), "until something is known of it");
    spool.acknowledge(front.number).expect("works");
    let second = spool.front().expect("reads").expect("is there");
    spool.refuse(second.number).expect("works");
    assert!(spool.has_carry());
    let mut telling = report(0);
    spool.push(&mut telling, &[], now()).expect("takes");
    assert_eq!(telling.coverage.get(Reason::ReportRefused), 20);
    assert_eq!((spool.has_carry(), spool.backlog().spool_reports), (false, 3));
}
