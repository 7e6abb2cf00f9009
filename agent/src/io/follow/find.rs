//! What became of the files of a log: looked up in its directory.
//!
//! In: a log and what lies beside it. Out: the next file of the log, or where the one that was read is now.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tracing::info;

use super::{
    disk,
    generation::Generation,
    log::{Log, Start, World},
};
use crate::follow::{
    family,
    generations::{FileId, Kin, Read, Sibling, newer},
    mark::{Likeness, Mark},
};

/// Looks after which a file is gone, and the time between them: a rotation of many generations takes milliseconds.
const LOOKS: usize = 8;
const PAUSE: Duration = Duration::from_millis(5);

impl Log {
    /// Opens the next file: a generation between what was read and the log, or the log itself.
    pub(super) fn begin(&mut self, world: &World<'_>) -> io::Result<()> {
        let nearby = self.nearby()?;
        match self.start {
            Some(Start::End) => {
                let live = Generation::open_at_end(&nearby.path)?;
                self.start = None;
                self.begin_live(live, nearby);
                return Ok(());
            }
            Some(Start::Oldest) => {
                // Everything that lies there is newer than nothing.
                (self.past.last, self.past.changed_us) = (None, i64::MIN);
                self.start = None;
            }
            Some(Start::Beginning) => {}
            None => {}
        }
        let is_first = self.start.take().is_some();
        if !is_first && let Some(next) = self.unread(&nearby, self.files.last(), world).into_iter().next() {
            let file = opened_as(next)?;
            self.files.extend(file);
            return Ok(());
        }
        if let Some(newest) = self.files.last()
            && newest.mark.is_known()
            && !nearby.all.iter().any(|s| s.id == newest.id)
            && let Some(same) = opened(&nearby.path, newest.mark)?
        {
            // The file system went away and came back, or the file was put there again as it was.
            self.files.pop();
            self.begin_live(same, nearby);
            return Ok(());
        }
        if let Some(n) = self.files.iter().position(|f| f.id == nearby.live.id) {
            // It has been here before, and got its old name back.
            let live = self.files.remove(n);
            self.begin_live(live, nearby);
        } else if let Some(live) = opened_as(&nearby.live)? {
            self.begin_live(live, nearby);
        }
        Ok(())
    }

    fn begin_live(&mut self, live: Generation, nearby: Nearby) {
        self.past.elders = Some(nearby.all.into_iter().filter(|s| s.kin.is_some() && s.id != live.id).collect());
        self.files.push(live);
    }

    /// Puts generations before a file that was empty, where something happened to it: it may have been written, copied and
    /// truncated between two looks. Whether there are any.
    pub(super) fn insert_older(&mut self, n: usize, world: &World<'_>) -> io::Result<bool> {
        let Some((bytes, changed_us)) = self.files[n].look() else { return Ok(false) };
        if bytes == 0 && changed_us == self.files[n].changed_us {
            return Ok(false);
        }
        let nearby = self.nearby()?;
        // By now it may have been compressed, under our hands.
        let itself = self.files[n].mark_at_end().unwrap_or_default();
        let mut empty = self.files.remove(n);
        (self.past.last, self.past.changed_us) = (None, empty.changed_us);
        let is_older = |s: &&Sibling| s.changed_us <= changed_us && s.id != empty.id && !is_all(&s.path, &itself);
        let siblings = self.unread(&nearby, None, world).into_iter().filter(is_older);
        let mut older: Vec<Generation> = match siblings.map(opened_as).collect::<io::Result<Vec<_>>>() {
            Ok(older) => older.into_iter().flatten().collect(),
            Err(error) => {
                self.files.insert(n, empty);
                return Err(error);
            }
        };
        let is_some = !older.is_empty();
        empty.was_empty = bytes == 0;
        (empty.mark.head_bytes, empty.mark.head) = (itself.head_bytes, itself.head);
        if empty.was_empty {
            empty.changed_us = changed_us;
        }
        self.files.append(&mut older);
        self.begin_live(empty, nearby);
        // It may have been replaced by now; what came after it is read after it.
        self.past.elders.iter_mut().for_each(|elders| elders.retain(|s| s.changed_us <= changed_us));
        Ok(is_some)
    }

    /// Generations that come after what was read and before the log.
    fn unread<'a>(&self, nearby: &'a Nearby, newest: Option<&Generation>, world: &World<'_>) -> Vec<&'a Sibling> {
        // What is at hand may be older than what was read last and is gone.
        let (last, changed_us) = match newest.filter(|newest| newest.changed_us >= self.past.changed_us) {
            Some(newest) => (Some(newest.id), newest.changed_us),
            None => (self.past.last, self.past.changed_us),
        };
        let read = Read { last, changed_us, elders: self.past.elders.as_deref() };
        let mut found = newer(&nearby.all, &nearby.live, &read);
        found.retain(|s| !self.files.iter().any(|f| f.id == s.id) && !world.is_of_another(&s.path, &self.path));
        let known = || self.files.iter().map(|f| &f.mark).chain(&self.past.done);
        found.retain(|s| !known().any(|mark| is_all(&s.path, mark)));
        found
    }

    /// Looks for a file that is not open, and opens it. Whether anything changed.
    pub(super) fn find(&mut self, n: usize) -> io::Result<bool> {
        let is_newest = n + 1 == self.files.len();
        let live = disk::regular(&self.path);
        let file = &self.files[n];
        if let Ok(live) = &live
            && (disk::id(live), live.len(), disk::changed_us(live)) == (file.id, file.mark.offset, file.changed_us)
        {
            return Ok(false);
        }
        match self.settled(|log, nearby| log.whereabouts(n, nearby))? {
            Whereabouts::Found(mut found) => {
                if !file.mark.is_known() {
                    // As it was when it was looked at last: tells what was written since.
                    (found.changed_us, found.was_empty) = (file.changed_us, true);
                }
                self.files[n] = *found;
            }
            Whereabouts::Passed(_) | Whereabouts::Gone if !is_newest => drop(self.files.remove(n)),
            Whereabouts::Passed(copy) => {
                self.forget(n);
                self.past.last = Some(copy);
            }
            Whereabouts::Gone => {
                live?;
                match file.mark.is_known() {
                    true => self.give_up(n, "nothing beside it begins as it did"),
                    false => drop(self.forget(n)),
                }
                self.past.last = None;
            }
        }
        Ok(true)
    }

    /// A file was overwritten where it lies: goes on in the copy that was made of it, if there is one.
    pub(super) fn replace(&mut self, n: usize) -> io::Result<()> {
        let is_newest = n + 1 == self.files.len();
        self.files[n].close();
        let found = self.settled(|log, nearby| log.copies(n, nearby))?;
        let file = &self.files[n];
        match found {
            Whereabouts::Found(copy) => {
                info!(path = %self.path.display(), copy = %copy.path.display(), "truncated; reading on in its copy");
                self.files[n] = *copy;
            }
            Whereabouts::Passed(copy) => {
                self.forget(n);
                self.past.last = Some(copy);
            }
            Whereabouts::Gone if file.bytes > file.mark.offset => {
                self.give_up(n, "it was overwritten, and nothing beside it begins as it did");
                self.past.last = None;
            }
            Whereabouts::Gone => {
                info!(path = %self.path.display(), "truncated; reading it from its start");
                self.forget(n);
                self.past.last = None;
            }
        }
        debug_assert!(is_newest || n < self.files.len() + 1);
        Ok(())
    }

    /// Looks for a file more than once before it is called gone: names may be moving on.
    fn settled(&self, look: impl Fn(&Self, &Nearby) -> io::Result<Whereabouts>) -> io::Result<Whereabouts> {
        for _ in 0..LOOKS {
            match look(self, &self.nearby()?)? {
                Whereabouts::Gone => thread::sleep(PAUSE),
                found => return Ok(found),
            }
        }
        Ok(Whereabouts::Gone)
    }

    /// Where a file that was read is now.
    fn whereabouts(&self, n: usize, nearby: &Nearby) -> io::Result<Whereabouts> {
        let file = &self.files[n];
        // One of which nothing was seen is known by its number, which may have been given to another one by now; unless that
        // was made at the same time.
        let is_known = |s: &Sibling| {
            let is_as_it_was = (s.bytes, s.changed_us) == (0, file.changed_us);
            let has_grown = n + 1 == self.files.len() && s.changed_us >= file.changed_us;
            let is_same = file.born_us != 0 && s.born_us == file.born_us;
            file.mark.is_known() || is_same || is_as_it_was || has_grown
        };
        // A file that was replaced is not where its successor is.
        let is_newest = n + 1 == self.files.len();
        let may_be = |s: &&Sibling| s.id == file.id && (is_newest || s.path != nearby.path) && is_known(s);
        if let Some(same) = nearby.all.iter().find(may_be)
            && let Some(found) = opened(&same.path, file.mark)?
            && (file.mark.is_known() || !found.is_packed())
        {
            return Ok(Whereabouts::Found(Box::new(found)));
        }
        let is_other = |path: &Path| self.files.iter().enumerate().any(|(other, f)| other != n && f.path == path);
        if file.mark.is_known()
            && !is_other(&nearby.path)
            && let Some(found) = opened(&nearby.path, file.mark).ok().flatten()
        {
            return Ok(Whereabouts::Found(Box::new(found)));
        }
        self.copies(n, nearby)
    }

    /// A copy of a file among its generations.
    fn copies(&self, n: usize, nearby: &Nearby) -> io::Result<Whereabouts> {
        let file = &self.files[n];
        if !file.mark.is_known() {
            return Ok(Whereabouts::Gone);
        }
        let may_be = |s: &&Sibling| s.kin.is_some() || self.copies.iter().any(|copy| copy.id == s.id);
        let mut kin: Vec<&Sibling> = nearby.all.iter().filter(may_be).collect();
        // A copy is no older than what was read; of several that begin alike, the first that was made is of this file.
        kin.retain(|s| s.changed_us >= file.changed_us && !self.files.iter().any(|f| f.id == s.id));
        let is_packed = |s: &Sibling| s.kin.as_ref().is_some_and(|kin| kin.is_packed);
        kin.sort_by_key(|s| (s.id.inode != file.id.inode, s.changed_us, is_packed(s)));
        let mut passed = None;
        for sibling in kin {
            match file.copy_at(&sibling.path) {
                Ok(Ok(found)) => return Ok(Whereabouts::Found(Box::new(found))),
                Ok(Err(Likeness::Shorter)) => passed = passed.or(Some(sibling.id)),
                Ok(Err(_)) | Err(_) => {}
            }
        }
        Ok(passed.map_or(Whereabouts::Gone, Whereabouts::Passed))
    }

    /// What lies beside the log now. It is looked at twice: while names move on, as in a rotation, a look may miss one.
    fn nearby(&self) -> io::Result<Nearby> {
        let (first, second) = (self.glance()?, self.glance()?);
        let ids = |nearby: &Nearby| -> BTreeMap<PathBuf, FileId> {
            let own = nearby.all.iter().filter(|s| s.kin.is_some() || s.path == nearby.path);
            own.chain([&nearby.live]).map(|s| (s.path.clone(), s.id)).collect()
        };
        if first.path != second.path || ids(&first) != ids(&second) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(second)
    }

    fn glance(&self) -> io::Result<Nearby> {
        let is_link = fs::symlink_metadata(&self.path).is_ok_and(|m| m.is_symlink());
        let newest = self.files.last().map(|f| f.path.clone()).filter(|path| !path.as_os_str().is_empty());
        let path = match fs::canonicalize(&self.path) {
            Ok(path) => path,
            Err(_) => newest.clone().unwrap_or_else(|| self.path.clone()),
        };
        let mut all = Vec::new();
        disk::siblings(&path, is_link, &mut all)?;
        for other in [Some(self.path.clone()), newest].into_iter().flatten() {
            if other != path {
                // Where it was before; that may be gone.
                let _ = disk::siblings(&other, is_link, &mut all);
            }
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let age = family::own_age(&name);
        let kin = is_link.then(|| Kin { plain: path.clone(), is_packed: false, age, may_be_newer: true });
        let live = match fs::metadata(&path) {
            Ok(metadata) => disk::sibling(&path, &metadata, kin),
            Err(_) => {
                Sibling { path: path.clone(), id: Default::default(), born_us: 0, changed_us: i64::MAX, bytes: 0, kin }
            }
        };
        Ok(Nearby { path, live, all })
    }
}

/// A log and what lies in its directory.
struct Nearby {
    /// Where the path leads, all symbolic links resolved.
    path: PathBuf,
    live: Sibling,
    all: Vec<Sibling>,
}

enum Whereabouts {
    Found(Box<Generation>),
    /// There is a copy of its beginning, all of which was read: what follows on that follows on the file.
    Passed(FileId),
    Gone,
}

/// The file at a path, open, if it fits the mark; also `None` if it went away meanwhile.
fn opened(path: &Path, mark: Mark) -> io::Result<Option<Generation>> {
    match Generation::open(path, mark) {
        Ok(found) => Ok(found.ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The very file that was seen. Where another one has its name by now, as it was renamed meanwhile, what was seen is old:
/// look again ([`io::ErrorKind::Interrupted`]).
fn opened_as(seen: &Sibling) -> io::Result<Option<Generation>> {
    match opened(&seen.path, Mark::default())? {
        Some(found) if found.id != seen.id => Err(io::ErrorKind::Interrupted.into()),
        found => Ok(found),
    }
}

/// Whether a file holds what was read up to a mark, and no more lines.
fn is_all(path: &Path, mark: &Mark) -> bool {
    mark.offset > 0 && Generation::open(path, *mark).is_ok_and(|found| found.is_ok_and(|mut file| !file.has_line()))
}
