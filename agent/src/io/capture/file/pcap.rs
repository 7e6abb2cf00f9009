//! The classic pcap format: a header of 24 bytes, then records of 16 bytes and a frame each.
//!
//! Read here and not by `pcap-parser`, whose reader believes the length of a record before anybody can judge it.
//! Source: draft-ietf-opsawg-pcap; the "modified" records of 24 bytes: libpcap, `sf-pcap.c`.

use pitot_model::Timestamp;

use super::{Found, Trouble, Window};
use crate::{budget, decode::LinkType};

/// What the file's header says.
pub(super) struct Pcap {
    is_big_endian: bool,
    has_nanoseconds: bool,
    record_len: usize,
    pub(super) link: LinkType,
}

/// Length of the file's header.
pub(super) const HEADER_LEN: usize = 24;

impl Pcap {
    /// From the file's header; `None` when it is another file's.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_LEN] = header.try_into().ok()?;
        let (magic, _) = header.split_first_chunk()?;
        let (is_big_endian, has_nanoseconds, record_len) = match u32::from_le_bytes(*magic) {
            0xa1b2_c3d4 => (false, false, 16),
            0xa1b2_3c4d => (false, true, 16),
            0xa1b2_cd34 => (false, false, 24),
            0xd4c3_b2a1 => (true, false, 16),
            0x4d3c_b2a1 => (true, true, 16),
            0x34cd_b2a1 => (true, false, 24),
            _ => return None,
        };
        let mut pcap = Self { is_big_endian, has_nanoseconds, record_len, link: LinkType::default() };
        // The upper half says whether frames end with a checksum; the IP length cuts it off.
        pcap.link = LinkType((pcap.u32_at(header, 20) & 0xffff) as u16);
        Some(pcap)
    }

    /// The next frame.
    #[inline]
    pub(super) fn next<'a>(&self, window: &'a mut Window) -> Result<Option<Found<'a>>, Trouble> {
        let Some(header) = window.take(self.record_len)? else {
            return if window.peek(1)?.is_empty() { Ok(None) } else { Err(Trouble::Cut) };
        };
        let seconds = self.u32_at(header, 0);
        let fraction = self.u32_at(header, 4);
        let captured_len = self.u32_at(header, 8) as usize;
        let wire_len = self.u32_at(header, 12);
        if captured_len > budget::CAPTURE_BLOCK_BYTES {
            return Err(Trouble::Length(captured_len as u64));
        }
        let us = if self.has_nanoseconds { fraction / 1000 } else { fraction };
        let bytes = window.take(captured_len)?.ok_or(Trouble::Cut)?;
        let at = Timestamp::from_micros(i64::from(seconds) * 1_000_000 + i64::from(us));
        Ok(Some(Found { at, link: self.link, bytes, wire_len }))
    }

    /// A number at a place that is inside a header.
    #[inline]
    fn u32_at(&self, header: &[u8], at: usize) -> u32 {
        let bytes = header[at..].first_chunk().copied().unwrap_or_default();
        if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }
}
