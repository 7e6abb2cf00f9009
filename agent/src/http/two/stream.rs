//! One stream: a request, its response, and when they are over.
//!
//! In: what frames say of both. Out: an [`Exchange`].

use pitot_model::{Reason, Status, Timestamp};

use super::{
    super::{
        Exchange, Sink,
        graphql::Call,
        request::{Request, Span},
    },
    head::{Content, Message},
    messages::Messages,
};
use crate::{decode::Endpoint, told::Told};

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// A stream that is not over.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) request: Request,
    pub(super) response: Response,
    request_state: State,
    /// Memory of the texts of the request.
    pub(super) text_bytes: usize,
    /// What came last, of both.
    pub(super) latest: Timestamp,
    /// Whether it cannot be told what was asked or answered: it was counted, and makes no exchange.
    is_unreadable: bool,
    /// Whether the server ended the connection before an answer to a whole request.
    is_refused: bool,
    is_tunnel: bool,
    counted: Counted,
    has_body_gap: bool,
    /// Where it may be one of GraphQL.
    graphql: Option<Box<Call>>,
    request_messages: Option<Messages>,
    response_messages: Option<Messages>,
}

/// What was seen of a response.
#[derive(Debug, Default)]
pub(super) struct Response {
    state: State,
    status: u16,
    grpc_status: Option<u32>,
    version: Vec<u8>,
    told: Option<Box<Told>>,
    span: Span,
    bytes: u64,
    /// How many of them the capture missed.
    lost_bytes: u64,
    content: Content,
    has_length: bool,
    has_paused: bool,
    is_end_seen: bool,
    is_damaged: bool,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    None,
    Open,
    Ended,
}

/// As what a stream is counted among those in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Counted {
    #[default]
    None,
    Request,
    Stream,
}

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// Both messages ended.
    Complete,
    /// Given up by one side.
    Reset,
    /// Nothing came for too long.
    Timeout,
    /// Nobody will see the rest.
    Truncated,
}

impl Stream {
    /// Forgets everything but buffers.
    pub(super) fn clear(&mut self) {
        let (mut request, mut version) =
            (std::mem::take(&mut self.request), std::mem::take(&mut self.response.version));
        request.clear();
        version.clear();
        *self = Self { request, response: Response { version, ..Response::default() }, ..Self::default() };
    }

    /// Whether its request was seen.
    pub(super) fn has_request(&self) -> bool {
        self.request_state != State::None
    }

    /// Whether its final response began.
    pub(super) fn has_response(&self) -> bool {
        self.response.state != State::None
    }

    /// Whether nothing more will come.
    pub(super) fn is_complete(&self) -> bool {
        self.request_state == State::Ended && self.response.state == State::Ended
    }

    /// Whether it is of no use to wait for more when nothing came for long.
    pub(super) fn is_overdue(&self) -> bool {
        self.response.state != State::Open || self.response.is_damaged || !self.has_request()
    }

    /// A request begins. Its texts change places with those of the message.
    pub(super) fn begin_request(&mut self, message: &mut Message, span: Span, sink: &mut (impl Sink + ?Sized)) {
        let media = message.media();
        std::mem::swap(&mut self.request, &mut message.request);
        self.graphql = Call::of(self.request.method(), self.request.target(), sink.limits(), || media);
        self.text_bytes = self.request.heap_bytes() + self.graphql.as_ref().map_or(0, |_| size_of::<Call>());
        self.is_tunnel = message.has_protocol || self.request.method() == b"CONNECT";
        self.count_begin(span, sink);
        if message.is_repetitive {
            sink.count(Reason::HeadLenient, 1);
        }
        if message.content == Content::Grpc {
            self.request_messages = Some(Messages::default());
        }
        if self.request.method().is_empty() {
            let reason = if message.n_unknown > 0 { Reason::StreamUndecodable } else { Reason::HeadMalformed };
            self.give_up(reason, sink);
        }
    }

    /// A request begins that HTTP/1 read, and counted, already.
    pub(super) fn upgrade(&mut self, request: Request) {
        (self.latest, self.text_bytes) = (request.span.last, request.heap_bytes());
        (self.request, self.request_state, self.counted) = (request, State::Ended, Counted::Request);
    }

    /// A request begins that cannot be read.
    pub(super) fn begin_unreadable(&mut self, reason: Reason, span: Span, sink: &mut (impl Sink + ?Sized)) {
        self.count_begin(span, sink);
        self.give_up(reason, sink);
    }

    fn count_begin(&mut self, span: Span, sink: &mut (impl Sink + ?Sized)) {
        self.request_state = State::Open;
        self.request.span = span;
        self.latest = self.latest.max(span.last);
        self.counted = Counted::Request;
        sink.in_flight(1, 0);
    }

    /// No exchange will come of it.
    pub(super) fn give_up(&mut self, reason: Reason, sink: &mut (impl Sink + ?Sized)) {
        if !self.is_unreadable {
            self.is_unreadable = true;
            sink.count(reason, 1);
        }
    }

    /// The fields of a response: informational, final, or trailers.
    pub(super) fn add_response(&mut self, message: &mut Message, span: Span, sink: &mut (impl Sink + ?Sized)) {
        self.latest = self.latest.max(span.last);
        if self.has_response() {
            self.response.span.add(span.last);
            self.response.grpc_status = message.grpc_status.or(self.response.grpc_status);
            return;
        }
        match message.status {
            Some(100..=199) => {}
            Some(status) => self.begin_response(status, message, span, sink),
            None => {
                self.response.state = State::Open;
                let reason = if message.n_unknown > 0 { Reason::StreamUndecodable } else { Reason::HeadMalformed };
                self.give_up(reason, sink);
            }
        }
    }

    fn begin_response(&mut self, status: u16, message: &mut Message, span: Span, sink: &mut (impl Sink + ?Sized)) {
        let response = &mut self.response;
        response.state = State::Open;
        response.status = status;
        response.span = span;
        response.grpc_status = message.grpc_status;
        response.content = message.content;
        response.has_length = message.has_length;
        std::mem::swap(&mut response.version, &mut message.version);
        response.told = message.told.take();
        if message.content == Content::Grpc {
            self.response_messages = Some(Messages::default());
        }
        if let Some(call) = &mut self.graphql {
            call.begin_answer(status, message.media());
        }
        self.count_stream(sink);
    }

    /// The fields of a response that cannot be read.
    pub(super) fn add_unreadable(&mut self, reason: Reason, span: Span, sink: &mut (impl Sink + ?Sized)) {
        self.latest = self.latest.max(span.last);
        if self.has_response() {
            // Trailers: what is known remains true.
            self.response.is_damaged = true;
            return sink.count(reason, 1);
        }
        self.response.state = State::Open;
        self.give_up(reason, sink);
    }

    /// The server ends the connection, before the client does.
    pub(super) fn refuse(&mut self) {
        self.is_refused = self.request_state == State::Ended && !self.has_response();
    }

    /// Bytes of a body.
    pub(super) fn add_data(&mut self, by: Side, bytes: &[u8], at: Timestamp, sink: &mut (impl Sink + ?Sized)) {
        if let Some(messages) = self.messages_mut(by) {
            messages.read(bytes);
        }
        if let Some(call) = &mut self.graphql {
            if by == Side::Client { call.read_request(bytes) } else { call.read_answer(bytes) }
        }
        self.grow(by, bytes.len() as u64, Some(at), sink);
    }

    /// Bytes of a body that nobody can look at.
    pub(super) fn add_gap(
        &mut self,
        by: Side,
        len: u64,
        at: Timestamp,
        is_lost: bool,
        sink: &mut (impl Sink + ?Sized),
    ) {
        if let Some(messages) = self.messages_mut(by) {
            messages.skip(len);
        }
        self.lose_graphql(by);
        self.grow(by, len, (!is_lost).then_some(at), sink);
        if is_lost {
            let lost = match by {
                Side::Client => &mut self.request.lost_bytes,
                Side::Server => &mut self.response.lost_bytes,
            };
            *lost = lost.saturating_add(len);
            self.damage(by);
            if !self.has_body_gap && !self.is_unreadable {
                self.has_body_gap = true;
                sink.count(Reason::BodyGap, 1);
            }
        }
    }

    /// The capture missed something of what this side says.
    pub(super) fn damage(&mut self, by: Side) {
        self.lose_graphql(by);
        match by {
            Side::Client => self.request.is_damaged |= self.request_state != State::Ended,
            Side::Server => self.response.is_damaged |= self.response.state != State::Ended,
        }
    }

    fn lose_graphql(&mut self, by: Side) {
        if let Some(call) = &mut self.graphql {
            if by == Side::Client { call.lose_request() } else { call.lose_answer() }
        }
    }

    fn grow(&mut self, by: Side, len: u64, at: Option<Timestamp>, sink: &mut (impl Sink + ?Sized)) {
        if by == Side::Client {
            self.request.bytes = self.request.bytes.saturating_add(len);
        } else {
            self.response.bytes = self.response.bytes.saturating_add(len);
        }
        if let Some(at) = at {
            self.touch(by, at, sink);
        }
    }

    /// Something of a body came at this moment.
    fn touch(&mut self, by: Side, at: Timestamp, sink: &mut (impl Sink + ?Sized)) {
        self.latest = self.latest.max(at);
        if by == Side::Client {
            return self.request.span.add(at);
        }
        if self.response.state == State::Open {
            self.response.has_paused |= at.since(self.response.span.last) >= sink.limits().stream_pause;
            self.response.span.add(at);
            self.count_stream(sink);
        }
    }

    /// The message of this side is over. The time is that of its last frame.
    pub(super) fn end(&mut self, by: Side, span: Span, is_end_seen: bool, sink: &mut (impl Sink + ?Sized)) {
        self.touch(by, span.last, sink);
        if by == Side::Client {
            if self.request_state == State::Open {
                self.request_state = State::Ended;
            }
        } else if self.response.state == State::Open {
            self.response.state = State::Ended;
            self.response.is_end_seen = is_end_seen;
        }
    }

    /// Whether what comes next of a body is looked at.
    pub(super) fn is_peeking(&self, by: Side) -> bool {
        self.graphql.as_ref().is_some_and(|call| match by {
            Side::Client => call.wants_request(),
            Side::Server => call.wants_answer(),
        })
    }

    /// The messages of a body, where it holds such.
    pub(super) fn messages(&self, by: Side) -> Option<&Messages> {
        if by == Side::Client { self.request_messages.as_ref() } else { self.response_messages.as_ref() }
    }

    fn messages_mut(&mut self, by: Side) -> Option<&mut Messages> {
        if by == Side::Client { self.request_messages.as_mut() } else { self.response_messages.as_mut() }
    }

    /// Whether it is no call with an answer: events, a tunnel, gRPC with several messages one way, or an answer of unknown
    /// length that goes on for long with pauses.
    fn is_stream(&self, limits: &super::super::Limits) -> bool {
        let response = &self.response;
        let several = |m: Option<&Messages>| m.is_some_and(|m| m.count > 1);
        response.content == Content::Events
            || self.is_tunnel && matches!(response.status, 200..=299)
            || several(self.request_messages.as_ref())
            || several(self.response_messages.as_ref())
            || response.has_paused
                && !response.has_length
                && response.span.last.since(response.span.first) >= limits.stream_after
    }

    fn count_stream(&mut self, sink: &mut (impl Sink + ?Sized)) {
        if self.counted == Counted::Request && self.is_stream(sink.limits()) {
            self.counted = Counted::Stream;
            sink.in_flight(-1, 1);
        }
    }

    /// Tells what became of it, if that can be told.
    pub(super) fn finish(
        &mut self,
        id: u32,
        client: Endpoint,
        server: Endpoint,
        over: Over,
        sink: &mut (impl Sink + ?Sized),
    ) {
        match self.counted {
            Counted::None => {}
            Counted::Request => sink.in_flight(-1, 0),
            Counted::Stream => sink.in_flight(0, -1),
        }
        self.counted = Counted::None;
        if self.is_unreadable {
            return;
        }
        if !self.has_request() {
            if self.has_response() {
                sink.count(Reason::ResponseUnmatched, 1);
            }
            return;
        }
        let response = &self.response;
        let status = match over {
            _ if self.has_response() => Status::code(response.status),
            Over::Reset => Status::RESET,
            _ if self.is_refused && !self.request.is_damaged && !response.is_damaged => Status::RESET,
            // The answer may have come where the capture did not look.
            Over::Timeout if !response.is_damaged => Status::TIMEOUT,
            _ => Status::TRUNCATED,
        };
        let request = &self.request;
        let is_over = response.state == State::Ended && response.is_end_seen;
        sink.exchange(&Exchange {
            version: &response.version,
            told: response.told.as_deref(),
            protocol: pitot_model::Protocol::Http2,
            status,
            grpc_status: response.grpc_status,
            response_bytes: response.bytes,
            response_captured: response.bytes.saturating_sub(response.lost_bytes),
            response_first: self.has_response().then_some(response.span.first),
            response_last: is_over.then_some(response.span.last),
            is_stream: self.is_stream(sink.limits()),
            graphql: self.graphql.as_deref(),
            is_grpc: self.request_messages.is_some() || self.response_messages.is_some(),
            stream_id: Some(id),
            is_damaged: request.is_damaged || response.is_damaged,
            ..request.exchange(client, server)
        });
    }
}
