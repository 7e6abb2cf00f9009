//! Bodies of HTTP/1: counted as they pass, and read a little where they are GraphQL.
//!
//! In: pieces of a stream behind a head. Out: sizes, to the message that they belong to, and where it ends.

use pitot_model::Reason;

use super::{One, index};
use crate::{
    http::{
        Sink,
        body::{After, Body, Step},
        looks::{self, Match},
        reader::Reading,
    },
    tcp::{Chunk, Peers, Way},
};

impl One {
    /// Reads a piece of a body. Returns how many bytes were used.
    pub(super) fn body<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, chunk: &Chunk<'_>, sink: &mut S) -> usize {
        let is_client = Some(way) == self.client;
        if self.has_new_message(is_client, way, chunk) {
            self.end_body(peers, way, false, sink);
            return 0;
        }
        let reader = &mut self.readers[index(way)];
        let Reading::Body(body) = &mut reader.state else { return 0 };
        let is_open = !matches!(body, Body::Length(_));
        let step = match reader.is_peeking {
            false => body.read(chunk.bytes),
            true => self.peek(way, chunk.bytes),
        };
        match is_client {
            true => {
                if let Some(asked) = self.pairing.newest() {
                    asked.expects_continue = false;
                    asked.request.span.add(chunk.at);
                    asked.request.bytes = asked.request.bytes.saturating_add(step.content);
                }
            }
            false => self.pairing.piece(chunk.at, step.content, is_open, sink),
        }
        match step.state {
            After::More => {}
            After::Whole => self.end_body(peers, way, true, sink),
            After::Wrong => {
                sink.count(Reason::FramingLost, 1);
                if is_client {
                    sink.count(Reason::RequestAmbiguous, 1);
                }
                self.lose_framing(peers, way, sink);
                return chunk.bytes.len();
            }
        }
        step.used
    }

    /// Reads a piece of a body of GraphQL.
    #[cold]
    fn peek(&mut self, way: Way, bytes: &[u8]) -> Step {
        let is_client = Some(way) == self.client;
        let reader = &mut self.readers[index(way)];
        let mut call = self.pairing.graphql(is_client);
        let Reading::Body(body) = &mut reader.state else { return Step::NOTHING };
        let step = body.read_with(bytes, |content| match (&mut call, is_client) {
            (Some(call), true) => call.read_request(content),
            (Some(call), false) => call.read_answer(content),
            _ => {}
        });
        reader.is_peeking = call.is_some_and(|call| if is_client { call.wants_request() } else { call.wants_answer() });
        step
    }

    /// Whether a message begins where the one before should go on: a client that waited for `100 Continue` and was
    /// refused does not send its body, and some servers send answers without a length on connections that go on.
    pub(super) fn has_new_message(&mut self, is_client: bool, way: Way, chunk: &Chunk<'_>) -> bool {
        if !chunk.begins_segment {
            return false;
        }
        match is_client {
            true => {
                let Some(asked) = self.pairing.newest() else { return false };
                asked.expects_continue
                    && asked.request.bytes == 0
                    && looks::request(chunk.bytes) == Match::Yes
                    && looks::is_http_1(chunk.bytes)
            }
            false => {
                self.readers[index(way)].state == Reading::Body(Body::UntilClose)
                    && self.pairing.is_waiting_behind_oldest()
                    && looks::response(chunk.bytes) == Match::Yes
            }
        }
    }

    /// A message ended; `is_seen` where its last byte was.
    pub(super) fn end_body<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, is_seen: bool, sink: &mut S) {
        let reader = &mut self.readers[index(way)];
        (reader.state, reader.is_peeking) = (Reading::Start, false);
        let ends = self.ends(peers);
        match Some(way) == self.client {
            true => self.pairing.asked_is_over(&ends, sink),
            false => self.pairing.answered(&ends, is_seen, sink),
        }
    }
}
