//! One anomaly while it lasts. In: the facts of every window since it opened. Out: its document, updated and at last
//! resolved.
//!
//! It is over when the evidence for "as expected" against "half as bad as it was" says so, and some windows were quiet.
//! For a while afterwards it is kept: if the same starts again, the same anomaly goes on.

use std::hash::Hasher;

use pitot_model::{
    TimeRange, Timestamp,
    api::{Anomaly, AnomalyKind, Severity, State, Subject},
};

use super::{
    config::DetectConfig,
    evidence::Counts,
    explain::{QUANTILE, Tally, counts, title},
    series::{Explained, Signal, Table},
    slot::{Fact, Scope},
};

/// Evidence, in nats, that an anomaly is over.
const OVER_NATS: f64 = 5.0;

/// An open anomaly, or one that was resolved a moment ago.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) anomaly: Anomaly,
    pub(super) scope: Scope,
    pub(super) signal: Signal,
    /// Known from before a restart: expectations are the document's, since nothing is learnt yet.
    is_restored: bool,
    tally: Tally,
    /// What this window says.
    now: Counts,
    /// Most requests in one window.
    peak: f64,
    age: u32,
    quiet: u32,
    quiet_nats: f64,
    since_update: u32,
}

impl Open {
    /// An anomaly that starts with these windows, oldest first.
    pub(super) fn new(
        scope: Scope,
        signal: Signal,
        windows: &[(TimeRange, Vec<&Fact>)],
        table: &Table,
        config: &DetectConfig,
        nats: f64,
    ) -> Option<Self> {
        let (first, last) = (windows.first()?.0, windows.last()?.0);
        let all = || windows.iter().flat_map(|(_, facts)| facts.iter().copied());
        let window_s = last.len().as_secs_f64();
        let expected = match signal {
            Signal::Errors => {
                let c = all().fold(Counts::default(), |mut sum, f| (sum.add(f.errors), sum).1);
                c.e / c.n.max(1.0)
            }
            Signal::Slow => table.expected_us(all(), QUANTILE)?,
            Signal::Up | Signal::Down => table.expected(&scope, config) / window_s,
        };
        let subject = scope.subject();
        let anomaly = Anomaly {
            id: id(signal.kind(), &subject, first.from),
            kind: signal.kind(),
            severity: Severity::Warning,
            state: State::Open,
            subject,
            start: first.from,
            end: None,
            updated: last.to,
            expected,
            observed: expected,
            unit: unit(signal).to_owned(),
            score: nats / std::f64::consts::LN_10,
            affected: 0,
            title: String::new(),
            explanation: None,
        };
        let mut open = Self::with(anomaly, scope, signal);
        for (range, facts) in windows {
            open.now = open.measure(facts, range.len().as_secs_f64());
            open.note_off(facts, table, *range, config);
        }
        open.describe(last);
        Some(open)
    }

    /// One that was open when the collector stopped; `None` if it is not of a kind that lasts.
    pub(super) fn restored(anomaly: Anomaly) -> Option<Self> {
        let signal = match anomaly.kind {
            AnomalyKind::Errors => Signal::Errors,
            AnomalyKind::Latency => Signal::Slow,
            AnomalyKind::Rate if anomaly.observed >= anomaly.expected => Signal::Up,
            AnomalyKind::Rate => Signal::Down,
            AnomalyKind::NewConsumer | AnomalyKind::SilentAgent => return None,
        };
        let scope = Scope::of(&anomaly.subject)?;
        let mut open = Self::with(anomaly, scope, signal);
        open.is_restored = true;
        Some(open)
    }

    fn with(anomaly: Anomaly, scope: Scope, signal: Signal) -> Self {
        Self {
            anomaly,
            scope,
            signal,
            is_restored: false,
            tally: Tally::default(),
            now: Counts::default(),
            peak: 0.0,
            age: 0,
            quiet: 0,
            quiet_nats: 0.0,
            since_update: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.anomaly.state == State::Open
    }

    /// Whether it is forgotten: resolved, and quiet for long enough that the next one is another.
    pub(super) fn is_gone(&self, config: &DetectConfig) -> bool {
        !self.is_open() && self.quiet > config.quiet_windows + config.give_up_windows
    }

    /// One more window; answers whether the document changed in a way worth telling.
    pub(super) fn observe(&mut self, facts: &[Fact], range: TimeRange, table: &Table, config: &DetectConfig) -> bool {
        let mine: Vec<&Fact> = facts.iter().filter(|f| self.scope.holds(&f.key)).collect();
        self.now = self.measure(&mine, range.len().as_secs_f64());
        if !self.is_open() {
            self.quiet += 1;
            return false;
        }
        self.age += 1;
        let nats = self.nats(range.len().as_secs_f64());
        self.quiet_nats = (self.quiet_nats - nats).clamp(0.0, 2.0 * OVER_NATS);
        if nats > 0.0 && self.quiet_nats == 0.0 {
            self.quiet = 0;
            self.note_off(&mine, table, range, config);
            self.anomaly.score += nats / std::f64::consts::LN_10;
            self.since_update += 1;
            let before = self.anomaly.severity;
            self.describe(range);
            if self.since_update >= config.update_windows || self.anomaly.severity != before {
                self.since_update = 0;
                self.anomaly.updated = range.to;
                self.adopt(range, config);
                return true;
            }
            return self.adopt(range, config);
        }
        self.quiet += 1;
        let is_over = self.quiet >= config.quiet_windows && self.quiet_nats >= OVER_NATS;
        if is_over || self.quiet >= config.give_up_windows {
            let end = range.to - range.len().saturating_mul(self.quiet);
            self.resolve(end.max(self.anomaly.start), range.to);
            return true;
        }
        self.adopt(range, config)
    }

    /// The same starts again, soon after.
    pub(super) fn reopen(&mut self, now: Timestamp) {
        self.anomaly.state = State::Open;
        self.anomaly.end = None;
        self.anomaly.updated = now;
        (self.quiet, self.quiet_nats, self.since_update) = (0, 0.0, 0);
    }

    /// Whether it lasted so long that it is normal now.
    pub(super) fn is_adopted(&self, config: &DetectConfig) -> bool {
        self.age >= config.adopt_windows
    }

    /// The most requests that one window had, for what is remembered of it.
    pub(super) fn peak(&self) -> f64 {
        self.peak
    }

    /// What the next tests need not look at again.
    pub(super) fn explains(&self, out: &mut Explained) {
        match self.signal {
            Signal::Errors | Signal::Slow => out.parts.push((self.signal, self.scope.clone())),
            Signal::Up => out.floods.push((self.scope.clone(), (self.now.e / self.now.k.max(1e-9)).min(1.0))),
            Signal::Down => out.gaps.push((self.scope.clone(), (-self.now.excess()).max(0.0))),
        }
    }

    /// What this window says about it.
    pub(super) fn now(&self) -> Counts {
        self.now
    }

    fn adopt(&mut self, range: TimeRange, config: &DetectConfig) -> bool {
        if self.is_adopted(config) {
            self.resolve(range.to, range.to);
            return true;
        }
        false
    }

    fn resolve(&mut self, end: Timestamp, now: Timestamp) {
        self.anomaly.state = State::Resolved;
        self.anomaly.end = Some(end);
        self.anomaly.updated = now;
        self.quiet = 0;
    }

    fn measure(&self, facts: &[&Fact], window_s: f64) -> Counts {
        let mut c = facts.iter().fold(Counts::default(), |mut sum, f| (sum.add(self.fact(f)), sum).1);
        if self.signal.is_rate() {
            // As it was when it opened: what came since is not normal.
            c.e = self.anomaly.expected * window_s;
        }
        c
    }

    fn fact(&self, fact: &Fact) -> Counts {
        if !self.is_restored {
            return counts(fact, self.signal);
        }
        let n = fact.count();
        match self.signal {
            Signal::Errors => {
                Counts { n, k: if fact.failed() { n } else { 0.0 }, e: n * self.anomaly.expected.clamp(1e-4, 0.9) }
            }
            Signal::Slow if !fact.failed() => {
                let d = &fact.sums.duration;
                let n = d.count() as f64;
                Counts { n, k: n * d.share_above(self.anomaly.expected as u64), e: n * (1.0 - QUANTILE) }
            }
            Signal::Slow => Counts::default(),
            Signal::Up | Signal::Down => counts(fact, self.signal),
        }
    }

    /// Evidence that it goes on, at half its strength at least, against that all is as expected.
    fn nats(&self, window_s: f64) -> f64 {
        let so_far = self.so_far(window_s);
        let c = self.now;
        if self.signal.is_rate() {
            let ratio = f64::midpoint(1.0, so_far.k / so_far.e.max(1e-9));
            return c.k * ratio.max(1e-6).ln() - c.e * (ratio - 1.0);
        }
        if c.n <= 0.0 || so_far.n <= 0.0 {
            return 0.0;
        }
        let p0 = (c.e / c.n).clamp(1e-6, 0.98);
        let p1 = f64::midpoint(p0, so_far.k / so_far.n).clamp(p0 + 1e-3, 0.99);
        c.k * (p1 / p0).ln() + (c.n - c.k).max(0.0) * ((1.0 - p1) / (1.0 - p0)).ln()
    }

    /// All windows that were off; after a restart, as the document has it.
    fn so_far(&self, window_s: f64) -> Counts {
        let total = self.tally.total();
        if !self.is_restored || total.k > 0.0 {
            return total;
        }
        let a = &self.anomaly;
        match self.signal {
            Signal::Errors => Counts { n: 1.0, k: a.observed, e: a.expected },
            Signal::Slow => Counts { n: 1.0, k: 0.5, e: 1.0 - QUANTILE },
            Signal::Up | Signal::Down => Counts { n: 0.0, k: a.observed * window_s, e: a.expected * window_s },
        }
    }

    fn note_off(&mut self, facts: &[&Fact], table: &Table, range: TimeRange, config: &DetectConfig) {
        self.tally.add(facts, self.signal, &self.scope, self.now, |scope| table.expected(scope, config));
        self.peak = self.peak.max(self.now.k);
        let touched = match self.signal {
            Signal::Errors | Signal::Slow => self.now.k,
            Signal::Up | Signal::Down => self.now.excess().abs(),
        };
        self.anomaly.affected = self.anomaly.affected.saturating_add(touched.max(0.0).round() as u64);
        let seen = match self.signal {
            Signal::Errors | Signal::Slow => self.tally.observed(self.signal, range.len().as_secs_f64()),
            Signal::Up | Signal::Down => self.now.k / range.len().as_secs_f64().max(1e-9),
        };
        let a = &mut self.anomaly;
        a.observed = match self.signal {
            Signal::Down => a.observed.min(seen),
            _ => a.observed.max(seen),
        };
    }

    /// Brings title, severity and explanation up to what is known. Severity only grows.
    fn describe(&mut self, range: TimeRange) {
        let window_s = range.len().as_secs_f64();
        let a = &mut self.anomaly;
        a.title = title(&self.scope, self.signal, a.expected, a.observed);
        a.explanation = Some(self.tally.explanation(self.signal, window_s));
        let is_critical = match self.signal {
            Signal::Errors => a.observed >= 0.2 && self.scope.consumer.is_none(),
            Signal::Slow => a.observed >= 10.0 * a.expected && self.scope.consumer.is_none(),
            Signal::Down => a.observed < 0.05 * a.expected && self.scope.depth() == 0,
            Signal::Up => false,
        };
        a.severity = a.severity.max(if is_critical { Severity::Critical } else { Severity::Warning });
    }
}

fn unit(signal: Signal) -> &'static str {
    match signal {
        Signal::Errors => "ratio",
        Signal::Slow => "us",
        Signal::Up | Signal::Down => "1/s",
    }
}

/// A stable name: the same kind, subject and start give the same on every machine.
///
/// Source: FNV-1a, 64 bit.
pub(super) fn id(kind: AnomalyKind, subject: &Subject, start: Timestamp) -> String {
    let mut fnv = Fnv(0xcbf2_9ce4_8422_2325);
    let evidence = subject.evidence.map(pitot_model::Evidence::name);
    let status = subject.status.map(|s| s.to_string());
    let names = [&subject.service, &subject.version, &subject.method, &subject.route, &subject.consumer, &status];
    fnv.write(kind.name().as_bytes());
    for name in names.into_iter().map(|n| n.as_deref()).chain([evidence]) {
        fnv.write(&[0, u8::from(name.is_some())]);
        fnv.write(name.unwrap_or_default().as_bytes());
    }
    // Ids of what has no agent are what they were before there were agents.
    if let Some(agent) = &subject.agent {
        fnv.write(&[0, 2]);
        fnv.write(agent.as_bytes());
    }
    fnv.write(&start.as_micros().to_be_bytes());
    format!("{:016x}", fnv.finish())
}

struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_and_differ() {
        let subject = Subject { service: Some("shop".into()), ..Subject::default() };
        let at = Timestamp::from_secs(1_768_176_000);
        let a = id(AnomalyKind::Errors, &subject, at);
        assert_eq!(a, id(AnomalyKind::Errors, &subject, at));
        let version = Subject { version: Some(String::new()), ..subject.clone() };
        for other in [
            id(AnomalyKind::Rate, &subject, at),
            id(AnomalyKind::Errors, &version, at),
            id(AnomalyKind::Errors, &Subject { agent: Some(String::new()), ..subject.clone() }, at),
            id(AnomalyKind::Errors, &subject, at + std::time::Duration::from_secs(1)),
        ] {
            assert_ne!(a, other);
        }
        assert_eq!(a, "cb9c7943e3684155");
    }
}
