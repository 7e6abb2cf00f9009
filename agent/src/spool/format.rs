//! Bytes of one file of the spool. In: what a report stands for, and its packed bytes. Out: one file, or the reverse with
//! every byte checked.
//!
//! Little endian:
//!
//! ```text
//! at  bytes
//!  0  4   magic "PITS"
//!  4  2   version
//!  6  2   version, all its bits the other way: damage is not taken for another version
//!  8  4   length of the header as it stands here
//! 12  4   length of the header as JSON; the same where it is not compressed, else it is one zstd frame
//! 16  8   length of the body
//! 24  16  digest of the body
//! 40  16  digest of the 40 bytes before and of the header as it stands here
//! 56      header: JSON of `Head`
//!         body: the report as it is shipped
//! ```
//!
//! Digests are the first half of SHA-256. The header has one of its own, so that it can be read without the body, and
//! what a damaged body held can still be counted.

use std::collections::BTreeMap;

use pitot_model::{Coverage, Reason, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::samples::Stripped;
use crate::Cursor;

/// The version that this program writes, and the newest that it reads.
pub(crate) const VERSION: u16 = 1;

const MAGIC: [u8; 4] = *b"PITS";
const FIXED: usize = 56;
/// Bytes that the digest of the header covers in front of it.
const DIGESTED: usize = 40;
/// Bytes of a header, plain; cursors of every file that an agent follows, with their samples, are less.
const HEADER_BYTES: usize = 64 << 20;
/// Headers up to here are not compressed: a person may want to look at them.
const PLAIN_BYTES: usize = 2 << 10;
const ZSTD_LEVEL: i32 = 3;

/// Bytes that hold the header of an ordinary file.
pub(super) const HEAD_READ: u64 = 64 << 10;

/// What one file stands for, beside the report itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// See [`AgentId`](pitot_model::AgentId).
    pub(super) incarnation: u64,
    /// See [`Report`](pitot_model::Report).
    pub(super) sequence: u64,
    /// When the report was made.
    pub(super) made: Timestamp,
    /// Transactions in its windows.
    pub(super) transactions: u64,
    /// Its coverage, with what it tells of reports that were lost.
    pub(super) coverage: Coverage,
    /// How far the sources were read; of a report in several files, in the last one alone.
    pub(super) cursors: Stripped,
    /// Files that count no more, should they still be there: this report tells what became of them.
    pub(super) replaces: Vec<u64>,
    /// Number of the last file that was pushed together with this one: without it none of them counts.
    pub(super) until: u64,
}

/// A file that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Written by a newer version.
    Newer(u16),
    /// Cut, or changed since it was written.
    Damaged,
    /// The bytes given end before the header does.
    Short,
}

/// What comes in front of the body.
pub(super) fn encode(head: &Head, body: &[u8]) -> Vec<u8> {
    let plain = serde_json::to_vec(&Stored::from(head)).expect("numbers and texts are always JSON");
    let packed = (plain.len() > PLAIN_BYTES).then(|| zstd::bulk::compress(&plain, ZSTD_LEVEL).ok()).flatten();
    let header = packed.filter(|p| p.len() < plain.len());
    let header = header.as_deref().unwrap_or(&plain);
    let mut out = Vec::with_capacity(FIXED + header.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&(!VERSION).to_le_bytes());
    out.extend_from_slice(&(header.len() as u32).to_le_bytes());
    out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    out.extend_from_slice(&(body.len() as u64).to_le_bytes());
    out.extend_from_slice(&digest(&[body]));
    let digest = digest(&[&out, header]);
    out.extend_from_slice(&digest);
    out.extend_from_slice(header);
    out
}

/// The header of a file of which the first bytes are given.
pub(super) fn decode_head(bytes: &[u8]) -> Result<Head, Unreadable> {
    let (fixed, header) = parts(bytes)?;
    let json = match fixed.header == fixed.plain {
        true => header.to_vec(),
        false => zstd::bulk::decompress(header, fixed.plain).map_err(|_| Unreadable::Damaged)?,
    };
    serde_json::from_slice::<Stored>(&json).map(Head::from).map_err(|_| Unreadable::Damaged)
}

/// Where the body of a whole file begins, once it is found to be what was written.
pub(super) fn body_at(bytes: &[u8]) -> Result<usize, Unreadable> {
    let (fixed, header) = parts(bytes).map_err(|e| if e == Unreadable::Short { Unreadable::Damaged } else { e })?;
    let at = FIXED + header.len();
    let body = &bytes[at..];
    let is_whole = body.len() as u64 == fixed.body && digest(&[body]) == fixed.digest;
    if is_whole { Ok(at) } else { Err(Unreadable::Damaged) }
}

struct Fixed {
    header: usize,
    plain: usize,
    body: u64,
    digest: [u8; 16],
}

/// The fixed part and the header as it stands there, checked.
fn parts(bytes: &[u8]) -> Result<(Fixed, &[u8]), Unreadable> {
    let fixed = bytes.get(..FIXED).ok_or(Unreadable::Short)?;
    if fixed[..4] != MAGIC {
        return Err(Unreadable::Damaged);
    }
    let version = u16::from_le_bytes([fixed[4], fixed[5]]);
    if u16::from_le_bytes([fixed[6], fixed[7]]) != !version || version == 0 {
        return Err(Unreadable::Damaged);
    }
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let parsed = Fixed {
        header: u32_at(fixed, 8) as usize,
        plain: u32_at(fixed, 12) as usize,
        body: u64::from(u32_at(fixed, 16)) | u64::from(u32_at(fixed, 20)) << 32,
        digest: sixteen_at(fixed, 24),
    };
    if parsed.header > HEADER_BYTES || parsed.plain > HEADER_BYTES {
        return Err(Unreadable::Damaged);
    }
    let header = bytes.get(FIXED..FIXED + parsed.header).ok_or(Unreadable::Short)?;
    let is_intact = digest(&[&fixed[..DIGESTED], header]) == sixteen_at(fixed, DIGESTED);
    if is_intact { Ok((parsed, header)) } else { Err(Unreadable::Damaged) }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    (0..4).fold(0, |n, i| n | u32::from(bytes[at + i]) << (8 * i))
}

fn sixteen_at(bytes: &[u8], at: usize) -> [u8; 16] {
    std::array::from_fn(|i| bytes[at + i])
}

fn digest(parts: &[&[u8]]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let hash = hash.finalize();
    std::array::from_fn(|i| hash[i])
}

/// [`Head`] as JSON; fields are only ever added.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Stored {
    incarnation: u64,
    sequence: u64,
    made_us: i64,
    transactions: u64,
    coverage: StoredCoverage,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cursors: Vec<Cursor>,
    /// Names of the samples of these cursors, in the same order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    samples: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaces: Vec<u64>,
    until: u64,
}

/// Reasons by their number on the wire.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct StoredCoverage {
    lines_read: u64,
    bytes_read: u64,
    packets_read: u64,
    transactions: u64,
    reasons: BTreeMap<u32, u64>,
}

impl From<&Head> for Stored {
    fn from(h: &Head) -> Self {
        let c = &h.coverage;
        Self {
            incarnation: h.incarnation,
            sequence: h.sequence,
            made_us: h.made.as_micros(),
            transactions: h.transactions,
            coverage: StoredCoverage {
                lines_read: c.lines_read,
                bytes_read: c.bytes_read,
                packets_read: c.packets_read,
                transactions: c.transactions,
                reasons: c.reasons.iter().map(|(r, &n)| (r.as_wire(), n)).collect(),
            },
            cursors: h.cursors.cursors.clone(),
            samples: h.cursors.samples.clone(),
            replaces: h.replaces.clone(),
            until: h.until,
        }
    }
}

impl From<Stored> for Head {
    fn from(s: Stored) -> Self {
        let StoredCoverage { lines_read, bytes_read, packets_read, transactions, reasons } = s.coverage;
        let mut coverage = Coverage { lines_read, bytes_read, packets_read, transactions, ..Coverage::default() };
        for (reason, n) in reasons {
            // One of a newer version still lowers the coverage: it is kept under the vaguest loss, as on the wire.
            coverage.add(Reason::from_wire(reason).unwrap_or(Reason::LineMalformed), n);
        }
        Self {
            incarnation: s.incarnation,
            sequence: s.sequence,
            made: Timestamp::from_micros(s.made_us),
            transactions: s.transactions,
            coverage,
            cursors: Stripped { cursors: s.cursors, samples: s.samples },
            replaces: s.replaces,
            until: s.until,
        }
    }
}
