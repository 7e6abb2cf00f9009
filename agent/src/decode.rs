//! From a captured frame to the TCP segment in it.
//!
//! In: [`Frame`]s of any supported link type. Out: a [`Segment`] that borrows from the frame, or why there is none.
//! Tunnels and tags are taken off; nothing is copied.

use std::net::IpAddr;

use pitot_model::Timestamp;

/// A frame as it was captured.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// When.
    pub at: Timestamp,
    /// How `bytes` begin.
    pub link: LinkType,
    /// What was kept of it.
    pub bytes: &'a [u8],
    /// Bytes it had on the wire; more than `bytes` holds where the snap length cut it.
    pub wire_len: u32,
}

/// How a frame begins: a LINKTYPE number of the pcap file formats.
///
/// Source: <https://www.tcpdump.org/linktypes.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LinkType(pub u16);

/// Address and port of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// Address.
    pub ip: IpAddr,
    /// TCP port.
    pub port: u16,
}

/// A TCP segment, borrowed from its frame.
#[derive(Debug, Clone, Copy)]
pub struct Segment<'a> {
    /// When it was captured.
    pub at: Timestamp,
    /// Who sent it.
    pub source: Endpoint,
    /// To whom.
    pub destination: Endpoint,
    /// Sequence number of the first byte of the payload (of the SYN where there is one).
    pub sequence: u32,
    /// Acknowledgement number; `None` without the flag.
    pub acknowledgement: Option<u32>,
    /// Flag SYN.
    pub syn: bool,
    /// Flag FIN.
    pub fin: bool,
    /// Flag RST.
    pub rst: bool,
    /// What was captured of the payload.
    pub payload: &'a [u8],
    /// Bytes of the payload on the wire, by the length in the IP header; never less than `payload` has.
    pub payload_len: u32,
}
