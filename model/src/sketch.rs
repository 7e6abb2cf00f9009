//! Durations, counted with three significant digits: a sparse HDR histogram.
//!
//! In: microseconds. Out: counts, quantiles, and the HdrHistogram V2 encoding. The bucket layout is HdrHistogram's for
//! `lowest = 1`, `highest = 3_600_000_000` (one hour), three digits: values below 2,048 have a bucket each, and every
//! further power of two is cut in 1,024 buckets, so a bucket is at most 1/1,024 of its values wide.
//!
//! Counts are a sorted list of (bucket, count) until a dense array is smaller. Beside them the exact sum, least and
//! greatest value are kept: they merge as well, and make mean, min and max exact.

mod dense;
mod v2;

use std::fmt;

pub use dense::DenseSketch;
pub use v2::V2Error;

/// Buckets per power of two.
const HALF: u64 = 1024;
/// Values below have a bucket of their own.
const LINEAR: u64 = 2 * HALF;
/// Buckets up to the one of [`Sketch::MAX_US`], inclusive.
const BUCKETS: usize = index_of(Sketch::MAX_US) + 1;
/// Buckets in use above which a dense array of `u64` takes less room than `u16` and `u64` each.
const DENSE_FROM: usize = BUCKETS * 8 / 10;

/// A mergeable histogram of durations in microseconds, within 0.1 % at every quantile.
///
/// Source: HdrHistogram (Gil Tene), <https://hdrhistogram.org>.
#[derive(Clone, Default)]
pub struct Sketch {
    /// Sum of all bucket counts.
    n: u64,
    /// Values above [`Sketch::MAX_US`] that were recorded as that bound.
    clipped: u64,
    /// Exact, saturating.
    sum_us: u64,
    /// Meaningless while `n == 0`.
    min_us: u64,
    /// Meaningless while `n == 0`.
    max_us: u64,
    counts: Counts,
}

#[derive(Clone)]
enum Counts {
    /// Same length; `index` ascends, `count` has no zero.
    Sparse { index: Vec<u16>, count: Vec<u64> },
    /// [`BUCKETS`] long.
    Dense(Box<[u64]>),
}

/// A range of values and how many were recorded in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Least value in microseconds.
    pub low_us: u64,
    /// Greatest value in microseconds, inclusive.
    pub high_us: u64,
    /// Recorded values; never zero.
    pub count: u64,
}

impl Sketch {
    /// One hour. Greater values are recorded as this and counted by [`Sketch::clipped`].
    pub const MAX_US: u64 = 3_600_000_000;

    /// An empty sketch; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records one value in microseconds.
    pub fn record(&mut self, us: u64) {
        self.record_n(us, 1);
    }

    /// Records a value in microseconds `n` times.
    pub fn record_n(&mut self, us: u64, n: u64) {
        if n == 0 {
            return;
        }
        let value = us.min(Self::MAX_US);
        self.note(value, value, value.saturating_mul(n), n);
        if us > Self::MAX_US {
            self.clipped += n;
        }
        self.counts.add(index_of(value), n);
    }

    /// Adds all that another sketch recorded.
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        self.note(other.min_us, other.max_us, other.sum_us, other.n);
        self.clipped += other.clipped;
        self.counts.merge(&other.counts);
    }

    /// Recorded values.
    pub fn count(&self) -> u64 {
        self.n
    }

    /// Whether nothing was recorded.
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// Values that were above [`Sketch::MAX_US`].
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Exact sum in microseconds, saturating.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// Exact mean in microseconds; `None` while nothing was recorded.
    pub fn mean_us(&self) -> Option<f64> {
        (self.n > 0).then(|| self.sum_us as f64 / self.n as f64)
    }

    /// Exact least value in microseconds; `None` while nothing was recorded.
    pub fn min_us(&self) -> Option<u64> {
        (self.n > 0).then_some(self.min_us)
    }

    /// Exact greatest value in microseconds; `None` while nothing was recorded.
    pub fn max_us(&self) -> Option<u64> {
        (self.n > 0).then_some(self.max_us)
    }

    /// The duration below or at which a share `q` of the recorded values lies (nearest rank).
    ///
    /// `q` is a quantile in `[0, 1]`, others are clamped. The answer is in microseconds, within 0.1 % of the exact one
    /// and never outside the exact least and greatest value. `None` while nothing was recorded.
    ///
    /// Source: HdrHistogram, "value at quantile".
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let rank = self.rank(q)?;
        let mut seen = 0;
        for (i, count) in self.counts.iter() {
            seen += count;
            if seen >= rank {
                return Some(high_of(i).clamp(self.min_us, self.max_us));
            }
        }
        Some(self.max_us)
    }

    /// Several quantiles in one pass; `qs` must ascend, or the answers are those of the greatest so far.
    pub fn quantiles_us<const N: usize>(&self, qs: [f64; N]) -> Option<[u64; N]> {
        self.rank(0.0)?;
        let mut out = [self.max_us; N];
        let mut next = 0;
        let mut seen = 0;
        for (i, count) in self.counts.iter() {
            seen += count;
            while next < N && self.rank(qs[next]).is_some_and(|rank| seen >= rank) {
                out[next] = high_of(i).clamp(self.min_us, self.max_us);
                next += 1;
            }
        }
        Some(out)
    }

    /// Share of the recorded values that are greater than `us`, to the precision of a bucket; 0 when empty.
    pub fn share_above(&self, us: u64) -> f64 {
        if self.n == 0 {
            return 0.0;
        }
        let limit = index_of(us.min(Self::MAX_US));
        let above: u64 = self.counts.iter().filter(|&(i, _)| i > limit).map(|(_, c)| c).sum();
        above as f64 / self.n as f64
    }

    /// The recorded buckets, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.counts.iter().map(|(i, count)| Bucket { low_us: low_of(i), high_us: high_of(i), count })
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match &self.counts {
            Counts::Sparse { index, count } => index.capacity() * 2 + count.capacity() * 8,
            Counts::Dense(counts) => counts.len() * 8,
        }
    }

    /// Restores the exact numbers that the V2 encoding does not carry; what contradicts the buckets is ignored.
    #[must_use]
    pub fn with_exact(mut self, sum_us: u64, min_us: u64, max_us: u64, clipped: u64) -> Self {
        let fits = |exact: u64, bound: u64| index_of(exact.min(Self::MAX_US)) == index_of(bound);
        if self.n > 0 && fits(min_us, self.min_us) && fits(max_us, self.max_us) {
            (self.sum_us, self.min_us, self.max_us) = (sum_us, min_us, max_us);
            self.clipped = clipped.min(self.n);
        }
        self
    }

    fn rank(&self, q: f64) -> Option<u64> {
        let rank = (q.clamp(0.0, 1.0) * self.n as f64).ceil() as u64;
        (self.n > 0).then(|| rank.clamp(1, self.n))
    }

    fn note(&mut self, min: u64, max: u64, sum: u64, n: u64) {
        self.min_us = if self.n == 0 { min } else { self.min_us.min(min) };
        self.max_us = if self.n == 0 { max } else { self.max_us.max(max) };
        self.sum_us = self.sum_us.saturating_add(sum);
        self.n += n;
    }
}

/// Two sketches are equal when they recorded the same; how the counts are held does not matter.
impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        self.n == other.n
            && self.clipped == other.clipped
            && self.sum_us == other.sum_us
            && (self.n == 0 || (self.min_us, self.max_us) == (other.min_us, other.max_us))
            && self.counts.iter().eq(other.counts.iter())
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch(n {}, p50 {:?}, max {:?})", self.n, self.quantile_us(0.5), self.max_us())
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self::Sparse { index: Vec::new(), count: Vec::new() }
    }
}

impl Counts {
    fn add(&mut self, i: usize, n: u64) {
        match self {
            Self::Dense(counts) => counts[i] += n,
            Self::Sparse { index, count } => match index.binary_search(&(i as u16)) {
                Ok(at) => count[at] += n,
                Err(at) => {
                    index.insert(at, i as u16);
                    count.insert(at, n);
                    self.densify();
                }
            },
        }
    }

    fn merge(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Dense(_), _) => {
                for (i, n) in other.iter() {
                    self.add(i, n);
                }
            }
            (Self::Sparse { index, count }, Self::Sparse { index: from, count: add }) if !from.is_empty() => {
                (*index, *count) = union(index, count, from, add);
                self.densify();
            }
            (Self::Sparse { .. }, Self::Sparse { .. }) => {}
            (Self::Sparse { .. }, Self::Dense(_)) => {
                let mut dense = other.clone();
                dense.merge(self);
                *self = dense;
            }
        }
    }

    fn densify(&mut self) {
        if let Self::Sparse { index, count } = self
            && index.len() > DENSE_FROM
        {
            let mut dense = vec![0; BUCKETS].into_boxed_slice();
            for (&i, &n) in index.iter().zip(count.iter()) {
                dense[i as usize] = n;
            }
            *self = Self::Dense(dense);
        }
    }

    /// Buckets with a count, ascending.
    fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let (index, count, dense): (&[u16], &[u64], &[u64]) = match self {
            Self::Sparse { index, count } => (index, count, &[]),
            Self::Dense(counts) => (&[], &[], counts),
        };
        let sparse = index.iter().zip(count).map(|(&i, &n)| (i as usize, n));
        sparse.chain(dense.iter().copied().enumerate().filter(|&(_, n)| n > 0))
    }
}

/// The sum of two sorted lists of counts.
fn union(ai: &[u16], ac: &[u64], bi: &[u16], bc: &[u64]) -> (Vec<u16>, Vec<u64>) {
    let mut index = Vec::with_capacity(ai.len() + bi.len());
    let mut count = Vec::with_capacity(ai.len() + bi.len());
    let (mut a, mut b) = (0, 0);
    while a < ai.len() || b < bi.len() {
        let take_a = b == bi.len() || (a < ai.len() && ai[a] <= bi[b]);
        let take_b = a == ai.len() || (b < bi.len() && bi[b] <= ai[a]);
        index.push(if take_a { ai[a] } else { bi[b] });
        count.push(if take_a { ac[a] } else { 0 } + if take_b { bc[b] } else { 0 });
        a += usize::from(take_a);
        b += usize::from(take_b);
    }
    (index, count)
}

/// The bucket of a value, which must not exceed [`Sketch::MAX_US`] or 2^32.
const fn index_of(us: u64) -> usize {
    let power = 64 - (us | (LINEAR - 1)).leading_zeros() - LINEAR.trailing_zeros();
    (power as u64 * HALF + (us >> power)) as usize
}

/// Least value of a bucket.
const fn low_of(index: usize) -> u64 {
    let index = index as u64;
    if index < LINEAR {
        return index;
    }
    let power = index / HALF - 1;
    (index - power * HALF) << power
}

/// Greatest value of a bucket.
const fn high_of(index: usize) -> u64 {
    let power = (index as u64 / HALF).saturating_sub(1);
    low_of(index) + (1 << power) - 1
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    const QS: [f64; 7] = [0.0, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0];

    fn sketch(values: &[u64]) -> Sketch {
        let mut s = Sketch::new();
        for &v in values {
            s.record(v);
        }
        s
    }

    fn durations() -> impl Strategy<Value = Vec<u64>> {
        let any_size = (0u32..33).prop_flat_map(|bits| 0..=(1u64 << bits).min(Sketch::MAX_US));
        proptest::collection::vec(any_size, 0..300)
    }

    #[test]
    fn buckets_tile_all_values() {
        assert_eq!(low_of(0), 0);
        for i in 0..BUCKETS {
            assert_eq!(index_of(low_of(i)), i);
            assert_eq!(index_of(high_of(i)), i);
            assert_eq!(high_of(i) + 1, low_of(i + 1));
            assert!((high_of(i) - low_of(i)) * 1000 <= low_of(i), "bucket {i} is wider than 0.1 %");
        }
    }

    #[test]
    fn beyond_an_hour_is_clipped_and_counted() {
        let s = sketch(&[Sketch::MAX_US, Sketch::MAX_US + 1, u64::MAX]);
        assert_eq!((s.count(), s.clipped(), s.max_us()), (3, 2, Some(Sketch::MAX_US)));
    }

    #[test]
    fn dense_and_sparse_hold_the_same() {
        let all: Vec<u64> = (0..BUCKETS).map(low_of).collect();
        let dense = sketch(&all);
        assert!(matches!(dense.counts, Counts::Dense(_)));
        let (left, right) = all.split_at(all.len() / 2);
        let mut halves = sketch(left);
        halves.merge(&sketch(right));
        assert_eq!(halves, dense);
        let mut turned = sketch(&[5]);
        turned.merge(&dense);
        assert_eq!((turned.count(), turned.quantile_us(0.0)), (all.len() as u64 + 1, Some(0)));
    }

    #[test]
    fn nothing_recorded_has_no_quantile() {
        assert_eq!(Sketch::new().quantile_us(0.5), None);
        assert_eq!(Sketch::new().quantiles_us(QS), None);
        assert_eq!(Sketch::new().mean_us(), None);
    }

    proptest! {
        #[test]
        fn quantiles_are_within_a_thousandth(mut values in durations(), q in 0.0..=1.0f64) {
            prop_assume!(!values.is_empty());
            let s = sketch(&values);
            values.sort_unstable();
            let rank = ((q * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let (exact, got) = (values[rank - 1], s.quantile_us(q).expect("not empty"));
            prop_assert!(got.abs_diff(exact) * 1000 <= exact, "{got} for {exact}");
            prop_assert_eq!(s.min_us(), values.first().copied());
            prop_assert_eq!(s.max_us(), values.last().copied());
            prop_assert_eq!(s.sum_us(), values.iter().sum::<u64>());
        }

        #[test]
        fn quantiles_are_those_of_hdrhistogram(values in durations()) {
            prop_assume!(!values.is_empty());
            let s = sketch(&values);
            let mut h = Histogram::<u64>::new_with_bounds(1, Sketch::MAX_US, 3).expect("valid bounds");
            values.iter().for_each(|&v| h.record(v).expect("in range"));
            let all = s.quantiles_us(QS).expect("not empty");
            for (q, got) in QS.into_iter().zip(all) {
                let clamp = |v: u64| v.clamp(s.min_us, s.max_us);
                prop_assert_eq!(clamp(h.value_at_quantile(q)), got, "q {}", q);
                prop_assert_eq!(s.quantile_us(q), Some(got));
            }
        }

        #[test]
        fn merge_is_recording_both(a in durations(), b in durations(), c in durations()) {
            let (sa, sb, sc) = (sketch(&a), sketch(&b), sketch(&c));
            let merged = |parts: &[&Sketch]| { let mut s = Sketch::new(); parts.iter().for_each(|p| s.merge(p)); s };
            prop_assert_eq!(merged(&[&sa, &sb]), sketch(&[a.clone(), b.clone()].concat()));
            prop_assert_eq!(merged(&[&sa, &sb]), merged(&[&sb, &sa]));
            prop_assert_eq!(merged(&[&merged(&[&sa, &sb]), &sc]), merged(&[&sa, &merged(&[&sb, &sc])]));
        }

        #[test]
        fn v2_is_that_of_hdrhistogram(values in durations()) {
            use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
            let s = sketch(&values);
            let mut h = Histogram::<u64>::new_with_bounds(1, Sketch::MAX_US, 3).expect("valid bounds");
            values.iter().for_each(|&v| h.record(v).expect("in range"));
            let mut theirs = Vec::new();
            V2Serializer::new().serialize(&h, &mut theirs).expect("serializes");
            let mut ours = Vec::new();
            s.write_v2(&mut ours);
            prop_assert_eq!(&ours, &theirs);
            let read: Histogram<u64> = Deserializer::new().deserialize(&mut &ours[..]).expect("reads");
            prop_assert_eq!(read.len(), s.count());
            let back = Sketch::read_v2(&theirs).expect("reads");
            prop_assert!(back.counts.iter().eq(s.counts.iter()));
            prop_assert_eq!(back.with_exact(s.sum_us, s.min_us, s.max_us, s.clipped), s);
        }

        #[test]
        fn any_bytes_decode_or_fail_cleanly(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Sketch::read_v2(&bytes);
            let mut framed = v2::HEADER.to_vec();
            framed[4..8].copy_from_slice(&(bytes.len() as u32).to_be_bytes());
            framed.extend_from_slice(&bytes);
            let _ = Sketch::read_v2(&framed);
        }
    }
}
