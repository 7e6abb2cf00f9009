//! The sums of one route or consumer. In: rows. Out: [`Stats`] and counts by status.

use std::collections::BTreeMap;

use pitot_model::{DenseSketch, Sketch, Stats, Status, api::Totals};

use super::batch::{Row, UNKNOWN};
use crate::budget;

#[derive(Debug, Default)]
pub(super) struct Group {
    pub count: u64,
    request_bytes: u64,
    response_bytes: u64,
    /// Few per group, in the order of their first appearance.
    statuses: Vec<(Status, u64)>,
    duration: Recorder,
    ttfb: Recorder,
}

/// Dense sketches that may still be given out.
#[derive(Debug)]
pub(super) struct DenseBudget {
    left: usize,
    /// Values from which on a recorder is busy enough for one.
    from: u64,
}

impl Default for DenseBudget {
    fn default() -> Self {
        Self { left: budget::DENSE_SKETCHES, from: budget::DENSE_FROM }
    }
}

impl DenseBudget {
    /// One, for whom it pays after so many values.
    pub(super) const fn one(from: u64) -> Self {
        Self { left: 1, from }
    }
}

/// Values that wait to be recorded together: sorting them and going through a sketch once costs less than searching it
/// for every one of them.
const PENDING: usize = 64;

/// A sketch that many values go into.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// At most [`PENDING`] long; empty once dense.
    pending: Vec<u32>,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Sparse(Sketch),
    Dense(Box<DenseSketch>),
}

impl Default for Kept {
    fn default() -> Self {
        Self::Sparse(Sketch::new())
    }
}

impl Recorder {
    /// A recorder that goes on where a sketch ended.
    pub(super) fn new(sketch: Sketch) -> Self {
        Self { pending: Vec::new(), kept: Kept::Sparse(sketch) }
    }

    #[inline]
    pub(super) fn record(&mut self, us: u32, dense: &mut DenseBudget) {
        if let Kept::Dense(d) = &mut self.kept {
            return d.record(u64::from(us));
        }
        self.pending.push(us);
        if self.pending.len() == PENDING {
            self.flush(dense);
        }
    }

    pub(super) fn into_sketch(self) -> Sketch {
        match self.kept {
            Kept::Sparse(mut sketch) => {
                add_all(&mut sketch, self.pending);
                sketch
            }
            Kept::Dense(d) => d.to_sketch(),
        }
    }

    fn to_sketch(&self) -> Sketch {
        match &self.kept {
            Kept::Sparse(sketch) => {
                let mut sketch = sketch.clone();
                add_all(&mut sketch, self.pending.clone());
                sketch
            }
            Kept::Dense(d) => d.to_sketch(),
        }
    }

    fn flush(&mut self, dense: &mut DenseBudget) {
        let Kept::Sparse(sketch) = &mut self.kept else { return };
        self.pending = add_all(sketch, std::mem::take(&mut self.pending));
        if sketch.count() >= dense.from && dense.left > 0 {
            dense.left -= 1;
            self.kept = Kept::Dense(Box::new(DenseSketch::new(std::mem::take(sketch))));
            self.pending = Vec::new();
        }
    }
}

/// Records values in ascending order; gives their memory back.
fn add_all(sketch: &mut Sketch, mut values: Vec<u32>) -> Vec<u32> {
    values.sort_unstable();
    let mut sum = Sketch::new();
    // Logs count in milliseconds, so there are many of a kind.
    values.chunk_by(|a, b| a == b).for_each(|same| sum.record_n(u64::from(same[0]), same.len() as u64));
    sketch.merge(&sum);
    values.clear();
    values
}

impl Group {
    #[inline]
    pub(super) fn add(&mut self, row: &Row, dense: &mut DenseBudget) {
        self.count += 1;
        self.request_bytes = self.request_bytes.saturating_add(row.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(row.response_bytes);
        self.add_status(row.status, 1);
        if row.duration_us != UNKNOWN {
            self.duration.record(row.duration_us, dense);
        }
        if row.ttfb_us != UNKNOWN {
            self.ttfb.record(row.ttfb_us, dense);
        }
    }

    #[inline]
    fn add_status(&mut self, status: Status, n: u64) {
        match self.statuses.iter_mut().find(|(s, _)| *s == status) {
            Some((_, sum)) => *sum += n,
            None => self.statuses.push((status, n)),
        }
    }

    /// Takes over what another group counted.
    pub(super) fn absorb(&mut self, other: &Self) {
        let mut stats = self.stats();
        stats.merge(&other.stats());
        for &(status, n) in &other.statuses {
            self.add_status(status, n);
        }
        self.count = stats.count;
        self.request_bytes = stats.request_bytes;
        self.response_bytes = stats.response_bytes;
        self.duration = Recorder::new(stats.duration);
        self.ttfb = Recorder::new(stats.ttfb);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            count: self.count,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            duration: self.duration.to_sketch(),
            ttfb: self.ttfb.to_sketch(),
        }
    }

    pub(super) fn totals(&self) -> Totals {
        Totals::new(&self.stats(), self.statuses.iter().copied().collect::<BTreeMap<_, _>>())
    }
}
