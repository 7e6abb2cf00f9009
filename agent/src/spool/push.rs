//! Pushing a report: what has to go for it, what it has to tell, and how it becomes durable in one step.

use std::io;

use bytes::Bytes;
use pitot_model::{Coverage, Reason, Report, Timestamp};
use tracing::warn;

use super::{
    EVICTED_AT_ONCE, Entry, Known, Spool, SpoolError, Step, WhenFull,
    disk::Kind,
    format::{self, Head},
    pack::Packed,
    queue::Carry,
    samples::Stripped,
};
use crate::Cursor;

/// From a report to its pieces.
pub(super) type Packing<'a> = &'a dyn Fn(&Report) -> Result<Vec<Packed>, SpoolError>;

/// A file that is to be written.
struct File {
    entry: Entry,
    header: Vec<u8>,
    body: Bytes,
}

impl Spool {
    /// Pushes a report of which `own` is the coverage. On an error nothing is kept.
    pub(super) fn push_with_losses(
        &mut self,
        report: &mut Report,
        cursors: &[Cursor],
        now: Timestamp,
        own: &Coverage,
        packing: Packing<'_>,
    ) -> Result<(), SpoolError> {
        let cursors = self.strip(cursors).map_err(|e| self.io("write", e))?;
        let mut lost = self.carry.clone();
        let mut evicted = 0;
        let files = loop {
            report.coverage.clone_from(own);
            report.coverage.merge(&lost.coverage);
            let files = self.files(packing(report)?, report.made, &cursors, &lost);
            let bytes = files.iter().map(|f| f.entry.bytes).sum();
            let before = evicted;
            while evicted < EVICTED_AT_ONCE && self.must_evict(evicted, bytes, now)? {
                evicted += 1;
                self.lose(evicted, &mut lost)?;
            }
            // What has to be told of a loss takes some bytes too, and may cost another report.
            if evicted == before {
                break files;
            }
        };
        if let Err(error) = self.write(&files) {
            self.unwrite(&files);
            return Err(self.io("write", error));
        }
        report.sequence = self.sequence + files.len() as u64;
        self.commit(&files, lost, evicted);
        self.forget_samples(&cursors.samples);
        Ok(())
    }

    /// The files of one push. Only the last one has cursors, and says what it replaces.
    fn files(&self, pieces: Vec<Packed>, made: Timestamp, cursors: &Stripped, lost: &Carry) -> Vec<File> {
        let until = self.next + pieces.len() as u64 - 1;
        let replaces: Vec<u64> = self.replaced.iter().copied().chain(lost.files.iter().map(|f| f.1)).collect();
        let file = |(piece, number): (Packed, u64)| {
            let is_last = number == until;
            let head = Head {
                incarnation: self.incarnation,
                sequence: piece.sequence,
                made,
                transactions: piece.transactions,
                coverage: piece.coverage,
                cursors: if is_last { cursors.clone() } else { Stripped::default() },
                replaces: if is_last { replaces.clone() } else { Vec::new() },
                until,
            };
            let header = format::encode(&head, &piece.bytes);
            let bytes = (header.len() + piece.bytes.len()) as u64;
            File { entry: Entry { number, bytes, known: Some(Known::from(&head)) }, header, body: piece.bytes }
        };
        pieces.into_iter().zip(self.next..).map(file).collect()
    }

    /// Whether one more has to go than the `evicted` oldest behind the very oldest, for new files of so many bytes.
    fn must_evict(&mut self, evicted: usize, bytes: u64, now: Timestamp) -> Result<bool, SpoolError> {
        let Some(&entry) = self.queue.get(evicted + 1).filter(|_| self.limits.when_full == WhenFull::DropOldest) else {
            return Ok(false);
        };
        let gone: u64 = (1..=evicted).filter_map(|i| self.queue.get(i)).map(|e| e.bytes).sum();
        if self.queue.bytes() - gone + bytes > self.limits.bytes {
            return Ok(true);
        }
        let known = match entry.known {
            Some(known) => known,
            // What cannot be read has no age; it is set aside when its turn comes.
            None => match self.head(Kind::Report, entry.number)? {
                Ok(head) => Known::from(&head),
                Err(_) => return Ok(false),
            },
        };
        self.queue.know(evicted + 1, known);
        Ok(now.since(known.made) > self.limits.age)
    }

    /// Adds the report at this place of the queue to what is lost.
    fn lose(&mut self, i: usize, lost: &mut Carry) -> Result<(), SpoolError> {
        let Some(&entry) = self.queue.get(i) else { return Ok(()) };
        match self.head(Kind::Report, entry.number)? {
            Ok(head) => lost.add(&head, Reason::SpoolEvicted, (Kind::Report, entry.number)),
            Err(_) => lost.add_unreadable(entry.known, (Kind::Damaged, entry.number)),
        }
        Ok(())
    }

    /// Makes them durable: all of them, or after a crash none.
    fn write(&mut self, files: &[File]) -> io::Result<()> {
        for file in files {
            let is_last_of_many = files.len() > 1 && file.entry.number + 1 == self.next + files.len() as u64;
            if is_last_of_many {
                self.disk.sync()?;
            }
            self.put(&Kind::Report.name(file.entry.number), &[&file.header, &file.body])?;
        }
        self.disk.sync()
    }

    /// Takes back what was written of a push that failed. What cannot be removed now is removed before anything else is done.
    ///
    /// The last file, which makes all of them count, is gone for good before any of the others goes, and all are before their
    /// numbers are used again: else a crash may bring back a few that look like a whole.
    fn unwrite(&mut self, files: &[File]) {
        self.is_dirty = true;
        let mut removals = files.iter().rev().map(|f| Step::Remove(Kind::Report, f.entry.number));
        self.steps.extend(removals.next());
        self.steps.push_back(Step::Sync);
        if files.len() > 1 {
            self.steps.extend(removals);
            self.steps.push_back(Step::Sync);
        }
        if let Err(error) = self.take_steps() {
            warn!(%error, "a report that could not be kept cannot be removed from the spool");
        }
    }

    /// From here on the files count, and those that they replace do not.
    fn commit(&mut self, files: &[File], lost: Carry, evicted: usize) {
        if evicted > 0 && !self.is_evicting {
            warn!(limit_bytes = self.limits.bytes, "the spool is full, or its reports are old: the oldest are dropped");
        }
        self.is_evicting = evicted > 0;
        self.is_dirty = false;
        self.sequence += files.len() as u64;
        self.next += files.len() as u64;
        if evicted > 0 {
            self.queue.evict(evicted);
        }
        for file in files {
            self.queue.push(file.entry);
        }
        self.carry = Carry::default();
        self.replaced = lost.files.iter().map(|(_, number)| *number).collect();
        self.steps.extend(self.done.take().map(|number| Step::Remove(Kind::Done, number)));
        for (kind, number) in lost.files {
            let step = match kind {
                Kind::Damaged => Step::Rename(Kind::Report, Kind::Damaged, number),
                kind => Step::Remove(kind, number),
            };
            self.steps.push_back(step);
            if kind == Kind::Damaged {
                self.damaged.push(number);
            }
        }
        let surplus = self.damaged.len().saturating_sub(super::DAMAGED_KEPT);
        self.steps.extend(self.damaged.drain(..surplus).map(|number| Step::Remove(Kind::Damaged, number)));
        // What does not work now is tried before anything else is done.
        let _ = self.take_steps();
    }
}
