//! Which logs a source stands for: a path, or all that a pattern matches by now.
//!
//! In: what is configured, what was followed before, names on disk. Out: logs. A name that is a generation of another
//! log, or leads to a file that is followed already, or to a copy of one, is no new log.

use std::{
    collections::{BTreeSet, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tracing::{info, warn};

use super::{
    disk,
    generation::Generation,
    log::{Log, Start},
    stdin::Stdin,
    text::Text,
    watch,
};
use crate::{
    Cursor,
    enrich::Enricher,
    follow::{
        family,
        generations::{FileId, Sibling},
        mark::Likeness,
    },
    io::daemon::Followed,
    log::Format,
    parse::Wanted,
    window::Batch,
};

/// A source as configured, and its logs.
pub(super) struct Source {
    followed: Followed,
    name: String,
    pattern: Option<glob::Pattern>,
    pub(super) logs: Vec<(Log, Text)>,
    stdin: Option<(Stdin, Text)>,
    /// Whether it was looked at before: what is found now is new.
    is_known: bool,
    /// Whether it was told that another source follows its file.
    is_told: bool,
    /// Logs beyond the budget.
    beyond: u64,
}

/// What a name that a pattern matches stands for.
enum Named {
    New(Start),
    /// A copy of what was read of a log, or a part of it: to be read from there on.
    Copy(Box<Generation>),
    /// The file of a log under another name, which it has for good.
    Moved {
        log: usize,
        file: usize,
    },
    Known,
}

/// A source as people wrote it.
pub(super) fn name(followed: &Followed) -> String {
    followed.path.to_string_lossy().into_owned()
}

impl Source {
    /// A source; takes those cursors out that are its own. `names` are all sources that are configured.
    pub(super) fn new(
        followed: &Followed,
        names: &[String],
        cursors: &mut Vec<Cursor>,
        wake: &Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        let name = name(followed);
        let is_pattern = name.contains(['*', '?', '[']) && !followed.path.exists();
        let pattern = match glob::Pattern::new(&name) {
            Ok(pattern) if is_pattern => Some(pattern),
            Err(error) if is_pattern => {
                warn!(%error, path = name, "no pattern; taken as a path");
                None
            }
            _ => None,
        };
        let covers = |path: &str| path == name || pattern.as_ref().is_some_and(|p| p.matches_with(path, OPTIONS));
        let is_own = |c: &mut Cursor| c.source == name || (!names.contains(&c.source) && covers(&c.path));
        let own: Vec<Cursor> = cursors.extract_if(.., is_own).collect();
        let is_stdin = name == "-";
        let stdin = is_stdin.then(|| (Stdin::start(wake.clone()), text(&name, followed, "")));
        let mut source = Self {
            followed: followed.clone(),
            name,
            pattern,
            logs: Vec::new(),
            stdin,
            is_known: !own.is_empty(),
            is_told: false,
            beyond: 0,
        };
        if !is_stdin {
            source.resume(&own);
        }
        source
    }

    /// Whether this configuration means the same. Standard input is only one, and is never begun anew.
    pub(super) fn is_same(&self, next: &Followed) -> bool {
        let format = |f: &Followed| (f.format.as_ref().map(Format::describe), f.consumer.clone());
        self.name == name(next) && (self.stdin.is_some() || format(&self.followed) == format(next))
    }

    fn resume(&mut self, cursors: &[Cursor]) {
        let paths: BTreeSet<&str> = cursors.iter().map(|c| c.path.as_str()).filter(|path| !path.is_empty()).collect();
        for path in paths {
            let own: Vec<&Cursor> = cursors.iter().filter(|c| c.path == path).collect();
            let sample = own.iter().rev().map(|c| c.sample.as_str()).find(|s| !s.is_empty()).unwrap_or_default();
            self.logs.push((Log::resume(Path::new(path), &own), text(path, &self.followed, sample)));
        }
    }

    /// Paths of its logs.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.logs.iter().map(|(log, _)| log.path.clone())
    }

    /// Directories in which something may happen.
    pub(super) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        let fixed = self.pattern.as_ref().map(|_| fixed_part(&self.name));
        let files = self.logs.iter().flat_map(|(log, _)| &log.files).filter_map(|f| watch::directory(&f.path));
        files.chain(fixed).filter(|dir| dir.is_dir())
    }

    /// Cursors of all that was read; one without a path where nothing was there yet.
    pub(super) fn cursors(&self) -> Vec<Cursor> {
        let mut all: Vec<Cursor> = Vec::new();
        for (log, text) in &self.logs {
            let begin = all.len();
            all.extend(log.cursors(&self.name));
            if let Some(newest) = all[begin..].last_mut() {
                newest.sample = text.sample().to_owned();
            }
        }
        if all.is_empty() && self.stdin.is_none() && self.is_known {
            all.push(Cursor { source: self.name.clone(), ..Cursor::default() });
        }
        all
    }

    /// Bytes that wait to be read, logs, and those of them that cannot be read.
    pub(super) fn backlog(&self) -> (u64, u64, u64) {
        let files = self.logs.iter().flat_map(|(log, _)| &log.files);
        let unread: u64 = files.map(Generation::unread).sum();
        let broken = self.logs.iter().filter(|(log, _)| log.trouble.is_some()).count() as u64;
        let stdin = self.stdin.as_ref().map(|(stdin, _)| stdin.unread());
        let sources = self.logs.len() as u64 + u64::from(stdin.is_some());
        (unread + stdin.unwrap_or(0), sources + self.beyond, broken + self.beyond)
    }

    /// Reads what came on standard input. Whether there was any.
    pub(super) fn read_stdin(&mut self, wanted: Wanted, enricher: &mut Enricher, batch: &mut Batch) -> bool {
        let Some((stdin, text)) = &mut self.stdin else { return false };
        let (lines, is_end) = stdin.read();
        if lines.is_empty() {
            return false;
        }
        let n = text.read(&lines, is_end, wanted, enricher, batch);
        stdin.put_back(&lines[n..]);
        n > 0
    }

    /// Looks which logs there are by now, at most `room`. Gives their number. `ids` are the files that the logs of all
    /// sources lead to: another name of one is no other log.
    pub(super) fn look(&mut self, taken: &[PathBuf], mut ids: HashSet<FileId>, linger: Duration, room: usize) -> usize {
        if self.stdin.is_some() {
            return 1;
        }
        let Some(pattern) = &self.pattern else {
            if self.logs.is_empty() {
                let id = disk::regular(&self.followed.path).ok().map(|m| disk::id(&m));
                if id.is_some_and(|id| ids.contains(&id)) || taken.contains(&self.followed.path) {
                    if !std::mem::replace(&mut self.is_told, true) {
                        warn!(path = self.name, "another source follows this file; it is read once");
                    }
                    return 0;
                }
                let start = self.start_of(&self.followed.path);
                self.add(Log::new(&self.followed.path.clone(), start));
            }
            self.is_known = true;
            return 1;
        };
        self.logs.retain(|(log, _)| !log.is_over(linger));
        let names = glob::glob_with(pattern.as_str(), OPTIONS).into_iter().flatten().filter_map(Result::ok);
        let mut names: Vec<PathBuf> = names.filter(|path| disk::regular(path).is_ok()).collect();
        names.retain(|path| !taken.contains(path));
        self.beyond = 0;
        for path in &names {
            if disk::regular(path).is_ok_and(|m| !ids.insert(disk::id(&m))) {
                continue;
            }
            let named = self.named(path, &names, taken);
            if !matches!(named, Named::Known) && self.logs.len() >= room {
                self.beyond += 1;
                continue;
            }
            match named {
                Named::Known => {}
                Named::New(start) => {
                    info!(path = %path.display(), pattern = self.name, "found a log");
                    self.add(Log::new(path, start));
                }
                Named::Copy(copy) => {
                    let log = Log { files: vec![*copy], start: None, ..Log::new(path, Start::Beginning) };
                    self.add(log);
                }
                Named::Moved { log, file } => {
                    let file = self.logs[log].0.files.remove(file);
                    let log = Log { files: vec![file], start: None, ..Log::new(path, Start::Beginning) };
                    self.add(log);
                }
            }
        }
        if self.beyond > 0 {
            warn!(
                pattern = self.name,
                beyond = self.beyond,
                followed = self.logs.len(),
                "too many logs; some are not read"
            );
        }
        self.join_generations();
        self.is_known = true;
        self.logs.len()
    }

    fn add(&mut self, log: Log) {
        let text = text(&log.path.to_string_lossy(), &self.followed, "");
        self.logs.push((log, text));
    }

    /// Where a log begins that is there at the first look, or comes later.
    fn start_of(&self, path: &Path) -> Start {
        let is_there = || !disk::regular(path).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound);
        match !self.is_known && !self.followed.from_start && is_there() {
            true => Start::End,
            false => Start::Beginning,
        }
    }

    fn named(&mut self, path: &Path, names: &[PathBuf], taken: &[PathBuf]) -> Named {
        if names.iter().chain(taken).any(|base| is_generation(base, path)) {
            return Named::Known;
        }
        let Ok(metadata) = disk::regular(path) else { return Named::Known };
        let id = disk::id(&metadata);
        for (n, (log, _)) in self.logs.iter_mut().enumerate() {
            if let Some(file) = log.files.iter().position(|f| f.id == id && f.mark_fits(path)) {
                // While it is the newest one, the log may yet turn out to be that file under this name alone.
                let is_newest = file + 1 == log.files.len();
                return if is_newest { Named::Known } else { Named::Moved { log: n, file } };
            }
            if let Some(copy) = copy_of(log, &disk::sibling(path, &metadata, None)) {
                return copy;
            }
        }
        let has_generations = names.iter().any(|name| is_generation(path, name));
        match self.start_of(path) {
            Start::Beginning if has_generations => Named::New(Start::Oldest),
            start => Named::New(start),
        }
    }

    /// A log whose name is that of a generation of another one, which came later, is one.
    fn join_generations(&mut self) {
        let paths: Vec<PathBuf> = self.paths().collect();
        let is_joined = |log: &Log| paths.iter().any(|base| is_generation(base, &log.path));
        while let Some(n) = self.logs.iter().position(|(log, _)| is_joined(log)) {
            let (older, _) = self.logs.remove(n);
            let base = self.logs.iter_mut().find(|(log, _)| is_generation(&log.path, &older.path));
            if let Some((log, _)) = base {
                log.files.splice(..0, older.files);
            }
        }
    }
}

/// As shells do: `*` stays within a component and leaves hidden files out.
const OPTIONS: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// Whether the name is a copy of what is, or was, in a log: what was copied before it was truncated.
fn copy_of(log: &mut Log, found: &Sibling) -> Option<Named> {
    let path = &found.path;
    // A longer one that begins alike is no copy, unless nobody can tell any more how long the original was.
    let may_be = |f: &Generation| {
        let bytes = f.look().map_or(f.bytes, |(bytes, _)| bytes.max(f.bytes));
        f.mark.is_known() && (found.bytes <= bytes || f.is_overwritten(&log.path))
    };
    if log.files.iter().any(|f| may_be(f) && !matches!(f.copy_at(path), Ok(Err(Likeness::Other)) | Err(_))) {
        // Its rest is read when the log is truncated.
        log.copies.retain(|copy| copy.path != *path);
        log.copies.push(found.clone());
        return Some(Named::Known);
    }
    for mark in log.past.done.iter().filter(|mark| mark.is_known()) {
        match Generation::open(path, *mark) {
            Ok(Ok(rest)) => return Some(Named::Copy(Box::new(rest))),
            Ok(Err(Likeness::Shorter)) => return Generation::open_at_end(path).ok().map(|f| Named::Copy(Box::new(f))),
            Ok(Err(_)) | Err(_) => {}
        }
    }
    None
}

fn is_generation(base: &Path, path: &Path) -> bool {
    // Most names are none, which costs little to see.
    if let (Some(name), Some(stem)) = (path.file_name(), base.file_stem())
        && !name.as_encoded_bytes().starts_with(stem.as_encoded_bytes())
    {
        return false;
    }
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    base.parent() == path.parent()
        && name(base).zip(name(path)).is_some_and(|(base, name)| family::rotated(&base, &name).is_some())
}

/// The directory above the first component that is a pattern.
fn fixed_part(pattern: &str) -> PathBuf {
    let is_fixed = |c: &std::path::Component<'_>| !c.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let dir: PathBuf = Path::new(pattern).components().take_while(is_fixed).collect();
    if dir.as_os_str().is_empty() { PathBuf::from(".") } else { dir }
}

fn text(name: &str, followed: &Followed, sample: &str) -> Text {
    Text::new(name, followed.format.as_ref(), followed.consumer.as_deref(), sample)
}
