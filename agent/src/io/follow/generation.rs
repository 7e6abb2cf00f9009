//! One file of a followed log, plain or compressed, read from a mark on.
//!
//! In: a path and a [`Mark`]. Out: whole lines, or that the file is not what it was. A plain file is read from a little
//! before the mark, so that one system call both compares what was read last and gives the news. What is kept between
//! two reads is the mark alone; so a restart goes on exactly as the next read would have done.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    time::Instant,
};

use super::disk;
use crate::{
    budget,
    follow::{
        cut::{Cut, cut},
        generations::FileId,
        mark::{HEAD_BYTES, LAST_BYTES, Likeness, Mark},
    },
    io::source::decompress,
};

/// A file of a log.
pub(super) struct Generation {
    pub(super) mark: Mark,
    pub(super) id: FileId,
    /// Where it was, all symbolic links resolved.
    pub(super) path: PathBuf,
    /// When it was made, microseconds since 1970; 0 where the file system does not say.
    pub(super) born_us: i64,
    /// When it was changed last, as seen before the last read.
    pub(super) changed_us: i64,
    /// Its length as seen last; of a compressed file what is known to be in it.
    pub(super) bytes: u64,
    /// When there was news last, or when it was opened.
    pub(super) active: Instant,
    /// Whether it held nothing when it was begun.
    pub(super) was_empty: bool,
    /// Whether its beginning was asked for how it is written.
    pub(super) was_asked: bool,
    /// The beginning, where it was seen in this run.
    head: Vec<u8>,
    /// Length and time of change at a read that came to the end: while they stay, there is no news.
    looked: Option<(u64, i64)>,
    handle: Handle,
}

enum Handle {
    Closed,
    Plain(File),
    Packed(Packed),
}

/// What a read found.
pub(super) enum Found {
    /// Lines in the window. `is_end` tells that no more can be read now.
    Lines { cut: Cut, is_end: bool },
    /// No news.
    Nothing,
    /// Something else stands where it was read before: it was truncated, or written anew.
    Overwritten,
}

impl Generation {
    /// A file that is to be found yet.
    pub(super) fn closed(mark: Mark, id: FileId, path: PathBuf, changed_us: i64) -> Self {
        let (bytes, active) = (mark.offset.max(mark.head_bytes), Instant::now());
        Self {
            mark,
            id,
            path,
            born_us: 0,
            changed_us,
            bytes,
            active,
            was_empty: false,
            was_asked: false,
            head: Vec::new(),
            looked: None,
            handle: Handle::Closed,
        }
    }

    /// Opens a file to be read from a mark on, which must fit it; else says what it is to the mark.
    pub(super) fn open(path: &Path, mut mark: Mark) -> io::Result<Result<Self, Likeness>> {
        let (file, metadata) = disk::open(path)?;
        let mut head = [0; HEAD_BYTES as usize];
        let (likeness, handle, n_head) = if is_packed(&file)? {
            let mut packed = Packed::open(file)?;
            let likeness = packed.seek(&mark);
            head[..packed.head.len()].copy_from_slice(&packed.head);
            let n = packed.head.len();
            (likeness, Handle::Packed(packed), n)
        } else {
            let n = disk::read_at(&file, &mut head, 0)?;
            (judge(&file, &mark)?, Handle::Plain(file), n)
        };
        if likeness != Likeness::Same {
            return Ok(Err(likeness));
        }
        // Known by it from now on, also if the agent ends before it is read.
        mark.learn_head(&head[..n_head]);
        let found = Self::closed(mark, disk::id(&metadata), path.to_owned(), disk::changed_us(&metadata));
        Ok(Ok(Self { handle, born_us: disk::born_us(&metadata), was_empty: metadata.len() == 0, ..found }))
    }

    /// A file from its present end on, of which nothing before is wanted.
    pub(super) fn open_at_end(path: &Path) -> io::Result<Self> {
        let (file, metadata) = disk::open(path)?;
        let (mark, handle) = if is_packed(&file)? {
            let mut packed = Packed::open(file)?;
            (packed.run_to_end(), Handle::Packed(packed))
        } else {
            (end_of(&file, metadata.len())?, Handle::Plain(file))
        };
        let found = Self::closed(mark, disk::id(&metadata), path.to_owned(), disk::changed_us(&metadata));
        Ok(Self { handle, born_us: disk::born_us(&metadata), was_empty: metadata.len() == 0, ..found })
    }

    /// Whether it is compressed, and so complete.
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.handle, Handle::Packed(_))
    }

    /// Whether the file at a path holds what was read.
    pub(super) fn mark_fits(&self, path: &Path) -> bool {
        Self::open(path, self.mark).is_ok_and(|found| found.is_ok())
    }

    /// Opens a copy of this file, to go on where it was read; else says what the file at the path is to this one.
    pub(super) fn copy_at(&self, path: &Path) -> io::Result<Result<Self, Likeness>> {
        let found = Self::open(path, self.mark)?;
        if found.is_ok() || self.head.is_empty() {
            return Ok(found);
        }
        // One that is shorter than what the hash stands for.
        let (file, _) = disk::open(path)?;
        let mut bytes = [0; HEAD_BYTES as usize];
        let n = disk::read_at(&file, &mut bytes, 0)?;
        let is_shorter = n > 0 && n < self.head.len() && self.head.starts_with(&bytes[..n]);
        Ok(if is_shorter { Err(Likeness::Shorter) } else { found })
    }

    /// Whether a whole line follows on the mark.
    pub(super) fn has_line(&mut self) -> bool {
        match &mut self.handle {
            Handle::Packed(packed) => {
                packed.fill(packed.from + budget::LINE_BYTES);
                packed.window[packed.from..].contains(&b'\n')
            }
            Handle::Plain(file) => {
                let mut bytes = vec![0; budget::LINE_BYTES];
                let n = disk::read_at(file, &mut bytes, self.mark.offset).unwrap_or(0);
                bytes[..n].contains(&b'\n')
            }
            Handle::Closed => false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.handle, Handle::Closed)
    }

    /// The beginning of its content, for whoever needs to know how it is written; at most a chunk.
    pub(super) fn beginning(&self) -> io::Result<Vec<u8>> {
        let (file, _) = disk::open(&self.path)?;
        let mut bytes = Vec::new();
        decompress(BufReader::new(file))?.take(budget::LINE_BYTES as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Forgets the open file, not the mark.
    pub(super) fn close(&mut self) {
        (self.handle, self.looked) = (Handle::Closed, None);
    }

    /// Whether a read came to the end of what was there; a line without its end may be left.
    pub(super) fn is_read(&self) -> bool {
        match &self.handle {
            Handle::Plain(_) => self.looked.is_some(),
            Handle::Packed(packed) => packed.is_at_end && packed.broken.is_none() && packed.window.len() == packed.from,
            Handle::Closed => self.bytes <= self.mark.offset,
        }
    }

    /// Bytes that wait to be read.
    pub(super) fn unread(&self) -> u64 {
        match &self.handle {
            Handle::Plain(file) => file.metadata().map_or(0, |m| m.len().saturating_sub(self.mark.offset)),
            Handle::Packed(packed) => (packed.window.len() - packed.from) as u64,
            Handle::Closed => disk::regular(&self.path).map_or(0, |m| m.len().saturating_sub(self.mark.offset)),
        }
    }

    /// Length and time of change of an open file that is not compressed.
    pub(super) fn look(&self) -> Option<(u64, i64)> {
        let Handle::Plain(file) = &self.handle else { return None };
        file.metadata().ok().map(|m| (m.len(), disk::changed_us(&m)))
    }

    /// The mark that it would have if it was read now as far as it is written.
    pub(super) fn mark_at_end(&self) -> Option<Mark> {
        let Handle::Plain(file) = &self.handle else { return None };
        end_of(file, file.metadata().ok()?.len()).ok()
    }

    /// Whether something else stands where it was read, in the file itself or, where it is not open, at a path.
    pub(super) fn is_overwritten(&self, path: &Path) -> bool {
        match &self.handle {
            Handle::Plain(file) => judge(file, &self.mark).is_ok_and(|likeness| likeness != Likeness::Same),
            Handle::Packed(_) => false,
            Handle::Closed => !self.mark_fits(path),
        }
    }

    /// Reads about a chunk of whole lines into the window, which has [`WINDOW_BYTES`](crate::follow::cut::WINDOW_BYTES).
    /// With `to_end` also a last line without its newline. They count as read when [`Generation::accept`] says so. A file
    /// that fails is closed.
    pub(super) fn read(&mut self, window: &mut [u8], to_end: bool) -> io::Result<Found> {
        let found = match &mut self.handle {
            Handle::Closed => Ok(Found::Nothing),
            Handle::Plain(_) => self.read_plain(window, to_end),
            Handle::Packed(packed) => packed.read(window, &self.mark),
        };
        if found.is_err() {
            self.close();
        }
        found
    }

    /// Counts lines of the window as read: all of them, or up to another place within them.
    pub(super) fn accept(&mut self, window: &[u8], cut: &Cut, end: usize) {
        let from = cut.end - (cut.mark.offset - self.mark.offset) as usize;
        if end >= cut.lines.end {
            self.mark = Mark { head_bytes: self.mark.head_bytes, head: self.mark.head, ..cut.mark };
        } else if end > from {
            self.mark.advance((end - from) as u64, &window[..end]);
            self.mark.skips_line = false;
        }
        self.active = Instant::now();
        if let Handle::Packed(packed) = &mut self.handle {
            packed.accept(if end >= cut.lines.end { cut.end } else { end.max(from) });
            self.mark.learn_head(&packed.head);
            self.bytes = self.mark.offset;
        }
    }

    fn read_plain(&mut self, window: &mut [u8], to_end: bool) -> io::Result<Found> {
        let Handle::Plain(file) = &self.handle else { return Ok(Found::Nothing) };
        let metadata = file.metadata()?;
        let look = (metadata.len(), disk::changed_us(&metadata));
        if self.looked == Some(look) && !to_end {
            return Ok(Found::Nothing);
        }
        if look.0 < self.mark.offset {
            return Ok(Found::Overwritten);
        }
        let mut head = [0; HEAD_BYTES as usize];
        let n_head = disk::read_at(file, &mut head, 0)?;
        let known = n_head.min(self.mark.head_bytes as usize);
        let before = self.mark.last_bytes as usize;
        let room = before + budget::CHUNK_BYTES;
        let n = disk::read_at(file, &mut window[..room], self.mark.last_from())?;
        if self.mark.judge(&head[..known], &window[..n.min(before)]) != Likeness::Same {
            return Ok(Found::Overwritten);
        }
        self.mark.learn_head(&head[..n_head]);
        if self.head.len() < n_head {
            self.head = head[..n_head].to_vec();
        }
        self.changed_us = look.1;
        self.bytes = look.0.max(self.mark.offset + (n - before) as u64);
        let is_end = n < room;
        let found = cut(&self.mark, window, before, n, to_end && is_end);
        // What is left is a line without its end, or nothing.
        self.looked = (is_end
            && found.as_ref().is_none_or(|cut| cut.mark.offset + budget::LINE_BYTES as u64 >= self.bytes))
        .then_some(look);
        Ok(found.map_or(Found::Nothing, |cut| Found::Lines { cut, is_end: to_end && is_end }))
    }
}

/// A compressed file: it is complete, and can be read in one direction only.
struct Packed {
    reader: Box<dyn Read + Send>,
    /// What was read last, then what was decompressed and not yet read.
    window: Vec<u8>,
    /// Bytes of `window` that were read.
    from: usize,
    is_at_end: bool,
    /// Why it ended before its end.
    broken: Option<String>,
    /// The beginning of its content.
    head: Vec<u8>,
}

impl Packed {
    fn open(file: File) -> io::Result<Self> {
        let reader = decompress(BufReader::with_capacity(64 << 10, file))?;
        Ok(Self { reader, window: Vec::new(), from: 0, is_at_end: false, broken: None, head: Vec::new() })
    }

    /// Goes to a mark; says whether what lies before it is what was read.
    fn seek(&mut self, mark: &Mark) -> Likeness {
        self.fill(HEAD_BYTES as usize);
        self.head = self.window[..self.window.len().min(HEAD_BYTES as usize)].to_vec();
        let head = self.head[..self.head.len().min(mark.head_bytes as usize)].to_vec();
        if mark.judge(&head, &[]) == Likeness::Other {
            return Likeness::Other;
        }
        let mut skip = mark.last_from();
        loop {
            let n = skip.min(self.window.len() as u64);
            self.window.drain(..n as usize);
            skip -= n;
            if skip == 0 || self.is_at_end {
                break;
            }
            self.fill(budget::CHUNK_BYTES);
        }
        self.fill(mark.last_bytes as usize);
        self.from = self.window.len().min(mark.last_bytes as usize);
        match skip {
            0 => mark.judge(&head, &self.window[..self.from]),
            _ => Likeness::Shorter,
        }
    }

    /// Passes over everything; gives the mark behind it.
    fn run_to_end(&mut self) -> Mark {
        self.seek(&Mark::default());
        let mut mark = Mark::default();
        mark.learn_head(&self.head);
        loop {
            self.fill(self.from + budget::CHUNK_BYTES);
            mark.advance((self.window.len() - self.from) as u64, &self.window);
            self.accept(self.window.len());
            if self.is_at_end {
                return mark;
            }
        }
    }

    /// Decompresses until the window holds as much, or there is no more.
    fn fill(&mut self, bytes: usize) {
        let missing = bytes.saturating_sub(self.window.len());
        if missing > 0 && !self.is_at_end {
            match self.reader.by_ref().take(missing as u64).read_to_end(&mut self.window) {
                Ok(n) => self.is_at_end = n < missing,
                Err(error) => (self.is_at_end, self.broken) = (true, Some(error.to_string())),
            }
        }
    }

    fn read(&mut self, window: &mut [u8], mark: &Mark) -> io::Result<Found> {
        self.fill(self.from + budget::CHUNK_BYTES);
        let to = self.window.len();
        window[..to].copy_from_slice(&self.window);
        // What lies before a break is read, but for a line that may go on behind it.
        let is_end = self.is_at_end && self.broken.is_none();
        match (cut(mark, window, self.from, to, is_end), self.broken.take()) {
            (Some(cut), broken) => {
                self.broken = broken;
                Ok(Found::Lines { cut, is_end })
            }
            (None, Some(broken)) => Err(io::Error::other(broken)),
            (None, None) => Ok(Found::Nothing),
        }
    }

    /// Everything up to this place of the window was read.
    fn accept(&mut self, end: usize) {
        let keep = end.min(LAST_BYTES as usize);
        self.window.drain(..end - keep);
        self.from = keep;
    }
}

/// The mark at the end of a file.
fn end_of(file: &File, length: u64) -> io::Result<Mark> {
    let mut mark = Mark::default();
    let mut buffer = [0; HEAD_BYTES as usize];
    let head = disk::read_at(file, &mut buffer, 0)?;
    mark.learn_head(&buffer[..head]);
    let from = length.saturating_sub(LAST_BYTES);
    let n = disk::read_at(file, &mut buffer[..LAST_BYTES as usize], from)?;
    mark.advance(from + n as u64, &buffer[..n]);
    // In the middle of a line: its beginning is not wanted, so its end is not either.
    mark.skips_line = n > 0 && buffer[n - 1] != b'\n';
    Ok(mark)
}

fn judge(file: &File, mark: &Mark) -> io::Result<Likeness> {
    let mut head = [0; HEAD_BYTES as usize];
    let n_head = disk::read_at(file, &mut head[..mark.head_bytes.min(HEAD_BYTES) as usize], 0)?;
    let mut last = [0; LAST_BYTES as usize];
    let n_last = disk::read_at(file, &mut last[..mark.last_bytes.min(LAST_BYTES) as usize], mark.last_from())?;
    Ok(mark.judge(&head[..n_head], &last[..n_last]))
}

/// Whether its first bytes are those of gzip or zstd.
fn is_packed(file: &File) -> io::Result<bool> {
    let mut magic = [0; 4];
    let n = disk::read_at(file, &mut magic, 0)?;
    Ok(magic[..n].starts_with(&[0x1f, 0x8b]) || magic[..n] == [0x28, 0xb5, 0x2f, 0xfd])
}
