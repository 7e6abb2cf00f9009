//! Waist 2, inner part: what happened to one resource in one half-open range of time, by cell.
//!
//! In: transactions, counted by the agent. Out: merged and queried by the collector. Windows are deltas: several of
//! the same range add up, and merging is associative and commutative with the empty window as identity.

use std::{collections::HashMap, time::Duration};

use crate::{Consumer, Resource, Route, Sketch, Status, TimeRange, Timestamp};

/// Cells of one resource in `[start, start + width)`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    /// First moment; aligned to the epoch by `width`.
    pub start: Timestamp,
    /// Length.
    pub width: Duration,
    /// Who answered.
    pub resource: Resource,
    /// Dictionary of routes that cells point into; no duplicates.
    pub routes: Vec<Route>,
    /// Dictionary of consumers that cells point into; no duplicates.
    pub consumers: Vec<Consumer>,
    /// At most one per (route, consumer, status).
    pub cells: Vec<Cell>,
}

/// What one (route, consumer, status) did in a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Cell {
    /// Index into [`Window::routes`]; always in range.
    pub route: u32,
    /// Index into [`Window::consumers`]; always in range.
    pub consumer: u32,
    /// Status, or how it ended without one.
    pub status: Status,
    /// What is summed.
    pub stats: Stats,
}

/// What is summed: it merges, so nothing here is an average or a quantile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stats {
    /// Transactions.
    pub count: u64,
    /// Bytes of the requests.
    pub request_bytes: u64,
    /// Bytes of the responses.
    pub response_bytes: u64,
    /// Durations, of those transactions where it is known.
    pub duration: Sketch,
    /// Times to first byte, of those transactions where it is known.
    pub ttfb: Sketch,
}

impl Stats {
    /// Adds another's sums; all of them stop at `u64::MAX`.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.request_bytes = self.request_bytes.saturating_add(other.request_bytes);
        self.response_bytes = self.response_bytes.saturating_add(other.response_bytes);
        self.duration.merge(&other.duration);
        self.ttfb.merge(&other.ttfb);
    }
}

impl Window {
    /// An empty window.
    pub fn new(start: Timestamp, width: Duration, resource: Resource) -> Self {
        Self { start, width, resource, ..Self::default() }
    }

    /// The time it covers.
    pub fn range(&self) -> TimeRange {
        TimeRange::new(self.start, self.start + self.width)
    }

    /// Transactions in all cells, saturating.
    pub fn count(&self) -> u64 {
        self.cells.iter().fold(0, |sum, c| sum.saturating_add(c.stats.count))
    }

    /// Sum over all windows given, which should be of one resource; time range and resource are those of the first,
    /// widened to cover all starts. `None` when there are none.
    pub fn sum<'a>(windows: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let mut windows = windows.into_iter();
        let mut merger = Merger::new(windows.next()?);
        for w in windows {
            merger.add(w);
        }
        Some(merger.window)
    }

    /// Adds the cells of `other` to this window's, by name. Cost: linear in both.
    pub fn merge(&mut self, other: &Self) {
        let mut merger = Merger::new(self);
        merger.add(other);
        *self = merger.window;
    }

    /// Dictionaries and cells in their natural order, unused names gone: equal content becomes equal values.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let mut cells: Vec<_> = self
            .cells
            .iter()
            .filter(|c| c.stats.count > 0)
            .map(|c| (&self.routes[c.route as usize], &self.consumers[c.consumer as usize], c.status, &c.stats))
            .collect();
        cells.sort_by(|a, b| (a.0, a.1, a.2).cmp(&(b.0, b.1, b.2)));
        let mut merger = Merger::new(&Self::new(self.start, self.width, self.resource.clone()));
        for (route, consumer, status, stats) in cells {
            merger.add_cell(route, consumer, status, stats);
        }
        merger.window
    }
}

/// A window that other windows are added to, with its dictionaries indexed.
struct Merger {
    window: Window,
    routes: HashMap<Route, u32>,
    consumers: HashMap<Consumer, u32>,
    cells: HashMap<(u32, u32, Status), usize>,
}

impl Merger {
    fn new(first: &Window) -> Self {
        let mut m = Self {
            window: Window::new(first.start, first.width, first.resource.clone()),
            routes: HashMap::new(),
            consumers: HashMap::new(),
            cells: HashMap::new(),
        };
        m.add(first);
        m
    }

    /// Names are looked up once each, and only those that a cell has.
    fn add(&mut self, other: &Window) {
        let (mut routes, mut consumers) = (vec![None; other.routes.len()], vec![None; other.consumers.len()]);
        for c in &other.cells {
            let (route, consumer) = (c.route as usize, c.consumer as usize);
            let route = *routes[route]
                .get_or_insert_with(|| intern(&mut self.routes, &mut self.window.routes, &other.routes[route]));
            let consumer = *consumers[consumer].get_or_insert_with(|| {
                intern(&mut self.consumers, &mut self.window.consumers, &other.consumers[consumer])
            });
            self.add_at(route, consumer, c.status, &c.stats);
        }
    }

    fn add_cell(&mut self, route: &Route, consumer: &Consumer, status: Status, stats: &Stats) {
        let route = intern(&mut self.routes, &mut self.window.routes, route);
        let consumer = intern(&mut self.consumers, &mut self.window.consumers, consumer);
        self.add_at(route, consumer, status, stats);
    }

    fn add_at(&mut self, route: u32, consumer: u32, status: Status, stats: &Stats) {
        let cells = &mut self.window.cells;
        let at = *self.cells.entry((route, consumer, status)).or_insert_with(|| {
            cells.push(Cell { route, consumer, status, stats: Stats::default() });
            cells.len() - 1
        });
        cells[at].stats.merge(stats);
    }
}

fn intern<T: Clone + Eq + std::hash::Hash>(index: &mut HashMap<T, u32>, names: &mut Vec<T>, name: &T) -> u32 {
    if let Some(&i) = index.get(name) {
        return i;
    }
    let i = names.len() as u32;
    names.push(name.clone());
    index.insert(name.clone(), i);
    i
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Evidence;

    fn window() -> impl Strategy<Value = Window> {
        proptest::collection::vec((0..4u32, 0..4u32, 200..204u16, 1..5_000_000u64), 0..20).prop_map(|rows| {
            let mut merger = Merger::new(&Window::new(Timestamp::EPOCH, Duration::from_secs(10), Resource::default()));
            for (route, consumer, status, us) in rows {
                let mut stats = Stats { count: 1, request_bytes: us, response_bytes: 2 * us, ..Stats::default() };
                stats.duration.record(us);
                let consumer = Consumer::new(format!("c{consumer}"), Evidence::Name);
                merger.add_cell(&Route::new("GET", format!("/r{route}")), &consumer, Status::code(status), &stats);
            }
            merger.window
        })
    }

    fn sum(a: &Window, b: &Window) -> Window {
        let mut s = a.clone();
        s.merge(b);
        s.canonical()
    }

    #[test]
    fn sums_stop_at_the_greatest_number() {
        let mut merger = Merger::new(&Window::new(Timestamp::EPOCH, Duration::from_secs(10), Resource::default()));
        let mut stats = Stats { count: u64::MAX - 1, ..Stats::default() };
        stats.duration.record_n(5, u64::MAX - 1);
        for status in [200, 500] {
            merger.add_cell(&Route::default(), &Consumer::default(), Status::code(status), &stats);
        }
        let mut w = merger.window;
        w.merge(&w.clone());
        assert_eq!(
            (w.count(), w.cells[0].stats.count, w.cells[0].stats.duration.count()),
            (u64::MAX, u64::MAX, u64::MAX)
        );
        let read = crate::wire::decode_window(&crate::wire::encode_window(&w)).expect("stored sums stay readable");
        assert_eq!(read.count(), u64::MAX);
    }

    proptest! {
        #[test]
        fn merge_is_commutative(a in window(), b in window()) {
            prop_assert_eq!(sum(&a, &b), sum(&b, &a));
        }

        #[test]
        fn merge_is_associative(a in window(), b in window(), c in window()) {
            prop_assert_eq!(sum(&sum(&a, &b), &c), sum(&a, &sum(&b, &c)));
        }

        #[test]
        fn the_empty_window_is_the_identity(a in window()) {
            let empty = Window::new(a.start, a.width, a.resource.clone());
            prop_assert_eq!(sum(&a, &empty), a.canonical());
            prop_assert_eq!(sum(&empty, &a), a.canonical());
        }

        #[test]
        fn nothing_is_lost_in_a_sum(windows in proptest::collection::vec(window(), 1..6)) {
            let count: u64 = windows.iter().map(Window::count).sum();
            prop_assert_eq!(Window::sum(&windows).map(|w| w.count()), Some(count));
        }
    }
}
