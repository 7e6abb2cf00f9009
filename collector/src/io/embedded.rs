//! The embedded engine: windows in fjall, an LSM tree with atomic batches, in one directory.
//!
//! In: reports. Out: windows. A report is one batch with its place in the agent's sequence, handed to the system before
//! it is acknowledged, so a killed process neither loses nor repeats one; [`Store::persist`] guards against power cuts.
//!
//! Appending writes deltas to the finest level only, with a note in `waiting`. [`Store::roll_up`] takes all that waits,
//! adds it to every coarser level and removes the notes in one batch. Until then, reading a coarser level adds the
//! waiting deltas. A slot of which many deltas have gathered is summed on the way. Layout of the keys: `key.rs`.

mod forget;
mod key;
mod marks;
mod mend;
mod open;
mod roll;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use pitot_model::{Coverage, Mark, Report, TimeRange, Timestamp, Window, api::StoreStats, wire};
use serde::{Deserialize, Serialize};

use self::{forget::Part, key::WindowKey};
use crate::store::{Agent, Appended, Cube, Ledger, Levels, Store, StoreError, ledger, sharpest};

/// Format of what is stored; a greater one is refused.
pub const FORMAT: u32 = 1;

/// Windows in a directory.
pub struct Embedded {
    id: String,
    db: Database,
    windows: Keyspace,
    waiting: Keyspace,
    coverage: Keyspace,
    meta: Keyspace,
    levels: Levels,
    head: Head,
    /// Deltas of the finest level that no coarser one holds yet, as (start, hash of the resource, number).
    fresh: BTreeSet<(Timestamp, u64, u64)>,
    /// Where [`Store::forget`] stopped: it goes on behind what it removed and does not step over that again.
    forgetting: BTreeMap<Part, Vec<u8>>,
    mark_counts: marks::Counts,
    ledger: Ledger,
    path: PathBuf,
}

/// What changes with every batch and is written with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    /// Number of the next delta.
    next: u64,
    /// Number of the next alias.
    next_alias: u64,
    /// Windows in all levels and cubes.
    windows: u64,
    /// Deltas that wait to be rolled up; `None` where an older program wrote last.
    #[serde(default)]
    waiting: Option<u64>,
    /// Greatest end of a window.
    newest: Option<i64>,
    /// In microseconds; as long as the levels.
    horizons_us: Vec<i64>,
}

impl Head {
    fn horizons(&self) -> Vec<Timestamp> {
        self.horizons_us.iter().copied().map(Timestamp::from_micros).collect()
    }
}

impl Embedded {
    fn insert(&self, batch: &mut OwnedWriteBatch, head: &mut Head, key: WindowKey, window: &Window) {
        batch.insert(&self.windows, key.bytes(), wire::encode_window(window));
        head.windows += 1;
    }

    fn remove(&self, batch: &mut OwnedWriteBatch, head: &mut Head, key: impl AsRef<[u8]>) {
        batch.remove(&self.windows, key.as_ref());
        head.windows = head.windows.saturating_sub(1);
    }

    fn commit(&mut self, mut batch: OwnedWriteBatch, head: Head) -> Result<(), StoreError> {
        batch.insert(&self.meta, "head", json(&head)?);
        batch.commit().map_err(|e| open::error(e, &self.path))?;
        self.head = head;
        Ok(())
    }

    fn read(&self, key: &[u8]) -> Result<Option<Window>, StoreError> {
        let value = self.windows.get(key).map_err(|e| open::error(e, &self.path))?;
        value.map(|bytes| decode(&bytes)).transpose()
    }

    fn add_coverage(&self, batch: &mut OwnedWriteBatch, report: &Report, now: Timestamp) -> Result<(), StoreError> {
        let at = ledger::coverage_at(report, now);
        for level in self.levels.first_kept(at, now)..self.levels.len() {
            let key = key::coverage_of(level as u8, at.floor(self.levels.width(level)), &report.agent.name);
            let stored = self.coverage.get(&key).map_err(|e| open::error(e, &self.path))?;
            let mut sum: Coverage = stored.map_or_else(|| Ok(Coverage::default()), |bytes| from_json(&bytes))?;
            sum.merge(&report.coverage);
            batch.insert(&self.coverage, key, json(&sum)?);
        }
        Ok(())
    }
}

impl Store for Embedded {
    fn id(&self) -> &str {
        &self.id
    }

    fn levels(&self) -> &Levels {
        &self.levels
    }

    fn set_levels(&mut self, levels: Levels) {
        if levels.has_widths_of(&self.levels) {
            self.levels = levels;
        }
    }

    fn append(&mut self, report: &Report, now: Timestamp) -> Result<Appended, StoreError> {
        let admitted = self.ledger.admit(report);
        if admitted != Appended::Stored {
            return Ok(admitted);
        }
        let (mut batch, mut head) = (self.db.batch(), self.head.clone());
        let mut fresh = Vec::with_capacity(report.windows.len());
        let mut late = Vec::new();
        for window in &report.windows {
            let width = self.levels.finest();
            match self.levels.first_kept(window.start.floor(width), now) {
                0 => {}
                level => {
                    late.push((level, window));
                    head.newest = head.newest.max(Some((window.start.floor(width) + width).as_micros()));
                    continue;
                }
            }
            let (start, resource, number) =
                (window.start.floor(width), key::resource_hash(&window.resource), head.next);
            head.next += 1;
            head.newest = head.newest.max(Some((start + width).as_micros()));
            for cube in Cube::ALL {
                let mut delta = cube.fold(window);
                (delta.start, delta.width) = (start, width);
                self.insert(&mut batch, &mut head, WindowKey { cube, level: 0, start, resource, number }, &delta);
            }
            batch.insert(&self.waiting, number.to_be_bytes(), key::waiting(start, resource));
            fresh.push((start, resource, number));
        }
        self.add_late(&mut batch, &mut head, &late, now)?;
        self.add_coverage(&mut batch, report, now)?;
        let mark_counts = self.add_marks(&mut batch, &report.marks)?;
        for alias in &report.aliases {
            batch.insert(&self.meta, open::alias_key(head.next_alias), open::alias_json(alias)?);
            head.next_alias += 1;
        }
        let agent: Agent = self.ledger.after(report, now);
        batch.insert(&self.meta, format!("agent/{}", agent.row.name), json(&agent)?);
        head.waiting = Some((self.fresh.len() + fresh.len()) as u64);
        self.commit(batch, head)?;
        self.fresh.extend(fresh);
        self.note_marks(mark_counts);
        self.ledger.put(agent);
        report.aliases.iter().for_each(|alias| self.ledger.alias(alias));
        Ok(Appended::Stored)
    }

    fn scan(
        &self,
        cube: Cube,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&Window),
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let (from, to) = (key::slot(cube, level as u8, range.from), key::slot(cube, level as u8, range.to));
        for guard in self.windows.range(from..to) {
            visit(&decode(&guard.value().map_err(|e| open::error(e, &self.path))?)?);
        }
        if level > 0 {
            for &(start, resource, number) in self.fresh.range((range.from, 0, 0)..(range.to, 0, 0)) {
                let key = WindowKey { cube, level: 0, start, resource, number }.bytes();
                self.read(&key)?.iter().for_each(&mut *visit);
            }
        }
        Ok(())
    }

    fn coverage_by_agent(
        &self,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&str, Timestamp, &Coverage),
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let (from, to) = (key::coverage(level as u8, range.from), key::coverage(level as u8, range.to));
        for guard in self.coverage.range(from..to) {
            let (key, value) = guard.into_inner().map_err(|e| open::error(e, &self.path))?;
            let (start, agent) =
                key::covered(&key).ok_or_else(|| StoreError::Damaged("a key of coverage is cut".into()))?;
            visit(agent, start, &from_json(&value)?);
        }
        Ok(())
    }

    fn marks(&self, range: TimeRange, visit: &mut dyn FnMut(&Mark)) -> Result<(), StoreError> {
        self.visit_marks(range, visit)
    }

    fn horizon(&self, level: usize) -> Timestamp {
        Timestamp::from_micros(self.head.horizons_us[level])
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn roll_up(&mut self) -> Result<(), StoreError> {
        if self.fresh.is_empty() { Ok(()) } else { self.round() }
    }

    fn waiting(&self) -> usize {
        self.fresh.len()
    }

    fn forget(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.forget_some(now)
    }

    fn persist(&mut self) -> Result<(), StoreError> {
        self.db.persist(PersistMode::SyncData).map_err(|e| open::error(e, &self.path))
    }

    fn newest(&self) -> Option<Timestamp> {
        self.head.newest.map(Timestamp::from_micros)
    }

    fn stats(&self) -> StoreStats {
        let level = sharpest(&self.head.horizons()) as u8;
        let (from, to) =
            (key::slot(Cube::Routes, level, TimeRange::ALL.from), key::slot(Cube::Routes, level, Timestamp::MAX));
        let first = self.windows.range(from..to).next().and_then(|guard| guard.key().ok());
        let rolled = first.and_then(|key| key::start_of(&key));
        let fresh = self.fresh.first().map(|(start, ..)| *start);
        StoreStats {
            id: self.id.clone(),
            windows: self.head.windows,
            disk_bytes: self.db.disk_space().unwrap_or(0),
            oldest: rolled.into_iter().chain(fresh).min(),
            newest: self.newest(),
        }
    }
}

fn decode(bytes: &[u8]) -> Result<Window, StoreError> {
    wire::decode_window(bytes).map_err(|e| StoreError::Damaged(e.to_string()))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|e| StoreError::Damaged(e.to_string()))
}

fn from_json<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes).map_err(|e| StoreError::Damaged(e.to_string()))
}
