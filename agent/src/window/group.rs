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
    /// Few per group, the most recent first.
    statuses: Vec<(Status, u64)>,
    duration: Recorder,
    ttfb: Recorder,
}

/// Dense sketches that may still be given out.
#[derive(Debug)]
pub(super) struct DenseBudget(usize);

impl Default for DenseBudget {
    fn default() -> Self {
        Self(budget::DENSE_SKETCHES)
    }
}

impl DenseBudget {
    pub(super) const fn one() -> Self {
        Self(1)
    }
}

#[derive(Debug)]
pub(super) enum Recorder {
    Sparse(Sketch),
    Dense(Box<DenseSketch>),
}

impl Default for Recorder {
    fn default() -> Self {
        Self::Sparse(Sketch::new())
    }
}

impl Recorder {
    #[inline]
    pub(super) fn record(&mut self, us: u32, dense: &mut DenseBudget) {
        match self {
            Self::Dense(d) => d.record(u64::from(us)),
            Self::Sparse(s) => {
                s.record(u64::from(us));
                if s.count() >= budget::DENSE_FROM && dense.0 > 0 {
                    dense.0 -= 1;
                    *self = Self::Dense(Box::new(DenseSketch::new(std::mem::take(s))));
                }
            }
        }
    }

    pub(super) fn into_sketch(self) -> Sketch {
        match self {
            Self::Sparse(s) => s,
            Self::Dense(d) => d.to_sketch(),
        }
    }

    pub(super) fn to_sketch(&self) -> Sketch {
        match self {
            Self::Sparse(s) => s.clone(),
            Self::Dense(d) => d.to_sketch(),
        }
    }
}

impl Group {
    #[inline]
    pub(super) fn add(&mut self, row: &Row, dense: &mut DenseBudget) {
        self.count += 1;
        self.request_bytes = self.request_bytes.saturating_add(row.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(row.response_bytes);
        match self.statuses.first_mut() {
            Some((status, n)) if *status == row.status => *n += 1,
            _ => self.add_status(row.status, 1),
        }
        if row.duration_us != UNKNOWN {
            self.duration.record(row.duration_us, dense);
        }
        if row.ttfb_us != UNKNOWN {
            self.ttfb.record(row.ttfb_us, dense);
        }
    }

    fn add_status(&mut self, status: Status, n: u64) {
        match self.statuses.iter().position(|(s, _)| *s == status) {
            Some(at) => self.statuses[at].1 += n,
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
        self.duration = Recorder::Sparse(stats.duration);
        self.ttfb = Recorder::Sparse(stats.ttfb);
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
