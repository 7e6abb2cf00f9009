//! Answers about marks, from both engines, before and after rolling up.

use pitot_model::{
    Consumer, Evidence, Mark, MarkKey, MarkKind, MarkSum, Report, Route, RouteAlias, Stats, Status, Timestamp, Window,
    api::{PostureQuery, SaidBy},
};

use super::*;
use crate::{
    io::embedded::Embedded,
    store::{
        Memory, Store,
        contract::{at, levels, report},
    },
};

const HOUR: i64 = 3_600;

fn mark(kind: MarkKind, at_s: i64, route: &str, consumer: &str, n: u64, value: Option<u64>) -> Mark {
    let route = if route.is_empty() { Route::default() } else { Route::new("GET", route) };
    let consumer = Consumer::new(consumer, Evidence::Key);
    let key = MarkKey { hour: at(at_s).floor(MARK_WIDTH), kind, service: "shop".into(), route, consumer };
    Mark { key, sum: MarkSum { count: n, ..MarkSum::one(at(at_s), value) } }
}

fn cell(at_s: i64, route: &str, consumer: &str, status: u16, n: u64) -> Window {
    let width = Duration::from_secs(10);
    let resource = pitot_model::Resource { service: "shop".into(), ..pitot_model::Resource::default() };
    let mut window = Window::new(at(at_s).floor(width), width, resource);
    window.routes = vec![Route::new("GET", route)];
    window.consumers = vec![Consumer::new(consumer, Evidence::Key)];
    let stats = Stats { count: n, ..Stats::default() };
    window.cells = vec![Cell { route: 0, consumer: 0, status: Status::code(status), stats }];
    window
}

/// Asks both engines, fresh and rolled up, and holds that they agree.
fn each<T: PartialEq + std::fmt::Debug>(reports: &[Report], ask: impl Fn(Context<'_>) -> T) -> T {
    let dir = tempfile::tempdir().expect("a directory");
    let embedded = Embedded::open(dir.path(), levels()).expect("opens");
    let mut stores: [Box<dyn Store>; 2] = [Box::new(Memory::new(levels())), Box::new(embedded)];
    let mut answers = Vec::new();
    for store in &mut stores {
        for report in reports {
            store.append(report, at(10 * HOUR)).expect("appends");
        }
        for _ in 0..2 {
            answers.push(ask(Context { store: &**store, now: at(10 * HOUR), watermark: at(10 * HOUR) }));
            store.settle().expect("rolls up");
        }
    }
    let first = answers.remove(0);
    answers.iter().for_each(|answer| assert_eq!(*answer, first));
    first
}

fn query(q: &str) -> PostureQuery {
    PostureQuery { q: q.into(), from: Some(at(0)), to: Some(at(10 * HOUR)), ..PostureQuery::default() }
}

fn deprecated() -> Vec<Report> {
    let kind = MarkKind::Deprecated;
    let mut first = report(1, &[]);
    first.marks = vec![
        mark(kind, 10, "/v1/old", "acme", 3, Some(1_000)),
        mark(kind, 20, "/v1/old", "beta", 1, Some(1_000)),
        mark(MarkKind::Sunset, 10, "/v1/old", "acme", 3, Some(9_000)),
        mark(MarkKind::Sunset, 10, "/v1/going", "acme", 2, Some(8_000)),
        mark(kind, 30, "/v1/users/bob", "gamma", 1, None),
    ];
    let mut second = report(2, &[]);
    second.marks = vec![mark(kind, 6 * HOUR + 5, "/v1/old", "acme", 4, Some(900))];
    let alias = RouteAlias {
        service: "shop".into(),
        from: Route::new("GET", "/v1/users/bob"),
        to: Route::new("GET", "/v1/users/{slug}"),
    };
    second.aliases = vec![alias];
    second.windows = vec![cell(7 * HOUR, "/v1/promised/{int}", "delta", 200, 5), cell(10, "/v1/old", "acme", 200, 9)];
    vec![first, second]
}

#[test]
fn deprecated_routes_name_who_still_calls_them() {
    let answer = each(&deprecated(), |cx| deprecations(cx, &query(""), None).expect("answers"));
    let rows: Vec<_> = answer.routes.iter().map(|r| (r.route.as_str(), r.calls.count, r.consumer_count)).collect();
    assert_eq!(rows, [("/v1/old", 8, 2), ("/v1/going", 2, 1), ("/v1/users/{slug}", 1, 1)]);
    assert_eq!((answer.row_count, answer.next, answer.step_ms), (3, None, 3_600_000));
    let old = &answer.routes[0];
    assert_eq!((old.since, old.sunset, old.said_by), (Some(at(900)), Some(at(9_000)), SaidBy::Responses));
    let acme = &old.consumers[0];
    assert_eq!((acme.consumer.as_str(), acme.calls.count, acme.calls.before, acme.calls.now), ("acme", 7, 3, 4));
    assert_eq!(acme.calls.last_seen, at(6 * HOUR + 5), "to the moment");
    assert_eq!(acme.calls.series, [3, 0, 0, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(old.consumers[1].calls.last_seen, at(20));
    assert_eq!(old.calls.series.iter().sum::<u64>(), old.calls.count);
}

#[test]
fn a_contract_deprecates_routes_too_and_counts_all_their_requests() {
    let promised = |service: &str, route: &Route| {
        let is = service == "shop" && ["/v1/promised/{int}", "/v1/old"].contains(&route.template.as_str());
        is.then_some(Promise { since: None, sunset: Some(at(7_000)) })
    };
    let answer = each(&deprecated(), |cx| deprecations(cx, &query(""), Some(&promised)).expect("answers"));
    let rows: Vec<_> = answer.routes.iter().map(|r| (r.route.as_str(), r.calls.count, r.said_by)).collect();
    let (both, contract, responses) = (SaidBy::Both, SaidBy::Contract, SaidBy::Responses);
    assert_eq!(
        rows,
        [
            ("/v1/old", 10, both),
            ("/v1/promised/{int}", 5, contract),
            ("/v1/going", 2, responses),
            ("/v1/users/{slug}", 1, responses)
        ]
    );
    assert_eq!(answer.routes[0].sunset, Some(at(7_000)), "the earlier one");
    assert_eq!(answer.routes[0].calls.last_seen, at(6 * HOUR + 5));
    assert_eq!(answer.routes[1].calls.last_seen, at(8 * HOUR), "the end of its window");
}

#[test]
fn rows_come_in_parts_and_filters_choose() {
    let part = |offset| {
        let query = PostureQuery { limit: Some(2), offset: Some(offset), ..query("") };
        each(&deprecated(), |cx| deprecations(cx, &query, None).expect("answers"))
    };
    let (first, second) = (part(0), part(2));
    assert_eq!((first.routes.len(), first.next, first.row_count), (2, Some(2), 3));
    assert_eq!((second.routes.len(), second.next), (1, None));
    assert!(part(usize::MAX).routes.is_empty());
    for (q, want) in [
        ("consumer:acme", 2),
        ("route:/v1/users/*", 1),
        ("service:other", 0),
        ("evidence:key -consumer:acme", 2),
        ("method:get route:\"GET /v1/old\"", 1),
    ] {
        assert_eq!(
            each(&deprecated(), |cx| deprecations(cx, &query(q), None).expect("answers")).row_count,
            want,
            "{q}"
        );
    }
    for q in ["status:5xx", "version:1", "acme"] {
        let refused = each(&[], |cx| deprecations(cx, &query(q), None).map_err(|e| e.problem().kind));
        assert_eq!(refused, Err("/problems/bad-filter".into()), "{q}");
    }
}

#[test]
fn limits_tell_who_heeds_them_and_what_they_could_be() {
    let mut r = report(1, &[]);
    r.marks = vec![
        mark(MarkKind::RetryAfter, 10, "/a", "acme", 3, Some(30)),
        mark(MarkKind::RetriedEarly, 12, "/a", "acme", 2, Some(5)),
        mark(MarkKind::RetriedInTime, 50, "/a", "acme", 1, None),
        mark(MarkKind::RateLimitLeft, 12, "/a", "beta", 2, Some(250)),
        mark(MarkKind::RateLimit, 12, "/a", "beta", 2, Some(600)),
    ];
    r.windows = vec![cell(10, "/a", "acme", 429, 3), cell(20, "/a", "acme", 200, 4), cell(20, "/a", "beta", 200, 2)];
    r.windows.extend((0..98).map(|i| cell(40, "/a", &format!("c{i}"), 200, 1)));
    r.windows.push(cell(40, "/a", "(other)", 200, 900));
    r.windows.push(cell(40, "/quiet", "", 200, 900));
    let ask = |hours: i64| {
        let query = PostureQuery { to: Some(at(hours * HOUR)), ..query("") };
        each(&[r.clone()], |cx| limits(cx, &query).expect("answers"))
    };
    let answer = ask(1);
    assert_eq!(answer.row_count, 2, "those that are limited or told");
    let acme = &answer.rows[0];
    assert_eq!((acme.consumer.as_str(), acme.requests, acme.refused, acme.asked_to_wait), ("acme", 7, 3, 3));
    assert_eq!((acme.retried_early, acme.retried_in_time, acme.longest_wait_s), (2, 1, Some(30)));
    let beta = &answer.rows[1];
    assert_eq!((beta.requests, beta.least_left, beta.limit_told), (2, Some(250), Some(600)));
    let [a] = &answer.suggestions[..] else { unreachable!("one route: nobody cannot be limited") };
    assert_eq!((a.route.as_str(), a.requests, a.consumers, a.window_ms), ("/a", 1_007, 100, 60_000));
    assert_eq!((a.per_minute, a.most_per_minute), (2.0, 7.0), "the second of a hundred");
    let wide = &ask(10).suggestions[0];
    assert_eq!((wide.window_ms, wide.most_per_minute), (600_000, 0.7), "longer ranges are looked at in wider windows");
}

#[test]
fn credentials_are_counted_by_address_and_refusals_by_evidence() {
    let mut r = report(1, &[]);
    let of = |kind, at_s, address: &str, hashes: &[u64]| {
        let mut mark = mark(kind, at_s, "", address, hashes.len() as u64, None);
        mark.key.consumer.evidence = Evidence::Address;
        hashes.iter().for_each(|h| mark.sum.distinct.add(&h.to_le_bytes()));
        mark
    };
    r.marks = vec![
        of(MarkKind::Credentials, 10, "10.0.0.9", &[1, 2, 3]),
        of(MarkKind::Credentials, HOUR, "10.0.0.9", &[3, 4]),
        of(MarkKind::CredentialsRefused, HOUR, "10.0.0.9", &[4]),
        of(MarkKind::Credentials, 10, "10.0.0.8", &[1]),
        mark(MarkKind::TokenUsed, 10, "", "acme", 8, None),
        mark(MarkKind::TokenExpired, 17, "", "acme", 2, None),
    ];
    r.windows = vec![cell(10, "/a", "acme", 401, 3), cell(10, "/b", "acme", 403, 1), cell(10, "/a", "beta", 200, 6)];
    let answer = each(&[r], |cx| credentials(cx, &query("")).expect("answers"));
    let rows: Vec<_> = answer.addresses.iter().map(|a| (a.address.as_str(), a.requests, a.credentials)).collect();
    assert_eq!(rows, [("10.0.0.9", 5, 4), ("10.0.0.8", 1, 1)], "the same credential counts once");
    let first = &answer.addresses[0];
    assert_eq!((first.refused, first.credentials_refused, first.is_exact, first.last_seen), (1, 1, true, at(HOUR)));
    assert_eq!((answer.tokens, answer.tokens_expired, answer.expired[0].consumer.as_str()), (8, 2, "acme"));
    let keys = answer.by_evidence["key"];
    assert_eq!((keys.requests, keys.unauthorized, keys.forbidden), (10, 3, 1));
}

#[test]
fn long_ranges_have_a_point_for_each_day() {
    for (days, step_days, n_points) in [(30, 1, 30), (400, 1, 400), (20_000, 20, 1_000)] {
        let answer = each(&[], |cx| {
            let query = PostureQuery { to: Some(Timestamp::from_secs(days * 86_400)), ..query("") };
            deprecations(cx, &query, None).expect("answers")
        });
        assert_eq!(answer.step_ms, step_days * 86_400_000);
        assert_eq!(answer.range.len().as_millis() as u64 / answer.step_ms, n_points);
    }
}
