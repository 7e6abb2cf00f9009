//! Rolling up: what waits at the finest level is added to the coarser ones, and deltas of a slot are joined.
//!
//! In: the waiting deltas. Out: one batch; every answer is the same before and after it.

use std::collections::BTreeMap;

use fjall::OwnedWriteBatch;
use pitot_model::{Resource, TimeRange, Timestamp, Window};

use super::{
    Embedded, Head,
    key::{self, WindowKey},
    open,
};
use crate::store::{Cube, StoreError};

/// Deltas of one slot and resource that may lie apart; the next one joins them all. Low makes reading cheap, high makes
/// rolling up cheap.
const DELTAS: usize = 8;

/// Deltas that one round takes, and their bytes in the full cube: bounds its memory, and how long nobody
/// else is answered. What is left takes further rounds.
const ROUND: usize = 512;
const ROUND_BYTES: u64 = 1 << 20;

/// Deltas of one slot and resource, and their keys' numbers where they are stored at the level they are going to.
#[derive(Default)]
struct Gathered {
    windows: Vec<Window>,
    numbers: Vec<u64>,
}

impl Embedded {
    /// Rolls up some of what waits, the oldest first.
    pub(super) fn round(&mut self) -> Result<(), StoreError> {
        let taken = self.taken()?;
        let (mut batch, mut head) = (self.db.batch(), self.head.clone());
        for cube in Cube::ALL {
            self.roll_cube(&mut batch, &mut head, cube, &taken)?;
        }
        for (.., number) in &taken {
            batch.remove(&self.waiting, number.to_be_bytes());
        }
        head.waiting = Some((self.fresh.len() - taken.len()) as u64);
        self.commit(batch, head)?;
        for delta in taken {
            self.fresh.remove(&delta);
        }
        Ok(())
    }

    /// Adds windows that the finer levels no longer keep to those that do, as (finest level that keeps it, window). The
    /// horizons of the finer ones move with them: nothing is asked there that only the coarser ones know.
    pub(super) fn add_late(
        &self,
        batch: &mut OwnedWriteBatch,
        head: &mut Head,
        late: &[(usize, &Window)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let coarsest = late.iter().map(|(level, _)| *level).max().unwrap_or(0);
        for (level, horizon_us) in head.horizons_us.iter_mut().enumerate().take(coarsest) {
            let cutoff = self.levels.cutoff(level, now).unwrap_or(TimeRange::ALL.from);
            *horizon_us = (*horizon_us).max(cutoff.as_micros());
        }
        // Summed before they are folded into cubes: there are many windows to a slot.
        let mut by_slot: BTreeMap<(usize, Timestamp, &Resource), Vec<&Window>> = BTreeMap::new();
        for (level, window) in late {
            let start = window.start.floor(self.levels.width(*level));
            by_slot.entry((*level, start, &window.resource)).or_default().push(window);
        }
        let whole: Vec<(usize, Window)> =
            by_slot.into_iter().filter_map(|((level, _, _), parts)| Some((level, Window::sum(parts)?))).collect();
        for cube in Cube::ALL {
            let mut sums = Vec::new();
            for level in 1..self.levels.len() {
                let arrived = whole.iter().filter(|(first, _)| *first == level).map(|(_, window)| cube.fold(window));
                let mut slots: BTreeMap<(Timestamp, Resource), Gathered> = BTreeMap::new();
                for window in std::mem::take(&mut sums).into_iter().chain(arrived) {
                    let slot = (window.start.floor(self.levels.width(level)), window.resource.clone());
                    slots.entry(slot).or_default().windows.push(window);
                }
                for ((start, _), gathered) in slots {
                    sums.extend(self.roll_slot(batch, head, cube, level, start, gathered)?);
                }
            }
        }
        Ok(())
    }

    /// What the next round rolls up, as in `fresh`; at least one delta. Those of one resource are taken together: the more
    /// of them are joined, the less is written.
    fn taken(&self) -> Result<Vec<(Timestamp, u64, u64)>, StoreError> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        for &(start, resource, number) in self.fresh.iter().take(ROUND) {
            let key = WindowKey { cube: Cube::Full, level: 0, start, resource, number };
            let size = self.windows.size_of(key.bytes()).map_err(|e| open::error(e, &self.path))?;
            bytes += u64::from(size.unwrap_or(0));
            if bytes > ROUND_BYTES && !taken.is_empty() {
                break;
            }
            taken.push((start, resource, number));
        }
        Ok(taken)
    }

    fn roll_cube(
        &self,
        batch: &mut OwnedWriteBatch,
        head: &mut Head,
        cube: Cube,
        taken: &[(Timestamp, u64, u64)],
    ) -> Result<(), StoreError> {
        let mut slots: BTreeMap<(Timestamp, Resource), Gathered> = BTreeMap::new();
        for &(start, resource, number) in taken {
            let key = WindowKey { cube, level: 0, start, resource, number };
            let Some(window) = self.read(&key.bytes())? else { continue };
            let slot = slots.entry((start, window.resource.clone())).or_default();
            slot.windows.push(window);
            slot.numbers.push(number);
        }
        for level in 0..self.levels.len() {
            let mut sums = Vec::with_capacity(slots.len());
            for ((start, _), gathered) in std::mem::take(&mut slots) {
                sums.extend(self.roll_slot(batch, head, cube, level, start, gathered)?);
            }
            let Some(next) = self.levels.all().get(level + 1) else { break };
            for window in sums {
                let slot = (window.start.floor(next.width), window.resource.clone());
                slots.entry(slot).or_default().windows.push(window);
            }
        }
        Ok(())
    }

    /// Writes the sum of what was gathered for a slot, and answers it. Deltas that are stored there already are replaced
    /// by the sum where that saves something.
    fn roll_slot(
        &self,
        batch: &mut OwnedWriteBatch,
        head: &mut Head,
        cube: Cube,
        level: usize,
        start: Timestamp,
        gathered: Gathered,
    ) -> Result<Option<Window>, StoreError> {
        let Gathered { windows, numbers } = gathered;
        let Some(mut sum) = Window::sum(&windows) else { return Ok(None) };
        (sum.start, sum.width) = (start, self.levels.width(level));
        let resource = key::resource_hash(&sum.resource);
        let older = self.older(cube, level, start, resource, &numbers)?;
        if numbers.len() == 1 && older.len() < DELTAS {
            return Ok(Some(sum));
        }
        for number in numbers {
            self.remove(batch, head, WindowKey { cube, level: level as u8, start, resource, number }.bytes());
        }
        let mut written = sum.clone();
        if older.len() >= DELTAS {
            for number in older {
                let key = WindowKey { cube, level: level as u8, start, resource, number }.bytes();
                // Another resource may share the hash: its deltas stay as they are.
                if let Some(window) = self.read(&key)?.filter(|w| w.resource == sum.resource) {
                    written.merge(&window);
                    self.remove(batch, head, key);
                }
            }
        }
        let number = head.next;
        head.next += 1;
        self.insert(batch, head, WindowKey { cube, level: level as u8, start, resource, number }, &written);
        Ok(Some(sum))
    }

    /// Numbers of a slot's deltas, of one resource, that are stored and rolled up.
    fn older(
        &self,
        cube: Cube,
        level: usize,
        start: Timestamp,
        resource: u64,
        taken: &[u64],
    ) -> Result<Vec<u64>, StoreError> {
        let mut out = Vec::new();
        for guard in self.windows.prefix(key::series(cube, level as u8, start, resource)) {
            let key = guard.key().map_err(|e| open::error(e, &self.path))?;
            let Some(number) = WindowKey::number_of(&key) else { continue };
            let is_fresh = level == 0 && self.fresh.contains(&(start, resource, number));
            if !is_fresh && !taken.contains(&number) {
                out.push(number);
            }
        }
        Ok(out)
    }
}
