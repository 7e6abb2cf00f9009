//! The owner thread of an agent: reads, counts, and brings reports into the spool.
//!
//! In: files, syslog, captures; what became of reports; orders. Out: reports, the oldest one at a time, for the task that
//! ships them. What was read and is not in the spool yet is read again after a crash, from the cursors that the last report
//! in the spool came with: so no line is lost, and none counted twice.

mod delivery;
mod mail;
mod reports;
mod sources;

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use pitot_model::{Coverage, Gauges};
use tokio::sync::mpsc as async_mpsc;
use tracing::warn;

pub(super) use self::mail::{Event, Mail};
use self::reports::{Unwritten, When};
use super::{
    capturing::Capturing,
    daemon::Daemon,
    follow::Follow,
    syslog::{Syslog, SyslogError, SyslogSpec},
};
use crate::{
    Cursor,
    enrich::Enricher,
    log::Format,
    spool::{Front, Spool},
    window::{Batch, Windows},
};

/// Longest time without a look at sources and orders: not everything that changes wakes this thread.
const IDLE: Duration = Duration::from_millis(100);

/// What a reader did.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// What was read and lost.
    pub(super) coverage: Coverage,
    /// Reports that the collector took.
    pub(super) n_taken: u64,
    /// Reports that still wait.
    pub(super) n_waiting: u64,
    /// Why it ended by itself.
    pub(super) failure: Option<String>,
}

impl Read {
    /// Of a thread that panicked: what it did is not known, and its spool is as it was.
    pub(super) fn broken() -> Self {
        let failure = "the reading thread broke off; this is a bug of pitot, see the log and report it".to_owned();
        Self { failure: Some(failure), ..Self::default() }
    }
}

/// Owns everything that is counted.
pub(super) struct Reader {
    daemon: Daemon,
    mail: Mail,
    inbox: mpsc::Receiver<Event>,
    fronts: async_mpsc::Sender<Front>,
    files: Follow,
    syslog: Syslog,
    capturing: Option<Capturing>,
    enricher: Enricher,
    batch: Batch,
    windows: Windows,
    spool: Spool,
    /// A report that could not be written into the spool.
    unwritten: Option<Unwritten>,
    /// Incarnation of the report that is being shipped.
    offered: Option<u64>,
    /// Whether it was told that the spool cannot be written, or read.
    is_unwritable: bool,
    is_unreadable: bool,
    /// Whether the last attempt to ship succeeded.
    is_answered: bool,
    gauges: Option<Gauges>,
    /// The gauges that were told last, and when; `None` before the first report.
    told: Option<(Option<Gauges>, Instant)>,
    /// When the next report is to be made.
    due: Instant,
    /// Whether a log was seen to be written now, and not long ago: time passes in it also while nothing is written.
    is_current: bool,
    /// When everything must be over.
    deadline: Option<Instant>,
    is_stopping: bool,
    read: Read,
}

impl Reader {
    pub(super) fn new(
        daemon: Daemon,
        (mail, inbox): (Mail, mpsc::Receiver<Event>),
        (spool, cursors): (Spool, Vec<Cursor>),
        capturing: Option<Capturing>,
        fronts: async_mpsc::Sender<Front>,
    ) -> Result<Self, SyslogError> {
        Ok(Self {
            files: Follow::start(&daemon.files, cursors, mail.waker()),
            syslog: Syslog::start(&daemon.syslog, mail.waker())?,
            enricher: Enricher::new(daemon.settings.clone()),
            batch: Batch::default(),
            windows: Windows::new(daemon.window, daemon.instance.clone()),
            spool,
            unwritten: None,
            offered: None,
            is_unwritable: false,
            is_unreadable: false,
            is_answered: false,
            gauges: capturing.is_some().then(Gauges::default),
            capturing,
            told: None,
            // The first report says where reading began: from there on a crash loses nothing.
            due: Instant::now(),
            is_current: false,
            deadline: None,
            is_stopping: false,
            read: Read::default(),
            daemon,
            mail,
            inbox,
            fronts,
        })
    }

    /// Until it is to stop, everything is read that was to be read, or the capture fails.
    pub(super) fn run(mut self) -> Read {
        let mut is_all_read = false;
        while !(self.is_stopping || is_all_read || self.is_captured()) {
            let has_read = self.read_sources();
            is_all_read = self.daemon.ends_when_read && !has_read && self.may_read();
            self.report(When::Due);
            self.hand_on(if has_read { Duration::ZERO } else { IDLE });
        }
        self.read_on();
        self.finish();
        self.end()
    }

    /// What was written before the stop is read once more.
    fn read_on(&mut self) {
        if let Some(capturing) = &self.capturing {
            capturing.stop();
        }
        self.syslog.stop();
        let begin = Instant::now();
        let half = self.deadline.map(|deadline| begin + deadline.saturating_duration_since(begin) / 2);
        while half.is_none_or(|half| Instant::now() < half) {
            let has_read = self.read_sources();
            let is_all_read = !has_read && (self.may_read() || self.deadline.is_some());
            if is_all_read && !self.is_capturing() && self.syslog.is_over() {
                return;
            }
            self.report(When::Due);
            self.hand_on(if has_read { Duration::ZERO } else { IDLE });
        }
    }

    /// The last report, and all of them to the collector.
    fn finish(&mut self) {
        let mut is_told = false;
        while !self.is_late() {
            self.write_again(false);
            if !is_told && self.has_room() {
                self.report(When::Last);
                is_told = true;
            }
            if is_told && self.unwritten.is_none() && self.spool.backlog().spool_reports == 0 {
                return;
            }
            self.hand_on(IDLE);
        }
    }

    /// Hands the oldest report on, and hears what there is to hear.
    fn hand_on(&mut self, wait: Duration) {
        self.offer();
        let mut event = self.inbox.recv_timeout(wait).ok();
        while let Some(next) = event {
            self.hear(next);
            event = self.inbox.try_recv().ok();
        }
    }

    fn end(mut self) -> Read {
        if let Some(unwritten) = &self.unwritten {
            let transactions = unwritten.report.count();
            warn!(transactions, "stopped with a report that could not be written; what it holds of logs is read again");
        }
        if self.daemon.ends_when_read {
            self.read.failure = self.shortfall();
        }
        let failed = self.capturing.take().filter(Capturing::is_over).and_then(Capturing::failure);
        self.read.failure = failed.or(self.read.failure);
        self.read.n_waiting = self.spool.backlog().spool_reports;
        self.read
    }

    /// What keeps the work of one that ends by itself from being done.
    fn shortfall(&mut self) -> Option<String> {
        let (_, n_files, n_broken) = self.files.backlog();
        let n_waiting = self.spool.backlog().spool_reports;
        if n_files < self.daemon.files.len() as u64 {
            return Some("not all sources lead to a file; look at their paths and patterns".to_owned());
        }
        match (n_broken, n_waiting) {
            (0, 0) => None,
            (0, n) => Some(format!("{n} reports wait in the spool; run it again to ship them")),
            (n, _) => Some(format!("{n} of {n_files} logs could not be read; the log says why")),
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Wake => self.mail.wake_heard(),
            Event::Shipped(shipment) => self.settle(shipment),
            Event::Asking(collector, answer) => {
                // Who asked may have gone.
                let _ = answer.send(self.spool.set_store(&collector).is_ok());
            }
            Event::Reload(next, answer) => {
                // Who asked may have gone.
                let _ = answer.send(self.reload(*next));
            }
            Event::Stop(deadline) => (self.is_stopping, self.deadline) = (true, Some(deadline)),
        }
    }

    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Whether a capture ended by itself.
    fn is_captured(&self) -> bool {
        self.capturing.as_ref().is_some_and(Capturing::is_over)
    }

    /// Whether a capture still has something to give.
    fn is_capturing(&self) -> bool {
        self.capturing.as_ref().is_some_and(|capturing| !capturing.is_over())
    }
}

/// Another configuration.
impl Reader {
    fn reload(&mut self, next: Daemon) -> Result<(), String> {
        self.daemon.check_change(&next)?;
        self.write_again(true);
        if !self.has_room() {
            return Err("the spool is full or cannot be written; try again when the collector took reports".to_owned());
        }
        self.change_syslog(&next)?;
        // What was read so far belongs to the settings so far.
        self.report(When::Now);
        if !Arc::ptr_eq(&next.settings, &self.daemon.settings) {
            self.enricher = Enricher::new(next.settings.clone());
            if let Some(capturing) = &self.capturing {
                capturing.set(next.settings.clone());
            }
        }
        if next.window != self.daemon.window || next.instance != self.daemon.instance {
            self.windows = Windows::new(next.window, next.instance.clone());
        }
        self.files.change(&next.files, &self.mail.waker());
        self.daemon = next;
        Ok(())
    }

    /// Listens on other addresses, or on the same ones for other formats. What had come so far is read before.
    fn change_syslog(&mut self, next: &Daemon) -> Result<(), String> {
        if is_same_syslog(&next.syslog, &self.daemon.syslog) {
            return Ok(());
        }
        let is_new = |spec: &&SyslogSpec| !self.daemon.syslog.iter().any(|old| old.listen == spec.listen);
        let new: Vec<SyslogSpec> = next.syslog.iter().filter(is_new).cloned().collect();
        // Nobody who is connected is cut off for addresses that cannot be had.
        drop(Syslog::start(&new, self.mail.waker()).map_err(|error| error.to_string())?);
        self.syslog.stop();
        while !self.syslog.is_over() {
            self.read_sources();
        }
        // The addresses are free only once nobody listens on them.
        self.syslog = Syslog::start(&[], self.mail.waker()).map_err(|error| error.to_string())?;
        let started = Syslog::start(&next.syslog, self.mail.waker());
        let (syslog, outcome) = match started {
            Ok(syslog) => (Ok(syslog), Ok(())),
            Err(error) => (Syslog::start(&self.daemon.syslog, self.mail.waker()), Err(error.to_string())),
        };
        match syslog {
            Ok(syslog) => self.syslog = syslog,
            Err(error) => warn!(%error, "no syslog is received until the next reload"),
        }
        outcome
    }
}

fn is_same_syslog(a: &[SyslogSpec], b: &[SyslogSpec]) -> bool {
    let key = |s: &SyslogSpec| {
        (s.listen.to_string(), s.format.as_ref().map(Format::describe), s.consumer.clone(), s.tag.clone(), s.mode)
    };
    a.iter().map(key).eq(b.iter().map(key))
}
