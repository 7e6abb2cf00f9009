//! Marks in the embedded store: one value per key and hour, read, added to and written in the batch of the report.
//!
//! In: marks of a report. Out: inserts of its batch; marks of a range. Keys: `key.rs`.

use std::collections::BTreeMap;

use fjall::OwnedWriteBatch;
use pitot_model::{MARK_WIDTH, Mark, TimeRange, Timestamp, wire};

use super::{Embedded, key, open};
use crate::store::{StoreError, marks};

/// Hours whose number of marks is remembered. Data comes for the present hour, or hour after hour.
const HOURS: usize = 48;

/// Marks by hour, of hours that were added to lately.
pub(super) type Counts = BTreeMap<Timestamp, usize>;

impl Embedded {
    /// Adds marks to those that are there. Gives how many there are then in the hours concerned, for when the batch is written.
    pub(super) fn add_marks(&self, batch: &mut OwnedWriteBatch, new: &[Mark]) -> Result<Counts, StoreError> {
        let (mut sums, mut counts) = (BTreeMap::<Vec<u8>, Mark>::new(), Counts::new());
        for mark in new {
            let hour = mark.key.hour.floor(MARK_WIDTH);
            let n_marks = match counts.get(&hour).or_else(|| self.mark_counts.get(&hour)) {
                Some(n) => *n,
                None => self.count_marks(hour)?,
            };
            let mut mark = mark.clone();
            mark.key.hour = hour;
            let mut at = key::mark(&mark.key);
            if !self.has_mark(&sums, &at)? {
                mark.key = marks::room(mark.key, n_marks);
                at = key::mark(&mark.key);
            }
            let is_new = !self.has_mark(&sums, &at)?;
            counts.insert(hour, n_marks + usize::from(is_new));
            let stored = if sums.contains_key(&at) { None } else { self.mark(&at)? };
            let sum = sums.entry(at).or_insert_with(|| Mark { key: mark.key, ..Mark::default() });
            sum.sum.merge(&mark.sum);
            stored.iter().for_each(|stored| sum.sum.merge(&stored.sum));
        }
        for (at, mark) in sums {
            batch.insert(&self.coverage, at, wire::encode_mark(&mark));
        }
        Ok(counts)
    }

    /// Remembers how many there are.
    pub(super) fn note_marks(&mut self, counts: Counts) {
        if self.mark_counts.len() + counts.len() > HOURS {
            self.mark_counts.clear();
        }
        self.mark_counts.extend(counts);
    }

    pub(super) fn visit_marks(&self, range: TimeRange, visit: &mut dyn FnMut(&Mark)) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        for guard in self.coverage.range(key::marks(range.from)..key::marks(range.to)) {
            let value = guard.value().map_err(|e| open::error(e, &self.path))?;
            decode(&value)?.iter().for_each(&mut *visit);
        }
        Ok(())
    }

    fn has_mark(&self, sums: &BTreeMap<Vec<u8>, Mark>, at: &[u8]) -> Result<bool, StoreError> {
        if sums.contains_key(at) {
            return Ok(true);
        }
        self.coverage.contains_key(at).map_err(|e| open::error(e, &self.path))
    }

    fn mark(&self, at: &[u8]) -> Result<Option<Mark>, StoreError> {
        let value = self.coverage.get(at).map_err(|e| open::error(e, &self.path))?;
        value.map_or(Ok(None), |bytes| decode(&bytes))
    }

    fn count_marks(&self, hour: Timestamp) -> Result<usize, StoreError> {
        let mut n_marks = 0;
        for guard in self.coverage.range(key::marks(hour)..key::marks(hour + MARK_WIDTH)) {
            guard.key().map_err(|e| open::error(e, &self.path))?;
            n_marks += 1;
        }
        Ok(n_marks)
    }
}

/// A mark of a kind that this program does not know is none.
fn decode(bytes: &[u8]) -> Result<Option<Mark>, StoreError> {
    wire::decode_mark(bytes).map_err(|e| StoreError::Damaged(e.to_string()))
}
