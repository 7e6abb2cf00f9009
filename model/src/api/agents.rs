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

/// What is wrong with an agent; the worst is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It is not heard of, and did not say that it stops.
    Silent,
    /// Half of its spool or more is full: it will lose what it cannot ship.
    SpoolFilling,
    /// It cannot read all of its sources.
    SourcesBroken,
    /// It ships what is more than a minute old.
    Lagging,
    /// Its clock is more than five seconds off.
    ClockOff,
    /// It lost something since the collector knows it, or had reports refused.
    Lossy,
}

impl AgentRow {
    /// Share of a spool that is full enough to say so.
    pub const SPOOL_FILLING: f64 = 0.5;
    /// Lag, in milliseconds, above which an agent does not keep up.
    pub const LAGGING_MS: u64 = 60_000;
    /// Offset of a clock, in milliseconds, above which it is shown: the way of a report takes as long.
    pub const CLOCK_SHOWN_MS: u64 = 1_000;
    /// Offset above which it is wrong.
    pub const CLOCK_OFF_MS: u64 = 5_000;

    /// The worst that is wrong with it. What a stopped one held when it was last heard of still counts.
    pub fn trouble(&self) -> Option<Trouble> {
        let backlog = self.backlog.unwrap_or_default();
        let is_live = self.state == AgentState::Live;
        [
            (self.state == AgentState::Silent, Trouble::Silent),
            (self.spool_share() >= Self::SPOOL_FILLING, Trouble::SpoolFilling),
            (is_live && backlog.broken_sources > 0, Trouble::SourcesBroken),
            (is_live && self.lag_ms > Self::LAGGING_MS, Trouble::Lagging),
            (is_live && self.clock_offset_ms.unsigned_abs() > Self::CLOCK_OFF_MS, Trouble::ClockOff),
            (self.refused_reports > 0 || !self.coverage.is_full(), Trouble::Lossy),
        ]
        .into_iter()
        .find_map(|(is_so, trouble)| is_so.then_some(trouble))
    }

    /// Share of its spool that is full, in `[0, 1]`; 0 where it tells of none.
    pub fn spool_share(&self) -> f64 {
        match self.backlog {
            Some(b) if b.spool_limit_bytes > 0 => (b.spool_bytes as f64 / b.spool_limit_bytes as f64).min(1.0),
            _ => 0.0,
        }
    }
}

impl Agents {
    /// Those in trouble first, the worst of them on top; then the live, then the stopped; by name within each.
    pub fn worst_first(&self) -> Vec<&AgentRow> {
        let mut rows: Vec<_> = self.agents.iter().collect();
        let rank = |a: &AgentRow| (a.trouble().is_none(), a.trouble(), a.state);
        rows.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
        rows
    }

    /// How many are in a state.
    pub fn count(&self, state: AgentState) -> usize {
        self.agents.iter().filter(|a| a.state == state).count()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reason;

    #[test]
    fn agents_in_trouble_come_first() {
        let agent = |name: &str| AgentRow { name: name.into(), ..AgentRow::default() };
        let spool = |bytes| Some(Backlog { spool_bytes: bytes, spool_limit_bytes: 100, ..Backlog::default() });
        let mut lossy = agent("lossy");
        lossy.coverage.add(Reason::SpoolEvicted, 1);
        let broken = Backlog { broken_sources: 1, ..Backlog::default() };
        let agents = Agents {
            agents: vec![
                AgentRow { state: AgentState::Stopped, clock_offset_ms: -9_000, ..agent("a-stopped") },
                agent("b-fine"),
                lossy,
                AgentRow { clock_offset_ms: -5_001, ..agent("clock") },
                AgentRow { lag_ms: 60_001, ..agent("lag") },
                AgentRow { backlog: Some(broken), ..agent("broken") },
                AgentRow { backlog: spool(50), ..agent("full") },
                AgentRow { backlog: spool(49), clock_offset_ms: 5_000, lag_ms: 60_000, ..agent("a-fine") },
                AgentRow { state: AgentState::Silent, refused_reports: 1, ..agent("silent") },
            ],
        };
        let names: Vec<_> = agents.worst_first().iter().map(|a| a.name.as_str()).collect();
        let want = ["silent", "full", "broken", "lag", "clock", "lossy", "a-fine", "b-fine", "a-stopped"];
        assert_eq!(names, want);
        assert_eq!((agents.count(AgentState::Live), agents.count(AgentState::Silent)), (7, 1));
        assert_eq!(AgentRow { backlog: spool(900), ..agent("x") }.spool_share(), 1.0);
    }
}
