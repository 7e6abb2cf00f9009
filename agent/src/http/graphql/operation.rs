//! The operation that a GraphQL request asks for, and how a route tells it.
//!
//! In: names, byte by byte. Out: `query:GetUser`. Names are identifiers of at most `NAME_BYTES`, so nothing else that
//! strangers write can become part of a route.

/// Bytes of a name; a longer one is none.
const NAME_BYTES: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operation {
    pub(super) kind: Kind,
    /// Empty where there is none. Of an operation without a name its first fields, each behind a dot.
    pub(super) name: Name,
}

/// The type of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    Query,
    Mutation,
    Subscription,
    /// Not known: the text of the operation lies with the server, or was not read so far.
    #[default]
    Unknown,
    /// Several operations in one request.
    Batch,
}

impl Operation {
    /// Several operations in one request.
    pub(super) const BATCH: Self = Self { kind: Kind::Batch, name: Name::EMPTY };

    /// An operation whose type is not known; `None` where this is no name.
    pub fn named(name: &[u8]) -> Option<Self> {
        let mut operation = Self::default();
        name.iter().for_each(|&b| operation.name.push(b));
        operation.name.is_name().then_some(operation)
    }

    /// Appends it as routes have it: `query:GetUser`, `query.user.posts` for the fields of one without a name, `query`
    /// where there are none of those either, `operation:GetUser` where its type is not known, `batch`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.kind {
            Kind::Query => b"query",
            Kind::Mutation => b"mutation",
            Kind::Subscription => b"subscription",
            Kind::Unknown => b"operation",
            Kind::Batch => b"batch",
        });
        let name = self.name.as_bytes();
        if name.first().is_some_and(|&b| b != b'.') {
            out.push(b':');
        }
        out.extend_from_slice(name);
    }
}

/// A name of GraphQL: `[_A-Za-z][_0-9A-Za-z]*`; or fields, each behind a dot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name {
    bytes: [u8; NAME_BYTES],
    /// More than `NAME_BYTES` where it is too long.
    len: u8,
}

impl Name {
    const EMPTY: Self = Self { bytes: [0; NAME_BYTES], len: 0 };

    /// The next byte.
    pub(super) fn push(&mut self, b: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.len)) {
            *place = b;
        }
        self.len = self.len.saturating_add(1);
    }

    /// Appends a field, where there is room for it.
    pub(super) fn add_field(&mut self, field: &Self) {
        let field = field.as_bytes();
        if !field.is_empty() && usize::from(self.len) + 1 + field.len() <= NAME_BYTES {
            self.push(b'.');
            field.iter().for_each(|&b| self.push(b));
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Empty where it is too long.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether it is one as GraphQL has them.
    pub(super) fn is_name(&self) -> bool {
        let bytes = self.as_bytes();
        bytes.first().is_some_and(|&b| is_name_start(b)) && bytes.iter().all(|&b| is_name_byte(b))
    }
}

impl Default for Name {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

pub(super) const fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_'
}

pub(super) const fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}
