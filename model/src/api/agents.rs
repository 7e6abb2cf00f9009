//! Agents and what they read and lost. In: from the collector's ledger and store. Out: to screens, scripts and metrics.

use serde::{Deserialize, Serialize};

use crate::{Backlog, Coverage, Gauges, TimeRange, Timestamp};

/// One agent as the collector knows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AgentRow {
    /// Name.
    pub name: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// Last sequence stored.
    pub sequence: u64,
    /// Version of its program.
    pub program: String,
    /// When its last report came, by the collector's clock.
    pub last_seen: Timestamp,
    /// The agent's clock minus the collector's when it came, in milliseconds; includes the way.
    pub clock_offset_ms: i64,
    /// How far its data goes.
    pub watermark: Timestamp,
    /// What it saw and what it lost, since the collector knows it.
    pub coverage: Coverage,
    /// What its captures held when it shipped last; `None` for an agent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gauges: Option<Gauges>,
    /// Whether it ships, as the collector sees it when it is asked.
    #[serde(default)]
    pub state: AgentState,
    /// How old its last report was when it was sent, in milliseconds: what it is behind in shipping.
    #[serde(default)]
    pub lag_ms: u64,
    /// What waited in it when it shipped last; `None` from agents that do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<Backlog>,
    /// Reports of it that the collector refused.
    #[serde(default)]
    pub refused_reports: u64,
    /// Why it refused the last one; empty while it took them all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refusal: String,
}

/// Whether an agent ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It shipped within the last minute.
    #[default]
    Live,
    /// It said that it stops.
    Stopped,
    /// It said nothing, and nothing comes.
    Silent,
}

impl AgentState {
    /// Snake-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stopped => "stopped",
            Self::Silent => "silent",
        }
    }
}

/// Query of `GET /api/v1/coverage`: what was read and what was lost, by agent and interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CoverageQuery {
    /// Only this agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// First moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First moment after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Milliseconds per interval; rounded up to a multiple of the finest window; chosen for about 120 intervals if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_ms: Option<u64>,
}

/// Answer of `GET /api/v1/coverage`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageAnswer {
    /// The range that was summed, after rounding.
    pub range: TimeRange,
    /// Milliseconds per interval.
    pub step_ms: u64,
    /// All agents together.
    pub total: Coverage,
    /// Agents that said anything, by name.
    pub agents: Vec<AgentCoverage>,
}

/// What one agent read and lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentCoverage {
    /// Its name.
    pub name: String,
    /// Over the whole range.
    pub total: Coverage,
    /// By interval, ascending; intervals without anything are absent.
    pub intervals: Vec<CoverageInterval>,
}

/// Coverage of one interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverageInterval {
    /// First moment.
    pub at: Timestamp,
    /// What was read and what was lost.
    pub coverage: Coverage,
}

/// Answer of `GET /api/v1/agents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agents {
    /// All agents, by name.
    pub agents: Vec<AgentRow>,
}
