//! Heads of HTTP/2 frames, and telling HTTP/2 from anything else.
//!
//! In: bytes of a stream. Out: a [`Head`], or whether these can be frames. Layout: length (24 bits), kind (8), flags (8),
//! one reserved bit, stream (31). Source: RFC 9113, sections 3.4, 4.1 and 6.

use super::hpack;

/// What a client sends first.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of the head of a frame.
pub(super) const HEAD_BYTES: usize = 9;

/// Longest frame by which HTTP/2 is recognised in the middle of a stream: what peers allow by default, except for bodies,
/// for which some allow more. Where frames are known to begin, any length is read.
const USUAL_BYTES: u32 = 16_384;
const USUAL_DATA_BYTES: u32 = 1 << 20;

/// Frames that are looked at to recognise HTTP/2.
const ENOUGH: usize = 4;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;

/// Whether bytes are what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    /// So far yes; more bytes will tell.
    More,
}

/// Whether a client begins HTTP/2 with these bytes.
pub(crate) fn looks_like_preface(bytes: &[u8]) -> Match {
    let n = bytes.len().min(PREFACE.len());
    match bytes[..n] == PREFACE[..n] {
        false => Match::No,
        true if n < PREFACE.len() => Match::More,
        true => Match::Yes,
    }
}

/// Whether these bytes, with which a segment begins, are frames of HTTP/2: one that says enough, or several. It is meant
/// to take nothing else for HTTP/2, and overlooks segments that begin in the middle of a frame or with nothing but the
/// beginning of a body.
pub(crate) fn looks_like_frames(bytes: &[u8]) -> bool {
    are_frames(bytes, |_| false)
}

/// The same, where some streams are known to be open: bodies of those are certain.
pub(super) fn are_frames(mut bytes: &[u8], is_open: impl Fn(u32) -> bool) -> bool {
    let mut is_certain = false;
    for _ in 0..ENOUGH {
        let Some((head, payload)) = bytes.split_first_chunk() else { break };
        let head = Head::parse(head);
        if !head.is_usual() {
            return false;
        }
        let len = head.len as usize;
        let seen = &payload[..len.min(payload.len())];
        if !head.is_usual_payload(seen) {
            return false;
        }
        // A body says nothing of itself; a whole frame of a fixed layout or a block of fields does.
        is_certain |= match head.kind {
            DATA => is_open(head.stream),
            _ => seen.len() == len || seen.len() >= 16,
        };
        match payload.get(len..) {
            Some(rest) => bytes = rest,
            None => break,
        }
    }
    is_certain
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    /// Bytes of the payload.
    pub(super) len: u32,
    pub(super) kind: u8,
    flags: u8,
    /// 0 is the connection.
    pub(super) stream: u32,
    is_reserved_set: bool,
}

impl Head {
    pub(super) fn parse(bytes: &[u8; HEAD_BYTES]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        let stream = u32::from_be_bytes(stream);
        Self {
            len: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: stream & 0x7fff_ffff,
            is_reserved_set: stream >> 31 != 0,
        }
    }

    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    pub(super) fn ends_block(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    pub(super) fn is_padded(&self) -> bool {
        matches!(self.kind, DATA | HEADERS | PUSH_PROMISE) && self.flags & PADDED != 0
    }

    /// Whether a peer would go on after it. Where not, it is no frame, or the connection is at its end.
    pub(super) fn is_valid(&self) -> bool {
        let on_stream = self.stream != 0;
        match self.kind {
            DATA | HEADERS | CONTINUATION => on_stream,
            PRIORITY => on_stream && self.len == 5,
            RST_STREAM => on_stream && self.len == 4,
            SETTINGS => !on_stream && self.len.is_multiple_of(6) && (!self.is_ack() || self.len == 0),
            PUSH_PROMISE => on_stream && self.len >= 4,
            PING => !on_stream && self.len == 8,
            GOAWAY => !on_stream && self.len >= 8,
            WINDOW_UPDATE => self.len == 4,
            _ => true,
        }
    }

    /// Whether it is one of those that connections are made of.
    fn is_usual(&self) -> bool {
        let (flags, longest) = match self.kind {
            DATA => (END_STREAM | PADDED, USUAL_DATA_BYTES),
            HEADERS => (END_STREAM | END_HEADERS | PADDED | WITH_PRIORITY, USUAL_BYTES),
            SETTINGS => (ACK, 6 * 32),
            PING => (ACK, 8),
            PUSH_PROMISE => (END_HEADERS | PADDED, USUAL_BYTES),
            CONTINUATION => (END_HEADERS, USUAL_BYTES),
            PRIORITY | RST_STREAM | WINDOW_UPDATE => (0, 5),
            GOAWAY => (0, 1024),
            _ => return false,
        };
        self.is_valid() && !self.is_reserved_set && self.flags & !flags == 0 && self.len <= longest
    }

    /// Whether a payload, of which this much was seen, goes with it.
    fn is_usual_payload(&self, seen: &[u8]) -> bool {
        let is_cut = seen.len() < self.len as usize;
        match self.kind {
            HEADERS | PUSH_PROMISE | CONTINUATION => {
                let block = if is_cut { self.cut_fragment(seen) } else { self.fragment(seen) };
                block.is_some_and(|b| hpack::looks_like_block(b, is_cut || !self.ends_block()))
            }
            RST_STREAM => number(seen).is_some_and(|code| code <= 0xd),
            WINDOW_UPDATE => number(seen).is_some_and(|n| n != 0 && n >> 31 == 0),
            SETTINGS => !is_cut && seen.chunks_exact(6).all(|s| s[0] == 0 && matches!(s[1], 1..=16)),
            PING | PRIORITY => !is_cut,
            GOAWAY => seen.get(4..).and_then(number).is_some_and(|code| code <= 0xd),
            _ => true,
        }
    }

    /// The part of a header block in a payload, without padding, priority and the number of the promised stream. `None`
    /// where they take more than there is.
    pub(super) fn fragment<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let padding = if self.is_padded() { usize::from(*payload.first()?) } else { 0 };
        let fragment = self.cut_fragment(payload)?;
        fragment.get(..fragment.len().checked_sub(padding)?)
    }

    /// The same for the beginning of a payload.
    fn cut_fragment<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let has_priority = self.kind == HEADERS && self.flags & WITH_PRIORITY != 0;
        let before = usize::from(self.is_padded())
            + if has_priority { 5 } else { 0 }
            + if self.kind == PUSH_PROMISE { 4 } else { 0 };
        payload.get(before..)
    }

    /// The stream that a PUSH_PROMISE promises.
    pub(super) fn promised(&self, payload: &[u8]) -> Option<u32> {
        let id = number(payload.get(usize::from(self.is_padded())..)?)? & 0x7fff_ffff;
        (id != 0 && id.is_multiple_of(2)).then_some(id)
    }
}

/// The number that a payload begins with.
pub(super) fn number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preface_is_told_from_other_beginnings() {
        for (bytes, want) in [
            (&PREFACE[..], Match::Yes),
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04"[..], Match::Yes),
            (b"PRI * HT", Match::More),
            (b"", Match::More),
            (b"PRI * HTTP/2.1\r\n", Match::No),
            (b"PROPFIND /", Match::No),
        ] {
            assert_eq!(looks_like_preface(bytes), want, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn frames_are_told_from_other_protocols() {
        let cut_headers = b"\0\x01\0\x01\x04\0\0\0\x07\x83\x44\x03/ab\xbe\xbf\xc0\x0f\x2b\x05hello";
        for (bytes, want) in [
            (&b"\0\0\x08\x06\0\0\0\0\0abcdefgh"[..], true),
            (b"\0\0\x04\x08\0\0\0\0\0\0\0\x10\0", true),
            (b"\0\0\0\x04\x01\0\0\0\0", true),
            (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", true),
            (b"\0\0\x04\x03\0\0\0\0\x05\0\0\0\x08", true),
            (b"\0\0\x02\x01\x05\0\0\0\x01\x88\xbe", true),
            (b"\0\0\x02\x00\x01\0\0\0\x01ab\0\0\x01\x01\x05\0\0\0\x03\x88", true),
            (cut_headers, true),
            // A body alone, a reserved bit, flags that are none, an increment of zero, no stream, a field of no table.
            (b"\0\0\x02\x00\x01\0\0\0\x01ab", false),
            (b"\0\0\x04\x08\0\x80\0\0\0\0\0\0\x10", false),
            (b"\0\0\x04\x08\x02\0\0\0\0\0\0\0\x10", false),
            (b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0", false),
            (b"\0\0\x02\x01\x05\0\0\0\0\x88\xbe", false),
            (b"\0\0\x01\x01\x05\0\0\0\x01\x80", false),
            // Others: HTTP/1, TLS, SMB, DNS, PostgreSQL, MySQL, Kafka, Redis, RTMP, BGP, zeros.
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
            (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaa", false),
            (b"\0\0\0\x54\xffSMBr\0\0\0\0\x18\x01\x28\0\0\0\0\0\0\0\0", false),
            (b"\0\0\0\x54\xfeSMB\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false),
            (b"\0\x1d\xab\x01\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01", false),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", false),
            (b"\0\0\0\x54\0\x03\0\0user\0postgres\0database\0shop\0\0", false),
            (b"\x4a\0\0\0\x0a5.7.33\0\x08\0\0\0aaaaaaaa\0", false),
            (b"\0\0\0\x23\0\x12\0\x03\0\0\0\x01\0\x0aconsumer-1\0\0", false),
            (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n", false),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\x13\x04", false),
            (&[0; 64], false),
            (b"", false),
        ] {
            assert_eq!(looks_like_frames(bytes), want, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn the_body_of_an_open_stream_is_certain() {
        let body = b"\0\0\x02\x00\x01\0\0\0\x01ab";
        assert!(are_frames(body, |id| id == 1) && !are_frames(body, |id| id == 3));
    }
}
