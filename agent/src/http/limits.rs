//! What the reader of HTTP may keep and how long it waits.

use std::{sync::Arc, time::Duration};

use crate::enrich::Consumers;

/// Settings of the reader; all connections of a source share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long after its last byte a request may go unanswered before it counts as timed out.
    pub answer_within: Duration,
    /// How long an answer must have been going on before it may be taken for a stream because of its pauses.
    pub stream_after: Duration,
    /// How long nothing must come between two pieces of an answer for a pause.
    pub stream_pause: Duration,
    /// Which headers tell who the consumer is; `None` for the usual ones.
    pub consumers: Option<Arc<Consumers>>,
    /// Ends of paths at which GraphQL is served, beyond the common ones: `/api`.
    pub graphql_paths: Vec<String>,
}

impl Limits {
    /// What holds where nobody says anything else.
    pub const DEFAULT: Self = Self {
        answer_within: Duration::from_secs(120),
        stream_after: Duration::from_secs(10),
        stream_pause: Duration::from_secs(1),
        consumers: None,
        graphql_paths: Vec::new(),
    };
}

impl Limits {
    /// Which headers tell who the consumer is.
    #[inline]
    pub(super) fn consumers(&self) -> &Consumers {
        self.consumers.as_deref().unwrap_or_else(|| Consumers::usual())
    }
}

/// [`Limits::DEFAULT`], to borrow.
pub(super) fn default() -> &'static Limits {
    static DEFAULT: Limits = Limits::DEFAULT;
    &DEFAULT
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Bytes of a head; a longer one is not read.
pub(super) const HEAD_BYTES: usize = 64 << 10;
/// Headers of a head that httparse reads; the tolerant reader has no such limit.
pub(super) const HEADERS: usize = 100;
/// Requests of a connection that wait for their answers; beyond, the oldest is given up as truncated.
pub(super) const REQUESTS: usize = 256;
/// Bytes of texts of such requests; beyond, likewise.
pub(super) const REQUESTS_BYTES: usize = 256 << 10;
/// Answers of a connection that are held back until it is known whose they are.
pub(super) const HELD_ANSWERS: usize = 64;
/// Bytes kept of a method.
pub(super) const METHOD_BYTES: usize = 64;
/// Bytes kept of a request target; the rest is cut.
pub(super) const TARGET_BYTES: usize = 8 << 10;
/// Bytes kept of a host.
pub(super) const HOST_BYTES: usize = 256;
/// Bytes kept of what names the consumer.
pub(super) const CONSUMER_BYTES: usize = 4 << 10;
/// Bytes kept of what tells the addresses behind a proxy; the nearest ones come last.
pub(super) const FORWARDED_BYTES: usize = 1 << 10;
/// Bytes kept of a user agent.
pub(super) const USER_AGENT_BYTES: usize = 512;
/// Bytes kept of a trace id or a version.
pub(super) const NAME_BYTES: usize = 64;
