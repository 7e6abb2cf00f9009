//! What the owner thread owns: store, detectors, metrics, and what is told to whom.
//!
//! In: reports, questions and ticks, one at a time. Out: answers, live events. Time comes in.

mod reconfigure;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod watched;

use std::{path::PathBuf, sync::Arc, time::Duration};

use pitot_model::{
    Reason, Report, Timestamp,
    api::{Accepted, Agents, Anomaly, AnomalyPage, AnomalyQuery, CollectorStatus, LiveEvent, Problem},
};
use tokio::sync::broadcast;

pub use self::reconfigure::ReconfigureError;
#[cfg(test)]
pub(super) use self::{
    tests::{crowd, poison},
    watched::{Watch, passed_over, watch},
};
use super::{Config, OpenError, record::Record};
use crate::{
    alert::{AlertStats, Router},
    contract::Documents,
    detect::{DetectStats, Detector, Silence},
    fleet::{Arrival, Fleet},
    ingest::{self, Refusal},
    io::{clock::Clock, contracts, embedded::Embedded, notify::Notifier, random},
    metrics::{Gauges, Metrics},
    query::Context,
    store::{
        Appended, Levels, Memory, Store, StoreError,
        ledger::{AGENT_LIVE, Progress},
    },
};

/// Time between two writes through to the disk of what nobody waits for.
const PERSIST: Duration = Duration::from_secs(1);

/// Time between two rounds of rolling up, unless more than [`WAITING`] deltas wait.
const ROLL_UP: Duration = Duration::from_secs(30);

/// Deltas that may wait for rolling up: a question at a coarse level reads all of them in its range.
const WAITING: usize = 512;

/// Time between two rounds of forgetting.
const FORGET: Duration = Duration::from_secs(600);

/// Time between two attempts to write again after a failure.
const RECOVER: Duration = Duration::from_secs(5);

/// Time between two looks at what was left out.
const SAY: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Core {
    store: Box<dyn Store>,
    /// Where the store outlives the process.
    data: Option<PathBuf>,
    detector: Detector,
    /// Only where the store outlives the process: agents that read files to their end are not silent.
    silence: Option<Silence>,
    fleet: Fleet,
    metrics: Metrics,
    record: Record,
    /// What services are said to offer.
    documents: Documents,
    /// Only where somebody wants to be told.
    notifier: Option<Notifier>,
    live: broadcast::Sender<LiveEvent>,
    /// Transactions since the last live event that told of any.
    untold: u64,
    started: Timestamp,
    due: Due,
    /// As the log has them.
    losses: Losses,
    /// The last write that failed; nothing is ready until one succeeds.
    failed: Option<String>,
}

/// What was left out so far, by those who leave something out.
#[derive(Clone, Copy, PartialEq, Default)]
struct Losses {
    detect: DetectStats,
    refused_aliases: u64,
    /// Agents that detection does not wait for at the moment.
    lagging: usize,
    /// Silent agents that are not told of at the moment.
    untold_silent: u64,
    alerts: AlertStats,
}

/// When what was last done.
struct Due {
    say: Timestamp,
    persist: Timestamp,
    roll_up: Timestamp,
    forget: Timestamp,
    recover: Timestamp,
    is_dirty: bool,
}

impl Core {
    pub(super) fn open(config: Config, live: broadcast::Sender<LiveEvent>, clock: &Clock) -> Result<Self, OpenError> {
        let now = clock();
        let mut alerts = Router::new(&config.alerts, now.as_micros() as u64)?;
        let levels = Levels::new(config.window, &config.retention)?;
        let store: Box<dyn Store> = match &config.data {
            Some(data) => Box::new(Embedded::open(data, levels)?),
            None => Box::new(Memory::new(levels).named(random::id())),
        };
        let documents = contracts::read_all(&config.openapi)?;
        let mut record = Record::open(config.data.as_deref())?;
        let (after, max_open) = (config.detect.silent_agent, config.detect.max_open);
        let mut silence = config.data.is_some().then(|| Silence::new(after, max_open, now));
        let mut detector = Detector::new(config.detect);
        let open = record.resume()?;
        silence.iter_mut().for_each(|silence| silence.restore(&open));
        alerts.tick(now);
        open.iter().for_each(|anomaly| alerts.resume(anomaly));
        detector.restore(open);
        let notifier = match config.alerts.receivers.is_empty() {
            true => None,
            false => Some(Notifier::start(alerts, clock.clone()).map_err(OpenError::Thread)?),
        };
        Ok(Self {
            store,
            data: config.data,
            detector,
            silence,
            fleet: Fleet::default(),
            metrics: Metrics::default(),
            record,
            documents,
            notifier,
            live,
            untold: 0,
            started: now,
            due: Due { say: now, persist: now, roll_up: now, forget: Timestamp::EPOCH, recover: now, is_dirty: false },
            losses: Losses::default(),
            failed: None,
        })
    }

    /// Stores a report and shows it to the detectors. What of it is late is added to its coverage: only here it is known
    /// what the agent had called complete.
    pub(crate) fn ingest(&mut self, mut report: Report, arrival: Arrival) -> Result<Accepted, Problem> {
        let now = arrival.now;
        if let Some(offset_ms) = self.fleet.hear(&report, arrival, self.store.ledger()) {
            let agent = &report.agent.name;
            tracing::warn!(agent, offset_ms, "clocks of agent and collector differ; set them by NTP");
        }
        let late = self.store.ledger().late(&report);
        report.coverage.add(Reason::Late, late);
        let report = &report;
        let appended = match ingest::validate(report, self.store.levels(), now, self.present(now)) {
            Ok(()) => self.store.append(report, now),
            Err(refusal) => return Err(self.refused(report, &refusal)),
        };
        let appended = appended.map_err(|e| {
            self.fail(&e);
            unavailable(e.to_string())
        })?;
        self.failed = None;
        match appended {
            Appended::Stored => self.take(report, now),
            Appended::Duplicate => self.metrics.duplicate(),
            Appended::Conflict => return Err(self.refused(report, &Refusal::Conflict)),
            Appended::Stale => return Err(self.refused(report, &Refusal::Stale)),
            Appended::TooManyAgents => return Err(self.refused(report, &Refusal::TooManyAgents)),
        }
        Ok(Accepted {
            sequence: self.store.ledger().sequence(&report.agent),
            duplicate: appended == Appended::Duplicate,
            transactions: if appended == Appended::Stored { report.count() } else { 0 },
            now: Some(now),
            store: self.store.id().to_owned(),
        })
    }

    /// Where refused reports are counted.
    pub(super) fn refusals(&self) -> Arc<crate::metrics::Refusals> {
        self.metrics.refusals()
    }

    /// Counts a question or report that panicked.
    pub(super) fn panicked(&mut self) {
        self.metrics.panicked();
        tracing::error!("a request panicked and was answered with 500; this is a bug of pitot, please report it");
    }

    /// Brings to the disk what was stored since the last time; an error is for those whose reports it was.
    pub(super) fn sync(&mut self, now: Timestamp) -> Result<(), Problem> {
        if !self.due.is_dirty {
            return Ok(());
        }
        self.store.persist().map_err(|e| {
            self.fail(&e);
            unavailable(e.to_string())
        })?;
        (self.due.persist, self.due.is_dirty) = (now, false);
        Ok(())
    }

    /// Whether a tick has left work that should not wait for the next one.
    pub(super) fn is_behind(&self) -> bool {
        self.failed.is_none() && self.store.waiting() >= WAITING
    }

    /// Time has passed. An error says why nothing can go on.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Result<(), String> {
        self.detect(now);
        self.listen(now);
        if self.untold > 0 {
            let told = LiveEvent::Data { watermark: self.watermark(now), transactions: self.untold };
            // Nobody listens: nothing is lost.
            let _ = self.live.send(told);
            self.untold = 0;
        }
        if let Err(e) = self.keep_house(now) {
            self.fail(&e);
        }
        if let Err(e) = self.record.commit() {
            self.fail(&e);
        }
        self.recover(now)
    }

    /// Everything to disk; the last that happens.
    pub(crate) fn close(&mut self, now: Timestamp) {
        // What keeps it from going on is logged, and it ends anyway.
        let _ = self.tick(now);
        if let Err(e) = self.store.settle().and_then(|()| self.store.persist()) {
            self.fail(&e);
        }
        if let Some(notifier) = self.notifier.take() {
            notifier.close();
        }
    }

    /// For questions about traffic.
    pub(crate) fn context(&self, now: Timestamp) -> Context<'_> {
        Context { store: &*self.store, now, watermark: self.watermark(now) }
    }

    /// What services are said to offer.
    pub(crate) fn documents(&self) -> &Documents {
        &self.documents
    }

    pub(crate) fn anomalies(&self, query: &AnomalyQuery) -> Result<AnomalyPage, Problem> {
        self.record.query(query)
    }

    pub(crate) fn anomaly(&self, id: &str) -> Result<Anomaly, Problem> {
        self.record.get(id)
    }

    pub(crate) fn agents(&self, now: Timestamp) -> Agents {
        self.fleet.rows(self.store.ledger(), now)
    }

    pub(crate) fn status(&self, now: Timestamp) -> CollectorStatus {
        CollectorStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            started: self.started,
            now,
            window_ms: self.store.levels().finest().as_millis() as u64,
            watermark: self.watermark(now),
            open_anomalies: self.record.n_open(),
            store: self.store.stats(),
        }
    }

    /// The page for Prometheus.
    pub(crate) fn metrics(&self, now: Timestamp) -> String {
        let open = self.record.open_by_kind();
        let (agents, store) = (self.agents(now).agents, self.store.stats());
        let (watermark, lagging) = (self.watermark(now), self.progress(now).lagging);
        self.metrics.render(&Gauges { agents, open, store, watermark, lagging })
    }

    /// Whether the last write succeeded.
    pub(crate) fn ready(&self) -> Result<(), Problem> {
        self.failed.as_ref().map_or(Ok(()), |detail| Err(unavailable(detail.clone())))
    }

    fn take(&mut self, report: &Report, now: Timestamp) {
        self.metrics.accept(report);
        self.untold = self.untold.saturating_add(report.count());
        self.due.is_dirty = true;
        for window in &report.windows {
            // A year of old logs is history and no news: to judge it would take minutes, and alert about long ago.
            if self.data.is_some() && self.store.levels().first_kept(window.start, now) > 0 {
                self.detector.pass_over();
            } else {
                self.detector.push(window);
            }
        }
        self.detect(now);
    }

    fn detect(&mut self, now: Timestamp) {
        self.detector.tick(now, self.progress(now).watermark);
        while let Some(anomaly) = self.detector.poll() {
            self.tell(anomaly);
        }
    }

    /// Looks for agents that are not heard any more.
    fn listen(&mut self, now: Timestamp) {
        if let Some(silence) = &mut self.silence {
            silence.tick(now, self.fleet.heard(self.store.ledger()));
        }
        while let Some(anomaly) = self.silence.as_mut().and_then(Silence::poll) {
            self.tell(anomaly);
        }
    }

    fn tell(&mut self, anomaly: Anomaly) {
        match self.record.put(&anomaly) {
            Ok(true) => self.metrics.notice(anomaly.kind, anomaly.severity),
            Ok(false) => {}
            Err(e) => self.fail(&e),
        }
        if let Some(notifier) = &self.notifier {
            notifier.push(&anomaly);
        }
        let _ = self.live.send(LiveEvent::Anomaly { anomaly: Box::new(anomaly) });
    }

    fn keep_house(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let is_due = |last, every| is_due(last, now, every);
        if self.store.waiting() >= WAITING || is_due(self.due.roll_up, ROLL_UP) {
            self.store.roll_up()?;
            if self.store.waiting() == 0 {
                self.due.roll_up = now;
            }
        }
        let present = self.present(now);
        // Each time some of it goes, until nothing is left.
        if present.since(self.due.forget) >= FORGET && self.store.forget(present)? == 0 {
            self.due.forget = present;
        }
        if is_due(self.due.say, SAY) {
            self.say_losses(now);
            self.fleet.forget(self.store.ledger(), now);
            self.due.say = now;
        }
        if self.due.is_dirty && is_due(self.due.persist, PERSIST) {
            self.store.persist()?;
            (self.due.persist, self.due.is_dirty) = (now, false);
        }
        Ok(())
    }

    /// After a failed write: tries to write again, as long as the disk is full. The engine stays closed to writes after
    /// it failed once, so it is opened anew when there is room; what was acknowledged is still there.
    fn recover(&mut self, now: Timestamp) -> Result<(), String> {
        let Some(data) = self.data.clone().filter(|_| self.failed.is_some()) else { return Ok(()) };
        if !is_due(self.due.recover, now, RECOVER) {
            return Ok(());
        }
        self.due.recover = now;
        match self.store.persist() {
            Ok(()) => {}
            Err(StoreError::Poisoned) => {
                let levels = self.store.levels().clone();
                // Only one process at a time has the directory, and the old engine is one: it goes first.
                self.store = Box::new(Memory::new(levels.clone()));
                let store = Embedded::open(&data, levels);
                self.store = Box::new(store.map_err(|e| format!("the store cannot be opened again: {e}"))?);
                tracing::info!("the store is open again");
            }
            Err(e) => {
                self.fail(&e);
                return Ok(());
            }
        }
        self.failed = None;
        Ok(())
    }

    /// What was left out since the last time, in the log.
    fn say_losses(&mut self, now: Timestamp) {
        let losses = Losses {
            detect: DetectStats { judged: 0, ..self.detector.stats() },
            refused_aliases: self.store.ledger().refused_aliases(),
            lagging: self.progress(now).lagging,
            untold_silent: self.silence.as_ref().map_or(0, Silence::untold),
            alerts: self.notifier.as_ref().map(|n| AlertStats { sent: 0, ..n.stats() }).unwrap_or_default(),
        };
        if losses != self.losses {
            let Losses { detect, refused_aliases, lagging, untold_silent, alerts } = losses;
            tracing::warn!(?detect, refused_aliases, lagging, untold_silent, ?alerts, "left out so far");
            self.losses = losses;
        }
    }

    /// What retention is counted back from: the clock, or the newest window where nothing is kept on disk. So a
    /// dashboard over an old log file sees all of it that fits, whenever it is read.
    fn present(&self, now: Timestamp) -> Timestamp {
        if self.data.is_some() { now } else { self.store.newest().unwrap_or(Timestamp::EPOCH).min(now) }
    }

    fn watermark(&self, now: Timestamp) -> Timestamp {
        self.store.ledger().watermark(now - AGENT_LIVE)
    }

    /// How far the detectors may go. Where nothing is kept on disk, the sources decide when it is over, and not the clock:
    /// a file that was read to its end is not silent.
    fn progress(&self, now: Timestamp) -> Progress {
        let progress = self.store.ledger().progress(now - AGENT_LIVE);
        if self.data.is_some() {
            progress
        } else {
            Progress { watermark: progress.watermark.min(self.furthest()), ..progress }
        }
    }

    /// The greatest watermark of an agent.
    fn furthest(&self) -> Timestamp {
        self.store.ledger().watermark(Timestamp::MAX)
    }

    /// Remembers with its agent that a report is refused.
    fn refused(&mut self, report: &Report, refusal: &Refusal) -> Problem {
        let problem = refusal.problem();
        self.fleet.refuse(report, &problem.detail, self.store.ledger());
        problem
    }

    /// Remembers that something could not be written. It is logged once per kind, not once per report.
    fn fail(&mut self, e: &dyn std::error::Error) {
        let detail = e.to_string();
        if self.failed.as_ref() != Some(&detail) {
            tracing::error!(error = %detail, "not written");
        }
        self.failed = Some(detail);
    }
}

fn is_due(last: Timestamp, now: Timestamp, every: Duration) -> bool {
    now.since(last) >= every || now < last
}

fn unavailable(detail: String) -> Problem {
    let (kind, title) = ("/problems/store".into(), "the store cannot be used".into());
    Problem { kind, title, status: 503, detail, at: None, retry_after_s: Some(RECOVER.as_secs()) }
}
