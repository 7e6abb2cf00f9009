//! Where a body ends, and how many bytes it has: by length, by chunks, or with the connection.
//!
//! In: bytes and gaps of a stream from the body's first byte on. Out: how many of them are the body's. Nothing is kept of
//! it but numbers.
//!
//! Source: RFC 9112, sections 6 and 7.

/// What is left to read of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// All bytes until the stream ends.
    UntilClose,
}

/// What reading a piece came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes of the piece that belong to the body or its framing.
    pub(super) used: usize,
    /// Bytes of them that are content.
    pub(super) content: u64,
    pub(super) state: After,
}

impl Step {
    /// None of the bytes.
    pub(super) const NOTHING: Self = Self { used: 0, content: 0, state: After::More };
}

/// Where reading stands after a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// All of the piece was used, and there is more to come.
    More,
    /// The body ended.
    Whole,
    /// No chunk begins where one should.
    Wrong,
}

impl Body {
    /// Reads a piece.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Step {
        self.read_with(bytes, |_| {})
    }

    /// Reads a piece, and gives what of it is content.
    pub(super) fn read_with(&mut self, bytes: &[u8], mut visit: impl FnMut(&[u8])) -> Step {
        match self {
            Self::Length(left) => {
                let content = (bytes.len() as u64).min(*left);
                *left -= content;
                // No more than the piece has.
                let used = content as usize;
                visit(&bytes[..used]);
                Step { used, content, state: if *left == 0 { After::Whole } else { After::More } }
            }
            Self::Chunked(chunked) => chunked.read(bytes, visit),
            Self::UntilClose => {
                visit(bytes);
                Step { used: bytes.len(), content: bytes.len() as u64, state: After::More }
            }
        }
    }

    /// Bytes from here on that need not be looked at.
    pub(super) const fn opaque(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(chunked) => match chunked.at {
                At::Data => chunked.size,
                _ => 0,
            },
            Self::UntilClose => u64::MAX,
        }
    }

    /// Passes over bytes that cannot be looked at, at most [`Body::opaque`]; they are content.
    pub(super) fn skip(&mut self, n: u64) -> After {
        match self {
            Self::Length(left) => {
                *left = left.saturating_sub(n);
                if *left == 0 { After::Whole } else { After::More }
            }
            Self::Chunked(chunked) => {
                chunked.size = chunked.size.saturating_sub(n);
                if chunked.size == 0 {
                    chunked.at = At::DataEnd;
                }
                After::More
            }
            Self::UntilClose => After::More,
        }
    }
}

/// Reader of the chunked coding. It takes LF for CRLF, blanks around sizes, and a missing line end after data, as servers do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Chunked {
    at: At,
    /// Of the size line: its value. Of data: bytes left.
    size: u64,
    /// Whether anything was off from the grammar in a way that servers disagree about.
    pub(super) is_loose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// Before the first digit of a size.
    #[default]
    Begin,
    Digits,
    /// Behind the digits: blanks, extensions, up to the line's end.
    Extension,
    Data,
    DataEnd,
    /// Trailers: at the start of a line, with or without a CR read.
    TrailerStart,
    TrailerCr,
    TrailerLine,
}

impl Chunked {
    fn read(&mut self, bytes: &[u8], mut visit: impl FnMut(&[u8])) -> Step {
        let (mut i, mut content) = (0, 0_u64);
        while let Some(&b) = bytes.get(i) {
            match self.at {
                At::Data => {
                    let n = ((bytes.len() - i) as u64).min(self.size);
                    content += n;
                    visit(&bytes[i..i + n as usize]);
                    self.size -= n;
                    i += n as usize;
                    if self.size == 0 {
                        self.at = At::DataEnd;
                    }
                    continue;
                }
                At::Extension | At::TrailerLine => {
                    let Some(n) = memchr::memchr(b'\n', &bytes[i..]) else { return step(bytes.len(), content) };
                    i += n + 1;
                    self.at = match self.at {
                        At::TrailerLine => At::TrailerStart,
                        _ if self.size == 0 => At::TrailerStart,
                        _ => At::Data,
                    };
                    continue;
                }
                At::TrailerStart | At::TrailerCr if b == b'\n' => {
                    return Step { used: i + 1, content, state: After::Whole };
                }
                At::TrailerStart if b == b'\r' => self.at = At::TrailerCr,
                At::TrailerStart | At::TrailerCr => self.at = At::TrailerLine,
                At::DataEnd => match b {
                    b'\r' => {}
                    b'\n' => self.at = At::Begin,
                    _ if b.is_ascii_hexdigit() => {
                        (self.at, self.is_loose) = (At::Begin, true);
                        continue;
                    }
                    _ => return Step { used: i, content, state: After::Wrong },
                },
                At::Begin => match hex(b) {
                    Some(digit) => (self.at, self.size) = (At::Digits, digit),
                    None if matches!(b, b' ' | b'\t' | b'\r' | b'\n') => self.is_loose = true,
                    None => return Step { used: i, content, state: After::Wrong },
                },
                At::Digits => match hex(b) {
                    Some(_) if self.size >> 60 != 0 => return Step { used: i, content, state: After::Wrong },
                    Some(digit) => self.size = self.size << 4 | digit,
                    None if matches!(b, b'\r' | b'\n' | b';' | b' ' | b'\t') => {
                        self.at = At::Extension;
                        continue;
                    }
                    None => return Step { used: i, content, state: After::Wrong },
                },
            }
            i += 1;
        }
        step(i, content)
    }
}

const fn step(used: usize, content: u64) -> Step {
    Step { used, content, state: After::More }
}

const fn hex(b: u8) -> Option<u64> {
    match (b as char).to_digit(16) {
        Some(digit) => Some(digit as u64),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes used, content, and how it ended, with the bytes given in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> (usize, u64, After) {
        let mut body = Body::Chunked(Chunked::default());
        let (mut used, mut content) = (0, 0);
        for piece in bytes.chunks(piece) {
            let step = body.read(piece);
            used += step.used;
            content += step.content;
            if step.state != After::More {
                return (used, content, step.state);
            }
        }
        (used, content, After::More)
    }

    #[test]
    fn chunked_bodies_end_where_they_say_however_they_are_cut() {
        for (bytes, used, content, state) in [
            ("0\r\n\r\nnext", 5, 0, After::Whole),
            ("5\r\nhello\r\n0\r\n\r\n", 15, 5, After::Whole),
            ("5;a=b\r\nhello\r\n000\r\nX: y\r\nZ: w\r\n\r\nrest", 33, 5, After::Whole),
            ("5\nhello\n0\n\nrest", 11, 5, After::Whole),
            ("A \r\n0123456789\r\n0\r\n\r\n", 21, 10, After::Whole),
            ("5\r\nhello5\r\nworld\r\n0\r\n\r\n", 23, 10, After::Whole),
            ("5\r\nhel", 6, 3, After::More),
            ("x", 0, 0, After::Wrong),
            ("5x\r\n", 1, 0, After::Wrong),
            ("-5\r\n", 0, 0, After::Wrong),
            ("5\r\nhello#", 8, 5, After::Wrong),
            ("10000000000000000\r\n", 16, 0, After::Wrong),
            ("ffffffffffffffff\r\nabc", 21, 3, After::More),
        ] {
            for piece in 1..=bytes.len() {
                assert_eq!(read(bytes.as_bytes(), piece), (used, content, state), "{bytes:?} by {piece}");
            }
        }
    }

    #[test]
    fn content_is_passed_over_by_number() {
        let mut body = Body::Length(10);
        assert_eq!(body.opaque(), 10);
        assert_eq!(body.skip(4), After::More);
        assert_eq!(body.read(b"0123456789"), Step { used: 6, content: 6, state: After::Whole });
        let mut body = Body::Chunked(Chunked::default());
        assert_eq!((body.opaque(), body.read(b"a\r\n01").content, body.opaque()), (0, 2, 8));
        assert_eq!(body.skip(8), After::More);
        assert_eq!(body.read(b"\r\n0\r\n\r\n").state, After::Whole);
    }
}
