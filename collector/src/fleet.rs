//! The agents as this process hears them. In: every report that could be read, stored or refused. Out: rows of the API,
//! and what tells whether an agent is silent.
//!
//! Here is what the store does not keep: how late and by what clock the last report was sent, and what was refused. It
//! begins anew with the process. Refusals are kept in memory on purpose: whoever sends what is refused can make the
//! collector count, but not write to its disk.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{
    Report, Timestamp,
    api::{AgentRow, AgentState, Agents},
};

use crate::{
    detect::Heard,
    store::{
        Agent, Ledger,
        ledger::{AGENT_LIVE, AGENTS},
    },
};

/// Difference of clocks that is worth telling; half a window of the default width.
pub const SKEW: Duration = Duration::from_secs(5);

/// Agents that are heard and have nothing stored, as all their reports were refused; further ones are counted by reason
/// alone.
const STRANGERS: usize = 1_000;

/// How long one of these is shown after it was heard last.
const STRANGER_KEEP: Duration = Duration::from_secs(3_600);

/// Bytes of the text why a report was refused.
const REFUSAL_BYTES: usize = 512;

/// When and how a report came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When it was sent, by the sender's clock; `None` where the sender does not say: then when it was made.
    pub sent: Option<Timestamp>,
    /// When it came, by the collector's clock.
    pub now: Timestamp,
}

/// What is heard of agents since the start.
#[derive(Debug, Default)]
pub struct Fleet {
    contacts: BTreeMap<String, Contact>,
}

/// What was heard of one agent last.
#[derive(Debug, Default)]
struct Contact {
    at: Timestamp,
    incarnation: u64,
    program: String,
    lag_ms: u64,
    clock_offset_ms: i64,
    is_last: bool,
    refused: u64,
    refusal: String,
    is_skew_told: bool,
}

impl Fleet {
    /// A report came, whatever became of it. Answers the difference of clocks in milliseconds when it is more than
    /// [`SKEW`] for the first time.
    pub fn hear(&mut self, report: &Report, arrival: Arrival, ledger: &Ledger) -> Option<i64> {
        let contact = self.contact(&report.agent.name, ledger)?;
        let sent = arrival.sent.unwrap_or(report.made);
        contact.at = arrival.now;
        contact.incarnation = report.agent.incarnation;
        contact.program.clone_from(&report.program);
        contact.lag_ms = u64::try_from(sent.since(report.made).as_millis()).unwrap_or(u64::MAX);
        contact.clock_offset_ms = sent.as_micros().saturating_sub(arrival.now.as_micros()) / 1_000;
        contact.is_last = report.is_last;
        let is_news = is_skewed(contact.clock_offset_ms) && !contact.is_skew_told;
        contact.is_skew_told |= is_news;
        is_news.then_some(contact.clock_offset_ms)
    }

    /// A report that was heard is refused.
    pub fn refuse(&mut self, report: &Report, why: &str, ledger: &Ledger) {
        if let Some(contact) = self.contact(&report.agent.name, ledger) {
            contact.refused = contact.refused.saturating_add(1);
            contact.refusal.clear();
            contact.refusal.push_str(&why[..why.floor_char_boundary(REFUSAL_BYTES)]);
        }
    }

    /// All agents by name, and those of whom nothing could be stored yet.
    pub fn rows(&self, ledger: &Ledger, now: Timestamp) -> Agents {
        let known = ledger.all().map(|agent| self.row(agent, now));
        let strangers = self.contacts.iter().filter(|(name, _)| ledger.agent(name).is_none());
        let mut agents: Vec<_> = known.chain(strangers.map(|(name, contact)| contact.row(name, now))).collect();
        agents.sort_by(|a, b| a.name.cmp(&b.name));
        Agents { agents }
    }

    /// What tells who is silent: agents of whom something is stored.
    pub fn heard<'a>(&'a self, ledger: &'a Ledger) -> impl Iterator<Item = Heard<'a>> {
        ledger.all().map(|agent| self.heard_of(agent))
    }

    /// Forgets agents that the ledger has forgotten, or never knew and that are not heard of any more.
    pub fn forget(&mut self, ledger: &Ledger, now: Timestamp) {
        let is_recent = |contact: &Contact| now.since(contact.at) < STRANGER_KEEP;
        self.contacts.retain(|name, contact| ledger.agent(name).is_some() || is_recent(contact));
    }

    /// `None` for one stranger too many.
    fn contact(&mut self, name: &str, ledger: &Ledger) -> Option<&mut Contact> {
        let has_room = || ledger.agent(name).is_some() || self.contacts.len() < ledger.len().min(AGENTS) + STRANGERS;
        if !self.contacts.contains_key(name) && !has_room() {
            return None;
        }
        Some(self.contacts.entry(name.to_owned()).or_default())
    }

    fn heard_of<'a>(&self, agent: &'a Agent) -> Heard<'a> {
        let contact = self.contacts.get(&agent.row.name);
        Heard {
            name: &agent.row.name,
            at: contact.map_or(agent.row.last_seen, |c| c.at.max(agent.row.last_seen)),
            interval: Duration::from_micros(agent.interval_us),
            is_stopped: contact.map_or(agent.is_stopped, |c| c.is_last),
        }
    }

    fn row(&self, agent: &Agent, now: Timestamp) -> AgentRow {
        let mut row = agent.row.clone();
        let heard = self.heard_of(agent);
        row.state = state(heard, now);
        if let Some(contact) = self.contacts.get(&row.name) {
            row.lag_ms = contact.lag_ms;
            row.clock_offset_ms = contact.clock_offset_ms;
            row.refused_reports = contact.refused;
            row.refusal.clone_from(&contact.refusal);
        }
        row
    }
}

impl Contact {
    fn row(&self, name: &str, now: Timestamp) -> AgentRow {
        let heard = Heard { name, at: self.at, interval: Duration::ZERO, is_stopped: self.is_last };
        AgentRow {
            name: name.to_owned(),
            incarnation: self.incarnation,
            program: self.program.clone(),
            last_seen: self.at,
            lag_ms: self.lag_ms,
            clock_offset_ms: self.clock_offset_ms,
            state: state(heard, now),
            refused_reports: self.refused,
            refusal: self.refusal.clone(),
            ..AgentRow::default()
        }
    }
}

/// Whether a difference of clocks, in milliseconds, is worth telling.
pub fn is_skewed(clock_offset_ms: i64) -> bool {
    u128::from(clock_offset_ms.unsigned_abs()) > SKEW.as_millis()
}

fn state(heard: Heard<'_>, now: Timestamp) -> AgentState {
    if heard.is_stopped {
        AgentState::Stopped
    } else if now.since(heard.at) < heard.patience(AGENT_LIVE) {
        AgentState::Live
    } else {
        AgentState::Silent
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::AgentId;

    use super::*;

    fn t(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_768_176_000_000 + ms)
    }

    fn report(name: &str, made: i64) -> Report {
        let agent = AgentId { name: name.into(), incarnation: 1 };
        Report { agent, sequence: 1, made: t(made), program: "1.2.3".into(), ..Report::default() }
    }

    fn store(ledger: &mut Ledger, report: &Report, now: Timestamp) {
        ledger.put(ledger.after(report, now));
    }

    #[test]
    fn lag_and_skew_are_told_apart() {
        let (mut fleet, mut ledger) = (Fleet::default(), Ledger::default());
        for (sent, now, lag_ms, offset_ms) in [
            (Some(2_000), 2_100, 2_000, -100),
            (Some(2_000), 9_000, 2_000, -7_000),
            (Some(-500), 0, 0, -500),
            (None, 300, 0, -300),
            (Some(3_600_000), 0, 3_600_000, 3_600_000),
        ] {
            let report = report("a", 0);
            store(&mut ledger, &report, t(now));
            fleet.hear(&report, Arrival { sent: sent.map(t), now: t(now) }, &ledger);
            let row = &fleet.rows(&ledger, t(now)).agents[0];
            assert_eq!((row.lag_ms, row.clock_offset_ms), (lag_ms, offset_ms), "{sent:?} {now}");
        }
        for sent in [i64::MIN, i64::MAX] {
            let arrival = Arrival { sent: Some(Timestamp::from_micros(sent)), now: t(0) };
            fleet.hear(&report("a", 0), arrival, &ledger);
        }
    }

    #[test]
    fn a_wrong_clock_is_told_once() {
        let (mut fleet, ledger) = (Fleet::default(), Ledger::default());
        for (offset, want) in [(4_000, None), (-6_000, Some(-6_000)), (7_000, None), (0, None), (6_000, None)] {
            let arrival = Arrival { sent: Some(t(offset)), now: t(0) };
            assert_eq!(fleet.hear(&report("a", 0), arrival, &ledger), want, "{offset}");
        }
    }

    #[test]
    fn states_follow_what_was_heard() {
        let (mut fleet, mut ledger) = (Fleet::default(), Ledger::default());
        let state = |fleet: &Fleet, ledger: &Ledger, now| fleet.rows(ledger, t(now)).agents[0].state;
        store(&mut ledger, &report("a", 0), t(0));
        assert_eq!(state(&fleet, &ledger, 59_999), AgentState::Live, "stored by an earlier process");
        assert_eq!(state(&fleet, &ledger, 60_000), AgentState::Silent);
        // One that is refused was heard.
        fleet.hear(&report("a", 0), Arrival { sent: None, now: t(50_000) }, &ledger);
        assert_eq!(state(&fleet, &ledger, 60_000), AgentState::Live);
        let last = Report { is_last: true, ..report("a", 0) };
        fleet.hear(&last, Arrival { sent: None, now: t(60_000) }, &ledger);
        assert_eq!(state(&fleet, &ledger, 900_000), AgentState::Stopped);
        fleet.hear(&report("a", 0), Arrival { sent: None, now: t(900_000) }, &ledger);
        assert_eq!(state(&fleet, &ledger, 900_000), AgentState::Live);
        store(&mut ledger, &last, t(900_000));
        assert_eq!(state(&Fleet::default(), &ledger, 990_000), AgentState::Stopped, "a restart of the collector");
    }

    #[test]
    fn agents_whose_reports_are_all_refused_are_shown_for_a_while_and_bounded() {
        let (mut fleet, mut ledger) = (Fleet::default(), Ledger::default());
        for i in 0..2 * STRANGERS {
            let report = report(&format!("stranger {i:04}"), 0);
            fleet.hear(&report, Arrival { sent: None, now: t(0) }, &ledger);
            fleet.refuse(&report, &"é".repeat(REFUSAL_BYTES), &ledger);
        }
        let rows = fleet.rows(&ledger, t(0)).agents;
        assert_eq!(rows.len(), STRANGERS);
        assert_eq!((rows[0].refused_reports, rows[0].sequence, rows[0].program.as_str()), (1, 0, "1.2.3"));
        assert_eq!(rows[0].refusal.len(), REFUSAL_BYTES);
        // One that becomes known keeps its refusals, and makes no second row.
        store(&mut ledger, &report("stranger 0000", 0), t(0));
        let rows = fleet.rows(&ledger, t(0)).agents;
        assert_eq!((rows.len(), rows[0].refused_reports, rows[0].sequence), (STRANGERS, 1, 1));
        fleet.forget(&ledger, t(3_600_000));
        assert_eq!(fleet.rows(&ledger, t(3_600_000)).agents.len(), 1);
    }
}
