//! What a detector noticed. In: from detection, by JSON. Out: to search, alerts, screens.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::RowKey;
use crate::{
    Status, Timestamp,
    filter::{Facts, Field},
};

/// What a detector noticed about one series: it opens, is updated, and resolves under one stable id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Stable, derived from kind, series and start.
    pub id: String,
    /// What changed.
    pub kind: AnomalyKind,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it goes on.
    pub state: State,
    /// What it is about.
    pub subject: Subject,
    /// First moment of the first window that was off.
    pub start: Timestamp,
    /// First moment after the last window that was off; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// When this document last changed.
    pub updated: Timestamp,
    /// What was expected, in `unit`.
    pub expected: f64,
    /// What was seen at its worst, in `unit`.
    pub observed: f64,
    /// Unit of both: `1/s`, `ratio`, `us`, `1`.
    pub unit: String,
    /// How unlikely it was, greater is stranger; comparable within a kind.
    pub score: f64,
    /// Transactions that it touched so far.
    pub affected: u64,
    /// One line for people: `GET /v1/search is slow: p99 2.31s, expected 310ms`.
    pub title: String,
    /// Who and what carries the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// Which series an anomaly is about; absent parts are summed over.
pub type Subject = RowKey;

macro_rules! names {
    ($type:ident { $($variant:ident = $name:literal),+ $(,)? }) => {
        impl $type {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Snake-case name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $type {
            type Err = ();

            fn from_str(s: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|x| x.name() == s).ok_or(())
            }
        }
    };
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnomalyKind {
    /// More or fewer transactions than expected.
    Rate,
    /// A greater share of server errors than expected.
    Errors,
    /// Slower than expected.
    Latency,
    /// A consumer that was not seen before.
    NewConsumer,
    /// An agent that shipped, did not say that it stops, and is not heard of any more.
    SilentAgent,
}

names!(AnomalyKind {
    Rate = "rate",
    Errors = "errors",
    Latency = "latency",
    NewConsumer = "new_consumer",
    SilentAgent = "silent_agent",
});

/// How much an anomaly matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it today.
    Warning,
    /// Wake someone.
    Critical,
}

names!(Severity { Info = "info", Warning = "warning", Critical = "critical" });

/// Whether an anomaly goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It goes on.
    Open,
    /// It is over.
    Resolved,
}

names!(State { Open = "open", Resolved = "resolved" });

/// Who and what carries a change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Explanation {
    /// Parts that carry it, the greatest share first.
    pub carriers: Vec<Carrier>,
}

/// One part of the traffic and its share of a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Carrier {
    /// Which part.
    pub key: RowKey,
    /// Its share of the change, in `[0, 1]`.
    pub share: f64,
    /// What the number would be without it, in the anomaly's unit; absent where that means nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without: Option<f64>,
}

/// Query of `GET /api/v1/anomalies`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnomalyQuery {
    /// Filter; free text searches title, subject and carriers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// Those that end after this moment, or are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Those that start before this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Anomalies at most; 50 by default, 1000 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where the last page ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Answer of `GET /api/v1/anomalies`: the newest start first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AnomalyPage {
    /// This page.
    pub anomalies: Vec<Anomaly>,
    /// All that match, on all pages.
    pub count: u64,
    /// For the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Anomaly {
    /// Fields of the filter language that anomalies answer.
    pub const FIELDS: &'static [Field] = &[
        Field::Service,
        Field::Version,
        Field::Route,
        Field::Method,
        Field::Consumer,
        Field::Evidence,
        Field::Status,
        Field::Kind,
        Field::Severity,
        Field::State,
        Field::Id,
        Field::Time,
    ];
}

impl Facts for Anomaly {
    fn names(&self, field: Field) -> [Option<&str>; 2] {
        let s = &self.subject;
        let one = match field {
            Field::Service => s.service.as_deref(),
            Field::Version => s.version.as_deref(),
            Field::Route => s.route.as_deref(),
            Field::Method => s.method.as_deref(),
            Field::Consumer => s.consumer.as_deref(),
            Field::Evidence => s.evidence.map(crate::Evidence::name),
            Field::Kind => Some(self.kind.name()),
            Field::Severity => Some(self.severity.name()),
            Field::State => Some(self.state.name()),
            Field::Id => Some(self.id.as_str()),
            _ => None,
        };
        [one, None]
    }

    fn number(&self, field: Field) -> Option<f64> {
        (field == Field::Time).then(|| self.start.as_micros() as f64)
    }

    fn status(&self) -> Option<Status> {
        self.subject.status
    }

    fn has_text(&self, words: &str) -> bool {
        let wanted = words.to_lowercase();
        let in_names = Self::FIELDS
            .iter()
            .any(|&f| self.names(f).into_iter().flatten().any(|n| n.to_lowercase().contains(&wanted)));
        in_names || self.title.to_lowercase().contains(&wanted)
    }
}
