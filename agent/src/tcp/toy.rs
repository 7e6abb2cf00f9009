//! For tests: segments written as text, and an application that writes down what it is told.
//!
//! In: lines such as `> S 99`, `< 500:hello @104`. Out: lines such as `< hello`, `> ~3`, `close Ended`.

use std::net::Ipv4Addr;

use pitot_model::{Reason, Timestamp};

use super::{Application, Chunk, Close, End, Gap, GapKind, Limits, Peers, Taken, Tracker, Way, sequence::START};
use crate::decode::{Endpoint, Segment};

/// What toys were told.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// One line per call.
    pub(super) lines: Vec<String>,
    /// What streams consist of, in the order of the calls.
    pub(super) runs: Vec<Run>,
    /// What the tracker counted.
    pub(super) counts: Vec<(Reason, u64)>,
    /// Calls of `tick`.
    pub(super) ticks: u64,
}

/// A chunk or a gap.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// Of which connection.
    pub(super) port: u16,
    /// Of which stream.
    pub(super) way: Way,
    /// Where, from [`START`].
    pub(super) start: i64,
    /// The bytes; of a gap how many there are.
    pub(super) bytes: Result<Vec<u8>, u64>,
    /// Time of the call.
    pub(super) at: Timestamp,
}

/// Reads everything, but: `W…` is refused while that is allowed, `S<digit>…` says that so many times ten bytes after it
/// are not needed, `H<digit>…` that it holds so many thousand bytes from then on, `D…` is the last thing it looks at.
#[derive(Debug, Default)]
pub(super) struct Toy {
    next: [u64; 2],
    unneeded: [u64; 2],
    heap_bytes: usize,
    is_done: bool,
    is_closed: bool,
}

impl Toy {
    fn follow(&mut self, way: Way, offset: u64, len: u64) {
        assert!(len > 0 && !self.is_closed && !self.is_done);
        let next = &mut self.next[way as usize];
        assert!(*next == 0 || *next == offset, "{way:?} goes on at {offset}, not at {next}");
        *next = offset + len;
    }
}

fn arrow(way: Way) -> char {
    match way {
        Way::Forth => '>',
        Way::Back => '<',
    }
}

impl Application for Toy {
    type Sink = Notes;

    fn chunk(&mut self, peers: &Peers, way: Way, chunk: &Chunk<'_>, notes: &mut Notes) -> Taken {
        let text = String::from_utf8_lossy(chunk.bytes);
        if chunk.bytes[0] == b'W' && chunk.may_wait {
            notes.lines.push(format!("{} wait", arrow(way)));
            return Taken::Wait;
        }
        self.follow(way, chunk.offset, chunk.bytes.len() as u64);
        match chunk.bytes {
            [b'S', n @ b'0'..=b'9', ..] => {
                self.unneeded[way as usize] = self.next[way as usize] + u64::from(n - b'0') * 10;
            }
            [b'H', n @ b'0'..=b'9', ..] => self.heap_bytes = usize::from(n - b'0') * 1_000,
            [b'D', ..] => self.is_done = true,
            _ => {}
        }
        let acknowledged = chunk.acknowledged.map(|a| format!(" @{}", a as i64 - START as i64)).unwrap_or_default();
        let part = if chunk.begins_segment { "" } else { "…" };
        notes.lines.push(format!("{} {part}{text}{acknowledged}", arrow(way)));
        let start = chunk.offset as i64 - START as i64;
        notes.runs.push(Run { port: peers.opener.port, way, start, bytes: Ok(chunk.bytes.to_vec()), at: chunk.at });
        Taken::All
    }

    fn gap(&mut self, peers: &Peers, way: Way, gap: &Gap, notes: &mut Notes) {
        self.follow(way, gap.offset, gap.len);
        let mark = if gap.kind == GapKind::Lost { '~' } else { '.' };
        notes.lines.push(format!("{} {mark}{}", arrow(way), gap.len));
        let start = gap.offset as i64 - START as i64;
        notes.runs.push(Run { port: peers.opener.port, way, start, bytes: Err(gap.len), at: gap.at });
    }

    fn end(&mut self, _: &Peers, way: Way, end: End, _: Timestamp, notes: &mut Notes) {
        assert!(!self.is_closed);
        notes.lines.push(format!("{} {end:?}", arrow(way)));
    }

    fn close(&mut self, peers: &Peers, close: Close, _: Timestamp, notes: &mut Notes) {
        assert!(!std::mem::replace(&mut self.is_closed, true));
        let hello = if peers.has_handshake { "" } else { " (joined)" };
        let by = if peers.opener.port == 80 { " by server" } else { "" };
        notes.lines.push(format!("close {close:?}{hello}{by}"));
    }

    fn tick(&mut self, _: &Peers, _: Timestamp, notes: &mut Notes) {
        notes.ticks += 1;
    }

    fn unneeded(&self, way: Way) -> u64 {
        self.unneeded[way as usize]
    }

    fn is_done(&self) -> bool {
        self.is_done
    }

    fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }

    fn count(notes: &mut Notes, reason: Reason, n: u64) {
        notes.counts.push((reason, n));
    }
}

/// A client's end; the server is at port 80.
pub(super) fn client(port: u16) -> Endpoint {
    Endpoint { ip: Ipv4Addr::new(10, 0, 0, 1).into(), port }
}

/// The server's end.
pub(super) fn server() -> Endpoint {
    Endpoint { ip: Ipv4Addr::new(10, 0, 0, 2).into(), port: 80 }
}

/// A segment without flags.
pub(super) fn segment(way: Way, port: u16, at: Timestamp, sequence: u32, payload: &[u8]) -> Segment<'_> {
    let (source, destination) = match way {
        Way::Forth => (client(port), server()),
        Way::Back => (server(), client(port)),
    };
    let payload_len = payload.len() as u32;
    let (syn, fin, rst) = (false, false, false);
    Segment { at, source, destination, sequence, acknowledgement: None, syn, fin, rst, payload, payload_len }
}

/// Pushes segments written as text through a tracker; what the application was told, and the tracker.
///
/// Each line is `>` (from the client, port 4000) or `<`, then in any order flags `S`, `F`, `R`, a sequence number with
/// or without `:payload`, `@` and an acknowledgement, `len=` and the length on the wire, `port=`, `+` and milliseconds
/// since the segment before (else a microsecond; may be negative). `tick +N` lets N milliseconds pass, `end` ends the capture.
pub(super) fn play(script: &str, limits: Limits) -> (Notes, Tracker<Toy>) {
    let (mut notes, mut tracker) = (Notes::default(), Tracker::new(limits));
    let mut at = Timestamp::from_secs(1_000_000);
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let mut words: Vec<&str> = line.split(' ').collect();
        let pause = words.iter().find_map(|w| w.strip_prefix('+')).map(|ms| ms.parse::<i64>().unwrap());
        at = Timestamp::from_micros(at.as_micros() + pause.map_or(1, |ms| ms * 1_000));
        let way = match words.remove(0) {
            ">" => Way::Forth,
            "<" => Way::Back,
            "tick" => {
                tracker.tick(at, &mut notes);
                continue;
            }
            "end" => {
                tracker.finish(&mut notes);
                continue;
            }
            other => panic!("`{other}` begins no line"),
        };
        let port = words.iter().find_map(|w| w.strip_prefix("port=")).map_or(4_000, |p| p.parse().unwrap());
        let (mut sequence, mut payload) = ("0", "");
        for word in &words {
            if word.starts_with(|c: char| c.is_ascii_digit()) {
                (sequence, payload) = word.split_once(':').unwrap_or((word, ""));
            }
        }
        let mut s = segment(way, port, at, sequence.parse().unwrap(), payload.as_bytes());
        for word in words {
            match word {
                "S" => s.syn = true,
                "F" => s.fin = true,
                "R" => s.rst = true,
                w if w.starts_with('@') => s.acknowledgement = Some(w[1..].parse().unwrap()),
                w if w.starts_with("len=") => s.payload_len = w[4..].parse().unwrap(),
                _ => {}
            }
        }
        tracker.push(&s, &mut notes);
    }
    (notes, tracker)
}
