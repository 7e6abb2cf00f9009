//! Waist 2: what an agent ships: windows, coverage, exemplars, and what they stand for.
//!
//! In: windows drained from the aggregator. Out: to the collector, through [`wire`](crate::wire).
//! `(agent, incarnation, sequence)` makes a report idempotent.

use serde::{Deserialize, Serialize};

use crate::{Coverage, Evidence, Mark, Resource, Route, Status, Timestamp, Window};

/// Who ships: a stable name and the start of this process.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct AgentId {
    /// Stable name of the agent; host name unless configured.
    pub name: String,
    /// Grows with every start of the agent's state; sequences are counted within it.
    pub incarnation: u64,
}

/// What one agent saw since its last report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Who ships it.
    pub agent: AgentId,
    /// Counts up from 1 within an incarnation, without gaps.
    pub sequence: u64,
    /// The agent's clock when it was made.
    pub made: Timestamp,
    /// Version of the agent's program.
    pub program: String,
    /// No transaction that ends before this moment is still to come, as far as the agent knows.
    pub watermark: Timestamp,
    /// Deltas; several may cover the same range.
    pub windows: Vec<Window>,
    /// What was dropped, skipped or folded since the last report.
    pub coverage: Coverage,
    /// Transactions that travel whole.
    pub exemplars: Vec<Exemplar>,
    /// Templates learned since: earlier counts under `from` belong to `to`.
    pub aliases: Vec<RouteAlias>,
    /// What is counted beside cells; each key at most once.
    pub marks: Vec<Mark>,
    /// How far each source was read; what this report stands for.
    pub offsets: Vec<Offset>,
    /// What its captures hold now; `None` for an agent without any.
    pub gauges: Option<Gauges>,
    /// What waits in the agent; `None` from agents that do not tell.
    pub backlog: Option<Backlog>,
    /// Whether the agent stops in good order and this is the last report of this start: its silence from here on means
    /// nothing.
    pub is_last: bool,
}

/// What waits in an agent when it makes a report: it tells whether the agent keeps up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Backlog {
    /// Reports in its spool, without this one.
    pub spool_reports: u64,
    /// Bytes of them.
    pub spool_bytes: u64,
    /// Bytes that its spool may hold.
    pub spool_limit_bytes: u64,
    /// When the oldest of them was made, by the agent's clock; `None` while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// Bytes of the followed files that are not read yet.
    pub unread_bytes: u64,
    /// Sources that it reads: files, receivers of syslog, interfaces.
    pub sources: u64,
    /// Sources that it cannot read at the moment.
    pub broken_sources: u64,
}

/// What an agent that captures packets holds at one moment. They add up over agents, not over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gauges {
    /// Requests without a final response.
    pub requests_in_flight: u64,
    /// Answers that stream (server-sent events, WebSocket, tunnels ...).
    pub streams_open: u64,
    /// TCP connections known.
    pub connections: u64,
    /// Bytes of segments and heads that wait for what comes before or behind them.
    pub buffered_bytes: u64,
}

/// One transaction, kept whole and redacted: an error, the slowest of its cell, or a seeded sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemplar {
    /// When it ended.
    pub at: Timestamp,
    /// Who answered.
    pub resource: Resource,
    /// Method and template.
    pub route: Route,
    /// Path without query, redacted.
    pub path: String,
    /// Who called.
    pub consumer: String,
    /// How the consumer was told.
    pub evidence: Evidence,
    /// Status, or how it ended.
    pub status: Status,
    /// Microseconds; `None` where not known.
    pub duration_us: Option<u64>,
    /// Bytes of the response.
    pub response_bytes: u64,
    /// Trace id; empty where there is none.
    pub trace_id: String,
}

/// A template was learned late: what was counted under `from` belongs to `to`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RouteAlias {
    /// Service that both belong to.
    pub service: String,
    /// As it was shipped.
    pub from: Route,
    /// As it is now.
    pub to: Route,
}

/// How far a source was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Offset {
    /// Path or name of the source.
    pub source: String,
    /// Tells a file from another one under the same name.
    pub fingerprint: u64,
    /// Bytes read and accounted for.
    pub bytes: u64,
}

impl Report {
    /// Transactions in all windows, saturating.
    pub fn count(&self) -> u64 {
        self.windows.iter().fold(0, |sum, w| sum.saturating_add(w.count()))
    }
}
