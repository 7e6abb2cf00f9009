//! Who and what carries a change. In: facts of the windows that were off. Out: the narrowest subject that carries
//! nearly all of it, the carriers of an explanation, and one line for people.

use std::sync::Arc;

use pitot_model::{
    Consumer, Route, Sketch, Status,
    api::{Carrier, Explanation, RowKey},
    show_duration,
};
use rustc_hash::FxHashMap;

use super::{
    config::DetectConfig,
    evidence::{Counts, ERRORS, SLOW, apart},
    series::{Signal, Table, greatest},
    slot::{Fact, Scope, is_somebody},
};

/// One name that a change may hang on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Part {
    Version(Arc<str>),
    Route(Arc<Route>),
    Consumer(Arc<Consumer>),
    Status(Status),
}

/// Nats by which a part and the rest must differ, so that chance or sheer size does not name it.
const APART_NATS: f64 = 6.0;
/// Nats below which a rest is as expected.
const CHANCE_NATS: f64 = 3.0;
/// Parts of one dimension that are told apart in an explanation; more are not looked at.
const PARTS: usize = 64;
/// Least share of a change to be named as a carrier.
const LEAST_SHARE: f64 = 0.1;
/// Carriers named, over all dimensions.
const CARRIERS: usize = 8;

impl Part {
    fn narrow(&self, scope: &Scope) -> Scope {
        let mut out = scope.clone();
        match self {
            Self::Version(v) => out.version = Some(v.clone()),
            Self::Route(r) => out.route = Some(r.clone()),
            Self::Consumer(c) => out.consumer = Some(c.clone()),
            Self::Status(_) => {}
        }
        out
    }

    fn dimension(&self) -> usize {
        match self {
            Self::Version(_) => 0,
            Self::Route(_) => 1,
            Self::Consumer(_) => 2,
            Self::Status(_) => 3,
        }
    }

    fn key(&self) -> RowKey {
        match self {
            Self::Version(v) => RowKey { version: Some(v.to_string()), ..RowKey::default() },
            Self::Route(r) => {
                RowKey { method: Some(r.method.clone()), route: Some(r.template.clone()), ..RowKey::default() }
            }
            Self::Consumer(c) => {
                RowKey { consumer: Some(c.id.clone()), evidence: Some(c.evidence), ..RowKey::default() }
            }
            Self::Status(s) => RowKey { status: Some(*s), ..RowKey::default() },
        }
    }
}

/// The names of a fact that the scope leaves open.
fn parts_of(fact: &Fact, scope: &Scope, signal: Signal) -> impl Iterator<Item = Part> {
    let key = &fact.key;
    let version = (scope.version.is_none() && !key.version.is_empty()).then(|| Part::Version(key.version.clone()));
    let route = scope.route.is_none().then(|| Part::Route(key.route.clone()));
    let somebody = scope.consumer.is_none() && is_somebody(&key.consumer);
    let consumer = somebody.then(|| Part::Consumer(key.consumer.clone()));
    let status = (signal == Signal::Errors && fact.failed()).then_some(Part::Status(key.status));
    [version, route, consumer, status].into_iter().flatten()
}

/// What a fact says about a signal. Rates know their expectation by series, not by cell.
pub(super) fn counts(fact: &Fact, signal: Signal) -> Counts {
    match signal {
        Signal::Errors => fact.errors,
        Signal::Slow => fact.slow,
        Signal::Up | Signal::Down => Counts { n: 0.0, k: fact.count(), e: 0.0 },
    }
}

/// The narrowest part of `scope` that carries [`DetectConfig::carrier_share`] of its change in so many windows.
pub(super) fn narrowest(
    scope: Scope,
    signal: Signal,
    facts: &[&Fact],
    windows: usize,
    table: &Table,
    config: &DetectConfig,
) -> Scope {
    let dimensions: &[usize] = match signal {
        Signal::Errors => &[0, 1, 2],
        Signal::Slow => &[1, 0, 2],
        Signal::Up => &[2, 1],
        Signal::Down => &[1],
    };
    let mut scope = scope;
    for &dimension in dimensions {
        let inside: Vec<_> = facts.iter().filter(|f| scope.holds(&f.key)).collect();
        let mut parts: FxHashMap<Part, Counts> = FxHashMap::default();
        let mut total = Counts::default();
        for fact in inside {
            total.add(counts(fact, signal));
            for part in parts_of(fact, &scope, signal).filter(|p| p.dimension() == dimension) {
                parts.entry(part).or_default().add(counts(fact, signal));
            }
        }
        if signal.is_rate() {
            total.e = windows as f64 * table.expected(&scope, config);
            for (part, c) in &mut parts {
                c.e = windows as f64 * table.expected(&part.narrow(&scope), config);
            }
        }
        let sign = if signal == Signal::Down { -1.0 } else { 1.0 };
        let Some(part) = greatest(&parts, |c| sign * c.excess()) else { continue };
        let c = parts[&part];
        if carries(signal, c, total, config) && stands_out(signal, c, total) {
            scope = part.narrow(&scope);
        }
    }
    scope
}

/// Takes the version or the route out of a name again where the rest is off as well: a version may be noticed for what
/// one route does on all versions, and a route for what one version does on all routes. `facts` are all there are.
pub(super) fn settled(mut scope: Scope, signal: Signal, facts: &[&Fact], config: &DetectConfig) -> Scope {
    if signal.is_rate() {
        return scope;
    }
    let sum = |scope: &Scope| {
        let inside = facts.iter().filter(|f| scope.holds(&f.key));
        inside.fold(Counts::default(), |mut sum, f| (sum.add(counts(f, signal)), sum).1)
    };
    let without_version = |s: &Scope| Scope { version: None, ..s.clone() };
    let without_route = |s: &Scope| Scope { route: None, ..s.clone() };
    let wider: [&dyn Fn(&Scope) -> Scope; 2] = [&without_version, &without_route];
    for widen in wider {
        let wide = widen(&scope);
        let (part, total) = (sum(&scope), sum(&wide));
        let is_named = carries(signal, part, total, config) && stands_out(signal, part, total);
        if total.n > part.n && !is_named {
            scope = wide;
        }
    }
    scope
}

/// Whether the part carries nearly all of the change; or most of it, where the rest is not off by more than chance.
fn carries(signal: Signal, part: Counts, total: Counts, config: &DetectConfig) -> bool {
    let sign = if signal == Signal::Down { -1.0 } else { 1.0 };
    let (mine, all) = (sign * part.excess(), sign * total.excess());
    let rest_nats = match signal {
        Signal::Errors => ERRORS.best(total.minus(part)),
        Signal::Slow => SLOW.best(total.minus(part)),
        Signal::Up | Signal::Down => f64::INFINITY,
    };
    mine >= config.carrier_share * all || (mine >= all / 2.0 && rest_nats < CHANCE_NATS)
}

/// Whether the part differs from the rest and is not merely most of the traffic. One who floods is named anyhow.
fn stands_out(signal: Signal, part: Counts, total: Counts) -> bool {
    match signal {
        Signal::Errors | Signal::Slow => apart(part, total.minus(part)) >= APART_NATS,
        Signal::Up => true,
        Signal::Down => part.e <= 0.75 * total.e,
    }
}

/// What the parts of a subject did while it was off.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    total: Counts,
    durations: Sketch,
    parts: FxHashMap<Part, (Counts, Sketch)>,
    sizes: [usize; 4],
    windows: f64,
}

impl Tally {
    /// Adds the facts of one window, which are those of the scope; `expected` answers for a rate's parts.
    pub(super) fn add(
        &mut self,
        facts: &[&Fact],
        signal: Signal,
        scope: &Scope,
        now: Counts,
        expected: impl Fn(&Scope) -> f64,
    ) {
        self.windows += 1.0;
        self.total.add(now);
        let mut seen: Vec<Part> = Vec::new();
        for fact in facts {
            let is_timed = signal == Signal::Slow && !fact.failed();
            if is_timed {
                self.durations.merge(&fact.sums.duration);
            }
            for part in parts_of(fact, scope, signal) {
                let size = &mut self.sizes[part.dimension()];
                if !self.parts.contains_key(&part) {
                    if *size >= PARTS {
                        continue;
                    }
                    *size += 1;
                }
                if signal.is_rate() && !seen.contains(&part) {
                    seen.push(part.clone());
                }
                let entry = self.parts.entry(part).or_default();
                entry.0.add(counts(fact, signal));
                if is_timed {
                    entry.1.merge(&fact.sums.duration);
                }
            }
        }
        for part in seen {
            let e = expected(&part.narrow(scope));
            if let Some((c, _)) = self.parts.get_mut(&part) {
                c.e += e;
            }
        }
    }

    pub(super) fn total(&self) -> Counts {
        self.total
    }

    /// What was seen, in the anomaly's unit; `window_s` is the length of a window.
    pub(super) fn observed(&self, signal: Signal, window_s: f64) -> f64 {
        self.number(signal, self.total, &self.durations, window_s)
    }

    /// The parts with the greatest shares of the change.
    pub(super) fn explanation(&self, signal: Signal, window_s: f64) -> Explanation {
        let whole = self.total.excess();
        let mut shares: Vec<(&Part, f64)> = self
            .parts
            .iter()
            .map(|(part, (c, _))| (part, share(part, *c, self.total, whole)))
            .filter(|(_, share)| *share >= LEAST_SHARE)
            .collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        shares.truncate(CARRIERS);
        let carriers = shares.into_iter().map(|(part, share)| Carrier {
            key: part.key(),
            share,
            without: self.without(part, signal, window_s),
        });
        Explanation { carriers: carriers.collect() }
    }

    /// The number over all other parts of the same dimension.
    fn without(&self, part: &Part, signal: Signal, window_s: f64) -> Option<f64> {
        if matches!(part, Part::Status(_)) {
            let (c, _) = self.parts.get(part)?;
            return (self.total.n > c.k).then(|| (self.total.k - c.k) / (self.total.n - c.k));
        }
        let mut rest = Sketch::new();
        if signal == Signal::Slow {
            let others = self.parts.iter().filter(|(p, _)| p.dimension() == part.dimension() && *p != part);
            others.for_each(|(_, (_, sketch))| rest.merge(sketch));
        }
        let c = self.total.minus(self.parts.get(part)?.0);
        let is_empty = match signal {
            Signal::Errors => c.n <= 0.0,
            Signal::Slow => rest.is_empty(),
            Signal::Up | Signal::Down => false,
        };
        (!is_empty).then(|| self.number(signal, c, &rest, window_s))
    }

    fn number(&self, signal: Signal, c: Counts, durations: &Sketch, window_s: f64) -> f64 {
        match signal {
            Signal::Errors => c.k / c.n.max(1.0),
            Signal::Slow => durations.quantile_us(QUANTILE).unwrap_or(0) as f64,
            Signal::Up | Signal::Down => c.k.max(0.0) / (self.windows * window_s).max(1e-9),
        }
    }
}

/// The quantile in which slowness is told.
pub(super) const QUANTILE: f64 = 0.99;

fn share(part: &Part, c: Counts, total: Counts, excess: f64) -> f64 {
    let share = match part {
        Part::Status(_) => c.k / total.k.max(1.0),
        _ if excess == 0.0 => 0.0,
        _ => c.excess() / excess,
    };
    share.clamp(0.0, 1.0)
}

/// One line for people.
pub(super) fn title(scope: &Scope, signal: Signal, expected: f64, observed: f64) -> String {
    let what = name(scope);
    let us = |us: f64| show_duration(std::time::Duration::from_micros(us.max(0.0) as u64));
    match signal {
        Signal::Slow => format!("{what} is slow: p99 {}, expected {}", us(observed), us(expected)),
        Signal::Errors => {
            format!("{what} fails: {} server errors, expected {}", percent(observed), percent(expected))
        }
        Signal::Up => match &scope.consumer {
            Some(c) => {
                format!("{} calls {}: {}, expected {}", c.id, callee(scope), rate(observed), rate(expected))
            }
            None => format!("{what} is called often: {}, expected {}", rate(observed), rate(expected)),
        },
        Signal::Down => format!("{what} is hardly called: {}, expected {}", rate(observed), rate(expected)),
    }
}

fn callee(scope: &Scope) -> String {
    name(&Scope { consumer: None, ..scope.clone() })
}

/// A part of the traffic in words: `GET /v1/search of shop 1.9.0 for acme`.
fn name(scope: &Scope) -> String {
    let service = if scope.service.is_empty() { "the service" } else { &scope.service };
    let mut out = match &scope.route {
        Some(route) => route.to_string(),
        None => service.to_owned(),
    };
    if let Some(version) = &scope.version {
        out += &if scope.route.is_some() { format!(" of {service} {version}") } else { format!(" {version}") };
    }
    if let Some(consumer) = &scope.consumer {
        out += &format!(" for {}", consumer.id);
    }
    out
}

fn percent(ratio: f64) -> String {
    let p = ratio * 100.0;
    if p >= 9.95 { format!("{p:.0} %") } else { format!("{p:.1} %") }
}

/// Per second, or per the unit in which a rare event has digits.
fn rate(per_s: f64) -> String {
    match per_s {
        r if r >= 9.95 => format!("{r:.0}/s"),
        r if r >= 0.095 || r <= 0.0 => format!("{r:.1}/s"),
        r if r >= 0.95 / 60.0 => format!("{:.1}/min", r * 60.0),
        r => format!("{:.1}/h", r * 3_600.0),
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::Evidence;

    use super::*;

    #[test]
    fn titles_are_for_people() {
        let service = Scope::service(&"shop".into());
        let route = Scope { route: Some(Arc::new(Route::new("GET", "/v1/search"))), ..service.clone() };
        let version = Scope { version: Some("1.9.0".into()), ..service.clone() };
        let consumer = Scope { consumer: Some(Arc::new(Consumer::new("acme", Evidence::Key))), ..route.clone() };
        for (scope, signal, expected, observed, want) in [
            (&route, Signal::Slow, 310e3, 2.31e6, "GET /v1/search is slow: p99 2.31s, expected 310ms"),
            (&version, Signal::Errors, 0.003, 0.41, "shop 1.9.0 fails: 41 % server errors, expected 0.3 %"),
            (&consumer, Signal::Up, 1.0, 60.0, "acme calls GET /v1/search: 60/s, expected 1.0/s"),
            (&service, Signal::Down, 0.05, 3.0 / 3_600.0, "shop is hardly called: 3.0/h, expected 3.0/min"),
            (&service, Signal::Down, 150.0, 0.0, "shop is hardly called: 0.0/s, expected 150/s"),
        ] {
            assert_eq!(title(scope, signal, expected, observed), want);
        }
    }
}
