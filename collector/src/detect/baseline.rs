//! What is normal for one series. In: counts and durations, one window at a time. Out: expected counts, shares and
//! quantiles. Everything forgets exponentially, and one window moves it only so far.

use pitot_model::Sketch;

/// Requests per window, as an exponential mean that starts as the plain one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Level {
    mean: f64,
    weight: f64,
}

impl Level {
    /// Least level that is ever expected: a series at zero must not make one request an infinite surprise.
    const LEAST: f64 = 0.1;

    pub(super) fn learn(&mut self, count: f64, weight: f64, memory: f64) {
        let held = if self.weight < 3.0 { count } else { count.clamp(self.mean / 3.0, self.mean * 3.0 + 3.0) };
        self.weight = (self.weight + weight).min(memory.max(1.0));
        self.mean += (held - self.mean) * (weight / self.weight).min(1.0);
    }

    /// Requests expected per window.
    pub(super) fn expected(self) -> f64 {
        self.mean.max(Self::LEAST)
    }
}

/// Share of requests that fail, as decayed counts with a prior.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    n: f64,
    k: f64,
}

impl Share {
    /// What is believed before anything is seen: one error in 200 requests, as if 60 had been seen.
    const PRIOR_SHARE: f64 = 0.005;
    const PRIOR_REQUESTS: f64 = 60.0;

    pub(super) fn learn(&mut self, n: f64, k: f64, weight: f64, memory: f64) {
        let keep = 1.0 - 1.0 / memory.max(1.0);
        self.n = self.n * keep + n * weight;
        self.k = self.k * keep + k * weight;
    }

    /// In `(0, 1)`.
    pub(super) fn expected(self) -> f64 {
        (self.k + Self::PRIOR_SHARE * Self::PRIOR_REQUESTS) / (self.n + Self::PRIOR_REQUESTS)
    }

    /// Requests that it has learnt from, decayed.
    pub(super) fn requests(self) -> f64 {
        self.n
    }
}

/// Durations as a decayed histogram with 16 buckets per power of two: 6 % wide, 2.1 KiB.
#[derive(Debug, Clone)]
pub(super) struct Durations {
    /// Decayed requests by bucket.
    buckets: Box<[f32]>,
    /// Sum of all.
    n: f64,
    /// Last bucket that is not slow.
    limit: usize,
    /// Requests above it when it was chosen over all.
    share_above: f64,
}

/// Buckets per power of two.
const STEPS: u64 = 16;
const BUCKETS: usize = bucket_of(Sketch::MAX_US) + 1;

impl Durations {
    /// The quantile whose upper side counts as slow.
    const QUANTILE: f64 = 0.95;

    pub(super) fn new() -> Self {
        Self { buckets: vec![0.0; BUCKETS].into_boxed_slice(), n: 0.0, limit: BUCKETS, share_above: 0.0 }
    }

    pub(super) fn learn(&mut self, sketch: &Sketch, weight: f64) {
        for b in sketch.buckets() {
            self.buckets[bucket_of(b.low_us)] += (b.count as f64 * weight) as f32;
            self.n += b.count as f64 * weight;
        }
    }

    /// One window has passed: forgets a little, and chooses anew what is slow.
    pub(super) fn pass(&mut self, memory: f64) {
        let keep = 1.0 - 1.0 / memory.max(1.0);
        self.buckets.iter_mut().for_each(|b| *b *= keep as f32);
        self.n = self.buckets.iter().map(|&b| f64::from(b)).sum();
        let mut below = 0.0;
        for (i, &count) in self.buckets.iter().enumerate() {
            below += f64::from(count);
            if below >= Self::QUANTILE * self.n {
                self.limit = i;
                // Two slow requests of prior: a quantile of few is placed too low as often as too high, and too low
                // is what hurts.
                self.share_above = (self.n - below + 2.0) / (self.n + 2.0).max(1.0);
                return;
            }
        }
    }

    /// Requests of the sketch that are slow, and how many were expected to be.
    pub(super) fn slow(&self, sketch: &Sketch) -> (f64, f64) {
        let slow: f64 = sketch.buckets().filter(|b| bucket_of(b.low_us) > self.limit).map(|b| b.count as f64).sum();
        (slow, sketch.count() as f64 * self.share_above)
    }

    /// Requests that it has learnt from, decayed.
    pub(super) fn requests(&self) -> f64 {
        self.n
    }

    /// Adds these durations to `mix`, as if `requests` of them had been seen.
    pub(super) fn mix_into(&self, mix: &mut Self, requests: f64) {
        if self.n > 0.0 {
            for (to, from) in mix.buckets.iter_mut().zip(&self.buckets) {
                *to += (f64::from(*from) * requests / self.n) as f32;
            }
            mix.n += requests;
        }
    }

    /// Microseconds, within 3 %; `None` while nothing was seen.
    pub(super) fn quantile_us(&self, q: f64) -> Option<f64> {
        let mut below = 0.0;
        for (i, &count) in self.buckets.iter().enumerate() {
            below += f64::from(count);
            if count > 0.0 && below >= q * self.n * (1.0 - 1e-6) {
                return Some((low_of(i) + low_of(i + 1)) as f64 / 2.0);
            }
        }
        None
    }
}

/// Buckets are linear below 16 and cut every further power of two in 16; a bucket of the sketch lies within one.
const fn bucket_of(us: u64) -> usize {
    let power = (63 - (us | (2 * STEPS - 1)).leading_zeros()) as u64 - STEPS.trailing_zeros() as u64;
    (power * STEPS + (us >> power)) as usize
}

const fn low_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let power = bucket / STEPS - 1;
    (bucket - power * STEPS) << power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_tile_all_values() {
        for i in 0..BUCKETS {
            assert_eq!(bucket_of(low_of(i)), i);
            assert_eq!(bucket_of(low_of(i + 1) - 1), i);
        }
    }

    #[test]
    fn slow_is_what_lies_above_the_baseline() {
        let mut all = Sketch::new();
        (1..=1000).for_each(|i| all.record(i * 100));
        let mut d = Durations::new();
        d.learn(&all, 1.0);
        d.pass(360.0);
        let (slow, expected) = d.slow(&all);
        assert!((10.0..=50.0).contains(&slow), "{slow}");
        assert!((slow - expected).abs() < 3.0, "{slow} {expected}");
        let p99 = d.quantile_us(0.99).expect("not empty");
        assert!((p99 - 99_000.0).abs() < 3_000.0, "{p99}");
    }

    #[test]
    fn one_window_moves_a_level_only_so_far() {
        let mut level = Level::default();
        (0..20).for_each(|_| level.learn(10.0, 1.0, 30.0));
        level.learn(1e9, 1.0, 30.0);
        assert!(level.expected() < 13.0, "{}", level.expected());
    }
}
