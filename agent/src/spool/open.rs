//! Opening a spool: what is there after a stop or a crash. In: files as they were left. Out: the queue, what is still to be
//! told, the cursors.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pitot_model::Reason;
use tracing::warn;

use super::{
    Disk, Limits, Spool, SpoolError, Step,
    disk::{Kind, STORE, UNFINISHED},
    format::{Head, Unreadable},
    queue::{Carry, Entry, Known, Queue},
    samples,
};
use crate::Cursor;

/// Bytes of the id of a store.
const STORE_ID_BYTES: u64 = 1 << 10;

/// Files by number; of each at least one kind.
type Files = BTreeMap<u64, BTreeMap<Kind, u64>>;

impl Spool {
    /// Opens the spool on this disk, which nobody else has. Gives the cursors of its newest report, and none when it is new.
    pub(crate) fn open_on(
        disk: Box<dyn Disk>,
        limits: Limits,
        agent: &str,
        fresh_incarnation: u64,
    ) -> Result<(Self, Vec<Cursor>), SpoolError> {
        let mut spool = Self {
            disk,
            agent: agent.to_owned(),
            limits,
            incarnation: fresh_incarnation,
            sequence: 0,
            next: 1,
            queue: Queue::default(),
            carry: Carry::default(),
            done: None,
            damaged: Vec::new(),
            steps: VecDeque::new(),
            is_dirty: false,
            replaced: Vec::new(),
            is_evicting: false,
            store: String::new(),
            samples: BTreeSet::new(),
        };
        let cursors = spool.resume()?;
        Ok((spool, cursors))
    }

    fn resume(&mut self) -> Result<Vec<Cursor>, SpoolError> {
        // What the process before us changed may not be on disk yet, and all that follows relies on it.
        self.disk.sync().map_err(|e| self.io("keep reports", e))?;
        let listed = self.disk.list().map_err(|e| self.io("list the reports", e))?;
        let mut files = Files::new();
        for (name, bytes) in listed {
            if let Some((kind, number)) = Kind::parse(&name) {
                files.entry(number).or_default().insert(kind, bytes);
            } else if samples::is_sample(&name) {
                self.samples.insert(name);
            } else if name == UNFINISHED {
                self.disk.remove(UNFINISHED).map_err(|e| self.io("clean up", e))?;
            } else if name == STORE {
                let id = self.disk.read(STORE, STORE_ID_BYTES).map_err(|e| self.io("read", e))?;
                self.store = String::from_utf8_lossy(&id).into_owned();
            }
        }
        let newest = self.newest(&mut files)?;
        self.next = files.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        let replaced: BTreeSet<u64> = newest.iter().flat_map(|(_, head)| head.replaces.iter().copied()).collect();
        self.replaced = replaced.iter().copied().collect();
        let newest_number = newest.as_ref().map(|(number, _)| *number);
        for (number, kinds) in files {
            self.take_over(number, &kinds, replaced.contains(&number), Some(number) == newest_number)?;
        }
        // What cannot be cleaned up counts no more, and is tried again before a report is pushed.
        if let Err(error) = self.take_steps() {
            warn!(%error, "cannot clean up the spool");
        }
        if let Some(&first) = self.queue.get(0)
            && let Ok(head) = self.head(Kind::Report, first.number)?
        {
            self.queue.know(0, Known::from(&head));
        }
        let cursors = newest.map(|(_, head)| head.cursors).unwrap_or_default();
        self.forget_samples(&cursors.samples);
        Ok(self.unstrip(cursors))
    }

    /// The newest file that counts. Incarnation and sequence go on from it.
    fn newest(&mut self, files: &mut Files) -> Result<Option<(u64, Head)>, SpoolError> {
        let numbers: Vec<(u64, Kind)> = files.iter().rev().filter_map(|(n, kinds)| Some((*n, main(kinds)?))).collect();
        let last = numbers.first().map_or(0, |(number, _)| *number);
        let mut is_damaged = false;
        for (number, kind) in numbers {
            match self.head(kind, number)? {
                // A report in several files, of which the last is missing.
                Ok(head) if head.until > last => {
                    files.remove(&number);
                    self.steps.extend([Step::Remove(kind, number), Step::Sync]);
                }
                Ok(head) => {
                    if !is_damaged {
                        (self.incarnation, self.sequence) = (head.incarnation, head.sequence);
                    }
                    return Ok(Some((number, head)));
                }
                Err(Unreadable::Newer(found)) => return Err(SpoolError::Newer { place: self.disk.place(), found }),
                Err(_) => {
                    warn!(number, "the newest report in the spool is damaged: what it stood for may be read again");
                    is_damaged = true;
                }
            }
        }
        Ok(None)
    }

    fn take_over(
        &mut self,
        number: u64,
        kinds: &BTreeMap<Kind, u64>,
        is_replaced: bool,
        is_newest: bool,
    ) -> Result<(), SpoolError> {
        let Some(main) = main(kinds) else {
            self.damaged.push(number);
            return Ok(());
        };
        for &kind in kinds.keys().filter(|k| **k != Kind::Damaged) {
            let is_kept = kind == main && !is_replaced && (kind != Kind::Done || is_newest);
            if !is_kept {
                self.steps.push_back(Step::Remove(kind, number));
            }
        }
        match main {
            _ if is_replaced => {}
            Kind::Report => self.queue.push(Entry { number, bytes: kinds[&main], known: None }),
            Kind::Refused => match self.head(Kind::Refused, number)? {
                Ok(head) => self.carry.add(&head, Reason::ReportRefused, (Kind::Refused, number)),
                Err(_) => self.carry.add_unreadable(None, (Kind::Refused, number)),
            },
            Kind::Done if is_newest => self.done = Some(number),
            Kind::Done | Kind::Damaged => {}
        }
        Ok(())
    }
}

/// What a number's file is; where it has several names, it was renamed last from the first kind of these.
fn main(kinds: &BTreeMap<Kind, u64>) -> Option<Kind> {
    [Kind::Done, Kind::Refused, Kind::Report].into_iter().find(|k| kinds.contains_key(k))
}
