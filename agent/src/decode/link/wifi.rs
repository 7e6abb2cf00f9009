//! IEEE 802.11 frames as sniffers see them, and the headers that sniffers put before them.
//!
//! In: a rest that begins with such a header. Out: LLC, when a frame carries data in the clear.
//! Source: IEEE 802.11-2020, 9.2; <https://www.radiotap.org>.

use pitot_model::Reason;

use super::super::{rest::Rest, walk::Layer};

/// A radio's header, then 802.11.
pub(super) fn radiotap(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    const PRESENT_WORDS: usize = 32;
    let header_len = usize::from(u16::from_le_bytes([rest.peek(2)?, rest.peek(3)?]));
    let header = rest.bytes.get(..header_len).ok_or(Reason::PacketMalformed)?;
    let word = |n: usize| header.get(4 + 4 * n..)?.first_chunk().copied().map(u32::from_le_bytes);
    let first = word(0).ok_or(Reason::PacketMalformed)?;
    // The words go on while their highest bit says so; behind them stand the fields that the first one lists.
    let n_words = (0..PRESENT_WORDS).find(|&n| word(n).is_none_or(|w| w >> 31 == 0)).unwrap_or(PRESENT_WORDS) + 1;
    let fields = 4 + 4 * n_words;
    // Eight bytes of time come first, aligned to eight.
    let flags = if first & 1 == 0 { fields } else { fields.next_multiple_of(8) + 8 };
    let is_padded = first & 2 != 0 && header.get(flags).is_some_and(|flags| flags & 0x20 != 0);
    rest.skip(header_len)?;
    frame(is_padded, rest)
}

/// Prism's or AVS's header, whose length is its second word in either byte order, then 802.11.
pub(super) fn prism(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    let header: [u8; 8] = rest.take()?;
    let len = header.last_chunk().copied().map_or(0, u32::from_be_bytes);
    rest.skip((len.min(len.swap_bytes()) as usize).checked_sub(8).ok_or(Reason::PacketMalformed)?)?;
    plain(rest)
}

/// 802.11.
pub(super) fn plain(rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    frame(false, rest)
}

/// 802.11. `is_padded`: whether its header is filled to a multiple of four.
fn frame(is_padded: bool, rest: &mut Rest<'_>) -> Result<Layer, Reason> {
    const TO_AND_FROM: u8 = 0x03;
    const PROTECTED: u8 = 0x40;
    const ORDER: u8 = 0x80;
    const AGGREGATE: u8 = 0x80;
    let (control, flags) = (rest.peek(0)?, rest.peek(1)?);
    let (is_data, is_null, is_qos) = (control & 0x0c == 0x08, control & 0x40 != 0, control & 0x80 != 0);
    let fragment = rest.peek(22).unwrap_or_default() & 0x0f;
    if !is_data || is_null || flags & PROTECTED != 0 || fragment != 0 {
        return Err(Reason::PacketForeign);
    }
    let mut len = if flags & TO_AND_FROM == TO_AND_FROM { 30 } else { 24 };
    if is_qos {
        if rest.peek(len)? & AGGREGATE != 0 {
            return Err(Reason::PacketForeign);
        }
        len += 2;
        if flags & ORDER != 0 {
            len += 4;
        }
    }
    rest.skip(if is_padded { len.next_multiple_of(4) } else { len })?;
    Ok(Layer::Llc)
}
