//! IP inside IP: plain, GRE, VXLAN, GENEVE, Teredo, GTP.
//!
//! In: a rest that begins with such a header. Out: what the tunnel holds. What only looks like one by its port is foreign.

use etherparse::UdpHeaderSlice;
use pitot_model::Reason;

use super::{rest::Rest, walk::Layer};

/// What is inside IP other than TCP.
///
/// Source: <https://www.iana.org/assignments/protocol-numbers>.
pub(super) fn inside_ip(protocol: u8, _rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    match protocol {
        4 | 41 => Ok(Layer::Ip),
        17 => Ok(Layer::Udp),
        47 => Ok(Layer::Gre),
        137 => Ok(Layer::Mpls),
        _ => Err(Reason::PacketForeign),
    }
}

/// Generic routing encapsulation; version 1 is PPTP's.
///
/// Source: RFC 2784, 2890, 2637; ERSPAN: draft-foschiano-erspan.
pub(super) fn gre(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    let flags = rest.take_u16()?;
    let protocol = rest.take_u16()?;
    if flags & CHECKSUM != 0 || (flags & ROUTING != 0 && flags & 7 == 0) {
        rest.skip(4)?;
    }
    for flag in [KEY, SEQUENCE] {
        if flags & flag != 0 {
            rest.skip(4)?;
        }
    }
    match (flags & 7, protocol) {
        (1, 0x880b) => {
            if flags & ACKNOWLEDGEMENT != 0 {
                rest.skip(4)?;
            }
            Ok(Layer::Ppp)
        }
        (0, 0x880b) => Ok(Layer::Ppp),
        // ERSPAN: type I has no header and no sequence number, type II one of 8 bytes.
        (0, 0x88be) => {
            if flags & SEQUENCE != 0 {
                rest.skip(8)?;
            }
            Ok(Layer::Ethernet)
        }
        (0, 0x22eb) => erspan3(rest),
        (0, protocol) => Ok(Layer::EtherType(protocol)),
        _ => Err(Reason::PacketForeign),
    }
}

/// ERSPAN type III: 12 bytes, and 8 more where the lowest bit says so. Five bits tell what follows.
fn erspan3(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let header: [u8; 12] = rest.take()?;
    if header[11] & 1 != 0 {
        rest.skip(8)?;
    }
    match (header[10] >> 2) & 0x1f {
        2 => Ok(Layer::Ip),
        _ => Ok(Layer::Ethernet),
    }
}

/// Tunnels in UDP, by their port.
pub(super) fn udp(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let header = UdpHeaderSlice::from_slice(rest.bytes).map_err(|_| Reason::PacketMalformed)?;
    let (from, to) = (header.source_port(), header.destination_port());
    rest.skip(header.slice().len())?;
    let is_tunnel = match (from, to) {
        (_, 4789 | 8472) => vxlan(rest),
        (_, 6081) => geneve(rest),
        (3544, _) | (_, 3544) => teredo(rest),
        (2152, _) | (_, 2152) => gtp(rest),
        _ => None,
    };
    is_tunnel.ok_or(Reason::PacketForeign)
}

/// Source: RFC 7348. Bits that are reserved are not looked at: extensions use them.
fn vxlan(rest: &mut Rest<'_>) -> Option<Layer> {
    let header: [u8; 8] = rest.take().ok()?;
    (header[0] & 0x08 != 0).then_some(Layer::Ethernet)
}

/// Source: RFC 8926.
fn geneve(rest: &mut Rest<'_>) -> Option<Layer> {
    let header: [u8; 8] = rest.take().ok()?;
    rest.skip(usize::from(header[0] & 0x3f) * 4).ok()?;
    (header[0] >> 6 == 0).then_some(Layer::EtherType(u16::from_be_bytes([header[2], header[3]])))
}

/// Source: RFC 4380: authentication and origin may stand before the IPv6 header.
fn teredo(rest: &mut Rest<'_>) -> Option<Layer> {
    if rest.peek_u16(0).ok()? == 1 {
        let (id_len, value_len) = (rest.peek(2).ok()?, rest.peek(3).ok()?);
        rest.skip(13 + usize::from(id_len) + usize::from(value_len)).ok()?;
    }
    if rest.peek_u16(0).ok()? == 0 {
        rest.skip(8).ok()?;
    }
    (rest.peek(0).ok()? >> 4 == 6).then_some(Layer::Ip)
}

/// User data of version 1. Source: 3GPP TS 29.281.
fn gtp(rest: &mut Rest<'_>) -> Option<Layer> {
    const USER_DATA: u8 = 255;
    const EXTENSIONS: usize = 8;
    let header: [u8; 8] = rest.take().ok()?;
    if header[0] & 0xf0 != 0x30 || header[1] != USER_DATA {
        return None;
    }
    if header[0] & 0x07 != 0 {
        let optional: [u8; 4] = rest.take().ok()?;
        let mut next = optional[3];
        for _ in 0..EXTENSIONS {
            if next == 0 {
                break;
            }
            let len = usize::from(rest.peek(0).ok()?) * 4;
            next = rest.peek(len.checked_sub(1)?).ok()?;
            rest.skip(len).ok()?;
        }
    }
    matches!(rest.peek(0).ok()? >> 4, 4 | 6).then_some(Layer::Ip)
}
