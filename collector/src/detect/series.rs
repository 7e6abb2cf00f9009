//! All series that are watched, and their tests. In: the facts of one window. Out: tests that crossed their line.
//!
//! | series | rate | errors | latency |
//! |---|---|---|---|
//! | service | up, down | yes | yes |
//! | service, route | up, down | yes | yes |
//! | service, version | | yes | yes |
//! | service, consumer | up | | |
//! | service, route, consumer | up | | |
//!
//! Shares of errors and slow requests are expected route by route: a service that is asked for its slow routes more
//! often has not become slow. What open anomalies explain is taken out before anything is tested or learnt, so that
//! one incident is one anomaly and does not become normal.

use std::{cmp::Ordering, sync::Arc};

use pitot_model::{Sketch, Timestamp, api::AnomalyKind};
use rustc_hash::FxHashMap;

use super::{
    baseline::{Durations, Level, Share},
    config::DetectConfig,
    evidence::{Counts, Crossing, Cusum, ERRORS, Model, SLOW},
    slot::{Fact, Scope, Slot, is_somebody},
};

/// What can be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Signal {
    Errors,
    Slow,
    Up,
    Down,
}

impl Signal {
    pub(super) fn kind(self) -> AnomalyKind {
        match self {
            Self::Errors => AnomalyKind::Errors,
            Self::Slow => AnomalyKind::Latency,
            Self::Up | Self::Down => AnomalyKind::Rate,
        }
    }

    pub(super) fn is_rate(self) -> bool {
        matches!(self, Self::Up | Self::Down)
    }
}

/// A series whose test crossed its line.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) scope: Scope,
    pub(super) signal: Signal,
    pub(super) crossing: Crossing,
    /// What this window alone says.
    pub(super) now: Counts,
}

/// What open anomalies explain in this window.
#[derive(Debug, Default)]
pub(super) struct Explained {
    /// Errors and slow requests of these are no news.
    pub(super) parts: Vec<(Signal, Scope)>,
    /// Requests of these count this much: their normal share of what they make now.
    pub(super) floods: Vec<(Scope, f64)>,
    /// These miss so many requests.
    pub(super) gaps: Vec<(Scope, f64)>,
}

impl Explained {
    fn weight(&self, signal: Signal, fact: &Fact) -> f64 {
        let is_known = self.parts.iter().any(|(s, scope)| *s == signal && scope.holds(&fact.key));
        if is_known { 0.0 } else { 1.0 }
    }

    fn rate_weight(&self, fact: &Fact) -> f64 {
        self.floods.iter().filter(|(scope, _)| scope.holds(&fact.key)).map(|(_, w)| w).product()
    }

    fn missing(&self, scope: &Scope) -> f64 {
        self.gaps.iter().filter(|(gap, _)| scope.contains(gap)).map(|(_, n)| n).sum()
    }

    fn is_held(&self, scope: &Scope) -> bool {
        self.gaps.iter().any(|(gap, _)| gap.contains(scope))
    }
}

#[derive(Default)]
struct Series {
    /// Windows since it was first seen.
    age: u32,
    /// Windows in which it was seen.
    seen: u32,
    /// Windows since it was last seen.
    idle: u32,
    now: Now,
    level: Level,
    up: Cusum,
    down: Cusum,
    errors: Cusum,
    slow: Cusum,
    /// Routes only.
    normal: Option<Box<Normal>>,
}

/// What is normal for a route.
struct Normal {
    errors: Share,
    durations: Durations,
    /// Of this window, without failures.
    now: Sketch,
}

/// Sums of this window.
#[derive(Default)]
struct Now {
    is_seen: bool,
    count: f64,
    requests: f64,
    failed: f64,
    errors: Counts,
    slow: Counts,
}

/// All series; at most [`DetectConfig::max_series`].
#[derive(Default)]
pub(super) struct Table {
    series: FxHashMap<Scope, Series>,
    /// Series that found no room.
    pub(super) ignored: u64,
}

/// Windows without a request after which a series is forgotten; a full table forgets sooner.
const FORGET_WINDOWS: u32 = 8640;
const FORGET_WHEN_FULL: u32 = 360;
/// Requests more or fewer that a change of rate must amount to, whatever the share.
const LEAST_REQUESTS: f64 = 20.0;
/// Requests per window from which on silence is judged: rarer ones come in clusters, and their level is hardly known.
const LEAST_LEVEL: f64 = 1.0;
/// What a suspicious window counts in learning.
const SUSPICIOUS_WEIGHT: f64 = 0.1;

impl Table {
    /// The cells beside what their routes expect of them.
    pub(super) fn facts(&self, slot: Slot, config: &DetectConfig) -> Vec<Fact> {
        slot.cells
            .into_iter()
            .map(|(key, sums)| {
                let mut fact = Fact { key, sums, errors: Counts::default(), slow: Counts::default() };
                let route = Scope { route: Some(fact.key.route.clone()), ..Scope::service(&fact.key.service) };
                let Some(series) = self.series.get(&route).filter(|s| s.age >= config.warmup_windows) else {
                    return fact;
                };
                let Some(normal) = &series.normal else { return fact };
                let least = f64::from(config.warmup_requests);
                if normal.errors.requests() >= least {
                    let k = if fact.failed() { fact.count() } else { 0.0 };
                    fact.errors = Counts { n: fact.count(), k, e: fact.count() * normal.errors.expected() };
                }
                if normal.durations.requests() >= least && !fact.failed() {
                    let (k, e) = normal.durations.slow(&fact.sums.duration);
                    fact.slow = Counts { n: fact.sums.duration.count() as f64, k, e };
                }
                fact
            })
            .collect()
    }

    /// Tests and learns one window; candidates come broadest first, in a fixed order.
    pub(super) fn judge(
        &mut self,
        at: Timestamp,
        facts: &[Fact],
        explained: &Explained,
        config: &DetectConfig,
    ) -> Vec<Candidate> {
        for fact in facts {
            self.feed(fact, explained, config.max_series);
        }
        let services: FxHashMap<Arc<str>, f64> = self
            .series
            .iter()
            .filter(|(scope, _)| scope.depth() == 0)
            .map(|(scope, s)| (scope.service.clone(), s.level.expected()))
            .collect();
        let mut out = Vec::new();
        for (scope, series) in &mut self.series {
            let whole = services.get(&scope.service).copied().unwrap_or(0.0);
            series.now.count += explained.missing(scope);
            if !explained.is_held(scope) {
                series.test_rate(at, scope, whole, config, &mut out);
            }
            series.test_shares(at, scope, config, &mut out);
            series.learn(config);
        }
        self.forget(config.max_series);
        out.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.scope.cmp(&b.scope)));
        out
    }

    /// Series in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// Requests per window expected of a series; the least level where it is not known, or not long enough.
    pub(super) fn expected(&self, scope: &Scope, config: &DetectConfig) -> f64 {
        let known = self.series.get(scope).filter(|s| s.age > config.warmup_windows);
        known.map_or_else(|| Level::default().expected(), |s| s.level.expected())
    }

    /// The quantile of durations expected of a part that asks for its routes this often; microseconds.
    pub(super) fn expected_us<'a>(&self, facts: impl Iterator<Item = &'a Fact>, q: f64) -> Option<f64> {
        let mut mix = Durations::new();
        for fact in facts.filter(|f| !f.failed()) {
            let route = Scope { route: Some(fact.key.route.clone()), ..Scope::service(&fact.key.service) };
            if let Some(normal) = self.series.get(&route).and_then(|s| s.normal.as_ref()) {
                normal.durations.mix_into(&mut mix, fact.sums.duration.count() as f64);
            }
        }
        mix.quantile_us(q)
    }

    /// Forgets the evidence of this kind in everything that overlaps; what was learnt stays.
    pub(super) fn reset(&mut self, scope: &Scope, signal: Signal) {
        for (other, series) in &mut self.series {
            if scope.contains(other) || other.contains(scope) {
                match signal {
                    Signal::Errors => series.errors.reset(),
                    Signal::Slow => series.slow.reset(),
                    Signal::Up => series.up.reset(),
                    Signal::Down => series.down.reset(),
                }
            }
        }
    }

    /// Remembers an excess that is over as part of how much this series varies, so that what comes every hour is not
    /// told every hour.
    pub(super) fn note_burst(&mut self, scope: &Scope, peak: f64, memory: f64) {
        if let Some(s) = self.series.get_mut(scope) {
            let e = s.level.expected();
            s.up.learn(Model::Count(1.0), Counts { n: 0.0, k: peak, e }, SUSPICIOUS_WEIGHT, memory);
        }
    }

    /// Learns a part anew: its change is the new normal.
    pub(super) fn relearn(&mut self, scope: &Scope) {
        self.series.retain(|other, _| !scope.contains(other));
    }

    fn feed(&mut self, fact: &Fact, explained: &Explained, max_series: usize) {
        let key = &fact.key;
        let service = Scope::service(&key.service);
        let route = Scope { route: Some(key.route.clone()), ..service.clone() };
        let rate = explained.rate_weight(fact);
        let errors = explained.weight(Signal::Errors, fact);
        let slow = explained.weight(Signal::Slow, fact) * errors;
        let mut add = |scope: Scope| {
            if self.series.len() >= max_series && !self.series.contains_key(&scope) {
                self.ignored += 1;
                return;
            }
            let is_route = scope.depth() == 1 && scope.route.is_some();
            let series = self.series.entry(scope).or_default();
            series.now.add(fact, rate, errors, slow);
            if is_route {
                let normal = series.normal.get_or_insert_with(Normal::new);
                if slow > 0.0 && !fact.failed() {
                    normal.now.merge(&fact.sums.duration);
                }
            }
        };
        if is_somebody(&key.consumer) {
            add(Scope { consumer: Some(key.consumer.clone()), ..route.clone() });
            add(Scope { consumer: Some(key.consumer.clone()), ..service.clone() });
        }
        if !key.version.is_empty() {
            add(Scope { version: Some(key.version.clone()), ..service.clone() });
        }
        add(route);
        add(service);
    }

    fn forget(&mut self, max_series: usize) {
        let limit = if self.series.len() * 10 >= max_series * 9 { FORGET_WHEN_FULL } else { FORGET_WINDOWS };
        self.series.retain(|_, s| s.idle < limit);
    }
}

/// Broadest first; of these, what names a version before what names a route.
fn order(c: &Candidate) -> (usize, bool, Signal) {
    (c.scope.depth(), c.scope.version.is_none(), c.signal)
}

impl Normal {
    fn new() -> Box<Self> {
        Box::new(Self { errors: Share::default(), durations: Durations::new(), now: Sketch::new() })
    }
}

impl Now {
    fn add(&mut self, fact: &Fact, rate: f64, errors: f64, slow: f64) {
        self.is_seen = true;
        self.count += fact.count() * rate;
        self.requests += fact.count() * errors;
        self.failed += if fact.failed() { fact.count() * errors } else { 0.0 };
        if errors > 0.0 {
            self.errors.add(fact.errors);
        }
        if slow > 0.0 {
            self.slow.add(fact.slow);
        }
    }
}

impl Series {
    fn test_rate(&mut self, at: Timestamp, scope: &Scope, whole: f64, config: &DetectConfig, out: &mut Vec<Candidate>) {
        if scope.version.is_some() {
            return;
        }
        let now = Counts { n: 0.0, k: self.now.count, e: self.level.expected() };
        let (ratio, memory) = match scope.consumer {
            None => (config.rate_ratio, config.rate_memory_windows),
            Some(_) => (config.consumer_ratio, config.memory_windows),
        };
        if self.age >= config.warmup_windows {
            let matters = |c: &Crossing| {
                let least = if scope.depth() == 0 { 0.0 } else { whole * config.min_share };
                now.excess().abs() >= least && c.total.excess().abs() >= LEAST_REQUESTS
            };
            let mut tell = |signal, crossing: Option<Crossing>| {
                if let Some(crossing) = crossing.filter(|c| matters(c)) {
                    out.push(Candidate { scope: scope.clone(), signal, crossing, now });
                }
            };
            tell(Signal::Up, self.up.push(at, Model::Count(ratio), now, config.line_nats));
            // What was seen once is not silent, nor is what is called so rarely that a pause says nothing.
            let is_regular = self.seen >= config.warmup_windows && self.level.expected() >= LEAST_LEVEL;
            if !is_regular {
                self.down.reset();
            } else if scope.consumer.is_none() {
                tell(Signal::Down, self.down.push(at, Model::Count(1.0 / ratio), now, config.line_nats));
            }
        }
        let suspicious = self.up.is_suspicious(config.line_nats) || self.down.is_suspicious(config.line_nats);
        let weight = if suspicious { SUSPICIOUS_WEIGHT } else { 1.0 };
        if self.age >= config.warmup_windows {
            self.up.learn(Model::Count(ratio), now, weight, config.memory_windows);
            self.down.learn(Model::Count(1.0 / ratio), now, weight, config.memory_windows);
        }
        self.level.learn(self.now.count, weight, memory);
    }

    fn test_shares(&mut self, at: Timestamp, scope: &Scope, config: &DetectConfig, out: &mut Vec<Candidate>) {
        if scope.consumer.is_some() {
            return;
        }
        let tests = [
            (Signal::Errors, ERRORS, self.now.errors, &mut self.errors),
            (Signal::Slow, SLOW, self.now.slow, &mut self.slow),
        ];
        for (signal, model, now, cusum) in tests {
            if let Some(crossing) = cusum.push(at, model, now, config.line_nats) {
                out.push(Candidate { scope: scope.clone(), signal, crossing, now });
            }
            let weight = if cusum.is_suspicious(config.line_nats) { SUSPICIOUS_WEIGHT } else { 1.0 };
            cusum.learn(model, now, weight, config.memory_windows);
        }
    }

    fn learn(&mut self, config: &DetectConfig) {
        let weight = |c: &Cusum| if c.is_suspicious(config.line_nats) { SUSPICIOUS_WEIGHT } else { 1.0 };
        if let Some(normal) = &mut self.normal {
            let (errors, slow) = (weight(&self.errors), weight(&self.slow));
            normal.errors.learn(self.now.requests, self.now.failed, errors, config.memory_windows);
            normal.durations.learn(&normal.now, slow);
            normal.durations.pass(config.memory_windows);
            normal.now = Sketch::new();
        }
        self.age = self.age.saturating_add(1);
        self.seen = self.seen.saturating_add(u32::from(self.now.is_seen));
        self.idle = if self.now.is_seen { 0 } else { self.idle.saturating_add(1) };
        self.now = Now::default();
    }
}

/// The greatest part by a measure; ties go to the first in the order of their names.
pub(super) fn greatest<K: Ord + Clone>(parts: &FxHashMap<K, Counts>, measure: impl Fn(Counts) -> f64) -> Option<K> {
    let by = |a: &(&K, &Counts), b: &(&K, &Counts)| {
        measure(*a.1).partial_cmp(&measure(*b.1)).unwrap_or(Ordering::Equal).then_with(|| b.0.cmp(a.0))
    };
    parts.iter().max_by(by).map(|(k, _)| k.clone())
}
