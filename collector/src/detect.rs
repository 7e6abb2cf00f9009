//! The first detectors: rate, share of server errors, durations, new consumers. In: windows, as they are stored, and the
//! watermark. Out: anomalies; each has one id from opening to resolution.
//!
//! A window is judged once, when the watermark has passed its end; several deltas of it add up until then, later ones
//! are counted and left out, and a window that nobody reported is a window without traffic.
//!
//! ```text
//! push -> slot -> facts (series: what is expected) -> series: tests -> candidates
//!                   |                                                    |
//!                   open: goes on? over? -> what is explained ---^       explain: narrowest subject -> open
//! ```
//!
//! **One incident, few anomalies.** What belongs to an open anomaly is taken out of the traffic before anything else is
//! tested. A candidate is first narrowed to the version, route or consumer that carries at least 80 % of the change.
//! Candidates are then looked at broadest first, and one is dropped when open anomalies of the same signal explain
//! half of its change, or contain it.

mod baseline;
mod config;
mod evidence;
mod explain;
mod novelty;
mod open;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod scenarios;
mod series;
mod silence;
mod slot;
#[cfg(test)]
mod traffic;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use pitot_model::{
    TimeRange, Timestamp, Window,
    api::{Anomaly, AnomalyKind},
};

pub use config::DetectConfig;
pub use silence::{Heard, Silence};

use open::Open;
use series::{Candidate, Explained, Signal, Table};
use slot::{Fact, Slot};

/// Windows that are kept after judgement, to explain what began a moment ago.
const RECENT_WINDOWS: usize = 4;
/// Windows that wait for judgement at most; beyond, the oldest is judged without waiting.
const PENDING_WINDOWS: usize = 720;
/// Windows without any traffic that are judged in a row; a longer gap is an interruption and is jumped over.
const GAP_WINDOWS: u32 = 360;
/// Shortest and longest window; a shorter one is put into a longer slot, a longer one is left out.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);

/// What was left out, by reason; monotonic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DetectStats {
    /// Windows judged.
    pub judged: u64,
    /// Deltas of windows that were judged before.
    pub late: u64,
    /// Windows longer than an hour.
    pub too_long: u64,
    /// Cells beyond [`DetectConfig::max_cells`].
    pub ignored_cells: u64,
    /// Cells of series beyond [`DetectConfig::max_series`], once per window.
    pub ignored_series: u64,
    /// Consumers too many to remember.
    pub ignored_consumers: u64,
    /// Anomalies beyond [`DetectConfig::max_open`].
    pub not_opened: u64,
}

/// All detectors over all series.
#[derive(Default)]
pub struct Detector {
    config: DetectConfig,
    /// Length of a slot: the longest window seen.
    step: Option<Duration>,
    pending: BTreeMap<Timestamp, Slot>,
    /// Start of the slot to judge next; unknown until the first.
    next: Option<Timestamp>,
    /// When the caller's clock was last seen.
    now: Timestamp,
    /// Judged a moment ago, oldest first.
    recent: VecDeque<(TimeRange, Vec<Fact>)>,
    table: Table,
    open: Vec<Open>,
    novelty: novelty::Novelty,
    out: VecDeque<Anomaly>,
    stats: DetectStats,
}

impl Detector {
    /// Detectors that know nothing yet.
    pub fn new(config: DetectConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Other settings from the next window on; what was learnt stays.
    pub fn reconfigure(&mut self, config: DetectConfig) {
        self.config = config;
    }

    /// Continues anomalies that were open before a restart; others are ignored.
    pub fn restore(&mut self, anomalies: Vec<Anomaly>) {
        for anomaly in anomalies.into_iter().filter(|a| a.state == pitot_model::api::State::Open) {
            if anomaly.kind == AnomalyKind::NewConsumer {
                self.novelty.restore(anomaly);
            } else if let Some(open) = Open::restored(anomaly) {
                self.open.push(open);
            }
        }
    }

    /// Adds a delta. Cost: linear in its cells.
    pub fn push(&mut self, window: &Window) {
        let width = window.width.max(SHORTEST);
        if width > LONGEST {
            self.stats.too_long += 1;
            return;
        }
        if self.step.is_none_or(|step| width > step) {
            self.widen(width);
        }
        let start = window.start.floor(self.step());
        if self.next.is_some_and(|next| start < next) {
            self.stats.late += 1;
            return;
        }
        let ignored = self.pending.entry(start).or_default().add(window, self.config.max_cells);
        self.stats.ignored_cells += ignored;
        if self.pending.len() > PENDING_WINDOWS {
            self.judge_oldest();
        }
    }

    /// Counts a window that comes too late to be judged.
    pub fn pass_over(&mut self) {
        self.stats.late += 1;
    }

    /// Time has passed, and no transaction that ends before the watermark is still to come.
    pub fn tick(&mut self, now: Timestamp, watermark: Timestamp) {
        self.now = now;
        let Some(step) = self.step else { return };
        let due = (watermark - Duration::from_millis(self.config.grace_ms)).floor(step);
        while self.pending.first_key_value().is_some_and(|(start, _)| *start + step <= due) {
            self.judge_oldest();
        }
        self.judge_empty_until(due);
    }

    /// When the next window can be judged, if the watermark follows; `None` before the first window.
    pub fn deadline(&self) -> Option<Timestamp> {
        let step = self.step?;
        let waiting = self.pending.first_key_value().map(|(start, _)| *start).or(self.next)?;
        Some((waiting + step + Duration::from_millis(self.config.grace_ms)).max(self.now + step))
    }

    /// The next document that is new or changed, in the order of the changes.
    pub fn poll(&mut self) -> Option<Anomaly> {
        self.out.pop_front()
    }

    /// What was left out so far.
    pub fn stats(&self) -> DetectStats {
        DetectStats { ignored_series: self.table.ignored, ignored_consumers: self.novelty.ignored, ..self.stats }
    }

    fn step(&self) -> Duration {
        self.step.unwrap_or(SHORTEST)
    }

    /// Longer windows than before: counts cannot be cut, so all series are learnt anew on the longer grid.
    fn widen(&mut self, step: Duration) {
        self.step = Some(step);
        self.table = Table::default();
        self.recent.clear();
        self.next = self.next.map(|next| next.ceil(step));
        for (start, slot) in std::mem::take(&mut self.pending) {
            self.pending.entry(start.floor(step)).or_default().absorb(slot);
        }
    }

    fn judge_oldest(&mut self) {
        let Some((start, slot)) = self.pending.pop_first() else { return };
        self.judge_empty_until(start);
        self.judge(start, slot);
    }

    fn judge_empty_until(&mut self, until: Timestamp) {
        let Some(mut next) = self.next else { return };
        for _ in 0..GAP_WINDOWS {
            if next >= until {
                return;
            }
            self.judge(next, Slot::default());
            next = next + self.step();
        }
        self.next = Some(until.max(next));
    }

    fn judge(&mut self, start: Timestamp, slot: Slot) {
        let range = TimeRange::new(start, start + self.step());
        self.next = Some(range.to);
        self.stats.judged += 1;
        let facts = self.table.facts(slot, &self.config);
        self.observe_open(&facts, range);
        let mut explained = Explained::default();
        self.open.iter().filter(|o| o.is_open()).for_each(|o| o.explains(&mut explained));
        let candidates = self.table.judge(start, &facts, &explained, &self.config);
        self.out.extend(self.novelty.observe(&facts, range, &self.config));
        self.recent.push_back((range, facts));
        if self.recent.len() > RECENT_WINDOWS {
            self.recent.pop_front();
        }
        for candidate in candidates {
            self.consider(&candidate, range);
        }
    }

    fn observe_open(&mut self, facts: &[Fact], range: TimeRange) {
        for open in &mut self.open {
            let was_open = open.is_open();
            if open.observe(facts, range, &self.table, &self.config) {
                self.out.push_back(open.anomaly.clone());
            }
            if was_open && !open.is_open() {
                self.table.reset(&open.scope, open.signal);
                if open.signal == Signal::Up {
                    self.table.note_burst(&open.scope, open.peak(), self.config.memory_windows);
                }
                if open.is_adopted(&self.config) {
                    self.table.relearn(&open.scope);
                }
            }
        }
        self.open.retain(|o| !o.is_gone(&self.config));
    }

    /// Opens, continues or drops.
    fn consider(&mut self, candidate: &Candidate, range: TimeRange) {
        let signal = candidate.signal;
        let since: Vec<&(TimeRange, Vec<Fact>)> =
            self.recent.iter().filter(|(r, _)| r.from >= candidate.crossing.start).collect();
        let inside: Vec<&Fact> =
            since.iter().flat_map(|(_, facts)| facts).filter(|f| candidate.scope.holds(&f.key)).collect();
        let scope =
            explain::narrowest(candidate.scope.clone(), signal, &inside, since.len(), &self.table, &self.config);
        let all: Vec<&Fact> = since.iter().flat_map(|(_, facts)| facts).collect();
        let scope = explain::settled(scope, signal, &all, &self.config);
        if self.is_explained(candidate, &scope, &inside) {
            self.table.reset(&candidate.scope, signal);
            return;
        }
        let related = |o: &&mut Open| o.signal == signal && (o.scope.contains(&scope) || scope.contains(&o.scope));
        if let Some(open) = self.open.iter_mut().filter(|o| !o.is_open()).find(related) {
            open.reopen(range.to);
            self.out.push_back(open.anomaly.clone());
            return;
        }
        if self.open.len() >= self.config.max_open {
            self.stats.not_opened += 1;
            self.table.reset(&candidate.scope, signal);
            return;
        }
        let windows: Vec<(TimeRange, Vec<&Fact>)> =
            since.iter().map(|(r, facts)| (*r, facts.iter().filter(|f| scope.holds(&f.key)).collect())).collect();
        if let Some(open) = Open::new(scope, signal, &windows, &self.table, &self.config, candidate.crossing.nats) {
            self.out.push_back(open.anomaly.clone());
            self.open.push(open);
        }
    }

    /// Whether anomalies that are open already tell this one.
    fn is_explained(&self, candidate: &Candidate, scope: &slot::Scope, inside: &[&Fact]) -> bool {
        let signal = candidate.signal;
        let same = self.open.iter().filter(|o| o.is_open() && o.signal == signal);
        if same.clone().any(|o| o.scope.contains(scope)) {
            return true;
        }
        if signal.is_rate() {
            let told: f64 = same.filter(|o| candidate.scope.contains(&o.scope)).map(|o| o.now().excess().abs()).sum();
            return told >= candidate.now.excess().abs() / 2.0;
        }
        let excess = |facts: &mut dyn Iterator<Item = &&Fact>| -> f64 {
            facts.map(|f| explain::counts(f, signal).excess()).sum()
        };
        let all = excess(&mut inside.iter());
        let untold = excess(&mut inside.iter().filter(|f| !same.clone().any(|o| o.scope.holds(&f.key))));
        untold < all / 2.0
    }
}
