//! Who has shipped what: agents, their last sequences, and route aliases. In: reports. Out: whether one is new.
//!
//! Pure bookkeeping that every engine keeps in memory and writes down in the same batch as the data.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{
    AgentId, Report, RouteAlias, Timestamp, Window,
    api::{AgentRow, Agents},
};
use serde::{Deserialize, Serialize};

use super::{Aliases, Appended};

/// Agents that are known at a time; reports of further ones are refused until old ones are forgotten.
pub const AGENTS: usize = 10_000;

/// Incarnations of one agent whose last sequence is kept. An agent starts anew and ships what its spool holds of
/// earlier starts, which is rarely more than one or two.
const INCARNATIONS: usize = 8;

/// How long an agent is known after its last report; its spool will hardly be older.
pub const AGENT_KEEP: Duration = Duration::from_secs(30 * 86_400);

/// An agent that was seen within this time is expected to ship more; the watermark waits for it.
pub const AGENT_LIVE: Duration = Duration::from_secs(60);

/// Longest time between two reports that is taken for usual.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// How far an agent may be behind the furthest before the detectors no longer wait for it: one that works off a backlog,
/// or whose clock is hours behind, must not make everybody blind. Its windows are stored and shown all the same; the
/// detectors count them as late.
pub const LAG: Duration = Duration::from_secs(5 * 60);

/// How far the detectors may go, and who is left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What ended before this moment is judged.
    pub watermark: Timestamp,
    /// Live agents that are more than [`LAG`] behind the furthest.
    pub lagging: usize,
}

/// The moment that a report's coverage is counted under: the start of its newest window, else when it was made, by a
/// clock that is not ours and therefore held between the epoch and `now`.
pub fn coverage_at(report: &Report, now: Timestamp) -> Timestamp {
    let newest = report.windows.iter().map(|w| w.start).max();
    newest.unwrap_or_else(|| report.made.max(Timestamp::EPOCH).min(now))
}

/// Agents, sequences and aliases.
#[derive(Debug, Default)]
pub struct Ledger {
    agents: BTreeMap<String, Agent>,
    aliases: Aliases,
    refused_aliases: u64,
}

/// One agent and how far each of its incarnations is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// As the API shows it.
    pub row: AgentRow,
    /// (incarnation, last sequence), ascending.
    pub incarnations: Vec<(u64, u64)>,
    /// Whether its last report said that it stops. Like all below, missing from older stores.
    #[serde(default)]
    pub is_stopped: bool,
    /// When its last report was made, by its clock.
    #[serde(default)]
    pub made: Timestamp,
    /// Usual time between the makings of its reports in microseconds; 0 while it is not known.
    #[serde(default)]
    pub interval_us: u64,
}

impl Ledger {
    /// What appending this report would be.
    pub fn admit(&self, report: &Report) -> Appended {
        let (id, sequence) = (&report.agent, report.sequence);
        let Some(agent) = self.agents.get(&id.name) else {
            return if self.agents.len() < AGENTS { Appended::Stored } else { Appended::TooManyAgents };
        };
        match agent.incarnations.iter().find(|(incarnation, _)| *incarnation == id.incarnation) {
            Some((_, last)) if sequence == *last && agent.is_another(report) => Appended::Conflict,
            Some((_, last)) if sequence <= *last => Appended::Duplicate,
            Some(_) => Appended::Stored,
            None if agent.is_forgotten(id.incarnation) => Appended::Stale,
            None => Appended::Stored,
        }
    }

    /// The agent as it will be once this report is stored.
    pub fn after(&self, report: &Report, now: Timestamp) -> Agent {
        let mut agent = self.agents.get(&report.agent.name).cloned().unwrap_or_else(|| Agent::new(&report.agent.name));
        agent.note(report, now);
        agent
    }

    /// Transactions of a report that come after their window was complete, by what the agent said before: they are in the
    /// numbers, but whoever looked earlier did not see them.
    pub fn late(&self, report: &Report) -> u64 {
        let Some(agent) = self.agents.get(&report.agent.name) else { return 0 };
        if agent.row.incarnation != report.agent.incarnation {
            return 0;
        }
        let is_late = |w: &&Window| w.range().to <= agent.row.watermark;
        report.windows.iter().filter(is_late).fold(0, |sum, w| sum.saturating_add(w.count()))
    }

    /// Takes an agent as it is now.
    pub fn put(&mut self, agent: Agent) {
        self.agents.insert(agent.row.name.clone(), agent);
    }

    /// Takes an alias; refused ones are counted.
    pub fn alias(&mut self, alias: &RouteAlias) {
        if self.aliases.insert(alias).is_err() {
            self.refused_aliases += 1;
        }
    }

    /// Last sequence stored of an incarnation; 0 before the first.
    pub fn sequence(&self, id: &AgentId) -> u64 {
        let agent = self.agents.get(&id.name);
        let known = agent.and_then(|a| a.incarnations.iter().find(|(incarnation, _)| *incarnation == id.incarnation));
        known.map_or(0, |(_, last)| *last)
    }

    /// Names of agents that were not seen since `before`; [`Ledger::remove`] makes room for others.
    pub fn unseen(&self, before: Timestamp) -> Vec<String> {
        self.agents.values().filter(|a| a.row.last_seen < before).map(|a| a.row.name.clone()).collect()
    }

    /// Forgets an agent.
    pub fn remove(&mut self, name: &str) {
        self.agents.remove(name);
    }

    /// Present names of routes.
    pub fn aliases(&self) -> &Aliases {
        &self.aliases
    }

    /// Aliases that were not taken since the start: cycles, or beyond the budget.
    pub fn refused_aliases(&self) -> u64 {
        self.refused_aliases
    }

    /// An agent by its name.
    pub fn agent(&self, name: &str) -> Option<&Agent> {
        self.agents.get(name)
    }

    /// All agents by name, with what the API does not show.
    pub fn all(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// Agents that are known.
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Whether no agent is known.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// All agents by name, as they were when their last reports were stored.
    pub fn agents(&self) -> Agents {
        Agents { agents: self.agents.values().map(|a| a.row.clone()).collect() }
    }

    /// No transaction that ends before this moment is still expected: the least watermark among the agents that were
    /// seen since `live_since`. Without such agents nothing is expected at all, and it is the greatest of the others;
    /// the epoch when there was never one.
    pub fn watermark(&self, live_since: Timestamp) -> Timestamp {
        let rows = || self.agents.values().map(|a| &a.row);
        let live = rows().filter(|r| r.last_seen >= live_since).map(|r| r.watermark).min();
        live.or_else(|| rows().map(|r| r.watermark).max()).unwrap_or(Timestamp::EPOCH)
    }

    /// As [`Ledger::watermark`], for the detectors: without agents that lag. While nobody is live, the clock goes on for
    /// those that are gone, so that their silence is judged and what is open ends; not after a log of long ago, which
    /// ended by itself.
    pub fn progress(&self, live_since: Timestamp) -> Progress {
        let rows = || self.agents.values().map(|a| &a.row);
        let live = || rows().filter(|r| r.last_seen >= live_since).map(|r| r.watermark);
        let Some(furthest) = live().max() else {
            let last = rows().max_by_key(|r| r.watermark);
            let followed_the_clock = last.is_some_and(|r| r.watermark + LAG >= r.last_seen);
            let known = last.map_or(Timestamp::EPOCH, |r| r.watermark);
            let watermark = if followed_the_clock { known.max(live_since) } else { known };
            return Progress { watermark, lagging: 0 };
        };
        let keeps_up = |watermark: &Timestamp| *watermark + LAG >= furthest;
        let watermark = live().filter(keeps_up).min().unwrap_or(furthest);
        Progress { watermark, lagging: live().filter(|w| !keeps_up(w)).count() }
    }
}

impl Agent {
    fn new(name: &str) -> Self {
        let row = AgentRow { name: name.to_owned(), ..AgentRow::default() };
        Self { row, incarnations: Vec::new(), is_stopped: false, made: Timestamp::EPOCH, interval_us: 0 }
    }

    /// Whether the last report that is stored, which has the same sequence, is not this one: made at another moment.
    fn is_another(&self, report: &Report) -> bool {
        self.row.incarnation == report.agent.incarnation && self.made > Timestamp::EPOCH && self.made != report.made
    }

    fn is_forgotten(&self, incarnation: u64) -> bool {
        let oldest = self.incarnations.first().map_or(0, |(oldest, _)| *oldest);
        self.incarnations.len() >= INCARNATIONS && incarnation < oldest
    }

    fn note(&mut self, report: &Report, now: Timestamp) {
        let id = &report.agent;
        match self.incarnations.binary_search_by_key(&id.incarnation, |(incarnation, _)| *incarnation) {
            Ok(i) => self.incarnations[i].1 = report.sequence,
            Err(i) => self.incarnations.insert(i, (id.incarnation, report.sequence)),
        }
        if self.incarnations.len() > INCARNATIONS {
            self.incarnations.remove(0);
        }
        self.row.coverage.merge(&report.coverage);
        self.row.last_seen = now;
        if id.incarnation < self.row.incarnation {
            return;
        }
        self.note_interval(report);
        self.is_stopped = report.is_last;
        self.row.incarnation = id.incarnation;
        self.row.sequence = report.sequence;
        self.row.program.clone_from(&report.program);
        // What is still to come cannot lie in the future: an agent that is done says "nothing more" by a far moment.
        // Nor did anything come before the epoch.
        self.row.watermark = report.watermark.max(Timestamp::EPOCH).min(now);
        self.row.gauges = report.gauges;
        self.row.backlog = report.backlog;
    }

    /// Learns how often it reports: from when reports are made, so that working off a backlog changes nothing. A pause
    /// counts as a few intervals at most, and not at all over a stop.
    fn note_interval(&mut self, report: &Report) {
        let gap = u64::try_from(report.made.since(self.made).as_micros()).unwrap_or(u64::MAX);
        if self.made > Timestamp::EPOCH && gap > 0 && !self.is_stopped {
            let pause = self.interval_us.saturating_mul(4).saturating_add(10_000_000);
            let gap = gap.min(pause).min(INTERVAL.as_micros() as u64);
            self.interval_us = if self.interval_us == 0 { gap } else { (self.interval_us * 7 + gap) / 8 };
        }
        self.made = report.made;
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::Backlog;

    use super::*;

    fn report(incarnation: u64, sequence: u64, watermark: i64) -> Report {
        Report {
            agent: AgentId { name: "a".into(), incarnation },
            sequence,
            watermark: Timestamp::from_secs(watermark),
            ..Report::default()
        }
    }

    fn take(ledger: &mut Ledger, report: &Report, now: Timestamp) -> Appended {
        let answer = ledger.admit(report);
        if answer == Appended::Stored {
            ledger.put(ledger.after(report, now));
        }
        answer
    }

    #[test]
    fn each_sequence_of_an_incarnation_counts_once() {
        let mut ledger = Ledger::default();
        for (incarnation, sequence, want) in [
            (1, 1, Appended::Stored),
            (1, 1, Appended::Duplicate),
            (1, 3, Appended::Stored),
            (1, 2, Appended::Duplicate),
            (2, 1, Appended::Stored),
            (1, 4, Appended::Stored),
            (2, 1, Appended::Duplicate),
        ] {
            let got = take(&mut ledger, &report(incarnation, sequence, 0), Timestamp::EPOCH);
            assert_eq!(got, want, "{incarnation} {sequence}");
        }
        let row = &ledger.agents().agents[0];
        assert_eq!((row.incarnation, row.sequence), (2, 1), "the newest incarnation is shown");
    }

    #[test]
    fn the_usual_interval_is_learnt_from_when_reports_are_made() {
        for (name, gaps, seconds) in [
            ("steady", vec![5; 100], 5..=5),
            ("seldom", vec![300; 300], 290..=300),
            ("a backlog, and a pause", [vec![1; 100], vec![86_400], vec![1; 20]].concat(), 1..=3),
            ("a clock that goes back", [vec![1; 50], vec![-9_000], vec![1; 50]].concat(), 1..=1),
        ] {
            let (mut ledger, mut made) = (Ledger::default(), 1_000_000);
            for (gap, sequence) in gaps.into_iter().zip(1..) {
                made += gap;
                let made = Timestamp::from_secs(made);
                take(&mut ledger, &Report { made, ..report(1, sequence, 0) }, Timestamp::EPOCH);
            }
            let usual = ledger.agent("a").map_or(0, |a| a.interval_us) / 1_000_000;
            assert!(seconds.contains(&usual), "{name}: {usual}");
        }
    }

    #[test]
    fn agents_of_older_stores_are_read() {
        let row = r#"{"row":{"name":"web-1","incarnation":7,"sequence":3,"program":"0.1.0","last_seen":"2026-01-12T08:30:00Z",
            "clock_offset_ms":-4,"watermark":"2026-01-12T08:29:50Z","coverage":{"lines_read":1,"bytes_read":9,
            "transactions":1,"reasons":{}}},"incarnations":[[7,3]]}"#;
        let agent: Agent = serde_json::from_str(row).expect("is read");
        assert_eq!((agent.row.sequence, agent.row.backlog, agent.is_stopped), (3, None, false));
        let now = Timestamp::from_secs(1_768_206_600);
        let mut ledger = Ledger::default();
        ledger.put(agent);
        let last = Report { is_last: true, backlog: Some(Backlog::default()), ..report(7, 4, 0) };
        let last = Report { agent: AgentId { name: "web-1".into(), incarnation: 7 }, ..last };
        assert_eq!(take(&mut ledger, &last, now), Appended::Stored);
        let written = serde_json::to_string(ledger.agent("web-1").expect("is known")).expect("is written");
        let agent: Agent = serde_json::from_str(&written).expect("is read");
        assert_eq!((agent.row.backlog, agent.is_stopped), (Some(Backlog::default()), true));
    }

    #[test]
    fn another_report_with_the_same_sequence_is_no_repeat() {
        let mut ledger = Ledger::default();
        let made = |seconds, sequence| Report { made: Timestamp::from_secs(seconds), ..report(1, sequence, 0) };
        for (seconds, sequence, want) in [
            (10, 1, Appended::Stored),
            (11, 2, Appended::Stored),
            (11, 2, Appended::Duplicate),
            (12, 2, Appended::Conflict),
            (10, 1, Appended::Duplicate),
        ] {
            assert_eq!(take(&mut ledger, &made(seconds, sequence), Timestamp::EPOCH), want, "{seconds} {sequence}");
        }
    }

    #[test]
    fn incarnations_beyond_memory_are_not_guessed() {
        let mut ledger = Ledger::default();
        for incarnation in 10..20 {
            assert_eq!(take(&mut ledger, &report(incarnation, 1, 0), Timestamp::EPOCH), Appended::Stored);
        }
        assert_eq!(take(&mut ledger, &report(10, 1, 0), Timestamp::EPOCH), Appended::Stale);
        assert_eq!(take(&mut ledger, &report(19, 1, 0), Timestamp::EPOCH), Appended::Duplicate);
    }

    #[test]
    fn the_watermark_is_that_of_the_slowest_live_agent() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.watermark(Timestamp::EPOCH), Timestamp::EPOCH);
        let mut slow = report(1, 1, 50);
        take(&mut ledger, &slow, Timestamp::from_secs(60));
        slow.agent.name = "b".into();
        slow.watermark = Timestamp::MAX;
        take(&mut ledger, &slow, Timestamp::from_secs(100));
        for (live_since, want) in [(0, 50), (90, 100), (200, 100)] {
            assert_eq!(ledger.watermark(Timestamp::from_secs(live_since)), Timestamp::from_secs(want), "{live_since}");
        }
    }

    #[test]
    fn detection_waits_for_nobody_who_lags_and_goes_on_when_all_are_gone() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.progress(Timestamp::EPOCH), Progress { watermark: Timestamp::EPOCH, lagging: 0 });
        for (name, watermark) in [("a", 99_990), ("b", 99_800), ("hours behind", 70_000)] {
            let mut report = report(1, 1, watermark);
            report.agent.name = name.into();
            take(&mut ledger, &report, Timestamp::from_secs(100_000));
        }
        assert_eq!(ledger.watermark(Timestamp::from_secs(99_940)), Timestamp::from_secs(70_000), "what is shown waits");
        for (live_since, watermark, lagging) in [(99_940, 99_800, 1), (100_100, 100_100, 0), (200_000, 200_000, 0)] {
            let want = Progress { watermark: Timestamp::from_secs(watermark), lagging };
            assert_eq!(ledger.progress(Timestamp::from_secs(live_since)), want, "{live_since}");
        }
        let mut file = Ledger::default();
        take(&mut file, &report(1, 1, 50), Timestamp::from_secs(100_000));
        assert_eq!(
            file.progress(Timestamp::from_secs(200_000)).watermark,
            Timestamp::from_secs(50),
            "a log of long ago"
        );
    }
}
