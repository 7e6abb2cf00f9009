//! HTTP/1.x: one connection.
//!
//! In: chunks and gaps of both streams. Out: exchanges, by way of [`Pairing`]. Heads are read where they lie when a
//! segment holds them whole, else collected; bodies pass by their length.
//!
//! After a gap that hides where messages end, and where the capture joined a connection late, messages are looked for at
//! the beginning of segments.

mod begin;
mod bodies;
mod gaps;

use pitot_model::{Protocol, Reason, Status, Timestamp};

use super::{
    Sink,
    answer::Answer,
    body::{Body, Chunked},
    fields::Fields,
    graphql::{Call, Media},
    head::{self, Parsed, RequestLine, StatusLine},
    looks::{self, Match},
    pairing::{Asked, Ends, Kind, Pairing, Whose},
    reader::{Begin, Reader, Reading},
    request::Request,
};
use crate::{
    decode::Endpoint,
    tcp::{Chunk, End, Peers, Way},
};

/// Segments of either side in which nothing was recognised, after which a connection is none of HTTP: both sides sent so
/// many (SOCKS takes three each before HTTP begins), or one alone so many more (it may be a long body).
const STRANGERS: [u16; 2] = [4, 1_024];

/// One connection.
#[derive(Debug, Default)]
pub(super) struct One {
    /// Which way the client sends; `None` until it is known.
    client: Option<Way>,
    /// Of [`Way::Forth`] and [`Way::Back`].
    readers: [Reader; 2],
    pairing: Pairing,
    /// Whether any message was found.
    is_http: bool,
    was_reset: bool,
    /// Whether the client ended its stream while the server's went on.
    has_client_left: bool,
    /// Whether the first bytes of a stream are missing, which a head may have been in if this is HTTP.
    has_lost_start: bool,
    /// The client behind the proxy that opened the connection, where a trusted one said so.
    pub(super) behind: Option<Box<Endpoint>>,
}

/// What becomes of the connection.
#[derive(Debug)]
pub(super) enum Turn {
    /// It goes on.
    Stay,
    /// The server's chunk must wait until the client's stream was read.
    Wait,
    /// From here on it is HTTP/2. Which way the client sends, and what the chunk begins with: bytes that were kept of
    /// earlier ones, or how many of its own were used.
    Two(Way, Vec<u8>, usize),
    /// Likewise, and this request is to be answered there.
    Upgraded(Way, Request, usize),
    Tls,
    Foreign,
}

impl One {
    /// The next bytes.
    pub(super) fn chunk<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, chunk: &Chunk<'_>, sink: &mut S) -> Turn {
        self.begin_client(peers);
        if chunk.may_wait && self.must_wait(peers, way, chunk) {
            return Turn::Wait;
        }
        let mut rest = *chunk;
        while !rest.bytes.is_empty() {
            let used = match &mut self.readers[index(way)].state {
                Reading::Tunnel => {
                    self.pairing.tunnel(Some(way) == self.client, rest.at);
                    rest.bytes.len()
                }
                Reading::Body(_) => self.body(peers, way, &rest, sink),
                _ => match self.message(peers, way, &rest, sink) {
                    Ok(used) => used,
                    Err(Turn::Upgraded(client, request, used)) => {
                        let before = (rest.offset - chunk.offset) as usize;
                        return Turn::Upgraded(client, request, before + used);
                    }
                    Err(turn) => return turn,
                },
            };
            rest.offset += used as u64;
            rest.bytes = &rest.bytes[used..];
            rest.begins_segment = false;
        }
        self.readers[index(way)].reached = Some(rest.offset);
        if self.is_strange() { Turn::Foreign } else { Turn::Stay }
    }

    /// No more bytes will come this way.
    pub(super) fn end<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, end: End, sink: &mut S) {
        self.was_reset |= end == End::Reset;
        let is_until_close = matches!(self.readers[index(way)].state, Reading::Body(Body::UntilClose));
        let is_tunnel = self.readers[index(way)].state == Reading::Tunnel && Some(way) != self.client;
        if end == End::Fin && (is_until_close || is_tunnel) {
            self.end_body(peers, way, true, sink);
            self.readers[index(way)].search();
        }
        match self.client {
            Some(client) if end == End::Fin && client == way => self.has_client_left = true,
            Some(_) if end == End::Fin && !self.has_client_left => {
                self.pairing.refuse(self.readers[index(way)].reached);
            }
            _ => {}
        }
    }

    /// The connection is over, or out of sight.
    pub(super) fn close<S: Sink + ?Sized>(&mut self, peers: &Peers, sink: &mut S) {
        for way in [Way::Forth, Way::Back] {
            if let Reading::Head { is_sure: true, .. } = self.readers[index(way)].state {
                match Some(way) == self.client {
                    true => sink.count(Reason::HeadLost, 1),
                    false => self.cut_head(peers, way, false, sink),
                }
            }
        }
        let status = if self.was_reset { Status::RESET } else { Status::TRUNCATED };
        self.pairing.close(&self.ends(peers), status, sink);
        if !self.is_http && self.readers.iter().any(|r| r.strangers > 0) {
            sink.count(Reason::ConnectionForeign, 1);
        }
    }

    /// Time has passed.
    pub(super) fn tick<S: Sink + ?Sized>(&mut self, peers: &Peers, now: Timestamp, sink: &mut S) {
        if let Some(client) = self.client {
            let reached = self.reached(client, 1);
            self.pairing.tick(&self.ends(peers), now, reached, sink);
            if self.pairing.is_quiet() {
                self.readers.iter_mut().for_each(Reader::rest);
            }
        }
    }

    /// Offset up to which bytes are not looked at.
    pub(super) fn unneeded(&self, way: Way) -> u64 {
        self.readers[index(way)].unneeded()
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        let [forth, back] = &self.readers;
        forth.stash.capacity() + back.stash.capacity() + self.pairing.heap_bytes()
    }

    /// Which way the client sends, as far as is known.
    pub(super) fn client(&self) -> Way {
        self.client.unwrap_or(Way::Forth)
    }

    /// A response must not be read before the request that it answers; nor what follows a request for an upgrade
    /// before the answer to that.
    fn must_wait(&self, peers: &Peers, way: Way, chunk: &Chunk<'_>) -> bool {
        let (reader, reached) = (&self.readers[index(way)], self.reached(way, 1));
        let Some(acknowledged) = chunk.acknowledged else { return false };
        let is_behind = match reached {
            Some(reached) => acknowledged > reached,
            None => peers.has_handshake && Some(way) != self.client && looks::response(chunk.bytes) != Match::No,
        };
        if !is_behind {
            return false;
        }
        match Some(way) == self.client {
            true => reader.state == Reading::Start && self.pairing.is_switching(),
            false => reader.may_begin_within(chunk.bytes.len() as u64),
        }
    }

    /// How far the other stream is known, with the rest of a body that was begun.
    fn begun(&self, way: Way) -> Option<u64> {
        let reader = &self.readers[index(way) ^ 1];
        let reached = reader.reached?;
        Some(Some(reader.known_end()).filter(|&end| end < u64::MAX).unwrap_or(reached))
    }

    /// How far this stream (0) or the other (1) was read.
    fn reached(&self, way: Way, other: usize) -> Option<u64> {
        self.readers[index(way) ^ other].reached
    }

    fn ends(&self, peers: &Peers) -> Ends {
        let behind = self.behind.as_deref().copied();
        match self.client() {
            Way::Forth => Ends { client: behind.unwrap_or(peers.opener), server: peers.other },
            Way::Back => Ends { client: behind.unwrap_or(peers.other), server: peers.opener },
        }
    }

    /// Who opened the connection is the client, until they say otherwise.
    fn begin_client(&mut self, peers: &Peers) {
        if self.client.is_none() && peers.has_handshake {
            self.client = Some(Way::Forth);
        }
    }

    /// It is HTTP.
    fn found<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        self.is_http = true;
        if std::mem::take(&mut self.has_lost_start) {
            sink.count(Reason::HeadLost, 1);
        }
    }

    fn is_strange(&self) -> bool {
        let [forth, back] = [self.readers[0].strangers, self.readers[1].strangers];
        !self.is_http && (forth.min(back) >= STRANGERS[0] || forth.max(back) >= STRANGERS[1])
    }

    /// Reads the head of a request: how long it is, `None` where it does not end yet.
    fn request<S: Sink + ?Sized>(
        &mut self,
        peers: &Peers,
        way: Way,
        view: &[u8],
        begin: Begin,
        sink: &mut S,
    ) -> Option<usize> {
        let mut fields = Fields::default();
        let mut request = self.pairing.blank();
        let wanted = sink.limits().consumers();
        match head::request(view, &mut fields, |name, value| request.add_header(name, value, wanted)) {
            Parsed::Whole(line, len) => {
                self.asked(peers, way, &line, fields, request, &view[..len], begin, sink);
                Some(len)
            }
            Parsed::Partial => {
                self.pairing.recycle(request);
                None
            }
            Parsed::Wrong => {
                self.pairing.recycle(request);
                sink.count(Reason::HeadMalformed, 1);
                self.readers[index(way)].search();
                Some(usize::MAX)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a request")]
    fn asked<S: Sink + ?Sized>(
        &mut self,
        peers: &Peers,
        way: Way,
        line: &RequestLine<'_>,
        mut fields: Fields<'_>,
        mut request: Request,
        head: &[u8],
        begin: Begin,
        sink: &mut S,
    ) {
        fields.close(line.protocol == Protocol::Http10);
        if line.is_lenient {
            sink.count(Reason::HeadLenient, 1);
        }
        if fields.is_ambiguous {
            sink.count(Reason::RequestAmbiguous, 1);
        }
        request.set_method(line.method);
        request.set_target(line.target);
        request.set_host(fields.host);
        (request.protocol, request.span) = (line.protocol, begin.span);
        let kind = match line.method {
            b"HEAD" => Kind::Head,
            b"CONNECT" => Kind::Connect,
            _ if !fields.upgrade.is_empty() => {
                Kind::Upgrade { is_two: fields.upgrade.eq_ignore_ascii_case(b"h2c") && !fields.settings.is_empty() }
            }
            _ => Kind::Plain,
        };
        let mut asked = Asked::new(request, begin.offset, begin.acknowledged, kind);
        asked.expects_continue = fields.expects_continue;
        asked.graphql = Call::of(line.method, line.target, sink.limits(), || Media::of_head(head));
        let is_peeking = asked.graphql.as_ref().is_some_and(|call| call.wants_request());
        let reached = self.reached(way, 1);
        self.pairing.ask(&self.ends(peers), asked, reached, sink);
        let body = match (fields.is_chunked, fields.has_coding, fields.length) {
            (true, ..) => Body::Chunked(Chunked::default()),
            (_, true, _) => Body::UntilClose,
            (_, _, Some(n @ 1..)) => Body::Length(n),
            _ => return self.end_body(peers, way, true, sink),
        };
        let reader = &mut self.readers[index(way)];
        (reader.state, reader.is_peeking) = (Reading::Body(body), is_peeking);
    }

    /// Reads the head of a response: how long it is, `None` where it does not end yet.
    fn response<S: Sink + ?Sized>(
        &mut self,
        peers: &Peers,
        way: Way,
        view: &[u8],
        begin: Begin,
        sink: &mut S,
    ) -> Result<Option<usize>, Turn> {
        let mut fields = Fields::default();
        match head::response(view, &mut fields) {
            Parsed::Whole(line, len) => self.answered(peers, way, line, fields, begin, &view[..len], sink).map(Some),
            Parsed::Partial => Ok(None),
            Parsed::Wrong => {
                sink.count(Reason::HeadMalformed, 1);
                self.readers[index(way)].search();
                Ok(Some(usize::MAX))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a response")]
    fn answered<S: Sink + ?Sized>(
        &mut self,
        peers: &Peers,
        way: Way,
        line: StatusLine,
        mut fields: Fields<'_>,
        begin: Begin,
        head: &[u8],
        sink: &mut S,
    ) -> Result<usize, Turn> {
        let len = head.len();
        fields.close(false);
        if line.is_lenient {
            sink.count(Reason::HeadLenient, 1);
        }
        let ends = self.ends(peers);
        let whose = self.pairing.whose(&ends, begin.offset, begin.acknowledged, sink);
        let kind = self.pairing.kind(whose);
        self.readers[index(way)].state = Reading::Start;
        if line.status < 200 && line.status != 101 {
            if let (Whose::Oldest, Some(oldest)) = (whose, self.pairing.oldest()) {
                oldest.expects_continue = false;
            }
            return Ok(len);
        }
        if line.status == 101
            && whose == Whose::Oldest
            && kind == (Kind::Upgrade { is_two: true })
            && fields.upgrade.eq_ignore_ascii_case(b"h2c")
        {
            return Err(match self.pairing.hand_over() {
                Some(request) => Turn::Upgraded(self.client(), request, len),
                None => Turn::Two(self.client(), Vec::new(), len),
            });
        }
        let answer = Answer::new(line.status, begin.span, &mut fields);
        let is_tunnel = line.status == 101 || kind == Kind::Connect && (200..300).contains(&line.status);
        self.pairing.answer(answer, whose, is_tunnel, sink);
        if is_tunnel {
            let client = &mut self.readers[index(way) ^ 1];
            client.search();
            client.state = Reading::Tunnel;
            self.readers[index(way)].state = Reading::Tunnel;
            self.pairing.asked_is_over(&ends, sink);
            return Ok(len);
        }
        let body = match (fields.is_chunked, fields.has_coding, fields.length) {
            _ if kind == Kind::Head || matches!(line.status, 204 | 304) => None,
            (true, ..) => Some(Body::Chunked(Chunked::default())),
            (_, true, _) => Some(Body::UntilClose),
            (_, _, Some(0)) => None,
            (_, _, Some(n)) => Some(Body::Length(n)),
            _ => Some(Body::UntilClose),
        };
        match body {
            Some(body) => {
                let reader = &mut self.readers[index(way)];
                reader.state = Reading::Body(body);
                if let Some(call) = self.pairing.graphql(false) {
                    call.begin_answer(line.status, Media::of_head(head));
                    reader.is_peeking = call.wants_answer();
                }
            }
            None => self.end_body(peers, way, true, sink),
        }
        Ok(len)
    }

    /// HTTP/0.9 has no heads in responses: what comes after such a request is the body.
    fn old_answer<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, begin: Begin, sink: &mut S) -> bool {
        let is_old = self.pairing.oldest().is_some_and(|a| a.request.protocol == Protocol::Http09);
        let ends = self.ends(peers);
        if !is_old || self.pairing.whose(&ends, begin.offset, begin.acknowledged, sink) != Whose::Oldest {
            return false;
        }
        let answer = Answer::new(200, begin.span, &mut Fields::default());
        self.pairing.answer(answer, Whose::Oldest, false, sink);
        self.readers[index(way)].state = Reading::Body(Body::UntilClose);
        true
    }
}

const fn index(way: Way) -> usize {
    match way {
        Way::Forth => 0,
        Way::Back => 1,
    }
}

/// The opposite way.
const fn other(way: Way) -> Way {
    match way {
        Way::Forth => Way::Back,
        Way::Back => Way::Forth,
    }
}
