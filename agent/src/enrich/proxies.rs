//! The address of the client behind proxies that are trusted.
//!
//! In: the address that the connection came from, and what a header says of those before it. Out: the nearest address that
//! is no trusted proxy's. What strangers claim is never believed: only what a trusted proxy wrote.
//!
//! Source: RFC 7239 (`Forwarded`); `X-Forwarded-For` and `X-Real-IP` by convention.

use std::net::{IpAddr, SocketAddr};

use crate::packets::Network;

/// Addresses of a list that are looked at, from the nearest on.
const HOPS: usize = 64;

/// Proxies whose word is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies {
    trusted: Vec<Network>,
}

/// How a header tells addresses. A later one goes before an earlier one where a request has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Telling {
    /// No header does.
    #[default]
    Nothing,
    /// `X-Real-IP`: one address.
    RealIp,
    /// `Forwarded`: a list of elements, the nearest last.
    Forwarded,
    /// `X-Forwarded-For`: a list of addresses, the nearest last.
    ForwardedFor,
}

impl Telling {
    /// How the header of this name tells them; `_` and `-` and case are the same.
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |wanted: &[u8]| {
            let plain = |b: u8| if b == b'_' { b'-' } else { b.to_ascii_lowercase() };
            name.len() == wanted.len() && name.iter().zip(wanted).all(|(&a, &b)| plain(a) == b)
        };
        match name.len() {
            9 if is(b"x-real-ip") => Self::RealIp,
            9 if is(b"forwarded") => Self::Forwarded,
            15 if is(b"x-forwarded-for") => Self::ForwardedFor,
            _ => Self::Nothing,
        }
    }
}

impl Proxies {
    /// These networks.
    pub fn new(trusted: Vec<Network>) -> Self {
        Self { trusted }
    }

    /// Whether nobody is trusted.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.trusted.is_empty()
    }

    /// Whether the word of this one is taken.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.trusted.iter().any(|network| network.holds(ip))
    }

    /// Who is behind `peer`, going by what a header says. An element that is no address (`unknown`, `_hidden`) ends the
    /// search: nobody knows who stands behind it.
    pub fn client(&self, peer: IpAddr, telling: Telling, value: &[u8]) -> IpAddr {
        let mut client = peer.to_canonical();
        if telling == Telling::Nothing {
            return client;
        }
        for element in value.rsplit(|&b| b == b',').take(HOPS) {
            if !self.trusts(client) {
                break;
            }
            let text = match telling {
                Telling::Forwarded => forwarded_for(element),
                _ => Some(element.trim_ascii()),
            };
            match text.and_then(ip) {
                Some(next) => client = next,
                None => break,
            }
        }
        client
    }
}

/// The node that an element of `Forwarded` came from.
fn forwarded_for(element: &[u8]) -> Option<&[u8]> {
    element.split(|&b| b == b';').find_map(|pair| {
        let pair = pair.trim_ascii();
        let is_for = pair.len() > 4 && pair[..4].eq_ignore_ascii_case(b"for=");
        is_for.then(|| pair[4..].trim_ascii())
    })
}

/// An address as headers and logs write it: bare, with a port, in brackets, in quotes.
pub(super) fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(text);
    // The longest is an IPv6 address with brackets, a zone and a port.
    let text = std::str::from_utf8(text).ok().filter(|t| t.len() <= 64)?;
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(ip.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, telling: Telling, value: &str) -> String {
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|n| n.parse().unwrap());
        Proxies::new(trusted.to_vec()).client(peer.parse().unwrap(), telling, value.as_bytes()).to_string()
    }

    #[test]
    fn the_nearest_that_is_not_trusted_is_the_client() {
        use Telling::{Forwarded, ForwardedFor, Nothing, RealIp};
        for (peer, telling, value, want) in [
            ("10.0.0.1", ForwardedFor, "203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", ForwardedFor, "198.51.100.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
            ("10.0.0.1", ForwardedFor, "10.0.0.9, 10.0.0.2", "10.0.0.9"),
            ("203.0.113.9", ForwardedFor, "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", ForwardedFor, "203.0.113.7:4711", "203.0.113.7"),
            ("10.0.0.1", ForwardedFor, "[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1", ForwardedFor, "::ffff:203.0.113.7", "203.0.113.7"),
            ("::ffff:10.0.0.1", ForwardedFor, "203.0.113.7", "203.0.113.7"),
            ("10.0.0.1", ForwardedFor, "198.51.100.1, unknown", "10.0.0.1"),
            ("10.0.0.1", ForwardedFor, "198.51.100.1, unknown, 10.0.0.3", "10.0.0.3"),
            ("10.0.0.1", ForwardedFor, "", "10.0.0.1"),
            ("10.0.0.1", ForwardedFor, ",,", "10.0.0.1"),
            ("10.0.0.1", RealIp, "203.0.113.7", "203.0.113.7"),
            ("fd00::1", Forwarded, "for=198.51.100.1, For=\"[2001:db8::7]:80\";proto=https;by=10.0.0.1", "2001:db8::7"),
            ("10.0.0.1", Forwarded, "proto=https;for=203.0.113.7;host=a", "203.0.113.7"),
            ("10.0.0.1", Forwarded, "for=_hidden", "10.0.0.1"),
            ("10.0.0.1", Forwarded, "for=", "10.0.0.1"),
            ("10.0.0.1", Nothing, "203.0.113.7", "10.0.0.1"),
        ] {
            assert_eq!(client(peer, telling, value), want, "{peer} {value}");
        }
        let long = "10.0.0.1,".repeat(100_000);
        assert_eq!(client("10.0.0.1", ForwardedFor, &format!("203.0.113.7,{long}")), "10.0.0.1");
    }

    #[test]
    fn headers_that_tell_addresses() {
        for (name, want) in [
            ("X-Forwarded-For", Telling::ForwardedFor),
            ("http_x_forwarded_for", Telling::Nothing),
            ("x_real_ip", Telling::RealIp),
            ("forwarded", Telling::Forwarded),
            ("via", Telling::Nothing),
        ] {
            assert_eq!(Telling::of(name.as_bytes()), want, "{name}");
        }
    }
}
