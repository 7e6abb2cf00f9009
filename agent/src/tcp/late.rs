//! What a flow has beyond its next byte: parts that came too early, chunks that the application refused, and since when
//! what is missing is missing.
//!
//! In: parts of segments. Out: pieces in order, none overlapping another; of bytes that came twice the first copy.

use std::collections::VecDeque;

use pitot_model::Timestamp;

/// A run of bytes of a segment; the capture may have cut its tail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// Offset of the first byte.
    pub(super) start: u64,
    /// Bytes on the wire.
    pub(super) len: u64,
    /// Those that were captured, `<= len`.
    pub(super) bytes: &'a [u8],
    /// When.
    pub(super) at: Timestamp,
    /// See [`Chunk::acknowledged`](super::Chunk).
    pub(super) acknowledged: Option<u64>,
    /// Whether it is the first of its segment.
    pub(super) begins_segment: bool,
}

impl Part<'_> {
    /// Offset after the last byte.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Without the first `n` bytes.
    #[must_use]
    pub(super) fn skip(self, n: u64) -> Self {
        if n == 0 {
            return self;
        }
        let n = n.min(self.len);
        let bytes = self.bytes.get(n as usize..).unwrap_or_default();
        Self { start: self.start + n, len: self.len - n, bytes, begins_segment: false, ..self }
    }

    /// The first `n` bytes.
    #[must_use]
    pub(super) fn take(self, n: u64) -> Self {
        let len = n.min(self.len);
        Self { len, bytes: &self.bytes[..self.bytes.len().min(len as usize)], ..self }
    }
}

/// A [`Part`] that is kept.
#[derive(Debug)]
pub(super) struct Piece {
    start: u64,
    len: u64,
    bytes: Box<[u8]>,
    at: Timestamp,
    acknowledged: Option<u64>,
    begins_segment: bool,
    /// Nobody needs the bytes, so they were not kept.
    is_skipped: bool,
}

impl Piece {
    /// Its content.
    pub(super) fn part(&self) -> Part<'_> {
        Part {
            start: self.start,
            len: self.len,
            bytes: &self.bytes,
            at: self.at,
            acknowledged: self.acknowledged,
            begins_segment: self.begins_segment,
        }
    }

    fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// What exists only while a flow is not simply in order.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// Ordered, disjoint, none empty.
    pieces: VecDeque<Piece>,
    /// Sum of what they keep.
    bytes: usize,
    /// What is missing before the first piece.
    pub(super) hole: Hole,
    /// How far the other stream was read when the first piece was refused.
    pub(super) refused: Option<u64>,
    /// Where a segment claimed to be that was too far off to be believed.
    pub(super) claim: Option<u64>,
}

/// Since when bytes are missing.
#[derive(Debug, Default)]
pub(super) struct Hole {
    /// The first of them.
    pub(super) start: u64,
    /// When that was noticed.
    pub(super) since: Timestamp,
    /// When it was noticed that the peer has them, and the segments of the connection seen by then or after.
    pub(super) acknowledged: Option<(Timestamp, u32)>,
    /// Whether they are a single number that was given up, and may yet turn out to have been the end.
    pub(super) is_given_up: bool,
}

impl Late {
    /// Keeps what is not kept already; of bytes below `unneeded` only that they came.
    pub(super) fn add(&mut self, mut part: Part<'_>, unneeded: u64) {
        let mut idx = self.pieces.partition_point(|p| p.end() <= part.start);
        while part.len > 0 {
            let free = match self.pieces.get(idx) {
                Some(p) if p.start <= part.start => {
                    part = part.skip(p.end() - part.start);
                    idx += 1;
                    continue;
                }
                Some(p) => part.len.min(p.start - part.start),
                None => part.len,
            };
            let skipped = unneeded.saturating_sub(part.start).min(free);
            let n = if skipped > 0 { skipped } else { free };
            idx += usize::from(self.insert(idx, part.take(n), skipped > 0));
            part = part.skip(n);
        }
    }

    /// Puts back what [`Self::pop`] gave.
    pub(super) fn put_back(&mut self, piece: Piece) {
        self.bytes += piece.bytes.len();
        self.pieces.push_front(piece);
    }

    /// The first piece, if it starts at `next`.
    pub(super) fn pop(&mut self, next: u64) -> Option<Piece> {
        let piece = self.pieces.pop_front_if(|p| p.start == next)?;
        self.bytes -= piece.bytes.len();
        if self.pieces.len() * 4 < self.pieces.capacity() {
            self.pieces.shrink_to(self.pieces.len() * 2);
        }
        Some(piece)
    }

    /// Offset and acknowledgement of the first piece.
    pub(super) fn first(&self) -> Option<(u64, Option<u64>)> {
        self.pieces.front().map(|p| (p.start, p.acknowledged))
    }

    /// Offset after the last piece.
    pub(super) fn end(&self) -> Option<u64> {
        self.pieces.back().map(Piece::end)
    }

    /// How many pieces there are.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Memory that it takes, about.
    pub(super) fn cost(&self) -> usize {
        size_of::<Self>() + self.pieces.capacity() * size_of::<Piece>() + self.bytes + self.pieces.len() * HEAP_BYTES
    }

    /// Whether it grew.
    fn insert(&mut self, idx: usize, part: Part<'_>, is_skipped: bool) -> bool {
        if is_skipped
            && let Some(p) = idx.checked_sub(1).and_then(|i| self.pieces.get_mut(i))
            && p.is_skipped
            && p.end() == part.start
        {
            // One body: only the time of its last byte counts.
            p.len += part.len;
            p.at = p.at.max(part.at);
            return false;
        }
        let bytes: Box<[u8]> = if is_skipped { Box::default() } else { part.bytes.into() };
        self.bytes += bytes.len();
        let Part { start, len, at, acknowledged, begins_segment, .. } = part;
        self.pieces.insert(idx, Piece { start, len, bytes, at, acknowledged, begins_segment, is_skipped });
        true
    }
}

/// What the allocator needs for a piece's bytes.
const HEAP_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn part(start: u64, len: u64, bytes: &str) -> Part<'_> {
        let at = Timestamp::from_micros(start as i64);
        Part { start, len, bytes: bytes.as_bytes(), at, acknowledged: None, begins_segment: true }
    }

    fn shown(late: &Late) -> String {
        let piece = |p: &Piece| format!("{}+{}:{}", p.start, p.len, String::from_utf8_lossy(&p.bytes));
        late.pieces.iter().map(piece).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn first_copies_win_and_holes_between_are_filled() {
        for (parts, unneeded, want) in [
            (vec![(10, 3, "abc"), (13, 2, "de")], 0, "10+3:abc 13+2:de"),
            (vec![(13, 2, "de"), (10, 3, "abc")], 0, "10+3:abc 13+2:de"),
            (vec![(10, 3, "abc"), (10, 3, "xyz")], 0, "10+3:abc"),
            (vec![(10, 3, "abc"), (9, 5, "vwxyz")], 0, "9+1:v 10+3:abc 13+1:z"),
            (
                vec![(10, 1, "a"), (12, 1, "c"), (14, 1, "e"), (9, 7, "tuvwxyz")],
                0,
                "9+1:t 10+1:a 11+1:v 12+1:c 13+1:x 14+1:e 15+1:z",
            ),
            // cut by the capture
            (vec![(10, 5, "ab"), (14, 3, "xyz")], 0, "10+5:ab 15+2:yz"),
            (vec![(12, 1, "c"), (10, 5, "ab")], 0, "10+2:ab 12+1:c 13+2:"),
            // not needed
            (vec![(10, 3, "abc"), (13, 2, "de")], 15, "10+5:"),
            (vec![(10, 3, "abc"), (15, 2, "de"), (13, 2, "xy")], 16, "10+5: 15+1: 16+1:e"),
            (vec![(10, 5, "abcde")], 12, "10+2: 12+3:cde"),
        ] {
            let mut late = Late::default();
            for (start, len, bytes) in &parts {
                late.add(part(*start, *len, bytes), unneeded);
            }
            assert_eq!(shown(&late), want, "{parts:?}");
            let kept = late.pieces.iter().map(|p| p.bytes.len()).sum::<usize>();
            assert_eq!(late.bytes, kept);
        }
    }

    #[test]
    fn bytes_that_nobody_needs_have_the_time_of_the_latest() {
        let mut late = Late::default();
        late.add(part(20, 5, "fghij"), 100);
        late.add(part(25, 5, "klmno"), 100);
        let piece = late.pop(20).unwrap();
        assert_eq!((piece.part().len, piece.part().at), (10, Timestamp::from_micros(25)));
        assert!(late.pop(30).is_none());
        assert_eq!(late.bytes, 0);
    }
}
