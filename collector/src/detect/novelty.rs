//! Consumers never seen before. In: the facts of every window. Out: one short-lived anomaly per new consumer.
//!
//! A service where strangers come and go all day has no news in them: each one told raises a decayed count, each one
//! seen raises it as well, and beyond [`DetectConfig::new_consumers_per_hour`] nothing is told.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use pitot_model::{
    Consumer, TimeRange,
    api::{Anomaly, AnomalyKind, Severity, State},
};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::{
    config::DetectConfig,
    open::id,
    slot::{Fact, Scope, is_somebody},
};

/// Consumers remembered, over all services, 8 bytes each; beyond, nobody is new any more.
const CONSUMERS: usize = 1_000_000;
/// Windows that such an anomaly stays open.
const OPEN_WINDOWS: u32 = 6;

/// Who is known where.
#[derive(Debug, Default)]
pub(super) struct Novelty {
    services: FxHashMap<Arc<str>, Service>,
    /// Consumers remembered.
    known: usize,
    open: Vec<(Anomaly, u32)>,
    /// Consumers that found no room.
    pub(super) ignored: u64,
}

#[derive(Debug, Default)]
struct Service {
    /// Windows since it was first seen.
    age: u32,
    known: FxHashSet<u64>,
    /// New ones in about the last hour, decayed.
    recent: f64,
}

impl Novelty {
    /// One that was open when the collector stopped.
    pub(super) fn restore(&mut self, anomaly: Anomaly) {
        self.open.push((anomaly, 0));
    }

    /// Looks at one window; answers the documents that are new or changed.
    pub(super) fn observe(&mut self, facts: &[Fact], range: TimeRange, config: &DetectConfig) -> Vec<Anomaly> {
        let mut out = self.close(range);
        let hour_windows = (3600.0 / range.len().as_secs_f64().max(1e-3)).max(1.0);
        for service in self.services.values_mut() {
            service.age = service.age.saturating_add(1);
            service.recent *= 1.0 - 1.0 / hour_windows;
        }
        let mut new: FxHashMap<Scope, u64> = FxHashMap::default();
        for fact in facts.iter().filter(|f| is_somebody(&f.key.consumer)) {
            let scope = Scope { consumer: Some(fact.key.consumer.clone()), ..Scope::service(&fact.key.service) };
            if let Some(count) = new.get_mut(&scope) {
                *count += fact.sums.count;
            } else if self.note(&fact.key.service, &fact.key.consumer, config) {
                new.insert(scope, fact.sums.count);
            }
        }
        let mut new: Vec<_> = new.into_iter().collect();
        new.sort();
        for (scope, count) in new {
            if let Some(anomaly) = self.tell(&scope, count, range, config) {
                out.push(anomaly);
            }
        }
        out
    }

    /// Remembers a consumer; answers whether it is new where it is time to tell.
    fn note(&mut self, service: &Arc<str>, consumer: &Consumer, config: &DetectConfig) -> bool {
        let room = self.known < CONSUMERS;
        let service = self.services.entry(service.clone()).or_default();
        let mut hasher = FxHasher::default();
        consumer.hash(&mut hasher);
        let name = hasher.finish();
        if service.known.contains(&name) {
            return false;
        }
        if !room {
            self.ignored += 1;
            return false;
        }
        service.known.insert(name);
        self.known += 1;
        service.age >= config.warmup_windows
    }

    fn tell(&mut self, scope: &Scope, count: u64, range: TimeRange, config: &DetectConfig) -> Option<Anomaly> {
        let service = self.services.get_mut(&scope.service)?;
        service.recent += 1.0;
        if service.recent > f64::from(config.new_consumers_per_hour) || self.open.len() >= config.max_open {
            return None;
        }
        let subject = scope.subject();
        let anomaly = Anomaly {
            id: id(AnomalyKind::NewConsumer, &subject, range.from),
            kind: AnomalyKind::NewConsumer,
            severity: Severity::Info,
            state: State::Open,
            title: format!("new consumer {} of {}", subject.consumer.as_deref()?, subject.service.as_deref()?),
            subject,
            start: range.from,
            end: None,
            updated: range.to,
            expected: 0.0,
            observed: count as f64,
            unit: "1".to_owned(),
            score: 1.0,
            affected: count,
            explanation: None,
        };
        self.open.push((anomaly.clone(), OPEN_WINDOWS));
        Some(anomaly)
    }

    fn close(&mut self, range: TimeRange) -> Vec<Anomaly> {
        let mut out = Vec::new();
        self.open.retain_mut(|(anomaly, left)| {
            if *left > 0 {
                *left -= 1;
                return true;
            }
            anomaly.state = State::Resolved;
            anomaly.end = Some(range.from.max(anomaly.start + Duration::from_millis(1)));
            anomaly.updated = range.to;
            out.push(anomaly.clone());
            false
        });
        out
    }
}
