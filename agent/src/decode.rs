//! From a captured frame to the TCP segment in it.
//!
//! In: [`Frame`]s of any supported link type. Out: a [`Segment`] that borrows from the frame, or why there is none.
//! Tunnels and tags are taken off; nothing is copied.

mod fragments;
mod link;
mod network;
mod rest;
mod tunnel;
mod walk;

use std::{fmt, net::IpAddr};

use pitot_model::{Reason, Timestamp};

use self::{
    fragments::Fragments,
    network::Inside,
    rest::Rest,
    walk::{Layer, Refusal, walk},
};

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

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match link::name(*self) {
            Some(name) => f.write_str(name),
            None => write!(f, "link type {}", self.0),
        }
    }
}

/// Takes segments out of frames, and puts fragmented IP datagrams together.
#[derive(Debug, Default)]
pub struct Decoder {
    fragments: Fragments,
    /// The datagram that was put together last.
    datagram: Vec<u8>,
}

impl Decoder {
    /// The segment in a frame. `Ok(None)`: a fragment was kept for when the rest of its datagram comes.
    ///
    /// Checksums are not looked at: what offloading network cards are handed has none yet. Lengths are those of the IP
    /// header, so that padding is cut off and what the snap length cut is counted. A length of zero (segments that the
    /// card is to cut) stands for all of the frame.
    ///
    /// # Errors
    /// [`Reason::PacketMalformed`], [`Reason::PacketFragment`], [`Reason::PacketForeign`], [`Reason::LinkUnknown`].
    // Inlined wherever it is called, so that the segment is made in its place: copying it costs as much as finding it.
    #[inline(always)]
    pub fn decode<'a>(&'a mut self, frame: &Frame<'a>) -> Result<Option<Segment<'a>>, Reason> {
        match ordinary(frame) {
            Some(segment) => Ok(Some(segment)),
            None => self.decode_any(frame),
        }
    }

    #[inline(never)]
    fn decode_any<'a>(&'a mut self, frame: &Frame<'a>) -> Result<Option<Segment<'a>>, Reason> {
        let rest = Rest::new(frame.bytes, frame.wire_len as usize);
        match walk(frame.at, Layer::Link(frame.link), rest) {
            Ok(segment) => Ok(Some(segment)),
            Err(Refusal::Reason(reason)) => Err(reason),
            Err(Refusal::Fragment(fragment)) => {
                let Some(whole) = self.fragments.add(frame.at, &fragment, &mut self.datagram)? else {
                    return Ok(None);
                };
                let rest = Rest::new(&self.datagram, self.datagram.len());
                match walk(frame.at, Layer::Datagram(whole), rest) {
                    Ok(segment) => Ok(Some(segment)),
                    Err(Refusal::Reason(reason)) => Err(reason),
                    Err(Refusal::Fragment(_)) => Err(Reason::PacketFragment),
                }
            }
        }
    }

    /// How many kept fragments were given up since the last call: the rest of their datagram never came, or too many
    /// others did.
    pub fn take_lost_fragments(&mut self) -> u64 {
        self.fragments.take_lost()
    }

    /// The capture ended: how many fragments were given up since [`Decoder::take_lost_fragments`] was called, with those
    /// that were still kept.
    pub fn finish(&mut self) -> u64 {
        self.fragments.finish()
    }
}

/// What nearly all frames hold: TCP in IP in Ethernet, read in one go. `None` sends others round [`walk`].
#[inline(always)]
fn ordinary<'a>(frame: &Frame<'a>) -> Option<Segment<'a>> {
    let mut rest = Rest::new(frame.bytes, frame.wire_len as usize);
    let Ok(Layer::Ip) = link::begin(frame.link, &mut rest) else { return None };
    let Ok(Inside::Whole(whole)) = network::ip(&mut rest) else { return None };
    if whole.protocol != network::TCP {
        return None;
    }
    network::tcp(frame.at, &whole, &mut rest).ok()
}
