//! The part of `/metrics` about agents. In: their rows. Out: lines, one per agent and metric where the agent tells it.

use pitot_model::{
    Backlog,
    api::{AgentRow, AgentState},
};

use super::{Page, seconds};
use crate::fleet::is_skewed;

/// Name, help and value of a gauge with a line per agent; `None` where an agent does not tell it.
type Gauge = (&'static str, &'static str, fn(&AgentRow) -> Option<f64>);

const GAUGES: [Gauge; 13] = [
    ("pitot_agent_last_seen_timestamp_seconds", "When the last report of an agent came.", |a| {
        Some(seconds(a.last_seen))
    }),
    ("pitot_agent_lag_seconds", "How old the last report of an agent was when it was sent.", |a| {
        Some(a.lag_ms as f64 / 1e3)
    }),
    ("pitot_agent_clock_offset_seconds", "Clock of an agent minus that of the collector, the way included.", |a| {
        Some(a.clock_offset_ms as f64 / 1e3)
    }),
    ("pitot_agent_spool_bytes", "Bytes that wait in the spool of an agent.", |a| of(a, |b| b.spool_bytes)),
    ("pitot_agent_spool_limit_bytes", "Bytes that the spool of an agent may hold.", |a| of(a, |b| b.spool_limit_bytes)),
    ("pitot_agent_spool_reports", "Reports that wait in the spool of an agent.", |a| of(a, |b| b.spool_reports)),
    ("pitot_agent_unread_bytes", "Bytes of files that an agent follows and has not read.", |a| {
        of(a, |b| b.unread_bytes)
    }),
    ("pitot_agent_sources", "Sources that an agent reads.", |a| of(a, |b| b.sources)),
    ("pitot_agent_broken_sources", "Sources that an agent cannot read.", |a| of(a, |b| b.broken_sources)),
    ("pitot_agent_requests_in_flight", "Requests without a final response.", |a| {
        Some(a.gauges.as_ref()?.requests_in_flight as f64)
    }),
    ("pitot_agent_streams_open", "Answers that stream.", |a| Some(a.gauges.as_ref()?.streams_open as f64)),
    ("pitot_agent_connections", "TCP connections that a capture follows.", |a| {
        Some(a.gauges.as_ref()?.connections as f64)
    }),
    ("pitot_agent_buffered_bytes", "Bytes that wait for what comes before or behind them.", |a| {
        Some(a.gauges.as_ref()?.buffered_bytes as f64)
    }),
];

pub(super) fn render(page: &mut Page, agents: &[AgentRow]) {
    page.head("pitot_agents", "gauge", "Agents known.");
    page.line("pitot_agents", &[], agents.len());
    page.head("pitot_agents_skewed", "gauge", "Agents whose clock differs from the collector's by more than 5 s.");
    page.line("pitot_agents_skewed", &[], agents.iter().filter(|a| is_skewed(a.clock_offset_ms)).count());
    page.head("pitot_agent_state", "gauge", "1 for the state that an agent is in.");
    for agent in agents {
        for state in [AgentState::Live, AgentState::Stopped, AgentState::Silent] {
            let labels = [("agent", agent.name.as_str()), ("state", state.name())];
            page.line("pitot_agent_state", &labels, u8::from(agent.state == state));
        }
    }
    for (name, help, value) in GAUGES {
        page.head(name, "gauge", help);
        for agent in agents {
            if let Some(value) = value(agent) {
                page.line(name, &[("agent", &agent.name)], value);
            }
        }
    }
    let name = "pitot_agent_reports_refused_total";
    page.head(name, "counter", "Reports of an agent that were refused.");
    for agent in agents {
        page.line(name, &[("agent", &agent.name)], agent.refused_reports);
    }
    let name = "pitot_agent_coverage_total";
    page.head(name, "counter", "What an agent dropped, skipped or folded, by reason.");
    for agent in agents {
        for (reason, n) in &agent.coverage.reasons {
            page.line(name, &[("agent", &agent.name), ("reason", reason.name())], n);
        }
    }
}

fn of(agent: &AgentRow, count: fn(&Backlog) -> u64) -> Option<f64> {
    Some(count(agent.backlog.as_ref()?) as f64)
}

#[cfg(test)]
mod tests {
    use pitot_model::{Coverage, Reason, Timestamp};

    use super::*;

    #[test]
    fn every_agent_has_its_lines() {
        let mut coverage = Coverage::default();
        coverage.add(Reason::SpoolEvicted, 7);
        let backlog = Backlog { spool_bytes: 4_096, broken_sources: 1, ..Backlog::default() };
        let told = AgentRow {
            name: "web-1".into(),
            last_seen: Timestamp::from_millis(1_500),
            clock_offset_ms: -6_500,
            lag_ms: 250,
            backlog: Some(backlog),
            state: AgentState::Silent,
            refused_reports: 3,
            coverage,
            ..AgentRow::default()
        };
        let older = AgentRow { name: "old".into(), ..AgentRow::default() };
        let mut page = Page(String::new());
        render(&mut page, &[told, older]);
        for want in [
            "pitot_agents 2",
            "pitot_agents_skewed 1",
            "pitot_agent_state{agent=\"web-1\",state=\"live\"} 0",
            "pitot_agent_state{agent=\"web-1\",state=\"silent\"} 1",
            "pitot_agent_state{agent=\"old\",state=\"live\"} 1",
            "pitot_agent_last_seen_timestamp_seconds{agent=\"web-1\"} 1.5",
            "pitot_agent_lag_seconds{agent=\"web-1\"} 0.25",
            "pitot_agent_clock_offset_seconds{agent=\"web-1\"} -6.5",
            "pitot_agent_spool_bytes{agent=\"web-1\"} 4096",
            "pitot_agent_broken_sources{agent=\"web-1\"} 1",
            "pitot_agent_reports_refused_total{agent=\"web-1\"} 3",
            "pitot_agent_coverage_total{agent=\"web-1\",reason=\"spool_evicted\"} 7",
        ] {
            assert!(page.0.lines().any(|line| line == want), "{want} in\n{}", page.0);
        }
        assert!(!page.0.contains("pitot_agent_spool_bytes{agent=\"old\"}"), "{}", page.0);
    }
}
