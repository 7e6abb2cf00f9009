//! What a header block says.
//!
//! In: its fields. Out: a [`Message`]: the beginning of a request or response, or trailers.

use super::{
    super::{
        Limits,
        graphql::{self, Media, MediaKind},
        limits,
        request::Request,
    },
    hpack::{Field, Given, Malformed, Table},
    name::Name,
};
use crate::{enrich::Consumers, told::Told};

/// A header block, understood. One is used again and again.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// The texts of a request.
    pub(super) request: Request,
    /// Final or informational status.
    pub(super) status: Option<u16>,
    /// `grpc-status`.
    pub(super) grpc_status: Option<u32>,
    /// What the content type says of the body.
    pub(super) content: Content,
    /// Whether the body is compressed.
    is_coded: bool,
    /// Whether the length of the body is known beforehand.
    pub(super) has_length: bool,
    /// `:protocol`, for what goes on both ways after an extended CONNECT.
    pub(super) has_protocol: bool,
    /// `x-service-version`.
    pub(super) version: Vec<u8>,
    /// What a response tells its client.
    pub(super) told: Option<Box<Told>>,
    /// Whether it says twice what it may say once: servers refuse that. The first counts.
    pub(super) is_repetitive: bool,
    /// Fields that are not known.
    pub(super) n_unknown: u32,
    authority: Vec<u8>,
}

/// What a body is, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Content {
    #[default]
    Other,
    Grpc,
    /// A body that goes on as events happen.
    Events,
    /// A body that can be one of GraphQL.
    Media(MediaKind),
}

impl Message {
    /// Reads a block. Where it says that there was more than anyone needs, the rest of the fields was left out.
    pub(super) fn read(&mut self, table: &mut Table, block: &[u8], limits: &Limits) -> Result<Given, Malformed> {
        self.clear();
        let wanted = limits.consumers();
        let given = table.decode(block, wanted, |field| self.add(&field, wanted))?;
        let is_connect = self.request.method() == b"CONNECT";
        if !self.authority.is_empty() {
            let host = self.request.host();
            self.is_repetitive |= !host.is_empty() && !host.eq_ignore_ascii_case(&self.authority);
            self.request.set_host(&self.authority);
            if is_connect && self.request.target().is_empty() {
                self.request.set_target(&self.authority);
            }
        }
        self.request.is_damaged = self.n_unknown > 0;
        Ok(given)
    }

    /// How the body can be read.
    pub(super) fn media(&self) -> Media {
        let kind = if let Content::Media(kind) = self.content { kind } else { MediaKind::Other };
        Media { kind, is_coded: self.is_coded }
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.request.heap_bytes() + self.version.capacity() + self.authority.capacity()
    }

    fn clear(&mut self) {
        self.request.clear();
        (self.status, self.grpc_status, self.content) = (None, None, Content::Other);
        self.is_coded = false;
        (self.has_length, self.has_protocol, self.is_repetitive, self.n_unknown) = (false, false, false, 0);
        self.version.clear();
        self.told = None;
        self.authority.clear();
    }

    fn add(&mut self, field: &Field<'_>, wanted: &Consumers) {
        let value = field.value;
        match field.kind {
            Name::Method if !self.request.method().is_empty() => self.is_repetitive = true,
            Name::Method => self.request.set_method(value),
            Name::Path if !self.request.target().is_empty() => self.is_repetitive = true,
            Name::Path => self.request.set_target(value),
            Name::Authority if !self.authority.is_empty() => self.is_repetitive = true,
            Name::Authority => put(&mut self.authority, value, limits::HOST_BYTES),
            Name::Host if !self.request.host().is_empty() => self.is_repetitive = true,
            Name::Host => self.request.set_host(value),
            Name::Status => self.status = number(value).and_then(|n| n.try_into().ok()),
            Name::GrpcStatus => self.grpc_status = number(value),
            Name::ContentType => self.content = content(value),
            Name::ContentEncoding => self.is_coded |= graphql::is_coding(value),
            Name::ContentLength => self.has_length = true,
            Name::Protocol => self.has_protocol = true,
            Name::Version => put(&mut self.version, value, limits::NAME_BYTES),
            Name::Told(tell) => self.told.get_or_insert_default().add(tell, value),
            Name::Hint => self.request.add_header(field.name, value, wanted),
            Name::Unknown => self.n_unknown += 1,
            Name::Other => {}
        }
    }
}

fn put(text: &mut Vec<u8>, value: &[u8], max: usize) {
    text.clear();
    text.extend_from_slice(&value[..value.len().min(max)]);
}

fn content(value: &[u8]) -> Content {
    let is = |name: &[u8]| value.get(..name.len()).is_some_and(|v| v.eq_ignore_ascii_case(name));
    if is(b"application/grpc") {
        Content::Grpc
    } else if is(b"text/event-stream") || is(b"multipart/x-mixed-replace") {
        Content::Events
    } else {
        match MediaKind::of(value) {
            MediaKind::Other => Content::Other,
            kind => Content::Media(kind),
        }
    }
}

fn number(value: &[u8]) -> Option<u32> {
    std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}
