//! The agent as a daemon: follows logs and captures, counts, ships.
//!
//! One owner thread reads, parses and counts, and takes what another one makes of packets; an async task ships what it drains, again and again until the collector
//! took it. When the collector is away, the bounded queue between them fills, then the open windows, and the thread
//! stops reading: the files keep the rest, of packets the capture drops and counts it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use pitot_client::{Client, Verdict};
use pitot_model::{AgentId, Coverage, Gauges, Offset, Reason, Report, TimeRange, Timestamp};
use tokio::sync::mpsc;
use tracing::warn;

use super::{
    capturing::{Captures, Capturing},
    follow::Follow,
};
use crate::{
    Cursor,
    enrich::{Enricher, Settings},
    log::Format,
    parse::Wanted,
    window::{Batch, Windows},
};

/// Reports between reading and shipping. When there are as many, what is read adds to the windows that are open, and
/// when these are full, reading waits. One may hold [`OPEN_CELLS`](crate::budget::OPEN_CELLS), some 4 MiB.
const QUEUE: usize = 4;
/// How far ahead of the clock a transaction may lie; half of what the collector takes, for the way and its clock.
const FUTURE: Duration = Duration::from_secs(5 * 60);
/// How far back; what collectors keep at most unless told otherwise.
const PAST: Duration = Duration::from_secs(399 * 86_400);
/// How long packets are on their way to a window: gathered, put in order, handed over.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// Time between two reports of a capture without news, so that nobody takes the agent for gone.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// How long a file without news is left alone.
const IDLE: Duration = Duration::from_millis(100);

/// A file to follow.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Path, which need not exist yet, or `-` for standard input.
    pub path: PathBuf,
    /// Its format; detected from its first lines when absent.
    pub format: Option<Format>,
    /// Field whose value is the consumer; applied to a detected format too.
    pub consumer: Option<String>,
    /// Whether it is read from its start, and not only what is written from now on.
    pub from_start: bool,
}

/// How the daemon works.
#[derive(Clone)]
pub struct Daemon {
    /// Stable name of this agent.
    pub name: String,
    /// Instance of the service that it stands beside; empty when not known.
    pub instance: String,
    /// Files to follow.
    pub files: Vec<Followed>,
    /// What the operator says about routes, consumers and services.
    pub settings: Arc<Settings>,
    /// Width of the windows.
    pub window: Duration,
    /// Time between reports.
    pub ship_every: Duration,
    /// What of the files is wanted.
    pub range: TimeRange,
    /// Whether the collector keeps transactions of any age; else those older than it keeps are counted and left out.
    pub keeps_all: bool,
    /// How long a stop may take.
    pub stop_within: Duration,
}

/// What a daemon did until it was stopped.
#[derive(Debug, Clone, Default)]
pub struct Shipped {
    /// What was read, counted and lost.
    pub coverage: Coverage,
    /// Reports that the collector took.
    pub reports: u64,
    /// Why it ended by itself: an interface that cannot be captured again.
    pub failure: Option<String>,
}

/// Follows and ships until `stop` resolves or the capture fails for good, then reads what is there, ships it, and says what it did.
pub async fn run(
    daemon: Daemon,
    captures: Option<Captures>,
    client: Client,
    stop: impl Future<Output = ()>,
) -> Shipped {
    let (reports, queue) = mpsc::channel(QUEUE);
    let stopping = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (daemon, stopping) = (daemon.clone(), stopping.clone());
        move || {
            let capturing = captures.map(|c| Capturing::start(c, daemon.settings.clone(), stopping.clone()));
            Reader::new(daemon, capturing).run(&reports, &stopping)
        }
    });
    let mut shipping = std::pin::pin!(ship(queue, client));
    let mut taken = tokio::select! {
        taken = &mut shipping => Some(taken),
        () = stop => None,
    };
    stopping.store(true, Ordering::Relaxed);
    let deadline = tokio::time::Instant::now() + daemon.stop_within;
    let reader = tokio::task::spawn_blocking(move || reader.join().unwrap_or_default());
    if taken.is_none() {
        taken = tokio::time::timeout_at(deadline, &mut shipping).await.ok();
    }
    if taken.is_none() {
        warn!("stopped with reports that the collector did not take in time");
    }
    let read = tokio::time::timeout_at(deadline, reader).await.ok().and_then(Result::ok);
    let (coverage, failure) = read.unwrap_or_default();
    Shipped { coverage, reports: taken.unwrap_or_default(), failure }
}

/// Ships every report until it is taken or refused for good. Gives the number of those taken.
async fn ship(mut queue: mpsc::Receiver<Report>, client: Client) -> u64 {
    let mut taken = 0;
    let mut refused = 0;
    while let Some(mut report) = queue.recv().await {
        report.coverage.add(Reason::ReportRefused, std::mem::take(&mut refused));
        let packed = match pitot_client::pack(&report) {
            Ok(packed) => packed,
            Err(error) => {
                refused = report.count();
                warn!(%error, transactions = refused, "report cannot be packed and was dropped");
                continue;
            }
        };
        let mut wait = Duration::from_millis(200);
        loop {
            match client.report(packed.clone(), now(), "").await {
                Ok(_) => {
                    taken += 1;
                    break;
                }
                Err(error) if error.verdict() != Verdict::Never => {
                    warn!(%error, retry_in_ms = wait.as_millis() as u64, "report not taken");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(10));
                }
                Err(error) => {
                    refused = report.count();
                    warn!(%error, transactions = refused, "report refused and dropped");
                    break;
                }
            }
        }
    }
    taken
}

/// Reads and counts; owns everything that is counted.
struct Reader {
    daemon: Daemon,
    files: Follow,
    enricher: Enricher,
    batch: Batch,
    windows: Windows,
    incarnation: u64,
    sequence: u64,
    total: Coverage,
    capturing: Option<Capturing>,
    gauges: Option<Gauges>,
    /// What was shipped last, and when.
    told: (Option<Gauges>, Instant),
}

impl Reader {
    fn new(daemon: Daemon, capturing: Option<Capturing>) -> Self {
        Self {
            files: Follow::start(&daemon.files, Vec::new(), Arc::new(|| {})),
            enricher: Enricher::new(daemon.settings.clone()),
            batch: Batch::default(),
            windows: Windows::new(daemon.window, daemon.instance.clone()),
            incarnation: u64::try_from(now().as_micros()).unwrap_or(0),
            sequence: 0,
            total: Coverage::default(),
            gauges: capturing.is_some().then(Gauges::default),
            capturing,
            told: (None, Instant::now()),
            daemon,
        }
    }

    /// Until it is to stop, or the capture fails. What was read, and the failure.
    fn run(mut self, reports: &mpsc::Sender<Report>, stopping: &AtomicBool) -> (Coverage, Option<String>) {
        self.read_all(reports, stopping);
        let failure = self.capturing.take().filter(Capturing::is_over).and_then(Capturing::failure);
        (self.total, failure)
    }

    fn read_all(&mut self, reports: &mpsc::Sender<Report>, stopping: &AtomicBool) {
        let mut next = Instant::now() + self.daemon.ship_every;
        loop {
            // Looked at before reading, so that what was written before the stop is read once more.
            let has_failed = self.capturing.as_ref().is_some_and(Capturing::is_over);
            let is_last = stopping.load(Ordering::Relaxed) || has_failed;
            let has_read = self.read();
            let has_room = reports.capacity() > 0 || reports.is_closed();
            let is_due = self.windows.is_full() || (Instant::now() >= next && has_room);
            let is_over = is_last && !has_read && self.capturing.as_ref().is_none_or(Capturing::is_over);
            if is_due || is_over {
                next = Instant::now() + self.daemon.ship_every;
                if let Some(report) = self.report()
                    && reports.blocking_send(report).is_err()
                {
                    return;
                }
            }
            match (has_read, is_over) {
                (true, _) => {}
                (false, true) => return,
                (false, false) => thread::sleep(IDLE),
            }
        }
    }

    /// What is wanted, without what no clock can have written: one such line would make the collector refuse all the
    /// others that are shipped with it.
    fn range(&self) -> TimeRange {
        let latest = now() + FUTURE;
        let earliest = if self.daemon.keeps_all { Timestamp::EPOCH } else { now() - PAST };
        TimeRange::new(self.daemon.range.from.max(earliest), self.daemon.range.to.min(latest))
    }

    /// Reads a chunk of every file, and what was captured. Whether there was any.
    fn read(&mut self) -> bool {
        let mut has_read = self.take_captured();
        let wanted = Wanted { range: self.range(), keep_rejected: false };
        let windows = &mut self.windows;
        has_read |= self.files.read(wanted, &mut self.enricher, &mut self.batch, &mut |batch| windows.add(batch));
        has_read
    }

    /// Where there are packets alone, time passes by the clock also while there are none.
    fn watermark(&self, latest: Timestamp) -> Timestamp {
        let follows_clock = self.capturing.is_some() && self.daemon.files.is_empty();
        if follows_clock { latest.max(now() - ON_THE_WAY) } else { latest }
    }

    fn take_captured(&mut self) -> bool {
        let Some(capturing) = &mut self.capturing else { return false };
        let mut has_read = false;
        while !self.windows.is_full()
            && let Some((batch, gauges)) = capturing.next()
        {
            // An idle capture gives empty batches: there is nothing to hurry for.
            has_read |= !batch.is_empty();
            self.windows.add(&batch);
            self.gauges = Some(gauges);
            capturing.give_back(batch);
        }
        has_read
    }

    fn report(&mut self) -> Option<Report> {
        let drained = self.windows.drain();
        let is_known = self.told.0 == self.gauges && (self.gauges.is_none() || self.told.1.elapsed() < SAY_EVERY);
        if drained.windows.is_empty() && drained.coverage == Coverage::default() && self.sequence > 0 && is_known {
            return None;
        }
        self.told = (self.gauges, Instant::now());
        self.total.merge(&drained.coverage);
        self.sequence += 1;
        let offset = |c: Cursor| Offset { source: c.path, fingerprint: c.head, bytes: c.offset };
        Some(Report {
            agent: AgentId { name: self.daemon.name.clone(), incarnation: self.incarnation },
            sequence: self.sequence,
            made: now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            watermark: self.watermark(drained.watermark),
            windows: drained.windows,
            coverage: drained.coverage,
            exemplars: Vec::new(),
            aliases: drained.aliases,
            offsets: self.files.cursors().into_iter().map(offset).collect(),
            gauges: self.gauges,
            backlog: None,
            is_last: false,
        })
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
