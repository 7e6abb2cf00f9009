//! An engine in memory that counts how often it is brought to the disk, and fails then when it is told to.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use pitot_model::{Coverage, TimeRange, Window, api::StoreStats};

use super::*;
use crate::store::{Cube, Ledger};

/// What is seen of it, and said to it.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    pub(crate) persists: Arc<AtomicUsize>,
    pub(crate) is_failing: Arc<AtomicBool>,
}

/// Gives the core such a store, an empty one.
pub(crate) fn watch(core: &mut Core, watch: Watch) {
    let levels = core.store.levels().clone();
    core.store = Box::new(Watched(Memory::new(levels), watch));
}

/// Windows that came too late for the detectors.
pub(crate) fn passed_over(core: &Core) -> u64 {
    core.detector.stats().late
}

struct Watched(Memory, Watch);

impl Store for Watched {
    fn id(&self) -> &str {
        self.0.id()
    }
    fn levels(&self) -> &Levels {
        self.0.levels()
    }
    fn set_levels(&mut self, levels: Levels) {
        self.0.set_levels(levels);
    }
    fn append(&mut self, report: &Report, now: Timestamp) -> Result<Appended, StoreError> {
        self.0.append(report, now)
    }
    fn scan(
        &self,
        cube: Cube,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&Window),
    ) -> Result<(), StoreError> {
        self.0.scan(cube, level, range, visit)
    }
    fn coverage_by_agent(
        &self,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&str, Timestamp, &Coverage),
    ) -> Result<(), StoreError> {
        self.0.coverage_by_agent(level, range, visit)
    }
    fn marks(&self, range: TimeRange, visit: &mut dyn FnMut(&pitot_model::Mark)) -> Result<(), StoreError> {
        self.0.marks(range, visit)
    }
    fn horizon(&self, level: usize) -> Timestamp {
        self.0.horizon(level)
    }
    fn ledger(&self) -> &Ledger {
        self.0.ledger()
    }
    fn roll_up(&mut self) -> Result<(), StoreError> {
        self.0.roll_up()
    }
    fn waiting(&self) -> usize {
        self.0.waiting()
    }
    fn forget(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.0.forget(now)
    }
    fn persist(&mut self) -> Result<(), StoreError> {
        self.1.persists.fetch_add(1, Ordering::SeqCst);
        if self.1.is_failing.load(Ordering::SeqCst) { Err(StoreError::Full) } else { Ok(()) }
    }
    fn newest(&self) -> Option<Timestamp> {
        self.0.newest()
    }
    fn stats(&self) -> StoreStats {
        self.0.stats()
    }
}
