//! What is sent. In: an anomaly. Out: JSON in the receiver's language.
//!
//! Sources: `/api/v2/openapi.yaml` of Prometheus Alertmanager (postable alerts); the webhook's is ours.

use pitot_model::{
    Evidence, Timestamp,
    api::{Anomaly, AnomalyKind, RowKey, Severity, State},
    show_duration,
};
use serde_json::{Map, Value, json};

use super::config::{Receiver, ReceiverKind};

/// Version of the webhook's JSON; grows when a field changes its meaning or goes.
const WEBHOOK_VERSION: u32 = 1;
/// Repetitions that may be lost before Alertmanager takes an alert for resolved; as Prometheus does.
const REPEATS_TO_LIVE: u32 = 4;

/// The body for one receiver; `before` is the severity that it took last.
pub(super) fn body(receiver: &Receiver, anomaly: &Anomaly, before: Option<Severity>, now: Timestamp) -> String {
    match receiver.kind {
        ReceiverKind::Webhook => webhook(receiver, anomaly),
        ReceiverKind::Alertmanager => alertmanager(receiver, anomaly, before, now),
    }
    .to_string()
}

fn webhook(receiver: &Receiver, anomaly: &Anomaly) -> Value {
    let status = match anomaly.state {
        State::Open => "firing",
        State::Resolved => "resolved",
    };
    let mut body = json!({ "version": WEBHOOK_VERSION, "status": status, "anomaly": anomaly });
    if let (Some(link), Some(body)) = (link(receiver, anomaly), body.as_object_mut()) {
        body.insert("url".to_owned(), link.into());
    }
    body
}

/// One alert; two when the severity grew, since a severity is part of an alert's name: the old one ends.
fn alertmanager(receiver: &Receiver, anomaly: &Anomaly, before: Option<Severity>, now: Timestamp) -> Value {
    let lives = receiver.repeat.unwrap_or_default().saturating_mul(REPEATS_TO_LIVE);
    let ends = match anomaly.state {
        State::Open => now + lives,
        State::Resolved => anomaly.end.unwrap_or(now).max(anomaly.start),
    };
    let mut alerts = vec![alert(receiver, anomaly, anomaly.severity, ends)];
    if let Some(before) = before.filter(|b| *b != anomaly.severity) {
        alerts.push(alert(receiver, anomaly, before, now.max(anomaly.start)));
    }
    Value::Array(alerts)
}

fn alert(receiver: &Receiver, anomaly: &Anomaly, severity: Severity, ends: Timestamp) -> Value {
    let name = match anomaly.kind {
        AnomalyKind::Rate => "PitotRate",
        AnomalyKind::Errors => "PitotErrors",
        AnomalyKind::Latency => "PitotLatency",
        AnomalyKind::NewConsumer => "PitotNewConsumer",
        AnomalyKind::SilentAgent => "PitotSilentAgent",
    };
    let mut labels = Map::new();
    let s = &anomaly.subject;
    let status = s.status.map(|s| s.to_string());
    for (label, value) in [
        ("alertname", Some(name)),
        ("severity", Some(severity.name())),
        ("service", s.service.as_deref()),
        ("version", s.version.as_deref()),
        ("method", s.method.as_deref()),
        ("route", s.route.as_deref()),
        ("consumer", s.consumer.as_deref()),
        ("evidence", s.evidence.map(Evidence::name)),
        ("status", status.as_deref()),
        ("agent", s.agent.as_deref()),
        ("anomaly", Some(anomaly.id.as_str())),
    ] {
        // Alertmanager knows no empty labels.
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            labels.insert(label.to_owned(), value.into());
        }
    }
    let mut alert = json!({
        "labels": labels,
        "annotations": { "summary": anomaly.title, "description": description(anomaly) },
        "startsAt": anomaly.start,
        "endsAt": ends,
    });
    if let (Some(link), Some(alert)) = (link(receiver, anomaly), alert.as_object_mut()) {
        alert.insert("generatorURL".to_owned(), link.into());
    }
    alert
}

fn link(receiver: &Receiver, anomaly: &Anomaly) -> Option<String> {
    let base = &receiver.external_url;
    (!base.is_empty()).then(|| format!("{base}/#/anomalies/{}", anomaly.id))
}

/// Two or three sentences: how long, how much, and who carries it.
fn description(anomaly: &Anomaly) -> String {
    let lasts = show_duration(anomaly.end.unwrap_or(anomaly.updated).since(anomaly.start));
    let mut out = match anomaly.kind {
        // What was not heard cannot be counted.
        AnomalyKind::SilentAgent => format!("Since {} ({lasts}).", anomaly.start),
        _ => format!("Since {} ({lasts}), {} transactions.", anomaly.start, anomaly.affected),
    };
    let carriers = anomaly.explanation.iter().flat_map(|e| &e.carriers);
    let names: Vec<_> = carriers.map(|c| format!("{} ({:.0} %)", name(&c.key), c.share * 100.0)).collect();
    if !names.is_empty() {
        out += &format!(" Carried by {}.", names.join(", "));
    }
    out
}

fn name(key: &RowKey) -> String {
    let status = key.status.map(|s| format!("status {s}"));
    let version = key.version.as_ref().map(|v| format!("version {v}"));
    let parts = [key.service.clone(), version, key.method.clone(), key.route.clone(), key.consumer.clone(), status];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
