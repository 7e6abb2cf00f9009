//! Sums of marks since the last report, and who was asked to wait.
//!
//! In: rows and their marks, by numbers of the registry. Out: [`Mark`]s by hour. What does not fit is summed under `(other)`,
//! so that counts stay whole. Whether a consumer came back too early is told from a bounded table of those that were asked
//! to wait, which outlives reports.

mod waits;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use hashbrown::HashMap;
use pitot_model::{
    Consumer, Evidence, MARK_WIDTH, Mark, MarkKey, MarkKind, MarkSum, Marks, RateLimit, Route, Status, Timestamp,
    TokenAge,
};

use self::waits::{Retried, Waits};
use super::{
    batch::{Batch, NO_TIME, Row, UNKNOWN},
    registry::{Mapping, Registry},
};
use crate::{budget, enrich::OTHER};

/// Sums of marks since the last [`MarkTable::drain`].
#[derive(Debug, Default)]
pub(super) struct MarkTable {
    sums: HashMap<Key, MarkSum>,
    /// The hour under which everything is summed that does not even fit as `(other)`; `None` while there is nothing.
    overflow: Option<Timestamp>,
    waits: Waits,
}

/// What a sum is of, in numbers of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    hour: Timestamp,
    kind: MarkKind,
    /// `None`: services that found no room.
    resource: Option<u32>,
    route: Which,
    who: Who,
}

/// A route of the registry, none, or one that found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Which {
    All,
    One(u32),
    Other,
}

/// A consumer of the registry, nobody, an address, or somebody who found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    All,
    One(u32),
    At(IpAddr),
    Other,
}

/// A row whose names are numbers of the registry.
#[derive(Debug, Clone, Copy)]
struct Seen {
    ended: Timestamp,
    resource: u32,
    route: u32,
    consumer: u32,
    status: Status,
}

impl MarkTable {
    /// Adds the marks of a batch whose rows were added before, so that all names they stand for are known.
    pub(super) fn add(&mut self, batch: &Batch, mapping: &Mapping, registry: &Registry) {
        if batch.marks.is_empty() && self.waits.is_empty() {
            return;
        }
        let seen = |row: &Row| {
            let route = mapping.routes[row.route as usize];
            Seen {
                ended: Timestamp::from_micros(row.ended_us),
                resource: registry.routes[route as usize].0,
                route,
                consumer: mapping.consumers[row.consumer as usize],
                status: row.status,
            }
        };
        let is_asked = !self.waits.is_empty() || batch.marks.iter().any(|(_, marks)| marks.retry_after.is_some());
        let timed = |row: &&Row| row.ended_us != NO_TIME;
        if !is_asked {
            for (at, marks) in &batch.marks {
                if let Some(row) = batch.rows.get(*at as usize).filter(timed) {
                    self.mark(seen(row), marks);
                }
            }
            return;
        }
        let mut marks = batch.marks.iter().peekable();
        for (at, row) in batch.rows.iter().enumerate() {
            let marks = marks.next_if(|(of, _)| *of as usize == at).map(|(_, marks)| marks);
            if timed(&row) {
                let seen = seen(row);
                self.judge(seen, row.duration_us, registry);
                if let Some(marks) = marks {
                    self.mark(seen, marks);
                    self.ask(seen, marks.retry_after, registry);
                }
            }
        }
    }

    /// A transaction whose route or consumer of this name found no room.
    pub(super) fn fold(&mut self, kind: MarkKind, ended: Timestamp, resource: u32, name: &[u8]) {
        let hour = ended.floor(MARK_WIDTH);
        let key = Key { hour, kind, resource: Some(resource), route: Which::All, who: Who::All };
        let mut one = MarkSum::one(ended, None);
        match self.sums.get_mut(&key) {
            Some(sum) => {
                sum.merge(&one);
                sum.distinct.add(name);
            }
            None => {
                one.distinct.add(name);
                self.put(key, one);
            }
        }
    }

    /// Whether so many have gathered that they should be shipped before their time.
    pub(super) fn is_full(&self) -> bool {
        self.sums.len() >= budget::OPEN_MARKS
    }

    /// Gives routes and consumers other numbers. Who was asked to wait is forgotten: it happens when tables overflow.
    pub(super) fn renumber(&mut self, route: impl Fn(u32) -> u32, consumer: impl Fn(u32) -> u32) {
        for (mut key, sum) in std::mem::take(&mut self.sums) {
            if let Which::One(number) = &mut key.route {
                *number = route(*number);
            }
            if let Who::One(number) = &mut key.who {
                *number = consumer(*number);
            }
            self.sums.entry(key).and_modify(|all| all.merge(&sum)).or_insert(sum);
        }
        self.waits.clear();
    }

    /// Everything since the last time, by key; `templates` are those of the registry's routes.
    pub(super) fn drain(&mut self, registry: &Registry, templates: &[String]) -> Vec<Mark> {
        self.overflow = None;
        let mut named: BTreeMap<MarkKey, MarkSum> = BTreeMap::new();
        for (key, sum) in self.sums.drain() {
            named.entry(name(key, registry, templates)).and_modify(|all| all.merge(&sum)).or_insert(sum);
        }
        named.into_iter().map(|(key, sum)| Mark { key, sum }).collect()
    }

    fn mark(&mut self, seen: Seen, marks: &Marks) {
        let Marks {
            deprecation,
            sunset,
            retry_after,
            rate_limit,
            token,
            credential,
            client,
            has_errors_inside,
            redacted,
        } = *marks;
        if let Some(deprecation) = deprecation {
            self.count(seen, MarkKind::Deprecated, deprecation.since.and_then(seconds));
        }
        if let Some(sunset) = sunset {
            self.count(seen, MarkKind::Sunset, seconds(sunset));
        }
        if let Some(wait) = retry_after {
            self.count(seen, MarkKind::RetryAfter, Some(wait.as_secs()));
        }
        if let Some(told) = rate_limit {
            self.count(seen, MarkKind::RateLimitLeft, left(told));
            if told.limit.is_some() {
                self.count(seen, MarkKind::RateLimit, told.limit);
            }
        }
        if let Some(kind) = redacted {
            self.count(seen, kind, None);
        }
        if has_errors_inside {
            self.count(seen, MarkKind::ErrorsInside, None);
        }
        if let Some(age) = token {
            let who = Who::One(seen.consumer);
            self.whole(seen, MarkKind::TokenUsed, who, None);
            if age == TokenAge::Expired {
                self.whole(seen, MarkKind::TokenExpired, who, None);
            }
        }
        if let (Some(credential), Some(client)) = (credential, client) {
            self.whole(seen, MarkKind::Credentials, Who::At(client), Some(credential));
            if matches!(seen.status.http(), Some(401 | 403)) {
                self.whole(seen, MarkKind::CredentialsRefused, Who::At(client), Some(credential));
            }
        }
    }

    /// A mark of a consumer on a route.
    fn count(&mut self, seen: Seen, kind: MarkKind, value: Option<u64>) {
        let (route, who) = (Which::One(seen.route), Who::One(seen.consumer));
        let hour = seen.ended.floor(MARK_WIDTH);
        let key = Key { hour, kind, resource: Some(seen.resource), route, who };
        self.put(key, MarkSum::one(seen.ended, value));
    }

    /// A mark that is not about a route.
    fn whole(&mut self, seen: Seen, kind: MarkKind, who: Who, distinct: Option<u64>) {
        let mut sum = MarkSum::one(seen.ended, None);
        distinct.into_iter().for_each(|hash| sum.distinct.add_hash(hash));
        let hour = seen.ended.floor(MARK_WIDTH);
        self.put(Key { hour, kind, resource: Some(seen.resource), route: Which::All, who }, sum);
    }

    /// The way to be full has two steps: names go first; then hours, of which strangers can write as many.
    fn put(&mut self, key: Key, sum: MarkSum) {
        if let Some(all) = self.sums.get_mut(&key) {
            return all.merge(&sum);
        }
        let other = |key: Key| Key {
            route: if key.route == Which::All { Which::All } else { Which::Other },
            who: if key.who == Who::All { Who::All } else { Who::Other },
            ..key
        };
        let key = match self.sums.len() {
            n if n < budget::MARKS => key,
            n if n < budget::MARKS + budget::MARKS / 4 => other(key),
            _ => Key { hour: *self.overflow.get_or_insert(key.hour), resource: None, ..other(key) },
        };
        self.sums.entry(key).and_modify(|all| all.merge(&sum)).or_insert(sum);
    }

    /// Whether a request came when its consumer should have waited.
    fn judge(&mut self, seen: Seen, duration_us: u32, registry: &Registry) {
        if self.waits.is_empty() {
            return;
        }
        let duration = Duration::from_micros(if duration_us == UNKNOWN { 0 } else { u64::from(duration_us) });
        match self.waits.judge((seen.route, seen.consumer), names(seen, registry), seen.ended, duration) {
            Some(Retried::Early(by)) => self.count(seen, MarkKind::RetriedEarly, Some(by)),
            Some(Retried::InTime) => self.count(seen, MarkKind::RetriedInTime, None),
            None => {}
        }
    }

    /// Remembers that somebody was asked to wait, where it is known who.
    fn ask(&mut self, seen: Seen, wait: Option<Duration>, registry: &Registry) {
        let Some(wait) = wait else { return };
        let consumer = &registry.consumers[seen.consumer as usize];
        if consumer.id.is_empty() || consumer.id == OTHER {
            return;
        }
        self.waits.ask((seen.route, seen.consumer), names(seen, registry), seen.ended, wait);
    }
}

/// What the numbers stand for, since they may be given to other names.
fn names(seen: Seen, registry: &Registry) -> (&Route, &Consumer) {
    (&registry.routes[seen.route as usize].1, &registry.consumers[seen.consumer as usize])
}

fn name(key: Key, registry: &Registry, templates: &[String]) -> MarkKey {
    let service = match key.resource {
        Some(number) => registry.resources[number as usize].service.clone(),
        None => OTHER.to_owned(),
    };
    let route = match key.route {
        Which::All => Route::default(),
        Which::One(number) => {
            let method = registry.routes[number as usize].1.method.as_str();
            Route::new(method, templates[number as usize].as_str())
        }
        Which::Other => Route::new("", OTHER),
    };
    let consumer = match key.who {
        Who::All => Consumer::default(),
        Who::One(number) => registry.consumers[number as usize].clone(),
        Who::At(address) => Consumer::new(address.to_string(), Evidence::Address),
        Who::Other => Consumer::new(OTHER, Evidence::None),
    };
    MarkKey { hour: key.hour, kind: key.kind, service, route, consumer }
}

/// Seconds since the epoch; `None` before it.
fn seconds(at: Timestamp) -> Option<u64> {
    u64::try_from(at.as_millis().div_euclid(1_000)).ok()
}

/// Thousandths of the limit that are left, rounded down; `None` where the limit was not told and something is left.
fn left(told: RateLimit) -> Option<u64> {
    match told.limit {
        _ if told.remaining == 0 => Some(0),
        Some(limit) if limit > 0 => Some((u128::from(told.remaining.min(limit)) * 1_000 / u128::from(limit)) as u64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
