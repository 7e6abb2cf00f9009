//! Traffic of two services beside documents; and the way from traffic to a document and back.

use std::time::Duration;

use pitot_model::{
    AgentId, Cell, Consumer, Evidence, Report, Resource, Route, Stats, Status, Window, api::ContractQuery,
    contract::Contract,
};

use super::*;
use crate::{
    contract::{Described, DocumentConfig},
    store::{
        Memory, Store,
        contract::{at, levels},
    },
};

const SHOP: &str = "
openapi: 3.1.0
info: { title: Shop, version: '2' }
servers: [{ url: https://shop.example/v1 }]
paths:
  /users/{id}:
    get: { responses: { 200: {}, 404: {} } }
    put: { responses: { 204: {}, 4XX: {} } }
  /users/{id}/friends:
    get: { deprecated: true, x-sunset: 2026-03-01, operationId: friends, responses: { default: {} } }
  /reports/daily: { get: {} }
  /reports/weekly: { get: {} }
  /forgotten: { delete: { deprecated: true } }
";

type Line = (i64, &'static str, &'static str, &'static str, u16, u64);

/// At what second, service, route, consumer, status, how many.
const TRAFFIC: &[Line] = &[
    (0, "shop", "GET /v1/users/{int}", "acme", 200, 10),
    (10, "shop", "GET /v1/users/me", "acme", 500, 2),
    (20, "shop", "GET /v1/users/{int}", "bob", 404, 1),
    // A proxy has cut the prefix.
    (20, "shop", "PUT /users/{slug}", "bob", 422, 1),
    (30, "shop", "GET /v1/users/{int}/friends", "acme", 200, 6),
    (3_000, "shop", "GET /users/{int}/friends", "acme", 200, 3),
    (3_010, "shop", "GET /v1/users/{int}/friends", "bob", 503, 4),
    (40, "shop", "DELETE /v1/users/{int}", "acme", 200, 5),
    (40, "shop", "OPTIONS /v1/users/{int}", "acme", 204, 5),
    (50, "shop", "POST /internal/flush", "ops", 200, 7),
    (60, "shop", "GET /reports/{slug}", "ops", 200, 3),
    (70, "shop", "GET /wp-login.php", "10.0.0.1", 404, 90),
    (70, "shop", "GET /admin", "10.0.0.1", 404, 1),
    (80, "shop", "GET /admin", "10.0.0.2", 200, 1),
    (80, "shop", "GET (other)", "10.0.0.2", 200, 8),
    (90, "outbound/pay", "POST /charges", "shop", 200, 4),
];

fn store(traffic: &[Line]) -> Memory {
    let mut store = Memory::new(levels());
    for (sequence, &(second, service, route, consumer, status, count)) in (1..).zip(traffic) {
        let (method, template) = route.split_once(' ').expect("a method and a template");
        let resource = Resource { service: service.into(), ..Resource::default() };
        let mut window = Window::new(at(second), Duration::from_secs(10), resource);
        window.routes.push(Route::new(method, template));
        window.consumers.push(Consumer::new(consumer, Evidence::Key));
        let stats = Stats { count, ..Stats::default() };
        window.cells.push(Cell { route: 0, consumer: 0, status: Status::code(status), stats });
        let agent = AgentId { name: "web".into(), incarnation: 1 };
        let report = Report { agent, sequence, watermark: at(second), windows: vec![window], ..Report::default() };
        store.append(&report, at(3_600)).expect("appends");
    }
    store
}

fn documents(texts: &[(&str, &str)]) -> Documents {
    let described = |(service, text): &(&str, &str)| {
        let contract = Contract::read(text.as_bytes()).unwrap_or_else(|e| unreachable!("{e}"));
        Described::new(DocumentConfig { file: "shop.yaml".into(), service: (*service).into() }, contract)
    };
    Documents { all: texts.iter().map(described).collect() }
}

fn ask(store: &Memory, documents: &Documents, q: &str) -> ContractAnswer {
    let cx = Context { store, now: at(3_600), watermark: at(3_600) };
    let query = ContractQuery { q: q.into(), from: Some(at(0)), ..ContractQuery::default() };
    contract(cx, documents, &query).expect("answers")
}

#[test]
fn what_differs_is_told() {
    let answer = ask(&store(TRAFFIC), &documents(&[("", SHOP)]), "");
    let undocumented: Vec<_> = answer
        .undocumented
        .rows
        .iter()
        .map(|r| (format!("{} {}", r.method, r.route), r.requests, r.consumer_count))
        .collect();
    assert_eq!(undocumented, [("POST /internal/flush".into(), 7, 1), ("GET /admin".into(), 2, 2)]);
    let admin = &answer.undocumented.rows[1];
    assert_eq!((admin.first_seen, admin.last_seen), (at(70), at(90)), "to the width of windows");
    assert_eq!(admin.status, [(Status::code(200), 1), (Status::code(404), 1)].into());
    let methods: Vec<_> = answer.undocumented_methods.rows.iter().map(|r| (r.method.as_str(), r.requests)).collect();
    assert_eq!(methods, [("DELETE", 5)], "OPTIONS of browsers are no surprise");
    let statuses: Vec<_> = answer
        .undocumented_statuses
        .rows
        .iter()
        .map(|r| (r.route.as_str(), r.status, r.requests, r.of_requests))
        .collect();
    assert_eq!(statuses, [("/v1/users/{id}", Status::code(500), 2, 13)], "ranges and `default` cover the others");
    let unused: Vec<_> = answer.unused.rows.iter().map(|r| (r.route.as_str(), r.deprecated)).collect();
    assert_eq!(unused, [("/v1/forgotten", true)], "one of the reports may have been called");
    let document = &answer.documents[0];
    assert_eq!((document.operations, document.called, document.perhaps_called), (6, 3, 2));
    assert_eq!((answer.nothing_there.routes, answer.nothing_there.requests), (1, 90));
    assert_eq!((answer.folded.routes, answer.folded.requests), (1, 8));
    assert_eq!((answer.requests, answer.described, answer.not_compared), (147, 35, 4));
}

#[test]
fn deprecated_operations_name_their_callers() {
    let answer = ask(&store(TRAFFIC), &documents(&[("", SHOP)]), "");
    let [friends] = &answer.deprecated.rows[..] else { unreachable!("one is called: {:?}", answer.deprecated) };
    assert_eq!((friends.route.as_str(), friends.requests, friends.later), ("/v1/users/{id}/friends", 13, 7));
    assert_eq!(friends.sunset, "2026-03-01".parse().ok());
    assert_eq!(friends.steps.iter().sum::<u64>(), 13);
    let callers: Vec<_> = friends.consumers.iter().map(|c| (c.consumer.as_str(), c.requests, c.later)).collect();
    assert_eq!(callers, [("acme", 9, 3), ("bob", 4, 4)]);
    assert!(friends.consumers.iter().all(|c| c.last_seen >= at(3_010) && c.last_seen <= at(3_600)));
}

#[test]
fn a_filter_and_a_limit_bound_what_is_told() {
    let store = store(TRAFFIC);
    let documents = documents(&[("", SHOP)]);
    let of_bob = ask(&store, &documents, "consumer:bob");
    assert_eq!((of_bob.requests, of_bob.undocumented.row_count, of_bob.deprecated.rows[0].requests), (6, 0, 4));
    let cx = Context { store: &store, now: at(3_600), watermark: at(0) };
    let short = ContractQuery { from: Some(at(0)), limit: Some(1), ..ContractQuery::default() };
    let answer = contract(cx, &documents, &short).expect("answers");
    assert_eq!((answer.undocumented.rows.len(), answer.undocumented.row_count), (1, 2));
    for q in ["status:", "duration:>1s"] {
        let wrong = ContractQuery { q: q.into(), ..ContractQuery::default() };
        assert!(matches!(contract(cx, &documents, &wrong), Err(QueryError::Filter(_))), "{q}");
    }
}

#[test]
fn services_are_compared_with_their_own_documents() {
    let pay = "openapi: 3.0.0\npaths: { /charges: { post: {} } }";
    let answer = ask(&store(TRAFFIC), &documents(&[("shop", SHOP), ("outbound/pay", pay)]), "");
    let called: Vec<_> = answer.documents.iter().map(|d| d.called).collect();
    assert_eq!((called, answer.not_compared), (vec![3, 1], 0));
    let none = ask(&store(TRAFFIC), &Documents::default(), "");
    assert_eq!((none.documents.len(), none.requests, none.not_compared), (0, 0, 151));
}

#[test]
fn what_is_inferred_leaves_nothing_undocumented() {
    let store = store(TRAFFIC);
    let cx = Context { store: &store, now: at(3_600), watermark: at(3_600) };
    let query = ContractQuery { q: "service:shop".into(), from: Some(at(0)), ..ContractQuery::default() };
    let inferred = inferred(cx, &documents(&[("", SHOP)]), &query).expect("answers");
    assert_eq!(inferred.left_out, 1, "the folded routes");
    let text = inferred.document.to_string();
    assert_eq!(inferred.document["info"]["title"], "shop");
    let friends = &inferred.document["paths"]["/v1/users/{user_id}/friends"]["get"];
    assert_eq!((&friends["deprecated"], &friends["x-pitot-requests"]), (&true.into(), &10.into()), "{text}");
    let answer = ask(&store, &documents(&[("", &text)]), "");
    let counts = [
        answer.undocumented.row_count,
        answer.undocumented_methods.row_count,
        answer.undocumented_statuses.row_count,
        answer.unused.row_count,
    ];
    assert_eq!(counts, [0; 4], "{text}");
    assert_eq!(answer.requests, answer.described + 90 + 8);
    assert!(!text.contains("wp-login"), "what scanners try is not described");
}
