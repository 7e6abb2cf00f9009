//! The core while its store fails. In: an engine that fails. Out: it goes on when there is room, or ends.

use pitot_model::{Coverage, TimeRange, Window, api::StoreStats};

use super::*;
use crate::store::{
    Cube, Ledger,
    contract::{at, report},
    ledger::AGENTS,
};

/// An engine that failed once, and has a bug.
struct Poisoned(Embedded);

impl Store for Poisoned {
    fn id(&self) -> &str {
        self.0.id()
    }
    fn levels(&self) -> &Levels {
        self.0.levels()
    }
    fn set_levels(&mut self, levels: Levels) {
        self.0.set_levels(levels);
    }
    fn append(&mut self, report: &Report, _: Timestamp) -> Result<Appended, StoreError> {
        assert_ne!(report.sequence, u64::MAX, "this panic is meant");
        Err(StoreError::Full)
    }
    fn scan(&self, _: Cube, _: usize, _: TimeRange, _: &mut dyn FnMut(&Window)) -> Result<(), StoreError> {
        Err(StoreError::Poisoned)
    }
    fn coverage_by_agent(
        &self,
        _: usize,
        _: TimeRange,
        _: &mut dyn FnMut(&str, Timestamp, &Coverage),
    ) -> Result<(), StoreError> {
        Err(StoreError::Poisoned)
    }
    fn marks(&self, _: TimeRange, _: &mut dyn FnMut(&pitot_model::Mark)) -> Result<(), StoreError> {
        Err(StoreError::Poisoned)
    }
    fn horizon(&self, level: usize) -> Timestamp {
        self.0.horizon(level)
    }
    fn ledger(&self) -> &Ledger {
        self.0.ledger()
    }
    fn roll_up(&mut self) -> Result<(), StoreError> {
        Err(StoreError::Poisoned)
    }
    fn waiting(&self) -> usize {
        self.0.waiting()
    }
    fn forget(&mut self, _: Timestamp) -> Result<u64, StoreError> {
        Err(StoreError::Poisoned)
    }
    fn persist(&mut self) -> Result<(), StoreError> {
        Err(StoreError::Poisoned)
    }
    fn newest(&self) -> Option<Timestamp> {
        self.0.newest()
    }
    fn stats(&self) -> StoreStats {
        self.0.stats()
    }
}

/// Stores reports of as many agents as there may be.
pub(in crate::io::service) fn crowd(core: &mut Core, now: Timestamp) {
    for i in core.store.ledger().len()..AGENTS {
        let mut report = Report { sequence: 1, ..Report::default() };
        report.agent.name = format!("agent-{i}");
        assert_eq!(core.store.append(&report, now).expect("has room"), Appended::Stored);
    }
}

/// Puts a store on a full disk in the place of its own.
pub(in crate::io::service) fn poison(core: &mut Core, data: &std::path::Path) {
    let levels = core.store.levels().clone();
    core.store = Box::new(Poisoned(Embedded::open(data, levels).expect("opens")));
}

#[test]
fn a_store_that_failed_is_opened_again_when_there_is_room() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let config = Config { data: Some(data.clone()), ..Config::default() };
    let clock: Clock = Arc::new(|| at(100));
    let (live, _) = broadcast::channel(4);
    let mut core = Core::open(config, live, &clock).expect("opens");
    core.ingest(report(1, &[(0, 3)]), Arrival { sent: None, now: at(100) }).expect("stored");
    let levels = core.store.levels().clone();
    core.store = Box::new(Memory::new(levels.clone()));
    core.store = Box::new(Poisoned(Embedded::open(&data, levels).expect("opens")));

    core.ingest(report(2, &[(0, 3)]), Arrival { sent: None, now: at(101) }).expect_err("is full");
    assert!(core.ready().is_err());
    core.tick(at(102)).expect("goes on");
    assert!(
        core.ingest(report(2, &[(0, 3)]), Arrival { sent: None, now: at(103) }).is_err(),
        "it is not tried all the time"
    );
    core.tick(at(110)).expect("goes on");
    assert!(core.ready().is_ok());
    let stored = core.ingest(report(2, &[(0, 3)]), Arrival { sent: None, now: at(111) }).expect("stored");
    assert_eq!((stored.sequence, stored.duplicate), (2, false));
}

#[test]
fn a_store_that_cannot_be_opened_again_ends_the_process() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let config = Config { data: Some(data.clone()), ..Config::default() };
    let clock: Clock = Arc::new(|| at(100));
    let (live, _) = broadcast::channel(4);
    let mut core = Core::open(config, live, &clock).expect("opens");
    let levels = core.store.levels().clone();
    let own = std::mem::replace(&mut core.store, Box::new(Memory::new(levels.clone())));
    drop(own);
    core.store = Box::new(Poisoned(Embedded::open(&data, levels).expect("opens")));
    core.ingest(report(1, &[(0, 3)]), Arrival { sent: None, now: at(101) }).expect_err("is full");
    std::fs::rename(data.join("store"), dir.path().join("away")).expect("moves");
    let cause = core.tick(at(110)).expect_err("cannot go on");
    assert!(cause.contains("cannot be opened again"), "{cause}");
}
