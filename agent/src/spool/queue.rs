//! What waits in the spool, and what became of reports that are lost. In: files that came and went. Out: the oldest, the
//! ones to evict, and the coverage that the next report has to tell. Pure.

use std::collections::VecDeque;

use pitot_model::{Coverage, Reason, Timestamp};

use super::{disk::Kind, format::Head};

/// One file that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Files are shipped in the order of their numbers.
    pub(super) number: u64,
    /// Its length.
    pub(super) bytes: u64,
    /// What its header says, once somebody read it.
    pub(super) known: Option<Known>,
}

/// What of a header is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) made: Timestamp,
    pub(super) transactions: u64,
}

impl From<&Head> for Known {
    fn from(head: &Head) -> Self {
        Self { made: head.made, transactions: head.transactions }
    }
}

/// Files that wait, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    /// The sum over all entries.
    bytes: u64,
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn get(&self, i: usize) -> Option<&Entry> {
        self.entries.get(i)
    }

    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert!(self.entries.back().is_none_or(|last| last.number < entry.number));
        self.bytes += entry.bytes;
        self.entries.push_back(entry);
    }

    /// Notes what the header of an entry says.
    pub(super) fn know(&mut self, i: usize, known: Known) {
        if let Some(entry) = self.entries.get_mut(i) {
            entry.known = Some(known);
        }
    }

    /// Takes the oldest away, if it is this one.
    pub(super) fn pop(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.pop_front_if(|e| e.number == number)?;
        self.bytes -= entry.bytes;
        Some(entry)
    }

    /// Takes the `n` oldest behind the very oldest away.
    pub(super) fn evict(&mut self, n: usize) {
        let evicted = self.entries.drain(1..=n);
        self.bytes -= evicted.map(|e| e.bytes).sum::<u64>();
    }
}

/// Reports that are lost and that no report tells yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Carry {
    /// What a report has to say of them.
    pub(super) coverage: Coverage,
    /// Their files, as they are named.
    pub(super) files: Vec<(Kind, u64)>,
}

impl Carry {
    /// Adds a lost report: its transactions stand under the reason, all other counts stay what they are.
    pub(super) fn add(&mut self, head: &Head, reason: Reason, file: (Kind, u64)) {
        let mut coverage = head.coverage.clone();
        coverage.transactions = coverage.transactions.saturating_sub(head.transactions);
        coverage.add(reason, head.transactions);
        self.coverage.merge(&coverage);
        self.files.push(file);
    }

    /// Adds a report of which nothing can be read any more; at least one transaction, so that it is not forgotten.
    pub(super) fn add_unreadable(&mut self, known: Option<Known>, file: (Kind, u64)) {
        self.coverage.add(Reason::SpoolEvicted, known.map_or(1, |k| k.transactions));
        self.files.push(file);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}
