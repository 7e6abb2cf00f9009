//! Version 1 of the messages. Field numbers are never reused; new fields are optional.
#![expect(missing_docs, reason = "mirrors the domain types, which say what the fields mean")]

#[derive(Clone, PartialEq, prost::Message)]
pub struct Report {
    #[prost(uint32, tag = "1")]
    pub version: u32,
    #[prost(string, tag = "2")]
    pub agent: String,
    #[prost(uint64, tag = "3")]
    pub incarnation: u64,
    #[prost(uint64, tag = "4")]
    pub sequence: u64,
    #[prost(sint64, tag = "5")]
    pub made_us: i64,
    #[prost(string, tag = "6")]
    pub program: String,
    #[prost(sint64, tag = "7")]
    pub watermark_us: i64,
    #[prost(message, repeated, tag = "8")]
    pub windows: Vec<Window>,
    #[prost(message, optional, tag = "9")]
    pub coverage: Option<Coverage>,
    #[prost(message, repeated, tag = "10")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "11")]
    pub aliases: Vec<RouteAlias>,
    #[prost(message, repeated, tag = "12")]
    pub offsets: Vec<Offset>,
    #[prost(message, optional, tag = "13")]
    pub gauges: Option<Gauges>,
    #[prost(message, optional, tag = "14")]
    pub backlog: Option<Backlog>,
    #[prost(bool, tag = "15")]
    pub is_last: bool,
    #[prost(message, repeated, tag = "16")]
    pub marks: Vec<Mark>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Mark {
    #[prost(sint64, tag = "1")]
    pub hour_s: i64,
    #[prost(uint32, tag = "2")]
    pub kind: u32,
    #[prost(string, tag = "3")]
    pub service: String,
    #[prost(message, optional, tag = "4")]
    pub route: Option<Route>,
    #[prost(message, optional, tag = "5")]
    pub consumer: Option<Consumer>,
    #[prost(uint64, tag = "6")]
    pub count: u64,
    #[prost(sint64, tag = "7")]
    pub last_us: i64,
    #[prost(uint64, optional, tag = "8")]
    pub least: Option<u64>,
    #[prost(uint64, optional, tag = "9")]
    pub greatest: Option<u64>,
    #[prost(bytes = "vec", tag = "10")]
    pub distinct: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Backlog {
    #[prost(uint64, tag = "1")]
    pub spool_reports: u64,
    #[prost(uint64, tag = "2")]
    pub spool_bytes: u64,
    #[prost(uint64, tag = "3")]
    pub spool_limit_bytes: u64,
    #[prost(sint64, optional, tag = "4")]
    pub oldest_us: Option<i64>,
    #[prost(uint64, tag = "5")]
    pub unread_bytes: u64,
    #[prost(uint64, tag = "6")]
    pub sources: u64,
    #[prost(uint64, tag = "7")]
    pub broken_sources: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Gauges {
    #[prost(uint64, tag = "1")]
    pub requests_in_flight: u64,
    #[prost(uint64, tag = "2")]
    pub streams_open: u64,
    #[prost(uint64, tag = "3")]
    pub connections: u64,
    #[prost(uint64, tag = "4")]
    pub buffered_bytes: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Window {
    #[prost(sint64, tag = "1")]
    pub start_ms: i64,
    #[prost(uint32, tag = "2")]
    pub width_ms: u32,
    #[prost(message, optional, tag = "3")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "4")]
    pub routes: Vec<Route>,
    #[prost(message, repeated, tag = "5")]
    pub consumers: Vec<Consumer>,
    #[prost(message, repeated, tag = "6")]
    pub cells: Vec<Cell>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Cell {
    #[prost(uint32, tag = "1")]
    pub route: u32,
    #[prost(uint32, tag = "2")]
    pub consumer: u32,
    #[prost(uint32, tag = "3")]
    pub status: u32,
    #[prost(uint64, tag = "4")]
    pub count: u64,
    #[prost(uint64, tag = "5")]
    pub request_bytes: u64,
    #[prost(uint64, tag = "6")]
    pub response_bytes: u64,
    #[prost(message, optional, tag = "7")]
    pub duration: Option<Sketch>,
    #[prost(message, optional, tag = "8")]
    pub ttfb: Option<Sketch>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Sketch {
    #[prost(bytes = "vec", tag = "1")]
    pub hdr_v2: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub sum_us: u64,
    #[prost(uint64, tag = "3")]
    pub min_us: u64,
    #[prost(uint64, tag = "4")]
    pub max_us: u64,
    #[prost(uint64, tag = "5")]
    pub clipped: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Resource {
    #[prost(string, tag = "1")]
    pub service: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(string, tag = "3")]
    pub instance: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Route {
    #[prost(string, tag = "1")]
    pub method: String,
    #[prost(string, tag = "2")]
    pub template: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Consumer {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(uint32, tag = "2")]
    pub evidence: u32,
    #[prost(string, tag = "3")]
    pub group: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Coverage {
    #[prost(uint64, tag = "1")]
    pub lines_read: u64,
    #[prost(uint64, tag = "2")]
    pub bytes_read: u64,
    #[prost(uint64, tag = "3")]
    pub transactions: u64,
    #[prost(message, repeated, tag = "4")]
    pub reasons: Vec<ReasonCount>,
    #[prost(uint64, tag = "5")]
    pub packets_read: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ReasonCount {
    #[prost(uint32, tag = "1")]
    pub reason: u32,
    #[prost(uint64, tag = "2")]
    pub count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Exemplar {
    #[prost(sint64, tag = "1")]
    pub at_us: i64,
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Resource>,
    #[prost(message, optional, tag = "3")]
    pub route: Option<Route>,
    #[prost(string, tag = "4")]
    pub path: String,
    #[prost(message, optional, tag = "5")]
    pub consumer: Option<Consumer>,
    #[prost(uint32, tag = "6")]
    pub status: u32,
    #[prost(uint64, optional, tag = "7")]
    pub duration_us: Option<u64>,
    #[prost(uint64, tag = "8")]
    pub response_bytes: u64,
    #[prost(string, tag = "9")]
    pub trace_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct RouteAlias {
    #[prost(string, tag = "1")]
    pub service: String,
    #[prost(message, optional, tag = "2")]
    pub from: Option<Route>,
    #[prost(message, optional, tag = "3")]
    pub to: Option<Route>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Offset {
    #[prost(string, tag = "1")]
    pub source: String,
    #[prost(fixed64, tag = "2")]
    pub fingerprint: u64,
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
}
