//! What a TCP connection carries: found out by its first bytes, then read.
//!
//! In: the calls of [`Application`]. Out: exchanges and counts, to a [`Sink`]. A connection that never says anything costs
//! a pointer.

use std::marker::PhantomData;

use pitot_model::{Reason, Timestamp};

use super::{
    Sink,
    one::{One, Turn},
    proxy_protocol, two,
};
use crate::{
    decode::Endpoint,
    tcp::{Application, Chunk, Close, End, Gap, Peers, Taken, Way},
};

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
            if let Some((client, used)) = proxy_protocol::read(chunk.bytes).filter(|_| chunk.offset == 0) {
                return self.behind_proxy(peers, way, chunk, client, used, sink);
            }
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
            State::Two(client, session) => session.end(way == *client, end),
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

    fn heap_bytes(&self) -> usize {
        match &self.state {
            State::One(one) => one.heap_bytes(),
            State::Two(_, session) => size_of::<two::Session>() + session.heap_bytes(),
            State::New | State::Opaque => 0,
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
    /// A proxy told of its client before the first byte of HTTP. Only one that is trusted is believed.
    #[cold]
    fn behind_proxy(
        &mut self,
        peers: &Peers,
        way: Way,
        chunk: &Chunk<'_>,
        client: Option<Endpoint>,
        used: usize,
        sink: &mut S,
    ) -> Taken {
        let proxy = if way == Way::Forth { peers.opener } else { peers.other };
        if let State::One(one) = &mut self.state
            && sink.limits().consumers().proxies.trusts(proxy.ip)
        {
            one.behind = client.map(Box::new);
        }
        let rest = Chunk { offset: chunk.offset + used as u64, bytes: &chunk.bytes[used..], may_wait: false, ..*chunk };
        if rest.bytes.is_empty() { Taken::All } else { self.chunk(peers, way, &rest, sink) }
    }

    /// Another protocol begins in this chunk.
    fn turn(&mut self, peers: &Peers, way: Way, chunk: &Chunk<'_>, turn: Turn, sink: &mut S) {
        let behind = if let State::One(one) = &self.state { one.behind.as_deref().copied() } else { None };
        let (client, mut session, kept, used) = match turn {
            Turn::Two(client, kept, used) => {
                if let State::One(one) = &mut self.state {
                    one.close(peers, sink);
                }
                let (asks, answers) = ends(peers, client);
                (client, two::Session::new(behind.unwrap_or(asks), answers), kept, used)
            }
            Turn::Upgraded(client, request, used) => {
                if let State::One(one) = &mut self.state {
                    one.close(peers, sink);
                }
                let (asks, answers) = ends(peers, client);
                (client, two::Session::upgraded(behind.unwrap_or(asks), answers, request), Vec::new(), used)
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

fn ends(peers: &Peers, client: Way) -> (Endpoint, Endpoint) {
    match client {
        Way::Forth => (peers.opener, peers.other),
        Way::Back => (peers.other, peers.opener),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        decode::Endpoint,
        http::{Exchange, limits},
    };

    #[derive(Default)]
    struct Tally(usize);

    impl Sink for Tally {
        fn exchange(&mut self, _: &Exchange<'_>) {
            self.0 += 1;
        }

        fn count(&mut self, _: Reason, _: u64) {}

        fn in_flight(&mut self, _: i64, _: i64) {}
    }

    /// A connection, and how far both streams are.
    #[derive(Default)]
    struct Talk {
        connection: Connection<Tally>,
        tally: Tally,
        offsets: [u64; 2],
        now: Timestamp,
    }

    impl Talk {
        fn peers() -> Peers {
            let end = |port| Endpoint { ip: [10, 0, 0, 1].into(), port };
            Peers { opener: end(4_000), other: end(80), has_handshake: true }
        }

        /// Says it in two segments; what is held then.
        fn say(&mut self, way: Way, bytes: &[u8]) -> usize {
            for bytes in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
                let (offset, acknowledged) = (self.offsets[way as usize], self.offsets[way.other() as usize]);
                let chunk = Chunk {
                    offset,
                    bytes,
                    at: self.now,
                    acknowledged: Some(acknowledged),
                    begins_segment: true,
                    may_wait: false,
                };
                assert_eq!(self.connection.chunk(&Self::peers(), way, &chunk, &mut self.tally), Taken::All);
                self.offsets[way as usize] += bytes.len() as u64;
            }
            self.connection.heap_bytes()
        }

        /// What is held after a quiet while.
        fn rest(&mut self) -> usize {
            for _ in 0..2 {
                self.now = self.now + Duration::from_secs(1);
                self.connection.tick(&Self::peers(), self.now, &mut self.tally);
            }
            self.connection.heap_bytes()
        }
    }

    /// What `heap_bytes` leaves out, for each of all connections.
    #[test]
    fn connections_that_hold_nothing_are_small() {
        assert!(size_of::<One>() <= 560, "{}", size_of::<One>());
        assert_eq!(size_of::<Connection<Tally>>(), 16);
    }

    #[test]
    fn long_heads_are_held_until_they_are_read() {
        let mut talk = Talk::default();
        let head = format!("GET /{} HTTP/1.1\r\nCookie: {}", "p".repeat(5_000), "c".repeat(20_000));
        assert!(talk.say(Way::Forth, head.as_bytes()) >= head.len());
        let waiting = talk.say(Way::Forth, b"\r\n\r\n");
        assert!((5_000..10_000).contains(&waiting), "{waiting}");
        assert!(talk.rest() > 5_000, "it waits for its answer");
        assert!(talk.say(Way::Back, b"HTTP/1.1 204 No Content\r\n\r\n") < 4_000);
        assert_eq!((talk.rest(), talk.tally.0), (0, 1));
    }

    #[test]
    fn requests_that_wait_are_bounded_by_what_they_hold() {
        let mut talk = Talk::default();
        let head = format!("GET /{} HTTP/1.1\r\nX-Api-Key: {}\r\n\r\n", "p".repeat(8_000), "k".repeat(4_000));
        let most = (0..200).map(|_| talk.say(Way::Forth, head.as_bytes())).max().unwrap();
        assert!((200_000..limits::REQUESTS_BYTES * 2).contains(&most), "{most}");
        assert!((150..190).contains(&talk.tally.0), "{} given up", talk.tally.0);
    }

    #[test]
    fn streams_hold_what_their_requests_say_until_they_end() {
        let mut talk = Talk::default();
        let frame = |kind: u8, stream: u32, payload: &[u8]| {
            [&(payload.len() as u32).to_be_bytes()[1..], &[kind, 5], &stream.to_be_bytes(), payload].concat()
        };
        // A path of 3,900 bytes for the table, and then only its number.
        let path = [&[0x82, 0x86, 0x44, 0x7f, 0xbd, 0x1d][..], &[b'/'; 3_900]].concat();
        talk.say(Way::Forth, &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, b"")[..]].concat());
        talk.say(Way::Forth, &frame(1, 1, &path));
        let most = (1..250).map(|i| talk.say(Way::Forth, &frame(1, 2 * i + 1, &[0x82, 0x86, 0xbe]))).max().unwrap();
        assert!((200_000..400_000).contains(&most), "{most}");
        assert!((150..200).contains(&talk.tally.0), "{} given up", talk.tally.0);
        talk.say(Way::Back, &frame(4, 0, b""));
        for i in talk.tally.0 as u32..250 {
            talk.say(Way::Back, &frame(1, 2 * i + 1, &[0x88]));
        }
        assert_eq!(talk.tally.0, 250);
        let quiet = talk.rest();
        assert!(quiet < size_of::<two::Session>() + 12_000, "{quiet}: the table alone");
    }
}
