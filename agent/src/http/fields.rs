//! The headers that decide where a message ends and what kind of answer it is.
//!
//! In: names and values, one after the other. Out: what they come to, with a mark where two servers might come to
//! different ends (request smuggling).
//!
//! Source: RFC 9112, section 6.3; RFC 9110, sections 8.6 and 10.1.1.

use crate::told::{Tell, Told};

/// What the headers of one message say.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    /// `Content-Length`.
    pub(super) length: Option<u64>,
    /// Whether `chunked` is the last transfer coding.
    pub(super) is_chunked: bool,
    /// Whether there are transfer codings, `chunked` not the last.
    pub(super) has_coding: bool,
    /// Whether two readers may see different ends.
    pub(super) is_ambiguous: bool,
    /// Set by the tolerant reader while a header is written in a way that some servers ignore it.
    pub(super) is_odd: bool,
    /// `Host`.
    pub(super) host: &'a [u8],
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub(super) expects_continue: bool,
    /// `Upgrade`.
    pub(super) upgrade: &'a [u8],
    /// `HTTP2-Settings`.
    pub(super) settings: &'a [u8],
    /// Whether the media type is one of endless answers.
    pub(super) is_stream: bool,
    /// `grpc-status`.
    pub(super) grpc_status: Option<u32>,
    /// `x-service-version`.
    pub(super) version: &'a [u8],
    /// What a response tells its client; most tell nothing.
    pub(super) told: Option<Box<Told>>,
}

impl<'a> Fields<'a> {
    /// Notes a header; `false` where it is none of these.
    pub(super) fn add(&mut self, name: &[u8], value: &'a [u8]) -> bool {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        match name.len() {
            4 if is("host") => self.host = value.trim_ascii(),
            6 if is("expect") => {
                self.expects_continue = value.len() >= 4 && value[..4].eq_ignore_ascii_case(b"100-");
            }
            7 if is("upgrade") => self.upgrade = value.trim_ascii(),
            11 if is("grpc-status") => {
                self.grpc_status = std::str::from_utf8(value).ok().and_then(|s| s.trim().parse().ok());
            }
            12 if is("content-type") => self.is_stream = is_endless(value),
            14 if is("content-length") => self.add_length(value),
            14 if is("http2-settings") => self.settings = value.trim_ascii(),
            17 if is("transfer-encoding") => self.add_codings(value),
            17 if is("x-service-version") => self.version = value.trim_ascii(),
            _ => return false,
        }
        true
    }

    /// Notes a header of a response.
    pub(super) fn add_answer(&mut self, name: &[u8], value: &'a [u8]) {
        if !self.add(name, value)
            && let Some(tell) = Tell::of(name)
        {
            self.told.get_or_insert_default().add(tell, value);
        }
    }

    /// What holds for all of them once the last is read.
    pub(super) fn close(&mut self, is_http_1_0: bool) {
        self.is_ambiguous |= self.is_chunked && self.length.is_some() || self.has_coding && !self.is_chunked;
        self.is_ambiguous |= is_http_1_0 && (self.is_chunked || self.has_coding);
    }

    /// Values may be lists of the same number, and headers may come twice; the first counts.
    fn add_length(&mut self, value: &[u8]) {
        self.is_ambiguous |= self.is_odd;
        for part in value.split(|&b| b == b',') {
            match number(part.trim_ascii()) {
                Some(n) => {
                    self.is_ambiguous |= self.length.is_some_and(|first| first != n);
                    self.length = self.length.or(Some(n));
                }
                None => self.is_ambiguous = true,
            }
        }
    }

    fn add_codings(&mut self, value: &[u8]) {
        self.is_ambiguous |= self.is_odd;
        for coding in value.split(|&b| b == b',') {
            let coding = coding.trim_ascii();
            if coding.eq_ignore_ascii_case(b"chunked") {
                self.is_ambiguous |= self.is_chunked;
                (self.is_chunked, self.has_coding) = (true, true);
            } else if !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity") {
                self.is_ambiguous |= self.is_chunked;
                (self.is_chunked, self.has_coding) = (false, true);
            }
        }
    }
}

/// Digits alone; no sign, no blanks.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, &b| match b {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

fn is_endless(media_type: &[u8]) -> bool {
    let media_type = media_type.trim_ascii_start();
    let is =
        |wanted: &[u8]| media_type.len() >= wanted.len() && media_type[..wanted.len()].eq_ignore_ascii_case(wanted);
    match media_type.first() {
        Some(b't' | b'T') => is(b"text/event-stream"),
        Some(b'm' | b'M') => is(b"multipart/x-mixed-replace"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_messages_end_by_their_headers() {
        for (headers, want) in [
            (&["Content-Length: 5"][..], (Some(5), false, false)),
            (&["Content-Length: 5, 5", "content-length:5"], (Some(5), false, false)),
            (&["Content-Length: 5", "Content-Length: 6"], (Some(5), false, true)),
            (&["Content-Length: +5"], (None, false, true)),
            (&["Content-Length: 5 6"], (None, false, true)),
            (&["Content-Length:"], (None, false, true)),
            (&["Content-Length: 18446744073709551616"], (None, false, true)),
            (&["Transfer-Encoding: chunked"], (None, true, false)),
            (&["Transfer-Encoding: gzip, Chunked"], (None, true, false)),
            (&["Transfer-Encoding: gzip", "Transfer-Encoding: chunked"], (None, true, false)),
            (&["Transfer-Encoding: identity"], (None, false, false)),
            (&["Transfer-Encoding: chunked, gzip"], (None, false, true)),
            (&["Transfer-Encoding: chunked, chunked"], (None, true, true)),
            (&["Transfer-Encoding: xchunked"], (None, false, true)),
            (&["Transfer-Encoding: \x0bchunked"], (None, false, true)),
            (&["Transfer-Encoding: chunked", "Content-Length: 5"], (Some(5), true, true)),
        ] {
            let mut fields = Fields::default();
            for header in headers {
                let (name, value) = header.split_once(':').unwrap();
                assert!(fields.add(name.as_bytes(), value.as_bytes()));
            }
            fields.close(false);
            assert_eq!((fields.length, fields.is_chunked, fields.is_ambiguous), want, "{headers:?}");
        }
    }

    #[test]
    fn kinds_of_answers() {
        for (name, value) in [
            ("Content-Type", "text/event-stream; charset=utf-8"),
            ("content-type", " multipart/x-mixed-replace;boundary=b"),
        ] {
            let mut fields = Fields::default();
            assert!(fields.add(name.as_bytes(), value.as_bytes()) && fields.is_stream, "{value}");
        }
        let mut fields = Fields::default();
        assert!(fields.add(b"Content-Type", b"text/html") && !fields.is_stream);
        assert!(fields.add(b"grpc-status", b" 14 ") && fields.grpc_status == Some(14));
        assert!(!fields.add(b"accept", b"*/*"));
    }
}
