//! One log: a path that leads to one file after another, each of which is read to its end.
//!
//! In: a path, and how far it was read before. Out: lines of its files, oldest first, each line once; and how many files
//! were lost before they could be read. What became of a file is found out from its directory (`find`).

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{
    disk,
    generation::{Found, Generation},
};
use crate::{
    Cursor, budget,
    follow::{
        cut::Cut,
        generations::{FileId, Sibling},
        mark::Mark,
    },
};

/// Files of one log that were looked at lately and are known by their content.
const DONE: usize = 32;

/// Files of a log that are opened, given up or found in one read.
const STEPS: usize = 16;

/// Where a log begins that was not read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With what is written from now on.
    End,
    /// With the file that the path leads to.
    Beginning,
    /// With its oldest generation.
    Oldest,
}

/// A log that is followed.
pub(super) struct Log {
    pub(super) path: PathBuf,
    /// Files that are read or may still be written to, oldest first. The last one is the log itself, or on the way to it.
    pub(super) files: Vec<Generation>,
    /// What to begin with; absent once it has begun.
    pub(super) start: Option<Start>,
    /// Files that could not be read to their end, not yet told.
    pub(super) lost: u64,
    /// Whether the last read ended before it had looked at all files.
    pub(super) has_more: bool,
    /// Why it cannot be read, as told last.
    pub(super) trouble: Option<String>,
    /// Since when nothing is where its path leads.
    pub(super) gone: Option<Instant>,
    pub(super) past: Past,
    /// Copies of its present file that lie under names of no generation.
    pub(super) copies: Vec<Sibling>,
}

/// What was read before the files at hand.
#[derive(Default)]
pub(super) struct Past {
    /// The last one that is not at hand, where it could be found.
    pub(super) last: Option<FileId>,
    /// When it was changed last.
    pub(super) changed_us: i64,
    /// What lay beside the log when its present file was begun; absent where nobody saw it.
    pub(super) elders: Option<Vec<Sibling>>,
    /// Contents that were read.
    pub(super) done: Vec<Mark>,
}

/// What all logs share.
pub(super) struct World<'a> {
    /// How long a file that was replaced may still get lines.
    pub(super) linger: Duration,
    /// Paths of all logs, each with where it led at the last look: none of them is a generation of another one.
    pub(super) logs: &'a [(PathBuf, PathBuf)],
}

impl World<'_> {
    /// Whether a path is, or leads to, another log than this one. Where this one led may be a generation of it by now.
    pub(super) fn is_of_another(&self, path: &Path, log: &Path) -> bool {
        self.logs.iter().any(|(other, real)| (other == path || real == path) && other != log)
    }
}

/// Lines to be read.
pub(super) struct Taken {
    /// Which of the files they are of.
    pub(super) file: usize,
    pub(super) cut: Cut,
    /// Whether nothing follows on them in that file.
    pub(super) is_end: bool,
}

enum Step {
    Taken(Taken),
    Nothing,
    Again,
}

impl Log {
    pub(super) fn new(path: &Path, start: Start) -> Self {
        let (path, start) = (path.to_owned(), Some(start));
        let past = Past::default();
        Self {
            path,
            files: Vec::new(),
            start,
            lost: 0,
            has_more: false,
            trouble: None,
            gone: None,
            past,
            copies: Vec::new(),
        }
    }

    /// A log that was read before, as its cursors say, oldest first.
    pub(super) fn resume(path: &Path, cursors: &[&Cursor]) -> Self {
        let files = cursors.iter().map(|c| {
            let id = FileId { device: c.device, inode: c.inode };
            let mut file = Generation::closed(c.mark(), id, PathBuf::from(&c.real), c.changed_us);
            file.born_us = c.born_us;
            file
        });
        Self { files: files.collect(), start: None, ..Self::new(path, Start::Beginning) }
    }

    /// What a restart needs to go on here.
    pub(super) fn cursors(&self, source: &str) -> impl Iterator<Item = Cursor> {
        self.files.iter().map(move |file| Cursor {
            source: source.to_owned(),
            path: self.path.to_string_lossy().into_owned(),
            real: file.path.to_string_lossy().into_owned(),
            device: file.id.device,
            inode: file.id.inode,
            born_us: file.born_us,
            changed_us: file.changed_us,
            ..Cursor::from_mark(&file.mark)
        })
    }

    /// The next lines, if there are any. They count as read once they are accepted.
    pub(super) fn read(&mut self, window: &mut [u8], world: &World<'_>) -> Option<Taken> {
        self.has_more = false;
        for _ in 0..STEPS {
            match self.step(window, world) {
                Ok(Step::Taken(taken)) => {
                    self.note(None);
                    return Some(taken);
                }
                Ok(Step::Again) => {}
                // Names changed under our hands.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Step::Nothing) => {
                    self.note(None);
                    return None;
                }
                Err(error) => {
                    self.note(Some(error.to_string()));
                    return None;
                }
            }
        }
        self.has_more = true;
        None
    }

    /// Whether everything was read, and nothing is where the path leads.
    pub(super) fn is_over(&self, linger: Duration) -> bool {
        self.gone.is_some_and(|since| since.elapsed() >= linger)
            && self.files.iter().all(|f| f.is_read() && f.active.elapsed() >= linger)
    }

    fn step(&mut self, window: &mut [u8], world: &World<'_>) -> io::Result<Step> {
        if let Some(step) = self.let_go(window, world) {
            return Ok(step);
        }
        for n in 0..self.files.len() {
            let is_newest = n + 1 == self.files.len();
            if !self.files[n].is_open() {
                match self.find(n)? {
                    true => return Ok(Step::Again),
                    false => continue,
                }
            }
            if is_newest && self.files[n].was_empty && self.insert_older(n, world)? {
                return Ok(Step::Again);
            }
            let is_packed = self.files[n].is_packed();
            match self.files[n].read(window, false) {
                Ok(Found::Lines { cut, is_end }) => return Ok(Step::Taken(Taken { file: n, cut, is_end })),
                Ok(Found::Nothing) => {}
                Ok(Found::Overwritten) => {
                    self.replace(n)?;
                    return Ok(Step::Again);
                }
                Err(error) if is_packed || !is_newest => {
                    self.give_up(n, &error.to_string());
                    return Ok(Step::Again);
                }
                Err(error) => return Err(error),
            }
        }
        self.go_on(world)
    }

    /// Looks where the path leads now: to the file at hand, or to another one.
    fn go_on(&mut self, world: &World<'_>) -> io::Result<Step> {
        let live = match disk::regular(&self.path) {
            Ok(metadata) => metadata,
            // It is read on, and whatever comes after it will have a name again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.gone.get_or_insert_with(Instant::now);
                return if self.files.is_empty() { Err(error) } else { Ok(Step::Nothing) };
            }
            Err(error) => return Err(error),
        };
        self.gone = None;
        let is_at_hand = self.files.last().is_some_and(|newest| newest.id == disk::id(&live));
        if is_at_hand {
            return Ok(Step::Nothing);
        }
        self.begin(world)?;
        Ok(Step::Again)
    }

    /// Closes files that were replaced and got nothing since; a last line without its end is given first.
    fn let_go(&mut self, window: &mut [u8], world: &World<'_>) -> Option<Step> {
        let older = self.files.len().saturating_sub(1);
        let has_successor = self.files.last().is_some_and(|newest| newest.bytes > 0);
        let is_crowded = self.files.len() > budget::GENERATIONS;
        let is_idle = |f: &Generation| f.is_packed() || (has_successor && f.active.elapsed() >= world.linger);
        let n = self.files[..older].iter().position(|f| f.is_open() && f.is_read() && (is_crowded || is_idle(f)))?;
        match self.files[n].read(window, true) {
            Ok(Found::Lines { cut, is_end }) => Some(Step::Taken(Taken { file: n, cut, is_end })),
            Ok(Found::Nothing | Found::Overwritten) => {
                self.forget(n);
                Some(Step::Again)
            }
            Err(error) => {
                self.give_up(n, &error.to_string());
                Some(Step::Again)
            }
        }
    }

    /// Takes a file away that was read.
    pub(super) fn forget(&mut self, n: usize) -> Generation {
        let file = self.files.remove(n);
        if self.files.len() == n {
            (self.past.last, self.past.changed_us) = (Some(file.id), file.changed_us);
        }
        if self.past.done.len() == DONE {
            self.past.done.remove(0);
        }
        self.past.done.push(file.mark);
        file
    }

    /// Takes a file away that holds what was not read.
    pub(super) fn give_up(&mut self, n: usize, why: &str) {
        let file = self.forget(n);
        self.lost += 1;
        warn!(path = %self.path.display(), file = %file.path.display(), read_bytes = file.mark.offset, why, "lost a file before its end was read");
    }

    /// Tells, when it is news, that the log cannot be read, or that it can be again.
    fn note(&mut self, error: Option<String>) {
        if error != self.trouble {
            match &error {
                Some(error) => warn!(error, path = %self.path.display(), "cannot read it; waiting"),
                None => info!(path = %self.path.display(), "reading"),
            }
            self.trouble = error;
        }
    }
}
