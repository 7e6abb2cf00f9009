//! What was last answered. In: answers by slot. Out: the newest of each, or why there is none.
//!
//! Bounded: [`SLOTS`] answers are kept, those of the latest batches; so going back shows the screen at once.

use std::collections::HashMap;

use pitot_client::Error;
use pitot_model::api::{Agents, AnomalyPage, CollectorStatus, CoverageAnswer, GroupBy, HeatMap, SeriesAnswer, Table};

use crate::event::{Answer, Slot, What};

const SLOTS: usize = 48;

/// The last answers.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    entries: HashMap<Slot, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    batch: u64,
    answer: Option<Answer>,
    /// Why the last question was refused; the answer before it is kept.
    refusal: Option<String>,
}

impl Snapshot {
    /// Takes an answer; one of an older batch than the present one is dropped.
    pub(crate) fn store(&mut self, batch: u64, slot: Slot, answer: Result<Answer, Error>) {
        let entry = self.entries.entry(slot).or_default();
        if batch < entry.batch {
            return;
        }
        entry.batch = batch;
        match answer {
            Ok(answer) => (entry.answer, entry.refusal) = (Some(answer), None),
            Err(error) if error.away().is_some() => {}
            Err(error) => entry.refusal = Some(error.to_string()),
        }
        if self.entries.len() > SLOTS
            && let Some(oldest) = self.entries.iter().min_by_key(|(_, e)| e.batch).map(|(s, _)| s.clone())
        {
            self.entries.remove(&oldest);
        }
    }

    /// Whether this was ever answered.
    pub(crate) fn has(&self, slot: &Slot) -> bool {
        self.entries.get(slot).is_some_and(|e| e.answer.is_some())
    }

    /// Why the collector refused to answer this.
    pub(crate) fn refusal(&self, what: What, filter: &str) -> Option<&str> {
        self.entries.get(&slot(what, filter))?.refusal.as_deref()
    }

    pub(crate) fn status(&self) -> Option<&CollectorStatus> {
        match self.get(What::Status, "")? {
            Answer::Status(x) => Some(x),
            _ => None,
        }
    }

    pub(crate) fn table(&self, by: GroupBy, filter: &str) -> Option<&Table> {
        match self.get(What::Rows(by), filter)? {
            Answer::Table(x) => Some(x),
            _ => None,
        }
    }

    pub(crate) fn series(&self, what: What, filter: &str) -> Option<&SeriesAnswer> {
        match self.get(what, filter)? {
            Answer::Series(x) => Some(x),
            _ => None,
        }
    }

    pub(crate) fn heat_map(&self, what: What, filter: &str) -> Option<&HeatMap> {
        match self.get(what, filter)? {
            Answer::HeatMap(x) => Some(x),
            _ => None,
        }
    }

    pub(crate) fn anomalies(&self, filter: &str) -> Option<&AnomalyPage> {
        match self.get(What::Anomalies, filter)? {
            Answer::Anomalies(x) => Some(x),
            _ => None,
        }
    }

    pub(crate) fn agents(&self) -> Option<&Agents> {
        match self.get(What::Agents, "")? {
            Answer::Agents(x) => Some(x),
            _ => None,
        }
    }

    /// What an agent read and lost.
    pub(crate) fn coverage(&self, agent: &str) -> Option<&CoverageAnswer> {
        match self.get(What::Coverage, agent)? {
            Answer::Coverage(x) => Some(x),
            _ => None,
        }
    }

    fn get(&self, what: What, filter: &str) -> Option<&Answer> {
        self.entries.get(&slot(what, filter))?.answer.as_ref()
    }
}

/// The slot of an answer.
pub(crate) fn slot(what: What, filter: &str) -> Slot {
    Slot { what, filter: filter.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(n: usize) -> Answer {
        let row = pitot_model::api::AgentRow::default();
        Answer::Agents(Agents { agents: vec![row; n] })
    }

    #[test]
    fn late_answers_do_not_replace_newer_ones() {
        let mut s = Snapshot::default();
        s.store(2, slot(What::Agents, ""), Ok(agents(2)));
        s.store(1, slot(What::Agents, ""), Ok(agents(1)));
        assert_eq!(s.agents().map(|a| a.agents.len()), Some(2));
    }

    #[test]
    fn data_stays_when_the_collector_goes_or_refuses() {
        let mut s = Snapshot::default();
        s.store(1, slot(What::Agents, ""), Ok(agents(1)));
        let away = Error::Unreachable { target: String::new(), why: String::new() };
        s.store(2, slot(What::Agents, ""), Err(away));
        assert_eq!((s.agents().is_some(), s.refusal(What::Agents, "")), (true, None));
        s.store(3, slot(What::Agents, ""), Err(Error::TooLarge { what: "the answer", limit: 1 }));
        assert!(s.agents().is_some() && s.refusal(What::Agents, "").is_some());
        s.store(4, slot(What::Agents, ""), Ok(agents(1)));
        assert_eq!(s.refusal(What::Agents, ""), None);
    }

    #[test]
    fn old_answers_make_room() {
        let mut s = Snapshot::default();
        for i in 0..200 {
            s.store(i, slot(What::Agents, &i.to_string()), Ok(agents(1)));
        }
        assert_eq!(s.entries.len(), SLOTS);
        assert!(s.has(&slot(What::Agents, "199")) && !s.has(&slot(What::Agents, "0")));
    }
}
