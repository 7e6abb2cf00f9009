//! What somebody who makes up keys, paths and methods does to the numbers of everybody else: nothing.

use std::collections::BTreeMap;

use pitot_model::{Distinct, MarkKind, Route};

use super::*;
use crate::window::Drained;

const ROUTES: u32 = 40;
const CONSUMERS: u32 = 100;

/// Everything that was shipped, under its latest names.
#[derive(Debug, Default)]
struct Shipped {
    routes: BTreeMap<Route, u64>,
    consumers: BTreeMap<String, u64>,
    /// Names that a collector has to keep.
    n_consumers: usize,
    n_folded: u64,
    folded: Distinct,
}

impl Shipped {
    fn add(&mut self, drained: Drained) {
        for window in &drained.windows {
            for cell in &window.cells {
                let (route, consumer) =
                    (&window.routes[cell.route as usize], &window.consumers[cell.consumer as usize]);
                *self.routes.entry(route.clone()).or_default() += cell.stats.count;
                *self.consumers.entry(consumer.id.clone()).or_default() += cell.stats.count;
            }
        }
        for alias in drained.aliases {
            if let Some(count) = self.routes.remove(&alias.from) {
                *self.routes.entry(alias.to).or_default() += count;
            }
        }
        for mark in drained.marks.iter().filter(|mark| mark.key.kind == MarkKind::ConsumersFolded) {
            self.n_folded += mark.sum.count;
            self.folded.merge(&mark.sum.distinct);
        }
        self.n_consumers = self.consumers.len();
    }

    fn consumer(&self, id: &str) -> u64 {
        self.consumers.get(id).copied().unwrap_or_default()
    }
}

/// The `i`th request of a consumer who is one.
fn real(i: u32) -> Call {
    call(i64::from(i / 1_000), &format!("/v1/part{}x/{{int}}", i % ROUTES), &format!("real {}", i / 7 % CONSUMERS))
}

/// Of somebody who tries out paths and keys; a third of them are made of values alone, which never fold.
fn tried(i: u32) -> Call {
    let kinds = ["{int}", "{uuid}", "{hex}", "{date}"];
    let typed: Vec<&str> = (0..9).map(|at| kinds[(i >> (2 * at)) as usize % 4]).collect();
    let path = match i % 3 {
        0 => format!("/v1/junk{i}x"),
        1 => format!("/w{i}x/u{}x/index.php", i / 2),
        _ => format!("/{}", typed.join("/")),
    };
    Call { status: 404, ..call(i64::from(i / 10_000), &path, &format!("junk {i}")) }
}

/// Ships every 10,000 requests.
fn ship(windows: &mut Windows, shipped: &mut Shipped, calls: impl Iterator<Item = Call>) {
    let calls: Vec<Call> = calls.collect();
    for second in calls.chunks(10_000) {
        second.chunks(2_000).for_each(|piece| windows.add(&batch(piece)));
        shipped.add(windows.drain());
    }
}

fn attack(from: u32, n: u32) -> impl Iterator<Item = Call> {
    (from..from + n).flat_map(|i| (0..10).map(move |j| tried(i * 10 + j)).chain([real(i)]))
}

#[test]
fn who_was_known_before_an_attack_keeps_exact_counts() {
    let mut windows = Windows::new(Duration::from_secs(10), String::new());
    let mut shipped = Shipped::default();
    ship(&mut windows, &mut shipped, (0..4_200).map(real));
    ship(&mut windows, &mut shipped, attack(4_200, 14_000));
    for i in 0..CONSUMERS {
        assert_eq!(shipped.consumer(&format!("real {i}")), 18_200 / u64::from(CONSUMERS), "{i}");
    }
    assert_eq!(shipped.routes.values().sum::<u64>(), 18_200 + 140_000);
    assert_eq!(shipped.consumers.values().sum::<u64>(), 18_200 + 140_000);
    assert!(shipped.n_consumers <= budget::CONSUMERS, "{}", shipped.n_consumers);
    assert_eq!(shipped.consumer("(other)"), shipped.n_folded);
    // Nearly all of them came once.
    let distinct = shipped.folded.estimate();
    assert!(shipped.n_folded > 8_000 && distinct.abs_diff(shipped.n_folded) < shipped.n_folded / 8, "{distinct}");
}

#[test]
fn who_comes_during_an_attack_is_told_apart_soon() {
    let mut windows = Windows::new(Duration::from_secs(10), String::new());
    let mut shipped = Shipped::default();
    ship(&mut windows, &mut shipped, (0..140_000).map(tried));
    assert!(shipped.consumer("(other)") > 0, "the table is full");
    ship(&mut windows, &mut shipped, attack(14_000, 14_000));
    for i in 0..CONSUMERS {
        // What came before it had shown that it comes again.
        let missing = 14_000 / u64::from(CONSUMERS) - shipped.consumer(&format!("real {i}"));
        assert!(missing < 60, "{i}: {missing}");
    }
}

#[test]
fn a_report_under_attack_adds_up_and_is_the_same_again() {
    let run = || {
        let mut summary = Summary::default();
        let calls: Vec<Call> = attack(0, 14_000).collect();
        calls.chunks(2_000).for_each(|piece| summary.add(&batch(piece)));
        summary.document("", vec![], ALL)
    };
    let doc = run();
    for parts in [&doc.services, &doc.routes, &doc.consumers] {
        assert_eq!(parts.iter().map(|p| p.count).sum::<u64>(), 154_000);
    }
    for i in 0..CONSUMERS {
        let part = doc.consumers.iter().find(|p| p.consumer.as_deref() == Some(&format!("real {i}"))).map(|p| p.count);
        assert_eq!(part, Some(140), "{i}");
    }
    let other = doc.consumers.iter().find(|p| p.consumer.as_deref() == Some("(other)")).map_or(0, |p| p.count);
    let folded = doc.folded.unwrap();
    assert_eq!(folded.consumer_transactions, other);
    let other = doc.routes.iter().filter(|p| p.route.as_deref() == Some("(other)")).map(|p| p.count).sum::<u64>();
    assert_eq!(folded.route_transactions, other);
    assert_eq!(run(), doc);
}

#[test]
fn more_cells_than_a_report_holds_are_counted_for_all_consumers_of_a_route() {
    let mut windows = Windows::new(Duration::from_secs(10), String::new());
    let calls: Vec<Call> = (0..140_000).map(|i| call(5, "/a", &format!("c{}", i % 50_000))).collect();
    let many = |(i, c): (usize, Call)| Call { status: [200, 201, 404][i / 50_000], ..c };
    let calls: Vec<Call> = calls.into_iter().enumerate().map(many).collect();
    calls.chunks(20_000).for_each(|piece| windows.add(&batch(piece)));
    let drained = windows.drain();
    let n_cells: usize = drained.windows.iter().map(|w| w.cells.len()).sum();
    assert_eq!(n_cells, budget::CELLS + 1);
    assert_eq!(drained.coverage.get(Reason::CellFolded), 140_000 - budget::CELLS as u64);
    assert_eq!(drained.windows.iter().map(Window::count).sum::<u64>(), 140_000);
}
