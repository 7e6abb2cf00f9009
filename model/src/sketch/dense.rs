//! The dense way to record: for the few series that see most of the traffic, one addition a value.
//!
//! In: microseconds. Out: a [`Sketch`]. It costs [`DenseSketch::HEAP_BYTES`] whatever it holds, so its owner decides who
//! is busy enough to get one.

use super::{BUCKETS, Sketch, index_of};

/// A recorder with an array slot per bucket.
#[derive(Debug, Clone)]
pub struct DenseSketch {
    /// [`BUCKETS`] long; drained to `before` when `n` reaches what a slot can hold.
    slots: Box<[u32]>,
    /// What was recorded before.
    before: Sketch,
    /// Values in `slots`; at most `u32::MAX`.
    n: u64,
    clipped: u64,
    sum_us: u64,
    min_us: u64,
    max_us: u64,
}

impl DenseSketch {
    /// What one costs.
    pub const HEAP_BYTES: usize = BUCKETS * 4;

    /// A recorder that goes on where `sketch` ended.
    pub fn new(sketch: Sketch) -> Self {
        let slots = vec![0; BUCKETS].into_boxed_slice();
        Self { slots, before: sketch, n: 0, clipped: 0, sum_us: 0, min_us: u64::MAX, max_us: 0 }
    }

    /// Records one value in microseconds; see [`Sketch::record`].
    #[inline]
    pub fn record(&mut self, us: u64) {
        let value = us.min(Sketch::MAX_US);
        if self.n == u64::from(u32::MAX) {
            *self = Self::new(self.to_sketch());
        }
        self.slots[index_of(value)] += 1;
        self.n += 1;
        self.clipped += u64::from(us > Sketch::MAX_US);
        self.sum_us = self.sum_us.saturating_add(value);
        self.min_us = self.min_us.min(value);
        self.max_us = self.max_us.max(value);
    }

    /// Everything that was recorded.
    pub fn to_sketch(&self) -> Sketch {
        let mut out = self.before.clone();
        if self.n == 0 {
            return out;
        }
        let mut recorded = Sketch::new();
        self.slots.iter().enumerate().filter(|(_, n)| **n > 0).for_each(|(i, n)| recorded.push(i, u64::from(*n)));
        let (clipped, sum_us, min_us, max_us) = (self.clipped, self.sum_us, self.min_us as u32, self.max_us as u32);
        out.merge(&Sketch { clipped, sum_us, min_us, max_us, ..recorded });
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_records_what_a_sketch_records(before in proptest::collection::vec(any::<u32>(), 0..50), after in proptest::collection::vec(any::<u32>(), 0..200)) {
            let mut sketch = Sketch::new();
            before.iter().for_each(|&v| sketch.record(u64::from(v)));
            let mut dense = DenseSketch::new(sketch.clone());
            for &v in &after {
                dense.record(u64::from(v));
                sketch.record(u64::from(v));
            }
            prop_assert_eq!(dense.to_sketch(), sketch);
        }
    }
}
