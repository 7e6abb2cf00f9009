//! The spool: reports that the collector has not taken yet, one file each.
//!
//! In: reports with the cursors that they stand for, and what the collector answered. Out: the oldest report, again and
//! again until it is acknowledged or refused; after a restart the same, and the cursors to go on from.
//!
//! **A file is one atomic batch** of report, sequence and cursors: it is written under another name, synced, renamed, and
//! its name synced. A crash before leaves nothing of it, and its lines are read again; a crash after leaves all of it.
//! A report that does not fit into one request becomes several files that count only once the last of them is there.
//!
//! **An acknowledged file** is removed; the newest one is renamed to `.done` instead, for its cursors and its sequence. That
//! a file is gone is on disk before the next one is handed out. So whatever a crash brings back is older than all that may be on
//! its way: it is offered again, and the collector knows it by its sequence.
//!
//! **Lost reports are told once.** Refused ones are renamed to `.refused`; those over the budget are evicted while a report
//! is pushed, but never the oldest, which may be on its way. Their coverage goes into the next report, whose header lists
//! their files as replaced; they are removed after that, and a listed file that a crash brings back counts no more.
//! **A damaged file** (no crash makes one; disks do) is set aside as `.damaged`. Its transactions are told as
//! evicted: the number that its header or our memory knows, else one, so that the coverage is not full. When it was the newest, the
//! cursors before it are taken, sequences begin anew in another incarnation, and what it stood for may be read again.
//!
//! **When the budget is spent** the oldest but one go, or `is_full` says that reading has to wait. The oldest and the
//! newest file may exceed it together, and one more file while it is being written.

mod disk;
mod error;
mod format;
mod open;
mod pack;
mod push;
mod queue;
mod samples;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    io::{self, ErrorKind},
    path::PathBuf,
    time::Duration,
};

use bytes::Bytes;
use pitot_model::{AgentId, Backlog, Reason, Report, Timestamp, budget};
use tracing::warn;

pub(crate) use self::disk::{Disk, Memory};
pub use self::error::SpoolError;
use self::{
    disk::{Kind, STORE, UNFINISHED},
    format::{HEAD_READ, Head, Unreadable},
    push::Packing,
    queue::{Carry, Entry, Known, Queue},
};
use crate::Cursor;

/// Reports that are held where there is no directory: enough for the shipping not to wait.
const REPORTS_IN_MEMORY: usize = 4;

/// Files that are evicted by one push; more go with the next ones.
const EVICTED_AT_ONCE: usize = 4_096;

/// Bytes of one file; a longer one is none of ours.
const FILE_BYTES: u64 = budget::REPORT_BYTES as u64 + (64 << 20) + 4_096;

/// Damaged files that are kept for people to look at.
const DAMAGED_KEPT: usize = 4;

/// Where reports wait, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Its directory, made when it is not there; a few reports in memory when `None`.
    pub directory: Option<PathBuf>,
    /// Bytes of all files that wait.
    pub limit_bytes: u64,
    /// Age from which a report is evicted, by the agent's clock; only where the oldest may be dropped.
    pub max_age: Duration,
    /// What happens when it is full.
    pub when_full: WhenFull,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            directory: None,
            limit_bytes: 512 << 20,
            max_age: Duration::from_secs(7 * 86_400),
            when_full: WhenFull::DropOldest,
        }
    }
}

/// What happens when the spool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest reports go, and are counted.
    DropOldest,
    /// Reading waits.
    Block,
}

/// The oldest report, to be shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Front {
    /// To acknowledge or refuse it by.
    pub number: u64,
    /// See [`AgentId`].
    pub incarnation: u64,
    /// See [`Report`].
    pub sequence: u64,
    /// When it was made, by the agent's clock.
    pub made: Timestamp,
    /// Transactions in it.
    pub transactions: u64,
    /// As [`pitot_client::pack`] made it.
    pub bytes: Bytes,
}

/// Reports that the collector has not taken yet.
pub struct Spool {
    disk: Box<dyn Disk>,
    agent: String,
    limits: Limits,
    incarnation: u64,
    /// The last one that was given to a report of this incarnation.
    sequence: u64,
    /// Number of the next file.
    next: u64,
    queue: Queue,
    carry: Carry,
    /// Number of the file that is kept for its cursors alone.
    done: Option<u64>,
    /// Changes of names that are still to be made, in this order: usually none.
    steps: VecDeque<Step>,
    /// Whether acknowledgements or refusals are not synced yet.
    is_dirty: bool,
    /// Files that the newest one replaces, and of which it is not synced yet that they are gone.
    replaced: Vec<u64>,
    /// Whether the last push evicted.
    is_evicting: bool,
    /// Numbers of damaged files that are kept.
    damaged: Vec<u64>,
    store: String,
    /// Names of the samples that are on disk.
    samples: BTreeSet<String>,
}

/// [`SpoolConfig`] without the place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    bytes: u64,
    age: Duration,
    when_full: WhenFull,
    /// Reports in memory.
    reports: Option<usize>,
}

impl From<&SpoolConfig> for Limits {
    fn from(c: &SpoolConfig) -> Self {
        let is_in_memory = c.directory.is_none();
        Self {
            bytes: c.limit_bytes,
            age: c.max_age,
            when_full: if is_in_memory { WhenFull::Block } else { c.when_full },
            reports: is_in_memory.then_some(REPORTS_IN_MEMORY),
        }
    }
}

/// A change of a file's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Remove(Kind, u64),
    Rename(Kind, Kind, u64),
    /// What was changed before lasts before anything that follows.
    Sync,
}

impl Spool {
    /// Keeps a report and the cursors that it stands for.
    ///
    /// Sets agent and sequence of the report, and adds to its coverage what is to be told of lost ones. On an error nothing
    /// is kept, and agent, incarnation and sequence aside the report is as it was: push it again later, with the cursors it came with.
    pub fn push(&mut self, report: &mut Report, cursors: &[Cursor], now: Timestamp) -> Result<(), SpoolError> {
        self.push_by(report, cursors, now, &pack::pack)
    }

    fn push_by(
        &mut self,
        report: &mut Report,
        cursors: &[Cursor],
        now: Timestamp,
        packing: Packing<'_>,
    ) -> Result<(), SpoolError> {
        self.take_steps().map_err(|e| self.io("remove what was taken", e))?;
        if self.is_full() {
            return Err(SpoolError::Full { limit_bytes: self.limits.bytes });
        }
        report.agent = AgentId { name: self.agent.clone(), incarnation: self.incarnation };
        report.sequence = self.sequence + 1;
        let own = report.coverage.clone();
        let pushed = self.push_with_losses(report, cursors, now, &own, packing);
        if pushed.is_err() {
            report.coverage = own;
        }
        pushed
    }

    /// Whether nothing may be pushed now, since nothing may be dropped.
    pub fn is_full(&self) -> bool {
        let is_blocked = self.limits.when_full == WhenFull::Block && self.queue.bytes() >= self.limits.bytes;
        is_blocked || self.limits.reports.is_some_and(|most| self.queue.len() >= most)
    }

    /// Whether there are lost reports to tell, so that a report is due even without other news.
    pub fn has_carry(&self) -> bool {
        !self.carry.is_empty()
    }

    /// The oldest report; the same one until it is acknowledged or refused. An error may pass: ask again later.
    pub fn front(&mut self) -> Result<Option<Front>, SpoolError> {
        self.settle().map_err(|e| self.io("remove what was taken", e))?;
        while let Some(&entry) = self.queue.get(0) {
            match self.load(entry)? {
                Some((head, bytes)) => {
                    self.queue.know(0, Known::from(&head));
                    let Head { incarnation, sequence, made, transactions, .. } = head;
                    return Ok(Some(Front { number: entry.number, incarnation, sequence, made, transactions, bytes }));
                }
                None => self.set_aside(entry),
            }
        }
        Ok(None)
    }

    /// The collector has it. Nothing happens when it is not the oldest one.
    ///
    /// On an error the report is out of the queue all the same, and its file is removed as soon as that is possible.
    pub fn acknowledge(&mut self, number: u64) -> Result<(), SpoolError> {
        if self.queue.pop(number).is_none() {
            return Ok(());
        }
        let is_newest = number + 1 == self.next;
        if is_newest {
            self.done = Some(number);
        }
        self.leave(if is_newest {
            Step::Rename(Kind::Report, Kind::Done, number)
        } else {
            Step::Remove(Kind::Report, number)
        })
    }

    /// The collector will never take it: the next report tells its transactions as refused. Nothing happens when it is not the
    /// oldest one. Errors as for [`acknowledge`](Self::acknowledge).
    pub fn refuse(&mut self, number: u64) -> Result<(), SpoolError> {
        let Some(&entry) = self.queue.get(0).filter(|e| e.number == number) else { return Ok(()) };
        match self.head(Kind::Report, number)? {
            Ok(head) => self.carry.add(&head, Reason::ReportRefused, (Kind::Refused, number)),
            Err(_) => self.carry.add_unreadable(entry.known, (Kind::Refused, number)),
        }
        self.queue.pop(number);
        self.leave(Step::Rename(Kind::Report, Kind::Refused, number))
    }

    /// Later reports belong to another incarnation, from its first sequence: the collector knows reports of this one that
    /// we never made, so our state is older than the truth, or somebody else's.
    pub fn renew(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
        self.sequence = 0;
    }

    /// Incarnation and sequence of the last report that was made here.
    pub fn last_made(&self) -> (u64, u64) {
        (self.incarnation, self.sequence)
    }

    /// What waits; only the fields of the spool are set.
    pub fn backlog(&self) -> Backlog {
        Backlog {
            spool_reports: self.queue.len() as u64,
            spool_bytes: self.queue.bytes(),
            spool_limit_bytes: self.limits.bytes,
            oldest: self.queue.get(0).and_then(|e| e.known).map(|k| k.made),
            ..Backlog::default()
        }
    }

    /// Id of the collector's store that may hold reports of ours; empty while none is known.
    pub fn store(&self) -> &str {
        &self.store
    }

    /// Keeps the id of the collector's store. On an error the old one stays.
    pub fn set_store(&mut self, id: &str) -> Result<(), SpoolError> {
        if self.store != id {
            self.put(STORE, &[id.as_bytes()]).and_then(|()| self.disk.sync()).map_err(|e| self.io("write", e))?;
            self.store = id.to_owned();
        }
        Ok(())
    }

    /// Does what is left to do with names, and makes all of it last.
    fn settle(&mut self) -> io::Result<()> {
        self.take_steps()?;
        if self.is_dirty {
            self.disk.sync()?;
            self.is_dirty = false;
            self.replaced.clear();
        }
        Ok(())
    }

    fn take_steps(&mut self) -> io::Result<()> {
        while let Some(&step) = self.steps.front() {
            let taken = match step {
                Step::Remove(kind, number) => self.disk.remove(&kind.name(number)),
                Step::Rename(from, to, number) => self.disk.rename(&from.name(number), &to.name(number)),
                Step::Sync => self.disk.sync(),
            };
            match taken {
                // Somebody was faster; unless the whole directory is away, which syncing it tells.
                Err(e) if e.kind() == ErrorKind::NotFound => self.disk.sync()?,
                taken => taken?,
            }
            self.steps.pop_front();
        }
        Ok(())
    }

    /// A report leaves the queue by a step that must last before another one is handed out.
    fn leave(&mut self, step: Step) -> Result<(), SpoolError> {
        self.is_dirty = true;
        self.steps.push_back(step);
        self.take_steps().map_err(|e| self.io("remove what was taken", e))
    }

    /// Header and body of a file that waits; `None` when it is damaged or gone.
    fn load(&mut self, entry: Entry) -> Result<Option<(Head, Bytes)>, SpoolError> {
        let Some(file) = self.read(Kind::Report, entry.number, FILE_BYTES)? else { return Ok(None) };
        let whole = format::body_at(&file).and_then(|at| Ok((format::decode_head(&file)?, at)));
        match whole {
            Ok((head, at)) => Ok(Some((head, Bytes::from(file).slice(at..)))),
            Err(Unreadable::Newer(found)) => Err(SpoolError::Newer { place: self.disk.place(), found }),
            Err(_) => Ok(None),
        }
    }

    /// The header of a file, unless it is damaged or gone.
    fn head(&mut self, kind: Kind, number: u64) -> Result<Result<Head, Unreadable>, SpoolError> {
        for most in [HEAD_READ, FILE_BYTES] {
            let Some(bytes) = self.read(kind, number, most)? else { break };
            match format::decode_head(&bytes) {
                Err(Unreadable::Short) => {}
                head => return Ok(head),
            }
        }
        Ok(Err(Unreadable::Damaged))
    }

    /// The first bytes of a file; `None` when it is gone, though its directory is there.
    fn read(&mut self, kind: Kind, number: u64, most: u64) -> Result<Option<Vec<u8>>, SpoolError> {
        let read = match self.disk.read(&kind.name(number), most) {
            Err(e) if e.kind() == ErrorKind::NotFound => self.disk.sync().map(|()| None),
            read => read.map(Some),
        };
        read.map_err(|e| self.io("read", e))
    }

    /// A damaged file leaves the queue. Its name changes when a report has told of it.
    fn set_aside(&mut self, entry: Entry) {
        self.queue.pop(entry.number);
        let known = match self.head(Kind::Report, entry.number) {
            Ok(Ok(head)) => Some(Known::from(&head)),
            _ => entry.known,
        };
        let transactions = known.map(|k| k.transactions);
        warn!(number = entry.number, ?transactions, "a report in the spool is damaged and set aside");
        self.carry.add_unreadable(known, (Kind::Damaged, entry.number));
    }

    /// Writes a file at once, whole or not at all; its name lasts after a sync.
    fn put(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let put = self.disk.write(UNFINISHED, parts).and_then(|()| self.disk.rename(UNFINISHED, name));
        if put.is_err() {
            // It would take space that may be short, but is otherwise harmless.
            let _ = self.disk.remove(UNFINISHED);
        }
        put
    }

    fn io(&self, what: &'static str, error: io::Error) -> SpoolError {
        SpoolError::Io { what, place: self.disk.place(), error }
    }
}
