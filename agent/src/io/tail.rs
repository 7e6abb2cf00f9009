//! Following files that grow: whole lines as they are written, through truncation and replacement.
//!
//! In: paths. Out: bytes that end at a line's end. A file that is replaced is read to its end first; one that shrank is
//! read from its start again.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::budget;

/// A file that is followed.
pub(super) struct Tail {
    path: PathBuf,
    /// Absent until the file exists.
    file: Option<File>,
    /// Bytes of `file` that were read.
    position: u64,
    /// The beginning of a line whose end was not written yet.
    partial: Vec<u8>,
    /// Whether the rest of the current line is dropped, because its beginning was too long already.
    skips_line: bool,
}

impl Tail {
    /// Follows a path, which need not exist yet, from its start or from its present end.
    pub(super) fn new(path: &Path, from_start: bool) -> Self {
        let mut file = File::open(path).ok();
        let end = |f: &mut File| f.seek(SeekFrom::End(0)).unwrap_or(0);
        let position = if from_start { 0 } else { file.as_mut().map_or(0, end) };
        Self { path: path.to_owned(), file, position, partial: Vec::new(), skips_line: false }
    }

    /// Bytes read and accounted for, without the partial line.
    pub(super) fn offset(&self) -> u64 {
        self.position - self.partial.len() as u64
    }

    /// New whole lines since the last time, at most about a chunk; empty when there are none yet.
    pub(super) fn read(&mut self) -> std::io::Result<Vec<u8>> {
        if self.file.is_none() {
            self.file = Some(File::open(&self.path)?);
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        if file.metadata()?.len() < self.position {
            file.seek(SeekFrom::Start(0))?;
            self.position = 0;
            self.partial.clear();
            self.skips_line = false;
        }
        let mut bytes = std::mem::take(&mut self.partial);
        let n = file.take(budget::CHUNK_BYTES as u64).read_to_end(&mut bytes)?;
        self.position += n as u64;
        if n == 0 && self.was_replaced() {
            (self.file, self.position) = (None, 0);
            // Its last line has no newline and never gets one.
            if !bytes.is_empty() {
                bytes.push(b'\n');
            }
            return Ok(bytes);
        }
        self.keep_partial(&mut bytes);
        Ok(bytes)
    }

    fn keep_partial(&mut self, bytes: &mut Vec<u8>) {
        let whole = memchr::memrchr(b'\n', bytes).map_or(0, |last| last + 1);
        self.partial = bytes.split_off(whole);
        if self.skips_line && whole > 0 {
            let end = memchr::memchr(b'\n', bytes).map_or(0, |end| end + 1);
            bytes.drain(..end);
            self.skips_line = false;
        }
        if self.partial.len() > budget::LINE_BYTES {
            if !self.skips_line {
                bytes.extend_from_slice(&self.partial[..=budget::LINE_BYTES]);
                bytes.push(b'\n');
            }
            self.partial.clear();
            self.skips_line = true;
        }
    }

    /// Whether the path leads to another file now.
    fn was_replaced(&self) -> bool {
        let Some(Ok(mine)) = self.file.as_ref().map(File::metadata) else { return true };
        fs::metadata(&self.path).is_ok_and(|now| identity(&now) != identity(&mine))
    }
}

#[cfg(unix)]
fn identity(m: &fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (m.dev(), m.ino())
}

#[cfg(not(unix))]
fn identity(m: &fs::Metadata) -> (u64, u64) {
    (0, m.created().ok().and_then(|t| t.elapsed().ok()).map_or(0, |d| d.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text(tail: &mut Tail) -> String {
        String::from_utf8(tail.read().unwrap()).unwrap()
    }

    #[test]
    fn lines_come_when_they_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut tail = Tail::new(&path, true);
        assert!(tail.read().is_err(), "it is not there yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(text(&mut tail), "one\n");
        assert_eq!(tail.offset(), 4);
        file.write_all(b"o\n").unwrap();
        assert_eq!(text(&mut tail), "two\n");
        assert_eq!(text(&mut tail), "");
    }

    #[test]
    fn a_replaced_file_is_read_to_its_end_and_then_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "one\n").unwrap();
        let mut tail = Tail::new(&path, true);
        assert_eq!(text(&mut tail), "one\n");
        let mut old = fs::OpenOptions::new().append(true).open(&path).unwrap();
        fs::rename(&path, dir.path().join("a.log.1")).unwrap();
        fs::write(&path, "three\n").unwrap();
        old.write_all(b"two\n").unwrap();
        let all = [text(&mut tail), text(&mut tail), text(&mut tail)].concat();
        assert_eq!(all, "two\nthree\n");
    }

    #[test]
    fn a_truncated_file_is_read_from_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        fs::write(&path, "a long first line\n").unwrap();
        let mut tail = Tail::new(&path, true);
        tail.read().unwrap();
        fs::write(&path, "two\n").unwrap();
        assert_eq!(text(&mut tail), "two\n");
    }

    #[test]
    fn of_an_overlong_line_the_beginning_stays_and_the_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.log");
        let mut file = File::create(&path).unwrap();
        let mut tail = Tail::new(&path, true);
        for _ in 0..4 {
            file.write_all(&vec![b'x'; budget::LINE_BYTES]).unwrap();
        }
        file.write_all(b"\nnext\n").unwrap();
        let mut all = Vec::new();
        while let Ok(bytes) = tail.read() {
            if bytes.is_empty() {
                break;
            }
            all.extend(bytes);
        }
        let lines: Vec<usize> = all.split(|&b| b == b'\n').map(<[u8]>::len).collect();
        assert_eq!(lines[1..], [4, 0]);
        assert!(lines[0] > budget::LINE_BYTES);
    }
}
