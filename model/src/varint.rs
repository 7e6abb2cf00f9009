//! Numbers in as few bytes as they need, for what is packed in memory. In: `u64`. Out: LEB128, one to ten bytes.
//!
//! Source: DWARF 5, 7.6; the varint of protobuf.

/// Appends a number.
#[inline]
pub fn write(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Reads a number and moves `bytes` behind it. `None` when it is cut, or more than 64 bits long.
#[inline]
pub fn read(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    if first < 0x80 { Some(u64::from(first)) } else { read_on(u64::from(first & 0x7f), bytes) }
}

fn read_on(mut n: u64, bytes: &mut &[u8]) -> Option<u64> {
    for shift in (7..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (shift < 63 || byte < 2).then_some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back(numbers in proptest::collection::vec((0u32..64).prop_flat_map(|bits| 0..=u64::MAX >> bits), 0..20)) {
            let mut bytes = Vec::new();
            numbers.iter().for_each(|n| write(&mut bytes, *n));
            let mut rest = &bytes[..];
            for n in &numbers {
                prop_assert_eq!(read(&mut rest), Some(*n));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn any_bytes_read_or_fail_cleanly(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let _ = read(&mut &bytes[..]);
        }
    }
}
