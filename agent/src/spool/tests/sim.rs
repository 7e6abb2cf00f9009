//! A disk that forgets what was not synced, and fails when it is told to. In: a seed. Out: what a crash leaves.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::spool::Disk;

/// Made-up chance, the same for the same seed.
#[derive(Debug, Clone)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// Below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        // Source: SplitMix64, Steele, Lea and Flood 2014.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// When the disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Never.
    None,
    /// The machine stops within the operation after so many.
    CrashAfter(u64),
    /// One operation in so many fails, halfway or done.
    OneIn(u64),
    /// Nothing can be written.
    Full,
}

#[derive(Debug, Clone)]
struct File {
    content: Vec<u8>,
    is_synced: bool,
}

/// A change of names: what each of them stands for then.
type Change = Vec<(String, Option<usize>)>;

#[derive(Debug, Clone)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    /// Names as they were synced, and what changed since.
    synced: BTreeMap<String, usize>,
    changes: Vec<Change>,
    trouble: Trouble,
    chance: Chance,
    syncs: u64,
}

/// A handle to the disk; another one looks at it and makes it fail.
#[derive(Debug, Clone)]
pub(super) struct Sim(Arc<Mutex<State>>);

impl Sim {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            files: Vec::new(),
            names: BTreeMap::new(),
            synced: BTreeMap::new(),
            changes: Vec::new(),
            trouble: Trouble::None,
            chance: Chance(seed),
            syncs: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the disk")
    }

    pub(super) fn set(&self, trouble: Trouble) {
        self.lock().trouble = trouble;
    }

    pub(super) fn has_crashed(&self) -> bool {
        self.lock().trouble == Trouble::CrashAfter(0)
    }

    pub(super) fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// The disk as another start finds it: names that were not synced are old or new, content that was not is anything.
    pub(super) fn crash(&self) {
        let state = &mut *self.lock();
        let mut names = state.synced.clone();
        for change in std::mem::take(&mut state.changes) {
            if state.chance.one_in(2) {
                apply(&mut names, change);
            }
        }
        for file in state.files.iter_mut().filter(|f| !f.is_synced) {
            let len = state.chance.below(file.content.len() as u64 + 1) as usize;
            if state.chance.one_in(2) {
                file.content.truncate(len);
            } else {
                file.content[len..].fill(0);
            }
        }
        state.synced.clone_from(&names);
        state.names = names;
        state.trouble = Trouble::None;
    }

    /// Cuts or changes a file, as a failing disk does.
    pub(super) fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let state = &mut *self.lock();
        let id = state.names[name];
        change(&mut state.files[id].content);
    }

    /// Bytes of a file.
    pub(super) fn len(&self, name: &str) -> usize {
        let state = self.lock();
        state.files[state.names[name]].content.len()
    }

    /// Another disk with the same files.
    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: Change) {
    for (name, file) in change {
        match file {
            Some(file) => drop(names.insert(name, file)),
            None => drop(names.remove(&name)),
        }
    }
}

impl State {
    /// Does something that may fail: before, after, or never to return.
    fn attempt(&mut self, writes: bool, work: impl FnOnce(&mut Self)) -> io::Result<()> {
        let failure = match &mut self.trouble {
            Trouble::None => None,
            Trouble::CrashAfter(0) => return Err(io::Error::other("crashed")),
            Trouble::CrashAfter(n) => {
                *n -= 1;
                (*n == 0).then(|| io::Error::other("crashed"))
            }
            Trouble::OneIn(n) => self.chance.one_in(*n).then(|| io::Error::other("made-up trouble")),
            Trouble::Full => writes.then(|| io::ErrorKind::StorageFull.into()),
        };
        match failure {
            None => work(self),
            Some(_) if self.chance.one_in(2) => work(self),
            Some(_) => {}
        }
        failure.map_or(Ok(()), Err)
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, change.clone());
        self.changes.push(change);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }
}

impl Disk for Sim {
    fn list(&mut self) -> io::Result<Vec<(String, u64)>> {
        let state = &mut *self.lock();
        state.attempt(false, |_| ())?;
        Ok(state.names.iter().map(|(name, &id)| (name.clone(), state.files[id].content.len() as u64)).collect())
    }

    fn read(&mut self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let state = &mut *self.lock();
        state.attempt(false, |_| ())?;
        let content = &state.files[state.find(name)?].content;
        Ok(content[..content.len().min(most as usize)].to_vec())
    }

    fn write(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let state = &mut *self.lock();
        state.files.push(File { content: parts.concat(), is_synced: false });
        let id = state.files.len() - 1;
        state.attempt(true, |s| s.change(vec![(name.to_owned(), Some(id))]))?;
        state.attempt(true, |s| s.files[id].is_synced = true)
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let state = &mut *self.lock();
        let id = state.find(from)?;
        state.attempt(false, |s| s.change(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let state = &mut *self.lock();
        state.find(name)?;
        state.attempt(false, |s| s.change(vec![(name.to_owned(), None)]))
    }

    fn sync(&mut self) -> io::Result<()> {
        let state = &mut *self.lock();
        state.syncs += 1;
        state.attempt(false, |s| {
            s.synced.clone_from(&s.names);
            s.changes.clear();
        })
    }

    fn place(&self) -> String {
        "a made-up disk".to_owned()
    }
}
