//! Link layers: from what a capture's link type says to what Ethernet, PPP, MPLS and their like hold.
//!
//! In: a rest that begins with such a header. Out: what follows it.
//! Source: <https://www.tcpdump.org/linktypes.html>, <https://www.iana.org/assignments/ieee-802-numbers>.

use etherparse::{Ethernet2HeaderSlice, SingleVlanHeaderSlice};
use pitot_model::Reason;

use super::{LinkType, rest::Rest, walk::Layer};

/// For people.
pub(super) fn name(link: LinkType) -> Option<&'static str> {
    LINKS.iter().find(|(number, _)| *number == link.0).map(|(_, name)| *name)
}

/// Takes off the header of a link type.
#[inline]
pub(super) fn begin(link: LinkType, rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    match link.0 {
        1 => ethernet(rest),
        _ => other(link, rest),
    }
}

fn other(link: LinkType, rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    match link.0 {
        NULL | LOOP => family(rest),
        RAW | RAW_OTHER | RAW_BSD | IPV4 | IPV6 => Ok(Layer::Ip),
        SLL => rest.skip(14).and_then(|()| rest.take_u16()).map(Layer::EtherType),
        SLL2 => {
            let protocol = rest.take_u16()?;
            rest.skip(18)?;
            Ok(Layer::EtherType(protocol))
        }
        _ => Err(Reason::LinkUnknown),
    }
}

const NULL: u16 = 0;
const RAW_OTHER: u16 = 12;
const RAW_BSD: u16 = 14;
const RAW: u16 = 101;
const LOOP: u16 = 108;
const SLL: u16 = 113;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const SLL2: u16 = 276;

/// Loopback of the BSDs: the address family, in the byte order of the machine that captured.
fn family(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let family = u32::from_le_bytes(rest.take()?);
    match family.min(family.swap_bytes()) {
        2 | 10 | 23 | 24 | 28 | 30 => Ok(Layer::Ip),
        _ => Err(Reason::PacketForeign),
    }
}

/// An Ethernet header.
#[inline]
pub(super) fn ethernet(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let header = Ethernet2HeaderSlice::from_slice(rest.bytes).map_err(|_| Reason::PacketMalformed)?;
    let ether_type = header.ether_type().0;
    rest.skip(header.slice().len())?;
    match ether_type {
        0x0800 | 0x86dd => Ok(Layer::Ip),
        _ => Ok(Layer::EtherType(ether_type)),
    }
}

/// What an EtherType says.
pub(super) fn ether_type(ether_type: u16, rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    match ether_type {
        0x0800 | 0x86dd => Ok(Layer::Ip),
        0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
            let tag = SingleVlanHeaderSlice::from_slice(rest.bytes).map_err(|_| Reason::PacketMalformed)?;
            rest.skip(tag.slice().len())?;
            Ok(Layer::EtherType(tag.ether_type().0))
        }
        0x8847 | 0x8848 => Ok(Layer::Mpls),
        // A PPPoE session: version, code, session, length.
        0x8864 => rest.skip(6).map(|()| Layer::Ppp),
        0x880b => Ok(Layer::Ppp),
        0x6558 => Ok(Layer::Ethernet),
        // Below, it is a length; a cooked capture writes 4 instead.
        ..=1500 => Ok(Layer::Llc),
        _ => Err(Reason::PacketForeign),
    }
}

/// LLC.
pub(super) fn llc(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    match rest.take()? {
        [0x06, 0x06, 0x03] => Ok(Layer::Ip),
        [0xaa | 0xab, 0xaa | 0xab, 0x03] => {
            rest.skip(3)?;
            Ok(Layer::EtherType(rest.take_u16()?))
        }
        _ => Err(Reason::PacketForeign),
    }
}

/// The protocol field of PPP.
pub(super) fn ppp(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    if rest.peek_u16(0)? == 0xff03 {
        rest.skip(2)?;
    }
    let protocol = match rest.take::<1>()?[0] {
        compressed if compressed & 1 == 1 => u16::from(compressed),
        high => u16::from_be_bytes([high, rest.take::<1>()?[0]]),
    };
    match protocol {
        0x0021 | 0x0057 => Ok(Layer::Ip),
        0x0281 | 0x0283 => Ok(Layer::Mpls),
        _ => Err(Reason::PacketForeign),
    }
}

/// MPLS labels.
pub(super) fn mpls(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    while rest.take::<4>()?[2] & 1 == 0 {}
    match rest.peek(0)? >> 4 {
        4 | 6 => Ok(Layer::Ip),
        0 => rest.skip(4).map(|()| Layer::Ethernet),
        _ => Ok(Layer::Ethernet),
    }
}

const LINKS: [(u16, &str); 10] = [
    (NULL, "loopback"),
    (1, "Ethernet"),
    (RAW_OTHER, "raw IP"),
    (RAW_BSD, "raw IP"),
    (RAW, "raw IP"),
    (LOOP, "loopback"),
    (SLL, "Linux cooked"),
    (IPV4, "raw IPv4"),
    (IPV6, "raw IPv6"),
    (SLL2, "Linux cooked v2"),
];
