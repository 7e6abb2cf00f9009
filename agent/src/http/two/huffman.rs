//! The Huffman code of HPACK.
//!
//! In: coded octets of a header field. Out: the octets that are meant. The code is canonical: codes of one length are
//! consecutive numbers, in the order of their symbols, and follow the shorter ones; so the symbols in this order and how
//! many there are of each length say it all.
//!
//! Source: RFC 7541, section 5.2 and appendix B.

/// Bits that the first look-up decides on; most text has no longer codes.
const FAST_BITS: u32 = 8;

/// Octets by the lengths of their codes, then by value. EOS, thirty ones, follows.
#[rustfmt::skip]
const SYMBOLS: [u8; 256] = [
    48, 49, 50, 97, 99, 101, 105, 111, 115, 116, 32, 37, 45, 46, 47, 51, 52, 53, 54, 55, 56, 57, 61, 65, 95, 98, 100,
    102, 103, 104, 108, 109, 110, 112, 114, 117, 58, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81,
    82, 83, 84, 85, 86, 87, 89, 106, 107, 113, 118, 119, 120, 121, 122, 38, 42, 44, 59, 88, 90, 33, 34, 40, 41, 63,
    39, 43, 124, 35, 62, 0, 36, 64, 91, 93, 126, 94, 125, 60, 96, 123, 92, 195, 208, 128, 130, 131, 162, 184, 194,
    224, 226, 153, 161, 167, 172, 176, 177, 179, 209, 216, 217, 227, 229, 230, 129, 132, 133, 134, 136, 146, 154, 156,
    160, 163, 164, 169, 170, 173, 178, 181, 185, 186, 187, 189, 190, 196, 198, 228, 232, 233, 1, 135, 137, 138, 139,
    140, 141, 143, 147, 149, 150, 151, 152, 155, 157, 158, 165, 166, 168, 174, 175, 180, 182, 183, 188, 191, 197, 231,
    239, 9, 142, 144, 145, 148, 159, 171, 206, 215, 225, 236, 237, 199, 207, 234, 235, 192, 193, 200, 201, 202, 205,
    210, 213, 218, 219, 238, 240, 242, 243, 255, 203, 204, 211, 212, 214, 221, 222, 223, 241, 244, 245, 246, 247, 248,
    250, 251, 252, 253, 254, 2, 3, 4, 5, 6, 7, 8, 11, 12, 14, 15, 16, 17, 18, 19, 20, 21, 23, 24, 25, 26, 27, 28, 29,
    30, 31, 127, 220, 249, 10, 13, 22,
];

/// Lengths of codes in bits, and how many octets have such codes.
const COUNTS: [(u32, u32); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    (30, 3),
];

/// Codes of one length.
#[derive(Clone, Copy)]
struct Row {
    len: u32,
    /// The first of them, at the upper end of 32 bits.
    first: u32,
    /// The first code that is longer, likewise.
    end: u32,
    /// Index of the first in [`SYMBOLS`].
    index: u32,
}

const ROWS: [Row; COUNTS.len()] = rows();

/// Octet and length of the code that these bits begin with; length 0 where it is longer.
const FAST: [(u8, u8); 1 << FAST_BITS] = fast();

const fn rows() -> [Row; COUNTS.len()] {
    let mut rows = [Row { len: 0, first: 0, end: 0, index: 0 }; COUNTS.len()];
    let (mut i, mut first, mut index) = (0, 0, 0);
    while i < COUNTS.len() {
        let (len, count) = COUNTS[i];
        let end = first + (count << (32 - len));
        rows[i] = Row { len, first, end, index };
        (first, index) = (end, index + count);
        i += 1;
    }
    rows
}

const fn fast() -> [(u8, u8); 1 << FAST_BITS] {
    let mut table = [(0, 0); 1 << FAST_BITS];
    let mut i = 0;
    while i < table.len() {
        if let Some((symbol, len)) = find((i as u32) << (32 - FAST_BITS))
            && len <= FAST_BITS
        {
            table[i] = (symbol, len as u8);
        }
        i += 1;
    }
    table
}

/// The octet whose code these bits begin with, and the length of the code; `None` for EOS.
const fn find(window: u32) -> Option<(u8, u32)> {
    let mut i = 0;
    while i < ROWS.len() {
        let row = ROWS[i];
        if window < row.end {
            return Some((SYMBOLS[(row.index + ((window - row.first) >> (32 - row.len))) as usize], row.len));
        }
        i += 1;
    }
    None
}

/// Appends the decoded octets to `out`, at most 8/5 as many as there are. Returns whether the code was right: not where
/// it holds EOS or ends in anything else than up to seven ones.
#[must_use]
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> bool {
    let mut coded = coded.iter();
    // Bits that are not used up, from the upper end, and how many they are.
    let (mut bits, mut n) = (0_u64, 0_u32);
    loop {
        while n <= 56
            && let Some(&octet) = coded.next()
        {
            bits |= u64::from(octet) << (56 - n);
            n += 8;
        }
        if n == 0 {
            return true;
        }
        // Behind the end, ones: the padding goes on so.
        let window = ((bits | u64::MAX.checked_shr(n).unwrap_or(0)) >> 32) as u32;
        let (symbol, len) = match FAST[(window >> (32 - FAST_BITS)) as usize] {
            (symbol, len @ 1..) => (symbol, u32::from(len)),
            _ => match find(window) {
                Some(found) => found,
                None => return n < 8 && window == u32::MAX,
            },
        };
        if len > n {
            return false;
        }
        out.push(symbol);
        bits <<= len;
        n -= len;
    }
}

#[cfg(test)]
mod tests {
    use loona_hpack::huffman::HuffmanDecoder;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_and_padding() {
        for (coded, want) in [
            // RFC 7541, C.4.
            (&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..], Some("www.example.com")),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], Some("no-cache")),
            (&[], Some("")),
            (&[0x07], Some("0")),
            // Padded with eight ones, with zeros, and EOS.
            (&[0x07, 0xff], None),
            (&[0x00], None),
            (&[0xff, 0xff, 0xff, 0xff], None),
        ] {
            let mut out = Vec::new();
            let is_right = decode(coded, &mut out);
            assert_eq!(is_right.then(|| String::from_utf8_lossy(&out).into_owned()).as_deref(), want, "{coded:x?}");
        }
    }

    proptest! {
        /// Random bits hold all codes up to some ten bits; the ones in front make long codes likely, too.
        #[test]
        fn all_codes_are_those_of_another_decoder(ones in 0..5_usize, mut coded in prop::collection::vec(any::<u8>(), 0..24)) {
            for octet in coded.iter_mut().take(ones) {
                *octet |= 0xf8;
            }
            let mut out = Vec::new();
            let ours = decode(&coded, &mut out).then_some(out);
            prop_assert_eq!(ours, HuffmanDecoder::new().decode(&coded).ok());
        }
    }
}
