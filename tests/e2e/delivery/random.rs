//! Seeded choices, so that a run can be repeated. In: a seed. Out: numbers.

/// A stream of numbers that a seed decides.
///
/// Source: splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of this run: `PITOT_SEED`, else one of the clock's.
    pub(super) fn seed() -> u64 {
        let of_clock = || std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_micros() as u64);
        std::env::var("PITOT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(of_clock)
    }

    /// Another stream, which goes its own way.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `from..to`.
    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.next() % (to - from)
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.between(0, 100) < percent
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.between(0, all.len() as u64) as usize]
    }
}
