//! What the index promises: every filter finds what it matches, pages are stable, files that are not ours are left alone.

use pitot_model::{
    Evidence, Status, Timestamp,
    api::{AnomalyKind, Carrier, Explanation, RowKey, Severity, State},
    filter::{Facts, Field},
};
use proptest::prelude::*;

use super::*;

fn anomaly(id: &str, start_s: i64) -> Anomaly {
    Anomaly {
        id: id.into(),
        kind: AnomalyKind::Latency,
        severity: Severity::Warning,
        state: State::Open,
        subject: RowKey {
            service: Some("shop".into()),
            method: Some("GET".into()),
            route: Some("/v1/search".into()),
            ..RowKey::default()
        },
        start: Timestamp::from_secs(start_s),
        end: None,
        updated: Timestamp::from_secs(start_s + 10),
        expected: 310e3,
        observed: 2.31e6,
        unit: "us".into(),
        score: 12.5,
        affected: 99,
        title: "GET /v1/search is slow: p99 2.31s, expected 310ms".into(),
        explanation: None,
    }
}

fn ids(index: &Index, query: &AnomalyQuery) -> Vec<String> {
    let page = index.query(query).unwrap_or_else(|e| panic!("{query:?}: {e}"));
    page.anomalies.into_iter().map(|a| a.id).collect()
}

fn found(index: &Index, q: &str) -> Vec<String> {
    ids(index, &AnomalyQuery { q: q.into(), ..AnomalyQuery::default() })
}

fn filled() -> Index {
    let mut index = Index::open(None).expect("memory");
    index.upsert(&anomaly("a", 100)).expect("room");
    let explanation = Explanation {
        carriers: vec![Carrier {
            key: RowKey { consumer: Some("Umbrella Corp".into()), ..RowKey::default() },
            share: 0.9,
            without: None,
        }],
    };
    let errors = Anomaly {
        kind: AnomalyKind::Errors,
        severity: Severity::Critical,
        state: State::Resolved,
        end: Some(Timestamp::from_secs(260)),
        subject: RowKey {
            service: Some("Checkout".into()),
            version: Some("1.9.0".into()),
            status: Some(Status::code(503)),
            ..RowKey::default()
        },
        title: "Checkout 1.9.0 fails: 41 % server errors, expected 0.3 %".into(),
        explanation: Some(explanation),
        ..anomaly("b", 200)
    };
    index.upsert(&errors).expect("room");
    index.commit().expect("memory");
    index
}

#[test]
fn filters_find_by_field_and_by_word() {
    let index = filled();
    for (q, want) in [
        ("", vec!["b", "a"]),
        ("kind:latency service:shop", vec!["a"]),
        ("service:CHECK*", vec!["b"]),
        ("route:/v1/search", vec!["a"]),
        ("route:\"get /v1/*\"", vec!["a"]),
        ("route:*v1*", vec!["a"]),
        ("version:1.9.0", vec!["b"]),
        ("version:1x9x0", vec![]),
        ("version:1.?.*", vec![]),
        ("version:\"\"", vec![]),
        ("status:5xx", vec!["b"]),
        ("status:500..502", vec![]),
        ("status:>=503", vec!["b"]),
        ("-status:5xx", vec!["a"]),
        ("-kind:latency", vec!["b"]),
        ("-kind:latency -severity:critical", vec![]),
        ("kind:errors OR (severity:warning state:open)", vec!["b", "a"]),
        ("time:>=1970-01-01T00:03:20Z", vec!["b"]),
        ("time:<1970-01-01T00:03:20Z", vec!["a"]),
        ("slow search", vec!["a"]),
        ("SLOW checkout", vec![]),
        ("umbrella", vec!["b"]),
        ("\"/v1/search\"", vec!["a"]),
        ("id:a", vec!["a"]),
        ("\"%\"", vec![]),
    ] {
        assert_eq!(found(&index, q), want, "{q}");
    }
}

#[test]
fn time_ranges_find_what_overlaps() {
    let index = filled();
    for (from, to, want) in [
        (None, None, vec!["b", "a"]),
        (Some(259), None, vec!["b", "a"]),
        (Some(260), None, vec!["a"]),
        (None, Some(200), vec!["a"]),
        (None, Some(100), vec![]),
        (Some(150), Some(160), vec!["a"]),
    ] {
        let query = AnomalyQuery {
            from: from.map(Timestamp::from_secs),
            to: to.map(Timestamp::from_secs),
            ..AnomalyQuery::default()
        };
        assert_eq!(ids(&index, &query), want, "{from:?} {to:?}");
    }
}

#[test]
fn an_update_replaces_and_is_seen_after_the_commit() {
    let mut index = filled();
    let over = Anomaly { state: State::Resolved, end: Some(Timestamp::from_secs(150)), ..anomaly("a", 100) };
    index.upsert(&anomaly("a", 100)).expect("room");
    index.upsert(&over).expect("room");
    assert_eq!(index.get("a").expect("memory").map(|a| a.state), Some(State::Open));
    index.commit().expect("memory");
    assert_eq!(index.get("a").expect("memory"), Some(over));
    assert_eq!(index.get("A").expect("memory"), None);
    assert_eq!((index.len(), index.open_anomalies().expect("memory").len()), (2, 0));
}

#[test]
fn pages_are_stable_while_others_come() {
    let mut index = Index::open(None).expect("memory");
    (0..10).for_each(|i| index.upsert(&anomaly(&format!("x{i}"), i / 2)).expect("room"));
    index.commit().expect("memory");
    let mut query = AnomalyQuery { limit: Some(4), ..AnomalyQuery::default() };
    let mut all = Vec::new();
    for page_idx in 0.. {
        let page = index.query(&query).expect("memory");
        all.extend(page.anomalies.iter().map(|a| a.id.clone()));
        index.upsert(&anomaly(&format!("new{page_idx}"), 100 + page_idx)).expect("room");
        index.commit().expect("memory");
        let Some(cursor) = page.cursor else { break };
        query.cursor = Some(cursor);
    }
    assert_eq!(all, ["x8", "x9", "x6", "x7", "x4", "x5", "x2", "x3", "x0", "x1"]);
}

#[test]
fn wrong_questions_say_what_is_wrong() {
    let index = filled();
    let ask = |q: &str, cursor: Option<&str>| {
        let query = AnomalyQuery { q: q.into(), cursor: cursor.map(Into::into), ..AnomalyQuery::default() };
        index.query(&query).expect_err(q).to_string()
    };
    assert!(ask("duration:>1s", None).contains("cannot be asked of anomalies"));
    assert!(ask("colour:red", None).contains("unknown field"));
    assert!(ask("", Some("nonsense")).contains("no cursor"));
    assert!(ask(&format!("service:*{}", "a*b".repeat(1000)), None).contains("too long"));
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("tmp");
    let path = dir.path().join("anomalies");
    let mut index = Index::open(Some(&path)).expect("fresh");
    index.upsert(&anomaly("kept", 1)).expect("room");
    index.commit().expect("room");
    index.upsert(&anomaly("lost", 2)).expect("room");
    assert!(matches!(Index::open(Some(&path)), Err(IndexError::Locked(_))));
    drop(index);
    let index = Index::open(Some(&path)).expect("ours");
    assert_eq!(found(&index, ""), ["kept"]);
}

/// The error of opening a directory after something was done to it.
fn refusal(spoil: impl Fn(&Path)) -> String {
    let dir = tempfile::tempdir().expect("tmp");
    let mut index = Index::open(Some(dir.path())).expect("fresh");
    index.upsert(&anomaly("a", 1)).expect("room");
    index.commit().expect("room");
    drop(index);
    spoil(dir.path());
    let error = Index::open(Some(dir.path())).map(|_| ()).expect_err("spoilt");
    error.to_string()
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let dir = tempfile::tempdir().expect("tmp");
    fs::write(dir.path().join("diary.txt"), "dear").expect("room");
    assert!(matches!(Index::open(Some(dir.path())), Err(IndexError::Foreign(_))));
    assert!(matches!(Index::open(Some(&dir.path().join("diary.txt"))), Err(IndexError::Io { .. })));
    let overwrite =
        |name: &'static str, text: &'static str| move |path: &Path| fs::write(path.join(name), text).expect("room");
    for (error, want) in [
        (refusal(overwrite(VERSION_FILE, r#"{"version": 7}"#)), "has version 7"),
        (refusal(overwrite(VERSION_FILE, "garbage")), "is damaged"),
        (refusal(overwrite(META_FILE, "garbage")), "is damaged"),
        (refusal(overwrite(META_FILE, "{}")), "is damaged"),
        (refusal(flip_a_byte), "wrong checksum"),
        (refusal(truncate), "is damaged"),
    ] {
        assert!(error.contains(want), "{error} does not say {want}");
    }
}

fn segment_file(path: &Path) -> PathBuf {
    let files = fs::read_dir(path).expect("dir").map(|e| e.expect("entry").path());
    files.into_iter().find(|f| f.extension().is_some_and(|e| e == "term")).expect("a segment")
}

fn flip_a_byte(path: &Path) {
    let file = segment_file(path);
    let mut bytes = fs::read(&file).expect("readable");
    bytes[3] ^= 0x40;
    fs::write(&file, bytes).expect("room");
}

fn truncate(path: &Path) {
    fs::write(segment_file(path), "").expect("room");
}

#[test]
fn an_empty_index_of_another_version_is_made_anew() {
    let dir = tempfile::tempdir().expect("tmp");
    drop(Index::open(Some(dir.path())).expect("fresh"));
    fs::write(dir.path().join(VERSION_FILE), r#"{"version": 7}"#).expect("room");
    let index = Index::open(Some(dir.path())).expect("empty, so made anew");
    assert!(index.is_empty());
}

/// An anomaly whose route also goes by method and template, as the index has it.
struct ByRoute<'a>(&'a Anomaly, String);

impl Facts for ByRoute<'_> {
    fn names(&self, field: Field) -> [Option<&str>; 2] {
        let has_both = field == Field::Route && self.0.subject.method.is_some() && self.0.subject.route.is_some();
        [self.0.names(field)[0], has_both.then_some(self.1.as_str())]
    }

    fn number(&self, field: Field) -> Option<f64> {
        self.0.number(field)
    }

    fn status(&self) -> Option<Status> {
        self.0.status()
    }
}

fn pick(names: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    proptest::option::weighted(0.8, proptest::sample::select(names).prop_map(str::to_owned))
}

prop_compose! {
    fn anomalies()(
        service in pick(&["shop", "Shop", "pay*", "a.b", ""]),
        version in pick(&["1", "1.9.0", "10"]),
        method in pick(&["GET", "POST"]),
        route in pick(&["/v1/a", "/v1/A/b", "/{int}", "ä/Ö"]),
        consumer in pick(&["acme", "acme corp", "(other)"]),
        evidence in proptest::option::of(proptest::sample::select(&Evidence::ALL[..])),
        status in proptest::option::of(proptest::sample::select(vec![
            Status::NONE, Status::code(99), Status::code(200), Status::code(499), Status::code(500), Status::code(503),
            Status::code(999), Status::RESET, Status::TIMEOUT, Status::grpc(5), Status::grpc(14),
        ])),
        kind in proptest::sample::select(AnomalyKind::ALL),
        state in proptest::sample::select(State::ALL),
        start in -3i64..8,
    ) -> Anomaly {
        let subject = RowKey { service, version, method, route, consumer, evidence, status, ..RowKey::default() };
        Anomaly { kind, state, subject, ..anomaly("", start) }
    }
}

fn filters() -> impl Strategy<Value = String> {
    let term = proptest::sample::select(
        &[
            "service:shop",
            "service:S*",
            "service:*.*",
            "service:pay\\*",
            "service:\"\"",
            "service:*",
            "version:1*",
            "version:1",
            "route:/v1/*",
            "route:\"GET /V1/A\"",
            "route:\"post *\"",
            "route:*b",
            "route:*{int}",
            "route:Ä/*",
            "method:get",
            "consumer:acme",
            "consumer:\"acme corp\"",
            "consumer:*o*",
            "consumer:\"(other)\"",
            "evidence:key",
            "status:5xx",
            "status:500..503",
            "status:<500",
            "status:>503",
            "status:reset",
            "status:none",
            "status:1xx",
            "status:4xx",
            "status:grpc-unavailable",
            "kind:errors",
            "kind:*e*",
            "state:open",
            "severity:warning",
            "time:>1970-01-01T00:00:03Z",
            "time:<=3",
            "time:0..4",
            "time:2",
        ][..],
    );
    let leaf = (any::<bool>(), term).prop_map(|(not, t)| format!("{}{t}", if not { "-" } else { "" }));
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = proptest::collection::vec(inner, 1..4);
        (any::<bool>(), any::<bool>(), list).prop_map(|(not, or, list)| {
            format!("{}({})", if not { "-" } else { "" }, list.join(if or { " OR " } else { " " }))
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_index_finds_what_the_filter_matches(
        anomalies in proptest::collection::vec(anomalies(), 1..20),
        filters in proptest::collection::vec(filters(), 20),
    ) {
        let mut index = Index::open(None).expect("memory");
        let all: Vec<_> = anomalies.into_iter().enumerate().map(|(i, a)| Anomaly { id: format!("{i:02}"), ..a }).collect();
        all.iter().for_each(|a| index.upsert(a).expect("room"));
        index.commit().expect("memory");
        for q in filters {
            let expr = filter::parse(&q).expect("a filter");
            let names = |a: &Anomaly| {
                let part = |p: &Option<String>| p.clone().unwrap_or_default();
                format!("{} {}", part(&a.subject.method), part(&a.subject.route))
            };
            let mut want: Vec<_> = all.iter().filter(|a| expr.matches(&ByRoute(a, names(a)))).collect();
            want.sort_by(|a, b| b.start.cmp(&a.start).then_with(|| a.id.cmp(&b.id)));
            let page = index.query(&AnomalyQuery { q: q.clone(), ..AnomalyQuery::default() }).expect("memory");
            prop_assert_eq!(page.count, want.len() as u64, "{}", q);
            prop_assert_eq!(page.anomalies.iter().collect::<Vec<_>>(), want, "{}", q);
        }
    }
}
