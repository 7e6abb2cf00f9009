//! What the owner thread reads: files, syslog, captures. In: their bytes. Out: windows.

use std::time::Duration;

use pitot_model::{TimeRange, Timestamp};

use super::Reader;
use crate::{io::now, parse::Wanted};

/// How far ahead of the clock a transaction may lie; half of what the collector takes, for the way and its clock.
pub(super) const FUTURE: Duration = Duration::from_secs(5 * 60);
/// How far back; what collectors keep at most unless told otherwise.
const PAST: Duration = Duration::from_secs(399 * 86_400);
/// Reports that wait while the collector takes them, above which files are not read: they keep their lines themselves.
const AHEAD: u64 = 8;

impl Reader {
    /// Reads a chunk of every source with news. Whether there was any.
    pub(super) fn read_sources(&mut self) -> bool {
        let has_captured = self.take_captured();
        if !self.may_read() {
            return has_captured;
        }
        let wanted = Wanted { range: self.range(), keep_rejected: false };
        let Self { files, syslog, enricher, batch, windows, .. } = self;
        let has_files = files.read(wanted, enricher, batch, &mut |batch| windows.add(batch));
        let has_messages = syslog.read(wanted, enricher, batch, &mut |batch| windows.add(batch));
        has_captured || has_files || has_messages
    }

    /// Logs wait while there is no room for what they hold, and while the collector has yet to take what was read.
    pub(super) fn may_read(&self) -> bool {
        let is_ahead = self.is_answered && self.spool.backlog().spool_reports > AHEAD;
        self.unwritten.is_none() && !self.spool.is_full() && !is_ahead && !self.windows.is_full()
    }

    /// What is wanted, without what no clock can have written: one such line would make the collector refuse all the
    /// others that are shipped with it.
    fn range(&self) -> TimeRange {
        let latest = now() + FUTURE;
        let earliest = if self.daemon.keeps_all { Timestamp::EPOCH } else { now() - PAST };
        TimeRange::new(self.daemon.range.from.max(earliest), self.daemon.range.to.min(latest))
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
}
