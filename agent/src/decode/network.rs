//! IPv4, IPv6 with its extension headers, and TCP.
//!
//! In: a rest that begins with such a header. Out: who talks to whom and what is inside. Source: RFC 791, 8200, 9293.

use std::net::IpAddr;

use etherparse::{IpFragOffset, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice};
use pitot_model::{Reason, Timestamp};

use super::{Endpoint, Segment, rest::Rest};

/// Protocol number of TCP.
pub(super) const TCP: u8 = 6;

/// Extension headers of one datagram; RFC 8200 has uses for seven.
const EXTENSIONS: usize = 12;

/// What an IP datagram says of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// Number of the protocol inside, behind extension headers.
    pub protocol: u8,
}

/// What a fragment says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct FragmentHeader {
    pub whole: Whole,
    pub identification: u32,
    pub offset: IpFragOffset,
    pub has_more: bool,
}

/// What is behind the IP header.
#[derive(Debug, Clone, Copy)]
pub(super) enum Inside {
    Whole(Whole),
    Fragment(FragmentHeader),
}

/// Takes off an IP header of either version with its extensions.
#[inline]
pub(super) fn ip(rest: &mut Rest<'_>) -> Result<Inside, Reason> {
    match rest.peek(0)? >> 4 {
        4 => ipv4(rest),
        6 => ipv6(rest),
        _ => Err(Reason::PacketMalformed),
    }
}

#[inline]
fn ipv4(rest: &mut Rest<'_>) -> Result<Inside, Reason> {
    let header = Ipv4HeaderSlice::from_slice(rest.bytes).map_err(|_| Reason::PacketMalformed)?;
    let whole = Whole {
        source: IpAddr::V4(header.source_addr()),
        destination: IpAddr::V4(header.destination_addr()),
        protocol: header.protocol().0,
    };
    let (header_len, total_len) = (header.slice().len(), usize::from(header.total_len()));
    if total_len != 0 {
        if total_len < header_len {
            return Err(Reason::PacketMalformed);
        }
        rest.set_len(total_len);
    }
    rest.skip(header_len)?;
    if header.is_fragmenting_payload() {
        return Ok(Inside::Fragment(FragmentHeader {
            whole,
            identification: u32::from(header.identification()),
            offset: header.fragments_offset(),
            has_more: header.more_fragments(),
        }));
    }
    Ok(Inside::Whole(whole))
}

fn ipv6(rest: &mut Rest<'_>) -> Result<Inside, Reason> {
    let header = Ipv6HeaderSlice::from_slice(rest.bytes).map_err(|_| Reason::PacketMalformed)?;
    let mut whole = Whole {
        source: IpAddr::V6(header.source_addr()),
        destination: IpAddr::V6(header.destination_addr()),
        protocol: header.next_header().0,
    };
    rest.skip(header.slice().len())?;
    if header.payload_length() != 0 {
        rest.set_len(usize::from(header.payload_length()));
    }
    for _ in 0..EXTENSIONS {
        let header_len = match whole.protocol {
            // Hop-by-hop, routing, destination, mobility, HIP, shim6: counted in units of eight bytes beyond the first.
            0 | 43 | 60 | 135 | 139 | 140 => (usize::from(rest.peek(1)?) + 1) * 8,
            FRAGMENT => {
                let header = Ipv6FragmentHeaderSlice::from_slice(rest.bytes).map_err(|_| Reason::PacketMalformed)?;
                whole.protocol = header.next_header().0;
                rest.skip(header.slice().len())?;
                if header.is_fragmenting_payload() {
                    return Ok(Inside::Fragment(FragmentHeader {
                        whole,
                        identification: header.identification(),
                        offset: header.fragment_offset(),
                        has_more: header.more_fragments(),
                    }));
                }
                continue;
            }
            _ => return Ok(Inside::Whole(whole)),
        };
        whole.protocol = rest.peek(0)?;
        rest.skip(header_len)?;
    }
    Err(Reason::PacketMalformed)
}

const FRAGMENT: u8 = 44;

/// Takes off the TCP header.
#[inline]
pub(super) fn tcp<'a>(at: Timestamp, whole: &Whole, rest: &mut Rest<'a>) -> Result<Segment<'a>, Reason> {
    let header = TcpHeaderSlice::from_slice(rest.bytes).map_err(|_| Reason::PacketMalformed)?;
    rest.skip(header.slice().len())?;
    Ok(Segment {
        at,
        source: Endpoint { ip: whole.source, port: header.source_port() },
        destination: Endpoint { ip: whole.destination, port: header.destination_port() },
        sequence: header.sequence_number(),
        acknowledgement: header.ack().then(|| header.acknowledgment_number()),
        syn: header.syn(),
        fin: header.fin(),
        rst: header.rst(),
        payload: rest.bytes,
        payload_len: u32::try_from(rest.len).unwrap_or(u32::MAX),
    })
}
