//! One line of an access log, split in fields and not yet understood: what parsers fill and `enrich` reads.
//!
//! It borrows from the line. Text is kept as written, with a note of how it is escaped, so that the many fields that
//! nobody asks for are never decoded.

use pitot_model::{Evidence, Protocol, Timestamp};

use super::time::Minute;
use crate::enrich::Telling;
use crate::told::Told;

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
    /// Kind of evidence of `consumer`, where no rule asked for it.
    pub evidence: Evidence,
    /// Number of the way in the rules by which `consumer` was found; 0 where no rule asked for it, and the greatest number
    /// where the field was chosen for this log.
    pub way: u8,
    /// What a header tells of addresses behind proxies; kept only where proxies are trusted.
    pub forwarded: Text<'a>,
    /// How it tells them.
    pub telling: Telling,
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
    /// Name of an operation of GraphQL, or of something else that a log calls so.
    pub operation: Text<'a>,
    /// What the response told its client of deprecation and limits, in logs that have such headers.
    pub told: Option<Told>,
    /// What the parser remembers from line to line; it says nothing about this one.
    pub(super) minute: Minute,
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

impl Record<'_> {
    /// Empties it for the next line.
    #[inline]
    pub(super) fn clear(&mut self) {
        *self = Self { minute: self.minute, ..Self::default() };
    }
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

    /// The bytes that are meant: those of the line where they need no decoding, else decoded into `scratch`, which is
    /// cleared first. Escapes that JSON does not know (nginx's `\x16` in a JSON log) stay as they are.
    #[inline]
    pub fn decode<'b>(&self, scratch: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        match self.escape {
            Escape::None => self.raw,
            Escape::Json => {
                scratch.clear();
                unescape(self.raw, scratch);
                scratch
            }
        }
    }
}

/// Appends the text that is meant by one with JSON's escapes.
pub(super) fn unescape(mut raw: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', raw) {
        out.extend_from_slice(&raw[..at]);
        let rest = &raw[at + 1..];
        let plain = match rest.first() {
            Some(b @ (b'"' | b'\\' | b'/')) => Some(*b),
            Some(b'n') => Some(b'\n'),
            Some(b't') => Some(b'\t'),
            Some(b'r') => Some(b'\r'),
            Some(b'b') => Some(8),
            Some(b'f') => Some(12),
            _ => None,
        };
        if let Some(b) = plain {
            out.push(b);
            raw = &rest[1..];
        } else if let Some((c, len)) = unicode(rest) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            raw = &rest[len..];
        } else {
            out.push(b'\\');
            raw = rest;
        }
    }
    out.extend_from_slice(raw);
}

/// The character of `u00e9` or of a surrogate pair `ud83d\ude00`, and the bytes it took.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = hex4(text)?;
    if !(0xd800..0xdc00).contains(&unit) {
        return Some((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), 5));
    }
    let low = text.get(5..).and_then(|t| t.strip_prefix(b"\\")).and_then(hex4).filter(|u| (0xdc00..0xe000).contains(u));
    let Some(low) = low else { return Some((char::REPLACEMENT_CHARACTER, 5)) };
    Some((char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00))?, 11))
}

fn hex4(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"u")?.get(..4)?;
    digits.iter().try_fold(0, |n, b| Some(n * 16 + char::from(*b).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_text_is_decoded_and_other_text_is_not() {
        for (raw, want) in [
            (r"\/nothing", "/nothing"),
            (r#"a\"b\\c\n"#, "a\"b\\c\n"),
            (r"\u00e9\ud83d\ude00", "é😀"),
            (r"\ud83d alone", "\u{fffd} alone"),
            (r"\x16\u12", r"\x16\u12"),
            (r"end\", r"end\"),
        ] {
            let mut scratch = b"old".to_vec();
            let text = Text { raw: raw.as_bytes(), escape: Escape::Json };
            assert_eq!(
                text.decode(&mut scratch).escape_ascii().to_string(),
                want.as_bytes().escape_ascii().to_string()
            );
            assert_eq!(Text::plain(raw.as_bytes()).decode(&mut scratch), raw.as_bytes());
        }
    }
}
