//! The engine in memory: for one process that reads and shows, and the reference for the others.
//!
//! In: reports. Out: windows. It forgets everything when dropped.
//!
//! ```text
//! append -> fresh: full cube, finest level -> roll_up -> slots: every cube and level, the finest one in full only
//! ```
//!
//! Cells are packed in [`run`]s and unpacked when they are read. The marginals of the finest level are folded then: where
//! windows are short, they would be as large as the full cube. Coarser levels are read with what is fresh until
//! [`Store::roll_up`] has added it, so every cell is summed once per level and not once per report.
//!
//! **When it is full**, which [`BYTES`] says, the oldest slots of the finest level go first, then those of the next; see
//! [`Memory::shed`]. What is left is exact: [`Store::horizon`] moves, and questions about earlier ranges are answered in
//! coarser steps, as they are when retention has dropped the finer ones.

mod names;
mod run;

use std::collections::BTreeMap;

use pitot_model::{Cell, Coverage, Mark, Report, Stats, TimeRange, Timestamp, Window, api::StoreStats};

use self::{
    names::Names,
    run::{Key, Run},
};
use super::{Appended, Cube, Ledger, Levels, Store, StoreError, marks::Marks};

/// Bytes of cells in memory. 192 MiB hold some four million transactions that have hardly a cell in common.
const BYTES: usize = 192 << 20;

/// Bytes that are left when it was full: an eighth less, so that it is not full again at once.
const fn low_water(bytes: usize) -> usize {
    bytes / 8 * 7
}

/// Slots of each level that stay as long as a coarser level has older ones.
const STAY: u32 = 60;

/// Runs of one slot and resource that lie apart; the next one joins them all. Low makes reading cheap, high makes
/// rolling up cheap.
const RUNS: usize = 8;

/// Bytes of what one agent read and lost in one slot, with its place in the map. An estimate.
const COVERAGE: usize = 400;

/// Start of a slot, and number of the resource.
type Slot = (Timestamp, u32);

/// Windows in memory.
#[derive(Debug)]
pub struct Memory {
    id: String,
    levels: Levels,
    names: Names,
    /// The finest level holds the full cube only.
    slots: BTreeMap<(Cube, usize), BTreeMap<Slot, Vec<Run>>>,
    /// Full cube, finest level: what no coarser level holds yet.
    fresh: BTreeMap<Slot, Vec<Run>>,
    /// Runs in `fresh`.
    n_fresh: usize,
    /// Bytes of all runs and counts of coverage.
    bytes: usize,
    /// What `bytes` may be.
    budget: usize,
    /// By start of the slot and agent; as long as `levels`.
    coverage: Vec<BTreeMap<(Timestamp, String), Coverage>>,
    marks: Marks,
    /// As long as `levels`.
    horizons: Vec<Timestamp>,
    newest: Option<Timestamp>,
    ledger: Ledger,
}

impl Memory {
    /// An empty store with these levels, and without a name.
    pub fn new(levels: Levels) -> Self {
        Self::with_budget(levels, BYTES)
    }

    /// The same store under a name.
    #[must_use]
    pub fn named(self, id: String) -> Self {
        Self { id, ..self }
    }

    fn with_budget(levels: Levels, budget: usize) -> Self {
        let horizons = vec![TimeRange::ALL.from; levels.len()];
        let coverage = vec![BTreeMap::new(); levels.len()];
        Self {
            id: String::new(),
            levels,
            names: Names::default(),
            slots: BTreeMap::new(),
            fresh: BTreeMap::new(),
            n_fresh: 0,
            bytes: 0,
            budget,
            coverage,
            marks: Marks::default(),
            horizons,
            newest: None,
            ledger: Ledger::default(),
        }
    }

    fn pack(&mut self, window: &Window) -> Run {
        let routes: Vec<u32> = window.routes.iter().map(|name| self.names.routes.number(name)).collect();
        let consumers: Vec<u32> = window.consumers.iter().map(|name| self.names.consumers.number(name)).collect();
        let key = |cell: &Cell| Key {
            route: routes[cell.route as usize],
            consumer: consumers[cell.consumer as usize],
            status: cell.status,
        };
        Run::pack(window.cells.iter().map(|cell| (key(cell), cell.stats.clone())).collect())
    }

    fn roll(&mut self) {
        let fresh = std::mem::take(&mut self.fresh);
        self.n_fresh = 0;
        let mut finest: Vec<(Slot, Run)> = Vec::with_capacity(fresh.len());
        for (slot, runs) in fresh {
            self.bytes -= runs.iter().map(Run::size).sum::<usize>();
            finest.push((slot, join(runs)));
        }
        for cube in Cube::ALL {
            let mut finer: Vec<(Slot, Run)> = finest.iter().map(|(slot, run)| (*slot, run.fold(cube))).collect();
            for level in 1..self.levels.len() {
                finer = self.coarser(&finer, level);
                finer.iter().for_each(|(slot, run)| self.put(cube, level, *slot, run.clone()));
            }
        }
        finest.into_iter().for_each(|(slot, run)| self.put(Cube::Full, 0, slot, run));
    }

    /// Runs of a finer level as runs of this one. Both are in the order of their slots.
    fn coarser(&self, finer: &[(Slot, Run)], level: usize) -> Vec<(Slot, Run)> {
        let width = self.levels.width(level);
        let mut parts: BTreeMap<Slot, Vec<&Run>> = BTreeMap::new();
        for ((start, resource), run) in finer {
            parts.entry((start.floor(width), *resource)).or_default().push(run);
        }
        parts.into_iter().map(|(slot, runs)| (slot, Run::sum(runs))).collect()
    }

    fn put(&mut self, cube: Cube, level: usize, slot: Slot, run: Run) {
        let runs = self.slots.entry((cube, level)).or_default().entry(slot).or_default();
        self.bytes += run.size();
        runs.push(run);
        if runs.len() > RUNS {
            let apart: usize = runs.iter().map(Run::size).sum();
            *runs = vec![join(std::mem::take(runs))];
            self.bytes = self.bytes - apart + runs[0].size();
        }
    }

    /// Makes room: drops the oldest slots of the finest level until there is enough, or only [`STAY`] are left, then those
    /// of the next. When that is not enough, all but the newest slot of every level go in the same order.
    fn shed(&mut self) {
        self.roll();
        for stay in [STAY, 1] {
            for level in 0..self.levels.len() {
                let (width, end) = (self.levels.width(level), self.newest.unwrap_or(TimeRange::ALL.from));
                let stays = (end - self.levels.finest()).floor(width) - width * (stay - 1);
                while self.bytes > low_water(self.budget)
                    && let Some(start) = self.first_of_any(level).filter(|start| *start < stays)
                {
                    self.drop_before(level, start + width);
                }
            }
        }
        self.sweep();
    }

    /// Start of the first slot of a level.
    fn first(&self, level: usize) -> Option<Timestamp> {
        let first = |slots: &BTreeMap<Slot, Vec<Run>>| slots.first_key_value().map(|((start, _), _)| *start);
        first(self.slots.get(&(Cube::Full, level))?)
    }

    /// Start of the first slot of a level that has windows or coverage.
    fn first_of_any(&self, level: usize) -> Option<Timestamp> {
        let covered = self.coverage[level].first_key_value().map(|((start, _), _)| *start);
        covered.into_iter().chain(self.first(level)).min()
    }

    /// Drops the slots of a level that start before a moment. Gives the number of windows and counts that went.
    fn drop_before(&mut self, level: usize, cutoff: Timestamp) -> u64 {
        let mut n_windows = 0;
        for cube in Cube::ALL {
            let Some(slots) = self.slots.get_mut(&(cube, level)) else { continue };
            let kept = slots.split_off(&(cutoff, 0));
            for runs in std::mem::replace(slots, kept).into_values() {
                self.bytes -= runs.iter().map(Run::size).sum::<usize>();
                n_windows += runs.len() as u64;
            }
        }
        if n_windows > 0 {
            self.horizons[level] = self.horizons[level].max(cutoff);
        }
        let kept = self.coverage[level].split_off(&(cutoff, String::new()));
        let n_counts = std::mem::replace(&mut self.coverage[level], kept).len();
        self.bytes -= n_counts * COVERAGE;
        n_windows + n_counts as u64
    }

    /// Drops names that no cell has any more.
    fn sweep(&mut self) {
        let mut used = self.names.used();
        for ((_, resource), runs) in self.slots.values().flatten().chain(&self.fresh) {
            used.resources[*resource as usize] = true;
            for (key, _) in runs.iter().flat_map(Run::cells) {
                used.routes[key.route as usize] = true;
                used.consumers[key.consumer as usize] = true;
            }
        }
        self.names.sweep(&used);
    }

    /// Unpacks runs, for one cube.
    fn visit(&self, cube: Cube, level: usize, slots: Slots<'_>, visit: &mut dyn FnMut(&Window)) {
        let mut places = Places::new(&self.names);
        for ((start, resource), runs) in slots {
            for run in runs {
                let resource = self.names.resources.name(*resource);
                let mut window = Window::new(*start, self.levels.width(level), resource);
                if level == 0 && cube != Cube::Full {
                    places.fill(&mut window, run.folded(cube));
                } else {
                    window.cells.reserve_exact(run.n_cells());
                    places.fill(&mut window, run.cells());
                }
                visit(&window);
            }
        }
    }
}

type Slots<'a> = std::collections::btree_map::Range<'a, Slot, Vec<Run>>;

/// Several runs as one.
fn join(mut runs: Vec<Run>) -> Run {
    if runs.len() == 1 { runs.swap_remove(0) } else { Run::sum(&runs) }
}

/// Where the names of a run are in the dictionaries of its window.
struct Places<'a> {
    names: &'a Names,
    /// By number of the consumer; `u32::MAX` where it is not in the window.
    consumers: Vec<u32>,
}

impl<'a> Places<'a> {
    fn new(names: &'a Names) -> Self {
        Self { names, consumers: vec![u32::MAX; names.consumers.bound()] }
    }

    /// Adds cells that come in the order of their routes.
    fn fill(&mut self, window: &mut Window, cells: impl IntoIterator<Item = (Key, Stats)>) {
        let (mut seen, mut last_route) = (Vec::new(), None);
        for (key, stats) in cells {
            if last_route.replace(key.route) != Some(key.route) {
                window.routes.push(self.names.routes.name(key.route));
            }
            let place = &mut self.consumers[key.consumer as usize];
            if *place == u32::MAX {
                *place = window.consumers.len() as u32;
                window.consumers.push(self.names.consumers.name(key.consumer));
                seen.push(key.consumer);
            }
            let route = window.routes.len() as u32 - 1;
            window.cells.push(Cell { route, consumer: *place, status: key.status, stats });
        }
        seen.into_iter().for_each(|consumer| self.consumers[consumer as usize] = u32::MAX);
    }
}

impl Store for Memory {
    fn id(&self) -> &str {
        &self.id
    }

    fn levels(&self) -> &Levels {
        &self.levels
    }

    fn set_levels(&mut self, levels: Levels) {
        if levels.has_widths_of(&self.levels) {
            self.levels = levels;
        }
    }

    fn append(&mut self, report: &Report, now: Timestamp) -> Result<Appended, StoreError> {
        let admitted = self.ledger.admit(report);
        if admitted != Appended::Stored {
            return Ok(admitted);
        }
        for window in &report.windows {
            let start = window.start.floor(self.levels.finest());
            let run = self.pack(window);
            self.bytes += run.size();
            self.n_fresh += 1;
            let resource = self.names.resources.number(&window.resource);
            self.fresh.entry((start, resource)).or_default().push(run);
            self.newest = self.newest.max(Some(start + self.levels.finest()));
        }
        let at = super::ledger::coverage_at(report, now);
        for level in 0..self.levels.len() {
            let slot = at.floor(self.levels.width(level));
            let coverage = &mut self.coverage[level];
            let n_counts = coverage.len();
            coverage.entry((slot, report.agent.name.clone())).or_default().merge(&report.coverage);
            self.bytes += (coverage.len() - n_counts) * COVERAGE;
        }
        report.marks.iter().for_each(|mark| self.marks.add(mark));
        for alias in &report.aliases {
            self.ledger.alias(alias);
        }
        self.ledger.put(self.ledger.after(report, now));
        if self.bytes > self.budget {
            self.shed();
        }
        Ok(Appended::Stored)
    }

    fn scan(
        &self,
        cube: Cube,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&Window),
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let slots = (range.from, 0)..(range.to, 0);
        let stored = if level == 0 { Cube::Full } else { cube };
        if let Some(rolled) = self.slots.get(&(stored, level)) {
            self.visit(cube, level, rolled.range(slots.clone()), visit);
        }
        self.visit(cube, 0, self.fresh.range(slots), visit);
        Ok(())
    }

    fn coverage_by_agent(
        &self,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&str, Timestamp, &Coverage),
    ) -> Result<(), StoreError> {
        if !range.is_empty() {
            let key = |start| (start, String::new());
            let found = self.coverage[level].range(key(range.from)..key(range.to));
            found.for_each(|((start, agent), coverage)| visit(agent, *start, coverage));
        }
        Ok(())
    }

    fn marks(&self, range: TimeRange, visit: &mut dyn FnMut(&Mark)) -> Result<(), StoreError> {
        self.marks.visit(range, visit);
        Ok(())
    }

    fn horizon(&self, level: usize) -> Timestamp {
        self.horizons[level]
    }

    fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn roll_up(&mut self) -> Result<(), StoreError> {
        self.roll();
        if self.bytes > self.budget {
            self.shed();
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.n_fresh
    }

    fn forget(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.roll();
        let mut n_gone = 0;
        for level in 0..self.levels.len() {
            if let Some(cutoff) = self.levels.cutoff(level, now) {
                n_gone += self.drop_before(level, cutoff);
            }
        }
        if let Some(cutoff) = self.levels.cutoff(self.levels.len() - 1, now) {
            n_gone += self.marks.drop_before(cutoff);
        }
        if n_gone > 0 && self.names.has_grown() {
            self.sweep();
        }
        for name in self.ledger.unseen(now - super::ledger::AGENT_KEEP) {
            self.ledger.remove(&name);
        }
        Ok(n_gone)
    }

    fn persist(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    fn stats(&self) -> StoreStats {
        let fresh = self.fresh.keys().next().map(|(start, _)| *start);
        let runs = self.slots.values().flat_map(BTreeMap::values).map(|runs| runs.len() as u64);
        StoreStats {
            id: self.id.clone(),
            windows: runs.sum::<u64>() + self.n_fresh as u64,
            disk_bytes: 0,
            oldest: self.first(super::sharpest(&self.horizons)).into_iter().chain(fresh).min(),
            newest: self.newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{at, count, levels, put, range};

    #[test]
    fn a_full_store_drops_the_finest_slots_and_stays_exact() {
        let mut store = Memory::with_budget(levels(), 300_000);
        let (mut total, mut sequence) = (0, 0);
        for start in (0..86_400).step_by(30) {
            sequence += 1;
            put(&mut store, sequence, &[(start, 3), (start + 10, 2)]);
            total += 5;
            assert!(store.bytes <= store.budget);
        }
        assert!(store.horizon(0) > at(3_600), "{}", store.horizon(0));
        assert!(store.horizon(0) <= at(86_400 - 600), "ten minutes stay: {}", store.horizon(0));
        assert_eq!(store.horizon(3), TimeRange::ALL.from);
        for cube in Cube::ALL {
            for level in 1..4 {
                let from = store.horizon(level).max(at(0)).ceil(levels().width(3));
                let missing = from.as_secs() as u64 / 30 * 5;
                let all = TimeRange::new(from, at(86_400));
                assert_eq!(count(&store, cube, level, all), total - missing, "{cube:?} {level}");
            }
        }
        assert_eq!(count(&store, Cube::Full, 0, range(86_340, 86_400)), 10);
    }

    #[test]
    fn a_budget_for_nothing_keeps_the_newest_slots() {
        let mut store = Memory::with_budget(levels(), 1);
        for (sequence, start) in (1..).zip((0..40_000).step_by(500)) {
            put(&mut store, sequence, &[(start, 4)]);
        }
        for level in 0..4 {
            let newest = at(39_500).floor(levels().width(level));
            assert!(store.horizon(level) <= newest, "{level}");
            let got = count(&store, Cube::Consumers, level, TimeRange::new(newest, at(43_200)));
            assert!(got >= 4, "{level}: {got}");
        }
    }

    #[test]
    fn names_go_with_the_cells_that_had_them() {
        let mut store = Memory::new(levels());
        for hour in 0..40 {
            let mut report = crate::store::contract::report(hour + 1, &[(hour as i64 * 3_600, 4)]);
            let consumer = &mut report.windows[0].consumers[0];
            consumer.id = format!("consumer {hour}");
            store.append(&report, at(0)).expect("appends");
        }
        store.forget(at(402 * 86_400)).expect("forgets");
        store.sweep();
        assert_eq!((store.stats().windows, store.names.len()), (0, 2));
    }
}
