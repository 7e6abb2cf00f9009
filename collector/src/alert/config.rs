//! Who is told. In: the `alerts` section of the configuration file. Out: receivers, or all that is wrong with them.

use std::{collections::BTreeSet, time::Duration};

use http::Uri;
use pitot_model::{
    api::Anomaly,
    filter::{self, Expr},
};
use serde::{Deserialize, Serialize};

/// Who is told of anomalies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertConfig {
    /// Receivers; none by default.
    pub receivers: Vec<ReceiverConfig>,
    /// Where people reach this collector, for links: `http://pitot.example:8080`. Default empty: no links.
    pub external_url: String,
    /// Anomalies, times receivers, that are remembered at once. Default 10,000; beyond, new ones are dropped and counted.
    pub max_pending: usize,
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self { receivers: Vec::new(), external_url: String::new(), max_pending: 10_000 }
    }
}

/// One who is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverConfig {
    /// For logs and counters; each has its own.
    pub name: String,
    /// What it speaks.
    pub kind: ReceiverKind,
    /// `http://host:port/path` of a webhook; of Alertmanager, where its pages are: `http://localhost:9093`.
    pub url: String,
    /// Which anomalies, in the filter language. Default `severity:warning OR severity:critical`: what somebody should
    /// look at.
    #[serde(default = "default_filter")]
    pub filter: String,
    /// Time after which an anomaly that goes on is told again. Default: one minute for Alertmanager, which takes silence
    /// for resolution; never for a webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional")]
    pub repeat: Option<Duration>,
}

/// What a receiver speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiverKind {
    /// Our JSON: `{"version": 1, "status": "firing" | "resolved", "anomaly": {...}}`.
    Webhook,
    /// Alertmanager's API, version 2.
    Alertmanager,
}

/// All that is wrong with the receivers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("alerts: {}", .0.join("; "))]
pub struct AlertError(pub Vec<String>);

/// A receiver, complete and checked.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) name: String,
    pub(super) kind: ReceiverKind,
    pub(super) url: String,
    pub(super) filter: Expr,
    pub(super) repeat: Option<Duration>,
    /// Without a slash at its end; empty where there are no links.
    pub(super) external_url: String,
}

/// Shortest time between two repetitions.
const REPEAT_MIN: Duration = Duration::from_secs(1);
const ALERTMANAGER_REPEAT: Duration = Duration::from_secs(60);

fn default_filter() -> String {
    "severity:warning OR severity:critical".to_owned()
}

impl AlertConfig {
    pub(super) fn receivers(&self) -> Result<Vec<Receiver>, AlertError> {
        let (mut out, mut wrong, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
        let external_url = self.external_url.trim_end_matches('/');
        if !external_url.is_empty() && address(external_url, true).is_err() {
            wrong.push(format!("`external_url` is `{external_url}`; write http://host:port or https://host"));
        }
        for receiver in &self.receivers {
            if receiver.name.is_empty() || !names.insert(&receiver.name) {
                wrong.push(format!("receiver `{}` needs a name of its own", receiver.name));
            }
            match receiver.checked(external_url) {
                Ok(receiver) => out.push(receiver),
                Err(mut errors) => wrong.append(&mut errors),
            }
        }
        if wrong.is_empty() { Ok(out) } else { Err(AlertError(wrong)) }
    }
}

impl ReceiverConfig {
    fn checked(&self, external_url: &str) -> Result<Receiver, Vec<String>> {
        let mut wrong = Vec::new();
        let say = |key: &str, what: String| format!("`{key}` of receiver `{}`: {what}", self.name);
        if let Err(what) = address(&self.url, false) {
            wrong.push(say("url", what));
        }
        if self.repeat.is_some_and(|r| r < REPEAT_MIN) {
            wrong.push(say("repeat", "shorter than a second; write 1m, or leave it out".to_owned()));
        }
        let parsed = filter::parse(&self.filter).and_then(|e| e.only(Anomaly::FIELDS, true, "anomalies").map(|()| e));
        let filter = parsed.unwrap_or_else(|e| {
            wrong.push(say("filter", e.to_string()));
            Expr::All
        });
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let (url, repeat) = match self.kind {
            ReceiverKind::Webhook => (self.url.clone(), self.repeat),
            ReceiverKind::Alertmanager => {
                let base = self.url.trim_end_matches('/').trim_end_matches("/api/v2/alerts");
                (format!("{base}/api/v2/alerts"), Some(self.repeat.unwrap_or(ALERTMANAGER_REPEAT)))
            }
        };
        let (name, external_url) = (self.name.clone(), external_url.to_owned());
        Ok(Receiver { name, kind: self.kind, url, filter, repeat, external_url })
    }
}

/// Checks an address that something is sent to, or only shown to people.
fn address(url: &str, is_shown: bool) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("`{url}` {what}; write http://host:port/path"));
    let Ok(uri) = url.parse::<Uri>() else { return wrong("is no address") };
    let Some(authority) = uri.authority() else { return wrong("has no host") };
    if authority.as_str().contains('@') {
        return wrong("holds a user name, which would be shown in logs");
    }
    match uri.scheme_str() {
        Some("http") => Ok(()),
        Some("https") if is_shown => Ok(()),
        Some("https") => wrong("is https, which is not spoken here"),
        _ => wrong("is not http"),
    }
}

/// `repeat = "1m"`, or absent.
mod optional {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::duration_text;

    pub(super) fn serialize<S: Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
        match d {
            Some(d) => duration_text::serialize(d, s),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
        #[derive(Deserialize)]
        struct Text(#[serde(with = "duration_text")] Duration);
        Ok(Some(Text::deserialize(d)?.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receivers(toml_like: &str) -> Result<Vec<Receiver>, String> {
        let config: AlertConfig = serde_json::from_str(toml_like).map_err(|e| e.to_string())?;
        config.receivers().map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_filled_in() {
        let text = r#"{"receivers": [
            {"name": "a", "kind": "webhook", "url": "http://localhost:1/x"},
            {"name": "b", "kind": "alertmanager", "url": "http://localhost:9093/"},
            {"name": "c", "kind": "alertmanager", "url": "http://h/am/api/v2/alerts", "repeat": "2m", "filter": ""}
        ]}"#;
        let all = receivers(text).expect("valid");
        let got: Vec<_> = all.iter().map(|r| (r.url.as_str(), r.repeat.map(|d| d.as_secs()))).collect();
        let want = [
            ("http://localhost:1/x", None),
            ("http://localhost:9093/api/v2/alerts", Some(60)),
            ("http://h/am/api/v2/alerts", Some(120)),
        ];
        assert_eq!(got, want);
        assert!(all[2].filter.is_all());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = r#"{"receivers": [
            {"name": "a", "kind": "webhook", "url": "https://localhost/", "filter": "duration:>1s"},
            {"name": "a", "kind": "webhook", "url": "http://me:secret@localhost/", "repeat": "1ms"},
            {"name": "c", "kind": "webhook", "url": "nonsense"}
        ]}"#;
        let error = receivers(text).expect_err("wrong");
        for part in ["https", "cannot be asked of anomalies", "name of its own", "user name", "repeat", "`nonsense`"] {
            assert!(error.contains(part), "{error} does not say {part}");
        }
        assert!(receivers(r#"{"receiver": []}"#).expect_err("unknown key").contains("unknown field"));
    }
}
