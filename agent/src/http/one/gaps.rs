//! What bytes that cannot be looked at leave of the messages around them.
//!
//! In: gaps, and places where framing breaks. Out: damaged messages, and where reading may go on.

use super::{One, index};
use crate::{
    http::{
        Sink,
        body::{After, Body},
        head,
        looks::{self, Match},
        reader::Reading,
    },
    tcp::{Gap, GapKind, Peers, Way},
};
use pitot_model::Reason;

impl One {
    /// Bytes that cannot be looked at.
    pub(in crate::http) fn gap<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, gap: &Gap, sink: &mut S) {
        self.begin_client(peers);
        let reader = &mut self.readers[index(way)];
        reader.reached = Some(gap.offset.saturating_add(gap.len));
        let is_client = Some(way) == self.client;
        match &mut reader.state {
            Reading::Tunnel => return,
            Reading::Body(body) => {
                if std::mem::take(&mut reader.is_peeking)
                    && let Some(call) = self.pairing.graphql(is_client)
                {
                    if is_client { call.lose_request() } else { call.lose_answer() }
                }
                let n = gap.len.min(body.opaque());
                let is_open = !matches!(body, Body::Length(_));
                let after = body.skip(n);
                let is_rest = n < gap.len;
                self.pass(is_client, gap, n, is_open, sink);
                match (after, is_rest) {
                    (After::Whole, _) => self.end_body(peers, way, gap.kind == GapKind::Unkept, sink),
                    (_, false) => {}
                    _ => {
                        sink.count(Reason::FramingLost, 1);
                        self.lose_framing(peers, way, sink);
                    }
                }
                if !is_rest {
                    return;
                }
                if after == After::Whole {
                    sink.count(Reason::HeadLost, 1);
                }
            }
            Reading::Head { .. } => self.cut_head(peers, way, true, sink),
            Reading::Start if self.is_http => sink.count(Reason::HeadLost, 1),
            Reading::Start => self.has_lost_start |= peers.has_handshake,
            Reading::Search => {}
        }
        self.readers[index(way)].search();
        match is_client {
            true => {
                let reached = self.begun(way);
                self.pairing.lose_requests(reached);
            }
            false => self.pairing.lose_answers(),
        }
    }

    /// Nobody can say where this message ends.
    pub(super) fn lose_framing<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, sink: &mut S) {
        if Some(way) == self.client {
            if let Some(asked) = self.pairing.newest() {
                asked.request.is_damaged = true;
            }
            let reached = self.begun(way);
            self.pairing.lose_requests(reached);
        } else {
            if let Some(answer) = self.pairing.current() {
                answer.is_damaged = true;
            }
            self.pairing.lose_answers();
        }
        self.end_body(peers, way, false, sink);
        self.readers[index(way)].search();
    }

    /// Passes over a part of a body.
    fn pass<S: Sink + ?Sized>(&mut self, is_client: bool, gap: &Gap, n: u64, is_open: bool, sink: &mut S) {
        if n == 0 {
            return;
        }
        let is_lost = gap.kind == GapKind::Lost;
        if is_client {
            if let Some(asked) = self.pairing.newest() {
                asked.request.bytes = asked.request.bytes.saturating_add(n);
                asked.has_gap |= is_lost;
                asked.expects_continue = false;
                match is_lost {
                    true => asked.request.lost_bytes = asked.request.lost_bytes.saturating_add(n),
                    false => asked.request.span.add(gap.at),
                }
            }
        } else if is_lost {
            if let Some(answer) = self.pairing.current() {
                answer.bytes = answer.bytes.saturating_add(n);
                answer.lost_bytes = answer.lost_bytes.saturating_add(n);
                answer.has_gap = true;
            }
        } else {
            self.pairing.piece(gap.at, n, is_open, sink);
        }
    }

    /// A gap, or the end of all, cuts a head: what came before it is read as if it ended there, where the first line is
    /// whole. The end of the message is unknown; where a gap is to blame, it is damaged.
    pub(super) fn cut_head<S: Sink + ?Sized>(&mut self, peers: &Peers, way: Way, is_gap: bool, sink: &mut S) {
        let reader = &mut self.readers[index(way)];
        let (mut stash, begin) = (std::mem::take(&mut reader.stash), reader.begin);
        match memchr::memrchr(b'\n', &stash) {
            Some(line_end) => stash.truncate(line_end + 1),
            None => head::complete_line(&mut stash),
        }
        stash.extend_from_slice(b"\r\n");
        let is_client = Some(way) == self.client;
        let is_message = match is_client {
            true => looks::request(&stash) == Match::Yes && looks::is_http_1(&stash),
            false => self.client.is_some() && looks::response(&stash) == Match::Yes,
        };
        if !is_message {
            return sink.count(Reason::HeadLost, 1);
        }
        self.found(sink);
        if is_client {
            self.request(peers, way, &stash, begin, sink);
            if let Some(asked) = self.pairing.newest() {
                asked.has_gap = true;
            }
            if let Reading::Body(_) = self.readers[index(way)].state {
                self.end_body(peers, way, false, sink);
            }
        } else {
            // A switch of protocols is followed only where its head was seen.
            self.pairing.forbid_two();
            let _ = self.response(peers, way, &stash, begin, sink);
            if let Some(answer) = self.pairing.current() {
                answer.has_gap = is_gap;
                self.end_body(peers, way, false, sink);
            }
        }
    }
}
