//! One line of an access log, split in fields and not yet understood: what parsers fill and `enrich` reads.
//!
//! It borrows from the line. Text is kept as written, with a note of how it is escaped, so that the many fields that
//! nobody asks for are never decoded.

use pitot_model::{Evidence, Protocol, Timestamp};

/// What the log says of one request. Absent text is empty; absent numbers are `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Record<'a> {
    /// The moment on the line; `None` when it has none that can be read.
    pub time: Option<Timestamp>,
    /// Whether that moment is the start of the request (Apache, HAProxy, Envoy, S3) and not its end (nginx, ALB).
    pub time_is_start: bool,
    /// Address of the client as logged: may have a port, or be a list.
    pub client: Text<'a>,
    /// User name (`$remote_user`); `-` is absent.
    pub user: Text<'a>,
    /// Value of the best consumer field that the format has, and what kind of evidence it is.
    pub consumer: Text<'a>,
    /// Kind of evidence of `consumer`.
    pub evidence: Evidence,
    /// Request method as written; empty where the request could not be read.
    pub method: Text<'a>,
    /// Request target as written: may be absolute, may hold a query; empty where the request could not be read.
    pub target: Text<'a>,
    /// Query string, in formats that log it apart (IIS, CloudFront); without `?`.
    pub query: Text<'a>,
    /// Version of HTTP.
    pub protocol: Protocol,
    /// Virtual host, `Host` header or authority; may have a port.
    pub host: Text<'a>,
    /// Service, where the log names one (Traefik, Kong, Kubernetes).
    pub service: Text<'a>,
    /// Version of the service, where the log names one.
    pub version: Text<'a>,
    /// Status code; `None` where there was no response.
    pub status: Option<u16>,
    /// Bytes of the request.
    pub request_bytes: Option<u64>,
    /// Bytes of the response body, or bytes sent where the format has no other.
    pub response_bytes: Option<u64>,
    /// From request to end of response, in microseconds.
    pub duration_us: Option<u64>,
    /// From request to first byte of the response, in microseconds.
    pub ttfb_us: Option<u64>,
    /// Trace or request id.
    pub trace_id: Text<'a>,
    /// `User-Agent`.
    pub user_agent: Text<'a>,
}

/// Bytes of a line, and how special characters in them are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<'a> {
    /// As in the line; may be no UTF-8.
    pub raw: &'a [u8],
    /// How to read it.
    pub escape: Escape,
}

/// How special characters are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Escape {
    /// Kept as they are: `\x22` in an nginx or Apache log stays so, since that is what was logged.
    #[default]
    None,
    /// JSON's escapes, of which there is at least one.
    Json,
}

impl<'a> Text<'a> {
    /// Text that needs no decoding.
    pub const fn plain(raw: &'a [u8]) -> Self {
        Self { raw, escape: Escape::None }
    }

    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}
