//! Durations, counted with three significant digits: a sparse HDR histogram.
//!
//! In: microseconds. Out: counts, quantiles, and the HdrHistogram V2 encoding. The bucket layout is HdrHistogram's for
//! `lowest = 1`, `highest = 3_600_000_000` (one hour), three digits: values below 2,048 have a bucket each, and every
//! further power of two is cut in 1,024 buckets, so a bucket is at most 1/1,024 of its values wide.
//!
//! Counts are a sorted list of (bucket, count) until a dense array is quicker, and nothing at all while one bucket holds
//! everything: most cells of a short window hold one value. Beside them the exact sum, least and greatest value are
//! kept: they merge as well, and make mean, min and max exact.

mod counts;
mod dense;
mod packed;
mod v2;

use std::fmt;

use counts::Counts;
pub use dense::DenseSketch;
pub use v2::V2Error;

/// Buckets per power of two.
const HALF: u64 = 1024;
/// Values below have a bucket of their own.
const LINEAR: u64 = 2 * HALF;
/// Buckets up to the one of [`Sketch::MAX_US`], inclusive.
const BUCKETS: usize = index_of(Sketch::MAX_US) + 1;
/// A mergeable histogram of durations in microseconds, within 0.1 % at every quantile.
///
/// Source: HdrHistogram (Gil Tene), <https://hdrhistogram.org>.
#[derive(Clone, Default)]
pub struct Sketch {
    /// Sum of all bucket counts; like them, it stops at `u64::MAX`.
    n: u64,
    /// Values above [`Sketch::MAX_US`] that were recorded as that bound.
    clipped: u64,
    /// Exact, saturating.
    sum_us: u64,
    /// Zero while `n == 0`; lies in the first bucket otherwise.
    min_us: u32,
    /// Zero while `n == 0`; lies in the last bucket otherwise. `min_us <= max_us`
    max_us: u32,
    counts: Counts,
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
        self.counts.add(self.single(), self.n, index_of(value), n);
        self.note(value as u32, value as u32, value.saturating_mul(n), n);
        if us > Self::MAX_US {
            self.clipped = self.clipped.saturating_add(n);
        }
    }

    /// Records values in microseconds that ascend: quicker than one by one, by far where this sketch holds many.
    pub fn record_sorted(&mut self, values: &[u32]) {
        debug_assert!(values.is_sorted(), "values ascend");
        let bucket = |us: &u32| index_of(u64::from(*us).min(Self::MAX_US));
        let mut sum = Self::new();
        for same in values.chunk_by(|a, b| bucket(a) == bucket(b)) {
            let (i, n) = (bucket(&same[0]), same.len() as u64);
            match sum.n {
                0 if same.len() == values.len() => {}
                0 => sum.counts = Counts::with_capacity(i, n, values.len()),
                _ => sum.counts.push(i, sum.n, i, n),
            }
            sum.n += n;
        }
        let (Some(&min_us), Some(&max_us)) = (values.first(), values.last()) else { return };
        let cap = |us: u32| u64::from(us).min(Self::MAX_US);
        sum.clipped = values.iter().rev().take_while(|us| u64::from(**us) > Self::MAX_US).count() as u64;
        sum.sum_us = values.iter().map(|us| cap(*us)).sum();
        (sum.min_us, sum.max_us) = (cap(min_us) as u32, cap(max_us) as u32);
        self.merge(&sum);
    }

    /// Adds all that another sketch recorded.
    pub fn merge(&mut self, other: &Self) {
        if other.n == 0 {
            return;
        }
        if self.n == 0 {
            self.clone_from(other);
            return;
        }
        self.counts.merge(self.single(), self.n, &other.counts, other.single(), other.n);
        self.note(other.min_us, other.max_us, other.sum_us, other.n);
        self.clipped = self.clipped.saturating_add(other.clipped);
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
        (self.n > 0).then_some(u64::from(self.min_us))
    }

    /// Exact greatest value in microseconds; `None` while nothing was recorded.
    pub fn max_us(&self) -> Option<u64> {
        (self.n > 0).then_some(u64::from(self.max_us))
    }

    /// The duration below or at which a share `q` of the recorded values lies (nearest rank).
    ///
    /// `q` is a quantile in `[0, 1]`, others are clamped. The answer is in microseconds, within 0.1 % of the exact one
    /// and never outside the exact least and greatest value; 0 asks for the least. `None` while nothing was recorded.
    ///
    /// Source: HdrHistogram, "value at quantile".
    pub fn quantile_us(&self, q: f64) -> Option<u64> {
        let rank = self.rank(q)?;
        let mut seen = 0;
        for (i, count) in self.iter() {
            seen = count.saturating_add(seen);
            if seen >= rank {
                return Some(self.shown(i, q));
            }
        }
        self.max_us()
    }

    /// Several quantiles in one pass; `qs` must ascend, or the answers are those of the greatest so far.
    pub fn quantiles_us<const N: usize>(&self, qs: [f64; N]) -> Option<[u64; N]> {
        let mut out = [self.max_us()?; N];
        let mut next = 0;
        let mut seen = 0;
        for (i, count) in self.iter() {
            seen = count.saturating_add(seen);
            while next < N && self.rank(qs[next]).is_some_and(|rank| seen >= rank) {
                out[next] = self.shown(i, qs[next]);
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
        let above = self.iter().filter(|&(i, _)| i > limit).fold(0, |sum: u64, (_, c)| sum.saturating_add(c));
        above as f64 / self.n as f64
    }

    /// The recorded buckets, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        self.iter().map(|(i, count)| Bucket { low_us: low_of(i), high_us: high_of(i), count })
    }

    /// Restores the exact numbers that the V2 encoding does not carry; what contradicts the buckets is ignored.
    #[must_use]
    pub fn with_exact(mut self, sum_us: u64, min_us: u64, max_us: u64, clipped: u64) -> Self {
        let (min_us, max_us) = (min_us.min(Self::MAX_US), max_us.min(Self::MAX_US));
        let fits = |exact: u64, bound: u32| index_of(exact) == index_of(u64::from(bound));
        if self.n > 0 && min_us <= max_us && fits(min_us, self.min_us) && fits(max_us, self.max_us) {
            (self.sum_us, self.min_us, self.max_us) = (sum_us, min_us as u32, max_us as u32);
            self.clipped = clipped.min(self.n);
        }
        self
    }

    /// Appends a bucket behind all others, when a sketch is read. Leaves the greatest value and the sum to the caller.
    fn push(&mut self, i: usize, n: u64) {
        self.counts.push(self.single(), self.n, i, n);
        if self.n == 0 {
            self.min_us = low_of(i) as u32;
        }
        self.n = self.n.saturating_add(n);
    }

    /// Buckets with a count, ascending.
    fn iter(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.counts.iter(self.single(), self.n)
    }

    /// The bucket that holds everything, where there is only one.
    fn single(&self) -> usize {
        index_of(u64::from(self.min_us))
    }

    /// The value that stands for a bucket which the quantile `q` lies in.
    fn shown(&self, i: usize, q: f64) -> u64 {
        let end = if q > 0.0 { high_of(i) } else { low_of(i) };
        end.clamp(u64::from(self.min_us), u64::from(self.max_us))
    }

    fn rank(&self, q: f64) -> Option<u64> {
        let rank = (q.clamp(0.0, 1.0) * self.n as f64).ceil() as u64;
        (self.n > 0).then(|| rank.clamp(1, self.n))
    }

    fn note(&mut self, min: u32, max: u32, sum: u64, n: u64) {
        self.min_us = if self.n == 0 { min } else { self.min_us.min(min) };
        self.max_us = self.max_us.max(max);
        self.sum_us = self.sum_us.saturating_add(sum);
        self.n = self.n.saturating_add(n);
    }
}

/// Two sketches are equal when they recorded the same; how the counts are held does not matter.
impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        let exact = |s: &Self| (s.n, s.clipped, s.sum_us, s.min_us, s.max_us);
        exact(self) == exact(other) && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch(n {}, p50 {:?}, max {:?})", self.n, self.quantile_us(0.5), self.max_us())
    }
}

/// The bucket of a value, which must not exceed [`Sketch::MAX_US`] or 2^32.
#[inline]
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
    fn counts_wider_than_an_entry_add_up() {
        let wide = 1 << 50;
        let mut s = sketch(&[1_000, 5_000_000]);
        s.record_n(7_000, wide);
        let mut one = Sketch::new();
        one.record_n(7_000, wide);
        s.merge(&one);
        one.merge(&s);
        for (sketch, n) in [(&s, 2 * wide + 2), (&one, 3 * wide + 2)] {
            let counts: Vec<u64> = sketch.buckets().map(|b| b.count).collect();
            assert_eq!((sketch.count(), counts), (n, vec![1, n - 2, 1]));
        }
    }

    #[test]
    fn counts_stop_at_the_greatest_number() {
        let mut s = sketch(&[1_000, u64::MAX]);
        s.record_n(u64::MAX, u64::MAX);
        s.record_n(1_000, u64::MAX);
        let mut bytes = Vec::new();
        s.write_packed(&mut bytes);
        assert_eq!(Sketch::read_packed(&mut &bytes[..]).map(|s| s.count()), Some(u64::MAX));
        s.merge(&s.clone());
        assert_eq!((s.count(), s.clipped(), s.quantile_us(0.1)), (u64::MAX, u64::MAX, Some(1_000)));
        assert_eq!(s.quantiles_us(QS).map(|q| q[0]), Some(1_000));
        assert_eq!(s.share_above(1_000), 1.0);
        bytes.clear();
        s.write_v2(&mut bytes);
        assert!(Sketch::read_v2(&bytes).is_ok_and(|s| s.count() >= i64::MAX as u64));
    }

    #[test]
    fn exact_numbers_that_contradict_the_buckets_are_ignored() {
        let mut bytes = Vec::new();
        sketch(&[4_097]).write_v2(&mut bytes);
        let read = Sketch::read_v2(&bytes).expect("reads");
        for (min, max, want) in [(4_097, 4_097, 4_097), (4_098, 4_097, 4_096), (1, 4_097, 4_096), (4_097, 9_999, 4_096)]
        {
            let s = read.clone().with_exact(4_097, min, max, 0);
            assert_eq!((s.min_us(), s.quantile_us(0.0)), (Some(want), Some(want)), "{min} {max}");
        }
    }

    #[test]
    fn the_least_value_is_the_quantile_zero() {
        assert_eq!(sketch(&[2_884, 2_104]).quantile_us(0.0), Some(2_104));
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
        fn sorted_values_are_recorded_as_they_would_be_one_by_one(
            before in durations(),
            mut values in proptest::collection::vec(any::<u32>().prop_map(|v| v >> (v % 23)), 0..300),
        ) {
            values.sort_unstable();
            let (mut sorted, mut one_by_one) = (sketch(&before), sketch(&before));
            sorted.record_sorted(&values);
            values.iter().for_each(|&v| one_by_one.record(u64::from(v)));
            prop_assert_eq!(sorted, one_by_one);
        }

        #[test]
        fn quantiles_are_those_of_hdrhistogram(values in durations()) {
            prop_assume!(!values.is_empty());
            let s = sketch(&values);
            let mut h = Histogram::<u64>::new_with_bounds(1, Sketch::MAX_US, 3).expect("valid bounds");
            values.iter().for_each(|&v| h.record(v).expect("in range"));
            let all = s.quantiles_us(QS).expect("not empty");
            for (q, got) in QS.into_iter().zip(all) {
                let clamp = |v: u64| v.clamp(u64::from(s.min_us), u64::from(s.max_us));
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
            prop_assert!(back.iter().eq(s.iter()));
            let (min, max) = (s.min_us().unwrap_or(0), s.max_us().unwrap_or(0));
            prop_assert_eq!(back.with_exact(s.sum_us, min, max, s.clipped), s);
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
