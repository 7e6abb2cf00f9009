//! A request that waits for its answer, and its exchange.

use pitot_model::{Reason, Status};

use super::super::{Exchange, Sink, answer::Answer, graphql::Call, looks, request::Request};
use crate::decode::Endpoint;

/// Who talks to whom.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Ends {
    pub(in crate::http) client: Endpoint,
    pub(in crate::http) server: Endpoint,
}

/// A request whose exchange is not over.
#[derive(Debug, Default)]
pub(in crate::http) struct Asked {
    pub(in crate::http) request: Request,
    /// Offset of its first byte in the client's stream.
    pub(in crate::http) start: u64,
    /// How far the client had then received the server's stream.
    pub(in crate::http) acknowledged: Option<u64>,
    pub(in crate::http) kind: Kind,
    /// Where it may be one of GraphQL.
    pub(in crate::http) graphql: Option<Box<Call>>,
    /// Whether it ended, or its end will not be seen.
    pub(in crate::http) is_over: bool,
    /// Whether bytes of its body are missing.
    pub(in crate::http) has_gap: bool,
    /// Whether it waits for `100 Continue` before it sends its body.
    pub(in crate::http) expects_continue: bool,
    /// Whether the server ended its stream without a byte of an answer.
    pub(super) is_refused: bool,
    /// Answered before it ended.
    pub(super) answer: Option<Answer>,
    /// Whether its exchange was told: it timed out, and only takes its late answer away.
    pub(super) is_told: bool,
    /// Whether a gap before it, in this burst, may have swallowed others.
    pub(super) is_after_gap: bool,
    pub(super) gauge: Gauge,
}

/// What a request means for how its response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::http) enum Kind {
    #[default]
    Plain,
    Head,
    Connect,
    /// `Upgrade`, to HTTP/2 in cleartext or to something else.
    Upgrade {
        is_two: bool,
    },
}

/// Under what a request counts as in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Gauge {
    #[default]
    Nothing,
    Request,
    Stream,
}

impl Asked {
    /// A request that begins at this offset, when its sender had received so much.
    pub(in crate::http) fn new(request: Request, start: u64, acknowledged: Option<u64>, kind: Kind) -> Self {
        Self { request, start, acknowledged, kind, ..Self::default() }
    }

    /// Memory beyond its own size; it does not change.
    pub(super) fn heap_bytes(&self) -> usize {
        self.request.heap_bytes() + self.graphql.as_ref().map_or(0, |_| size_of::<Call>())
    }

    /// No longer in flight.
    pub(super) fn leave<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        match std::mem::take(&mut self.gauge) {
            Gauge::Nothing => {}
            Gauge::Request => sink.in_flight(-1, 0),
            Gauge::Stream => sink.in_flight(0, -1),
        }
    }
}

/// Hands an exchange to the sink; `status` is that of one without an answer.
pub(super) fn tell<S: Sink + ?Sized>(
    ends: &Ends,
    asked: &mut Asked,
    answer: Option<&Answer>,
    status: Status,
    sink: &mut S,
) {
    asked.leave(sink);
    let request = &asked.request;
    // Other protocols have lines that look like a request. Where nobody knows the method, only an answer tells that it is
    // one, or that the connection broke over it.
    if answer.is_none() && status == Status::TRUNCATED && !looks::is_method(request.method()) {
        return sink.count(Reason::HeadMalformed, 1);
    }
    let has_gap = asked.has_gap || answer.is_some_and(|a| a.has_gap);
    if has_gap {
        sink.count(Reason::BodyGap, 1);
    }
    sink.exchange(&Exchange {
        version: answer.map(Answer::version).unwrap_or_default(),
        told: answer.and_then(|a| a.told.as_deref()),
        status: answer.map_or(status, |a| Status::code(a.status)),
        grpc_status: answer.and_then(|a| a.grpc_status),
        response_bytes: answer.map_or(0, |a| a.bytes),
        response_captured: answer.map_or(0, |a| a.bytes.saturating_sub(a.lost_bytes)),
        response_first: answer.map(|a| a.span.first),
        response_last: answer.filter(|a| a.has_ended).map(|a| a.span.last),
        is_stream: answer.is_some_and(|a| a.is_stream),
        graphql: asked.graphql.as_deref(),
        is_damaged: request.is_damaged || has_gap || answer.is_some_and(|a| a.is_damaged),
        ..request.exchange(ends.client, ends.server)
    });
}
