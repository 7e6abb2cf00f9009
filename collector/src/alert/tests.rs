//! What receivers can rely on: told once, told when it is worse, always told when it is over, whatever fails between.

use pitot_model::api::{AnomalyKind, Subject};
use serde_json::Value;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_768_176_000);

fn at(s: u64) -> Timestamp {
    START + Duration::from_secs(s)
}

pub(crate) fn anomaly(severity: Severity, state: State) -> Anomaly {
    Anomaly {
        id: "cafe".into(),
        kind: AnomalyKind::Errors,
        severity,
        state,
        subject: Subject { service: Some("shop".into()), version: Some("1.9.0".into()), ..Subject::default() },
        start: START,
        end: (state == State::Resolved).then(|| at(90)),
        updated: at(60),
        expected: 0.003,
        observed: 0.41,
        unit: "ratio".into(),
        score: 40.0,
        affected: 99,
        title: "shop 1.9.0 fails: 41 % server errors, expected 0.3 %".into(),
        explanation: None,
    }
}

fn router(kind: &str) -> Router {
    let text = format!(
        r#"{{"external_url": "http://pitot:8080/", "receivers": [{{"name": "it", "kind": "{kind}", "url": "http://h:1"}}]}}"#
    );
    let config: AlertConfig = serde_json::from_str(&text).expect("valid");
    let mut router = Router::new(&config, 7).expect("valid");
    router.tick(at(0));
    router
}

/// Everything that is ready, answered the same way.
fn deliver(router: &mut Router, result: &Result<(), Failure>) -> Vec<(Notification, Value)> {
    let mut out = Vec::new();
    while let Some(n) = router.poll() {
        router.done(n.id, result);
        let body = serde_json::from_str(&n.body).expect("json");
        out.push((n, body));
    }
    out
}

fn statuses(sent: &[(Notification, Value)]) -> Vec<String> {
    sent.iter().map(|(_, b)| format!("{} {}", b["status"], b["anomaly"]["severity"]).replace('"', "")).collect()
}

const AWAY: fn() -> Result<(), Failure> = || Err(Failure::Unavailable("connection refused".into()));

#[test]
fn a_webhook_is_told_once_then_worse_then_over() {
    let mut r = router("webhook");
    for (severity, state, want) in [
        (Severity::Info, State::Open, vec![]),
        (Severity::Warning, State::Open, vec!["firing warning"]),
        (Severity::Warning, State::Open, vec![]),
        (Severity::Critical, State::Open, vec!["firing critical"]),
        (Severity::Critical, State::Resolved, vec!["resolved critical"]),
        (Severity::Critical, State::Resolved, vec![]),
    ] {
        r.push(&anomaly(severity, state));
        assert_eq!(statuses(&deliver(&mut r, &Ok(()))), want, "{severity} {state}");
    }
    assert_eq!(r.deadline(), None);
    assert_eq!(r.stats(), AlertStats { sent: 3, ..AlertStats::default() });
}

#[test]
fn an_absent_receiver_is_tried_later_and_later_and_told_the_latest() {
    let mut r = router("webhook");
    r.push(&anomaly(Severity::Warning, State::Open));
    let mut pauses = Vec::new();
    for attempt in 1..=12 {
        let sent = deliver(&mut r, &AWAY());
        assert_eq!(sent.iter().map(|(n, _)| n.attempt).collect::<Vec<_>>(), [attempt]);
        let next = r.deadline().expect("another attempt");
        pauses.push(next.since(r.now).as_secs_f64());
        // Changes do not make it hasten.
        r.push(&anomaly(Severity::Critical, State::Open));
        assert_eq!(r.poll(), None);
        r.tick(next);
    }
    for (i, pause) in pauses.iter().enumerate() {
        let whole = f64::from(1 << i).min(300.0);
        assert!((whole / 2.0..=whole).contains(pause), "attempt {i}: {pause} s");
    }
    r.push(&anomaly(Severity::Critical, State::Resolved));
    assert_eq!(statuses(&deliver(&mut r, &Ok(()))), ["resolved critical"]);
    assert_eq!((r.stats().sent, r.stats().retried, r.deadline()), (1, 12, None));
}

#[test]
fn what_changes_on_the_way_is_told_after() {
    let mut r = router("webhook");
    r.push(&anomaly(Severity::Warning, State::Open));
    let first = r.poll().expect("firing");
    r.push(&anomaly(Severity::Warning, State::Resolved));
    assert_eq!(r.poll(), None, "one at a time");
    r.done(first.id, &Ok(()));
    assert_eq!(statuses(&deliver(&mut r, &Ok(()))), ["resolved warning"]);
    r.done(999, &Ok(()));
}

#[test]
fn what_is_refused_for_good_is_left_but_not_the_next_change() {
    let mut r = router("webhook");
    r.push(&anomaly(Severity::Warning, State::Open));
    assert_eq!(deliver(&mut r, &Err(Failure::Refused("400".into()))).len(), 1);
    assert_eq!((r.deadline(), r.stats().refused), (None, 1));
    r.push(&anomaly(Severity::Warning, State::Resolved));
    assert_eq!(statuses(&deliver(&mut r, &Ok(()))), ["resolved warning"]);
}

#[test]
fn alertmanager_is_told_again_and_again() {
    let mut r = router("alertmanager");
    r.push(&anomaly(Severity::Warning, State::Open));
    let sent = deliver(&mut r, &Ok(()));
    assert_eq!(sent[0].0.url, "http://h:1/api/v2/alerts");
    let alert = &sent[0].1[0];
    for (pointer, want) in [
        ("/labels/alertname", "PitotErrors"),
        ("/labels/severity", "warning"),
        ("/labels/service", "shop"),
        ("/labels/version", "1.9.0"),
        ("/annotations/summary", "shop 1.9.0 fails: 41 % server errors, expected 0.3 %"),
        ("/startsAt", "2026-01-12T00:00:00Z"),
        ("/endsAt", "2026-01-12T00:04:00Z"),
        ("/generatorURL", "http://pitot:8080/#/anomalies/cafe"),
    ] {
        assert_eq!(alert.pointer(pointer).and_then(Value::as_str), Some(want), "{pointer}");
    }
    assert_eq!(alert["labels"].get("route"), None);
    assert_eq!(r.deadline(), Some(at(60)));
    r.tick(at(60));
    assert_eq!(deliver(&mut r, &Ok(()))[0].1[0]["endsAt"], "2026-01-12T00:05:00Z");
    r.push(&anomaly(Severity::Critical, State::Open));
    let worse = deliver(&mut r, &Ok(())).remove(0).1;
    let named = |i: usize| (worse[i]["labels"]["severity"].clone(), worse[i]["endsAt"].clone());
    assert_eq!(named(0), ("critical".into(), "2026-01-12T00:05:00Z".into()));
    assert_eq!(named(1), ("warning".into(), "2026-01-12T00:01:00Z".into()), "the milder alert ends");
    r.push(&anomaly(Severity::Critical, State::Resolved));
    assert_eq!(deliver(&mut r, &Ok(()))[0].1[0]["endsAt"], "2026-01-12T00:01:30Z");
    assert_eq!(r.deadline(), None);
}

#[test]
fn a_silent_agent_is_named_and_counts_nothing() {
    let mut router = router("alertmanager");
    let subject = Subject { agent: Some("web-1".into()), ..Subject::default() };
    let title = "agent web-1 is silent: nothing for 1m00s".to_owned();
    let silent = Anomaly { kind: AnomalyKind::SilentAgent, subject, title, ..anomaly(Severity::Warning, State::Open) };
    router.push(&silent);
    let sent = deliver(&mut router, &Ok(()));
    let alert = &sent[0].1[0];
    assert_eq!(
        (&alert["labels"]["alertname"], &alert["labels"]["agent"]),
        (&"PitotSilentAgent".into(), &"web-1".into())
    );
    assert_eq!(alert["annotations"]["description"], "Since 2026-01-12T00:00:00Z (1m00s).");
}

#[test]
fn after_a_restart_webhooks_are_told_the_end_only() {
    let mut r = router("webhook");
    r.resume(&anomaly(Severity::Warning, State::Open));
    r.push(&anomaly(Severity::Warning, State::Open));
    assert_eq!(deliver(&mut r, &Ok(())).len(), 0);
    r.push(&anomaly(Severity::Warning, State::Resolved));
    assert_eq!(statuses(&deliver(&mut r, &Ok(()))), ["resolved warning"]);
    let mut r = router("alertmanager");
    r.resume(&anomaly(Severity::Warning, State::Open));
    r.tick(at(1));
    assert_eq!(deliver(&mut r, &Ok(())).len(), 1, "Alertmanager takes silence for resolution");
}

#[test]
fn beyond_the_budget_new_ones_are_dropped_and_counted() {
    let mut r = router("webhook");
    r.max_pending = 2;
    for i in 0..5 {
        r.push(&Anomaly { id: format!("a{i}"), ..anomaly(Severity::Warning, State::Open) });
    }
    assert_eq!((deliver(&mut r, &Ok(())).len(), r.stats().dropped), (2, 3));
    r.push(&Anomaly { id: "a0".into(), ..anomaly(Severity::Warning, State::Resolved) });
    r.push(&Anomaly { id: "a9".into(), ..anomaly(Severity::Warning, State::Open) });
    assert_eq!(statuses(&deliver(&mut r, &Ok(()))), ["resolved warning"]);
    assert_eq!(r.stats().dropped, 4, "there is room once the end is taken");
}

#[test]
fn other_receivers_and_what_was_told() {
    let config = |names: &[&str]| {
        let receiver = |n: &&str| format!(r#"{{"name": "{n}", "kind": "webhook", "url": "http://h:1/{n}"}}"#);
        let text = format!(r#"{{"receivers": [{}]}}"#, names.iter().map(receiver).collect::<Vec<_>>().join(","));
        serde_json::from_str::<AlertConfig>(&text).expect("valid")
    };
    let mut r = Router::new(&config(&["a", "b"]), 7).expect("valid");
    let names = |sent: Vec<(Notification, Value)>| sent.into_iter().map(|(n, _)| n.receiver).collect::<Vec<_>>();
    r.tick(at(0));
    r.push(&anomaly(Severity::Warning, State::Open));
    let flying = r.poll().expect("to a");
    r.reconfigure(&config(&["b", "a"])).expect("taken");
    r.done(flying.id, &Ok(()));
    assert_eq!(names(deliver(&mut r, &Ok(()))), ["b"], "a has it, whatever its place");

    r.reconfigure(&config(&["c", "a"])).expect("taken");
    r.push(&anomaly(Severity::Warning, State::Open));
    assert_eq!(names(deliver(&mut r, &Ok(()))), ["c"], "a new one is told what goes on");
    r.push(&anomaly(Severity::Warning, State::Resolved));
    assert_eq!(names(deliver(&mut r, &Ok(()))), ["c", "a"], "b is gone");
    assert!(r.reconfigure(&config(&["a", "a"])).is_err());
}
