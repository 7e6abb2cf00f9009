//! What is kept of a request until its answer ended, in HTTP/1 and HTTP/2 alike.
//!
//! In: the parts of its head, as they are read. Out: the texts of an [`Exchange`](super::Exchange). All texts share one
//! buffer, which the next request uses again.

use pitot_model::{Evidence, Protocol, Status, Timestamp};

use super::{Exchange, credentials, limits};
use crate::{
    decode::Endpoint,
    enrich::{Consumers, Telling},
};

/// A request, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct Request {
    texts: Vec<u8>,
    method: Text,
    target: Text,
    host: Text,
    consumer: Text,
    user_agent: Text,
    trace_id: Text,
    /// Addresses behind proxies.
    forwarded: Text,
    /// How `forwarded` tells them.
    telling: Telling,
    /// Rank of the header that `consumer` is from; 0 without one.
    consumer_rank: u8,
    /// What rule found the consumer; see [`Exchange::way`].
    way: u8,
    /// When the token that the consumer is from expires; see [`Exchange::expires`].
    expires: Option<i64>,
    trace_rank: u8,
    /// Kind of evidence of the consumer.
    pub(super) evidence: Evidence,
    /// Version of HTTP.
    pub(super) protocol: Protocol,
    /// First and last byte.
    pub(super) span: Span,
    /// Bytes of the body, without framing.
    pub(super) bytes: u64,
    /// How many of `bytes` the capture missed.
    pub(super) lost_bytes: u64,
    /// Whether the capture missed bytes of it.
    pub(super) is_damaged: bool,
}

/// Where a text lies in the buffer.
#[derive(Debug, Clone, Copy, Default)]
struct Text {
    start: u16,
    len: u16,
}

/// From the earliest to the latest moment at which something was captured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

impl Span {
    /// One moment.
    pub(super) const fn at(at: Timestamp) -> Self {
        Self { first: at, last: at }
    }

    /// Grows to hold a moment.
    pub(super) fn add(&mut self, at: Timestamp) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

impl Request {
    /// Forgets everything but the buffer.
    pub(super) fn clear(&mut self) {
        let mut texts = std::mem::take(&mut self.texts);
        texts.clear();
        *self = Self { texts, ..Self::default() };
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.texts.capacity()
    }

    /// Notes the method as sent.
    pub(super) fn set_method(&mut self, method: &[u8]) {
        self.method = add(&mut self.texts, method, limits::METHOD_BYTES);
    }

    /// Notes the target as sent.
    pub(super) fn set_target(&mut self, target: &[u8]) {
        self.target = add(&mut self.texts, target, limits::TARGET_BYTES);
    }

    /// Notes the host.
    pub(super) fn set_host(&mut self, host: &[u8]) {
        self.host = add(&mut self.texts, host, limits::HOST_BYTES);
    }

    /// Notes what a header says of consumer, user agent, trace. `wanted` says which headers name the consumer.
    pub(super) fn add_header(&mut self, name: &[u8], value: &[u8], wanted: &Consumers) {
        match name.len() {
            2 if name.eq_ignore_ascii_case(b"b3") => self.set_trace(value, 2),
            // The first one counts: repeated ones must not fill the buffer.
            10 if name.eq_ignore_ascii_case(b"user-agent") => {
                if self.user_agent.len == 0 {
                    self.user_agent = add(&mut self.texts, value.trim_ascii(), limits::USER_AGENT_BYTES);
                }
            }
            11 if name.eq_ignore_ascii_case(b"traceparent") => {
                // version "-" trace id "-" parent id "-" flags; W3C Trace Context, section 3.2.
                self.set_trace(value.split(|&b| b == b'-').nth(1).unwrap_or_default(), 3);
            }
            12 if name.eq_ignore_ascii_case(b"x-b3-traceid") => self.set_trace(value, 1),
            _ => self.add_consumer(name, value, wanted),
        }
    }

    fn set_trace(&mut self, value: &[u8], rank: u8) {
        let value = value.trim_ascii();
        let id = &value[..memchr::memchr(b'-', value).unwrap_or(value.len())];
        let is_id = matches!(id.len(), 16 | 32) && id.iter().all(u8::is_ascii_hexdigit);
        if is_id && rank > self.trace_rank {
            self.trace_rank = rank;
            self.trace_id = add(&mut self.texts, id, limits::NAME_BYTES);
        }
    }

    #[inline]
    fn add_consumer(&mut self, name: &[u8], value: &[u8], wanted: &Consumers) {
        if !wanted.is_plain() && self.add_ruled(name, value, wanted) {
            return;
        }
        let Some((evidence, rank)) = credentials::evidence(name).filter(|&(_, rank)| rank > self.consumer_rank) else {
            return;
        };
        let mut scratch = Vec::new();
        let (evidence, identity) = credentials::identity(evidence, value, &mut scratch);
        if !identity.is_empty() {
            (self.evidence, self.consumer_rank) = (evidence, rank);
            self.consumer = add(&mut self.texts, identity, limits::CONSUMER_BYTES);
        }
    }

    /// Notes what rules want of a header. Whether nothing else may be looked for in it.
    fn add_ruled(&mut self, name: &[u8], value: &[u8], wanted: &Consumers) -> bool {
        let mut scratch = Vec::new();
        let asked = wanted.rules.header(name).filter(|asked| asked.rank() > self.consumer_rank);
        if let Some(found) = asked.and_then(|asked| asked.pick(value, self.consumer_rank, &mut scratch)) {
            (self.evidence, self.consumer_rank) = (found.evidence, found.rank);
            (self.way, self.expires) = (found.way, found.expires);
            self.consumer = add(&mut self.texts, found.id, limits::CONSUMER_BYTES);
            return true;
        }
        if !wanted.proxies.is_empty() {
            self.add_forwarded(Telling::of(name), value.trim_ascii());
        }
        !wanted.rules.has_usual()
    }

    /// Notes addresses behind proxies. A header that comes again goes on with the list; of a long one the end is kept,
    /// which the nearest proxies wrote.
    fn add_forwarded(&mut self, telling: Telling, value: &[u8]) {
        if telling == Telling::Nothing || telling < self.telling {
            return;
        }
        let mut list = if telling == self.telling { self.forwarded().to_vec() } else { Vec::new() };
        if usize::from(self.forwarded.start) + usize::from(self.forwarded.len) == self.texts.len() {
            self.texts.truncate(usize::from(self.forwarded.start));
        }
        list.extend_from_slice(if list.is_empty() { b"" } else { b", " });
        list.extend_from_slice(value);
        self.telling = telling;
        self.forwarded = add(&mut self.texts, &list[list.len().saturating_sub(limits::FORWARDED_BYTES)..], usize::MAX);
    }

    /// The exchange of this request alone: without an answer, truncated.
    pub(super) fn exchange(&self, client: Endpoint, server: Endpoint) -> Exchange<'_> {
        Exchange {
            client,
            server,
            method: self.method(),
            target: self.target(),
            host: self.host(),
            consumer: self.consumer(),
            evidence: self.evidence,
            way: self.way,
            expires: self.expires,
            forwarded: self.forwarded(),
            telling: self.telling,
            user_agent: self.user_agent(),
            trace_id: self.trace_id(),
            version: b"",
            told: None,
            protocol: self.protocol,
            status: Status::TRUNCATED,
            grpc_status: None,
            request_bytes: self.bytes,
            response_bytes: 0,
            request_captured: self.bytes.saturating_sub(self.lost_bytes),
            response_captured: 0,
            request_first: self.span.first,
            request_last: self.span.last,
            response_first: None,
            response_last: None,
            is_stream: false,
            graphql: None,
            is_grpc: false,
            stream_id: None,
            is_damaged: self.is_damaged,
        }
    }

    pub(super) fn method(&self) -> &[u8] {
        self.text(self.method)
    }

    pub(super) fn target(&self) -> &[u8] {
        self.text(self.target)
    }

    pub(super) fn host(&self) -> &[u8] {
        self.text(self.host)
    }

    pub(super) fn consumer(&self) -> &[u8] {
        self.text(self.consumer)
    }

    fn forwarded(&self) -> &[u8] {
        self.text(self.forwarded)
    }

    pub(super) fn user_agent(&self) -> &[u8] {
        self.text(self.user_agent)
    }

    pub(super) fn trace_id(&self) -> &[u8] {
        self.text(self.trace_id)
    }

    fn text(&self, text: Text) -> &[u8] {
        self.texts.get(usize::from(text.start)..usize::from(text.start) + usize::from(text.len)).unwrap_or_default()
    }
}

/// Appends a text, cut to `max` bytes. The maxima and the number of ranks keep the buffer below 64 KiB; what did not fit
/// would be empty.
fn add(texts: &mut Vec<u8>, text: &[u8], max: usize) -> Text {
    let text = &text[..text.len().min(max)];
    match (u16::try_from(texts.len()), u16::try_from(text.len())) {
        (Ok(start), Ok(len)) => {
            texts.extend_from_slice(text);
            Text { start, len }
        }
        _ => Text::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_consumer_agent_and_trace() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (headers, want) in [
            (&["X-Api-Key: k1", "User-Agent: curl/8"][..], "Key k1 curl/8 "),
            (&["Authorization: Bearer t", "x-api-key: k"], "Key k  "),
            (&["x-api-key: k", "Authorization: Bearer t"], "Key k  "),
            (&["Authorization: Basic amFuZTpodW50ZXIy"], "User jane  "),
            (&["X-Api-Key: k", "x-who: me"], "Name me  "),
            (
                &["traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
                "None   4bf92f3577b34da6a3ce929d0e0e4736",
            ),
            (
                &[
                    "b3: 00000000000000000000000000000001-1-1",
                    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0-1",
                    "X-B3-TraceId: 0000000000000001",
                ],
                "None   4bf92f3577b34da6a3ce929d0e0e4736",
            ),
            (&["traceparent: nonsense", "b3: 0"], "None   "),
        ] {
            let mut request = Request::default();
            for header in headers {
                let (name, value) = header.split_once(':').unwrap();
                request.add_header(name.as_bytes(), value.as_bytes(), &Consumers::led_by("x-who"));
            }
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let got = format!(
                "{:?} {} {} {}",
                request.evidence,
                text(request.consumer()),
                text(request.user_agent()),
                text(request.trace_id())
            );
            assert_eq!(got, want, "{headers:?} {id}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_the_buffer_is_used_again() {
        let mut request = Request::default();
        for _ in 0..2 {
            request.set_target(&vec![b'a'; 100_000]);
            for name in
                ["caller", "client-id", "x-auth-token", "authorization", "x-consumer-id", "x-consumer-custom-id"]
            {
                request.add_header(name.as_bytes(), &[b'v'; 50_000], Consumers::usual());
            }
            request.set_host(b"h");
            assert_eq!(
                (request.target().len(), request.consumer().len()),
                (limits::TARGET_BYTES, limits::CONSUMER_BYTES)
            );
            assert_eq!(request.host(), b"h");
            request.clear();
            assert!(request.target().is_empty() && request.host().is_empty());
        }
    }
}
