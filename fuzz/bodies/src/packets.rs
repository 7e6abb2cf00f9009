//! Captures, frames, segments, and what is said over connections.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use pitot_agent::{
    decode::{Decoder, Endpoint, Frame, LinkType, Segment},
    http::{Connection, Exchange, Sink},
    io::CaptureFile,
    tcp::{Limits, Tracker},
};
use pitot_model::{Reason, Timestamp};

/// Small, so that the fuzzer reaches them.
const LIMITS: Limits = Limits {
    connections: 8,
    idle: Duration::from_secs(60),
    flow_bytes: 4 << 10,
    bytes: 16 << 10,
    heap_bytes: 64 << 10,
    seed: 1,
};
/// What a byte that is kept out of order may cost beside itself, and what one flow may keep before it is looked at.
const SLACK: usize = 64 << 10;

/// A capture file, read to its end.
pub(crate) fn capture(bytes: &[u8]) {
    let Ok(mut file) = CaptureFile::read_from("fuzz".into(), Box::new(std::io::Cursor::new(bytes.to_vec()))) else {
        return;
    };
    let (mut decoder, mut observer) = (Decoder::default(), Observer::new());
    while let Ok(Some(frame)) = file.next() {
        assert!(frame.bytes.len() <= bytes.len() * 2000, "a frame out of nothing");
        observer.frame(&mut decoder, &frame);
    }
    observer.finish();
}

/// One frame after another: the link type, then each with its length in two bytes.
pub(crate) fn frame(bytes: &[u8]) {
    let Some((link, mut rest)) = bytes.split_first_chunk() else { return };
    let link = LinkType(u16::from_le_bytes(*link));
    let (mut decoder, mut observer, mut at) = (Decoder::default(), Observer::new(), 0);
    while let Some((len, more)) = rest.split_first_chunk() {
        let len = usize::from(u16::from_le_bytes(*len)).min(more.len());
        let (bytes, more) = more.split_at(len);
        let frame =
            Frame { at: Timestamp::from_millis(at), link, bytes, wire_len: (len + usize::from(len % 3 == 0)) as u32 };
        observer.frame(&mut decoder, &frame);
        (at, rest) = (at + 1, more);
    }
    observer.finish();
}

/// Segments with any numbers, of a few connections.
pub(crate) fn segments(mut bytes: &[u8]) {
    let (mut observer, mut at) = (Observer::new(), Timestamp::from_secs(1));
    while let Some((&[who, flags, seq, ack, wait, len], rest)) = bytes.split_first_chunk() {
        let (payload, rest) = rest.split_at(usize::from(len).min(rest.len()));
        let far = |n: u8| if n > 200 { u32::from(n) << 24 } else { u32::from(n) * 16 };
        at = at + Duration::from_millis(if wait > 240 { u64::from(wait - 240) * 20_000 } else { u64::from(wait) });
        let (a, b) = (endpoint(1, u16::from(who >> 1) % 24), endpoint(2, 80));
        let (source, destination) = if who & 1 == 0 { (a, b) } else { (b, a) };
        observer.segment(&Segment {
            at,
            source,
            destination,
            sequence: far(seq),
            acknowledgement: (flags & 1 != 0).then(|| far(ack)),
            syn: flags & 14 == 14,
            fin: flags & 48 == 48,
            rst: flags & 192 == 192,
            payload,
            payload_len: payload.len() as u32 + u32::from(flags & 16 != 0 && flags & 32 == 0) * u32::from(ack),
        });
        bytes = rest;
    }
    observer.finish();
}

/// What both sides of one connection say, piece by piece: two bytes say which side, whether the capture missed it or came
/// late, and its length.
pub(crate) fn http1(bytes: &[u8]) {
    conversation(b"", bytes);
}

/// The same on a connection that begins as HTTP/2 with prior knowledge.
pub(crate) fn http2(bytes: &[u8]) {
    conversation(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", bytes);
}

fn conversation(opening: &[u8], mut bytes: &[u8]) {
    let (mut observer, mut at) = (Observer::new(), Timestamp::from_secs(1));
    let (client, server) = (endpoint(1, 40_000), endpoint(2, 80));
    let mut next = [1_000_u32, 2_000];
    let mut late: Option<(usize, u32, &[u8])> = None;
    let mut say = |observer: &mut Observer, who: usize, sequence, acknowledged, payload: &[u8], is_end: bool| {
        at = at + Duration::from_millis(5);
        let (source, destination) = if who == 0 { (client, server) } else { (server, client) };
        let (payload_len, acknowledgement) = (payload.len() as u32, Some(acknowledged));
        observer.segment(&Segment {
            at,
            source,
            destination,
            sequence,
            acknowledgement,
            syn: false,
            fin: is_end,
            rst: false,
            payload,
            payload_len,
        });
    };
    say(&mut observer, 0, next[0], next[1], opening, false);
    next[0] += opening.len() as u32;
    while let Some((&[how, len], rest)) = bytes.split_first_chunk() {
        let (payload, rest) = rest.split_at((usize::from(len) + usize::from(how & 0x0f) * 256).min(rest.len()));
        let who = usize::from(how >> 7);
        let sequence = next[who];
        next[who] = sequence.wrapping_add(payload.len() as u32);
        match how >> 4 & 7 {
            // The capture missed it.
            7 => {}
            // It comes after the next one.
            6 => late = Some((who, sequence, payload)),
            how => {
                say(&mut observer, who, sequence, next[1 - who], payload, how == 5);
                if let Some((who, sequence, payload)) = late.take() {
                    say(&mut observer, who, sequence, next[1 - who], payload, false);
                }
            }
        }
        bytes = rest;
    }
    observer.finish();
}

fn endpoint(last: u8, port: u16) -> Endpoint {
    Endpoint { ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port }
}

/// Reads connections, and holds what must hold whatever comes.
struct Observer {
    tracker: Tracker<Connection<Sums>>,
    sums: Sums,
    latest: Timestamp,
}

/// What is open, and what was counted.
#[derive(Default)]
struct Sums {
    requests: i64,
    streams: i64,
}

impl Observer {
    fn new() -> Self {
        Self { tracker: Tracker::new(LIMITS), sums: Sums::default(), latest: Timestamp::EPOCH }
    }

    fn frame(&mut self, decoder: &mut Decoder, frame: &Frame<'_>) {
        if let Ok(Some(segment)) = decoder.decode(frame) {
            assert!(segment.payload.len() <= segment.payload_len as usize, "more captured than was sent");
            self.segment(&segment);
        }
    }

    fn segment(&mut self, segment: &Segment<'_>) {
        self.tracker.push(segment, &mut self.sums);
        if segment.at > self.latest + Duration::from_secs(1) {
            self.latest = segment.at;
            self.tracker.tick(segment.at, &mut self.sums);
        }
        assert!(self.tracker.connections() <= LIMITS.connections, "more connections than allowed");
        let kept = self.tracker.buffered_bytes();
        assert!(kept <= LIMITS.bytes + LIMITS.heap_bytes + SLACK, "{kept} bytes kept");
        self.sums.check();
    }

    fn finish(mut self) {
        self.tracker.finish(&mut self.sums);
        assert_eq!((self.tracker.connections(), self.tracker.buffered_bytes()), (0, 0), "kept after the end");
        assert_eq!((self.sums.requests, self.sums.streams), (0, 0), "open after the end");
    }
}

impl Sums {
    fn check(&self) {
        assert!(self.requests >= 0 && self.streams >= 0, "{} requests, {} streams open", self.requests, self.streams);
    }
}

impl Sink for Sums {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        assert!(!exchange.method.is_empty(), "a request without a method");
        assert!(exchange.request_first <= exchange.request_last, "a request that ends before it begins");
        if let (Some(first), Some(last)) = (exchange.response_first, exchange.response_last) {
            assert!(first <= last, "a response that ends before it begins");
        }
    }

    fn count(&mut self, _: Reason, n: u64) {
        assert!(n > 0, "nothing was counted");
    }

    fn in_flight(&mut self, requests: i64, streams: i64) {
        self.requests += requests;
        self.streams += streams;
    }
}
