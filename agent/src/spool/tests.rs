//! What the spool promises, step by step. Random actions, crashes and errors of the disk are in `model`.

mod model;
mod sim;

use std::time::Duration;

use pitot_model::{Cell, Consumer, Coverage, Reason, Report, Resource, Route, Stats, Timestamp, Window};

use self::sim::{Sim, Trouble};
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

/// A spool on a made-up disk, which does without other limits than these bytes.
fn open(sim: &Sim, bytes: u64) -> (Spool, Vec<Cursor>) {
    let limits = Limits { bytes, age: Duration::from_secs(3_600), when_full: WhenFull::DropOldest, reports: None };
    Spool::open_on(Box::new(sim.clone()), limits, "web-1", 7).expect("opens")
}

fn push(spool: &mut Spool, count: u64) -> Report {
    let mut report = report(count);
    let cursor = Cursor { path: "access.log".into(), offset: count, ..Cursor::default() };
    spool.push(&mut report, &[cursor], now()).expect("takes");
    report
}

/// Takes everything; transactions of each report.
fn take_all(spool: &mut Spool) -> Vec<u64> {
    let mut taken = Vec::new();
    while let Some(front) = spool.front().expect("reads") {
        taken.push(front.transactions);
        spool.acknowledge(front.number).expect("works");
    }
    taken
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    push(&mut spool, 10);
    push(&mut spool, 20);
    spool.set_store("store-a").expect("writes");
    spool.front().expect("reads");
    spool.acknowledge(1).expect("works");
    let (mut spool, cursors) = open(&sim, 1 << 20);
    assert_eq!((cursors[0].offset, spool.store(), spool.backlog().oldest), (20, "store-a", Some(now())));
    assert_eq!(take_all(&mut spool), [20]);
    let (mut spool, cursors) = open(&sim, 1 << 20);
    assert_eq!((cursors[0].offset, spool.backlog().spool_reports), (20, 0), "what is taken is kept for its cursors");
    assert_eq!(push(&mut spool, 30).sequence, 3);
    assert_eq!(take_all(&mut spool), [30]);
    assert_eq!(sim.names(), [Kind::Done.name(3), "store".to_owned()], "nothing is left behind");
}

#[test]
fn another_incarnation_begins_at_one_and_lasts() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    push(&mut spool, 10);
    spool.renew(900);
    let second = push(&mut spool, 20);
    assert_eq!((second.agent.incarnation, second.sequence), (900, 1));
    let third = push(&mut open(&sim, 1 << 20).0, 30);
    assert_eq!((third.agent.incarnation, third.sequence), (900, 2));
}

#[test]
fn the_oldest_but_one_goes_first_and_is_told() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    push(&mut spool, 1);
    let bytes = spool.backlog().spool_bytes;
    let (mut spool, _) = open(&sim, 4 * bytes + 100);
    let told: Vec<_> = [2, 3, 4, 5, 6].map(|n| push(&mut spool, n).coverage).into();
    assert_eq!(told.iter().map(|c| c.get(Reason::SpoolEvicted)).collect::<Vec<_>>(), [0, 0, 0, 2, 3]);
    assert_eq!(told[3].lines_read, 5 + 2, "lines stay read");
    assert_eq!(take_all(&mut spool), [1, 4, 5, 6]);
}

#[test]
fn old_reports_go_but_never_the_oldest() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    push(&mut spool, 1);
    push(&mut spool, 2);
    let (mut spool, _) = open(&sim, 1 << 20);
    let mut late = report(4);
    late.made = now() + Duration::from_secs(3_601);
    let at = late.made;
    spool.push(&mut late, &[], at).expect("takes");
    assert_eq!(late.coverage.get(Reason::SpoolEvicted), 2);
    assert_eq!(take_all(&mut spool), [1, 4]);
}

#[test]
fn pieces_that_were_taken_back_never_count_in_part() {
    let in_halves = |r: &Report| {
        pack::pack_with(r, &|r| if r.windows.len() > 1 { Err(String::new()) } else { Ok(Bytes::from_static(b"half")) })
    };
    for seed in 0..1_000 {
        let sim = Sim::new(seed);
        let (mut spool, _) = open(&sim, 1 << 20);
        let mut report = report(2);
        report.windows.push(report.windows[0].clone());
        report.coverage.transactions = 4;
        sim.set(Trouble::OneIn(4));
        for _ in 0..2 {
            let _ = spool.push_by(&mut report, &[], now(), &in_halves);
        }
        sim.crash();
        let (mut spool, _) = open(&sim, 1 << 20);
        assert_eq!(take_all(&mut spool).iter().sum::<u64>() % 4, 0, "seed {seed}");
    }
}

#[test]
fn a_refusal_outlives_a_restart_and_is_told_once() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    push(&mut spool, 10);
    push(&mut spool, 20);
    spool.refuse(1).expect("works");
    spool.front().expect("makes it last");
    sim.crash();
    let (mut spool, _) = open(&sim, 1 << 20);
    assert!(spool.has_carry());
    assert_eq!(push(&mut spool, 30).coverage.get(Reason::ReportRefused), 10);
    sim.crash();
    let (mut spool, _) = open(&sim, 1 << 20);
    assert!(!spool.has_carry());
    assert_eq!(take_all(&mut spool), [20, 30]);
}

#[test]
fn an_ordinary_report_syncs_names_once() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    let cycle = |spool: &mut Spool, n| {
        (0..n).for_each(|_| drop(push(spool, 1)));
        let before = sim.syncs();
        take_all(spool);
        sim.syncs() - before
    };
    for (reports, want) in [(1, 1), (1, 1), (5, 5)] {
        assert_eq!(cycle(&mut spool, reports), want, "{reports} reports that were pushed");
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    push(&mut spool, 10);
    sim.set(Trouble::Full);
    let mut waiting = report(20);
    let error = spool.push(&mut waiting, &[], now()).expect_err("is full");
    assert!(error.is_disk_full());
    assert!(error.to_string().ends_with("free space, or lower `spool.bytes`; until then logs keep what is not read"));
    assert_eq!(spool.backlog().spool_reports, 1);
    assert_eq!(spool.front().expect("reads").map(|f| f.transactions), Some(10), "what is there can be shipped");
    sim.set(Trouble::None);
    spool.push(&mut waiting, &[], now()).expect("takes");
    assert_eq!(take_all(&mut spool), [10, 20]);
}

#[test]
fn damage_is_told_and_nothing_else_comes_out() {
    for number in [1, 2, 3] {
        let name = Kind::Report.name(number);
        let sim = Sim::new(1);
        let (mut spool, _) = open(&sim, 1 << 20);
        (1..=3).for_each(|n| drop(push(&mut spool, 10 * n)));
        let len = sim.len(&name);
        for at in (0..len).step_by(7).chain([len - 1]) {
            for is_cut in [false, true] {
                let sim = sim.copy();
                sim.damage(&name, |bytes| if is_cut { bytes.truncate(at) } else { bytes[at] ^= 4 });
                let (mut spool, cursors) = open(&sim, 1 << 20);
                let mut taken = take_all(&mut spool);
                let telling = push(&mut spool, 40);
                taken.extend(take_all(&mut spool));
                assert_eq!(taken, [10, 20, 30, 40].into_iter().filter(|n| *n != 10 * number).collect::<Vec<_>>());
                let told = telling.coverage.get(Reason::SpoolEvicted);
                assert!([1, 10 * number].contains(&told), "{told} told of {number}, {at} {is_cut}");
                let is_new = telling.agent.incarnation != 7 || telling.sequence == 4;
                assert!(is_new || (number == 3 && telling.sequence == 1), "{} {number}", telling.sequence);
                assert!(cursors.iter().all(|c| [20, 30].contains(&c.offset)), "{cursors:?}");
                assert!(sim.names().contains(&Kind::Damaged.name(number)));
            }
        }
    }
}

#[test]
fn a_file_that_somebody_removed_is_told() {
    let sim = Sim::new(1);
    let (mut spool, _) = open(&sim, 1 << 20);
    push(&mut spool, 10);
    push(&mut spool, 20);
    sim.clone().remove(&Kind::Report.name(1)).expect("is there");
    assert_eq!(take_all(&mut spool), [20]);
    assert_eq!(push(&mut spool, 30).coverage.get(Reason::SpoolEvicted), 10);
}

#[test]
fn a_newer_spool_is_left_alone() {
    let sim = Sim::new(1);
    push(&mut open(&sim, 1 << 20).0, 10);
    sim.damage(&Kind::Report.name(1), |bytes| (bytes[4], bytes[6]) = (2, !2));
    let limits = Limits::from(&config());
    let error = Spool::open_on(Box::new(sim), limits, "a", 1).err().expect("is newer").to_string();
    assert_eq!(
        error,
        "the spool `a made-up disk` is of version 2, this program reads up to 1; upgrade it, or set another `state`"
    );
}

#[test]
fn files_of_the_first_version_can_be_read() {
    let file = include_bytes!("fixtures/1.report");
    let head = format::decode_head(file).expect("reads");
    assert_eq!((head.incarnation, head.sequence, head.transactions, head.until), (7, 2, 20, 2));
    assert_eq!((head.made, head.coverage.get(Reason::ReportRefused), head.replaces), (now(), 10, vec![1]));
    assert_eq!((head.cursors.cursors[0].offset, head.cursors.samples[0].len()), (20, 39));
    assert!(format::body_at(file).is_ok());
}
