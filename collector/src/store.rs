//! Waist 3: where windows are kept. In: reports. Out: windows of a cube, a level of detail and a range; coverage; agents.
//!
//! A store keeps three cubes ([`Cube`]) at several levels of detail ([`Levels`]). Windows are deltas, so what it
//! gives for a range is any number of windows whose sum is the truth: at every moment, at every level that still holds
//! the range, late data included. One thread owns a store.

pub mod alias;
#[cfg(test)]
pub(crate) mod contract;
mod cube;
pub mod ledger;
mod levels;
pub(crate) mod marks;
mod memory;

use std::path::PathBuf;

use pitot_model::{Coverage, Mark, Report, TimeRange, Timestamp, Window, api::StoreStats};

pub use alias::Aliases;
pub use cube::Cube;
pub use ledger::{Agent, Ledger};
pub use levels::{Level, Levels, LevelsError, Retention};
pub use memory::Memory;

/// An engine that keeps windows. Every engine passes the contract suite beside this module.
pub trait Store: Send {
    /// Its name, which no other store has; it stays as long as the data.
    fn id(&self) -> &str;

    /// The levels of detail, finest first.
    fn levels(&self) -> &Levels;

    /// Keeps each level as long as these say, from the next [`Store::forget`] on. Levels of other widths are not taken.
    fn set_levels(&mut self, levels: Levels);

    /// Stores a report whole or not at all: its windows, marks, coverage, aliases and its place in the agent's sequence.
    /// A report that was stored before changes nothing. Windows must fit into slots of the finest level.
    fn append(&mut self, report: &Report, now: Timestamp) -> Result<Appended, StoreError>;

    /// Visits deltas whose sum is what happened in `range`, which must be aligned to the width of `level`. A visited
    /// window may be narrower than the level, and lies within one slot of it. Routes are as they were shipped: see
    /// [`Ledger::aliases`].
    fn scan(
        &self,
        cube: Cube,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&Window),
    ) -> Result<(), StoreError>;

    /// Coverage of the reports whose data ends in `range`, which must be aligned to the width of `level`.
    fn coverage(&self, level: usize, range: TimeRange) -> Result<Coverage, StoreError> {
        let mut sum = Coverage::default();
        self.coverage_by_agent(level, range, &mut |_, _, coverage| sum.merge(coverage))?;
        Ok(sum)
    }

    /// The same by agent and slot of the level, in the order of slots: calls `visit(agent, start of the slot, coverage)`,
    /// once for each. The name is empty where agents were not told apart yet when it was written.
    fn coverage_by_agent(
        &self,
        level: usize,
        range: TimeRange,
        visit: &mut dyn FnMut(&str, Timestamp, &Coverage),
    ) -> Result<(), StoreError>;

    /// Visits sums of marks of the hours in `range`, which must be aligned to [`pitot_model::MARK_WIDTH`]: hour by hour, each key at
    /// most once. Routes are as they were shipped. What found no room in its hour has the names `(other)`. Hours are kept
    /// as long as the coarsest level keeps windows.
    fn marks(&self, range: TimeRange, visit: &mut dyn FnMut(&Mark)) -> Result<(), StoreError>;

    /// What came before this moment is not complete at this level any more; ranges from here on are.
    fn horizon(&self, level: usize) -> Timestamp;

    /// Agents and aliases.
    fn ledger(&self) -> &Ledger;

    /// Brings coarser levels up to date and joins deltas, for a while: [`Store::waiting`] tells what is left. Answers are
    /// the same before and after; cost and size differ.
    fn roll_up(&mut self) -> Result<(), StoreError>;

    /// Deltas that wait for [`Store::roll_up`].
    fn waiting(&self) -> usize;

    /// Rolls up all that waits, however long it takes.
    fn settle(&mut self) -> Result<(), StoreError> {
        while self.waiting() > 0 {
            self.roll_up()?;
        }
        Ok(())
    }

    /// Drops what is older than its level's retention, for a while. Answers how many windows and counts of coverage
    /// went; 0 when nothing is left that should go.
    fn forget(&mut self, now: Timestamp) -> Result<u64, StoreError>;

    /// Survives a power cut from here on; a killed process loses nothing that was appended, with or without this.
    fn persist(&mut self) -> Result<(), StoreError>;

    /// End of the newest window; `None` when there was none.
    fn newest(&self) -> Option<Timestamp>;

    /// What it holds. Cost: may look at every file or slot.
    fn stats(&self) -> StoreStats;
}

/// The finest level that has never forgotten anything, else the coarsest: it knows best when data begins.
pub(crate) fn sharpest(horizons: &[Timestamp]) -> usize {
    horizons.iter().position(|h| *h == TimeRange::ALL.from).unwrap_or(horizons.len() - 1)
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// It is stored now.
    Stored,
    /// It was stored before; nothing changed.
    Duplicate,
    /// Another report with the same place in the agent's sequence is stored; nothing changed.
    Conflict,
    /// It belongs to an incarnation so old that nobody knows any more whether it was stored; nothing changed.
    Stale,
    /// It comes from a new agent and [`ledger::AGENTS`] are known already; nothing changed.
    TooManyAgents,
}

/// Why a store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory holds something else.
    #[error("`{0}` is not a pitot data directory; name an empty or a new one")]
    Foreign(PathBuf),
    /// Another process has it.
    #[error("`{0}` is in use by another process; stop that one, or name another data directory")]
    Locked(PathBuf),
    /// Written by a newer version.
    #[error(
        "`{path}` was written by a newer version (format {found}, this program reads up to {known}); upgrade this program"
    )]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// The format found, or the word of the engine.
        found: String,
        /// The newest format that is read.
        known: u32,
    },
    /// It was made with other levels.
    #[error(
        "`{path}` was made with levels {found}, the configuration says {wanted}; set `window` back or name another data directory"
    )]
    Levels {
        /// The data directory.
        path: PathBuf,
        /// Widths found.
        found: String,
        /// Widths configured.
        wanted: String,
    },
    /// No room is left.
    #[error("no space is left for the store; free some and start again")]
    Full,
    /// The system refused.
    #[error("cannot use the store in `{path}`: {error}; check that its files are all there, their owner and the disk")]
    Io {
        /// The data directory; the engine does not say which file of it.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// An earlier write failed, and what is on disk is not certain until the next start.
    #[error("the store stopped after a failed write; see the log, then start again")]
    Poisoned,
    /// What was read makes no sense.
    #[error("the store is damaged: {0}; restore it from a backup or name another data directory")]
    Damaged(String),
}
