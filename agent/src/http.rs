//! From the streams of a connection to HTTP exchanges: HTTP/1.x, HTTP/2 in cleartext, gRPC.
//!
//! In: chunks and gaps of both streams. Out: an [`Exchange`] per request, to a [`Sink`]. Bodies are counted, not kept;
//! of heads only what an exchange needs is kept until its response ends.

use pitot_model::{Evidence, Protocol, Reason, Status, Timestamp};

pub use crate::told::Told;
use crate::{decode::Endpoint, enrich::Telling};

mod answer;
mod body;
mod connection;
mod credentials;
mod fields;
mod graphql;
mod head;
mod limits;
mod looks;
mod one;
mod pairing;
mod proxy_protocol;
mod reader;
mod request;
#[cfg(test)]
mod tests;
mod two;

pub use connection::Connection;
pub(crate) use credentials::identity;
pub(crate) use graphql::is_endpoint;
pub use graphql::{Call, Operation};
pub use limits::Limits;

/// Where exchanges go.
pub trait Sink {
    /// A request is over: answered, or not.
    fn exchange(&mut self, exchange: &Exchange<'_>);

    /// Something was lost, skipped, or read leniently.
    fn count(&mut self, reason: Reason, n: u64);

    /// Requests without a final response grew by `requests`, answers that stream grew by `streams`.
    fn in_flight(&mut self, requests: i64, streams: i64);

    /// How much may be kept, and how long waited for.
    fn limits(&self) -> &Limits {
        limits::default()
    }
}

/// A request and what became of it, with the texts of its head as sent. Absent texts are empty.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// Who asked.
    pub client: Endpoint,
    /// Who was asked.
    pub server: Endpoint,
    /// Request method as sent.
    pub method: &'a [u8],
    /// Request target as sent: origin, absolute or authority form, with its query.
    pub target: &'a [u8],
    /// `Host` or `:authority`.
    pub host: &'a [u8],
    /// Value of the best header that names the consumer, and its kind; credentials without their scheme.
    pub consumer: &'a [u8],
    /// Kind of evidence of `consumer`.
    pub evidence: Evidence,
    /// Number of the way in the rules by which `consumer` was found; 0 where no rule asked for it.
    pub way: u8,
    /// When the token that `consumer` is from expires, in seconds since the epoch, `i64::MAX` where it does not say; `None`
    /// where it is from no token that was read.
    pub expires: Option<i64>,
    /// What a header tells of addresses behind proxies; kept only where proxies are trusted.
    pub forwarded: &'a [u8],
    /// How it tells them.
    pub telling: Telling,
    /// `User-Agent`.
    pub user_agent: &'a [u8],
    /// Trace id of `traceparent` or B3.
    pub trace_id: &'a [u8],
    /// Version of the service that the response names (`x-service-version`).
    pub version: &'a [u8],
    /// What the response tells its client of deprecation and limits; most tell nothing.
    pub told: Option<&'a Told>,
    /// Version of HTTP.
    pub protocol: Protocol,
    /// Status code of the final response, or how it ended without one: reset, timeout, truncated.
    pub status: Status,
    /// `grpc-status`, where there was one.
    pub grpc_status: Option<u32>,
    /// Bytes of the request body, without framing and before any decoding.
    pub request_bytes: u64,
    /// Bytes of the response body, likewise.
    pub response_bytes: u64,
    /// Those of `request_bytes` that the capture has seen, if only their segments' headers; fewer where it lost some of a
    /// body whose length is known.
    pub request_captured: u64,
    /// Likewise of the response.
    pub response_captured: u64,
    /// First byte of the request.
    pub request_first: Timestamp,
    /// Last byte of the request, or the latest that was seen of it.
    pub request_last: Timestamp,
    /// First byte of the final response.
    pub response_first: Option<Timestamp>,
    /// Last byte of the response; `None` when it did not end, or when that byte was not seen.
    pub response_last: Option<Timestamp>,
    /// Whether the answer is a stream (server-sent events, WebSocket, tunnel ...): its lifetime is no duration.
    pub is_stream: bool,
    /// Where it may be one of GraphQL: what was seen of both bodies.
    pub graphql: Option<&'a Call>,
    /// Whether it is a call of gRPC, by its media type.
    pub is_grpc: bool,
    /// HTTP/2 stream.
    pub stream_id: Option<u32>,
    /// Whether the capture missed bytes of it.
    pub is_damaged: bool,
}
