//! From the bytes of a report to one that may be stored. In: a body and its encoding, from a stranger. Out: a report
//! that fits the store, or a refusal with its status code.
//!
//! A refused report is refused whole: the agent counts its transactions as lost, so nothing is half in. 4xx but 429 means
//! that sending it again will not help.

use std::{borrow::Cow, io::Read, time::Duration};

use pitot_model::{
    MARK_WIDTH, Report, Timestamp,
    api::Problem,
    budget, show_duration,
    wire::{self, WireError},
};

use crate::store::Levels;

/// How far a window may lie in the future: agents' clocks are not ours.
pub const FUTURE: Duration = Duration::from_secs(10 * 60);

/// How long a body may take in all: a report of the greatest size over a line of 1.2 Mbit/s.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How long a body may take before the rate at which it comes counts.
pub const START: Duration = Duration::from_secs(10);

/// Bytes a second at which it must come from then on: whoever wants to keep others out by sending slowly has to send
/// much.
pub const PACE_BYTES: usize = 16 << 10;

/// Bytes of a report, decompressed, in which the name of its agent must stand for its turn to be its own.
const HEAD_BYTES: usize = 1 << 10;

/// Greatest window of a zstd frame, as a power of two: as much as a report may be long. Bounds the memory that a frame
/// can ask for.
const ZSTD_WINDOW_LOG: u32 = 26;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Plain,
    /// One or more zstd frames.
    Zstd,
}

impl Encoding {
    /// From a `Content-Encoding`; empty and `identity` are plain.
    pub fn parse(name: &str) -> Result<Self, Refusal> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Plain),
            "zstd" => Ok(Self::Zstd),
            other => Err(Refusal::Encoding(other.chars().take(64).collect())),
        }
    }
}

/// Why a report is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More bytes than a report may have, as sent.
    #[error("the body is larger than {} bytes; send smaller reports", budget::REPORT_BYTES)]
    TooLarge,
    /// More bytes than a report may have, decompressed.
    #[error("the report is larger than {} bytes when decompressed; send smaller reports", budget::REPORT_PLAIN_BYTES)]
    TooLargePlain,
    /// More parts than a report may have.
    #[error("{0}; send smaller reports")]
    TooMany(WireError),
    /// Too many other reports, or too many bytes of them, are being read at the moment.
    #[error("too many reports are being sent at once; send this one again in a moment")]
    Busy,
    /// Several reports of one agent are being taken at once.
    #[error(
        "reports of agent `{0}` are being taken already; send one at a time, or give every agent a name of its own"
    )]
    TooManyReports(String),
    /// The body came too slowly.
    #[error("the body came at less than {} KiB/s, or took longer than {}; send smaller reports", PACE_BYTES >> 10, show_duration(PATIENCE))]
    Slow,
    /// The body ended before its end.
    #[error("the body broke off: {0}; send it again")]
    BrokenOff(String),
    /// The sender means another store, which may hold the report already.
    #[error("the report is meant for the store `{wanted}`, and this is `{here}`; send it to a collector of that store")]
    WrongStore {
        /// The store that is meant.
        wanted: String,
        /// The one that is here.
        here: String,
    },
    /// Compressed by something else.
    #[error("`Content-Encoding: {0}` is not supported; use zstd or identity")]
    Encoding(String),
    /// Not what the encoding says.
    #[error("the body is not zstd: {0}; send one whole frame")]
    Compression(String),
    /// Not a report.
    #[error("{0}; send what `pitot agent` sends")]
    Malformed(WireError),
    /// A report of a newer version.
    #[error("{0}")]
    Newer(WireError),
    /// A window that lies ahead of the collector's clock.
    #[error(
        "a window ends at {end}, more than {} after the collector's clock {now}; set the agent's clock",
        show_duration(FUTURE)
    )]
    Future {
        /// Its end.
        end: Timestamp,
        /// The clock.
        now: Timestamp,
    },
    /// A window older than everything that is kept.
    #[error("a window starts at {start}, and nothing before {oldest} is kept; raise `retention.hour`")]
    TooOld {
        /// Its start.
        start: Timestamp,
        /// First moment that is kept.
        oldest: Timestamp,
    },
    /// A window that does not fit into one slot.
    #[error("a window of {} from {start} does not fit the collector's windows of {}; give agent and collector the same `window`", show_duration(*width), show_duration(*slot))]
    Width {
        /// Its start.
        start: Timestamp,
        /// Its width.
        width: Duration,
        /// Width of the finest slots.
        slot: Duration,
    },
    /// Another report has its place.
    #[error(
        "another report of the agent with this sequence is stored; two agents have the same name and state, or one has an \
         old copy of its state: give each its own"
    )]
    Conflict,
    /// It belongs to an incarnation that is too old to know.
    #[error("the report belongs to a start of the agent so long ago that nobody knows whether it is stored; drop it")]
    Stale,
    /// One agent more than are known.
    #[error(
        "{} agents are known, which is all that there may be, and each for weeks; give agents stable names",
        crate::store::ledger::AGENTS
    )]
    TooManyAgents,
}

impl Refusal {
    /// As the API tells it.
    pub fn problem(&self) -> Problem {
        let (kind, title, status) = match self {
            Self::TooLarge | Self::TooLargePlain | Self::TooMany(_) => ("too-large", "the report is too large", 413),
            Self::Busy => ("busy", "too many reports at once", 503),
            Self::TooManyReports(_) => ("too-many-reports", "too many reports of one agent at once", 429),
            Self::WrongStore { .. } => ("wrong-store", "another store is meant", 421),
            Self::Slow => ("slow", "the body did not come in time", 408),
            Self::BrokenOff(_) => ("bad-body", "the body could not be read", 408),
            Self::Encoding(_) => ("bad-encoding", "the encoding is not supported", 415),
            Self::Compression(_) | Self::Malformed(_) => ("bad-report", "this is no report", 400),
            Self::Newer(_) => ("newer-report", "the report is of a newer version", 422),
            Self::Future { .. } => ("in-future", "a window lies in the future", 422),
            Self::TooOld { .. } => ("too-old", "a window is older than what is kept", 422),
            Self::Width { .. } => ("bad-width", "a window does not fit", 422),
            Self::Conflict => ("conflict", "another report has this sequence", 409),
            Self::Stale => ("stale", "the report is too old to tell", 409),
            Self::TooManyAgents => ("too-many-agents", "too many agents", 429),
        };
        let (kind, title) = (format!("/problems/{kind}"), title.to_owned());
        Problem { kind, title, status, detail: self.to_string(), at: None, retry_after_s: self.retry_after_s() }
    }

    /// Seconds after which the same may be taken.
    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Busy | Self::TooManyReports(_) => Some(1),
            // Agents are forgotten after weeks: there is no hurry.
            Self::TooManyAgents => Some(60),
            _ => None,
        }
    }
}

/// Decompresses within [`budget::REPORT_PLAIN_BYTES`] and decodes.
pub fn decode(body: &[u8], encoding: Encoding) -> Result<Report, Refusal> {
    decode_sized(body, encoding).map(|(report, _)| report)
}

/// As [`decode`], with the number of bytes after decompression.
pub(crate) fn decode_sized(body: &[u8], encoding: Encoding) -> Result<(Report, usize), Refusal> {
    if body.len() > budget::REPORT_BYTES {
        return Err(Refusal::TooLarge);
    }
    let plain = match encoding {
        Encoding::Plain => Cow::Borrowed(body),
        Encoding::Zstd => Cow::Owned(decompress(body)?),
    };
    let report = wire::decode_report(&plain).map(|report| (report, plain.len()));
    report.map_err(|e| match e {
        WireError::Newer(_) => Refusal::Newer(e),
        WireError::TooMany { .. } => Refusal::TooMany(e),
        _ => Refusal::Malformed(e),
    })
}

/// Name of the agent, from the first bytes of a report; `None` where it does not stand as agents write it.
pub(crate) fn agent_of(body: &[u8], encoding: Encoding) -> Option<String> {
    let mut head = Vec::new();
    match encoding {
        Encoding::Plain => head.extend_from_slice(&body[..body.len().min(HEAD_BYTES)]),
        Encoding::Zstd => {
            // What is cut behind the head is not looked at here.
            let _ = decoder(body).ok()?.take(HEAD_BYTES as u64).read_to_end(&mut head);
        }
    }
    wire::agent_of(&head).map(str::to_owned)
}

/// Whether the report's windows and marks fit the store and the time. Retention is counted back from `present`, which is `now`
/// unless the store keeps the past of a file.
pub fn validate(report: &Report, levels: &Levels, now: Timestamp, present: Timestamp) -> Result<(), Refusal> {
    let slot = levels.finest();
    let oldest = levels.oldest(present).unwrap_or(Timestamp::EPOCH).max(Timestamp::EPOCH);
    for window in &report.windows {
        let (start, end) = (window.start, window.start + window.width);
        if end > now + FUTURE {
            return Err(Refusal::Future { end, now });
        }
        if start < oldest {
            return Err(Refusal::TooOld { start, oldest });
        }
        if end > start.floor(slot) + slot {
            return Err(Refusal::Width { start, width: window.width, slot });
        }
    }
    for hour in report.marks.iter().map(|mark| mark.key.hour) {
        // The hour of what is just allowed may have begun earlier.
        if hour > now + FUTURE {
            return Err(Refusal::Future { end: hour, now });
        }
        if hour + MARK_WIDTH <= oldest {
            return Err(Refusal::TooOld { start: hour, oldest });
        }
    }
    Ok(())
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let wrong = |e: std::io::Error| Refusal::Compression(e.to_string());
    let mut plain = Vec::new();
    decoder(body).map_err(wrong)?.take(budget::REPORT_PLAIN_BYTES as u64 + 1).read_to_end(&mut plain).map_err(wrong)?;
    if plain.len() > budget::REPORT_PLAIN_BYTES { Err(Refusal::TooLargePlain) } else { Ok(plain) }
}

fn decoder(body: &[u8]) -> std::io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::{at, levels, report};

    #[test]
    fn reports_come_plain_or_compressed() {
        let want = report(1, &[(0, 3)]);
        let plain = wire::encode_report(&want);
        let packed = zstd::encode_all(&plain[..], 3).expect("compresses");
        assert_eq!(decode(&plain, Encoding::Plain), Ok(want.clone()));
        assert_eq!(decode(&packed, Encoding::Zstd), Ok(want));
    }

    #[test]
    fn the_agent_is_told_from_the_head() {
        let mut want = report(1, &[(0, 3)]);
        want.agent.name = "web-1 ä".into();
        want.windows = vec![want.windows[0].clone(); 500];
        let plain = wire::encode_report(&want);
        let packed = zstd::encode_all(&plain[..], 3).expect("compresses");
        let mut nameless = want.clone();
        nameless.agent.name = "x".repeat(2 * HEAD_BYTES);
        for (body, encoding, name) in [
            (&plain, Encoding::Plain, Some(want.agent.name.as_str())),
            (&packed, Encoding::Zstd, Some(&want.agent.name)),
            (&packed, Encoding::Plain, None),
            (&plain, Encoding::Zstd, None),
            (&wire::encode_report(&nameless), Encoding::Plain, None),
            (&vec![], Encoding::Zstd, None),
            (&vec![7; 64], Encoding::Plain, None),
        ] {
            assert_eq!(agent_of(body, encoding).as_deref(), name);
        }
    }

    #[test]
    fn hostile_bodies_are_refused() {
        let bomb = zstd::encode_all(std::io::repeat(0).take(budget::REPORT_PLAIN_BYTES as u64 + 1), 3).expect("packs");
        let magic = |part: &[u8]| [b"PIT1", &part.repeat(8_000_000)[..]].concat();
        let tiny = |part: &[u8]| zstd::encode_all(&magic(part)[..], 3).expect("packs");
        let packed = zstd::encode_all(&b"PIT1"[..], 3).expect("packs");
        for (name, body, encoding, status) in [
            ("empty", vec![], Encoding::Plain, 400),
            ("noise", vec![7; 100], Encoding::Plain, 400),
            ("not compressed", vec![7; 100], Encoding::Zstd, 400),
            ("cut", packed[..packed.len() - 1].to_vec(), Encoding::Zstd, 400),
            ("bomb", bomb, Encoding::Zstd, 413),
            ("empty exemplars", tiny(&[0x52, 0]), Encoding::Zstd, 413),
            ("empty windows", tiny(&[0x42, 0]), Encoding::Zstd, 413),
            ("large", vec![0; budget::REPORT_BYTES + 1], Encoding::Plain, 413),
        ] {
            let refusal = decode(&body, encoding).expect_err(name);
            assert_eq!(refusal.problem().status, status, "{name}: {refusal}");
        }
        assert_eq!(Encoding::parse("gzip").expect_err("gzip").problem().status, 415);
        assert_eq!(Encoding::parse("identity"), Ok(Encoding::Plain));
    }

    #[test]
    fn windows_must_fit_time_and_width() {
        let day = 86_400;
        let now = at(1_000 * day);
        let mut wide = report(1, &[(1_000 * day - 60, 1)]);
        wide.windows[0].width = Duration::from_secs(60);
        let mut narrow = report(1, &[(1_000 * day - 3, 1)]);
        narrow.windows[0].width = Duration::from_secs(1);
        let mut shifted = report(1, &[(1_000 * day - 15, 1)]);
        shifted.windows[0].width = Duration::from_secs(10);
        for (name, report, want) in [
            ("now", report(1, &[(1_000 * day - 10, 1)]), None),
            ("a little ahead", report(1, &[(1_000 * day + 590, 1)]), None),
            ("ahead", report(1, &[(1_000 * day + 600, 1)]), Some(422)),
            ("old", report(1, &[(700 * day, 1)]), None),
            ("too old", report(1, &[(599 * day, 1)]), Some(422)),
            ("before the epoch", report(1, &[(-10, 1)]), Some(422)),
            ("wide", wide, Some(422)),
            ("narrow", narrow, None),
            ("shifted", shifted, Some(422)),
        ] {
            let refused = validate(&report, &levels(), now, now).err().map(|r| r.problem().status);
            assert_eq!(refused, want, "{name}");
        }
        for (name, hour, want) in [
            ("this hour", 24_000, None),
            ("the next hour", 24_001, Some(422)),
            ("old", 14_400, None),
            ("too old", 14_399, Some(422)),
            ("before the epoch", -1, Some(422)),
        ] {
            let mut report = report(1, &[]);
            report.marks.push(crate::store::contract::mark(hour * 3_600, "/a", "x", 1));
            let refused = validate(&report, &levels(), now, now).err().map(|r| r.problem().status);
            assert_eq!(refused, want, "{name}");
        }
    }
}
