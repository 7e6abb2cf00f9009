//! Link layers: from what a capture's link type says to what Ethernet, PPP, MPLS and their like hold.
//!
//! In: a rest that begins with such a header. Out: what follows it.
//! Source: <https://www.tcpdump.org/linktypes.html>, <https://www.iana.org/assignments/ieee-802-numbers>.

mod rare;
mod wifi;

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
        ETHERNET => ethernet(rest),
        _ => other(link, rest),
    }
}

fn other(link: LinkType, rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    match link.0 {
        NULL | LOOP => rare::family(rest),
        // Another header may stand before the family's; it is OpenBSD's for what IPsec unwrapped.
        ENC => rest.skip(12).map(|()| Layer::Ip),
        RAW | RAW_OTHER | RAW_BSD | IPV4 | IPV6 => Ok(Layer::Ip),
        SLL => rest.skip(14).and_then(|()| rest.take_u16()).map(Layer::EtherType),
        SLL2 => {
            let protocol = rest.take_u16()?;
            rest.skip(18)?;
            Ok(Layer::EtherType(protocol))
        }
        TOKEN_RING => rare::token_ring(rest),
        FDDI => rest.skip(13).map(|()| Layer::Llc),
        ATM_RFC1483 => Ok(Layer::Llc),
        FIBRE_CHANNEL => rest.skip(16).map(|()| Layer::Llc),
        FIREWIRE => rest.skip(16).and_then(|()| rest.take_u16()).map(Layer::EtherType),
        ARCNET => rare::arcnet(false, rest),
        ARCNET_LINUX => rare::arcnet(true, rest),
        PPP | PPP_PPPD => Ok(Layer::Ppp),
        PPP_DIRECTION => rest.skip(1).map(|()| Layer::Ppp),
        PPP_SERIAL => rare::serial(rest),
        PPP_ETHER => Ok(Layer::EtherType(PPPOE_SESSION)),
        HDLC => rare::hdlc(rest),
        FRAME_RELAY => rare::frame_relay(rest),
        WIFI => wifi::plain(rest),
        WIFI_RADIOTAP => wifi::radiotap(rest),
        WIFI_PRISM | WIFI_AVS => wifi::prism(rest),
        PPI => rare::ppi(rest),
        NFLOG => rare::nflog(rest),
        PF_LOG => rare::pf_log(rest),
        MPLS => Ok(Layer::Mpls),
        _ if NO_IP.contains(&link.0) => Err(Reason::PacketForeign),
        _ => Err(Reason::LinkUnknown),
    }
}

const NULL: u16 = 0;
const ETHERNET: u16 = 1;
const TOKEN_RING: u16 = 6;
const ARCNET: u16 = 7;
const PPP: u16 = 9;
const FDDI: u16 = 10;
const RAW_OTHER: u16 = 12;
const RAW_BSD: u16 = 14;
const PPP_SERIAL: u16 = 50;
const PPP_ETHER: u16 = 51;
const ATM_RFC1483: u16 = 100;
const RAW: u16 = 101;
const HDLC: u16 = 104;
const WIFI: u16 = 105;
const FRAME_RELAY: u16 = 107;
const LOOP: u16 = 108;
const ENC: u16 = 109;
const SLL: u16 = 113;
const PF_LOG: u16 = 117;
const WIFI_PRISM: u16 = 119;
const FIBRE_CHANNEL: u16 = 122;
const WIFI_RADIOTAP: u16 = 127;
const ARCNET_LINUX: u16 = 129;
const FIREWIRE: u16 = 138;
const WIFI_AVS: u16 = 163;
const PPP_PPPD: u16 = 166;
const PPI: u16 = 192;
const PPP_DIRECTION: u16 = 204;
const MPLS: u16 = 219;
const IPV4: u16 = 228;
const IPV6: u16 = 229;
const NFLOG: u16 = 239;
const SLL2: u16 = 276;

/// Links that carry no IP: USB and Bluetooth in all their forms, CAN, LAPD, netlink.
const NO_IP: [u16; 15] = [177, 186, 187, 189, 190, 201, 220, 227, 249, 251, 253, 254, 255, 266, 288];

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
        PPPOE_SESSION => rest.skip(6).map(|()| Layer::Ppp),
        0x880b => Ok(Layer::Ppp),
        // VN-Tag and E-Tag of port extenders, and what a redundant ring puts in.
        0x8926 | 0x892f => rest.skip(4).and_then(|()| rest.take_u16()).map(Layer::EtherType),
        0x893f => rest.skip(6).and_then(|()| rest.take_u16()).map(Layer::EtherType),
        0x6558 => Ok(Layer::Ethernet),
        // Below, it is a length; a cooked capture writes 4 instead.
        ..=1500 => Ok(Layer::Llc),
        _ => Err(Reason::PacketForeign),
    }
}

const PPPOE_SESSION: u16 = 0x8864;

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

/// MPLS labels, and what is told of the content by its first bits: IP, or Ethernet, with a control word before it or not.
/// A control word begins as many addresses do, so that the EtherType decides.
pub(super) fn mpls(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    while rest.take::<4>()?[2] & 1 == 0 {}
    match rest.peek(0)? >> 4 {
        4 | 6 => Ok(Layer::Ip),
        0 if !matches!(rest.peek_u16(12)?, 0x0800 | 0x86dd | 0x8100 | 0x88a8 | PPPOE_SESSION) => {
            rest.skip(4).map(|()| Layer::Ethernet)
        }
        _ => Ok(Layer::Ethernet),
    }
}

const LINKS: [(u16, &str); 33] = [
    (NULL, "loopback"),
    (ETHERNET, "Ethernet"),
    (TOKEN_RING, "token ring"),
    (ARCNET, "ARCnet"),
    (PPP, "PPP"),
    (FDDI, "FDDI"),
    (RAW_OTHER, "raw IP"),
    (RAW_BSD, "raw IP"),
    (PPP_SERIAL, "PPP"),
    (PPP_ETHER, "PPPoE"),
    (ATM_RFC1483, "ATM"),
    (RAW, "raw IP"),
    (HDLC, "Cisco HDLC"),
    (WIFI, "802.11"),
    (FRAME_RELAY, "frame relay"),
    (LOOP, "loopback"),
    (ENC, "IPsec"),
    (SLL, "Linux cooked"),
    (PF_LOG, "pflog"),
    (WIFI_PRISM, "802.11 with Prism header"),
    (FIBRE_CHANNEL, "IP over Fibre Channel"),
    (WIFI_RADIOTAP, "802.11 with radiotap"),
    (ARCNET_LINUX, "ARCnet"),
    (FIREWIRE, "IP over FireWire"),
    (WIFI_AVS, "802.11 with AVS header"),
    (PPP_PPPD, "PPP"),
    (PPI, "per-packet information"),
    (PPP_DIRECTION, "PPP"),
    (MPLS, "MPLS"),
    (IPV4, "raw IPv4"),
    (IPV6, "raw IPv6"),
    (NFLOG, "netfilter log"),
    (SLL2, "Linux cooked v2"),
];
