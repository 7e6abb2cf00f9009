//! The names of HTTP/2 header fields that matter.
//!
//! In: names as decoded. Out: a [`Name`]; of all other fields not even the value is looked at.

use super::super::credentials;
use crate::{enrich::Consumers, told::Tell};

/// What a field is for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// `:method`.
    Method,
    /// `:path`.
    Path,
    /// `:authority`.
    Authority,
    /// `:status`.
    Status,
    /// `:protocol` of an extended CONNECT (RFC 8441).
    Protocol,
    /// `host`.
    Host,
    /// `content-type`.
    ContentType,
    /// `content-encoding`.
    ContentEncoding,
    /// `content-length`.
    ContentLength,
    /// `grpc-status`.
    GrpcStatus,
    /// `x-service-version`.
    Version,
    /// A header of a request that may tell the consumer, the user agent or the trace.
    Hint,
    /// A header of a response that tells of deprecation or limits.
    Told(Tell),
    /// Any other: nobody asks for its value.
    Other,
    /// It is not known which, since it is in a part of the header table that is not known.
    Unknown,
}

impl Name {
    /// From a name, which HTTP/2 writes in lower case. `wanted` are the headers that
    /// name the consumer, beyond the usual ones.
    pub(super) fn of(name: &[u8], wanted: &Consumers) -> Self {
        match name {
            b":method" => Self::Method,
            b":path" => Self::Path,
            b":authority" => Self::Authority,
            b":status" => Self::Status,
            b":protocol" => Self::Protocol,
            b"host" => Self::Host,
            b"content-type" => Self::ContentType,
            b"content-encoding" => Self::ContentEncoding,
            b"content-length" => Self::ContentLength,
            b"grpc-status" => Self::GrpcStatus,
            b"x-service-version" => Self::Version,
            b"user-agent" | b"traceparent" | b"b3" | b"x-b3-traceid" => Self::Hint,
            _ if credentials::evidence(name).is_some() || wanted.wants(name) => Self::Hint,
            _ => Tell::of(name).map_or(Self::Other, Self::Told),
        }
    }

    /// Whether nobody asks for its value.
    pub(super) fn is_idle(self) -> bool {
        matches!(self, Self::Other | Self::Unknown)
    }
}
