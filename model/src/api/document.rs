//! The document of `pitot report --json`: a contract with a version. In: from the summary. Out: JSON.

use serde::{Deserialize, Serialize};

use super::Totals;
use crate::{Coverage, Evidence, TimeRange, Timestamp};

/// Everything that a report says about its sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Version of this contract; grows when a field changes its meaning or goes.
    pub version: u32,
    /// Version of the program.
    pub program: String,
    /// What was read.
    pub sources: Vec<Source>,
    /// From the first to behind the last transaction; absent when there was none.
    pub range: Option<TimeRange>,
    /// All transactions.
    pub totals: Totals,
    /// By service, most transactions first.
    pub services: Vec<Part>,
    /// By service, method and route, most transactions first.
    pub routes: Vec<Part>,
    /// By consumer, most transactions first.
    pub consumers: Vec<Part>,
    /// Rows that there are in all, where a limit hides some.
    pub route_count: usize,
    /// Likewise.
    pub consumer_count: usize,
    /// Over time, equally wide steps; empty when no transaction has a time.
    pub timeline: Vec<TimePoint>,
    /// Seconds per step of the timeline.
    pub timeline_step_s: u64,
    /// How much of the truth the numbers saw.
    pub coverage: Coverage,
    /// What is counted under `(other)`; absent where everything was told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folded: Option<Folded>,
}

/// Routes and consumers for which there was no room, from when on they found none. Heavy ones found room soon, and are exact from
/// then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Folded {
    /// Transactions of such routes.
    pub route_transactions: u64,
    /// Different routes among them, estimated; the standard error is 3.25 %.
    pub routes: u64,
    /// Transactions of such consumers.
    pub consumer_transactions: u64,
    /// Different consumers among them, likewise.
    pub consumers: u64,
}

impl Document {
    /// The version that this program writes.
    pub const VERSION: u32 = 1;
}

/// One file or stream that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Path as given, `-` for standard input.
    pub name: String,
    /// Format by name or literal, as understood.
    pub format: String,
    /// Whether the format was detected and not given.
    pub detected: bool,
    /// Lines read; packets of a capture.
    pub lines: u64,
}

impl Source {
    /// Whether it is made of packets and not of lines: its format begins with `pcap`.
    pub fn is_capture(&self) -> bool {
        self.format.starts_with("pcap")
    }
}

/// The numbers of one service, route or consumer; its numbers stand beside its name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Part {
    /// Service, in `services` and `routes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Method, in `routes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Template, in `routes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Consumer, in `consumers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// How it was told, in `consumers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// Transactions.
    pub count: u64,
    /// Bytes of the requests.
    pub request_bytes: u64,
    /// Bytes of the responses.
    pub response_bytes: u64,
    /// Transactions by status.
    pub status: std::collections::BTreeMap<crate::Status, u64>,
    /// Durations in microseconds.
    pub duration_us: super::Quantiles,
    /// Times to first byte in microseconds.
    pub ttfb_us: super::Quantiles,
}

impl Part {
    /// A nameless part with these numbers.
    pub fn new(t: Totals) -> Self {
        Self {
            count: t.count,
            request_bytes: t.request_bytes,
            response_bytes: t.response_bytes,
            status: t.status,
            duration_us: t.duration_us,
            ttfb_us: t.ttfb_us,
            ..Self::default()
        }
    }

    /// Its numbers without its name.
    pub fn totals(&self) -> Totals {
        Totals {
            count: self.count,
            request_bytes: self.request_bytes,
            response_bytes: self.response_bytes,
            status: self.status.clone(),
            duration_us: self.duration_us,
            ttfb_us: self.ttfb_us,
        }
    }
}

/// One step of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TimePoint {
    /// Start of the step.
    pub at: Timestamp,
    /// Transactions.
    pub count: u64,
    /// 5xx, resets and timeouts.
    pub server_errors: u64,
    /// 4xx.
    pub client_errors: u64,
    /// Bytes of the responses.
    pub response_bytes: u64,
    /// Durations.
    pub duration_us: super::Quantiles,
    /// Durations by band for a heat map: (lower bound in microseconds, transactions), ascending, empty bands left out.
    pub bands: Vec<(u64, u64)>,
}
