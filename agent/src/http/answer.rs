//! A final response, while it is read and until it is told whose it is.
//!
//! In: its head, then moments and numbers of bytes. Out: the response's half of an exchange, and whether it is a stream.

use pitot_model::Timestamp;

use super::{
    fields::Fields,
    limits::{Limits, NAME_BYTES},
    request::Span,
};
use crate::told::Told;

/// Pauses after which an answer that goes on for long is a stream. A slow report waits once, before its first byte, and
/// a slow download has no pauses of a second; a feed has one after the other.
const PAUSES: u8 = 3;

/// A final response, as far as it was seen.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) span: Span,
    /// Bytes of the body, without framing.
    pub(super) bytes: u64,
    /// How many of them the capture missed.
    pub(super) lost_bytes: u64,
    pub(super) grpc_status: Option<u32>,
    /// What it tells its client.
    pub(super) told: Option<Box<Told>>,
    version: [u8; NAME_BYTES],
    version_len: u8,
    /// Whether its last byte was seen.
    pub(super) has_ended: bool,
    /// Whether bytes of the head or framing are missing.
    pub(super) is_damaged: bool,
    /// Whether bytes of the body are missing.
    pub(super) has_gap: bool,
    pub(super) is_stream: bool,
    pauses: u8,
}

impl Answer {
    /// From its head.
    pub(super) fn new(status: u16, span: Span, fields: &mut Fields<'_>) -> Self {
        let mut version = [0; NAME_BYTES];
        let len = fields.version.len().min(NAME_BYTES);
        version[..len].copy_from_slice(&fields.version[..len]);
        Self {
            status,
            span,
            bytes: 0,
            lost_bytes: 0,
            grpc_status: fields.grpc_status,
            told: fields.told.take(),
            version,
            version_len: len as u8,
            has_ended: false,
            is_damaged: false,
            has_gap: false,
            is_stream: fields.is_stream || status == 101,
            pauses: 0,
        }
    }

    /// What `x-service-version` says.
    pub(super) fn version(&self) -> &[u8] {
        &self.version[..usize::from(self.version_len)]
    }

    /// A piece of it came. Where the head does not say how long the body is (`is_open`), pauses may show a stream.
    pub(super) fn piece(&mut self, at: Timestamp, content: u64, is_open: bool, limits: &Limits) {
        if is_open && !self.is_stream {
            if at.since(self.span.last) >= limits.stream_pause {
                self.pauses = self.pauses.saturating_add(1);
            }
            self.is_stream = self.pauses >= PAUSES && at.since(self.span.first) >= limits.stream_after;
        }
        self.span.add(at);
        self.bytes = self.bytes.saturating_add(content);
    }
}
