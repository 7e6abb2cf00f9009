//! How many values each bucket of a sketch holds. In: buckets and counts. Out: the same, ascending.
//!
//! The sketch beside it knows the bucket of its least value and how many values there are, and passes both as `single`
//! and `n`: they are all there is to know while one bucket holds everything.

use super::BUCKETS;

/// Bits of an entry that hold the count; the bucket is above them.
const COUNT_BITS: u32 = 48;
/// Values from which on counts may not fit into an entry.
const WIDE_FROM: u64 = 1 << COUNT_BITS;
/// Entries above which a dense array is quicker, and takes at most twice the room.
const DENSE_FROM: usize = BUCKETS / 2;

#[derive(Clone, Default)]
pub(super) enum Counts {
    /// All values lie in the bucket `single`.
    #[default]
    Single,
    /// `bucket << COUNT_BITS | count`, ascending, no count zero; only while there are less than [`WIDE_FROM`] values.
    Sparse(Vec<u64>),
    /// [`BUCKETS`] long.
    Dense(Box<[u64]>),
}

impl Counts {
    /// Adds `add` values to bucket `i`.
    pub(super) fn add(&mut self, single: usize, n: u64, i: usize, add: u64) {
        if let Self::Single = self {
            if n == 0 || i == single {
                return;
            }
            self.spread(single, n, n.saturating_add(add));
        }
        self.fit(n.saturating_add(add));
        match self {
            Self::Single => {}
            Self::Dense(counts) => counts[i] = counts[i].saturating_add(add),
            Self::Sparse(entries) => {
                let at = entries.partition_point(|e| bucket(*e) < i);
                match entries.get_mut(at).filter(|e| bucket(**e) == i) {
                    Some(e) => *e += add,
                    None => entries.insert(at, entry(i, add)),
                }
            }
        }
    }

    /// Adds `add` values to bucket `i`, which is beyond all others.
    pub(super) fn push(&mut self, single: usize, n: u64, i: usize, add: u64) {
        match self {
            Self::Sparse(entries) if n.saturating_add(add) < WIDE_FROM && entries.len() < DENSE_FROM => {
                entries.push(entry(i, add));
            }
            _ => self.add(single, n, i, add),
        }
    }

    /// One bucket, with room for so many in all.
    pub(super) fn with_capacity(single: usize, n: u64, buckets: usize) -> Self {
        if n >= WIDE_FROM {
            return Self::Single;
        }
        let mut entries = Vec::with_capacity(buckets.min(DENSE_FROM + 1));
        entries.push(entry(single, n));
        Self::Sparse(entries)
    }

    /// Adds all of another. `n` and `from_n` are more than 0.
    pub(super) fn merge(&mut self, single: usize, n: u64, from: &Self, from_single: usize, from_n: u64) {
        let sum = n.saturating_add(from_n);
        match (&mut *self, from) {
            (_, Self::Single) => self.add(single, n, from_single, from_n),
            (Self::Single, _) => {
                *self = from.clone();
                self.add(from_single, from_n, single, n);
            }
            (Self::Sparse(_), Self::Dense(_)) => {
                let sparse = std::mem::replace(self, from.clone());
                sparse.iter(single, n).for_each(|(i, add)| self.add(single, n, i, add));
            }
            (Self::Sparse(entries), Self::Sparse(more)) if sum < WIDE_FROM => {
                union(entries, more);
                self.fit(sum);
            }
            _ => {
                self.fit(sum);
                from.iter(from_single, from_n).for_each(|(i, add)| self.add(single, n, i, add));
            }
        }
    }

    /// Buckets with a count, ascending.
    pub(super) fn iter(&self, single: usize, n: u64) -> impl Iterator<Item = (usize, u64)> + '_ {
        let (one, sparse, dense): (_, &[u64], &[u64]) = match self {
            Self::Single => ((n > 0).then_some((single, n)), &[], &[]),
            Self::Sparse(entries) => (None, entries, &[]),
            Self::Dense(counts) => (None, &[], counts),
        };
        let sparse = sparse.iter().map(|e| (bucket(*e), count(*e)));
        let dense = dense.iter().copied().enumerate().filter(|&(_, n)| n > 0);
        one.into_iter().chain(sparse).chain(dense)
    }

    /// From one bucket to a list that can hold `sum` values.
    fn spread(&mut self, single: usize, n: u64, sum: u64) {
        *self =
            if sum < WIDE_FROM { Self::Sparse(vec![entry(single, n)]) } else { Self::dense([(single, n)].into_iter()) };
    }

    /// Makes it dense where entries are too many, or too narrow for `n` values.
    fn fit(&mut self, n: u64) {
        if let Self::Sparse(entries) = self
            && (n >= WIDE_FROM || entries.len() > DENSE_FROM)
        {
            *self = Self::dense(entries.iter().map(|e| (bucket(*e), count(*e))));
        }
    }

    fn dense(buckets: impl Iterator<Item = (usize, u64)>) -> Self {
        let mut counts = vec![0; BUCKETS].into_boxed_slice();
        buckets.for_each(|(i, n)| counts[i] = n);
        Self::Dense(counts)
    }
}

fn entry(bucket: usize, count: u64) -> u64 {
    (bucket as u64) << COUNT_BITS | count
}

fn bucket(entry: u64) -> usize {
    (entry >> COUNT_BITS) as usize
}

fn count(entry: u64) -> u64 {
    entry & (WIDE_FROM - 1)
}

/// Adds sorted entries to sorted entries, in place. What is in both is added on the way forward; the others are moved in
/// from the end, once it is known how many there are.
fn union(entries: &mut Vec<u64>, more: &[u64]) {
    let (mut at, mut missing) = (0, 0);
    for e in more {
        at += seek(&entries[at..], bucket(*e));
        match entries.get_mut(at).filter(|own| bucket(**own) == bucket(*e)) {
            Some(own) => *own += count(*e),
            None => missing += 1,
        }
    }
    let (mut own, mut free) = (entries.len(), entries.len() + missing);
    entries.resize(free, 0);
    for e in more.iter().rev() {
        while own > 0 && bucket(entries[own - 1]) > bucket(*e) && free > own {
            free -= 1;
            own -= 1;
            entries[free] = entries[own];
        }
        if free == own {
            return;
        }
        if own == 0 || bucket(entries[own - 1]) < bucket(*e) {
            free -= 1;
            entries[free] = *e;
        }
    }
}

/// How many entries at the start lie before a bucket. Looks near the start first: buckets that are sought lie close.
fn seek(entries: &[u64], before: usize) -> usize {
    let mut end = 1;
    while end < entries.len() && bucket(entries[end - 1]) < before {
        end *= 2;
    }
    let (from, to) = (end / 2, end.min(entries.len()));
    from + entries[from..to].partition_point(|e| bucket(*e) < before)
}
