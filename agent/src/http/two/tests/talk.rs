//! Connections made by hand, and what is read of them, a line each.

use std::net::{IpAddr, Ipv4Addr};

use pitot_model::{Evidence, Reason, Timestamp};

use super::super::{frame::PREFACE, *};
use crate::{http::Exchange, tcp::GapKind};

/// Writes what it gets, a line each.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) lines: Vec<String>,
    pub(super) requests: i64,
    pub(super) streams: i64,
}

impl Sink for Lines {
    fn exchange(&mut self, x: &Exchange<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut line = format!(
            "{} {} {}{} {} {}+{}",
            x.stream_id.unwrap_or_default(),
            text(x.method),
            text(x.host),
            text(x.target),
            x.status,
            x.request_bytes,
            x.response_bytes
        );
        if x.evidence != Evidence::None {
            line += &format!(" {}={}", x.evidence.name(), text(x.consumer));
        }
        for (name, value) in [("agent", x.user_agent), ("trace", x.trace_id), ("version", x.version)] {
            if !value.is_empty() {
                line += &format!(" {name}={}", text(value));
            }
        }
        if let Some(status) = x.grpc_status {
            line += &format!(" grpc={status}");
        }
        if let Some(call) = x.graphql {
            let mut operation = Vec::new();
            let _ = call.operation().map(|found| found.write(&mut operation));
            line += &format!(" graphql={}{}", text(&operation), if call.has_errors() { "!" } else { "" });
        }
        for (name, is) in [
            ("grpc", x.is_grpc && x.grpc_status.is_none()),
            ("stream", x.is_stream),
            ("damaged", x.is_damaged),
            ("unended", x.response_last.is_none()),
        ] {
            if is {
                line += &format!(" {name}");
            }
        }
        self.lines.push(line);
    }

    fn count(&mut self, reason: Reason, n: u64) {
        self.lines.push(format!("{reason}={n}"));
    }

    fn in_flight(&mut self, requests: i64, streams: i64) {
        self.requests += requests;
        self.streams += streams;
    }
}

/// What both sides say, in order; of what is not captured, the number of bytes.
#[derive(Default, Clone)]
pub(super) struct Talk {
    pub(super) said: Vec<(bool, Piece)>,
}

#[derive(Clone)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    Gap(u64, GapKind),
}

pub(super) const CLIENT: bool = true;
pub(super) const SERVER: bool = false;
pub(super) const END: u8 = 0x1;
pub(super) const BLOCK: u8 = 0x4;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend(payload);
    out
}

/// Both encoders of a connection.
pub(super) struct Encoders<'a>([loona_hpack::Encoder<'a>; 2]);

impl Encoders<'_> {
    pub(super) fn new() -> Self {
        Self([loona_hpack::Encoder::new(), loona_hpack::Encoder::new()])
    }

    pub(super) fn block(&mut self, is_client: bool, fields: &str) -> Vec<u8> {
        let fields = fields.split_whitespace().map(|f| f.rsplit_once('=').unwrap());
        self.0[usize::from(!is_client)].encode(fields.map(|(n, v)| (n.as_bytes(), v.as_bytes())))
    }

    pub(super) fn headers(&mut self, is_client: bool, flags: u8, stream: u32, fields: &str) -> Vec<u8> {
        let block = self.block(is_client, fields);
        frame(frame::HEADERS, flags | BLOCK, stream, &block)
    }
}

impl Talk {
    pub(super) fn say(mut self, is_client: bool, bytes: impl Into<Vec<u8>>) -> Self {
        self.said.push((is_client, Piece::Bytes(bytes.into())));
        self
    }

    pub(super) fn miss(mut self, is_client: bool, len: u64, kind: GapKind) -> Self {
        self.said.push((is_client, Piece::Gap(len, kind)));
        self
    }

    /// A connection that begins.
    pub(super) fn begin() -> Self {
        Self::default()
            .say(CLIENT, [&PREFACE[..], &frame(frame::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100])].concat())
            .say(SERVER, frame(frame::SETTINGS, 0, 0, &[]))
            .say(CLIENT, frame(frame::SETTINGS, 1, 0, &[]))
            .say(SERVER, frame(frame::SETTINGS, 1, 0, &[]))
    }

    /// What is read of it, a segment of `size` bytes each 10 ms, and what is said at its end.
    pub(super) fn read_cut(&self, session: &mut Session, size: usize) -> Vec<String> {
        let mut sink = Lines::default();
        let mut offsets = [1 << 32; 2];
        let mut at = Timestamp::from_secs(1_000);
        for (is_client, piece) in &self.said {
            let offset = &mut offsets[usize::from(!is_client)];
            match piece {
                Piece::Bytes(bytes) => {
                    for (i, bytes) in bytes.chunks(size).enumerate() {
                        let chunk = Chunk {
                            offset: *offset,
                            bytes,
                            at,
                            acknowledged: None,
                            begins_segment: i == 0,
                            may_wait: false,
                        };
                        session.chunk(*is_client, &chunk, &mut sink);
                        *offset += bytes.len() as u64;
                        assert!(session.unneeded(*is_client) >= *offset);
                        at = at + std::time::Duration::from_millis(1);
                    }
                }
                Piece::Gap(len, kind) => {
                    session.gap(*is_client, &Gap { offset: *offset, len: *len, kind: *kind, at }, &mut sink);
                    *offset += len;
                }
            }
        }
        session.close(&mut sink);
        assert_eq!((sink.requests, sink.streams), (0, 0), "{:?}", sink.lines);
        sink.lines
    }

    pub(super) fn read(&self) -> Vec<String> {
        self.read_cut(&mut session(), usize::MAX)
    }
}

pub(super) fn session() -> Session {
    let at = |n| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), port: 1 };
    Session::new(at(1), at(2))
}
