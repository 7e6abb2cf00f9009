//! HTTP/2 in cleartext, and gRPC: one connection.
//!
//! In: the chunks and gaps of both directions. Out: an [`Exchange`](super::Exchange) per stream. Bodies pass by their
//! length; of header blocks only the fields that matter are decoded.
//!
//! A capture may begin when the connection has been going on. Then the header tables are not known: fields that refer to
//! them are missing, and a stream of which the method or the status is missing is counted as undecodable. The same holds
//! after a gap. Where a gap hides where frames begin, the next segment that looks like frames is taken up.
//!
//! An answer is a stream when its content type says so (events), when it is a tunnel, when a gRPC call carries several
//! messages one way, or when an answer without a length goes on for long with pauses ([`Limits`](super::Limits)). Sources:
//! RFC 9113 (HTTP/2), RFC 7541 (HPACK), RFC 7540 section 3.2 (upgrade), gRPC over HTTP/2.

mod block;
mod frame;
mod framer;
mod head;
mod hpack;
mod huffman;
mod messages;
mod name;
mod static_table;
mod stream;
mod streams;
#[cfg(test)]
mod tests;

use pitot_model::{Reason, Timestamp};

use super::{
    Sink,
    request::{Request, Span},
};
use crate::{
    decode::Endpoint,
    tcp::{Chunk, End, Gap},
};
use block::{Block, Blocks};
use frame::Head;
pub(crate) use frame::{Match, looks_like_frames, looks_like_preface};
use framer::{Event, Framer};
use head::Message;
use hpack::Given;
use stream::{Over, Side};
use streams::Streams;

/// Stream of a request that HTTP/1 brought.
const UPGRADED: u32 = 1;

/// A connection. Who is the client is what the caller says, until what they say shows otherwise.
pub(super) struct Session {
    framers: [Framer; 2],
    core: Core,
}

/// All but the framers, which lend it their events.
struct Core {
    client: Endpoint,
    server: Endpoint,
    /// Whether the caller takes the client for the server.
    is_swapped: bool,
    is_client_known: bool,
    /// Whether the connection was seen from its first byte.
    is_from_start: bool,
    was_reset: bool,
    /// Whether the client ended its side while the server's went on.
    has_client_left: bool,
    /// Of the client and the server, as the caller says.
    blocks: [Blocks; 2],
    streams: Streams,
    message: Message,
}

impl Session {
    /// A connection between these two, from its first frame or from any.
    pub(super) fn new(client: Endpoint, server: Endpoint) -> Self {
        Self {
            framers: [Framer::new(), Framer::new()],
            core: Core {
                client,
                server,
                is_swapped: false,
                is_client_known: false,
                is_from_start: false,
                was_reset: false,
                has_client_left: false,
                blocks: [Blocks::new(), Blocks::new()],
                streams: Streams::default(),
                message: Message::default(),
            },
        }
    }

    /// A connection that HTTP/1 was upgraded from by this request, whose body is over. It is counted as in flight already.
    pub(super) fn upgraded(client: Endpoint, server: Endpoint, request: Request) -> Self {
        let mut session = Self::new(client, server);
        (session.core.is_client_known, session.core.is_from_start) = (true, true);
        session.core.streams.add_text(request.heap_bytes());
        session.core.streams.open(UPGRADED).upgrade(request);
        session
    }

    /// The next bytes of the client or the server.
    pub(super) fn chunk(&mut self, is_client: bool, chunk: &Chunk<'_>, sink: &mut (impl Sink + ?Sized)) {
        let from = usize::from(!is_client);
        let framer = &mut self.framers[from];
        framer.begin(chunk, |id| self.core.streams.peek(id).is_some());
        let mut bytes = chunk.bytes;
        while let Some(event) = framer.read(&mut bytes, chunk.at) {
            self.core.take(from, event, sink);
        }
    }

    /// Bytes that cannot be looked at.
    pub(super) fn gap(&mut self, is_client: bool, gap: &Gap, sink: &mut (impl Sink + ?Sized)) {
        let from = usize::from(!is_client);
        let framer = &mut self.framers[from];
        let mut left = gap.len;
        while let Some(event) = framer.skip(gap, &mut left) {
            self.core.take(from, event, sink);
        }
    }

    /// No more bytes will come from one side.
    pub(super) fn end(&mut self, is_client: bool, end: End) {
        let core = &mut self.core;
        core.was_reset |= end == End::Reset;
        match core.side(usize::from(!is_client)) {
            Side::Client => core.has_client_left |= end == End::Fin,
            Side::Server if end == End::Fin && !core.has_client_left => {
                core.streams.iter_mut().for_each(stream::Stream::refuse);
            }
            Side::Server => {}
        }
    }

    /// The connection is over, or out of sight.
    pub(super) fn close(&mut self, sink: &mut (impl Sink + ?Sized)) {
        let over = if self.core.was_reset { Over::Reset } else { Over::Truncated };
        while let Some(id) = self.core.streams.next(0, |_, _| true) {
            self.core.close(id, over, sink);
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Timestamp, sink: &mut (impl Sink + ?Sized)) {
        let limit = sink.limits().answer_within;
        let mut from = 0;
        while let Some(id) =
            self.core.streams.next(from, |_, stream| stream.is_overdue() && now.since(stream.latest) >= limit)
        {
            self.core.close(id, Over::Timeout, sink);
            from = id;
        }
        if self.core.streams.rest() {
            // Idle connections are many: their memory is better used elsewhere.
            self.framers.iter_mut().for_each(Framer::rest);
            self.core.blocks.iter_mut().for_each(Blocks::rest);
            self.core.message = Message::default();
        }
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let Core { blocks, streams, message, .. } = &self.core;
        self.framers.iter().map(Framer::heap_bytes).sum::<usize>()
            + blocks.iter().map(Blocks::heap_bytes).sum::<usize>()
            + streams.heap_bytes()
            + message.heap_bytes()
    }

    /// Offset up to which the bytes of one side are not looked at, as far as is known now.
    pub(super) fn unneeded(&self, is_client: bool) -> u64 {
        let from = usize::from(!is_client);
        let framer = &self.framers[from];
        let messages = framer.body().and_then(|(id, next)| {
            let (stream, side) = (self.core.streams.peek(id)?, self.core.side(from));
            if stream.is_peeking(side) {
                return Some(next);
            }
            let messages = stream.messages(side)?;
            Some(next.saturating_add(messages.unneeded()))
        });
        messages.map_or(framer.unneeded(), |end| end.min(framer.unneeded()))
    }
}

impl Core {
    fn side(&self, from: usize) -> Side {
        if (from == 0) != self.is_swapped { Side::Client } else { Side::Server }
    }

    fn take(&mut self, from: usize, event: Event<'_>, sink: &mut (impl Sink + ?Sized)) {
        let side = self.side(from);
        match event {
            Event::Preface => {
                self.set_client(from, sink);
                self.is_from_start = true;
                self.blocks[from].begin();
            }
            Event::Frame { head, payload, span } => self.frame(from, &head, payload, span, sink),
            Event::Hidden { head, span, is_too_long } => {
                let reason = if is_too_long { Reason::HeadTooLong } else { Reason::HeadLost };
                match head.kind {
                    frame::RST_STREAM => self.close(head.stream, Over::Reset, sink),
                    frame::SETTINGS | frame::GOAWAY => {}
                    // The number of a promised stream is in what is hidden.
                    frame::PUSH_PROMISE => self.fragment(from, &head, 0, Err(reason), span, sink),
                    _ => self.fragment(from, &head, head.stream, Err(reason), span, sink),
                }
            }
            Event::Data { stream, bytes, at } => {
                if let Some(stream) = self.streams.get(stream) {
                    stream.add_data(side, bytes, at, sink);
                }
            }
            Event::DataGap { stream, len, is_lost, at } => {
                if let Some(stream) = self.streams.get(stream) {
                    stream.add_gap(side, len, at, is_lost, sink);
                }
            }
            Event::DataEnd { head, span, is_end_seen } if head.ends_stream() => {
                self.end_message(side, head.stream, span, is_end_seen, sink);
            }
            Event::DataEnd { .. } => {}
            Event::Lost => {
                sink.count(Reason::FramingLost, 1);
                self.blocks[from].lose();
                self.streams.iter_mut().for_each(|stream| stream.damage(side));
            }
        }
    }

    fn frame(&mut self, from: usize, head: &Head, payload: &[u8], span: Span, sink: &mut (impl Sink + ?Sized)) {
        match head.kind {
            frame::RST_STREAM => self.close(head.stream, Over::Reset, sink),
            frame::GOAWAY if self.side(from) == Side::Server => self.go_away(payload, sink),
            frame::GOAWAY => {}
            frame::SETTINGS if head.is_ack() => {}
            frame::SETTINGS => self.blocks[from].settings(),
            _ => {
                let id = if head.kind == frame::PUSH_PROMISE { head.promised(payload) } else { Some(head.stream) };
                let fragment = head.fragment(payload).ok_or(Reason::HeadMalformed);
                self.fragment(from, head, id.unwrap_or_default(), fragment, span, sink);
            }
        }
    }

    /// The server answers no stream beyond the last that it names.
    fn go_away(&mut self, payload: &[u8], sink: &mut (impl Sink + ?Sized)) {
        let Some(last) = frame::number(payload).map(|n| n & 0x7fff_ffff) else { return };
        let is_refused = |id: u32, stream: &stream::Stream| !id.is_multiple_of(2) && !stream.has_response();
        while let Some(id) = self.streams.next(last.saturating_add(1), is_refused) {
            self.close(id, Over::Reset, sink);
        }
    }

    fn fragment(
        &mut self,
        from: usize,
        head: &Head,
        id: u32,
        fragment: Result<&[u8], Reason>,
        span: Span,
        sink: &mut (impl Sink + ?Sized),
    ) {
        let block = match self.blocks[from].add(head, id, fragment, span) {
            Ok(Some(block)) => block,
            Ok(None) => return,
            Err(reason) => return sink.count(reason, 1),
        };
        let limits = sink.limits();
        let bytes = fragment.unwrap_or_default();
        let read = self.blocks[from].read(&block, bytes, self.is_from_start, limits, &mut self.message);
        if read == Ok(Given::Some) {
            sink.count(Reason::HeadTooLong, 1);
        }
        if !self.is_client_known && read.is_ok() {
            self.learn_client(from, &block, sink);
        }
        self.message(self.side(from), &block, read.map(|_| ()), sink);
    }

    /// Requests come from the client, so it shows who that is.
    fn learn_client(&mut self, from: usize, block: &Block, sink: &mut (impl Sink + ?Sized)) {
        let asks = !self.message.request.method().is_empty();
        if asks == self.message.status.is_some() {
            return;
        }
        let is_client = asks != (block.head.kind == frame::PUSH_PROMISE);
        self.set_client(if is_client { from } else { 1 - from }, sink);
    }

    fn set_client(&mut self, from: usize, sink: &mut (impl Sink + ?Sized)) {
        self.is_client_known = true;
        if self.side(from) != Side::Client {
            // What there is so far could not be read, else it would be known.
            while let Some(id) = self.streams.next(0, |_, _| true) {
                self.close(id, Over::Truncated, sink);
            }
            self.is_swapped = !self.is_swapped;
            std::mem::swap(&mut self.client, &mut self.server);
        }
    }

    /// A header block: a request, a promised request, a response, or trailers.
    fn message(&mut self, side: Side, block: &Block, read: Result<(), Reason>, sink: &mut (impl Sink + ?Sized)) {
        let Block { id, span, .. } = *block;
        let is_promise = block.head.kind == frame::PUSH_PROMISE;
        if id == 0 || self.streams.was_closed(id) && self.streams.get(id).is_none() {
            return;
        }
        if side == Side::Client || is_promise {
            self.request(id, read, span, sink);
        } else {
            self.response(id, read, span, sink);
        }
        let side = if is_promise { Side::Client } else { side };
        if is_promise || block.head.ends_stream() {
            self.end_message(side, id, span, true, sink);
        }
        while let Some(id) = self.streams.surplus() {
            self.close(id, Over::Truncated, sink);
        }
    }

    fn request(&mut self, id: u32, read: Result<(), Reason>, span: Span, sink: &mut (impl Sink + ?Sized)) {
        let stream = self.streams.open(id);
        if stream.has_request() {
            // Trailers, which say nothing that matters.
            return;
        }
        match read {
            Ok(()) => {
                stream.begin_request(&mut self.message, span, sink);
                let bytes = stream.text_bytes;
                self.streams.add_text(bytes);
            }
            Err(reason) => stream.begin_unreadable(reason, span, sink),
        }
    }

    fn response(&mut self, id: u32, read: Result<(), Reason>, span: Span, sink: &mut (impl Sink + ?Sized)) {
        let message = &mut self.message;
        let is_trailers = read.is_ok() && message.status.is_none() && message.n_unknown == 0;
        if is_trailers && self.streams.get(id).is_none() {
            // Of a response that began before the capture.
            return sink.count(Reason::ResponseUnmatched, 1);
        }
        let stream = self.streams.open(id);
        match read {
            Ok(()) => stream.add_response(message, span, sink),
            Err(reason) => stream.add_unreadable(reason, span, sink),
        }
    }

    fn end_message(&mut self, side: Side, id: u32, span: Span, is_end_seen: bool, sink: &mut (impl Sink + ?Sized)) {
        let Some(stream) = self.streams.get(id) else { return };
        stream.end(side, span, is_end_seen, sink);
        if stream.is_complete() {
            self.close(id, Over::Complete, sink);
        }
    }

    fn close(&mut self, id: u32, over: Over, sink: &mut (impl Sink + ?Sized)) {
        if let Some(mut stream) = self.streams.close(id) {
            stream.finish(id, self.client, self.server, over, sink);
            self.streams.put_back(stream);
        }
    }
}
