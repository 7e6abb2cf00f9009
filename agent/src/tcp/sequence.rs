//! Sequence numbers, and what replaces them everywhere else: offsets that do not wrap.
//!
//! In: 32-bit sequence and acknowledgement numbers. Out: 64-bit offsets of a stream, and how far they may be trusted.

/// Offset of the first byte that is known of a stream: far enough from zero that earlier bytes can turn up. Its low 32
/// bits are zero, so that an offset is a sequence number plus a constant.
pub(super) const START: u64 = 1 << 32;

/// How far one segment may be from everything seen of its stream before. Larger than the windows that systems grow to
/// by themselves (6 to 16 MiB); what is farther off is garbage or the end of a large loss, and a second segment from
/// there tells which.
pub(super) const REACH: u64 = 16 << 20;

/// The sequence number that offset [`START`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Base(u32);

impl Base {
    /// Lets a stream start with this sequence number.
    pub(super) const fn new(sequence: u32) -> Self {
        Self(sequence)
    }

    /// The offset of a sequence number, of all those it can have the nearest to `near`.
    pub(super) const fn offset(self, sequence: u32, near: u64) -> u64 {
        let distance = sequence.wrapping_sub(self.0).wrapping_sub(near as u32) as i32;
        near.saturating_add_signed(distance as i64)
    }
}

/// The least offset at or above `floor` that has the same sequence number as `offset`.
pub(super) const fn forward(offset: u64, floor: u64) -> u64 {
    floor.saturating_add((offset as u32).wrapping_sub(floor as u32) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_of_sequence_numbers() {
        for (base, sequence, near, want) in [
            (1_000, 1_000, START, START),
            (1_000, 1_500, START, START + 500),
            (1_000, 900, START, START - 100),
            // around the end of the numbers
            (u32::MAX, u32::MAX, START, START),
            (u32::MAX, 9, START, START + 10),
            (u32::MAX - 9, 0, START + 5, START + 10),
            (5, u32::MAX, START, START - 6),
            // a second time around
            (1_000, 1_500, START + (1 << 32) + 400, START + (1 << 32) + 500),
            (1_000, 999, START + (1 << 32), START + (1 << 32) - 1),
            (1_000, 999, START + (1 << 32) - 9, START + (1 << 32) - 1),
            // half a circle is behind, one less is ahead
            (0, 0x8000_0000, START, START - 0x8000_0000),
            (0, 0x7fff_ffff, START, START + 0x7fff_ffff),
        ] {
            assert_eq!(Base::new(base).offset(sequence, near), want, "{base} {sequence} {near}");
        }
    }

    #[test]
    fn a_position_behind_is_found_ahead() {
        for (offset, floor, want) in [
            (START + 5, START, START + 5),
            (START, START, START),
            (START - 1, START, START + u64::from(u32::MAX)),
            (START + 7, START + 8, START + (1 << 32) + 7),
        ] {
            assert_eq!(forward(offset, floor), want, "{offset} {floor}");
        }
    }
}
