//! Fairness between agents. In: reports, by the names of their agents. Out: a place for each, or none.
//!
//! An agent ships one report at a time. One that sends many at once would make all others wait behind them, so it has
//! [`PLACES`], and is told to come again. Reports whose agent cannot be told count as those of one agent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Reports of one agent that are decoded, or wait for it, or to be stored, at a time. Two, since an agent that lost patience sends
/// the same again while the first is still being taken.
const PLACES: usize = 2;

/// Who is in; as many as bodies are read at a time, at most.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<String, usize>>);

/// A place, given back when dropped.
#[derive(Debug)]
pub(super) struct Lane {
    lanes: Arc<Lanes>,
    agent: String,
}

impl Lanes {
    /// A place, if there is one.
    pub(super) fn enter(self: &Arc<Self>, agent: &str) -> Option<Lane> {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get_mut(agent) {
            Some(taken) if *taken >= PLACES => return None,
            Some(taken) => *taken += 1,
            None => drop(lanes.insert(agent.to_owned(), 1)),
        }
        Some(Lane { lanes: self.clone(), agent: agent.to_owned() })
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let mut lanes = self.lanes.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lanes.get_mut(&self.agent) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(lanes.remove(&self.agent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_agent_has_places_of_its_own_and_gives_them_back() {
        let lanes = Arc::<Lanes>::default();
        let mut held: Vec<Lane> = (0..PLACES).filter_map(|_| lanes.enter("flood")).collect();
        assert_eq!(held.len(), PLACES);
        assert!(lanes.enter("flood").is_none());
        let other = lanes.enter("other");
        assert!(other.is_some());
        held.pop();
        held.extend(lanes.enter("flood"));
        assert_eq!(held.len(), PLACES);
        drop((held, other));
        assert!(lanes.0.lock().expect("is whole").is_empty());
    }
}
