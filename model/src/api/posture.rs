//! Questions about marks and their answers: who still calls what is deprecated, who heeds limits, who fails to prove who it is.
//! In: query strings. Out: JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Evidence, TimeRange, Timestamp};

/// Query of `GET /api/v1/deprecations`, `/api/v1/limits` and `/api/v1/credentials`. Without `from` the last 7 days before
/// `to`; without `to` until now.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostureQuery {
    /// Filter. Marks know service, route, method, consumer, evidence and group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// First moment; rounded down to the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First moment after it; rounded up to the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Rows at most; 100 by default, [`ANSWER_ROWS`](crate::budget::ANSWER_ROWS) at most. 0 asks for as many as allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Rows that are left out at the beginning: [`Deprecations::next`] and the like.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}

/// Answer of `GET /api/v1/deprecations`: routes that are said to be deprecated, those with most requests first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deprecations {
    /// The range, in whole hours.
    pub range: TimeRange,
    /// Milliseconds per point of the series.
    pub step_ms: u64,
    /// Rows.
    pub routes: Vec<DeprecatedRoute>,
    /// Rows that there are in all.
    pub row_count: usize,
    /// The `offset` of the rows that follow; absent with the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
}

/// A deprecated route that is called.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeprecatedRoute {
    /// Service.
    pub service: String,
    /// Request method.
    pub method: String,
    /// Path template.
    pub route: String,
    /// Where it is said: by responses, by a contract, or by both.
    pub said_by: SaidBy,
    /// Since when or from when on; the earliest that was said. Absent where nothing was said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it goes away; the earliest that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sunset: Option<Timestamp>,
    /// Requests that say so, or all of them where a contract does.
    pub calls: Calls,
    /// Consumers that call it, those with most requests first; at most 100.
    pub consumers: Vec<DeprecatedBy>,
    /// Consumers that there are in all.
    pub consumer_count: usize,
}

/// Where it is said that a route is deprecated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SaidBy {
    /// In responses (RFC 9745).
    #[default]
    Responses,
    /// In a contract that the operator gave.
    Contract,
    /// In both.
    Both,
}

/// A consumer that calls what is deprecated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeprecatedBy {
    /// Name, pseudonym or address.
    pub consumer: String,
    /// How the consumer was told.
    pub evidence: Evidence,
    /// Its group; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Its requests.
    pub calls: Calls,
}

/// How often, until when, and whether it gets more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calls {
    /// Requests in the range.
    pub count: u64,
    /// Those in the first half of the range.
    pub before: u64,
    /// Those in the second half.
    pub now: u64,
    /// When the latest one ended: exact where responses say that the route is deprecated, else the end of its window.
    pub last_seen: Timestamp,
    /// Requests per step, from the start of the range on.
    pub series: Vec<u64>,
}

/// Answer of `GET /api/v1/limits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitsAnswer {
    /// The range, in whole hours.
    pub range: TimeRange,
    /// Consumers that were limited or told of limits, by route; those with most refusals first.
    pub rows: Vec<LimitRow>,
    /// Rows that there are in all.
    pub row_count: usize,
    /// The `offset` of the rows that follow; absent with the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
    /// What a limit of a route could be, those with most requests first; as many as rows.
    pub suggestions: Vec<SuggestedLimit>,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
}

/// How a consumer and a route get on with limits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LimitRow {
    /// Service.
    pub service: String,
    /// Request method.
    pub method: String,
    /// Path template.
    pub route: String,
    /// Name, pseudonym or address.
    pub consumer: String,
    /// How the consumer was told.
    pub evidence: Evidence,
    /// Requests.
    pub requests: u64,
    /// Those that were answered with 429.
    pub refused: u64,
    /// Responses that asked to wait.
    pub asked_to_wait: u64,
    /// Requests that came before that time was over.
    pub retried_early: u64,
    /// Times that the consumer waited as long as it was asked.
    pub retried_in_time: u64,
    /// Longest time that it was asked to wait, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_wait_s: Option<u64>,
    /// Least of its limit that was left, in thousandths; absent where responses do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least_left: Option<u64>,
    /// The greatest limit that it was told, in requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_told: Option<u64>,
}

/// What a limit of a route could be: as much as 99 of 100 consumers ever need.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SuggestedLimit {
    /// Service.
    pub service: String,
    /// Request method.
    pub method: String,
    /// Path template.
    pub route: String,
    /// Requests in the range.
    pub requests: u64,
    /// Consumers that it was computed from.
    pub consumers: usize,
    /// Requests per minute: the quantile 0.99, over consumers, of the busiest window of each.
    pub per_minute: f64,
    /// The busiest of all, in requests per minute.
    pub most_per_minute: f64,
    /// Width of the windows that were looked at, in milliseconds; wider than a minute where the range is long.
    pub window_ms: u64,
}

/// Answer of `GET /api/v1/credentials`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialsAnswer {
    /// The range, in whole hours.
    pub range: TimeRange,
    /// What became of requests, by how their consumers were told (`key`, `token` ... `none`).
    pub by_evidence: BTreeMap<String, AuthCounts>,
    /// Requests with web tokens.
    pub tokens: u64,
    /// Those whose token had expired by its own claim.
    pub tokens_expired: u64,
    /// Consumers with expired tokens, those with most first; at most as many as rows.
    pub expired: Vec<ExpiredTokens>,
    /// Addresses that send credentials, those with most different ones first.
    pub addresses: Vec<AddressRow>,
    /// Addresses that there are in all.
    pub row_count: usize,
    /// The `offset` of the addresses that follow; absent with the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
}

/// Whether requests were let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuthCounts {
    /// Requests.
    pub requests: u64,
    /// Those that were answered with 401: nobody knows who it is.
    pub unauthorized: u64,
    /// Those that were answered with 403: it may not.
    pub forbidden: u64,
}

/// A consumer whose web tokens had expired.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExpiredTokens {
    /// Service.
    pub service: String,
    /// Name or pseudonym.
    pub consumer: String,
    /// Requests with a web token.
    pub tokens: u64,
    /// Those whose token had expired.
    pub expired: u64,
    /// When the latest of those came.
    pub last_seen: Timestamp,
}

/// An address, and the credentials that it sends.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AddressRow {
    /// The address.
    pub address: String,
    /// Service.
    pub service: String,
    /// Requests with a credential.
    pub requests: u64,
    /// Different credentials.
    pub credentials: u64,
    /// Whether that is counted; else it is estimated, with a standard error of 3.25 %.
    pub is_exact: bool,
    /// Requests with a credential that were refused with 401 or 403.
    pub refused: u64,
    /// Different credentials among those.
    pub credentials_refused: u64,
    /// When the latest one came.
    pub last_seen: Timestamp,
}
