//! How far a file was read, and by what its content is known again: hashes of its beginning and of what was read last.
//!
//! In: bytes at some places of a file. Out: whether it is that file, or a copy of it, or begins alike and is shorter.

use sha2::{Digest as _, Sha256};

/// Bytes at the beginning of a file that tell it from others, at most.
pub(crate) const HEAD_BYTES: u64 = 1_024;

/// Bytes before the place of reading that tell whether it was written anew, at most.
pub(crate) const LAST_BYTES: u64 = 256;

/// A place in a file whose content is known by hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    /// Bytes read and accounted for; at the end of a line, or within one that is skipped.
    pub(crate) offset: u64,
    /// Bytes that `head` stands for; more than `offset` where a line was seen that is not whole.
    pub(crate) head_bytes: u64,
    /// Hash of the beginning.
    pub(crate) head: u64,
    /// Bytes before `offset` that `last` stands for.
    pub(crate) last_bytes: u64,
    /// Hash of them.
    pub(crate) last: u64,
    /// Whether the rest of the line at `offset` is to be dropped.
    pub(crate) skips_line: bool,
}

/// What a file is to a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// Holds what was read, and may hold more.
    Same,
    /// Begins alike and ends before the mark.
    Shorter,
    /// Another one.
    Other,
}

impl Mark {
    /// Where a file of this length would be compared at its end with what was read last.
    pub(crate) fn last_from(&self) -> u64 {
        self.offset - self.last_bytes
    }

    /// Whether anything of the content is known.
    pub(crate) fn is_known(&self) -> bool {
        self.head_bytes > 0
    }

    /// Judges a file by its beginning (up to [`Mark::head_bytes`]) and by the bytes from [`Mark::last_from`] to the
    /// offset; both are shorter where the file is.
    pub(crate) fn judge(&self, head: &[u8], last: &[u8]) -> Likeness {
        let is_same = |bytes: &[u8], known: u64| bytes.is_empty() || hash(bytes) == known;
        if head.len() as u64 != self.head_bytes || !is_same(head, self.head) {
            return Likeness::Other;
        }
        match last.len() as u64 == self.last_bytes {
            false => Likeness::Shorter,
            true if is_same(last, self.last) => Likeness::Same,
            true => Likeness::Other,
        }
    }

    /// Goes on by `bytes`, of which `last` are the latest that were read, in the file, before the new offset.
    pub(crate) fn advance(&mut self, bytes: u64, last: &[u8]) {
        self.offset += bytes;
        let last = &last[last.len().saturating_sub(LAST_BYTES as usize)..];
        (self.last_bytes, self.last) = (last.len() as u64, hash(last));
    }

    /// Learns the beginning, where more of it is known now; as much as [`HEAD_BYTES`].
    pub(crate) fn learn_head(&mut self, head: &[u8]) {
        let head = &head[..head.len().min(HEAD_BYTES as usize)];
        if head.len() as u64 > self.head_bytes {
            (self.head_bytes, self.head) = (head.len() as u64, hash(head));
        }
    }
}

/// The first eight bytes of SHA-256, the same in every version, as cursors outlive programs.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let digest = Sha256::digest(bytes);
    digest.iter().take(8).fold(0, |n, &byte| n << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(content: &[u8], offset: usize) -> Mark {
        let mut mark = Mark::default();
        mark.learn_head(content);
        mark.advance(offset as u64, &content[..offset]);
        mark
    }

    fn judge(mark: &Mark, content: &[u8]) -> Likeness {
        let until = |to: u64| content.len().min(to as usize);
        let from = until(mark.last_from());
        mark.judge(&content[..until(mark.head_bytes)], &content[from..until(mark.offset)])
    }

    #[test]
    fn files_are_known_by_their_content() {
        let long: Vec<u8> = (0..9_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let mut regrown = b"another\n".to_vec();
        regrown.extend_from_slice(&long);
        let mut same_head = long.clone();
        same_head[19_990] ^= 1;
        for (read, offset, content, want) in [
            (&b"one\ntwo\n"[..], 8, &b"one\ntwo\nthree\n"[..], Likeness::Same),
            (b"one\ntwo\n", 8, b"one\ntwo\n", Likeness::Same),
            (b"one\ntw", 4, b"one\ntwo\n", Likeness::Same),
            (b"one\ntw", 4, b"one\nthree\n", Likeness::Other),
            (b"one\n", 4, b"", Likeness::Other),
            (b"one\n", 4, b"two\n", Likeness::Other),
            (b"", 0, b"anything", Likeness::Same),
            (b"", 0, b"", Likeness::Same),
            (&long, 20_000, &long, Likeness::Same),
            (&long, 20_000, &long[..20_100], Likeness::Same),
            (&long, 20_000, &long[..19_000], Likeness::Shorter),
            (&long, 20_000, &regrown, Likeness::Other),
            (&long, 20_000, &same_head, Likeness::Other),
        ] {
            let text = String::from_utf8_lossy(&content[..content.len().min(20)]);
            assert_eq!(judge(&marked(read, offset), content), want, "{offset} {text}");
        }
    }

    #[test]
    fn a_beginning_is_learned_once() {
        let mut mark = marked(b"one\n", 4);
        mark.learn_head(b"one\ntwo\n");
        assert_eq!((mark.head_bytes, mark.head), (8, hash(b"one\ntwo\n")));
        mark.learn_head(b"on");
        assert_eq!(mark.head_bytes, 8);
    }
}
