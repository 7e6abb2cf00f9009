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
/// for every one of them, and less still when they are many, so more may wait where a sketch is large anyway.
const PENDING: usize = 64;
const PENDING_MAX: usize = 1024;

/// A sketch that many values go into.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// At most [`PENDING_MAX`] long; of a dense one, [`PENDING`].
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
        self.pending.push(us);
        if self.pending.len().is_multiple_of(PENDING) {
            self.flush(dense);
        }
    }

    pub(super) fn into_sketch(mut self) -> Sketch {
        match self.kept {
            Kept::Sparse(mut sketch) => {
                add_all(&mut sketch, &mut self.pending);
                sketch
            }
            Kept::Dense(mut d) => {
                self.pending.iter().for_each(|&us| d.record(u64::from(us)));
                d.to_sketch()
            }
        }
    }

    fn to_sketch(&self) -> Sketch {
        let mut sketch = match &self.kept {
            Kept::Sparse(sketch) => sketch.clone(),
            Kept::Dense(d) => d.to_sketch(),
        };
        add_all(&mut sketch, &mut self.pending.clone());
        sketch
    }

    /// Records what waits, where that is enough.
    fn flush(&mut self, dense: &mut DenseBudget) {
        match &mut self.kept {
            Kept::Dense(d) => {
                // Nothing of these arrays is in the cache. In a row, one value need not wait for the next.
                self.pending.iter().for_each(|&us| d.record(u64::from(us)));
                self.pending.clear();
            }
            Kept::Sparse(sketch) => {
                let n = sketch.count() + self.pending.len() as u64;
                let is_dense = n >= dense.from && dense.left > 0;
                if !is_dense && self.pending.len() < PENDING_MAX && self.pending.len() as u64 <= n / 8 {
                    return;
                }
                add_all(sketch, &mut self.pending);
                if is_dense {
                    dense.left -= 1;
                    self.kept = Kept::Dense(Box::new(DenseSketch::new(std::mem::take(sketch))));
                    self.pending = Vec::new();
                }
            }
        }
    }
}

/// Records values, and forgets them.
fn add_all(sketch: &mut Sketch, values: &mut Vec<u32>) {
    values.sort_unstable();
    sketch.record_sorted(values);
    values.clear();
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
