//! What is summed of marks, under which names, and what becomes of too many.

use std::time::Duration;

use pitot_model::{
    Deprecation, Direction, Evidence, Mark, MarkKind, Marks, Protocol, RateLimit, Status, Timestamp, Timing, TokenAge,
    Transaction, budget,
};

use crate::window::{Batch, Windows};

fn push(batch: &mut Batch, at_ms: i64, route: &str, consumer: &str, status: u16, marks: Marks) {
    let transaction = Transaction {
        service: "shop",
        version: "1",
        method: "GET",
        route,
        consumer,
        evidence: Evidence::Name,
        group: "",
        protocol: Protocol::Http11,
        status: Status::code(status),
        request_bytes: 1,
        response_bytes: 10,
        direction: Direction::Inbound,
        trace_id: "",
        timing: Timing::Logged { at: Timestamp::from_millis(at_ms), at_start: false, duration: None, ttfb: None },
        marks,
    };
    batch.push(&transaction, true);
}

fn windows() -> Windows {
    Windows::new(Duration::from_secs(10), String::new())
}

fn deprecated() -> Marks {
    let since = Some(Timestamp::from_secs(1_688_169_599));
    Marks { deprecation: Some(Deprecation { since }), ..Marks::default() }
}

fn of<'a>(marks: &'a [Mark], kind: MarkKind) -> Vec<(&'a str, &'a str, u64, Option<u64>, u64)> {
    let row = |Mark { key, sum }: &'a Mark| {
        (key.route.template.as_str(), key.consumer.id.as_str(), sum.count, sum.greatest, sum.distinct.estimate())
    };
    marks.iter().filter(|m| m.key.kind == kind).map(row).collect()
}

#[test]
fn marks_are_summed_by_hour_route_and_consumer() {
    let mut batch = Batch::default();
    for (at_ms, consumer) in [(1_500, "acme"), (2_500, "acme"), (3_500, "beta"), (3_600_500, "acme")] {
        push(&mut batch, at_ms, "/old", consumer, 200, deprecated());
        push(&mut batch, at_ms, "/new", consumer, 200, Marks::default());
    }
    let mut windows = windows();
    windows.add(&batch);
    let drained = windows.drain();
    let since = Some(1_688_169_599);
    let want = [("/old", "acme", 2, since, 0), ("/old", "beta", 1, since, 0), ("/old", "acme", 1, since, 0)];
    assert_eq!(of(&drained.marks, MarkKind::Deprecated), want);
    assert_eq!(drained.marks.len(), 3);
    assert_eq!(drained.marks[0].sum.last, Timestamp::from_millis(2_500));
    assert!(windows.drain().marks.is_empty());
}

#[test]
fn what_a_response_tells_of_limits_is_kept_in_thousandths() {
    let mut batch = Batch::default();
    for (remaining, limit) in [(10, Some(100)), (0, None), (7, None), (5, Some(0))] {
        let rate_limit = Some(RateLimit { remaining, limit });
        push(&mut batch, 500, "/a", "acme", 200, Marks { rate_limit, ..Marks::default() });
    }
    let mut windows = windows();
    windows.add(&batch);
    let marks = windows.drain().marks;
    let left = marks.iter().find(|m| m.key.kind == MarkKind::RateLimitLeft).map(|m| m.sum.clone()).unwrap_or_default();
    assert_eq!((left.count, left.least, left.greatest), (4, Some(0), Some(100)));
    assert_eq!(of(&marks, MarkKind::RateLimit), [("/a", "acme", 2, Some(100), 0)]);
}

#[test]
fn credentials_are_told_apart_by_address_and_tokens_by_consumer() {
    let mut batch = Batch::default();
    for (credential, status, age) in
        [(1 << 60, 200, TokenAge::Valid), (2 << 60, 401, TokenAge::Expired), (2 << 60, 403, TokenAge::Valid)]
    {
        let (token, client) = (Some(age), Some("10.0.0.9".parse().unwrap()));
        let marks = Marks { credential: Some(credential), client, token, ..Marks::default() };
        push(&mut batch, 500, "/a", "acme", status, marks);
    }
    let mut windows = windows();
    windows.add(&batch);
    let marks = windows.drain().marks;
    assert_eq!(of(&marks, MarkKind::Credentials), [("", "10.0.0.9", 3, None, 2)]);
    assert_eq!(of(&marks, MarkKind::CredentialsRefused), [("", "10.0.0.9", 2, None, 1)]);
    assert_eq!(of(&marks, MarkKind::TokenUsed), [("", "acme", 3, None, 0)]);
    assert_eq!(of(&marks, MarkKind::TokenExpired), [("", "acme", 1, None, 0)]);
}

#[test]
fn whether_a_consumer_waited_is_told_over_reports() {
    let asked = Marks { retry_after: Some(Duration::from_secs(10)), ..Marks::default() };
    let mut windows = windows();
    let mut tell = |calls: &[(i64, &str, &str, Marks)]| {
        let mut batch = Batch::default();
        calls.iter().for_each(|&(at, route, consumer, marks)| push(&mut batch, at, route, consumer, 429, marks));
        windows.add(&batch);
        windows.drain().marks
    };
    let marks = tell(&[(100_500, "/a", "acme", asked), (100_500, "/a", "beta", asked), (100_500, "/a", "", asked)]);
    assert_eq!(of(&marks, MarkKind::RetryAfter).len(), 3);
    let none = Marks::default();
    let marks = tell(&[(103_500, "/a", "acme", none), (103_500, "/b", "beta", none), (103_500, "/a", "", none)]);
    assert_eq!(of(&marks, MarkKind::RetriedEarly), [("/a", "acme", 1, Some(7), 0)]);
    assert_eq!(marks.len(), 1, "another route, and nobody, are not judged");
    let marks = tell(&[(110_500, "/a", "acme", none), (110_600, "/a", "acme", none), (111_500, "/a", "beta", none)]);
    assert_eq!(
        of(&marks, MarkKind::RetriedInTime),
        [("/a", "acme", 1, None, 0), ("/a", "beta", 1, None, 0)],
        "the first request after the time"
    );
}

#[test]
fn what_finds_no_room_is_summed_under_other_and_fits_a_report() {
    let mut windows = windows();
    let n = 2 * budget::REPORT_MARKS;
    for part in 0..8 {
        let mut batch = Batch::default();
        for i in part * n / 8..(part + 1) * n / 8 {
            // Every other one in an hour of its own.
            let at_ms = if i % 2 == 0 { 500 } else { i as i64 * 3_600_000 };
            push(&mut batch, at_ms, "/old", &format!("c{}", i % 40_000), 200, deprecated());
        }
        windows.add(&batch);
    }
    assert!(windows.is_full());
    let marks = windows.drain().marks;
    assert_eq!(marks.iter().map(|m| m.sum.count).sum::<u64>(), n as u64);
    assert!(marks.len() <= budget::REPORT_MARKS, "{}", marks.len());
    assert!(marks.iter().any(|m| m.key.consumer.id == "(other)" && m.key.route.template == "(other)"));
    assert!(!windows.is_full());
}
