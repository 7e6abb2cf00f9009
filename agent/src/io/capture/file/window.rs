//! A window that moves over a reader: so many bytes at a time as are needed, in place.
//!
//! In: a reader. Out: slices. It grows to the longest piece that is asked for, and callers ask for
//! [`budget::CAPTURE_BLOCK_BYTES`](crate::budget::CAPTURE_BLOCK_BYTES) at most.

use std::io::{self, ErrorKind, Read};

/// Bytes that are read at once.
const CAPACITY: usize = 256 << 10;

pub(super) struct Window {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    /// What was read and not passed yet is `buffer[start..end]`.
    start: usize,
    end: usize,
}

impl Window {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, buffer: vec![0; CAPACITY], start: 0, end: 0 }
    }

    /// The next `n` bytes, without passing them; fewer at the end of the reader.
    #[inline]
    pub(super) fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        if self.end - self.start < n {
            self.fill(n)?;
        }
        let end = self.end.min(self.start + n);
        Ok(&self.buffer[self.start..end])
    }

    /// Passes the next `n` bytes and gives them; `None` when the reader ends before. Then nothing is passed.
    #[inline]
    pub(super) fn take(&mut self, n: usize) -> io::Result<Option<&[u8]>> {
        if self.end - self.start < n {
            self.fill(n)?;
            if self.end - self.start < n {
                return Ok(None);
            }
        }
        let start = self.start;
        self.start += n;
        Ok(Some(&self.buffer[start..self.start]))
    }

    /// Passes the next `n` bytes, of which there may be any number; `false` when the reader ends before.
    pub(super) fn skip(&mut self, mut n: u64) -> io::Result<bool> {
        loop {
            let step = usize::try_from(n).unwrap_or(usize::MAX).min(self.end - self.start);
            self.start += step;
            n -= step as u64;
            if n == 0 {
                return Ok(true);
            }
            self.fill(1)?;
            if self.start == self.end {
                return Ok(false);
            }
        }
    }

    #[cold]
    fn fill(&mut self, n: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < n {
            self.buffer.resize(n, 0);
        }
        while self.end < n {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
