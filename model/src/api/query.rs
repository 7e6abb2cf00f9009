//! Questions about traffic and their answers. In: query strings. Out: JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Coverage, Evidence, Sketch, Stats, Status, TimeRange, Timestamp};

/// The numbers of RED and more, for one row, group or total.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Transactions.
    pub count: u64,
    /// Bytes of the requests.
    pub request_bytes: u64,
    /// Bytes of the responses.
    pub response_bytes: u64,
    /// Transactions by status code, gRPC code (`grpc-unavailable`), or `reset`, `timeout`, `truncated`, `none`.
    pub status: BTreeMap<Status, u64>,
    /// Durations; `n` may be less than `count` where some are not known.
    pub duration_us: Quantiles,
    /// Times to first byte, likewise.
    pub ttfb_us: Quantiles,
}

impl Totals {
    /// The numbers of these sums; statuses are the caller's to count.
    pub fn new(stats: &Stats, status: BTreeMap<Status, u64>) -> Self {
        Self {
            count: stats.count,
            request_bytes: stats.request_bytes,
            response_bytes: stats.response_bytes,
            status,
            duration_us: Quantiles::of(&stats.duration),
            ttfb_us: Quantiles::of(&stats.ttfb),
        }
    }

    /// Transactions that the server failed: 5xx, gRPC codes of that kind, resets, timeouts.
    pub fn server_errors(&self) -> u64 {
        self.status.iter().filter(|(s, _)| s.is_server_error()).map(|(_, n)| n).sum()
    }

    /// Transactions that the client got wrong: 4xx.
    pub fn client_errors(&self) -> u64 {
        self.status.iter().filter(|(s, _)| s.is_client_error()).map(|(_, n)| n).sum()
    }

    /// Share of [`Totals::server_errors`]; 0 when there is nothing.
    pub fn error_ratio(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.server_errors() as f64 / self.count as f64 }
    }
}

/// Summary of a sketch in microseconds. All but `n` are absent while nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// Recorded values.
    pub n: u64,
    /// Exact least value.
    pub min: Option<u64>,
    /// Exact mean.
    pub mean: Option<f64>,
    /// Quantile 0.5, within 0.1 % as all that follow.
    pub p50: Option<u64>,
    /// Quantile 0.75.
    pub p75: Option<u64>,
    /// Quantile 0.9.
    pub p90: Option<u64>,
    /// Quantile 0.95.
    pub p95: Option<u64>,
    /// Quantile 0.99.
    pub p99: Option<u64>,
    /// Quantile 0.999.
    pub p999: Option<u64>,
    /// Exact greatest value.
    pub max: Option<u64>,
}

impl Quantiles {
    /// The summary of a sketch.
    pub fn of(sketch: &Sketch) -> Self {
        let Some([p50, p75, p90, p95, p99, p999]) = sketch.quantiles_us([0.5, 0.75, 0.9, 0.95, 0.99, 0.999]) else {
            return Self::default();
        };
        Self {
            n: sketch.count(),
            min: sketch.min_us(),
            mean: sketch.mean_us().map(|m| (m * 1000.0).round() / 1000.0),
            p50: Some(p50),
            p75: Some(p75),
            p90: Some(p90),
            p95: Some(p95),
            p99: Some(p99),
            p999: Some(p999),
            max: sketch.max_us(),
        }
    }
}

/// What a table has a row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    /// One row for everything.
    None,
    /// A row per service.
    #[default]
    Service,
    /// A row per service, method and template.
    Route,
    /// A row per consumer, over all services.
    Consumer,
    /// A row per group of consumers, over all services.
    Group,
    /// A row per service and version.
    Version,
    /// A row per status.
    Status,
    /// A row per method.
    Method,
}

/// What a table is ordered by, greatest first; ties by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// Transactions.
    #[default]
    Count,
    /// Server errors.
    Errors,
    /// Share of server errors.
    ErrorRatio,
    /// Quantile 0.5.
    P50,
    /// Quantile 0.99.
    P99,
    /// Bytes of the responses.
    Bytes,
    /// Name, ascending.
    Name,
}

/// Query of `GET /api/v1/table`. Without `from` the last 15 minutes before `to`; without `to` until now.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableQuery {
    /// Filter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// First moment; rounded down to the finest window kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First moment after it; rounded up likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// What has a row.
    pub by: GroupBy,
    /// Order.
    pub sort: SortBy,
    /// Rows at most; 100 by default, [`ANSWER_ROWS`](crate::budget::ANSWER_ROWS) at most. 0 asks for as many as allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which row, group or line. Absent fields are summed over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct RowKey {
    /// Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Version of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Request method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// How the consumer was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Group of the consumer; empty for those in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Agent, of anomalies about agents; traffic has no such dimension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// One row: its key and its numbers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// Which row.
    pub key: RowKey,
    /// Its numbers.
    pub totals: Totals,
}

/// Answer of `GET /api/v1/table`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The range that was summed, after rounding.
    pub range: TimeRange,
    /// Rows, ordered.
    pub rows: Vec<Row>,
    /// Rows that there are in all.
    pub row_count: usize,
    /// Everything that matched, shown or not.
    pub totals: Totals,
    /// How much of the truth the numbers saw.
    pub coverage: Coverage,
    /// No transaction that ends before this moment is still expected; numbers after it will grow.
    pub watermark: Timestamp,
}

/// Query of `GET /api/v1/series`: counts and quantiles over time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeriesQuery {
    /// Filter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// First moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First moment after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Milliseconds per point; rounded up to a multiple of the finest window; chosen for about 120 points if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<u64>,
    /// A line per group; one line by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<GroupBy>,
    /// Lines at most, those with most transactions first; 20 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Answer of `GET /api/v1/series`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesAnswer {
    /// The range, after rounding to `step_ms`.
    pub range: TimeRange,
    /// Milliseconds per point.
    pub step_ms: u64,
    /// Lines, those with most transactions first.
    pub lines: Vec<SeriesLine>,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
}

/// One line of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesLine {
    /// Which group.
    pub key: RowKey,
    /// One point per step from the start of the range on, empty ones too.
    pub points: Vec<Point>,
}

/// One step of a line.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Point {
    /// Transactions.
    pub count: u64,
    /// 5xx, resets, timeouts.
    pub server_errors: u64,
    /// 4xx.
    pub client_errors: u64,
    /// Bytes of the responses.
    pub response_bytes: u64,
    /// Quantile 0.5 of the duration in microseconds.
    pub p50_us: Option<u64>,
    /// Quantile 0.9.
    pub p90_us: Option<u64>,
    /// Quantile 0.99.
    pub p99_us: Option<u64>,
}

/// Query of `GET /api/v1/heatmap`: durations over time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeatMapQuery {
    /// Filter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub q: String,
    /// First moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First moment after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Milliseconds per column, as in [`SeriesQuery`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<u64>,
    /// Rows of the map: bands of duration, equally wide on a logarithmic scale; 24 by default, 1 to 200.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bands: Option<usize>,
}

/// Answer of `GET /api/v1/heatmap`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// The range, after rounding.
    pub range: TimeRange,
    /// Milliseconds per column.
    pub step_ms: u64,
    /// Lower bounds of the bands in microseconds, ascending, and the upper bound of the last: one more than bands.
    pub bounds_us: Vec<u64>,
    /// A column per step: transactions by band.
    pub columns: Vec<Vec<u64>>,
}

/// Answer of `POST /api/v1/reports`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The sequence up to which everything of this incarnation is stored.
    pub sequence: u64,
    /// Whether it was stored before, and so changed nothing now.
    pub duplicate: bool,
    /// Transactions added.
    pub transactions: u64,
    /// The collector's clock when it answered; absent from older ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// Id of the store that holds it now: collectors that give the same id share one. Empty from older ones.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub store: String,
}

/// What the store holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreStats {
    /// Its id: collectors that give the same one share it. Empty from older ones.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Windows, over all levels of detail.
    pub windows: u64,
    /// Bytes on disk; 0 for the engine in memory.
    pub disk_bytes: u64,
    /// First moment that is kept; absent when empty.
    pub oldest: Option<Timestamp>,
    /// First moment after the newest window; absent when empty.
    pub newest: Option<Timestamp>,
}

/// Answer of `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectorStatus {
    /// Version of the program.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// Its clock now.
    pub now: Timestamp,
    /// Width of the finest windows in milliseconds.
    pub window_ms: u64,
    /// Numbers after this moment will grow.
    pub watermark: Timestamp,
    /// Open anomalies.
    pub open_anomalies: u64,
    /// The store.
    pub store: StoreStats,
}

/// One event of `GET /api/v1/live`; its `event:` is the tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum LiveEvent {
    /// New data was stored: ask again.
    Data {
        /// How far data goes now.
        watermark: Timestamp,
        /// Transactions since the last such event.
        transactions: u64,
    },
    /// An anomaly opened, changed or was resolved.
    Anomaly {
        /// As it is now.
        anomaly: Box<super::Anomaly>,
    },
}

/// An error for the caller.
///
/// Source: RFC 9457, problem details for HTTP APIs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable name of the kind of error: `/problems/bad-filter`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// HTTP status code.
    pub status: u16,
    /// What is wrong here, and what would be accepted.
    pub detail: String,
    /// For filters: index of the character that is wrong, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<usize>,
    /// Seconds after which trying again may help, as `Retry-After` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
}
