//! The hash of a connection: the same for both directions, and not to be aimed at without the seed.
//!
//! In: both ends of a segment. Out: 64 bits, of which the table uses the lowest and the highest.

use std::net::IpAddr;

use crate::decode::Endpoint;

/// What strangers must not know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys([u64; 4]);

impl Keys {
    /// From a random number.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            fold(state ^ (state >> 30), 0xbf58_476d_1ce4_e5b9) | 1
        }))
    }

    /// The hash of a pair of ends, in either order.
    #[inline]
    pub(super) fn hash(&self, a: &Endpoint, b: &Endpoint) -> u64 {
        let sum = self.end(a).wrapping_add(self.end(b));
        fold(sum ^ self.0[2], self.0[3])
    }

    #[inline]
    fn end(&self, e: &Endpoint) -> u64 {
        match e.ip {
            IpAddr::V4(ip) => fold((u64::from(ip.to_bits()) << 16 | u64::from(e.port)) ^ self.0[0], self.0[1]),
            IpAddr::V6(ip) => {
                let bits = ip.to_bits();
                let ip = fold(bits as u64 ^ self.0[0], (bits >> 64) as u64 ^ self.0[1]);
                fold(ip ^ u64::from(e.port), self.0[2])
            }
        }
    }
}

/// Both halves of a product, mixed.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::Ipv4Addr};

    use super::*;

    #[test]
    fn direction_does_not_matter_seed_and_port_do() {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        for (a, b) in [("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")] {
            let (k, l) = (Keys::new(1), Keys::new(2));
            let (a, b) = (end(a, 80), end(b, 4_000));
            assert_eq!(k.hash(&a, &b), k.hash(&b, &a));
            assert_ne!(k.hash(&a, &b), l.hash(&a, &b));
            assert_ne!(k.hash(&a, &b), k.hash(&Endpoint { port: 81, ..a }, &b));
        }
    }

    #[test]
    fn neighbours_spread_over_low_and_high_bits() {
        let keys = Keys::new(0);
        let server = Endpoint { ip: Ipv4Addr::new(10, 1, 0, 1).into(), port: 80 };
        let (mut low, mut high) = (HashSet::new(), HashSet::new());
        for port in 0..4_096 {
            let h = keys.hash(&Endpoint { ip: Ipv4Addr::new(10, 0, 0, 1).into(), port }, &server);
            low.insert(h & 0xfff);
            high.insert(h >> 52);
        }
        // 4096 balls leave a share of 1/e of 4096 boxes empty
        for n in [low.len(), high.len()] {
            assert!((2_400..2_800).contains(&n), "{n}");
        }
    }
}
