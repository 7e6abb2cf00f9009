//! How many different things there were: exact for a few, HyperLogLog beyond.
//!
//! In: hashes. Out: an estimate, and a sketch that merges: the sketch of two sets joined is that of their union, whatever
//! came first. 1,024 registers: the standard error is 3.25 %.
//!
//! Source: Flajolet et al. 2007; the estimator is that of Ertl 2017, "New cardinality estimation algorithms for
//! HyperLogLog sketches", algorithm 6, which needs no correction by tables.

/// Hashes that are kept as they are: as long as there are no more, the answer is exact.
const FEW: usize = 32;

/// Bits of a hash that choose the register.
const P: u32 = 10;

/// Ranks that a register may hold.
const MOST: u8 = (64 - P + 1) as u8;

/// A set of which only the size matters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Distinct(Kept);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kept {
    /// Sorted, without duplicates, at most [`FEW`].
    Few(Vec<u64>),
    /// The greatest rank by register.
    Many(Box<[u8]>),
}

impl Default for Distinct {
    fn default() -> Self {
        Self(Kept::Few(Vec::new()))
    }
}

impl Distinct {
    /// Adds something by its name.
    pub fn add(&mut self, name: &[u8]) {
        self.add_hash(hash(name));
    }

    /// The hash that [`Distinct::add`] adds a name by.
    pub fn hash(name: &[u8]) -> u64 {
        hash(name)
    }

    /// Adds something by its hash, all of whose bits are as good as random.
    pub fn add_hash(&mut self, hash: u64) {
        match &mut self.0 {
            Kept::Few(hashes) => {
                let Err(at) = hashes.binary_search(&hash) else { return };
                hashes.insert(at, hash);
                if hashes.len() > FEW {
                    self.0 = Kept::Many(registers(hashes));
                }
            }
            Kept::Many(registers) => raise(registers, hash),
        }
    }

    /// Adds everything that another set holds.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (_, Kept::Few(hashes)) => hashes.iter().for_each(|&h| self.add_hash(h)),
            (Kept::Few(hashes), Kept::Many(theirs)) => {
                let mut joined = theirs.clone();
                hashes.iter().for_each(|&h| raise(&mut joined, h));
                self.0 = Kept::Many(joined);
            }
            (Kept::Many(ours), Kept::Many(theirs)) => {
                ours.iter_mut().zip(theirs.iter()).for_each(|(a, b)| *a = (*a).max(*b));
            }
        }
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Kept::Few(hashes) if hashes.is_empty())
    }

    /// Whether [`Distinct::estimate`] is exact.
    pub fn is_exact(&self) -> bool {
        matches!(self.0, Kept::Few(_))
    }

    /// How many there are; the standard error is 3.25 % unless it [is exact](Distinct::is_exact).
    pub fn estimate(&self) -> u64 {
        match &self.0 {
            Kept::Few(hashes) => hashes.len() as u64,
            Kept::Many(registers) => estimate(registers),
        }
    }

    /// As bytes; [`Distinct::read`] reads them.
    pub fn write(&self) -> Vec<u8> {
        match &self.0 {
            Kept::Few(hashes) => std::iter::once(0).chain(hashes.iter().flat_map(|h| h.to_le_bytes())).collect(),
            Kept::Many(registers) => std::iter::once(1).chain(registers.iter().copied()).collect(),
        }
    }

    /// From bytes of a stranger; `None` where they are none of [`Distinct::write`]. No bytes are the empty set.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let Some((kind, rest)) = bytes.split_first() else { return Some(Self::default()) };
        match kind {
            0 if rest.len().is_multiple_of(8) && rest.len() <= 8 * FEW => {
                let hashes = rest.as_chunks::<8>().0.iter().map(|h| u64::from_le_bytes(*h));
                let mut set = Self::default();
                hashes.for_each(|h| set.add_hash(h));
                Some(set)
            }
            1 if rest.len() == 1 << P && rest.iter().all(|&r| r <= MOST) => Some(Self(Kept::Many(rest.into()))),
            _ => None,
        }
    }
}

/// FNV-1a, its bits mixed by the finalizer of SplitMix64. The same on every machine.
fn hash(name: &[u8]) -> u64 {
    let fnv = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let z = (fnv ^ (fnv >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn registers(hashes: &[u64]) -> Box<[u8]> {
    let mut registers = vec![0; 1 << P].into_boxed_slice();
    hashes.iter().for_each(|&h| raise(&mut registers, h));
    registers
}

fn raise(registers: &mut [u8], hash: u64) {
    let register = &mut registers[(hash >> (64 - P)) as usize];
    // The bit below those that were shifted out bounds the rank.
    let rank = (hash << P | 1 << (P - 1)).leading_zeros() as u8 + 1;
    *register = (*register).max(rank);
}

fn estimate(registers: &[u8]) -> u64 {
    let m = registers.len() as f64;
    let mut counts = [0.0; MOST as usize + 1];
    registers.iter().for_each(|&r| counts[usize::from(r.min(MOST))] += 1.0);
    let mut z = m * tau(1.0 - counts[MOST as usize] / m);
    for &count in counts[1..MOST as usize].iter().rev() {
        z = 0.5 * (z + count);
    }
    z += m * sigma(counts[0] / m);
    (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(names: impl IntoIterator<Item = u64>) -> Distinct {
        let mut set = Distinct::default();
        names.into_iter().for_each(|n| set.add(&n.to_le_bytes()));
        set
    }

    #[test]
    fn estimates_are_near_the_truth() {
        for n in [0, 1, 32, 33, 100, 1_000, 3_000, 10_000, 100_000, 1_000_000] {
            let (set, want) = (set(0..n), n as f64);
            let error = (set.estimate() as f64 - want).abs();
            let most = if n <= 32 { 0.0 } else { 0.1 * want };
            assert!(error <= most, "{n}: {}", set.estimate());
            assert_eq!(set.is_exact(), n <= 32);
        }
    }

    #[test]
    fn bytes_of_strangers_are_judged() {
        for bytes in [&[2][..], &[0, 1], &[1, 2, 3], &[0; 8 * 33 + 1], &[[1].as_slice(), &[60; 1024]].concat()] {
            assert_eq!(Distinct::read(bytes), None, "{bytes:?}");
        }
        assert_eq!(Distinct::read(&[]), Some(Distinct::default()));
    }

    proptest! {
        #[test]
        fn a_union_does_not_depend_on_the_order(
            a in proptest::collection::vec(0..200u64, 0..80),
            b in proptest::collection::vec(0..200u64, 0..80),
        ) {
            let (mut ab, mut ba) = (set(a.clone()), set(b.clone()));
            ab.merge(&set(b.clone()));
            ba.merge(&set(a.clone()));
            let both = set(a.into_iter().chain(b));
            prop_assert_eq!(&ab, &both);
            prop_assert_eq!(&ba, &both);
            prop_assert_eq!(Distinct::read(&both.write()), Some(both));
        }
    }
}
