//! Telling people. In: anomalies, as they open, change and resolve. Out: notifications to send, each until its receiver
//! has it.
//!
//! What a receiver should know is compared with what it has taken, so nothing waits in a line that could overflow: while a
//! receiver is away, an anomaly that grows worse and ends is one notification. Each is told once when it fires, again
//! when its severity grows, and always when it is over; Alertmanager is told again and again, as it expects. What fails
//! is tried again, later and later.

mod body;
mod config;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use pitot_model::{
    Timestamp,
    api::{Anomaly, Severity, State},
};

pub use config::{AlertConfig, AlertError, ReceiverConfig, ReceiverKind};

use config::Receiver;

/// Notifications on their way at once; further ones wait.
const IN_FLIGHT: usize = 8;
/// Attempts after which a notification that something is over is given up: about a day.
const ATTEMPTS: u32 = 300;
/// First and longest pause between two attempts, before jitter.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// One HTTP POST of JSON to a receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// For [`Router::done`].
    pub id: u64,
    /// Name of the receiver.
    pub receiver: String,
    /// Where to.
    pub url: String,
    /// JSON.
    pub body: String,
    /// Counts up from 1.
    pub attempt: u32,
}

/// Why a receiver did not take a notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not now: no connection, no answer, 408, 429 or 5xx. It is tried again.
    #[error("{0}; it is tried again")]
    Unavailable(String),
    /// Never: another status. It is counted and left.
    #[error("{0}; check the receiver's address and what it accepts")]
    Refused(String),
}

/// What happened to notifications so far; monotonic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertStats {
    /// Taken by their receivers.
    pub sent: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Refused by their receivers for good.
    pub refused: u64,
    /// Left out because [`AlertConfig::max_pending`] was reached, or given up after a day.
    pub dropped: u64,
}

/// Who is told what, and when again.
pub struct Router {
    receivers: Vec<Receiver>,
    max_pending: usize,
    told: BTreeMap<(usize, String), Told>,
    ready: VecDeque<(usize, String)>,
    flying: HashMap<u64, Flight>,
    next_id: u64,
    now: Timestamp,
    /// Of the jitter; never zero.
    seed: u64,
    stats: AlertStats,
}

/// One anomaly for one receiver.
struct Told {
    anomaly: Anomaly,
    /// As the receiver last took it.
    taken: Option<Taken>,
    /// Attempts since the last success.
    attempts: u32,
    /// When to try, or to tell again; `None` while nothing is to be said.
    next: Option<Timestamp>,
    /// It is in [`Router::ready`] or on its way.
    is_busy: bool,
}

#[derive(Clone, Copy, PartialEq)]
struct Taken {
    severity: Severity,
    state: State,
}

struct Flight {
    key: (usize, String),
    what: Taken,
}

impl Router {
    /// A router that has told nobody yet. `seed` spreads retries. All problems of the configuration are told at once.
    pub fn new(config: &AlertConfig, seed: u64) -> Result<Self, AlertError> {
        Ok(Self {
            receivers: config.receivers()?,
            max_pending: config.max_pending,
            told: BTreeMap::new(),
            ready: VecDeque::new(),
            flying: HashMap::new(),
            next_id: 1,
            now: Timestamp::EPOCH,
            seed: seed | 1,
            stats: AlertStats::default(),
        })
    }

    /// Other receivers from now on. One that keeps its name keeps what it was told; what another was to be told goes with
    /// it.
    pub fn reconfigure(&mut self, config: &AlertConfig) -> Result<(), AlertError> {
        let receivers = config.receivers()?;
        let place = |i: usize| receivers.iter().position(|r| r.name == self.receivers[i].name);
        let moved: Vec<Option<usize>> = (0..self.receivers.len()).map(place).collect();
        let key = |(i, id): (usize, String)| moved[i].map(|i| (i, id));
        self.told = std::mem::take(&mut self.told).into_iter().filter_map(|(k, told)| Some((key(k)?, told))).collect();
        self.ready = std::mem::take(&mut self.ready).into_iter().filter_map(key).collect();
        let flying = std::mem::take(&mut self.flying).into_iter();
        self.flying = flying.filter_map(|(id, f)| Some((id, Flight { key: key(f.key)?, ..f }))).collect();
        (self.receivers, self.max_pending) = (receivers, config.max_pending);
        Ok(())
    }

    /// An anomaly that was open before a restart: webhooks know it already and will be told when it is over.
    pub fn resume(&mut self, anomaly: &Anomaly) {
        for i in self.matching(anomaly) {
            let taken = Some(Taken { severity: anomaly.severity, state: State::Open });
            let next = self.receivers[i].repeat.map(|_| self.now);
            let told = Told { anomaly: anomaly.clone(), taken, attempts: 0, next, is_busy: false };
            self.told.insert((i, anomaly.id.clone()), told);
        }
    }

    /// An anomaly is new or has changed.
    pub fn push(&mut self, anomaly: &Anomaly) {
        let matching = self.matching(anomaly);
        for i in 0..self.receivers.len() {
            let key = (i, anomaly.id.clone());
            if let Some(told) = self.told.get_mut(&key) {
                told.anomaly = anomaly.clone();
            } else if !matching.contains(&i) || anomaly.state == State::Resolved {
                continue;
            } else if self.told.len() >= self.max_pending {
                self.stats.dropped += 1;
                continue;
            } else {
                let told = Told { anomaly: anomaly.clone(), taken: None, attempts: 0, next: None, is_busy: false };
                self.told.insert(key.clone(), told);
            }
            self.schedule(&key);
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp) {
        self.now = now;
        for (key, told) in &mut self.told {
            if !told.is_busy && told.next.is_some_and(|next| next <= now) {
                told.is_busy = true;
                self.ready.push_back(key.clone());
            }
        }
    }

    /// When the next attempt or repetition is due; `None` while there is none. A ready one waits for [`Router::poll`].
    pub fn deadline(&self) -> Option<Timestamp> {
        self.told.values().filter(|t| !t.is_busy).filter_map(|t| t.next).min()
    }

    /// The next notification to send; each is answered by [`Router::done`].
    pub fn poll(&mut self) -> Option<Notification> {
        while self.flying.len() < IN_FLIGHT {
            let key = self.ready.pop_front()?;
            let Some(told) = self.told.get_mut(&key) else { continue };
            let receiver = &self.receivers[key.0];
            told.attempts += 1;
            let what = Taken { severity: told.anomaly.severity, state: told.anomaly.state };
            let before = told.taken.map(|t| t.severity);
            let id = self.next_id;
            self.next_id += 1;
            let notification = Notification {
                id,
                receiver: receiver.name.clone(),
                url: receiver.url.clone(),
                body: body::body(receiver, &told.anomaly, before, self.now),
                attempt: told.attempts,
            };
            self.flying.insert(id, Flight { key, what });
            return Some(notification);
        }
        None
    }

    /// What became of a notification. Unknown ids are ignored.
    pub fn done(&mut self, id: u64, result: &Result<(), Failure>) {
        let Some(Flight { key, what }) = self.flying.remove(&id) else { return };
        let pause = self.pause(self.told.get(&key).map_or(1, |t| t.attempts));
        let Some(told) = self.told.get_mut(&key) else { return };
        told.is_busy = false;
        if let Err(Failure::Unavailable(_)) = result {
            if told.attempts >= ATTEMPTS && told.anomaly.state == State::Resolved {
                self.told.remove(&key);
                self.stats.dropped += 1;
                return;
            }
            self.stats.retried += 1;
            told.next = Some(self.now + pause);
            return;
        }
        match result {
            Ok(()) => self.stats.sent += 1,
            Err(_) => self.stats.refused += 1,
        }
        // What is refused for good is not said again, but the next change is.
        told.taken = Some(what);
        told.attempts = 0;
        if what.state == State::Resolved && told.anomaly.state == State::Resolved {
            self.told.remove(&key);
            return;
        }
        let repeat = self.receivers[key.0].repeat;
        told.next = repeat.map(|repeat| self.now + repeat);
        self.schedule(&key);
    }

    /// Whether something is on its way or ready to be.
    pub fn is_busy(&self) -> bool {
        !self.flying.is_empty() || !self.ready.is_empty()
    }

    /// What happened so far.
    pub fn stats(&self) -> AlertStats {
        self.stats
    }

    fn matching(&self, anomaly: &Anomaly) -> Vec<usize> {
        (0..self.receivers.len()).filter(|&i| self.receivers[i].filter.matches(anomaly)).collect()
    }

    /// Makes an anomaly ready if its receiver knows less than there is to say. What failed waits for its pause.
    fn schedule(&mut self, key: &(usize, String)) {
        let Some(told) = self.told.get_mut(key) else { return };
        let is_news =
            told.taken.is_none_or(|taken| taken.state != told.anomaly.state || taken.severity < told.anomaly.severity);
        if is_news && !told.is_busy && told.attempts == 0 {
            told.is_busy = true;
            told.next = None;
            self.ready.push_back(key.clone());
        }
    }

    /// Twice as long after every attempt, and between half and all of that, so that many do not come at once.
    fn pause(&mut self, attempts: u32) -> Duration {
        // Source: xorshift64, Marsaglia.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        let whole = PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(PAUSE_MAX);
        whole.mul_f64(0.5 + (self.seed % 1024) as f64 / 2048.0)
    }
}

#[cfg(test)]
mod tests;
