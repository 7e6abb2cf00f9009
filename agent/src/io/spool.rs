//! The spool in a directory. In: the agent's state. Out: a [`Spool`] that nobody else has.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::{
    Cursor,
    spool::{Disk, Memory, Spool, SpoolConfig, SpoolError},
};

/// Name of the file whose lock keeps other processes out.
const LOCK: &str = "lock";

impl Spool {
    /// Opens the spool, or makes it where it is not there. Gives the cursors to go on from; none of a new one.
    ///
    /// A new spool, and one whose newest report is damaged, begins with `fresh_incarnation`, which must be greater than all
    /// before it: the time will do.
    pub fn open(config: &SpoolConfig, agent: &str, fresh_incarnation: u64) -> Result<(Self, Vec<Cursor>), SpoolError> {
        let disk: Box<dyn Disk> = match &config.directory {
            Some(directory) => Box::new(Directory::open(directory)?),
            None => Box::<Memory>::default(),
        };
        Self::open_on(disk, config.into(), agent, fresh_incarnation)
    }
}

/// A directory that this process has for itself.
struct Directory {
    path: PathBuf,
    /// Locked for as long as it lives.
    _lock: File,
}

impl Directory {
    fn open(path: &Path) -> Result<Self, SpoolError> {
        let place = path.display().to_string();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                SpoolError::NotADirectory { place: place.clone() }
            }
            _ => SpoolError::Io { what: "keep reports", place: place.clone(), error },
        };
        make(path).map_err(failed)?;
        // Held for reading: a file that is open for writing would keep its disk from being made read-only.
        let lock = path.join(LOCK);
        private().create(true).truncate(false).write(true).open(&lock).map_err(failed)?;
        let lock = File::open(lock).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(SpoolError::Locked { place }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

impl Disk for Directory {
    fn list(&mut self) -> io::Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                found.push((name, metadata.len()));
            }
        }
        Ok(found)
    }

    fn read(&mut self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let file = File::open(self.path.join(name))?;
        let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len().min(most)).unwrap_or(0));
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = private().create(true).truncate(true).write(true).open(self.path.join(name))?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    fn sync(&mut self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// Makes the directory and what leads to it, and makes their names last.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    if let Some(parent) = parent {
        make(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => return Ok(()),
        made => made?,
    }
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Files that nobody else may read: they tell who calls what.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(test)]
mod tests;
