//! Where reading stands in one stream of an HTTP/1 connection.
//!
//! In: nothing of its own; [`One`](super::one::One) moves it. Out: what the next bytes are.

use super::{body::Body, request::Span};
use crate::tcp::Chunk;

/// Room for a head in several pieces that stays when it was read.
const ORDINARY_BYTES: usize = 2 << 10;

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Offset of the first byte that was not read; `None` before the first.
    pub(super) reached: Option<u64>,
    pub(super) state: Reading,
    /// The head that is being collected, where it came in several pieces.
    pub(super) stash: Vec<u8>,
    /// Where the stash begins.
    pub(super) begin: Begin,
    /// Segments in which no message began, as long as none was found at all.
    pub(super) strangers: u16,
    /// Whether the body is looked at as it passes.
    pub(super) is_peeking: bool,
}

/// What the next bytes are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Reading {
    /// A message begins here.
    #[default]
    Start,
    /// Unknown: messages are looked for where segments begin.
    Search,
    /// The head goes on, which the stash holds the start of. `is_sure` where the first line was believed.
    Head {
        is_sure: bool,
        was_search: bool,
    },
    Body(Body),
    /// Nothing that can be read, until the end: a tunnel.
    Tunnel,
}

/// Where and when a message begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Begin {
    pub(super) offset: u64,
    pub(super) acknowledged: Option<u64>,
    pub(super) span: Span,
}

impl Begin {
    /// At the first byte of a chunk.
    pub(super) const fn of(chunk: &Chunk<'_>) -> Self {
        Self { offset: chunk.offset, acknowledged: chunk.acknowledged, span: Span::at(chunk.at) }
    }
}

impl Reader {
    /// Keeps the start of a head until the rest comes.
    pub(super) fn keep(&mut self, chunk: &Chunk<'_>, bytes: &[u8], is_sure: bool) {
        let was_search = match self.state {
            Reading::Head { was_search, .. } => was_search,
            _ => self.state == Reading::Search,
        };
        if self.stash.is_empty() {
            self.begin = Begin::of(chunk);
        }
        self.stash.extend_from_slice(bytes);
        self.state = Reading::Head { is_sure, was_search };
    }

    /// The head was read. Room for an ordinary one stays, that for a long one is better used elsewhere.
    pub(super) fn put_back(&mut self, mut stash: Vec<u8>) {
        if stash.capacity() <= ORDINARY_BYTES {
            stash.clear();
            self.stash = stash;
        }
    }

    /// Nothing was said for a while: frees what the next head does not need.
    pub(super) fn rest(&mut self) {
        if self.stash.is_empty() {
            self.stash = Vec::new();
        }
    }

    /// Looks for the next message from here on.
    pub(super) fn search(&mut self) {
        self.state = Reading::Search;
        self.is_peeking = false;
        self.stash = Vec::new();
    }

    /// Whether a message may begin within the next `n` bytes.
    pub(super) fn may_begin_within(&self, n: u64) -> bool {
        match &self.state {
            Reading::Start | Reading::Search => true,
            Reading::Body(body) => body.opaque() < n,
            Reading::Head { .. } | Reading::Tunnel => false,
        }
    }

    /// Offset up to which bytes are not looked at.
    pub(super) fn unneeded(&self) -> u64 {
        if self.is_peeking { self.reached.unwrap_or(0) } else { self.known_end() }
    }

    /// Offset up to which it is known what the bytes are.
    pub(super) fn known_end(&self) -> u64 {
        let reached = self.reached.unwrap_or(0);
        match &self.state {
            Reading::Body(body) => reached.saturating_add(body.opaque()),
            Reading::Tunnel => u64::MAX,
            _ => reached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_for_long_heads_does_not_stay() {
        for (len, stays) in [(600, true), (8_000, false)] {
            let mut reader = Reader::default();
            reader.put_back(vec![b'a'; len]);
            assert_eq!((reader.stash.capacity() >= len, reader.stash.len()), (stays, 0), "{len}");
            reader.rest();
            assert_eq!(reader.stash.capacity(), 0);
        }
    }
}
