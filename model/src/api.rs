//! What the collector's HTTP API under `/api/v1` takes and gives, and the document of `pitot report --json`.
//!
//! In and out: JSON through serde. Times are RFC 3339, durations integers of microseconds (`_us`), ratios in `[0, 1]`.
//! Fields are only ever added; readers skip those that they do not know.
//!
//! | method and path | query | answer |
//! |---|---|---|
//! | `POST /api/v1/reports` | body: a report, `Content-Encoding: zstd` or plain | [`Accepted`] |
//! | `GET /api/v1/table` | [`TableQuery`] | [`Table`] |
//! | `GET /api/v1/series` | [`SeriesQuery`] | [`SeriesAnswer`] |
//! | `GET /api/v1/heatmap` | [`HeatMapQuery`] | [`HeatMap`] |
//! | `GET /api/v1/anomalies` | [`AnomalyQuery`] | [`AnomalyPage`] |
//! | `GET /api/v1/anomalies/{id}` | | [`Anomaly`] |
//! | `GET /api/v1/agents` | | [`Agents`] |
//! | `GET /api/v1/coverage` | [`CoverageQuery`] | [`CoverageAnswer`] |
//! | `GET /api/v1/contract` | [`ContractQuery`] | [`ContractAnswer`] |
//! | `GET /api/v1/contract/inferred` | [`ContractQuery`] | an OpenAPI 3.1 document |
//! | `GET /api/v1/deprecations` | [`PostureQuery`] | [`Deprecations`] |
//! | `GET /api/v1/limits` | [`PostureQuery`] | [`LimitsAnswer`] |
//! | `GET /api/v1/credentials` | [`PostureQuery`] | [`CredentialsAnswer`] |
//! | `GET /api/v1/status` | | [`CollectorStatus`] |
//! | `GET /api/v1/live` | `q` | server-sent [`LiveEvent`]s |
//!
//! Errors are [`Problem`]s (RFC 9457, `application/problem+json`).

mod agents;
mod anomaly;
mod contract;
mod document;
mod posture;
mod query;

pub use agents::{
    AgentCoverage, AgentRow, AgentState, Agents, CoverageAnswer, CoverageInterval, CoverageQuery, Trouble,
};
pub use anomaly::{Anomaly, AnomalyKind, AnomalyPage, AnomalyQuery, Carrier, Explanation, Severity, State, Subject};
pub use contract::{
    Caller, ContractAnswer, ContractQuery, DeprecatedOperation, DocumentState, Remainder, Rows, UndocumentedRoute,
    UndocumentedStatus, UnusedOperation,
};
pub use document::{Document, Folded, Part, Source, TimePoint};
pub use posture::{
    AddressRow, AuthCounts, Calls, CredentialsAnswer, DeprecatedBy, DeprecatedRoute, Deprecations, ExpiredTokens,
    LimitRow, LimitsAnswer, PostureQuery, SaidBy, SuggestedLimit,
};
pub use query::{
    Accepted, CollectorStatus, GroupBy, HeatMap, HeatMapQuery, LiveEvent, Point, Problem, Quantiles, Row, RowKey,
    SeriesAnswer, SeriesLine, SeriesQuery, SortBy, StoreStats, Table, TableQuery, Totals,
};
