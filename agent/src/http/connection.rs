//! What a TCP connection carries: found out by its first bytes, then read.
//!
//! In: the calls of [`Application`]. Out: exchanges and counts, to a [`Sink`]. A connection that never says anything costs
//! a pointer.

use std::marker::PhantomData;

use pitot_model::{Reason, Timestamp};

use super::{
    Sink,
    one::{One, Turn},
    two,
};
use crate::tcp::{Application, Chunk, Close, End, Gap, Peers, Taken, Way};

/// One connection.
pub struct Connection<S: ?Sized = dyn Sink> {
    state: State,
    sink: PhantomData<fn(&mut S)>,
}

#[derive(Default)]
enum State {
    /// Nothing was said yet.
    #[default]
    New,
    One(Box<One>),
    /// With the way that the client sends.
    Two(Way, Box<two::Session>),
    /// Nothing in it can be read.
    Opaque,
}

impl<S: ?Sized> Default for Connection<S> {
    fn default() -> Self {
        Self { state: State::New, sink: PhantomData }
    }
}

impl<S: Sink + ?Sized> Application for Connection<S> {
    type Sink = S;

    fn chunk(&mut self, peers: &Peers, way: Way, chunk: &Chunk<'_>, sink: &mut S) -> Taken {
        if let State::New = self.state {
            self.state = State::One(Box::default());
        }
        match &mut self.state {
            State::One(one) => match one.chunk(peers, way, chunk, sink) {
                Turn::Stay => {}
                Turn::Wait => return Taken::Wait,
                turn => self.turn(peers, way, chunk, turn, sink),
            },
            State::Two(client, session) => session.chunk(way == *client, chunk, sink),
            State::New | State::Opaque => {}
        }
        Taken::All
    }

    fn gap(&mut self, peers: &Peers, way: Way, gap: &Gap, sink: &mut S) {
        if let State::New = self.state {
            self.state = State::One(Box::default());
        }
        match &mut self.state {
            State::One(one) => one.gap(peers, way, gap, sink),
            State::Two(client, session) => session.gap(way == *client, gap, sink),
            State::New | State::Opaque => {}
        }
    }

    fn end(&mut self, peers: &Peers, way: Way, end: End, _at: Timestamp, sink: &mut S) {
        match &mut self.state {
            State::One(one) => one.end(peers, way, end, sink),
            State::Two(_, session) => session.end(end),
            State::New | State::Opaque => {}
        }
    }

    fn close(&mut self, peers: &Peers, _close: Close, _at: Timestamp, sink: &mut S) {
        match &mut self.state {
            State::One(one) => one.close(peers, sink),
            State::Two(_, session) => session.close(sink),
            State::New | State::Opaque => {}
        }
        self.state = State::Opaque;
    }

    fn tick(&mut self, peers: &Peers, now: Timestamp, sink: &mut S) {
        match &mut self.state {
            State::One(one) => one.tick(peers, now, sink),
            State::Two(_, session) => session.tick(now, sink),
            State::New | State::Opaque => {}
        }
    }

    fn unneeded(&self, way: Way) -> u64 {
        match &self.state {
            State::One(one) => one.unneeded(way),
            State::Two(client, session) => session.unneeded(way == *client),
            State::New => 0,
            State::Opaque => u64::MAX,
        }
    }

    fn count(sink: &mut S, reason: Reason, n: u64) {
        sink.count(reason, n);
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Opaque)
    }
}

impl<S: Sink + ?Sized> Connection<S> {
    /// Another protocol begins in this chunk.
    fn turn(&mut self, peers: &Peers, way: Way, chunk: &Chunk<'_>, turn: Turn, sink: &mut S) {
        let (client, mut session, kept, used) = match turn {
            Turn::Two(client, kept, used) => {
                if let State::One(one) = &mut self.state {
                    one.close(peers, sink);
                }
                let (asks, answers) = ends(peers, client);
                (client, two::Session::new(asks, answers), kept, used)
            }
            Turn::Upgraded(client, request, used) => {
                if let State::One(one) = &mut self.state {
                    one.close(peers, sink);
                }
                let (asks, answers) = ends(peers, client);
                (client, two::Session::upgraded(asks, answers, request), Vec::new(), used)
            }
            Turn::Stay | Turn::Wait => return,
            Turn::Tls | Turn::Foreign => {
                let reason = if let Turn::Tls = turn { Reason::ConnectionTls } else { Reason::ConnectionForeign };
                sink.count(reason, 1);
                self.state = State::Opaque;
                return;
            }
        };
        let rest = &chunk.bytes[used.min(chunk.bytes.len())..];
        let is_client = way == client;
        if !kept.is_empty() {
            let offset = chunk.offset.saturating_sub(kept.len() as u64);
            session.chunk(is_client, &Chunk { offset, bytes: &kept, ..*chunk }, sink);
        }
        if !rest.is_empty() {
            let offset = chunk.offset + used as u64;
            let begins_segment = chunk.begins_segment && used == 0;
            session.chunk(is_client, &Chunk { offset, bytes: rest, begins_segment, ..*chunk }, sink);
        }
        self.state = State::Two(client, Box::new(session));
    }
}

fn ends(peers: &Peers, client: Way) -> (crate::decode::Endpoint, crate::decode::Endpoint) {
    match client {
        Way::Forth => (peers.opener, peers.other),
        Way::Back => (peers.other, peers.opener),
    }
}
