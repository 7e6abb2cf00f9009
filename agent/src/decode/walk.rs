//! The walk from the outermost header to TCP, one layer after the other.
//!
//! In: how the rest of a frame begins. Out: the segment, or why there is none.

use pitot_model::{Reason, Timestamp};

use super::{
    LinkType, Segment,
    fragments::Fragment,
    link,
    network::{self, Inside, Whole},
    rest::Rest,
    tunnel,
};

/// Headers on top of each other, tags and tunnels included. Real ones have hardly ten; each costs a walker's step.
const LAYERS: usize = 24;

/// What the rest of a frame begins with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Layer {
    /// By the number of the capture.
    Link(LinkType),
    /// An Ethernet header.
    Ethernet,
    /// By an EtherType, or below 1536 the length of an LLC header and what follows it.
    EtherType(u16),
    /// An LLC header.
    Llc,
    /// The protocol field of PPP.
    Ppp,
    /// MPLS labels.
    Mpls,
    /// IPv4 or IPv6, by the version field.
    Ip,
    /// What a datagram holds.
    Datagram(Whole),
    /// GRE.
    Gre,
    /// UDP, in which there may be a tunnel.
    Udp,
}

/// Why there is no segment.
#[derive(Debug)]
pub(super) enum Refusal<'a> {
    /// There is none.
    Reason(Reason),
    /// Here is not all of it.
    Fragment(Fragment<'a>),
}

impl From<Reason> for Refusal<'_> {
    fn from(reason: Reason) -> Self {
        Self::Reason(reason)
    }
}

/// Takes off header after header.
#[inline]
pub(super) fn walk<'a>(at: Timestamp, mut layer: Layer, mut rest: Rest<'a>) -> Result<Segment<'a>, Refusal<'a>> {
    for _ in 0..LAYERS {
        layer = match layer {
            Layer::Link(link_type) => link::begin(link_type, &mut rest)?,
            Layer::Ethernet => link::ethernet(&mut rest)?,
            Layer::EtherType(ether_type) => link::ether_type(ether_type, &mut rest)?,
            Layer::Llc => link::llc(&mut rest)?,
            Layer::Ppp => link::ppp(&mut rest)?,
            Layer::Mpls => link::mpls(&mut rest)?,
            Layer::Ip => Layer::Datagram(match network::ip(&mut rest)? {
                Inside::Whole(whole) => whole,
                Inside::Fragment(header) => return Err(Refusal::Fragment(Fragment { header, payload: rest })),
            }),
            Layer::Datagram(whole) if whole.protocol == network::TCP => {
                return Ok(network::tcp(at, &whole, &mut rest)?);
            }
            Layer::Datagram(whole) => tunnel::inside_ip(whole.protocol, &mut rest)?,
            Layer::Gre => tunnel::gre(&mut rest)?,
            Layer::Udp => tunnel::udp(&mut rest)?,
        };
    }
    Err(Reason::PacketMalformed.into())
}
