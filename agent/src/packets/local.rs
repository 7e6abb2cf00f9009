//! Which addresses are those of the monitored host, and so which way a request goes.
//!
//! In: addresses and networks. Out: the direction of a transaction.

use std::{fmt, net::IpAddr, str::FromStr};

use pitot_model::Direction;

/// Addresses of the monitored host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Local {
    /// None: everything is inbound.
    networks: Vec<Network>,
}

/// An address with the number of its bits that count: `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    ip: IpAddr,
    /// At most 32 or 128.
    bits: u32,
}

/// What is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address or network; write 10.1.2.3, 10.1.0.0/16 or fd00::/8")]
pub struct NetworkError(String);

impl Local {
    /// These networks.
    pub fn new(networks: Vec<Network>) -> Self {
        Self { networks }
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Inbound where the server is here, and where neither side is (a mirror port); outbound where only the client is.
    #[inline]
    pub fn direction(&self, client: IpAddr, server: IpAddr) -> Direction {
        if self.networks.is_empty() || self.holds(server) || !self.holds(client) {
            Direction::Inbound
        } else {
            Direction::Outbound
        }
    }

    fn holds(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|n| n.holds(ip))
    }
}

impl From<IpAddr> for Network {
    fn from(ip: IpAddr) -> Self {
        Self { ip, bits: if ip.is_ipv4() { 32 } else { 128 } }
    }
}

impl Network {
    /// How many bits of the address count.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Whether an address lies in it.
    pub fn holds(&self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= self.bits,
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= self.bits,
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.bits)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(s: &str) -> Result<Self, NetworkError> {
        let wrong = || NetworkError(s.to_owned());
        let (ip, bits) = s.split_once('/').map_or((s, None), |(ip, bits)| (ip, Some(bits)));
        let whole = Self::from(ip.trim().parse::<IpAddr>().map_err(|_| wrong())?);
        let Some(bits) = bits else { return Ok(whole) };
        let bits = bits.trim().parse().ok().filter(|b| *b <= whole.bits).ok_or_else(wrong)?;
        Ok(Self { bits, ..whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions() {
        for (networks, client, server, want) in [
            (&[][..], "10.0.0.1", "8.8.8.8", Direction::Inbound),
            (&["10.0.0.1"], "10.0.0.9", "10.0.0.1", Direction::Inbound),
            (&["10.0.0.1"], "10.0.0.1", "10.0.0.9", Direction::Outbound),
            (&["10.0.0.0/8"], "10.0.0.1", "10.0.0.9", Direction::Inbound),
            (&["10.0.0.0/8"], "1.1.1.1", "2.2.2.2", Direction::Inbound),
            (&["fd00::/8", "10.0.0.1"], "fd12::1", "2001:db8::1", Direction::Outbound),
            (&["0.0.0.0/0"], "fd12::1", "2001:db8::1", Direction::Inbound),
        ] {
            let local = Local::new(networks.iter().map(|n| n.parse().unwrap()).collect());
            assert_eq!(
                local.direction(client.parse().unwrap(), server.parse().unwrap()),
                want,
                "{networks:?} {client}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "host", "10.0.0.0/33", "::/129", "10.0.0.0/x", "10.0.0"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
