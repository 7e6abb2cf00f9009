//! What traffic makes of the descriptions of APIs: questions and their answers. In: query strings. Out: JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Coverage, Evidence, Status, TimeRange, Timestamp, contract::Fault};

/// Query of `GET /api/v1/contract` and `GET /api/v1/contract/inferred`. Without `from` the last seven days before `to`;
/// without `to` until now.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContractQuery {
    /// Filter. What it leaves out counts as not called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// First moment; rounded down as that of a series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First moment after it; rounded up likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Rows of each list at most; 100 by default, [`ANSWER_ROWS`](crate::budget::ANSWER_ROWS) at most. 0 asks for as many
    /// as allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Answer of `GET /api/v1/contract`. Times are as exact as the windows that were read, an hour for ranges of days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContractAnswer {
    /// The range that was compared, after rounding.
    pub range: TimeRange,
    /// Milliseconds per step of [`DeprecatedOperation::steps`].
    pub step_ms: u64,
    /// The documents that traffic was compared with; none where none is configured.
    pub documents: Vec<DocumentState>,
    /// Transactions of services that a document is for.
    pub requests: u64,
    /// Of those the ones on operations that are described.
    pub described: u64,
    /// Transactions of services that no document is for; they are in no list.
    pub not_compared: u64,
    /// Routes on paths that no document describes, the most called first.
    pub undocumented: Rows<UndocumentedRoute>,
    /// Methods that are not described, on paths that are, the most called first.
    pub undocumented_methods: Rows<UndocumentedRoute>,
    /// Statuses that an operation never was said to answer, the most frequent first.
    pub undocumented_statuses: Rows<UndocumentedStatus>,
    /// Operations that are marked as deprecated and still called, the most called first.
    pub deprecated: Rows<DeprecatedOperation>,
    /// Operations that nobody called, in the order of the documents.
    pub unused: Rows<UnusedOperation>,
    /// What was asked for on paths that do not exist, such as the noise of scanners.
    pub nothing_there: Remainder,
    /// Routes that were folded so far that they are no path any more.
    pub folded: Remainder,
    /// How much of the truth the numbers saw.
    pub coverage: Coverage,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
}

/// Rows of a list, and how many there are in all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rows<T> {
    /// The first of them.
    pub rows: Vec<T>,
    /// All that there are.
    pub row_count: usize,
}

/// What is in no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Remainder {
    /// Routes.
    pub routes: u64,
    /// Their transactions.
    pub requests: u64,
}

/// A document that traffic is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentState {
    /// File, as it is configured.
    pub file: String,
    /// Service that it is for, with `*` for any; empty for all that no other document is for.
    pub service: String,
    /// Its title.
    pub title: String,
    /// Version of the API.
    pub version: String,
    /// What it is written in: `2.0`, `3.0.3`, `3.1.0`.
    pub dialect: String,
    /// Operations that it describes.
    pub operations: usize,
    /// Of those the ones that were called; it is not sure of `perhaps_called` more.
    pub called: usize,
    /// Operations that may have been called: a route stands for several of them.
    pub perhaps_called: usize,
    /// What in it could not be used.
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub more_faults: u64,
}

/// A route that is called and not described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndocumentedRoute {
    /// Service.
    pub service: String,
    /// Request method.
    pub method: String,
    /// Path template as it was learned.
    pub route: String,
    /// Transactions.
    pub requests: u64,
    /// Transactions by status.
    pub status: BTreeMap<Status, u64>,
    /// First moment of the first window with it in the range.
    pub first_seen: Timestamp,
    /// Last moment of the last one.
    pub last_seen: Timestamp,
    /// Who called it most; ten at most.
    pub consumers: Vec<Caller>,
    /// All who called it.
    pub consumer_count: usize,
}

/// A consumer of a route.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// Name, pseudonym or address.
    pub consumer: String,
    /// How it was told.
    pub evidence: Evidence,
    /// Its group; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Transactions.
    pub requests: u64,
    /// Of those the ones in the later half of the range.
    pub later: u64,
    /// Last moment of the last window with it.
    pub last_seen: Timestamp,
}

/// A status that an operation was never said to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UndocumentedStatus {
    /// Service.
    pub service: String,
    /// Request method.
    pub method: String,
    /// Path template as it is described.
    pub route: String,
    /// The status.
    pub status: Status,
    /// Transactions with it.
    pub requests: u64,
    /// Transactions of the operation in all.
    pub of_requests: u64,
    /// Last moment of the last window with it.
    pub last_seen: Timestamp,
}

/// A deprecated operation that is still called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeprecatedOperation {
    /// Service.
    pub service: String,
    /// Request method.
    pub method: String,
    /// Path template as it is described.
    pub route: String,
    /// When it goes away, where that is described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset: Option<Timestamp>,
    /// Transactions.
    pub requests: u64,
    /// Of those the ones in the later half of the range.
    pub later: u64,
    /// Transactions by step of the range.
    pub steps: Vec<u64>,
    /// Last moment of the last window with it.
    pub last_seen: Timestamp,
    /// Who calls it, the most first; a hundred at most.
    pub consumers: Vec<Caller>,
    /// All who call it.
    pub consumer_count: usize,
}

/// An operation that nobody called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnusedOperation {
    /// File of the document.
    pub file: String,
    /// Request method.
    pub method: String,
    /// Path template as it is described.
    pub route: String,
    /// `operationId`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Whether it is marked as deprecated: it could go.
    pub deprecated: bool,
}
