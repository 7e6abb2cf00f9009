//! Cells packed in a row: what a slot of the engine in memory is made of. In: cells in the order of their keys. Out: the
//! same cells, or the sum of several runs. A cell of one transaction takes about 15 bytes.
//!
//! ```text
//! per cell: route - route before
//!           consumer, or where the route is the same: consumer - consumer before
//!           status << 2 | has request bytes << 1 | has a count of its own
//!           response bytes, request bytes, count: the latter two where said, else 0 and the number of durations
//!           duration, time to first byte: packed sketches
//! ```
//!
//! All numbers are varints. Nothing of this leaves the process.

use std::{cmp::Reverse, collections::BinaryHeap};

use pitot_model::{
    Sketch, Stats, Status,
    varint::{read, write},
};

use super::names::SUMMED;
use crate::store::Cube;

/// What a cell is about, in numbers of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Key {
    pub(super) route: u32,
    pub(super) consumer: u32,
    pub(super) status: Status,
}

impl Key {
    /// The key of the cell that this one is part of in a cube.
    pub(super) fn fold(self, cube: Cube) -> Self {
        match cube {
            Cube::Full => self,
            Cube::Routes => Self { consumer: SUMMED, ..self },
            Cube::Consumers => Self { route: SUMMED, ..self },
        }
    }
}

/// Cells in the order of their keys, each key once.
#[derive(Debug, Clone)]
pub(super) struct Run {
    bytes: Box<[u8]>,
    n_cells: u32,
}

/// Bytes of a run beside its cells: the handle, its place in a map, and what the allocator adds. An estimate.
const OVERHEAD: usize = 80;

const OWN_COUNT: u64 = 1;
const REQUEST_BYTES: u64 = 2;

impl Run {
    /// Packs cells that come in any order, and more than once.
    pub(super) fn pack(mut cells: Vec<(Key, Stats)>) -> Self {
        cells.sort_by_key(|(key, _)| *key);
        let mut sums = Sums::default();
        cells.into_iter().for_each(|(key, stats)| sums.add(key, stats));
        sums.finish()
    }

    /// The sum of several runs.
    pub(super) fn sum<'a>(runs: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sources: Vec<Cells<'a>> = runs.into_iter().map(Self::cells).collect();
        let mut heads: Vec<Option<Stats>> = vec![None; sources.len()];
        let mut order = BinaryHeap::with_capacity(sources.len());
        let mut next = |i: usize, heads: &mut [Option<Stats>], order: &mut BinaryHeap<_>| {
            if let Some((key, stats)) = sources[i].next() {
                heads[i] = Some(stats);
                order.push(Reverse((key, i)));
            }
        };
        for i in 0..heads.len() {
            next(i, &mut heads, &mut order);
        }
        let mut sums = Sums::default();
        while let Some(Reverse((key, i))) = order.pop() {
            if let Some(stats) = heads[i].take() {
                sums.add(key, stats);
            }
            next(i, &mut heads, &mut order);
        }
        sums.finish()
    }

    /// The run as a cube keeps it, from a run of the full one.
    pub(super) fn fold(&self, cube: Cube) -> Self {
        if cube == Cube::Full { self.clone() } else { Self::pack(self.folded(cube)) }
    }

    /// The cells as a cube keeps them, from a run of the full one.
    pub(super) fn folded(&self, cube: Cube) -> Vec<(Key, Stats)> {
        let mut cells: Vec<_> = self.cells().map(|(key, stats)| (key.fold(cube), stats)).collect();
        cells.sort_by_key(|(key, _)| *key);
        cells.dedup_by(|(key, stats), (kept, sum)| {
            let is_same = key == kept;
            if is_same {
                sum.merge(stats);
            }
            is_same
        });
        cells
    }

    /// The cells.
    pub(super) fn cells(&self) -> Cells<'_> {
        Cells { rest: &self.bytes, key: Key::default() }
    }

    /// How many there are.
    pub(super) fn n_cells(&self) -> usize {
        self.n_cells as usize
    }

    /// Bytes that it takes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len() + OVERHEAD
    }
}

/// See [`Run::cells`].
pub(super) struct Cells<'a> {
    rest: &'a [u8],
    key: Key,
}

impl Iterator for Cells<'_> {
    type Item = (Key, Stats);

    fn next(&mut self) -> Option<(Key, Stats)> {
        let rest = &mut self.rest;
        let (step, consumer, flags) = (read(rest)? as u32, read(rest)? as u32, read(rest)?);
        self.key.route += step;
        self.key.consumer = if step == 0 { self.key.consumer + consumer } else { consumer };
        self.key.status = Status::from_wire((flags >> 2) as u32);
        let response_bytes = read(rest)?;
        let request_bytes = if flags & REQUEST_BYTES > 0 { read(rest)? } else { 0 };
        let own_count = if flags & OWN_COUNT > 0 { Some(read(rest)?) } else { None };
        let (duration, ttfb) = (Sketch::read_packed(rest)?, Sketch::read_packed(rest)?);
        let count = own_count.unwrap_or(duration.count());
        Some((self.key, Stats { count, request_bytes, response_bytes, duration, ttfb }))
    }
}

/// Packs cells that come in the order of their keys, and adds up those that follow one another under the same key.
#[derive(Default)]
struct Sums {
    bytes: Vec<u8>,
    n_cells: u32,
    before: Key,
    open: Option<(Key, Stats)>,
}

impl Sums {
    fn add(&mut self, key: Key, stats: Stats) {
        match &mut self.open {
            Some((open, sum)) if *open == key => sum.merge(&stats),
            _ => {
                if let Some((key, sum)) = self.open.replace((key, stats)) {
                    self.write(key, &sum);
                }
            }
        }
    }

    fn write(&mut self, key: Key, stats: &Stats) {
        let out = &mut self.bytes;
        let step = key.route - self.before.route;
        write(out, u64::from(step));
        write(out, u64::from(if step == 0 { key.consumer - self.before.consumer } else { key.consumer }));
        let own_count = if stats.count == stats.duration.count() { 0 } else { OWN_COUNT };
        let request_bytes = if stats.request_bytes == 0 { 0 } else { REQUEST_BYTES };
        write(out, u64::from(key.status.as_wire()) << 2 | request_bytes | own_count);
        write(out, stats.response_bytes);
        if request_bytes > 0 {
            write(out, stats.request_bytes);
        }
        if own_count > 0 {
            write(out, stats.count);
        }
        stats.duration.write_packed(out);
        stats.ttfb.write_packed(out);
        self.before = key;
        self.n_cells += 1;
    }

    fn finish(mut self) -> Run {
        if let Some((key, sum)) = self.open.take() {
            self.write(key, &sum);
        }
        Run { bytes: self.bytes.into_boxed_slice(), n_cells: self.n_cells }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn cells() -> impl Strategy<Value = Vec<(Key, Stats)>> {
        let cell = (0..4u32, 0..300u32, 0..1_100u32, 0..3u64, 0..5_000_000u64, any::<bool>());
        let cell = cell.prop_map(|(route, consumer, status, n, us, is_timed)| {
            let mut stats = Stats { count: n, request_bytes: n * 7, response_bytes: us, ..Stats::default() };
            if is_timed {
                stats.duration.record_n(us, n);
                stats.ttfb.record(us / 2);
            }
            (Key { route, consumer, status: Status::from_wire(status) }, stats)
        });
        proptest::collection::vec(cell, 0..40)
    }

    fn plain<'a>(cells: impl IntoIterator<Item = &'a (Key, Stats)>, cube: Cube) -> Vec<(Key, Stats)> {
        let mut sums: BTreeMap<Key, Stats> = BTreeMap::new();
        cells.into_iter().for_each(|(key, stats)| sums.entry(key.fold(cube)).or_default().merge(stats));
        sums.into_iter().collect()
    }

    proptest! {
        #[test]
        fn runs_add_up_as_cells_do(parts in proptest::collection::vec(cells(), 0..5)) {
            let runs: Vec<Run> = parts.iter().cloned().map(Run::pack).collect();
            let sum = Run::sum(&runs);
            for cube in Cube::ALL {
                let (got, want) = (sum.fold(cube), plain(parts.iter().flatten(), cube));
                prop_assert_eq!(got.n_cells(), want.len());
                prop_assert_eq!(got.cells().collect::<Vec<_>>(), want, "{:?}", cube);
            }
        }
    }

    #[test]
    fn a_cell_of_one_transaction_takes_few_bytes() {
        let cells: Vec<_> = (0..1_000_u32)
            .map(|i| {
                let mut stats = Stats { count: 1, response_bytes: 300 + u64::from(i), ..Stats::default() };
                stats.duration.record(20_000 + u64::from(i));
                (Key { route: i / 20, consumer: i % 20 * 250, status: Status::code(200) }, stats)
            })
            .collect();
        let size = Run::pack(cells).size();
        assert!(size < 13 * 1_000, "{size}");
    }
}
