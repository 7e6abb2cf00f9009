//! Link types that one meets once in a year: serial lines, firewall logs, old networks.
//!
//! In: a rest that begins with such a header. Out: what follows it.

use pitot_model::Reason;

use super::super::{LinkType, rest::Rest, walk::Layer};

/// Loopback of the BSDs: the address family, in the byte order of the machine that captured.
pub(super) fn family(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let family = u32::from_le_bytes(rest.take()?);
    ip_of_family(family.min(family.swap_bytes()))
}

/// `AF_INET`, and all that `AF_INET6` is called by somebody.
fn ip_of_family(family: u32) -> Result<Layer, Reason> {
    match family {
        2 | 10 | 23 | 24 | 26 | 28 | 30 => Ok(Layer::Ip),
        _ => Err(Reason::PacketForeign),
    }
}

/// PPP or Cisco's HDLC, told by the address.
pub(super) fn serial(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    match rest.peek(0)? {
        0x0f | 0x8f => hdlc(rest),
        _ => Ok(Layer::Ppp),
    }
}

/// Cisco's HDLC: address, control, EtherType.
pub(super) fn hdlc(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    rest.skip(2)?;
    rest.take_u16().map(Layer::EtherType)
}

/// Frame relay: an address of two to four bytes whose last has its lowest bit set, then what RFC 2427 says.
pub(super) fn frame_relay(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let address_len = (1..4).find(|&n| rest.peek(n).is_ok_and(|b| b & 1 == 1)).ok_or(Reason::PacketMalformed)?;
    rest.skip(address_len + 1)?;
    // Cisco's own way is an EtherType without anything before it.
    if rest.peek(0)? != 0x03 {
        return rest.take_u16().map(Layer::EtherType);
    }
    rest.skip(1)?;
    if rest.peek(0)? == 0 {
        rest.skip(1)?;
    }
    match rest.take::<1>()?[0] {
        0xcc | 0x8e => Ok(Layer::Ip),
        0x80 => {
            rest.skip(3)?;
            rest.take_u16().map(Layer::EtherType)
        }
        _ => Err(Reason::PacketForeign),
    }
}

/// ARCnet: addresses, with Linux an offset of two bytes, then the protocol. The newer ones tell fragments.
///
/// Source: RFC 1051, RFC 1201.
pub(super) fn arcnet(has_offset: bool, rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    const EXCEPTION: u8 = 0xff;
    rest.skip(if has_offset { 4 } else { 2 })?;
    let protocol = rest.take::<1>()?[0];
    match protocol {
        240 => Ok(Layer::Ip),
        212 | 196 => {
            let [split, _, _] = rest.take()?;
            match split {
                0 => Ok(Layer::Ip),
                // The protocol is repeated, and so is this field.
                EXCEPTION => rest.skip(4).map(|()| Layer::Ip),
                _ => Err(Reason::PacketFragment),
            }
        }
        _ => Err(Reason::PacketForeign),
    }
}

/// What netfilter logs: family, version, resource, then fields of length and type, in the byte order of the machine that
/// captured. One holds the packet.
pub(super) fn nflog(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    const PAYLOAD: u16 = 9;
    let [family, ..]: [u8; 4] = rest.take()?;
    let next = ip_of_family(u32::from(family))?;
    while !rest.bytes.is_empty() {
        let [a, b, c, d] = rest.take()?;
        let (little, big) = (u16::from_le_bytes([a, b]), u16::from_be_bytes([a, b]));
        let is_little = c != 0 || d == 0;
        let len = usize::from(if is_little { little } else { big }).checked_sub(4).ok_or(Reason::PacketMalformed)?;
        // The highest bits are flags.
        let kind = if is_little { u16::from_le_bytes([c, d]) } else { u16::from_be_bytes([c, d]) } & 0x3fff;
        if kind == PAYLOAD {
            return Ok(next);
        }
        rest.skip(len.next_multiple_of(4))?;
    }
    Err(Reason::PacketForeign)
}

/// What OpenBSD's firewall logs: a header that states its length, filled to a multiple of four, and the address family.
pub(super) fn pf_log(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let (len, family) = (usize::from(rest.peek(0)?), rest.peek(1)?);
    rest.skip(len.next_multiple_of(4))?;
    ip_of_family(u32::from(family))
}

/// Per-packet information: version, flags, length, link type of what follows it.
pub(super) fn ppi(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let header: [u8; 8] = rest.take()?;
    let len = usize::from(u16::from_le_bytes([header[2], header[3]]));
    rest.skip(len.checked_sub(8).ok_or(Reason::PacketMalformed)?)?;
    Ok(Layer::Link(LinkType(u16::from_le_bytes([header[4], header[5]]))))
}

/// Token ring: control, addresses, the way through bridges where the sender's address has its highest bit set, LLC.
pub(super) fn token_ring(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let has_route = rest.peek(8)? & 0x80 != 0;
    rest.skip(14)?;
    if has_route {
        rest.skip(usize::from(rest.peek(0)? & 0x1f))?;
    }
    Ok(Layer::Llc)
}
