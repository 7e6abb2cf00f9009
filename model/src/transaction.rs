//! Waist 1: one HTTP request and its final response, whatever the source.
//!
//! In: what a source read, enriched with route and consumer. Out: to aggregation, exemplars and `pitot replay`.
//! It borrows from the source's buffer; raw headers never cross here.

use std::time::Duration;

use crate::{Evidence, Marks, Status, Timestamp};

/// One request with its final response (RFC 9110: an exchange).
#[derive(Debug, Clone, PartialEq)]
pub struct Transaction<'a> {
    /// `service.name` of the server; empty when nobody said.
    pub service: &'a str,
    /// `service.version` of the server; empty when not known.
    pub version: &'a str,
    /// Request method, upper case. Never empty.
    pub method: &'a str,
    /// Path template: `http.route`.
    pub route: &'a str,
    /// Name, pseudonym or address of the consumer; empty when there is no evidence.
    pub consumer: &'a str,
    /// How the consumer was told.
    pub evidence: Evidence,
    /// Group of the consumer; empty for none.
    pub group: &'a str,
    /// HTTP version.
    pub protocol: Protocol,
    /// Final status, or how it ended without one.
    pub status: Status,
    /// Bytes of the request as the source counts them (body for packets, what the log says for logs).
    pub request_bytes: u64,
    /// Bytes of the response, likewise.
    pub response_bytes: u64,
    /// Which side of the monitored host the request came from.
    pub direction: Direction,
    /// W3C or B3 trace id, where one was seen.
    pub trace_id: &'a str,
    /// When it happened and how long it took.
    pub timing: Timing,
    /// What else it shows.
    pub marks: Marks,
}

/// When a transaction happened, as precisely as its source knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Four moments seen on the wire.
    Wire {
        /// First byte of the request.
        request_first: Timestamp,
        /// Last byte of the request.
        request_last: Timestamp,
        /// First byte of the response; `None` without one.
        response_first: Option<Timestamp>,
        /// Last byte of the response; `None` when it did not end.
        response_last: Option<Timestamp>,
        /// Whether the answer is a stream (server-sent events, WebSocket ...): its lifetime is no duration.
        is_stream: bool,
    },
    /// What a log says.
    Logged {
        /// The moment on the line.
        at: Timestamp,
        /// Whether that moment is the start of the request (Apache, HAProxy, Envoy) and not its end (nginx).
        at_start: bool,
        /// From request to the end of the response; `None` when not logged.
        duration: Option<Duration>,
        /// From request to the first byte of the response; `None` when not logged.
        ttfb: Option<Duration>,
    },
}

impl Timing {
    /// When it ended; decides the window. Where the end is not known, the last moment that is.
    pub fn ended(&self) -> Timestamp {
        match *self {
            Self::Wire { request_last, response_first, response_last, .. } => {
                response_last.or(response_first).unwrap_or(request_last)
            }
            Self::Logged { at, at_start: true, duration: Some(d), .. } => at + d,
            Self::Logged { at, .. } => at,
        }
    }

    /// From the first byte of the request to the last one of the response; `None` for streams.
    pub fn duration(&self) -> Option<Duration> {
        match *self {
            Self::Wire { is_stream: true, .. } => None,
            Self::Wire { request_first, response_last, .. } => response_last.map(|t| t.since(request_first)),
            Self::Logged { duration, .. } => duration,
        }
    }

    /// From the last byte of the request to the first one of the response.
    pub fn ttfb(&self) -> Option<Duration> {
        match *self {
            Self::Wire { request_last, response_first, .. } => response_first.map(|t| t.since(request_last)),
            Self::Logged { ttfb, .. } => ttfb,
        }
    }
}

/// HTTP version of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protocol {
    /// Not said.
    #[default]
    Unknown,
    /// HTTP/0.9.
    Http09,
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2.
    Http2,
    /// HTTP/3.
    Http3,
}

impl Protocol {
    /// As a request line writes it; empty when unknown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Http09 => "HTTP/0.9",
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }

    /// From `HTTP/1.1`, `HTTP/2.0`, `2`, `h2`, `1.1` ...; anything else is unknown.
    pub fn parse(text: &[u8]) -> Self {
        match text.strip_prefix(b"HTTP/").unwrap_or(text) {
            b"1.1" => Self::Http11,
            b"1.0" => Self::Http10,
            b"2" | b"2.0" | b"h2" | b"h2c" => Self::Http2,
            b"3" | b"3.0" | b"h3" => Self::Http3,
            b"0.9" => Self::Http09,
            _ => Self::Unknown,
        }
    }
}

/// Seen from the monitored host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// A client calls this host.
    #[default]
    Inbound,
    /// This host calls another.
    Outbound,
}

impl Direction {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With a final response.
    Complete,
    /// The connection broke first.
    Reset,
    /// No response within the limit.
    Timeout,
    /// The source ended in the middle, or does not say.
    Truncated,
}

impl Transaction<'_> {
    /// How it ended, told from the status.
    pub fn outcome(&self) -> Outcome {
        match self.status {
            Status::RESET => Outcome::Reset,
            Status::TIMEOUT => Outcome::Timeout,
            Status::TRUNCATED | Status::NONE => Outcome::Truncated,
            _ => Outcome::Complete,
        }
    }
}

impl Outcome {
    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Truncated => "truncated",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_start_ends_a_duration_later() {
        let at = Timestamp::from_secs(100);
        let d = Duration::from_millis(1500);
        let logged = |at_start, duration| Timing::Logged { at, at_start, duration, ttfb: None };
        assert_eq!(logged(false, Some(d)).ended(), at);
        assert_eq!(logged(true, Some(d)).ended(), at + d);
        assert_eq!(logged(true, None).ended(), at);
    }

    #[test]
    fn protocols() {
        for (text, want) in [
            ("HTTP/1.1", Protocol::Http11),
            ("2.0", Protocol::Http2),
            ("h3", Protocol::Http3),
            ("TLSv1.2", Protocol::Unknown),
            ("", Protocol::Unknown),
        ] {
            assert_eq!(Protocol::parse(text.as_bytes()), want, "{text}");
        }
    }
}
