//! The HdrHistogram V2 encoding of a sketch, uncompressed.
//!
//! ```text
//! u32 cookie 0x1c849313 | u32 payload bytes | u32 normalizing offset 0 | u32 digits 3
//! u64 lowest 1 | u64 highest 3_600_000_000 | f64 ratio 1.0                              all big endian
//! payload: one ZigZag LEB128 (at most 9 bytes) per bucket count from bucket 0 on; -n stands for n empty buckets
//! ```
//!
//! Source: HdrHistogram's `AbstractHistogram.encodeIntoByteBuffer`, version 2.

use super::{BUCKETS, Bucket, Sketch, high_of};

pub(super) const HEADER: [u8; 40] = {
    let mut h = [0; 40];
    let cookie = 0x1c84_9313_u32.to_be_bytes();
    let highest = Sketch::MAX_US.to_be_bytes();
    let ratio = 1.0f64.to_bits().to_be_bytes();
    let mut i = 0;
    while i < 8 {
        if i < 4 {
            h[i] = cookie[i];
        }
        h[24 + i] = highest[i];
        h[32 + i] = ratio[i];
        i += 1;
    }
    h[15] = 3;
    h[23] = 1;
    h
};

/// Bytes that are no sketch of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum V2Error {
    /// The header is not that of three digits from 1 µs to 1 h.
    #[error("histogram header is not HdrHistogram V2 with 3 digits from 1 to 3600000000")]
    Header,
    /// Fewer bytes than the header promises, or a number cut in the middle.
    #[error("histogram is cut")]
    Cut,
    /// A bucket beyond one hour.
    #[error("histogram counts are out of range")]
    Range,
}

impl Sketch {
    /// Appends the HdrHistogram V2 encoding; every HdrHistogram library reads it.
    pub fn write_v2(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&HEADER);
        let mut next = 0;
        for (i, count) in self.iter() {
            match i - next {
                0 => {}
                1 => write_zigzag(out, 0),
                empty => write_zigzag(out, -(empty as i64)),
            }
            write_zigzag(out, i64::try_from(count).unwrap_or(i64::MAX));
            next = i + 1;
        }
        if next == 0 {
            write_zigzag(out, 0);
        }
        let payload = (out.len() - start - HEADER.len()) as u32;
        out[start + 4..start + 8].copy_from_slice(&payload.to_be_bytes());
    }

    /// Reads the HdrHistogram V2 encoding. Sum, least and greatest value are those of the buckets, until
    /// [`Sketch::with_exact`] restores the exact ones.
    pub fn read_v2(bytes: &[u8]) -> Result<Self, V2Error> {
        let (header, rest) = bytes.split_at_checked(HEADER.len()).ok_or(V2Error::Cut)?;
        if header[..4] != HEADER[..4] || header[8..] != HEADER[8..] {
            return Err(V2Error::Header);
        }
        let payload = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let mut rest = rest.get(..payload).ok_or(V2Error::Cut)?;
        let (mut sketch, mut i) = (Self::new(), 0usize);
        while !rest.is_empty() {
            let value = read_zigzag(&mut rest)?;
            if value <= 0 {
                i = i.saturating_add(usize::try_from(value.unsigned_abs().max(1)).map_err(|_| V2Error::Range)?);
                continue;
            }
            if i >= BUCKETS {
                return Err(V2Error::Range);
            }
            sketch.push(i, value as u64);
            sketch.max_us = high_of(i).min(Self::MAX_US) as u32;
            i += 1;
        }
        let middle = |b: Bucket| (b.low_us + b.high_us) / 2;
        sketch.sum_us = sketch.buckets().fold(0, |sum, b| sum.saturating_add(middle(b).saturating_mul(b.count)));
        Ok(sketch)
    }
}

/// LEB128 of the ZigZag form; the ninth byte holds eight bits.
fn write_zigzag(out: &mut Vec<u8>, value: i64) {
    let mut v = ((value << 1) ^ (value >> 63)) as u64;
    for _ in 0..8 {
        if v < 0x80 {
            out.push(v as u8);
            return;
        }
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn read_zigzag(bytes: &mut &[u8]) -> Result<i64, V2Error> {
    let mut v = 0u64;
    for i in 0..9 {
        let (&byte, rest) = bytes.split_first().ok_or(V2Error::Cut)?;
        *bytes = rest;
        if i == 8 {
            v |= u64::from(byte) << 56;
            break;
        }
        v |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            break;
        }
    }
    Ok((v >> 1) as i64 ^ -((v & 1) as i64))
}
