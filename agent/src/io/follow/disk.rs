//! What file systems are asked: identities, times, bytes at a place, what lies in a directory.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use crate::follow::{
    family,
    generations::{FileId, Kin, Sibling},
};

/// Opens a regular file for reading; anything else is refused, and a named pipe is not waited for.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    regular(path)?;
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// What is known of a regular file, symbolic links followed.
pub(super) fn regular(path: &Path) -> io::Result<Metadata> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        return Ok(metadata);
    }
    Err(io::Error::other(match metadata.is_dir() {
        true => "it is a directory; name the files in it, for example with /*.log",
        false => "it is a pipe or a device; let `pitot agent` read it as standard input, with the path `-`",
    }))
}

pub(super) fn id(metadata: &Metadata) -> FileId {
    FileId { device: metadata.dev(), inode: metadata.ino() }
}

/// Time of the last change, microseconds since 1970.
pub(super) fn changed_us(metadata: &Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1_000)
}

/// When it was made, microseconds since 1970; 0 where the file system does not say.
pub(super) fn born_us(metadata: &Metadata) -> i64 {
    let since = metadata.created().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|d| i64::try_from(d.as_micros()).ok()).unwrap_or(0)
}

/// Fills the buffer from a place of the file on; less only at the file's end. Gives the number of bytes.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match file.read_at(&mut buffer[n..], offset + n as u64) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n)
}

/// A file as it looks now.
pub(super) fn sibling(path: &Path, metadata: &Metadata, kin: Option<Kin>) -> Sibling {
    let (id, born_us, changed_us) = (id(metadata), born_us(metadata), changed_us(metadata));
    Sibling { path: path.to_owned(), id, born_us, changed_us, bytes: metadata.len(), kin }
}

/// All regular files in the directory of a log, with what their names say. With `by_digits`, those that differ from it in
/// digits alone are its generations too. What goes away meanwhile is left out.
pub(super) fn siblings(log: &Path, by_digits: bool, into: &mut Vec<Sibling>) -> io::Result<()> {
    let (Some(dir), Some(base)) = (log.parent(), log.file_name().map(|name| name.to_string_lossy())) else {
        return Ok(());
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    for entry in fs::read_dir(dir)? {
        let Ok(entry) = entry else { continue };
        let (Ok(metadata), path) = (entry.metadata(), entry.path()) else { continue };
        if !metadata.is_file() {
            continue;
        }
        let name = entry.file_name();
        let kin = kin(dir, &base, &name.to_string_lossy(), by_digits);
        match into.iter_mut().find(|s| s.id == id(&metadata)) {
            Some(known) => known.kin = known.kin.take().or(kin),
            None => into.push(sibling(&path, &metadata, kin)),
        }
    }
    Ok(())
}

fn kin(dir: &Path, base: &str, name: &str, by_digits: bool) -> Option<Kin> {
    let of = |rotated: family::Rotated<'_>, may_be_newer| Kin {
        plain: dir.join(rotated.plain),
        is_packed: rotated.is_packed,
        age: rotated.age,
        may_be_newer,
    };
    let apart = || family::digits_apart(base, name).filter(|_| by_digits);
    family::rotated(base, name).map(|r| of(r, false)).or_else(|| apart().map(|r| of(r, true)))
}

/// The path with all symbolic links resolved, or as it is where that fails.
pub(super) fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}
