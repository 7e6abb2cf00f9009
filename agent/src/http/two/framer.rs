//! From one direction of a connection to frames.
//!
//! In: chunks and gaps, in order. Out: [`Event`]s. Payloads of bodies pass by in pieces and are never kept; those of frames
//! that are read whole are kept only where segments cut them.

use pitot_model::Timestamp;

use super::{
    super::request::Span,
    frame::{self, HEAD_BYTES, Head, PREFACE},
};
use crate::tcp::{Chunk, Gap, GapKind};

/// Longest payload of a frame that is read whole; header blocks are no longer either.
pub(super) const PAYLOAD_BYTES: usize = 64 << 10;

/// Room for payloads that stays when one was larger.
const ORDINARY_BYTES: usize = 4 << 10;

/// What a stream of frames holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event<'a> {
    /// The client begins.
    Preface,
    /// A frame that is read whole, when it was sent.
    Frame { head: Head, payload: &'a [u8], span: Span },
    /// Such a frame, but its payload is longer than anyone needs, or was not captured.
    Hidden { head: Head, span: Span, is_too_long: bool },
    /// A piece of a body.
    Data { stream: u32, bytes: &'a [u8], at: Timestamp },
    /// A piece of a body that nobody can look at.
    DataGap { stream: u32, len: u64, is_lost: bool, at: Timestamp },
    /// A DATA frame is over, and whether its last byte was captured.
    DataEnd { head: Head, span: Span, is_end_seen: bool },
    /// It is not known any more where frames begin.
    Lost,
}

/// Reads frames.
pub(super) struct Framer {
    /// Offset of the next byte.
    next: u64,
    state: State,
    /// What came of a head that is not whole yet.
    head_bytes: ([u8; HEAD_BYTES], usize),
    /// What came of the payload of a frame that is read whole, where a segment ended in it.
    kept: Vec<u8>,
    head: Head,
    /// Bytes of the payload that are still to come.
    left: u32,
    /// How many of those at its end are padding.
    padding: u32,
    span: Span,
    is_hidden: bool,
    is_end_seen: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At a frame, or in its head.
    Head,
    /// Before the length of the padding of a DATA frame.
    Pad,
    /// In a DATA frame.
    Data,
    /// In a frame that is read whole.
    Whole,
    /// In a frame that nobody needs.
    Idle,
    /// Somewhere.
    Lost,
}

impl Framer {
    pub(super) fn new() -> Self {
        Self {
            next: 0,
            state: State::Head,
            head_bytes: Default::default(),
            kept: Vec::new(),
            head: Head::default(),
            left: 0,
            padding: 0,
            span: Span::default(),
            is_hidden: false,
            is_end_seen: true,
        }
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// Nothing was said for a while: frees what the next frame does not need.
    pub(super) fn rest(&mut self) {
        if self.state == State::Head {
            self.kept = Vec::new();
        }
    }

    /// To call before a chunk is [read](Self::read). Where frames were lost, what begins a segment and looks like frames is
    /// taken up. `is_open` tells which streams are.
    pub(super) fn begin(&mut self, chunk: &Chunk<'_>, is_open: impl Fn(u32) -> bool) {
        self.next = chunk.offset;
        if self.state == State::Lost && chunk.begins_segment && frame::are_frames(chunk.bytes, is_open) {
            self.head_bytes.1 = 0;
            self.state = State::Head;
        }
    }

    /// The next event in these bytes of a chunk, which shrink; `None` when they are used up.
    pub(super) fn read<'a, 'b: 'a>(&'a mut self, bytes: &mut &'b [u8], at: Timestamp) -> Option<Event<'a>> {
        loop {
            match self.state {
                State::Lost => {
                    self.next += bytes.len() as u64;
                    *bytes = &[];
                    return None;
                }
                State::Head => {
                    let head = self.read_head(bytes, at)?;
                    if let Some(event) = self.begin_frame(&head) {
                        return Some(event);
                    }
                }
                State::Pad => {
                    let &[pad] = self.take(bytes, 1, at)? else { return None };
                    self.padding = u32::from(pad).min(self.left);
                    self.state = State::Data;
                }
                State::Data if self.left == 0 => return Some(self.end_data()),
                State::Data => {
                    let body = self.left - self.padding;
                    if body == 0 {
                        self.padding -= self.take(bytes, self.padding, at)?.len() as u32;
                        continue;
                    }
                    let stream = self.head.stream;
                    return self.take(bytes, body, at).map(|bytes| Event::Data { stream, bytes, at });
                }
                State::Idle if self.left == 0 => self.state = State::Head,
                State::Idle => {
                    self.take(bytes, self.left, at)?;
                }
                State::Whole => return self.read_whole(bytes, at),
            }
        }
    }

    /// Takes up to `n` bytes of the payload; `None` when there are none.
    fn take<'a>(&mut self, bytes: &mut &'a [u8], n: u32, at: Timestamp) -> Option<&'a [u8]> {
        if bytes.is_empty() {
            return None;
        }
        let (taken, rest) = bytes.split_at(bytes.len().min(n as usize));
        *bytes = rest;
        self.next += taken.len() as u64;
        self.left -= taken.len() as u32;
        self.span.add(at);
        self.is_end_seen = true;
        Some(taken)
    }

    /// Reads the head of a frame; `None` when more bytes are needed.
    fn read_head(&mut self, bytes: &mut &[u8], at: Timestamp) -> Option<[u8; HEAD_BYTES]> {
        let (kept, len) = &mut self.head_bytes;
        if bytes.is_empty() {
            return None;
        }
        if *len == 0 {
            self.span = Span::at(at);
        }
        self.span.add(at);
        let (taken, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - *len));
        *bytes = rest;
        self.next += taken.len() as u64;
        kept[*len..*len + taken.len()].copy_from_slice(taken);
        *len += taken.len();
        if *len < HEAD_BYTES {
            return None;
        }
        *len = 0;
        Some(*kept)
    }

    fn begin_frame<'a>(&mut self, bytes: &[u8; HEAD_BYTES]) -> Option<Event<'a>> {
        (self.padding, self.is_hidden, self.is_end_seen) = (0, false, true);
        self.kept.clear();
        self.kept.shrink_to(ORDINARY_BYTES);
        if PREFACE.starts_with(bytes) {
            (self.state, self.left) = (State::Idle, (PREFACE.len() - HEAD_BYTES) as u32);
            return Some(Event::Preface);
        }
        self.head = Head::parse(bytes);
        if !self.head.is_valid() {
            self.state = State::Lost;
            return Some(Event::Lost);
        }
        self.left = self.head.len;
        self.state = match self.head.kind {
            frame::DATA if self.head.is_padded() && self.left > 0 => State::Pad,
            frame::DATA => State::Data,
            frame::HEADERS
            | frame::CONTINUATION
            | frame::PUSH_PROMISE
            | frame::RST_STREAM
            | frame::SETTINGS
            | frame::GOAWAY => State::Whole,
            _ => State::Idle,
        };
        None
    }

    fn read_whole<'a, 'b: 'a>(&'a mut self, bytes: &mut &'b [u8], at: Timestamp) -> Option<Event<'a>> {
        if self.left > 0 {
            let taken = self.take(bytes, self.left, at)?;
            let is_kept = !self.is_hidden && self.head.len as usize <= PAYLOAD_BYTES;
            if is_kept && taken.len() == self.head.len as usize {
                self.state = State::Head;
                return Some(Event::Frame { head: self.head, payload: taken, span: self.span });
            }
            if is_kept {
                self.kept.extend_from_slice(taken);
            }
            if self.left > 0 {
                return None;
            }
        }
        Some(self.end_whole())
    }

    fn end_whole(&mut self) -> Event<'_> {
        self.state = State::Head;
        let (head, span) = (self.head, self.span);
        match self.kept.len() == head.len as usize {
            true => Event::Frame { head, payload: &self.kept, span },
            false => Event::Hidden { head, span, is_too_long: !self.is_hidden },
        }
    }

    fn end_data<'a>(&mut self) -> Event<'a> {
        self.state = State::Head;
        Event::DataEnd { head: self.head, span: self.span, is_end_seen: self.is_end_seen }
    }

    /// The next event in a gap, of which `left` bytes are left; `None` when it is used up.
    pub(super) fn skip(&mut self, gap: &Gap, left: &mut u64) -> Option<Event<'_>> {
        let is_lost = gap.kind == GapKind::Lost;
        self.next = gap.offset + (gap.len - *left);
        loop {
            match self.state {
                State::Data if self.left == 0 => return Some(self.end_data()),
                State::Whole if self.left == 0 => return Some(self.end_whole()),
                State::Idle if self.left == 0 => self.state = State::Head,
                State::Lost => return None,
                _ if *left == 0 => return None,
                // Where the next frame begins is in the head.
                State::Head => {
                    (self.state, *left) = (State::Lost, 0);
                    return Some(Event::Lost);
                }
                // Without its length, there is no padding for us.
                State::Pad => self.state = State::Data,
                State::Data if self.left == self.padding => {
                    self.padding -= self.pass(left, self.padding, gap, is_lost);
                }
                State::Data => {
                    let len = self.pass(left, self.left - self.padding, gap, is_lost).into();
                    return Some(Event::DataGap { stream: self.head.stream, len, is_lost, at: gap.at });
                }
                State::Idle => {
                    self.pass(left, self.left, gap, is_lost);
                }
                State::Whole => {
                    self.pass(left, self.left, gap, is_lost);
                    self.is_hidden = true;
                    self.kept.clear();
                }
            }
        }
    }

    /// Goes over up to `n` bytes of the payload.
    fn pass(&mut self, left: &mut u64, n: u32, gap: &Gap, is_lost: bool) -> u32 {
        let n = u64::from(n).min(*left) as u32;
        *left -= u64::from(n);
        self.next += u64::from(n);
        self.left -= n;
        self.is_end_seen = !is_lost;
        if !is_lost {
            self.span.add(gap.at);
        }
        n
    }

    /// The stream whose body comes next and the offset at which it begins, if one does.
    pub(super) fn body(&self) -> Option<(u32, u64)> {
        (self.state == State::Data).then_some((self.head.stream, self.next))
    }

    /// Offset up to which nothing is looked at but the number of bytes.
    pub(super) fn unneeded(&self) -> u64 {
        match self.state {
            State::Data | State::Idle => self.next + u64::from(self.left),
            _ => self.next,
        }
    }
}
