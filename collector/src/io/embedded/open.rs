//! Opening the embedded store. In: a data directory. Out: a store, new or as it was left, or the reason why not.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch};
use pitot_model::{Route, RouteAlias, TimeRange, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Embedded, FORMAT, Head, from_json, json, key, mend};
use crate::{
    io::random,
    store::{Agent, Ledger, Levels, StoreError},
};

/// Directory of the store inside the data directory.
pub(super) const STORE: &str = "store";

/// Bytes of blocks that are kept in memory; reading a range again costs nothing while it fits.
const CACHE_BYTES: u64 = 32 << 20;

/// Bytes of a keyspace that are written to a file at once. Small, since most of what is written is soon summed up.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// Least size of the journal that the engine takes.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Key of the store's id.
const ID: &str = "store";

/// Bytes that must fit on a disk that is not full: less than what the engine writes at once.
const PROBE_BYTES: usize = 1 << 20;

impl Embedded {
    /// Opens the store in a data directory, or makes one where the directory is new or empty.
    pub fn open(data: &Path, levels: Levels) -> Result<Self, StoreError> {
        let path = data.to_path_buf();
        let is_new = check(data)?;
        let fail = |e| error(e, &path);
        let db = match engine(&data.join(STORE)) {
            Err(e) if mend::may_be_torn(&e) && mend::mend(data).map_err(|e| io_error(e, &path))? => {
                engine(&data.join(STORE))
            }
            opened => opened,
        };
        let db = db.map_err(fail)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let meta = db.keyspace("meta", options).map_err(fail)?;
        let head = Head {
            next: 0,
            next_alias: 0,
            windows: 0,
            waiting: Some(0),
            newest: None,
            horizons_us: vec![TimeRange::ALL.from.as_micros(); levels.len()],
        };
        let version = meta.get("version").map_err(fail)?;
        if version.is_none() && !is_new && !meta.is_empty().map_err(fail)? {
            return Err(StoreError::Foreign(path));
        }
        let mut store = Self {
            id: String::new(),
            windows: db.keyspace("windows", options).map_err(fail)?,
            waiting: db.keyspace("waiting", options).map_err(fail)?,
            coverage: db.keyspace("coverage", options).map_err(fail)?,
            meta,
            db,
            levels,
            head,
            fresh: std::collections::BTreeSet::new(),
            forgetting: std::collections::BTreeMap::new(),
            mark_counts: std::collections::BTreeMap::new(),
            ledger: Ledger::default(),
            path,
        };
        match version {
            None if !store.windows.is_empty().map_err(|e| error(e, &store.path))? => {
                return Err(missing("what says what it is"));
            }
            None => store.begin()?,
            Some(version) => store.resume(&version)?,
        }
        Ok(store)
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        let mut batch = self.db.batch();
        batch.insert(&self.meta, "version", FORMAT.to_be_bytes());
        batch.insert(&self.meta, "levels", self.levels.describe());
        self.name(batch)
    }

    /// Gives it an id that lasts.
    fn name(&mut self, mut batch: OwnedWriteBatch) -> Result<(), StoreError> {
        self.id = random::id();
        batch.insert(&self.meta, ID, self.id.as_bytes());
        self.commit(batch, self.head.clone())?;
        self.db.persist(fjall::PersistMode::SyncAll).map_err(|e| error(e, &self.path))
    }

    fn resume(&mut self, version: &[u8]) -> Result<(), StoreError> {
        let found = version.try_into().map(u32::from_be_bytes);
        let found = found.map_err(|_| StoreError::Damaged("the version mark is not a number".into()))?;
        if found > FORMAT {
            return Err(StoreError::Newer { path: self.path.clone(), found: found.to_string(), known: FORMAT });
        }
        let get = |key: &str| self.meta.get(key).map_err(|e| error(e, &self.path));
        let (found, wanted) = (get("levels")?.unwrap_or_default(), self.levels.describe());
        if *found != *wanted.as_bytes() {
            let found = String::from_utf8_lossy(&found).into_owned();
            return Err(StoreError::Levels { path: self.path.clone(), found, wanted });
        }
        let head = get("head")?.ok_or_else(|| StoreError::Damaged("its head is missing".into()))?;
        self.head = from_json(&head)?;
        if self.head.horizons_us.len() != self.levels.len() {
            return Err(StoreError::Damaged("its head does not fit its levels".into()));
        }
        let id = get(ID)?;
        self.load_ledger()?;
        self.load_waiting()?;
        self.check()?;
        // Older programs made stores without an id.
        match id {
            None => self.name(self.db.batch()),
            Some(id) => {
                self.id = String::from_utf8_lossy(&id).into_owned();
                Ok(())
            }
        }
    }

    /// Whether all parts are there. The engine makes anew what it does not find, empty.
    fn check(&self) -> Result<(), StoreError> {
        let is_gone = |part: &Keyspace| Ok(self.head.windows > 0 && part.is_empty().map_err(|e| error(e, &self.path))?);
        if is_gone(&self.windows)? {
            return Err(missing("its windows"));
        }
        if is_gone(&self.coverage)? {
            return Err(missing("its coverage"));
        }
        match self.head.waiting {
            Some(n) if n != self.fresh.len() as u64 => Err(missing("what waits to be rolled up")),
            _ => Ok(()),
        }
    }

    fn load_ledger(&mut self) -> Result<(), StoreError> {
        for guard in self.meta.prefix("alias/") {
            let value = guard.value().map_err(|e| error(e, &self.path))?;
            let alias: StoredAlias = from_json(&value)?;
            self.ledger.alias(&RouteAlias { service: alias.service, from: alias.from, to: alias.to });
        }
        for guard in self.meta.prefix("agent/") {
            let value = guard.value().map_err(|e| error(e, &self.path))?;
            self.ledger.put(from_json::<Agent>(&value)?);
        }
        Ok(())
    }

    fn load_waiting(&mut self) -> Result<(), StoreError> {
        for guard in self.waiting.iter() {
            let (number, value) = guard.into_inner().map_err(|e| error(e, &self.path))?;
            let number = (*number).try_into().map(u64::from_be_bytes).ok();
            let entry: Option<(u64, (Timestamp, u64))> = number.zip(key::waiting_of(&value));
            let (number, (start, resource)) =
                entry.ok_or_else(|| StoreError::Damaged("a note of what waits is cut".into()))?;
            self.fresh.insert((start, resource, number));
        }
        Ok(())
    }
}

fn missing(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} is gone, as when files were removed"))
}

/// The engine over a directory. It trusts what it reads in some places: where it panics, its files make no sense.
pub(super) fn engine(directory: &Path) -> fjall::Result<Database> {
    let builder =
        Database::builder(directory).cache_size(CACHE_BYTES).max_journaling_size(JOURNAL_BYTES).worker_threads(2);
    catch_unwind(AssertUnwindSafe(|| builder.open())).unwrap_or(Err(fjall::Error::Unrecoverable))
}

/// An alias as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredAlias {
    service: String,
    from: Route,
    to: Route,
}

pub(super) fn alias_json(a: &RouteAlias) -> Result<Vec<u8>, StoreError> {
    json(&StoredAlias { service: a.service.clone(), from: a.from.clone(), to: a.to.clone() })
}

/// Aliases are read in the order in which they came.
pub(super) fn alias_key(number: u64) -> Vec<u8> {
    [b"alias/".as_slice(), &number.to_be_bytes()].concat()
}

/// The engine's error in our words.
pub(super) fn error(e: fjall::Error, path: &Path) -> StoreError {
    match e {
        fjall::Error::Locked => StoreError::Locked(path.into()),
        fjall::Error::Poisoned => probe(path),
        fjall::Error::InvalidVersion(Some(v)) if !matches!(v, fjall::FormatVersion::V3) => {
            StoreError::Damaged(format!("its engine is of another version ({v:?})"))
        }
        fjall::Error::InvalidVersion(_) => {
            StoreError::Newer { path: path.into(), found: "of a newer engine".into(), known: FORMAT }
        }
        fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e)) => io_error(e, path),
        other => StoreError::Damaged(other.to_string()),
    }
}

/// Why the engine stopped. A background thread of it met the error first and does not say which: the disk is asked.
fn probe(path: &Path) -> StoreError {
    let file = path.join("probe");
    let written = std::fs::write(&file, vec![0; PROBE_BYTES]);
    let removed = std::fs::remove_file(&file);
    written.and(removed).err().map_or(StoreError::Poisoned, |e| io_error(e, path))
}

fn io_error(error: io::Error, path: &Path) -> StoreError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Io { path: path.into(), error },
    }
}

/// What an agent, or a collector that never came to open its store, may have put into the same directory.
const BESIDE: [&str; 3] = ["run", "spool", "pseudonym.secret"];

/// Whether the data directory is new; an error where it is none of ours.
fn check(data: &Path) -> Result<bool, StoreError> {
    match std::fs::metadata(data) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(e) => return Err(io_error(e, data)),
        Ok(m) if !m.is_dir() => return Err(StoreError::Foreign(data.into())),
        Ok(_) => {}
    }
    if data.join(STORE).is_dir() {
        return Ok(false);
    }
    let mut entries = std::fs::read_dir(data).map_err(|e| io_error(e, data))?;
    let is_foreign =
        |e: io::Result<std::fs::DirEntry>| e.is_ok_and(|e| !BESIDE.iter().any(|known| e.file_name() == *known));
    if entries.any(is_foreign) { Err(StoreError::Foreign(data.into())) } else { Ok(true) }
}
