//! From TCP segments to what both sides of a connection said, in order.
//!
//! In: [`Segment`](crate::decode::Segment)s of all connections, as captured. Out: calls of an [`Application`], one value
//! per connection. Bytes that the application does not look at (bodies) are counted, not kept.

use pitot_model::{Reason, Timestamp};

use crate::decode::Endpoint;

mod connection;
mod flow;
mod hash;
mod late;
mod sequence;
mod slots;
mod tracker;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;

pub use tracker::{Limits, Tracker};

/// Which way bytes flow. Without a handshake nobody knows yet who is the client: [`Way::Forth`] is what the sender of the
/// SYN says, or, where the capture joined later, the sender of the first segment that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the opener.
    Forth,
    /// To the opener.
    Back,
}

impl Way {
    /// The opposite.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Forth => Self::Back,
            Self::Back => Self::Forth,
        }
    }
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// Who sends [`Way::Forth`].
    pub opener: Endpoint,
    /// Who sends [`Way::Back`].
    pub other: Endpoint,
    /// Whether the handshake was seen, so that `opener` is the client and both streams are known from their first byte.
    pub has_handshake: bool,
}

/// The next bytes of a stream. Offsets count bytes of one stream; they start anywhere, and never go back.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// Offset of the first byte.
    pub offset: u64,
    /// The bytes, at least one.
    pub bytes: &'a [u8],
    /// When the segment that brought them was first captured.
    pub at: Timestamp,
    /// How far the sender had then received the other stream: the offset of the first byte of it that it had not
    /// acknowledged. `None` without the flag, or while nothing is known of the other stream.
    pub acknowledged: Option<u64>,
    /// Whether the bytes begin a segment: most messages do.
    pub begins_segment: bool,
    /// Whether [`Taken::Wait`] is allowed. Patience ends when the other stream cannot get any further.
    pub may_wait: bool,
}

/// Bytes of a stream that nobody can look at.
#[derive(Debug, Clone, Copy)]
pub struct Gap {
    /// Offset of the first of them.
    pub offset: u64,
    /// How many; at least one.
    pub len: u64,
    /// Why.
    pub kind: GapKind,
    /// For [`GapKind::Unkept`] when their segment was captured; else when the gap was given up on.
    pub at: Timestamp,
}

/// Why bytes cannot be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// Their segment was seen, at the moment in [`Gap::at`], but not its bytes: the snap length cut them, or they lay
    /// below [`Application::unneeded`] when they came. Where only their number counts, nothing is missing.
    Unkept,
    /// The capture never saw them.
    Lost,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// FIN, after all bytes before it (or gaps) were told.
    Fin,
    /// RST by the sender of this stream.
    Reset,
}

/// Why a connection is over for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// Both sides ended, or one reset.
    Ended,
    /// Nothing happened for long.
    Idle,
    /// The table was full, or all together held too much, and this one was the longest without news.
    Evicted,
    /// The same addresses and ports began a new connection.
    Replaced,
    /// The capture ended.
    EndOfCapture,
}

/// What became of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Read.
    All,
    /// Not looked at: offer it again when the other stream was read up to `acknowledged`, or cannot be.
    Wait,
}

/// What is made of the streams of one connection: a state machine, driven by [`Tracker`].
pub trait Application: Default {
    /// Where what it makes goes.
    type Sink: ?Sized;

    /// The next bytes.
    fn chunk(&mut self, peers: &Peers, way: Way, chunk: &Chunk<'_>, sink: &mut Self::Sink) -> Taken;

    /// Bytes that cannot be looked at, in their place.
    fn gap(&mut self, peers: &Peers, way: Way, gap: &Gap, sink: &mut Self::Sink);

    /// No more bytes will come this way.
    fn end(&mut self, peers: &Peers, way: Way, end: End, at: Timestamp, sink: &mut Self::Sink);

    /// The last call. Without an end of both ways before, the connection was cut off from our sight.
    fn close(&mut self, peers: &Peers, close: Close, at: Timestamp, sink: &mut Self::Sink);

    /// Time has passed: about once a second of the capture's time. For answers that never come.
    fn tick(&mut self, peers: &Peers, now: Timestamp, sink: &mut Self::Sink);

    /// Offset up to which the bytes of a stream are not looked at, as far as is known now.
    fn unneeded(&self, way: Way) -> u64;

    /// Whether it will never look at bytes again (TLS, other protocols): nothing is reassembled any more.
    fn is_done(&self) -> bool;

    /// Memory that it holds, beyond what every connection takes; in constant time, since it is asked often.
    fn heap_bytes(&self) -> usize;

    /// The tracker itself lost or skipped something.
    fn count(sink: &mut Self::Sink, reason: Reason, n: u64);
}
