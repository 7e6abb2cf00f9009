//! The request line, and the addresses of clients, as logs write them.
//!
//! In: the text between the quotes. Out: method, target and protocol, or `None` where it is no request that can be
//! read: empty, `-`, TLS bytes, binary garbage. Blanks inside the target and a missing protocol are fine.

use std::net::IpAddr;

use pitot_model::Protocol;

use super::{record::Text, scan};

/// Bytes of the longest method that is believed.
const METHOD_BYTES: usize = 32;

/// Method, target, protocol of `GET /a b HTTP/1.1`.
#[inline]
pub(super) fn split<'a>(line: Text<'a>) -> Option<(Text<'a>, Text<'a>, Protocol)> {
    let raw = line.raw;
    let space = match scan::capitals(raw) {
        Some(len) => len,
        None => raw.iter().take(METHOD_BYTES + 1).position(|b| !is_token(*b))?,
    };
    if raw[space] != b' ' || matches!(raw[..space], [] | [b'-']) {
        return None;
    }
    let rest = raw.get(space + 1..)?;
    if let Some((target, protocol)) = usual_protocol(rest)
        && !target.is_empty()
    {
        let text = |raw| Text { raw, escape: line.escape };
        return Some((text(&raw[..space]), text(target), protocol));
    }
    let (target, protocol) = match rest.iter().rev().take(12).position(|b| *b == b' ') {
        Some(back) if is_protocol(&rest[rest.len() - back..]) => {
            let (target, name) = rest.split_at(rest.len() - back - 1);
            (target, protocol(&name[1..]))
        }
        _ if believable(rest) => (rest, Protocol::Unknown),
        _ => return None,
    };
    if target.is_empty() {
        return None;
    }
    let text = |raw| Text { raw, escape: line.escape };
    Some((text(&raw[..space]), text(target), protocol))
}

/// Target and protocol, where the latter is ` HTTP/x.y`.
#[inline]
fn usual_protocol(rest: &[u8]) -> Option<(&[u8], Protocol)> {
    let (target, version) = rest.split_last_chunk::<9>()?;
    let [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor] = version else { return None };
    let protocol = match (major, minor) {
        (b'1', b'1') => Protocol::Http11,
        (b'1', b'0') => Protocol::Http10,
        (b'2', b'0') => Protocol::Http2,
        (b'3', b'0') => Protocol::Http3,
        _ => return None,
    };
    Some((target, protocol))
}

/// Whether this can be a method: a token (RFC 9110, 5.6.2) of a reasonable length.
pub(super) fn is_method(text: &[u8]) -> bool {
    (1..=METHOD_BYTES).contains(&text.len()) && text.iter().all(|b| is_token(*b)) && text != b"-"
}

/// A version of HTTP, also where JSON escapes its slash.
pub(super) fn protocol(text: &[u8]) -> Protocol {
    Protocol::parse(text.strip_prefix(b"HTTP\\/").unwrap_or(text))
}

/// Which address of a list (`10.0.0.2, 10.0.0.1`) is the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pick {
    /// The first public one, or the first: every proxy appends whom it heard.
    First,
    /// The last one: what the nearest proxy appended, where the others are claims that nobody checked (Traefik logs
    /// the header as it came).
    Last,
}

/// The client's address: picked from a list, without port and brackets; empty where there is none.
#[inline]
pub(super) fn address(text: &[u8], pick: Pick) -> &[u8] {
    if text.iter().all(|b| matches!(b, b'0'..=b'9' | b'.')) {
        return text;
    }
    odd_address(text, pick)
}

fn odd_address(text: &[u8], pick: Pick) -> &[u8] {
    let one = if text.contains(&b',') { pick_from(text, pick) } else { text.trim_ascii() };
    match one {
        b"-" => &[],
        [b'[', inner @ ..] => inner.split(|b| *b == b']').next().unwrap_or(inner),
        _ => without_port(one),
    }
}

/// `example.com:80` without its port; IPv6 addresses have more than one colon and stay.
pub(super) fn without_port(text: &[u8]) -> &[u8] {
    let Some(colon) = text.iter().position(|b| *b == b':') else { return text };
    let port = &text[colon + 1..];
    if !port.is_empty() && port.iter().all(u8::is_ascii_digit) { &text[..colon] } else { text }
}

/// Whether this is an IP address, with or without a port.
pub(super) fn is_address(text: &[u8]) -> bool {
    ip(address(text, Pick::First)).is_some()
}

fn pick_from(list: &[u8], pick: Pick) -> &[u8] {
    let mut all = list.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|a| !a.is_empty() && *a != b"-");
    match pick {
        Pick::Last => all.next_back(),
        Pick::First => all.clone().find(|a| is_public(a)).or_else(|| all.next()),
    }
    .unwrap_or(&[])
}

fn is_public(text: &[u8]) -> bool {
    match ip(without_port(text)) {
        Some(IpAddr::V4(a)) => {
            let shared = a.octets()[0] == 100 && a.octets()[1] & 0xc0 == 64;
            !(a.is_private() || a.is_loopback() || a.is_link_local() || a.is_unspecified() || shared)
        }
        Some(IpAddr::V6(a)) => {
            !(a.is_loopback() || a.is_unspecified() || a.is_unique_local() || a.is_unicast_link_local())
        }
        None => false,
    }
}

fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    text.split('%').next()?.parse().ok()
}

fn is_protocol(text: &[u8]) -> bool {
    text.starts_with(b"HTTP/") || text.starts_with(b"HTTP\\/") || text == b"-"
}

/// Whether a target without a protocol behind it can be one.
fn believable(target: &[u8]) -> bool {
    matches!(target, [b'/', ..] | [b'*'] | [b'\\', b'/', ..]) || memchr::memmem::find(target, b"://").is_some()
}

#[inline]
const fn is_token(b: u8) -> bool {
    TOKEN[b as usize]
}

const TOKEN: [bool; 256] = {
    let (mut table, mut i) = ([false; 256], 0);
    let others = b"!#$%&'*+-.^_`|~";
    while i < 256 {
        table[i] = (i as u8).is_ascii_alphanumeric();
        i += 1;
    }
    i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_lines() {
        for (line, want) in [
            ("GET / HTTP/1.1", Some(("GET", "/", Protocol::Http11))),
            ("GET /a b HTTP/2.0", Some(("GET", "/a b", Protocol::Http2))),
            ("SEARCH / -", Some(("SEARCH", "/", Protocol::Unknown))),
            ("GET /index.html", Some(("GET", "/index.html", Protocol::Unknown))),
            ("M-SEARCH * HTTP/1.1", Some(("M-SEARCH", "*", Protocol::Http11))),
            ("CONNECT example.com:443 HTTP/1.1", Some(("CONNECT", "example.com:443", Protocol::Http11))),
            ("GET http://a:80/ HTTP/1.1", Some(("GET", "http://a:80/", Protocol::Http11))),
            ("", None),
            ("-", None),
            ("HELP", None),
            ("GET  HTTP/1.1", None),
            ("- - - ", None),
            ("- - -", None),
            (r"\x16\x03\x01 a", None),
            ("145.ll|'|'|Win 7 Professional|'|'|No", None),
        ] {
            let got = split(Text::plain(line.as_bytes()));
            let want = want.map(|(m, t, p)| (Text::plain(m.as_bytes()), Text::plain(t.as_bytes()), p));
            assert_eq!(got, want, "{line}");
        }
    }

    #[test]
    fn clients() {
        for (text, first, last) in [
            ("1.2.3.4", "1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4", "1.2.3.4"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1", "2001:db8::1"),
            ("::1%0", "::1%0", "::1%0"),
            ("10.0.0.2, 10.0.0.1, 127.0.0.1", "10.0.0.2", "127.0.0.1"),
            ("10.0.0.2, 10.0.0.1, 81.2.69.143", "81.2.69.143", "81.2.69.143"),
            ("10.5.102.222, 175.16.199.1, 204.246.1.1", "175.16.199.1", "204.246.1.1"),
            ("localhost, localhost", "localhost", "localhost"),
            ("unix:", "unix:", "unix:"),
            ("-", "", ""),
            (",,", "", ""),
        ] {
            assert_eq!(address(text.as_bytes(), Pick::First), first.as_bytes(), "{text}");
            assert_eq!(address(text.as_bytes(), Pick::Last), last.as_bytes(), "{text}");
        }
    }
}
