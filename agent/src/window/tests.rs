//! Laws of aggregation: nothing is lost, and neither the cut of the input nor full tables change the sums.

mod strangers;

use std::time::Duration;

use pitot_model::{Direction, Evidence, Marks, Protocol, Reason, Status, Timestamp, Timing, Transaction, Window};
use proptest::prelude::*;

use super::{Batch, Limits, Summary, Windows};
use crate::budget;

const ALL: Limits = Limits { routes: 0, consumers: 0 };

#[derive(Debug, Clone)]
struct Call {
    at_s: i64,
    route: String,
    consumer: String,
    status: u16,
    us: Option<u64>,
}

fn call(at_s: i64, route: &str, consumer: &str) -> Call {
    Call { at_s, route: route.into(), consumer: consumer.into(), status: 200, us: Some(1_000) }
}

fn batch(calls: &[Call]) -> Batch {
    let mut batch = Batch::default();
    for c in calls {
        let transaction = Transaction {
            service: "shop",
            version: "1",
            method: "GET",
            route: &c.route,
            consumer: &c.consumer,
            evidence: Evidence::Name,
            group: "",
            protocol: Protocol::Http11,
            status: Status::code(c.status),
            request_bytes: 1,
            response_bytes: 10,
            direction: Direction::Inbound,
            trace_id: "",
            timing: Timing::Logged {
                at: Timestamp::from_secs(c.at_s),
                at_start: false,
                duration: c.us.map(Duration::from_micros),
                ttfb: None,
            },
            marks: Marks::default(),
        };
        batch.push(&transaction, true);
    }
    batch
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let call = (0..5_000i64, 0..90u32, 0..9u32, 0..3u16, proptest::option::of(0..10_000_000u64));
    let call = call.prop_map(|(at_s, route, consumer, status, us)| Call {
        at_s,
        route: format!("/a/w{route}x"),
        consumer: format!("c{consumer}"),
        status: [200, 404, 503][status as usize],
        us,
    });
    proptest::collection::vec(call, 0..300)
}

fn summary(batches: &[&[Call]]) -> Summary {
    let mut summary = Summary::default();
    batches.iter().for_each(|b| summary.add(&batch(b)));
    summary
}

proptest! {
    #[test]
    fn the_cut_of_the_input_does_not_change_the_document(calls in calls(), cut in 0..300usize) {
        let (left, right) = calls.split_at(cut.min(calls.len()));
        let whole = summary(&[&calls]).document("", vec![], ALL);
        prop_assert_eq!(summary(&[left, right]).document("", vec![], ALL), whole);
    }

    #[test]
    fn every_part_adds_up(calls in calls()) {
        let doc = summary(&[&calls]).document("", vec![], ALL);
        let n = calls.len() as u64;
        prop_assert_eq!(doc.totals.count, n);
        for parts in [&doc.services, &doc.routes, &doc.consumers] {
            prop_assert_eq!(parts.iter().map(|p| p.count).sum::<u64>(), n);
            prop_assert_eq!(parts.iter().flat_map(|p| p.status.values()).sum::<u64>(), n);
            prop_assert_eq!(parts.iter().map(|p| p.response_bytes).sum::<u64>(), 10 * n);
        }
        prop_assert_eq!(doc.timeline.iter().map(|p| p.count).sum::<u64>(), n);
        prop_assert!(doc.timeline.len() <= budget::TIMELINE_STEPS);
        let known = calls.iter().filter(|c| c.us.is_some()).count() as u64;
        prop_assert_eq!(doc.totals.duration_us.n, known);
        let banded: u64 = doc.timeline.iter().flat_map(|p| &p.bands).map(|(_, n)| n).sum();
        prop_assert_eq!(banded, known);
    }

    #[test]
    fn windows_hold_what_the_summary_holds(calls in calls(), cut in 0..300usize) {
        let mut windows = Windows::new(Duration::from_secs(10), String::new());
        let (left, right) = calls.split_at(cut.min(calls.len()));
        windows.add(&batch(left));
        let first = windows.drain();
        windows.add(&batch(right));
        let second = windows.drain();
        let all: Vec<&Window> = first.windows.iter().chain(&second.windows).collect();
        prop_assert_eq!(all.iter().map(|w| w.count()).sum::<u64>(), calls.len() as u64);
        prop_assert!(all.iter().all(|w| w.start == w.start.floor(w.width)));
        // Read under their latest names, the routes are those of the summary.
        let latest = |template: &str| {
            let alias = second.aliases.iter().find(|a| a.from.template == template);
            alias.map_or(template.to_owned(), |a| a.to.template.clone())
        };
        let mut routes = std::collections::BTreeMap::new();
        for w in all {
            for c in &w.cells {
                *routes.entry(latest(&w.routes[c.route as usize].template)).or_insert(0) += c.stats.count;
            }
        }
        let doc = summary(&[&calls]).document("", vec![], ALL);
        let want = doc.routes.iter().map(|p| (p.route.clone().unwrap_or_default(), p.count)).collect();
        prop_assert_eq!(routes, want);
    }
}

#[test]
fn a_template_learned_late_takes_its_earlier_counts_along() {
    let names: Vec<Call> = (0..60).map(|i| call(i, &format!("/users/u{i}x/posts"), "c")).collect();
    let mut windows = Windows::new(Duration::from_secs(10), String::new());
    windows.add(&batch(&names[..1]));
    assert!(windows.drain().aliases.is_empty());
    windows.add(&batch(&names[1..]));
    let drained = windows.drain();
    assert_eq!(drained.aliases.len(), 1);
    assert!(drained.aliases.iter().all(|a| a.to.template == "/users/{slug}/posts"));
    assert!(drained.windows.iter().flat_map(|w| &w.routes).all(|r| r.template == "/users/{slug}/posts"));
    assert!(windows.drain().aliases.is_empty());
}

#[test]
fn full_tables_fold_and_totals_stay_exact() {
    let mut summary = Summary::default();
    let mut n = 0;
    for piece in 0..140 {
        let calls: Vec<Call> =
            (0..1_000).map(|i| call(i, &format!("/p{}x/q{piece}y{i}z", i % 40), &format!("c{piece}-{i}"))).collect();
        n += calls.len() as u64;
        summary.add(&batch(&calls));
    }
    let doc = summary.document("", vec![], ALL);
    assert_eq!(doc.totals.count, n);
    assert_eq!(doc.routes.len(), 40, "{:?}", doc.routes.first());
    // `(other)` is one of them.
    let n_folded = n - (budget::CONSUMERS as u64 - 1);
    assert_eq!(doc.consumer_count, budget::CONSUMERS);
    assert_eq!(doc.coverage.get(Reason::ConsumerFolded), n_folded);
    let other = doc.consumers.iter().find(|c| c.consumer.as_deref() == Some("(other)")).map(|c| c.count);
    assert_eq!(other, Some(n_folded));
    let folded = doc.folded.unwrap();
    assert_eq!((folded.consumer_transactions, folded.route_transactions), (n_folded, 0));
    assert!(folded.consumers.abs_diff(n_folded) < n_folded / 8, "{folded:?}");
}

#[test]
fn a_transaction_without_a_time_counts_in_no_window() {
    let mut windows = Windows::new(Duration::from_secs(10), String::new());
    let mut batch = batch(&[call(5, "/", "c")]);
    batch.rows[0].ended_us = super::batch::NO_TIME;
    windows.add(&batch);
    let drained = windows.drain();
    assert!(drained.windows.is_empty());
    assert_eq!(drained.coverage.get(Reason::TimeUnreadable), 1);
}

#[test]
fn limits_keep_the_greatest_and_say_how_many_there_are() {
    let calls: Vec<Call> = (0..100).map(|i| call(0, &format!("/r{}x", i % 10), &format!("c{}", i % 7))).collect();
    let doc = summary(&[&calls]).document("", vec![], Limits { routes: 3, consumers: 2 });
    assert_eq!((doc.routes.len(), doc.route_count, doc.consumers.len(), doc.consumer_count), (3, 10, 2, 7));
    assert_eq!(doc.totals.count, 100);
}
