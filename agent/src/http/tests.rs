//! HTTP/1 connections as scripts of what both sides say, against one line per exchange.

mod gaps;

use std::{fmt::Write as _, time::Duration};

use pitot_model::{Reason, Timestamp};
use proptest::prelude::*;

use super::{Connection, Exchange, Sink};
use crate::{
    decode::Endpoint,
    tcp::{Application, Chunk, Close, End, Gap, GapKind, Peers, Taken, Way},
};

/// What a script does.
#[derive(Debug, Clone)]
enum Step {
    /// The client says this.
    C(Vec<u8>),
    /// The server says this.
    S(Vec<u8>),
    /// Bytes of the client, or of the server, that the capture missed.
    LostC(u64),
    LostS(u64),
    /// The client says this, of whom is known that it received so many bytes of the server that come next.
    Ahead(Vec<u8>, u64),
    /// So many bytes of the server that the snap length cut.
    CutS(u64),
    /// Seconds pass.
    Pass(u64),
    FinC,
    FinS,
    ResetS,
}

use Step::{Ahead, C, CutS, FinC, FinS, LostC, LostS, Pass, ResetS, S};

fn c(text: &str) -> Step {
    C(text.as_bytes().to_vec())
}

fn s(text: &str) -> Step {
    S(text.as_bytes().to_vec())
}

#[derive(Default)]
struct Log {
    text: String,
    reasons: Vec<(Reason, u64)>,
    requests: i64,
    streams: i64,
}

impl Sink for Log {
    fn exchange(&mut self, e: &Exchange<'_>) {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let end = match e.status.http() {
            Some(code) => code.to_string(),
            None => format!("{:?}", e.status),
        };
        let _ =
            write!(self.text, "{} {} {end} {}/{}", text(e.method), text(e.target), e.request_bytes, e.response_bytes);
        if (e.request_captured, e.response_captured) != (e.request_bytes, e.response_bytes) {
            let _ = write!(self.text, " of which {}/{}", e.request_captured, e.response_captured);
        }
        for (is, note) in [
            (e.status.http().is_some() && e.response_last.is_none(), " open"),
            (e.is_stream, " stream"),
            (e.is_damaged, " damaged"),
        ] {
            self.text.push_str(if is { note } else { "" });
        }
        self.text.push('\n');
        assert!(e.request_first <= e.request_last);
    }

    fn count(&mut self, reason: Reason, n: u64) {
        match self.reasons.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, sum)) => *sum += n,
            None => self.reasons.push((reason, n)),
        }
    }

    fn in_flight(&mut self, requests: i64, streams: i64) {
        self.requests += requests;
        self.streams += streams;
        assert!(self.requests >= 0 && self.streams >= 0);
    }
}

/// What a script comes to: exchanges, and everything that was counted.
fn run(steps: &[Step]) -> (String, String) {
    let end = |ip: [u8; 4], port| Endpoint { ip: ip.into(), port };
    let peers = Peers { opener: end([10, 0, 0, 1], 4000), other: end([10, 0, 0, 2], 80), has_handshake: true };
    let mut connection = Connection::<Log>::default();
    let mut log = Log::default();
    let mut offsets = [1_u64 << 32, 1 << 32];
    let mut at = Timestamp::from_secs(1_000);
    for step in steps {
        at = at + Duration::from_millis(1);
        let mut say = |way: Way, bytes: &[u8], ahead: u64| {
            let from = usize::from(way == Way::Back);
            let chunk = Chunk {
                offset: offsets[from],
                bytes,
                at,
                acknowledged: Some(offsets[1 - from] + ahead),
                begins_segment: true,
                may_wait: false,
            };
            assert_eq!(connection.chunk(&peers, way, &chunk, &mut log), Taken::All);
            offsets[from] += bytes.len() as u64;
            assert!(connection.unneeded(way) >= offsets[from] || !connection.is_done());
        };
        match step {
            C(bytes) if bytes.is_empty() => {}
            S(bytes) if bytes.is_empty() => {}
            C(bytes) => say(Way::Forth, bytes, 0),
            Ahead(bytes, n) => say(Way::Forth, bytes, *n),
            S(bytes) => say(Way::Back, bytes, 0),
            LostC(len) | LostS(len) | CutS(len) => {
                let (way, from) = if let LostC(_) = step { (Way::Forth, 0) } else { (Way::Back, 1) };
                let kind = if let CutS(_) = step { GapKind::Unkept } else { GapKind::Lost };
                connection.gap(&peers, way, &Gap { offset: offsets[from], len: *len, kind, at }, &mut log);
                offsets[from] += len;
            }
            Pass(seconds) => {
                for _ in 0..*seconds {
                    at = at + Duration::from_secs(1);
                    connection.tick(&peers, at, &mut log);
                }
            }
            FinC => connection.end(&peers, Way::Forth, End::Fin, at, &mut log),
            FinS => connection.end(&peers, Way::Back, End::Fin, at, &mut log),
            ResetS => connection.end(&peers, Way::Back, End::Reset, at, &mut log),
        }
    }
    connection.close(&peers, Close::Ended, at, &mut log);
    assert_eq!((log.requests, log.streams), (0, 0), "{steps:?}");
    log.reasons.sort();
    let reasons: Vec<_> = log.reasons.iter().map(|(reason, n)| format!("{reason}={n}")).collect();
    (log.text, reasons.join(" "))
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Scripts that come to the same however their bytes are cut into segments.
fn whole() -> Vec<(Vec<Step>, &'static str, &'static str)> {
    vec![
        (vec![c("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"), s(OK)], "GET /a 200 0/2\n", ""),
        (
            vec![
                c("GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\n\r\n"),
                s(OK),
                s(OK),
                s(OK),
            ],
            "GET /1 200 0/2\nPOST /2 200 3/2\nGET /3 200 0/2\n",
            "",
        ),
        (
            vec![
                c("\r\nHEAD /h HTTP/1.1\r\n\r\n"),
                s("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"),
                c("DELETE /d HTTP/1.1\r\n\r\n"),
                s("HTTP/1.1 204 No Content\r\n\r\n"),
                c("GET /c HTTP/1.1\r\n\r\n"),
                s("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
            ],
            "HEAD /h 200 0/0\nDELETE /d 204 0/0\nGET /c 304 0/0\n",
            "",
        ),
        (
            vec![
                c("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
                s(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nbody\r\n10\r\n0123456789abcdef\r\n0\r\nT: v\r\n\r\n",
                ),
                c("GET /n HTTP/1.1\r\n\r\n"),
                s(OK),
            ],
            "POST /c 200 3/20\nGET /n 200 0/2\n",
            "",
        ),
        (vec![c("GET /u HTTP/1.0\r\n\r\n"), s("HTTP/1.0 200 OK\r\n\r\nuntil the end"), FinS], "GET /u 200 0/13\n", ""),
        (vec![c("GET /u HTTP/1.0\r\n\r\n"), s("HTTP/1.0 200 OK\r\n\r\nuntil what end")], "GET /u 200 0/14 open\n", ""),
        (
            vec![
                c("PUT /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"),
                s("HTTP/1.1 100 Continue\r\n\r\n"),
                c("data"),
                s("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
                s(OK),
            ],
            "PUT /e 200 4/2\n",
            "",
        ),
        (
            vec![
                c("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
                s("HTTP/1.1 101 Switching Protocols\r\n\r\n\x01frames"),
                c("GET /no HTTP/1.1\r\n\r\n"),
                s(OK),
                FinS,
            ],
            "GET /ws 101 0/0 stream\n",
            "",
        ),
        (
            vec![
                c("CONNECT h:443 HTTP/1.1\r\n\r\n"),
                s("HTTP/1.1 200 Connection established\r\n\r\n"),
                c("\x16\x03\x01"),
                s("\x16\x03"),
                FinS,
            ],
            "CONNECT h:443 200 0/0 stream\n",
            "",
        ),
        (
            vec![
                c("CONNECT h:443 HTTP/1.1\r\n\r\n"),
                s("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
                c("GET /x HTTP/1.1\r\n\r\n"),
                s(OK),
            ],
            "CONNECT h:443 403 0/2\nGET /x 200 0/2\n",
            "",
        ),
        (
            vec![
                c("GET /e HTTP/1.1\r\n\r\n"),
                s(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ndata:\r\n",
                ),
            ],
            "GET /e 200 0/5 open stream\n",
            "",
        ),
        (vec![c("POST /cut HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"), ResetS], "POST /cut Status(1001) 3/0\n", ""),
        (vec![c("GET /no HTTP/1.1\r\n\r\n")], "GET /no Status(1003) 0/0\n", ""),
        (vec![c("GET /h HTTP/1.1\r\n\r\n"), s("HTTP/1.1 200 OK\r\nServer: x\r\n")], "GET /h 200 0/0 open\n", ""),
        (
            vec![c("get /l a HTTP/1.1\nHost : h\n\n"), s("http/1.1 200\nContent-Length: 0\n\n")],
            "get /l a 200 0/0\n",
            "head_lenient=2",
        ),
        (
            vec![c("POST /s HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), s(OK)],
            "POST /s 200 0/2\n",
            "request_ambiguous=1",
        ),
        (
            vec![
                c("POST /early HTTP/1.1\r\nContent-Length: 6\r\n\r\nabc"),
                s("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
                c("def"),
                c("GET /n HTTP/1.1\r\n\r\n"),
                s(OK),
            ],
            "POST /early 413 6/0\nGET /n 200 0/2\n",
            "",
        ),
        (vec![c("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /p HTTP/1.1\r\n\r\n"), s(OK)], "GET /p 200 0/2\n", ""),
    ]
}

#[test]
fn exchanges_of_connections() {
    for (steps, exchanges, reasons) in whole() {
        assert_eq!(run(&steps), (exchanges.to_string(), reasons.to_string()), "{steps:?}");
    }
}

/// The steps, their bytes in pieces that end at these places.
fn cut(steps: &[Step], mut next: impl FnMut(usize) -> usize) -> Vec<Step> {
    let mut out = Vec::new();
    for step in steps {
        let (C(bytes) | S(bytes)) = step else {
            out.push(step.clone());
            continue;
        };
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(next(rest.len()).clamp(1, rest.len()));
            out.push(if let C(_) = step { C(piece.to_vec()) } else { S(piece.to_vec()) });
            rest = after;
        }
    }
    out
}

#[test]
fn segments_may_end_anywhere() {
    for (steps, exchanges, reasons) in whole() {
        for len in 1..80 {
            let pieces = cut(&steps, |_| len);
            assert_eq!(run(&pieces), (exchanges.to_string(), reasons.to_string()), "{pieces:?}");
        }
    }
}

#[test]
fn answers_that_do_not_come_and_answers_that_do_not_end() {
    let feed = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let download = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabcd";
    for (steps, exchanges) in [
        (
            vec![c("GET /t HTTP/1.1\r\n\r\n"), Pass(121), s(OK), c("GET /2 HTTP/1.1\r\n\r\n"), s(OK)],
            "GET /t Status(1002) 0/0\nGET /2 200 0/2\n",
        ),
        // Held back until it is known that a gap took no other request.
        (
            vec![c("GET /1 HTTP/1.1\r\n\r\n"), s(OK), LostC(9), c("GET /3 HTTP/1.1\r\n\r\n"), s(OK), Pass(130)],
            "GET /1 200 0/2\nGET /3 200 0/2\n",
        ),
        (
            vec![
                c("GET /f HTTP/1.1\r\n\r\n"),
                s(feed),
                Pass(4),
                s("1\r\na\r\n"),
                Pass(4),
                s("1\r\nb\r\n"),
                Pass(4),
                s("1\r\nc\r\n0\r\n\r\n"),
            ],
            "GET /f 200 0/3 stream\n",
        ),
        (
            vec![c("GET /r HTTP/1.1\r\n\r\n"), Pass(60), s(feed), s("1\r\na\r\n"), Pass(20), s("0\r\n\r\n")],
            "GET /r 200 0/1\n",
        ),
        (
            vec![c("GET /d HTTP/1.1\r\n\r\n"), s(download), Pass(5), s("a"), Pass(5), s("b"), Pass(5), s("cd")],
            "GET /d 200 0/8\n",
        ),
    ] {
        assert_eq!(run(&steps).0, exchanges, "{steps:?}");
    }
}

#[test]
fn a_server_that_leaves_without_an_answer_breaks_the_connection() {
    let ask = "GET /1 HTTP/1.1\r\n\r\n";
    let again = "GET /2 HTTP/1.1\r\n\r\n";
    for (steps, exchanges) in [
        (vec![c(ask), FinS], "GET /1 Status(1001) 0/0\n"),
        (vec![c(ask), Pass(5), FinS, FinC], "GET /1 Status(1001) 0/0\n"),
        (vec![c(ask), Pass(5), FinS, Pass(130)], "GET /1 Status(1001) 0/0\n"),
        (vec![c(ask), c(again), FinS], "GET /1 Status(1001) 0/0\nGET /2 Status(1001) 0/0\n"),
        (vec![c(ask), s(OK), c(again), FinS], "GET /1 200 0/2\nGET /2 Status(1001) 0/0\n"),
        (vec![c("POST /p HTTP/1.1\r\nContent-Length: 2\r\n\r\nok"), FinS], "POST /p Status(1001) 2/0\n"),
        // The client went away first.
        (vec![c(ask), FinC, FinS], "GET /1 Status(1003) 0/0\n"),
        (vec![c(ask), FinC], "GET /1 Status(1003) 0/0\n"),
        // The request is not whole.
        (vec![c("POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nok"), FinS], "POST /p Status(1003) 2/0\n"),
        // The server said something behind it.
        (vec![c(ask), c(again), s(OK), FinS], "GET /1 200 0/2\nGET /2 Status(1003) 0/0\n"),
        (vec![c(ask), s("what"), FinS], "GET /1 Status(1003) 0/0 damaged\n"),
        // The capture may have missed the answer.
        (vec![c(ask), LostS(9), FinS], "GET /1 Status(1003) 0/0 damaged\n"),
        (vec![c(ask), LostC(9), FinS], "GET /1 Status(1003) 0/0\n"),
        // It is over only when nothing more comes.
        (vec![c(ask), FinS, s(OK)], "GET /1 200 0/2\n"),
    ] {
        assert_eq!(run(&steps).0, exchanges, "{steps:?}");
    }
}

#[test]
fn an_upgrade_is_followed_where_its_answer_says_so() {
    let ask =
        "GET /u HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n";
    let frames = "\0\0\0\x04\0\0\0\0\0";
    for (steps, exchanges) in [
        // The answer is on stream 1, and never came.
        (vec![c(ask), s(&format!("{switch}\r\n{frames}"))], "GET /u Status(1003) 0/0\n"),
        (vec![c(ask), s(&format!("HTTP/1.1 101 Switching\r\n\r\n{frames}"))], "GET /u 101 0/0 open stream\n"),
        (vec![c(ask), s("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n")], "GET /u 101 0/0 open stream\n"),
        // Cut heads.
        (vec![c(ask), s(switch)], "GET /u 101 0/0 open stream\n"),
        (vec![c(ask), s(switch), LostS(20), s(frames)], "GET /u 101 0/0 open stream damaged\n"),
        (
            vec![c("GET /u HT"), LostC(9), c("1"), c("2"), c("3"), c("4"), s("1"), s("2"), s("3"), s("4")],
            "GET /u Status(1003) 0/0 damaged\n",
        ),
    ] {
        assert_eq!(run(&steps).0, exchanges, "{steps:?}");
    }
}

#[test]
fn other_protocols_are_counted_once() {
    for (steps, want) in [
        (
            vec![C(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc".to_vec()), S(b"\x16\x03\x03\x00\x7a\x02".to_vec())],
            "connection_tls=1",
        ),
        (vec![s("220 mail ESMTP\r\n"), c("EHLO h\r\n"), s("250 ok\r\n")], "connection_foreign=1"),
        (vec![c("OPTIONS rtsp://h/ RTSP/1.0\r\n\r\n"), s("RTSP/1.0 200 OK\r\n\r\n")], "connection_foreign=1"),
        (vec![], ""),
    ] {
        assert_eq!(run(&steps), (String::new(), want.to_string()), "{steps:?}");
    }
}

#[test]
fn an_unknown_method_needs_an_answer_to_be_one() {
    let probe = "REQ /a HTTP/1.0\r\n\r\n";
    for (steps, exchanges, reasons) in [
        (vec![c(probe)], "", "head_malformed=1"),
        (vec![c(probe), s("HTTP/1.0 501 No\r\n\r\n"), FinS], "REQ /a 501 0/0\n", ""),
        (vec![c(probe), FinS], "REQ /a Status(1001) 0/0\n", ""),
    ] {
        let (got, counted) = run(&steps);
        assert_eq!((got.as_str(), counted.as_str()), (exchanges, reasons), "{steps:?}");
    }
}

#[test]
fn a_response_waits_for_its_request() {
    let end = |port| Endpoint { ip: [10, 0, 0, 1].into(), port };
    let peers = Peers { opener: end(1), other: end(2), has_handshake: true };
    let mut connection = Connection::<Log>::default();
    let mut log = Log::default();
    let chunk = |bytes, acknowledged| Chunk {
        offset: 100,
        bytes,
        at: Timestamp::EPOCH,
        acknowledged: Some(acknowledged),
        begins_segment: true,
        may_wait: true,
    };
    let request = b"GET / HTTP/1.1\r\n\r\n";
    let response = chunk(OK.as_bytes(), 100 + request.len() as u64);
    assert_eq!(connection.chunk(&peers, Way::Back, &response, &mut log), Taken::Wait);
    assert_eq!(connection.chunk(&peers, Way::Forth, &chunk(request, 100), &mut log), Taken::All);
    assert_eq!(connection.chunk(&peers, Way::Back, &response, &mut log), Taken::All);
    assert_eq!(log.text, "GET / 200 0/2\n");
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(row in 0..18_usize, lens in prop::collection::vec(1..40_usize, 1..40)) {
        let (steps, exchanges, reasons) = whole().swap_remove(row);
        let mut lens = lens.into_iter().cycle();
        let pieces = cut(&steps, |_| lens.next().unwrap_or(1));
        prop_assert_eq!(run(&pieces), (exchanges.to_string(), reasons.to_string()));
    }

    /// Whatever is lost, and whatever is made of the bytes: nothing breaks, and what was in flight ends.
    #[test]
    fn damage_is_survived(
        row in 0..18_usize,
        lens in prop::collection::vec(1..40_usize, 1..20),
        lost in prop::collection::vec(0..12_u8, 1..40),
        bytes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut lens = lens.into_iter().cycle();
        let mut pieces = cut(&whole()[row].0, |_| lens.next().unwrap_or(1));
        pieces.extend(cut(&whole()[0].0, |_| 1_000));
        let n = pieces.len();
        for (at, byte) in bytes {
            if let C(text) | S(text) = &mut pieces[at.index(n)] {
                let i = at.index(text.len());
                text[i] = byte;
            }
        }
        for (piece, lost) in pieces.iter_mut().zip(lost.into_iter().cycle()) {
            match piece {
                C(text) if lost == 0 => *piece = LostC(text.len() as u64),
                S(text) if lost == 0 => *piece = LostS(text.len() as u64),
                S(text) if lost == 1 => *piece = CutS(text.len() as u64),
                _ => {}
            }
        }
        run(&pieces);
    }
}
