//! What a proxy says of its client before the first byte of HTTP: the PROXY protocol.
//!
//! ```text
//! 1: "PROXY " ("TCP4" | "TCP6") " " client " " server " " port " " port CRLF, or "PROXY UNKNOWN" ... CRLF
//! 2: 12 bytes of signature, version and command (1), family and protocol (1), length (2), addresses, more
//! ```
//!
//! In: the first bytes of a connection. Out: the client that they tell, and how long they are; `None` where they are none
//! of this, or do not lie whole in the first segment, which senders must see to. Source: HAProxy, "The PROXY protocol",
//! versions 1 and 2.

use std::net::IpAddr;

use crate::decode::Endpoint;

/// How version 2 begins.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Bytes of the longest header of version 1, with its line end.
const LONGEST: usize = 107;

/// The client that the first bytes tell (`None` where they tell none, such as those of a health check), and their length.
pub(super) fn read(bytes: &[u8]) -> Option<(Option<Endpoint>, usize)> {
    match bytes.first()? {
        b'P' if bytes.starts_with(b"PROXY ") => one(bytes),
        b'\r' if bytes.starts_with(SIGNATURE) => two(bytes),
        _ => None,
    }
}

fn one(bytes: &[u8]) -> Option<(Option<Endpoint>, usize)> {
    let end = memchr::memmem::find(&bytes[..bytes.len().min(LONGEST)], b"\r\n")?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let words: Vec<&str> = line.split(' ').collect();
    let client = match words[..] {
        [_, family @ ("TCP4" | "TCP6"), client, server, client_port, server_port] => {
            let ip: IpAddr = client.parse().ok()?;
            let other: IpAddr = server.parse().ok()?;
            let _: u16 = server_port.parse().ok()?;
            (ip.is_ipv4() == other.is_ipv4() && ip.is_ipv4() == (family == "TCP4")).then_some(())?;
            Some(Endpoint { ip, port: client_port.parse().ok()? })
        }
        [_, "UNKNOWN", ..] => None,
        _ => return None,
    };
    Some((client, end + 2))
}

fn two(bytes: &[u8]) -> Option<(Option<Endpoint>, usize)> {
    let [version, family, high, low] = *bytes.get(SIGNATURE.len()..)?.first_chunk()?;
    let start = SIGNATURE.len() + 4;
    let body = bytes.get(start..start + usize::from(u16::from_be_bytes([high, low])))?;
    let port = |at: usize| body.get(at..at + 2).map(|p| u16::from_be_bytes([p[0], p[1]]));
    let client = match (version, family) {
        // LOCAL: the proxy itself asks.
        (0x20, _) => None,
        (0x21, 0x11) => {
            let ip: [u8; 4] = *body.first_chunk()?;
            Some(Endpoint { ip: ip.into(), port: port(8)? })
        }
        (0x21, 0x21) => {
            let ip: [u8; 16] = *body.first_chunk()?;
            Some(Endpoint { ip: ip.into(), port: port(32)? })
        }
        (0x21, _) => None,
        _ => return None,
    };
    Some((client, start + body.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(version: u8, family: u8, body: &[u8]) -> Vec<u8> {
        [SIGNATURE, &[version, family], &(body.len() as u16).to_be_bytes(), body, b"GET / HTTP/1.1\r\n"].concat()
    }

    #[test]
    fn clients_that_proxies_tell() {
        let four = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
        let six = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[0; 16], &[0x12, 0x34, 0, 80]].concat();
        let with_more = [&four[..], b"\x03\0\x04abcd"].concat();
        for (bytes, want) in [
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 4660 80\r\nGET".to_vec(), Some((Some("203.0.113.7 4660"), 41))),
            (b"PROXY TCP6 2001:db8::7 2001:db8::1 4660 80\r\n".to_vec(), Some((Some("2001:db8::7 4660"), 44))),
            (b"PROXY UNKNOWN\r\nGET /".to_vec(), Some((None, 15))),
            (b"PROXY TCP4 2001:db8::7 10.0.0.1 1 80\r\n".to_vec(), None),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 70000 80\r\n".to_vec(), None),
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 4660 80".to_vec(), None),
            ([b"PROXY UNKNOWN ", &[b'x'; 200][..], b"\r\n"].concat(), None),
            (v2(0x21, 0x11, &four), Some((Some("203.0.113.7 4660"), 28))),
            (v2(0x21, 0x11, &with_more), Some((Some("203.0.113.7 4660"), 35))),
            (v2(0x21, 0x21, &six), Some((Some("2001:db8::7 4660"), 52))),
            (v2(0x20, 0, &[]), Some((None, 16))),
            (v2(0x21, 0x31, &[0; 216]), Some((None, 232))),
            (v2(0x21, 0x11, &four[..6]), None),
            (v2(0x31, 0x11, &four), None),
            (v2(0x21, 0x11, &four)[..20].to_vec(), None),
            (b"POST / HTTP/1.1\r\n".to_vec(), None),
            (Vec::new(), None),
        ] {
            let got = read(&bytes).map(|(end, len)| (end.map(|e| format!("{} {}", e.ip, e.port)), len));
            let want = want.map(|(end, len)| (end.map(str::to_owned), len));
            assert_eq!(got, want, "{}", bytes.escape_ascii());
        }
    }
}
