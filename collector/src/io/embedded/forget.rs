//! Forgetting: what is older than its level's retention goes, some of it per call, so that nobody waits long for it.
//!
//! In: cutoffs. Out: batches that remove keys; the first one moves the horizon, so that no question reads what is half
//! gone.

use pitot_model::{TimeRange, Timestamp};

use super::{Embedded, key, open};
use crate::store::{Cube, StoreError, ledger};

/// Keys that one batch removes.
const BATCH: usize = 4_096;

/// Keys that one call removes, about: a few tenths of a second.
const CALL: u64 = 4 * BATCH as u64;

/// What is forgotten at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Windows(Cube, usize),
    Coverage(usize),
    Marks,
}

impl Part {
    /// First key of the slots that start at this moment or later.
    fn key(self, start: Timestamp) -> Vec<u8> {
        match self {
            Self::Windows(cube, level) => key::slot(cube, level as u8, start).to_vec(),
            Self::Coverage(level) => key::coverage(level as u8, start).to_vec(),
            Self::Marks => key::marks(start).to_vec(),
        }
    }
}

impl Embedded {
    /// Some of what should go; 0 when nothing of it is left.
    pub(super) fn forget_some(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        let mut n_gone = 0;
        for level in 0..self.levels.len() {
            let Some(cutoff) = self.levels.cutoff(level, now) else { continue };
            // What no coarser level holds yet must not go.
            while level == 0 && self.fresh.first().is_some_and(|(start, ..)| *start < cutoff) {
                self.round()?;
            }
            for part in Cube::ALL.map(|cube| Part::Windows(cube, level)).into_iter().chain([Part::Coverage(level)]) {
                if n_gone < CALL {
                    n_gone += self.forget_part(part, cutoff)?;
                }
            }
        }
        if let Some(cutoff) = self.levels.cutoff(self.levels.len() - 1, now)
            && n_gone < CALL
        {
            n_gone += self.forget_part(Part::Marks, cutoff)?;
            self.mark_counts = self.mark_counts.split_off(&cutoff);
        }
        if n_gone == 0 {
            self.forget_agents(now - ledger::AGENT_KEEP)?;
        }
        Ok(n_gone)
    }

    fn forget_part(&mut self, part: Part, cutoff: Timestamp) -> Result<u64, StoreError> {
        let keyspace = if let Part::Windows(..) = part { self.windows.clone() } else { self.coverage.clone() };
        let to = part.key(cutoff);
        let (mut n_gone, mut from) =
            (0, self.forgetting.remove(&part).unwrap_or_else(|| part.key(TimeRange::ALL.from)));
        while n_gone < CALL {
            if from >= to {
                return Ok(n_gone);
            }
            let old = keyspace.range(from.clone()..to.clone()).take(BATCH).map(fjall::Guard::key);
            let old = old.collect::<fjall::Result<Vec<_>>>().map_err(|e| open::error(e, &self.path))?;
            let Some(last) = old.last() else { return Ok(n_gone) };
            from = [last, &[0][..]].concat();
            let (mut batch, mut head) = (self.db.batch(), self.head.clone());
            old.iter().for_each(|key| batch.remove(&keyspace, key.clone()));
            if let Part::Windows(_, level) = part {
                head.windows = head.windows.saturating_sub(old.len() as u64);
                head.horizons_us[level] = head.horizons_us[level].max(cutoff.as_micros());
            }
            self.commit(batch, head)?;
            n_gone += old.len() as u64;
        }
        self.forgetting.insert(part, from);
        Ok(n_gone)
    }

    fn forget_agents(&mut self, before: Timestamp) -> Result<(), StoreError> {
        let names = self.ledger.unseen(before);
        if names.is_empty() {
            return Ok(());
        }
        let mut batch = self.db.batch();
        for name in &names {
            batch.remove(&self.meta, format!("agent/{name}"));
        }
        self.commit(batch, self.head.clone())?;
        names.iter().for_each(|name| self.ledger.remove(name));
        Ok(())
    }
}
