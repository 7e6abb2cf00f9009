//! The pcapng format: sections of blocks; interfaces are described before their packets.
//!
//! The length of a block is judged here, its content is parsed by `pcap-parser`. Blocks that are no packets are passed over;
//! packets that cannot be read are counted. Source: draft-ietf-opsawg-pcapng.

use pcap_parser::{
    OptionCode, PcapNGOption,
    pcapng::{Block, parse_block_be, parse_block_le},
    traits::PcapNGPacketBlock,
};
use pitot_model::Timestamp;

use super::{Found, Trouble, Window};
use crate::{budget, decode::LinkType};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
/// The packet block that later versions replaced.
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// What the current section says.
pub(super) struct Section {
    is_big_endian: bool,
    pub(super) interfaces: Vec<Interface>,
    /// Time of the last packet; simple packets have none of their own.
    last: Timestamp,
    /// Packets that could not be read.
    pub(super) n_skipped: u64,
}

/// An interface of a section.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interface {
    pub(super) link: LinkType,
    snap_len: u32,
    unit: Unit,
    offset_s: i64,
}

/// What a tick of an interface's time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// So many microseconds.
    Micros(u64),
    /// A microsecond has so many of them.
    PerMicro(u64),
    /// A second has two to the power of so many.
    Binary(u32),
}

/// The block that comes next.
struct Next {
    kind: u32,
    /// Its length, with the bytes that fill it to a multiple of four; old writers did not count them.
    len: usize,
}

impl Section {
    /// Reads up to the first packet. The file is known to begin with a section.
    pub(super) fn open(window: &mut Window) -> Result<Self, Trouble> {
        let mut section = Self { is_big_endian: false, interfaces: Vec::new(), last: Timestamp::EPOCH, n_skipped: 0 };
        while let Some(next) = section.peek(window)? {
            if matches!(next.kind, OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
                break;
            }
            section.pass(window, &next)?;
        }
        Ok(section)
    }

    /// The next frame.
    pub(super) fn next<'a>(&mut self, window: &'a mut Window) -> Result<Option<Found<'a>>, Trouble> {
        loop {
            let Some(next) = self.peek(window)? else { return Ok(None) };
            if !matches!(next.kind, OBSOLETE_PACKET | SIMPLE_PACKET | ENHANCED_PACKET) {
                self.pass(window, &next)?;
                continue;
            }
            if next.len > budget::CAPTURE_BLOCK_BYTES {
                self.n_skipped += 1;
                self.skip(window, &next)?;
                continue;
            }
            let block = window.peek(next.len)?;
            let Some((at, link, start, len, wire_len)) = self.packet(block) else {
                if block.len() < next.len {
                    return Err(Trouble::Cut);
                }
                self.n_skipped += 1;
                self.skip(window, &next)?;
                continue;
            };
            self.last = at;
            let block = window.take(next.len)?.ok_or(Trouble::Cut)?;
            let bytes = block.get(start..start + len).ok_or(Trouble::Cut)?;
            return Ok(Some(Found { at, link, bytes, wire_len }));
        }
    }

    /// Which block comes next, and how long it is.
    fn peek(&mut self, window: &mut Window) -> Result<Option<Next>, Trouble> {
        let head = window.peek(12)?;
        let Some((kind, rest)) = head.split_first_chunk() else {
            return if head.is_empty() { Ok(None) } else { Err(Trouble::Cut) };
        };
        let (Some((len, _)), Some(magic)) = (rest.split_first_chunk(), rest.get(4..8)) else {
            return Err(Trouble::Cut);
        };
        if u32::from_le_bytes(*kind) == SECTION {
            self.is_big_endian = match magic {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => return Err(Trouble::Block(SECTION)),
            };
        }
        let (kind, len) = (self.u32(*kind), self.u32(*len));
        if len < 12 {
            return Err(Trouble::Length(u64::from(len)));
        }
        Ok(Some(Next { kind, len: (len as usize).checked_next_multiple_of(4).unwrap_or(usize::MAX) }))
    }

    /// Passes a block that is no packet, and keeps what it says of later ones.
    fn pass(&mut self, window: &mut Window, next: &Next) -> Result<(), Trouble> {
        if next.kind == SECTION {
            self.interfaces.clear();
        }
        if next.kind != INTERFACE {
            return self.skip(window, next);
        }
        if next.len > budget::CAPTURE_BLOCK_BYTES || self.interfaces.len() >= budget::CAPTURE_INTERFACES {
            return Err(Trouble::Block(INTERFACE));
        }
        let is_big_endian = self.is_big_endian;
        let block = window.take(next.len)?.ok_or(Trouble::Cut)?;
        let Some(Block::InterfaceDescription(block)) = parse(is_big_endian, block) else {
            return Err(Trouble::Block(INTERFACE));
        };
        self.interfaces.push(Interface {
            link: LinkType((block.linktype.0 & 0xffff) as u16),
            snap_len: block.snaplen,
            unit: Unit::new(block.if_tsresol),
            offset_s: offset_s(&block.options, is_big_endian),
        });
        Ok(())
    }

    fn skip(&self, window: &mut Window, next: &Next) -> Result<(), Trouble> {
        if window.skip(next.len as u64)? { Ok(()) } else { Err(Trouble::Cut) }
    }

    /// Time, link type, place in the block, captured length and length on the wire; `None` for a block that contradicts
    /// itself or is of an unknown interface.
    fn packet(&self, block: &[u8]) -> Option<(Timestamp, LinkType, usize, usize, u32)> {
        match parse(self.is_big_endian, block)? {
            Block::EnhancedPacket(packet) => {
                let interface = self.interfaces.get(packet.if_id as usize)?;
                let at = interface.time(packet.ts_high, packet.ts_low);
                Some((at, interface.link, 28, packet.packet_data().len(), packet.origlen))
            }
            Block::SimplePacket(packet) => {
                let interface = self.interfaces.first()?;
                let snap_len = if interface.snap_len == 0 { u32::MAX } else { interface.snap_len };
                let len = packet.data.len().min(packet.origlen.min(snap_len) as usize);
                Some((self.last, interface.link, 12, len, packet.origlen))
            }
            Block::Unknown(block) => self.obsolete(block.data),
            _ => None,
        }
    }

    /// Interface and drops of 16 bits, time, both lengths, data.
    fn obsolete(&self, data: &[u8]) -> Option<(Timestamp, LinkType, usize, usize, u32)> {
        let (ids, rest) = data.split_first_chunk::<2>()?;
        let id = if self.is_big_endian { u16::from_be_bytes(*ids) } else { u16::from_le_bytes(*ids) };
        let word = |n: usize| Some(self.u32(*rest.get(2 + 4 * n..)?.first_chunk()?));
        let interface = self.interfaces.get(usize::from(id))?;
        let len = word(2)? as usize;
        (len <= data.len() - 20).then_some((interface.time(word(0)?, word(1)?), interface.link, 28, len, word(3)?))
    }

    fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}

fn parse(is_big_endian: bool, block: &[u8]) -> Option<Block<'_>> {
    let parsed = if is_big_endian { parse_block_be(block) } else { parse_block_le(block) };
    parsed.ok().map(|(_, block)| block)
}

/// Seconds that are to be added to the times of an interface. `pcap-parser` reads it as if every section
/// were little-endian.
fn offset_s(options: &[PcapNGOption<'_>], is_big_endian: bool) -> i64 {
    let option = options.iter().find(|o| o.code == OptionCode::IfTsoffset);
    let bytes = option.and_then(|o| o.value().first_chunk()).copied().unwrap_or_default();
    if is_big_endian { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }
}

impl Interface {
    /// Rounded down.
    fn time(&self, high: u32, low: u32) -> Timestamp {
        let ticks = (u64::from(high) << 32) | u64::from(low);
        let us = match self.unit {
            Unit::Micros(n) => ticks.saturating_mul(n),
            Unit::PerMicro(n) => ticks / n,
            Unit::Binary(shift) => ((u128::from(ticks) * 1_000_000) >> shift).try_into().unwrap_or(u64::MAX),
        };
        let us = i64::try_from(us).unwrap_or(i64::MAX);
        Timestamp::from_micros(us.saturating_add(self.offset_s.saturating_mul(1_000_000)))
    }
}

impl Unit {
    /// From the option `if_tsresol`.
    fn new(resolution: u8) -> Self {
        let exponent = u32::from(resolution & 0x7f);
        match resolution {
            128.. => Self::Binary(exponent),
            0..=6 => Self::Micros(10_u64.pow(6 - exponent)),
            _ => Self::PerMicro(10_u64.checked_pow(exponent - 6).unwrap_or(u64::MAX)),
        }
    }
}
