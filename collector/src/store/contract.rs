//! What every engine must hold: one function per law, called for each engine with an empty store.
//!
//! In: an engine. Out: panics. The laws speak of answers only, never of how an engine keeps them.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{
    AgentId, Cell, Consumer, Coverage, Evidence, Mark, MarkKey, MarkKind, MarkSum, Reason, Report, Resource, Route,
    RouteAlias, Stats, Status, TimeRange, Timestamp, Window,
};

use super::{Appended, Cube, Levels, Retention, Store};

/// Ten seconds, a minute, ten minutes, an hour.
pub(crate) fn levels() -> Levels {
    Levels::new(Duration::from_secs(10), &Retention::default()).expect("ten seconds divide a minute")
}

/// All laws but those about time passing between processes.
pub(crate) fn all(make: &mut dyn FnMut() -> Box<dyn Store>) {
    an_empty_store_answers_nothing(&mut *make());
    what_goes_in_comes_out(&mut *make());
    levels_agree_before_and_after_rolling_up(&mut *make());
    duplicates_change_nothing(&mut *make());
    late_deltas_add_up(&mut *make());
    resources_stay_apart(&mut *make());
    coverage_lies_in_its_slot(&mut *make());
    coverage_is_told_by_agent(&mut *make());
    windows_that_come_late_are_where_they_are_kept(&mut *make());
    old_slots_are_forgotten_by_level(&mut *make());
    aliases_are_kept(&mut *make());
    marks_are_summed_by_hour(&mut *make());
    marks_are_kept_as_long_as_hours(&mut *make());
    an_hour_full_of_marks_takes_the_rest_under_other(&mut *make());
}

fn an_empty_store_answers_nothing(store: &mut dyn Store) {
    assert_eq!(count(store, Cube::Full, 0, TimeRange::ALL), 0);
    store.roll_up().expect("rolls up");
    assert_eq!(store.forget(Timestamp::from_secs(1_000_000)).expect("forgets"), 0);
    let stats = store.stats();
    assert_eq!((stats.windows, stats.oldest, stats.newest), (0, None, None));
}

fn what_goes_in_comes_out(store: &mut dyn Store) {
    put(store, 1, &[(0, 3), (10, 4), (600, 5)]);
    for cube in Cube::ALL {
        assert_eq!(count(store, cube, 0, range(0, 10)), 3, "{cube:?}");
        assert_eq!(count(store, cube, 0, range(10, 20)), 4, "{cube:?}");
        assert_eq!(count(store, cube, 0, range(0, 610)), 12, "{cube:?}");
        assert_eq!(count(store, cube, 0, range(20, 600)), 0, "{cube:?}");
        assert_eq!(count(store, cube, 0, range(600, 0)), 0, "{cube:?}: an empty range");
    }
    let stats = store.stats();
    assert_eq!((stats.oldest, stats.newest), (Some(at(0)), Some(at(610))));
}

fn levels_agree_before_and_after_rolling_up(store: &mut dyn Store) {
    for (sequence, start) in (1..).zip((0..7_200).step_by(50)) {
        put(store, sequence, &[(start, 1 + sequence), (start % 3_600, 2)]);
        if sequence % 17 == 0 {
            store.roll_up().expect("rolls up");
        }
    }
    let all = range(0, 7_200);
    let mut before = Vec::new();
    for cube in Cube::ALL {
        let want = sum(store, cube, 0, all);
        for level in 1..store.levels().len() {
            assert_eq!(sum(store, cube, level, all), want, "{cube:?} {level}");
        }
        before.push(want);
    }
    store.roll_up().expect("rolls up");
    assert_eq!(store.waiting(), 0);
    for (cube, want) in Cube::ALL.into_iter().zip(before) {
        for level in 0..store.levels().len() {
            assert_eq!(sum(store, cube, level, all), want, "{cube:?} {level}");
        }
    }
}

fn duplicates_change_nothing(store: &mut dyn Store) {
    let report = report(1, &[(0, 3)]);
    assert_eq!(store.append(&report, at(10)).expect("appends"), Appended::Stored);
    for _ in 0..2 {
        assert_eq!(store.append(&report, at(11)).expect("appends"), Appended::Duplicate);
        store.roll_up().expect("rolls up");
    }
    assert_eq!(count(store, Cube::Full, 0, range(0, 10)), 3);
    assert_eq!(store.coverage(0, range(0, 10)).expect("reads").transactions, 3);
    assert_eq!(store.ledger().agents().agents[0].coverage.transactions, 3);
    assert_eq!(store.ledger().sequence(&report.agent), 1);
}

fn late_deltas_add_up(store: &mut dyn Store) {
    put(store, 1, &[(0, 1), (3_600, 1)]);
    store.roll_up().expect("rolls up");
    put(store, 2, &[(0, 10)]);
    for level in 0..store.levels().len() {
        assert_eq!(count(store, Cube::Routes, level, range(0, 3_600)), 11, "{level}");
    }
    store.roll_up().expect("rolls up");
    for sequence in 3..40 {
        put(store, sequence, &[(0, 1)]);
        store.roll_up().expect("rolls up");
    }
    for level in 0..store.levels().len() {
        assert_eq!(count(store, Cube::Routes, level, range(0, 3_600)), 48, "{level}");
    }
    let windows = store.stats().windows;
    assert!(windows < 40 * 3, "{windows} windows: deltas of a slot are joined");
}

fn resources_stay_apart(store: &mut dyn Store) {
    let mut report = report(1, &[(0, 1), (0, 2), (0, 4)]);
    for (window, version) in report.windows.iter_mut().zip(["1", "2", "2"]) {
        window.resource.version = version.into();
    }
    store.append(&report, at(10)).expect("appends");
    store.roll_up().expect("rolls up");
    for level in 0..store.levels().len() {
        let mut by_version: BTreeMap<String, u64> = BTreeMap::new();
        let mut visit = |w: &Window| *by_version.entry(w.resource.version.clone()).or_default() += w.count();
        store.scan(Cube::Full, level, range(0, 3_600), &mut visit).expect("scans");
        assert_eq!(by_version, BTreeMap::from([("1".into(), 1), ("2".into(), 6)]), "{level}");
    }
}

fn coverage_lies_in_its_slot(store: &mut dyn Store) {
    put(store, 1, &[(0, 3)]);
    put(store, 2, &[(3_600, 4)]);
    for level in 0..store.levels().len() {
        let read = |from, to| store.coverage(level, range(from, to)).expect("reads");
        assert_eq!(read(0, 3_600).transactions, 3, "{level}");
        assert_eq!(read(0, 7_200).get(Reason::LineMalformed), 2, "{level}");
    }
}

fn coverage_is_told_by_agent(store: &mut dyn Store) {
    for (name, sequence, start, n) in [("web", 1, 0, 3), ("db", 1, 0, 4), ("web", 2, 10, 5), ("web", 3, 3_600, 6)] {
        let mut report = report(sequence, &[(start, n)]);
        report.agent.name = name.into();
        store.append(&report, at(0)).expect("appends");
    }
    for (level, want) in [
        (0, vec![("db", 0, 4), ("web", 0, 3), ("web", 10, 5)]),
        (1, vec![("db", 0, 4), ("web", 0, 8)]),
        (3, vec![("db", 0, 4), ("web", 0, 8)]),
    ] {
        let mut got = Vec::new();
        let mut visit = |agent: &str, start, c: &Coverage| got.push((agent.to_owned(), start, c.transactions));
        store.coverage_by_agent(level, range(0, 3_600), &mut visit).expect("reads");
        let want: Vec<_> = want.into_iter().map(|(name, start, n)| (name.to_owned(), at(start), n)).collect();
        assert_eq!(got, want, "{level}");
        assert_eq!(store.coverage(level, range(0, 3_600)).expect("reads").transactions, 12, "{level}");
    }
    store.forget(at(500 * 86_400)).expect("forgets");
    store.coverage_by_agent(3, range(0, 7_200), &mut |_, _, c| unreachable!("{c:?}")).expect("reads");
}

/// A back-fill: every report holds windows of now, of hours, days and weeks ago.
fn windows_that_come_late_are_where_they_are_kept(store: &mut dyn Store) {
    let (hour, day, now) = (3_600, 86_400, 100 * 86_400);
    let mut facts: Vec<(i64, u64)> = Vec::new();
    for sequence in 1..=40_u64 {
        let step = sequence as i64 * 10;
        let ages = [step, 7 * hour + step, 7 * hour + 2 * step, 4 * day + step, 35 * day + step, 36 * day - step];
        let windows: Vec<_> = ages.iter().map(|ago| (now - ago, sequence)).collect();
        assert_eq!(store.append(&report(sequence, &windows), at(now)).expect("appends"), Appended::Stored);
        facts.extend(windows);
        if sequence % 7 == 0 {
            store.roll_up().expect("rolls up");
        }
        if sequence == 30 {
            while store.forget(at(now)).expect("forgets") > 0 {}
        }
        for age in ages {
            let level = store.levels().first_kept(at(now - age), at(now));
            assert!(store.horizon(level) <= at(now - age), "{age}: the level that keeps it answers for it");
        }
        let windows = store.stats().windows;
        assert!(windows < 1_000, "{windows} windows after {sequence} reports: deltas of a slot are joined");
        for (from, to) in [(now - hour, now), (now - 8 * hour, now), (now - 5 * day, now), (now - 40 * day, now)] {
            for level in 0..store.levels().len() {
                let asked = TimeRange::new(at(from).floor(levels().width(3)), at(to).ceil(levels().width(3)));
                if store.horizon(level) > asked.from {
                    continue;
                }
                let mine = facts.iter().filter(|(start, _)| asked.contains(at(*start)));
                let want: u64 = mine.clone().map(|(_, n)| n).sum();
                for cube in Cube::ALL {
                    assert_eq!(count(store, cube, level, asked), want, "{cube:?} {level} {asked:?}");
                    if sequence % 13 == 0 {
                        let parts = report(1, &mine.clone().copied().collect::<Vec<_>>()).windows;
                        let folded: Vec<_> = parts.iter().map(|w| cube.fold(w)).collect();
                        let mut whole = Window::sum(&folded).expect("there are some").canonical();
                        (whole.start, whole.width) = (asked.from, asked.len());
                        assert_eq!(sum(store, cube, level, asked), whole, "{cube:?} {level} {asked:?}");
                    }
                }
            }
        }
    }
    assert_eq!(store.stats().newest, Some(at(now)), "the newest window is the newest");
}

fn old_slots_are_forgotten_by_level(store: &mut dyn Store) {
    put(store, 1, &[(0, 1), (36_000, 2)]);
    let seven_hours = at(7 * 3_600);
    assert!(store.forget(seven_hours).expect("forgets") > 0, "the first slot");
    assert_eq!(store.horizon(0), at(3_600), "what ended more than six hours ago is gone");
    assert_eq!(store.horizon(1), TimeRange::ALL.from);
    assert_eq!(count(store, Cube::Full, 0, range(0, 36_010)), 2);
    for level in 1..store.levels().len() {
        assert_eq!(count(store, Cube::Full, level, range(0, 39_600)), 3, "{level}: coarser levels keep it");
    }
    assert_eq!(store.forget(seven_hours).expect("forgets"), 0, "nothing is left to forget");
    store.forget(at(500 * 86_400)).expect("forgets");
    assert_eq!(store.stats().windows, 0, "and some day all is gone");
    assert_eq!(store.coverage(3, range(0, 39_600)).expect("reads"), Coverage::default());
}

fn aliases_are_kept(store: &mut dyn Store) {
    let mut report = report(1, &[(0, 1)]);
    let (from, to) = (Route::new("GET", "/users/bob"), Route::new("GET", "/users/{slug}"));
    report.aliases.push(RouteAlias { service: "shop".into(), from: from.clone(), to: to.clone() });
    store.append(&report, at(10)).expect("appends");
    assert_eq!(store.ledger().aliases().resolve("shop", &from), &to);
}

fn marks_are_summed_by_hour(store: &mut dyn Store) {
    let put = |store: &mut dyn Store, sequence, marks: &[Mark]| {
        let mut report = report(sequence, &[]);
        report.marks = marks.to_vec();
        store.append(&report, at(0)).expect("appends")
    };
    let first = [mark(0, "/a", "x", 2), mark(0, "/a", "y", 1), mark(3_600, "/a", "x", 4)];
    assert_eq!(put(store, 1, &first), Appended::Stored);
    assert_eq!(put(store, 1, &first), Appended::Duplicate);
    let twice = [mark(0, "/a", "x", 8), mark(0, "/b", "x", 1), mark(0, "/a", "x", 16)];
    put(store, 2, &twice);
    for _ in 0..2 {
        let got = |range| {
            let mut got = Vec::new();
            let mut visit = |m: &Mark| {
                got.push((m.key.hour.as_secs(), m.key.route.template.clone(), m.key.consumer.id.clone(), m.sum.count));
            };
            store.marks(range, &mut visit).expect("reads");
            got.sort();
            got
        };
        let row = |hour, route: &str, consumer: &str, n| (hour, route.to_owned(), consumer.to_owned(), n);
        let hour = [row(0, "/a", "x", 26), row(0, "/a", "y", 1), row(0, "/b", "x", 1)];
        assert_eq!(got(range(0, 3_600)), hour);
        assert_eq!(got(range(3_600, 7_200)), [row(3_600, "/a", "x", 4)]);
        assert_eq!(got(range(0, 7_200)).len(), 4);
        assert!(got(range(7_200, 0)).is_empty());
        store.roll_up().expect("rolls up");
    }
    let mut sum = MarkSum::default();
    let mut visit = |m: &Mark| sum.merge(&m.sum);
    store.marks(range(0, 3_600), &mut visit).expect("reads");
    assert_eq!((sum.last, sum.greatest, sum.distinct.estimate()), (at(59), Some(16), 4), "all parts merge");
}

fn marks_are_kept_as_long_as_hours(store: &mut dyn Store) {
    let mut report = report(1, &[]);
    report.marks = vec![mark(0, "/a", "x", 1), mark(36_000, "/a", "x", 1)];
    store.append(&report, at(36_000)).expect("appends");
    let count = |store: &dyn Store| {
        let mut n = 0;
        store.marks(TimeRange::ALL, &mut |m| n += m.sum.count).expect("reads");
        n
    };
    store.forget(at(30 * 86_400)).expect("forgets");
    assert_eq!(count(store), 2);
    assert!(store.forget(at(400 * 86_400 + 7_200)).expect("forgets") > 0);
    assert_eq!(count(store), 1, "what ended more than 400 days ago is gone");
    while store.forget(at(500 * 86_400)).expect("forgets") > 0 {}
    assert_eq!(count(store), 0);
}

fn an_hour_full_of_marks_takes_the_rest_under_other(store: &mut dyn Store) {
    let n_marks = 2 * super::marks::HOUR_MARKS;
    for (sequence, part) in (1..).zip((0..n_marks).collect::<Vec<_>>().chunks(5_000)) {
        let mut report = report(sequence, &[]);
        report.marks = part.iter().map(|i| mark(0, "/a", &format!("consumer {i}"), 1)).collect();
        // The first one has its place, however many come.
        report.marks.push(mark(0, "/a", "consumer 0", 1));
        store.append(&report, at(0)).expect("appends");
    }
    let (mut n, mut keys, mut other, mut first) = (0, 0, 0, 0);
    let mut visit = |m: &Mark| {
        (n, keys) = (n + m.sum.count, keys + 1);
        match m.key.consumer.id.as_str() {
            "(other)" => other += m.sum.count,
            "consumer 0" => first += m.sum.count,
            _ => {}
        }
    };
    store.marks(range(0, 3_600), &mut visit).expect("reads");
    assert_eq!((n, first), (n_marks as u64 + 8, 9));
    assert_eq!((keys, other), (super::marks::HOUR_MARKS + 1, super::marks::HOUR_MARKS as u64));
}

/// Some marks in an hour, whose credential is its number.
pub(crate) fn mark(hour: i64, route: &str, consumer: &str, n: u64) -> Mark {
    let key = MarkKey {
        hour: at(hour),
        kind: MarkKind::Deprecated,
        service: "shop".into(),
        route: Route::new("GET", route),
        consumer: Consumer::new(consumer, Evidence::Key),
    };
    let mut sum = MarkSum { count: n, ..MarkSum::one(at(hour + 59), Some(n)) };
    sum.distinct.add(&n.to_le_bytes());
    Mark { key, sum }
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds)
}

pub(crate) fn range(from: i64, to: i64) -> TimeRange {
    TimeRange::new(at(from), at(to))
}

/// A report with a window per (start in seconds, transactions).
pub(crate) fn report(sequence: u64, windows: &[(i64, u64)]) -> Report {
    let mut report = Report { agent: AgentId { name: "web".into(), incarnation: 1 }, sequence, ..Report::default() };
    for &(start, n) in windows {
        let resource = Resource { service: "shop".into(), ..Resource::default() };
        let mut w = Window::new(at(start), Duration::from_secs(10), resource);
        w.routes = vec![Route::new("GET", "/a"), Route::new("GET", "/b")];
        w.consumers = vec![Consumer::new("x", Evidence::Key), Consumer::new("y", Evidence::Key)];
        for i in 0..n {
            let (route, consumer) = ((i % 2) as u32, (i / 2 % 2) as u32);
            let status = Status::code(if i % 5 == 4 { 500 } else { 200 });
            let mut stats = Stats { count: 1, request_bytes: 1, response_bytes: i, ..Stats::default() };
            stats.duration.record(1_000 * (i + 1));
            let same = |c: &&mut Cell| (c.route, c.consumer, c.status) == (route, consumer, status);
            match w.cells.iter_mut().find(same) {
                Some(cell) => cell.stats.merge(&stats),
                None => w.cells.push(Cell { route, consumer, status, stats }),
            }
        }
        report.coverage.transactions += n;
        report.windows.push(w);
    }
    report.coverage.add(Reason::LineMalformed, 1);
    report
}

pub(crate) fn put(store: &mut dyn Store, sequence: u64, windows: &[(i64, u64)]) {
    let appended = store.append(&report(sequence, windows), at(0)).expect("appends");
    assert_eq!(appended, Appended::Stored);
}

pub(crate) fn count(store: &dyn Store, cube: Cube, level: usize, range: TimeRange) -> u64 {
    let mut n = 0;
    store.scan(cube, level, range, &mut |w| n = w.count().saturating_add(n)).expect("scans");
    n
}

/// Everything in a range as one window.
pub(crate) fn sum(store: &dyn Store, cube: Cube, level: usize, range: TimeRange) -> Window {
    let mut windows = Vec::new();
    store.scan(cube, level, range, &mut |w| windows.push(w.clone())).expect("scans");
    let mut sum = Window::sum(&windows).expect("there are some").canonical();
    (sum.start, sum.width) = (range.from, range.len());
    sum
}

#[test]
fn the_memory_engine_keeps_the_contract() {
    all(&mut || Box::new(super::Memory::new(levels())));
}
