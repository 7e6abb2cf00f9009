//! Following logs: every line of them once, through rotation, truncation, replacement and restarts.
//!
//! In: paths and patterns, and how far they were read before. Out: batches, and how far they are read now.
//!
//! ```text
//! Follow ── look: patterns ─> Log … ── Generation: one file ─> lines ─> Text ─> Batch
//!              │               └ find: which file is next, where one went
//!              └ watch: when to look
//! ```
//!
//! What is decided from names, times and hashes is in [`crate::follow`], without a file.

mod disk;
mod find;
mod generation;
mod log;
mod look;
mod stdin;
#[cfg(test)]
mod tests;
mod text;
mod watch;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use pitot_model::Reason;

pub(super) use self::text::Text;
use self::{log::World, look::Source, watch::Watch};
use super::daemon::Followed;
use crate::{Cursor, budget, enrich::Enricher, follow::cut::WINDOW_BYTES, parse::Wanted, window::Batch};

/// Time between two looks for new names, where no system tells of them.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long a file that was replaced, and got nothing since, is kept open: writers are told of a rotation after it.
const LINGER: Duration = Duration::from_secs(60);

/// Everything that is followed.
pub(super) struct Follow {
    sources: Vec<Source>,
    watch: Watch,
    looked: Option<Instant>,
    look_every: Duration,
    linger: Duration,
    /// Paths of all logs, each with where it led at the last look.
    logs: Vec<(PathBuf, PathBuf)>,
    window: Vec<u8>,
}

impl Follow {
    /// Begins to follow. `resume` is what [`Follow::cursors`] gave in an earlier run. `wake` is called when there may be
    /// news; it is called too often rather than too seldom, but where files lie on another machine it is not called.
    pub(super) fn start(sources: &[Followed], resume: Vec<Cursor>, wake: Arc<dyn Fn() + Send + Sync>) -> Self {
        let names: Vec<String> = sources.iter().map(look::name).collect();
        let mut resume = resume;
        let sources = sources.iter().map(|s| Source::new(s, &names, &mut resume, &wake)).collect();
        let mut follow = Self {
            sources,
            watch: Watch::start(wake),
            looked: None,
            look_every: LOOK_EVERY,
            linger: LINGER,
            logs: Vec::new(),
            window: Vec::new(),
        };
        follow.look();
        follow
    }

    /// Follows these sources from now on. Those that stay as they were keep the files that they have open, also where these
    /// have no name any more; others go on where they were, as after a restart.
    pub(super) fn change(&mut self, sources: &[Followed], wake: &Arc<dyn Fn() + Send + Sync>) {
        let names: Vec<String> = sources.iter().map(look::name).collect();
        let stays = |source: &mut Source| sources.iter().any(|next| source.is_same(next));
        let mut before = std::mem::take(&mut self.sources);
        let mut kept: Vec<Source> = before.extract_if(.., stays).collect();
        let mut resume: Vec<Cursor> = before.iter().flat_map(Source::cursors).collect();
        for next in sources {
            let place = kept.iter().position(|source| source.is_same(next));
            let source = match place {
                Some(place) => kept.swap_remove(place),
                None => Source::new(next, &names, &mut resume, wake),
            };
            self.sources.push(source);
        }
        self.looked = None;
        self.look();
    }

    /// Reads a chunk of everything that has news. For each, the batch is cleared, filled and given to `each`. Whether
    /// anything was read.
    pub(super) fn read(
        &mut self,
        wanted: Wanted,
        enricher: &mut Enricher,
        batch: &mut Batch,
        each: &mut dyn FnMut(&Batch),
    ) -> bool {
        self.look();
        self.window.resize(WINDOW_BYTES, 0);
        let world = World { linger: self.linger, logs: &self.logs };
        let (mut has_read, mut lost) = (false, 0);
        for source in &mut self.sources {
            batch.clear();
            if source.read_stdin(wanted, enricher, batch) {
                has_read = true;
                each(batch);
            }
            for (log, text) in &mut source.logs {
                if let Some(taken) = log.read(&mut self.window, &world) {
                    let file = &mut log.files[taken.file];
                    if !text.is_known() && file.mark.offset > 0 && !std::mem::replace(&mut file.was_asked, true) {
                        // It cannot be told from its beginning; from what comes, then.
                        text.learn(&file.beginning().unwrap_or_default());
                    }
                    let lines = taken.cut.lines.clone();
                    batch.clear();
                    let n = text.read(&self.window[lines.clone()], taken.is_end, wanted, enricher, batch);
                    file.accept(&self.window, &taken.cut, lines.start + n);
                    has_read |= n > 0 || lines.is_empty();
                    if n > 0 {
                        each(batch);
                    }
                }
                has_read |= log.has_more;
                lost += std::mem::take(&mut log.lost);
            }
        }
        if lost > 0 {
            batch.clear();
            batch.coverage.add(Reason::FileLost, lost);
            each(batch);
        }
        self.close_idle();
        has_read || lost > 0
    }

    /// What a restart needs, of everything that was given so far.
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        self.sources.iter().flat_map(Source::cursors).collect()
    }

    /// Bytes that wait to be read, logs, and those of them that cannot be read.
    pub(super) fn backlog(&mut self) -> (u64, u64, u64) {
        self.sources.iter().fold((0, 0, 0), |(unread, sources, broken), source| {
            let (more_unread, more_sources, more_broken) = source.backlog();
            (unread + more_unread, sources + more_sources, broken + more_broken)
        })
    }

    /// Looks for new names, when it is time.
    fn look(&mut self) {
        let is_due = self.looked.is_none_or(|looked| looked.elapsed() >= self.look_every);
        if !self.watch.has_changed() && !is_due {
            return;
        }
        self.looked = Some(Instant::now());
        let mut room = budget::FOLLOWED_LOGS;
        for n in 0..self.sources.len() {
            let taken: Vec<PathBuf> = self.sources.iter().flat_map(Source::paths).collect();
            let ids = taken.iter().filter_map(|path| disk::regular(path).ok()).map(|m| disk::id(&m)).collect();
            room = room.saturating_sub(self.sources[n].look(&taken, ids, self.linger, room));
        }
        let with_real = |path: PathBuf| (path.clone(), disk::real(&path));
        self.logs = self.sources.iter().flat_map(Source::paths).map(with_real).collect();
        let directories = self.sources.iter().flat_map(Source::directories);
        let paths = self.logs.iter().flat_map(|(path, real)| [path, real]);
        self.watch.set(directories.chain(paths.filter_map(|path| watch::directory(path))).collect());
    }

    /// Closes files that wait for news, where too many are open.
    fn close_idle(&mut self) {
        let open = |sources: &[Source]| {
            let logs = sources.iter().flat_map(|s| &s.logs);
            logs.flat_map(|(log, _)| &log.files).filter(|f| f.is_open()).count()
        };
        let n = open(&self.sources);
        if n <= budget::OPEN_FILES {
            return;
        }
        let newest = self.sources.iter_mut().flat_map(|s| &mut s.logs).filter_map(|(log, _)| log.files.last_mut());
        let mut idle: Vec<_> = newest.filter(|f| f.is_open() && f.is_read() && f.unread() == 0).collect();
        idle.sort_by_key(|f| f.active);
        for file in idle.into_iter().take(n - budget::OPEN_FILES) {
            file.close();
        }
    }
}
