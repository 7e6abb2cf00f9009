//! A log inside of what a container runtime put around its lines.
//!
//! In: a reader of raw lines. Out: a reader of the lines inside. About a chunk of each is held at a time.

use std::io::{self, Read};

use crate::{budget, log::Wrapping};

pub(super) struct Unwrapped<R> {
    wrapping: Wrapping,
    inner: R,
    /// Read and not yet unwrapped.
    raw: Vec<u8>,
    /// Unwrapped; given up to `at`.
    lines: Vec<u8>,
    at: usize,
    is_at_end: bool,
    /// Whether the rest of the raw line is dropped, because its beginning was too long already.
    skips_line: bool,
    /// Why reading ended early, until it is told.
    broken: Option<io::Error>,
}

impl<R: Read> Unwrapped<R> {
    /// `raw` was read from the reader before, until it broke.
    pub(super) fn new(wrapping: Wrapping, raw: Vec<u8>, broken: Option<io::Error>, inner: R) -> Self {
        let is_at_end = broken.is_some();
        Self { wrapping, inner, raw, lines: Vec::new(), at: 0, is_at_end, skips_line: false, broken }
    }

    fn refill(&mut self) {
        self.lines.clear();
        self.at = 0;
        if !self.is_at_end {
            self.read_on();
        }
        if self.skips_line {
            let end = memchr::memchr(b'\n', &self.raw);
            self.skips_line = end.is_none();
            self.raw.drain(..end.map_or(self.raw.len(), |end| end + 1));
        }
        if self.is_at_end {
            self.wrapping.unwrap_all(&self.raw, &mut self.lines);
            self.raw = Vec::new();
        } else if self.raw.len() > budget::LINE_BYTES && !self.raw.contains(&b'\n') {
            self.lines.extend_from_slice(&self.raw[..=budget::LINE_BYTES]);
            self.lines.push(b'\n');
            self.raw.clear();
            self.skips_line = true;
        } else {
            let n = self.wrapping.unwrap(&self.raw, &mut self.lines);
            self.raw.drain(..n);
        }
    }

    fn read_on(&mut self) {
        let missing = budget::CHUNK_BYTES.saturating_sub(self.raw.len());
        match self.inner.by_ref().take(missing as u64).read_to_end(&mut self.raw) {
            Ok(n) => self.is_at_end = n < missing,
            Err(error) => (self.broken, self.is_at_end) = (Some(error), true),
        }
    }
}

impl<R: Read> Read for Unwrapped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.lines.len() {
            if self.is_at_end {
                return self.broken.take().map_or(Ok(0), Err);
            }
            self.refill();
        }
        let n = buffer.len().min(self.lines.len() - self.at);
        buffer[..n].copy_from_slice(&self.lines[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines inside, and whether the end was an error.
    fn read(raw: impl Read) -> (String, bool) {
        let mut text = Vec::new();
        let result = Unwrapped::new(Wrapping::Cri, Vec::new(), None, raw).read_to_end(&mut text);
        (String::from_utf8(text).unwrap(), result.is_err())
    }

    #[test]
    fn lines_of_many_chunks_are_unwrapped_in_order() {
        let number = |n: usize, tag: &str| format!("2021-12-08T14:02:43.5Z stdout {tag} {n:0200}");
        let raw: Vec<String> = (0..30_000).map(|n| number(n, if n % 3 == 2 { "F" } else { "P" })).collect();
        let want: String =
            (0..10_000).map(|n| format!("{:0200}{:0200}{:0200}\n", 3 * n, 3 * n + 1, 3 * n + 2)).collect();
        // The last line has no newline.
        let (text, is_broken) = read(raw.join("\n").as_bytes());
        assert!(text == want && !is_broken, "{} bytes instead of {}", text.len(), want.len());
    }

    #[test]
    fn an_overlong_raw_line_costs_itself() {
        let long = "x".repeat(3 * budget::CHUNK_BYTES);
        for before in ["", "2021-12-08T14:02:43.5Z stdout P part\n"] {
            let raw = format!("{before}{long}\n2021-12-08T14:02:43.5Z stdout F next\n");
            let (text, _) = read(raw.as_bytes());
            let lines: Vec<_> =
                text.lines().filter(|l| *l != "part").map(|l| l.len().min(budget::LINE_BYTES + 1)).collect();
            assert_eq!(lines, [budget::LINE_BYTES + 1, 4], "{before}");
        }
    }

    #[test]
    fn a_reader_that_breaks_gives_what_it_gave_before() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let raw = b"2021-12-08T14:02:43.5Z stdout F one\n2021-12-08T14:02:43.5Z stdout P two\n";
        assert_eq!(read(raw.chain(Broken)), ("one\ntwo\n".into(), true));
    }
}
