//! What the first bytes of a stream, or of a segment after a gap, look like.
//!
//! In: the bytes at hand, which may end anywhere. Out: what they begin, or that more are needed to tell.

use super::limits;

/// Whether bytes begin something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    /// So far; there are too few.
    Maybe,
    No,
}

/// Methods of RFC 9110, PATCH, WebDAV and UPnP. Others are believed where the line ends in a version of HTTP.
const METHODS: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"PUT",
    b"HEAD",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"CONNECT",
    b"QUERY",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"REPORT",
    b"SEARCH",
    b"PURGE",
    b"NOTIFY",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
];
/// Longest method that is believed.
const METHOD_BYTES: usize = 32;

/// Whether this is a method that needs no version behind it to be one. Some clients write it in lower case.
pub(super) fn is_method(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| method.eq_ignore_ascii_case(bytes))
}

/// A request line of HTTP/0.9 to 1.x. Other protocols have lines like it (RTSP, SIP), but name themselves at its end.
pub(super) fn request(bytes: &[u8]) -> Match {
    // Most of what is asked is this.
    if bytes.starts_with(b"GET /") && bytes.len() > 64 || bytes.starts_with(b"POST /") && bytes.len() > 64 {
        return request_line(bytes, true);
    }
    let blank = bytes.iter().take(METHOD_BYTES + 1).position(|&b| !is_token(b));
    match blank {
        None if bytes.len() > METHOD_BYTES => Match::No,
        None if bytes.iter().all(|&b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_')) => Match::Maybe,
        None | Some(0) => Match::No,
        Some(n) if bytes[n] != b' ' && bytes[n] != b'\t' => Match::No,
        Some(n) => request_line(bytes, is_method(&bytes[..n])),
    }
}

fn request_line(bytes: &[u8], is_known: bool) -> Match {
    let Some(end) = memchr::memchr(b'\n', bytes) else {
        // Of text that goes on without a line's end, only the start with a well-known method is worth keeping.
        return if is_known && bytes.len() < limits::HEAD_BYTES { Match::Maybe } else { Match::No };
    };
    if bytes[..end].ends_with(b" HTTP/1.1\r") {
        return Match::Yes;
    }
    let line = bytes[..end].trim_ascii_end();
    let Some(version) = memchr::memrchr2(b' ', b'\t', line).map(|n| &line[n + 1..]) else { return Match::No };
    let is_http = version.len() > 5 && version[..5].eq_ignore_ascii_case(b"HTTP/");
    // Without a version: HTTP/0.9, or a target with blanks that lacks one.
    let name = version.split(|&b| b == b'/').next().unwrap_or_default();
    let is_other = name.len() < version.len() && !name.is_empty() && name.iter().all(u8::is_ascii_uppercase);
    match is_http || is_known && !is_other && line.contains(&b'/') {
        true => Match::Yes,
        false => Match::No,
    }
}

/// Whether a request line is not the beginning of HTTP/2's preface, which is written as one.
pub(super) fn is_http_1(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"PRI * HTTP/2")
}

/// A status line of HTTP, or of SHOUTcast's `ICY`.
pub(super) fn response(bytes: &[u8]) -> Match {
    if bytes.len() >= 13 && bytes.starts_with(b"HTTP/1.") && bytes[8] == b' ' && bytes[9].is_ascii_digit() {
        return Match::Yes;
    }
    for name in [&b"HTTP/"[..], b"ICY"] {
        let n = name.len().min(bytes.len());
        if !bytes[..n].eq_ignore_ascii_case(&name[..n]) {
            continue;
        }
        let rest = &bytes[n..];
        let Some(blank) = rest.iter().position(|&b| !b.is_ascii_digit() && b != b'.') else {
            return if rest.len() < 8 { Match::Maybe } else { Match::No };
        };
        let Some(code) = rest[blank..].iter().position(|b| *b != b' ' && *b != b'\t') else {
            return if rest.len() < 32 { Match::Maybe } else { Match::No };
        };
        let digits = rest[blank + code..].iter().take(3).take_while(|b| b.is_ascii_digit()).count();
        return match (code > 0 && digits == 3, rest.len() - blank - code < 3) {
            (true, _) => Match::Yes,
            (false, true) if code > 0 && digits == rest.len() - blank - code => Match::Maybe,
            _ => Match::No,
        };
    }
    Match::No
}

/// Where, behind their start, bytes hold a status line.
pub(super) fn response_within(bytes: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(bytes, b"HTTP/1.").find(|&at| at > 0 && response(&bytes[at..]) == Match::Yes)
}

/// A TLS record: a handshake, or where the capture joined later, anything else.
pub(super) fn is_tls(bytes: &[u8], is_first: bool) -> bool {
    let &[kind, 3, minor @ 0..=4, hi, lo, ..] = bytes else { return false };
    let len = usize::from(hi) << 8 | usize::from(lo);
    let is_kind = match kind {
        0x16 => true,
        0x14 | 0x15 | 0x17 => !is_first && minor > 0,
        _ => false,
    };
    // RFC 8446, section 5.2: 2^14 + 256; older versions 2^14 + 2048.
    is_kind && (1..=16_384 + 2_048).contains(&len)
}

/// Bytes of a PROXY protocol header in front of a request; `None` where there is none, 0 where it is not whole yet.
///
/// Source: HAProxy, "The PROXY protocol", versions 1 and 2.
pub(super) fn proxy_header(bytes: &[u8]) -> Option<usize> {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let starts = |with: &[u8]| bytes[..bytes.len().min(with.len())] == with[..bytes.len().min(with.len())];
    if bytes.len() >= 5 && starts(V2) {
        let Some(&[hi, lo]) = bytes.get(14..16) else { return Some(0) };
        let len = 16 + (usize::from(hi) << 8 | usize::from(lo));
        return Some(if bytes.len() < len { 0 } else { len });
    }
    if bytes.len() >= 6 && starts(b"PROXY ") {
        // 107 bytes is the longest line.
        return match memchr::memchr(b'\n', &bytes[..bytes.len().min(107)]) {
            Some(n) => Some(n + 1),
            None if bytes.len() < 107 => Some(0),
            None => None,
        };
    }
    None
}

/// Whether a byte may be in a method or the name of a header (RFC 9110, section 5.6.2).
pub(super) const fn is_token(b: u8) -> bool {
    matches!(b, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
        || b.is_ascii_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        for (bytes, want) in [
            ("GET / HTTP/1.1\r\n", Match::Yes),
            ("get / http/1.1\r\n", Match::Yes),
            ("QUERY /users HTTP/1.1\r\n", Match::Yes),
            ("X7z-Q /a b HTTP/1.1\n", Match::Yes),
            ("GET /zeek.html\r\n", Match::Yes),
            ("GET HTTP/1.1\r\n", Match::Yes),
            ("GE", Match::Maybe),
            ("GET", Match::Maybe),
            ("GET /a/long/targ", Match::Maybe),
            ("hello world, this goes on", Match::No),
            ("hello world\r\n", Match::No),
            ("OPTIONS rtsp://h/ RTSP/1.0\r\n", Match::No),
            ("NOTIFY sip:a@b SIP/2.0\r\n", Match::No),
            ("EHLO mail.example\r\n", Match::No),
            ("\r\n", Match::No),
            ("{\"a\": 1}", Match::No),
            ("SSH-2.0-OpenSSH_9.2\r\n", Match::No),
        ] {
            assert_eq!(request(bytes.as_bytes()), want, "{bytes:?}");
        }
    }

    #[test]
    fn status_lines() {
        for (bytes, want) in [
            ("HTTP/1.1 200 OK\r\n", Match::Yes),
            ("http/1.1 200 OK\r\n", Match::Yes),
            ("HTTP/1.0  404", Match::Yes),
            ("HTTP/1.1 200", Match::Yes),
            ("ICY 200 OK\r\n", Match::Yes),
            ("HTTP/1.1 20", Match::Maybe),
            ("HTTP/1.1 ", Match::Maybe),
            ("HTTP/1", Match::Maybe),
            ("HT", Match::Maybe),
            ("HTML", Match::No),
            ("HTTP/1.1 ok", Match::No),
            ("HTTP is a protocol", Match::No),
            ("220 mail ESMTP", Match::No),
        ] {
            assert_eq!(response(bytes.as_bytes()), want, "{bytes:?}");
        }
    }

    #[test]
    fn what_may_stand_before_a_request() {
        for (bytes, want) in [
            (&b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET /"[..], Some(32)),
            (b"PROXY TCP4 1.2", Some(0)),
            (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c0123456789abGET", Some(28)),
            (b"\r\n\r\n\0\r\nQU", Some(0)),
            (b"\r\n\r\nGET / HTTP/1.1", None),
            (b"GET / HTTP/1.1", None),
        ] {
            assert_eq!(proxy_header(bytes), want, "{bytes:?}");
        }
        assert!(is_tls(b"\x16\x03\x01\x02\x00\x01", true) && is_tls(b"\x17\x03\x03\x00\x20\x01", false));
        assert!(!is_tls(b"\x17\x03\x03\x00\x20\x01", true) && !is_tls(b"GET /", false));
    }
}
