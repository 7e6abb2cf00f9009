//! How much of the truth a number saw: everything dropped, skipped, unreadable, late or folded, by reason.
//!
//! In: counts from every stage. Out: shown beside the numbers they qualify. Merge is addition.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $number:literal;)+) => {
        /// Why something is not in the numbers, or is in them less sharply. A closed set: names are labels.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)+ }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Snake-case name: label value, JSON key.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Number on the wire; never reused.
            pub const fn as_wire(self) -> u32 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// One sentence for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }
        }
    };
}

reasons! {
    /// Blank line, comment or directive: carries no record
    LineBlank = "line_blank", 1;
    /// Line that the format does not fit
    LineMalformed = "line_malformed", 2;
    /// Line longer than the budget; cut and counted, not parsed
    LineTooLong = "line_too_long", 3;
    /// Line of another kind in the same log (error log, start-up message, TCP record): no HTTP transaction
    LineForeign = "line_foreign", 4;
    /// Line that ends before its last field
    LineCut = "line_cut", 5;
    /// Answered, but the request could not be read (TLS bytes, empty, binary)
    RequestUnreadable = "request_unreadable", 6;
    /// Record whose time could not be read or lies outside the years 1970 to 9999
    TimeUnreadable = "time_unreadable", 7;
    /// Duration above one hour; counted as one hour
    DurationClipped = "duration_clipped", 8;
    /// Route beyond the budget; counted under `(other)`
    RouteFolded = "route_folded", 9;
    /// Consumer beyond the budget; counted under `(other)`
    ConsumerFolded = "consumer_folded", 10;
    /// Cell beyond the budget of a window; counted in coarser cells
    CellFolded = "cell_folded", 11;
    /// Arrived after its window was shipped; added late
    Late = "late", 12;
    /// Outside the time range that was asked for
    OutOfRange = "out_of_range", 13;
    /// Report dropped because the spool was full; its transactions
    SpoolEvicted = "spool_evicted", 14;
    /// Report that the collector refused; its transactions
    ReportRefused = "report_refused", 15;
    /// Name longer than the budget; cut
    NameCut = "name_cut", 16;
    /// Source that ends or breaks in the middle
    SourceBroken = "source_broken", 17;
    /// Packet that the kernel or the interface dropped before it could be read
    PacketDropped = "packet_dropped", 18;
    /// Packet whose headers are cut short or contradict each other
    PacketMalformed = "packet_malformed", 19;
    /// IP fragment whose datagram could not be put together
    PacketFragment = "packet_fragment", 20;
    /// Packet that holds no TCP segment (UDP, ARP ...)
    PacketForeign = "packet_foreign", 21;
    /// Packet of a link type that cannot be read
    LinkUnknown = "link_unknown", 22;
    /// Connection in TLS: it cannot be looked into
    ConnectionTls = "connection_tls", 23;
    /// Connection that speaks no HTTP
    ConnectionForeign = "connection_foreign", 24;
    /// Connection forgotten because the table was full, or all held too much; its open requests count as truncated
    ConnectionEvicted = "connection_evicted", 25;
    /// Segment far from all others of its stream, or behind its end; not believed
    SegmentDropped = "segment_dropped", 26;
    /// Message of whose head the capture missed a part
    HeadLost = "head_lost", 27;
    /// Bytes where a head should begin that are none, or an unanswered request of a method that nobody knows
    HeadMalformed = "head_malformed", 28;
    /// Head longer than the budget; not read
    HeadTooLong = "head_too_long", 29;
    /// Head that breaks the RFC in a way that servers let pass; read as they do
    HeadLenient = "head_lenient", 30;
    /// Request whose end two servers may see in different places (request smuggling)
    RequestAmbiguous = "request_ambiguous", 31;
    /// Response whose request was not seen
    ResponseUnmatched = "response_unmatched", 32;
    /// Transaction of whose body the capture missed bytes; its end may be unknown
    BodyGap = "body_gap", 33;
    /// Stream in which a gap hid where messages end; searched for the next one
    FramingLost = "framing_lost", 34;
    /// HTTP/2 stream whose header table is not known, since the capture began after it
    StreamUndecodable = "stream_undecodable", 35;
    /// Transaction dropped because counting could not keep up with the capture
    BatchDropped = "batch_dropped", 36;
    /// Second in which an interface could not be captured
    InterfaceAway = "interface_away", 37;
    /// File that was replaced, overwritten or removed before it was read to its end
    FileLost = "file_lost", 38;
    /// Syslog message dropped since it came faster than it could be read
    MessageDropped = "message_dropped", 39;
    /// Transaction of a group that the configuration leaves out (`exclude_groups`)
    GroupExcluded = "group_excluded", 40;
}

impl Reason {
    /// From its number on the wire; `None` for numbers of newer versions.
    pub fn from_wire(n: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.as_wire() == n)
    }

    /// Whether transactions are missing from the numbers because of it; the others only make them less sharp.
    pub const fn is_loss(self) -> bool {
        matches!(
            self,
            Self::LineMalformed
                | Self::LineTooLong
                | Self::LineCut
                | Self::TimeUnreadable
                | Self::SpoolEvicted
                | Self::ReportRefused
                | Self::SourceBroken
                | Self::PacketDropped
                | Self::LinkUnknown
                | Self::HeadLost
                | Self::HeadMalformed
                | Self::HeadTooLong
                | Self::ResponseUnmatched
                | Self::FramingLost
                | Self::StreamUndecodable
                | Self::BatchDropped
                | Self::InterfaceAway
                | Self::FileLost
                | Self::MessageDropped
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reason {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|r| r.name() == s).ok_or(())
    }
}

impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(|()| serde::de::Error::custom("unknown coverage reason"))
    }
}

/// Counts that must add up: `lines_read = transactions +` the reasons that stand for whole lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Lines (or records) read from the sources.
    pub lines_read: u64,
    /// Bytes read, after decompression.
    pub bytes_read: u64,
    /// Packets read from captures.
    #[serde(default)]
    pub packets_read: u64,
    /// Transactions that the numbers hold.
    pub transactions: u64,
    /// Everything else, by reason; absent means zero.
    pub reasons: BTreeMap<Reason, u64>,
}

impl Coverage {
    /// Counts `n` for a reason; all counts stop at `u64::MAX`.
    pub fn add(&mut self, reason: Reason, n: u64) {
        if n > 0 {
            let count = self.reasons.entry(reason).or_default();
            *count = count.saturating_add(n);
        }
    }

    /// The count of a reason.
    pub fn get(&self, reason: Reason) -> u64 {
        self.reasons.get(&reason).copied().unwrap_or(0)
    }

    /// Adds another coverage.
    pub fn merge(&mut self, other: &Self) {
        self.lines_read = self.lines_read.saturating_add(other.lines_read);
        self.bytes_read = self.bytes_read.saturating_add(other.bytes_read);
        self.packets_read = self.packets_read.saturating_add(other.packets_read);
        self.transactions = self.transactions.saturating_add(other.transactions);
        for (&reason, &n) in &other.reasons {
            self.add(reason, n);
        }
    }

    /// Transactions that may be missing.
    pub fn lost(&self) -> u64 {
        self.reasons.iter().filter(|(r, _)| r.is_loss()).fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// Whether nothing that should be in the numbers is missing.
    pub fn is_full(&self) -> bool {
        self.lost() == 0
    }

    /// The reason that costs most, and its count; `None` when nothing is lost.
    pub fn worst(&self) -> Option<(Reason, u64)> {
        let losses = self.reasons.iter().filter(|(r, n)| r.is_loss() && **n > 0);
        losses.max_by_key(|(r, n)| (**n, std::cmp::Reverse(**r))).map(|(r, n)| (*r, *n))
    }

    /// Share of the truth that the numbers hold, in `[0, 1]`; 1 when there was nothing.
    pub fn ratio(&self) -> f64 {
        match self.transactions.saturating_add(self.lost()) {
            0 => 1.0,
            all => self.transactions as f64 / all as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_unique() {
        for (i, a) in Reason::ALL.iter().enumerate() {
            for b in &Reason::ALL[i + 1..] {
                assert_ne!(a.as_wire(), b.as_wire(), "{a} {b}");
                assert_ne!(a.name(), b.name());
            }
            assert_eq!(Reason::from_wire(a.as_wire()), Some(*a));
            assert_eq!(a.name().parse(), Ok(*a));
        }
    }

    #[test]
    fn counts_of_strangers_stop_at_the_greatest_number() {
        let mut c =
            Coverage { lines_read: u64::MAX, bytes_read: u64::MAX, transactions: u64::MAX, ..Coverage::default() };
        for reason in [Reason::LineMalformed, Reason::LineCut] {
            c.add(reason, u64::MAX);
        }
        let other = c.clone();
        c.merge(&other);
        assert_eq!((c.lines_read, c.transactions, c.lost()), (u64::MAX, u64::MAX, u64::MAX));
        assert_eq!((c.get(Reason::LineCut), c.ratio()), (u64::MAX, 1.0));
    }

    #[test]
    fn only_losses_lower_the_ratio() {
        let mut c = Coverage { transactions: 90, ..Coverage::default() };
        c.add(Reason::LineBlank, 50);
        assert!(c.is_full());
        assert_eq!(c.worst(), None);
        c.add(Reason::LineMalformed, 10);
        assert_eq!((c.ratio(), c.worst()), (0.9, Some((Reason::LineMalformed, 10))));
    }
}
