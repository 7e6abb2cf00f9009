//! The reports of the owner thread: when one is made, what it says, and how it gets into the spool.

use std::time::{Duration, Instant};

use pitot_model::{Backlog, Coverage, Offset, Report, Timestamp};
use tracing::{info, warn};

use super::{Reader, sources::FUTURE};
use crate::{Cursor, io::now};

/// How long packets are on their way to a window: gathered, put in order, handed over.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// How long a server may hold a line back before it writes it.
const HELD_BACK: Duration = Duration::from_secs(60);
/// Time between two reports without news, so that nobody takes the agent for gone.
const SAY_EVERY: Duration = Duration::from_secs(5);
/// Time between two attempts to write to a spool that cannot be written.
const RETRY: Duration = Duration::from_secs(2);
/// Reports that wait above which the collector counts as away, and reports are made for whole windows.
const BEHIND: u64 = 2;

/// When a report is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// When it is time.
    Due,
    /// At once.
    Now,
    /// At once, and there is none after it.
    Last,
}

/// A report, what it stands for, and when to try again.
pub(super) struct Unwritten {
    pub(super) report: Report,
    pub(super) cursors: Vec<Cursor>,
    pub(super) retry: Instant,
}

impl Reader {
    /// Makes a report when it is time, or now.
    pub(super) fn report(&mut self, when: When) {
        self.write_again(when != When::Due);
        let is_due = when != When::Due || self.windows.is_full() || Instant::now() >= self.due;
        if !is_due || !self.has_room() {
            return;
        }
        self.due = Instant::now() + self.interval();
        if let Some(mut report) = self.make(when) {
            let cursors = self.files.cursors();
            report.offsets = cursors.iter().map(offset).collect();
            self.write(report, cursors);
        }
    }

    /// Whether a report can be written.
    pub(super) fn has_room(&self) -> bool {
        self.unwritten.is_none() && !self.spool.is_full()
    }

    /// Tries once more to write what could not be written.
    pub(super) fn write_again(&mut self, is_forced: bool) {
        if let Some(unwritten) = self.unwritten.take_if(|unwritten| is_forced || Instant::now() >= unwritten.retry) {
            self.write(unwritten.report, unwritten.cursors);
        }
    }

    /// While the collector is away nobody looks at the last second: fewer reports, of whole windows, take less room.
    fn interval(&self) -> Duration {
        let is_behind = self.spool.backlog().spool_reports > BEHIND && !self.is_answered;
        if is_behind { self.daemon.ship_every.max(self.daemon.window) } else { self.daemon.ship_every }
    }

    fn make(&mut self, when: When) -> Option<Report> {
        let drained = self.windows.drain();
        let is_known = self
            .told
            .is_some_and(|(gauges, when)| gauges == self.gauges && (when.elapsed() < SAY_EVERY || !self.is_answered));
        let has_data = !drained.windows.is_empty() || !drained.marks.is_empty();
        let is_empty = !has_data && drained.coverage == Coverage::default();
        if is_empty && is_known && when != When::Last && !self.spool.has_carry() {
            return None;
        }
        self.told = Some((self.gauges, Instant::now()));
        self.read.coverage.merge(&drained.coverage);
        Some(Report {
            made: now(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            watermark: self.watermark(drained.watermark),
            windows: drained.windows,
            coverage: drained.coverage,
            aliases: drained.aliases,
            marks: drained.marks,
            gauges: self.gauges,
            backlog: Some(self.backlog()),
            is_last: when == When::Last,
            ..Report::default()
        })
    }

    /// Time passes by the clock where packets alone are read, and in logs that are read to their end and were seen to be
    /// written lately: servers may hold lines back for a while.
    fn watermark(&mut self, latest: Timestamp) -> Timestamp {
        let now = now();
        if self.daemon.files.is_empty() && self.daemon.syslog.is_empty() {
            return if self.capturing.is_some() { latest.max(now - ON_THE_WAY) } else { latest };
        }
        self.is_current |= latest + FUTURE >= now;
        let has_clock = self.is_current && !self.daemon.keeps_all && self.files.backlog().0 == 0;
        if has_clock { latest.max(now - HELD_BACK) } else { latest }
    }

    fn backlog(&mut self) -> Backlog {
        let (unread_bytes, n_files, n_broken_files) = self.files.backlog();
        let (n_receivers, n_broken_receivers) = self.syslog.sources();
        Backlog {
            unread_bytes,
            sources: n_files + n_receivers + u64::from(self.capturing.is_some()),
            broken_sources: n_broken_files + n_broken_receivers,
            ..self.spool.backlog()
        }
    }

    fn write(&mut self, mut report: Report, cursors: Vec<Cursor>) {
        match self.spool.push(&mut report, &cursors, now()) {
            Ok(()) => {
                if std::mem::take(&mut self.is_unwritable) {
                    info!("the spool can be written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_unwritable, true) {
                    warn!(%error, "report not written; until it is, logs wait, and packets are dropped and counted");
                }
                self.unwritten = Some(Unwritten { report, cursors, retry: Instant::now() + RETRY });
            }
        }
    }
}

fn offset(cursor: &Cursor) -> Offset {
    Offset { source: cursor.path.clone(), fingerprint: cursor.head, bytes: cursor.offset }
}
