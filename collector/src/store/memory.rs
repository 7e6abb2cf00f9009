//! The engine in memory: for one process that reads and shows, and the plain reference for the others.
//!
//! In: reports. Out: windows. Every level is brought up to date at once, so there is nothing to roll up; it forgets
//! everything when dropped. Its size is bounded by retention and by the agents' budgets for cells.

use std::collections::BTreeMap;

use pitot_model::{Coverage, Report, Resource, TimeRange, Timestamp, Window, api::StoreStats};

use super::{Appended, Cube, Ledger, Levels, Store, StoreError};

/// Deltas of one slot and resource that are kept apart before they are summed; more makes appending cheaper and
/// reading dearer.
const DELTAS: usize = 8;

/// Windows in memory.
#[derive(Debug)]
pub struct Memory {
    levels: Levels,
    slots: BTreeMap<(Cube, usize, Timestamp), BTreeMap<Resource, Vec<Window>>>,
    coverage: BTreeMap<(usize, Timestamp), Coverage>,
    /// As long as `levels`.
    horizons: Vec<Timestamp>,
    newest: Option<Timestamp>,
    ledger: Ledger,
}

impl Memory {
    /// An empty store with these levels.
    pub fn new(levels: Levels) -> Self {
        let horizons = vec![TimeRange::ALL.from; levels.len()];
        Self {
            levels,
            slots: BTreeMap::new(),
            coverage: BTreeMap::new(),
            horizons,
            newest: None,
            ledger: Ledger::default(),
        }
    }

    fn add(&mut self, cube: Cube, level: usize, window: &Window) {
        let mut delta = window.clone();
        delta.width = self.levels.width(level);
        delta.start = window.start.floor(delta.width);
        let slot = self.slots.entry((cube, level, delta.start)).or_default();
        let deltas = slot.entry(window.resource.clone()).or_default();
        deltas.push(delta);
        if deltas.len() > DELTAS
            && let Some(sum) = Window::sum(deltas.iter())
        {
            *deltas = vec![sum];
        }
    }
}

impl Store for Memory {
    fn levels(&self) -> &Levels {
        &self.levels
    }

    fn append(&mut self, report: &Report, now: Timestamp) -> Result<Appended, StoreError> {
        let admitted = self.ledger.admit(&report.agent, report.sequence);
        if admitted != Appended::Stored {
            return Ok(admitted);
        }
        for window in &report.windows {
            for cube in Cube::ALL {
                let folded = cube.fold(window);
                for level in 0..self.levels.len() {
                    self.add(cube, level, &folded);
                }
            }
            let end = window.start.floor(self.levels.finest()) + self.levels.finest();
            self.newest = self.newest.max(Some(end));
        }
        let at = super::ledger::coverage_at(report);
        for level in 0..self.levels.len() {
            let slot = at.floor(self.levels.width(level));
            self.coverage.entry((level, slot)).or_default().merge(&report.coverage);
        }
        for alias in &report.aliases {
            self.ledger.alias(alias);
        }
        self.ledger.put(self.ledger.after(report, now));
        Ok(Appended::Stored)
    }

    fn scan(
        &self,
        cube: Cube,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&Window),
    ) -> Result<(), StoreError> {
        if !range.is_empty() {
            let slots = self.slots.range((cube, level, range.from)..(cube, level, range.to));
            slots.flat_map(|(_, slot)| slot.values().flatten()).for_each(visit);
        }
        Ok(())
    }

    fn coverage(&self, level: usize, range: TimeRange) -> Result<Coverage, StoreError> {
        let mut sum = Coverage::default();
        if !range.is_empty() {
            self.coverage.range((level, range.from)..(level, range.to)).for_each(|(_, c)| sum.merge(c));
        }
        Ok(sum)
    }

    fn horizon(&self, level: usize) -> Timestamp {
        self.horizons[level]
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn roll_up(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn waiting(&self) -> usize {
        0
    }

    fn forget(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let mut n_windows = 0;
        for level in 0..self.levels.len() {
            let Some(cutoff) = self.levels.cutoff(level, now) else { continue };
            for cube in Cube::ALL {
                let old: Vec<_> = self
                    .slots
                    .range((cube, level, TimeRange::ALL.from)..(cube, level, cutoff))
                    .map(|(key, _)| *key)
                    .collect();
                for slot in old.iter().filter_map(|key| self.slots.remove(key)) {
                    n_windows += slot.values().map(|deltas| deltas.len() as u64).sum::<u64>();
                    self.horizons[level] = self.horizons[level].max(cutoff);
                }
            }
            self.coverage.retain(|(l, slot), _| *l != level || *slot >= cutoff);
        }
        for name in self.ledger.unseen(now - super::ledger::AGENT_KEEP) {
            self.ledger.remove(&name);
        }
        Ok(n_windows)
    }

    fn persist(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    fn stats(&self) -> StoreStats {
        let level = super::sharpest(&self.horizons);
        let range = (Cube::Routes, level, TimeRange::ALL.from)..(Cube::Routes, level, Timestamp::MAX);
        let oldest = self.slots.range(range).next().map(|((_, _, start), _)| *start);
        StoreStats {
            windows: self.slots.values().flat_map(BTreeMap::values).map(|deltas| deltas.len() as u64).sum(),
            disk_bytes: 0,
            oldest,
            newest: self.newest,
        }
    }
}
