//! GraphQL: which operation a request asks for, and whether its answer holds errors.
//!
//! In: the head of a request that may be one, then the first bytes of both bodies. Out: a [`Call`]. Bodies are read while they
//! pass, in pieces of any size; nothing of them is kept but the name and type of an operation, and that there were errors.
//! Requests to other paths, and of other media types, cost a look at the end of their path.
//!
//! An operation that stands behind the first `BODY_BYTES` of a body, in a compressed body, or behind a gap is not known, and
//! so it is with errors.

mod document;
mod json;
mod operation;
mod question;
#[cfg(test)]
mod tests;

pub use operation::Operation;

use super::limits::{self, Limits};
use json::{Members, Visit, Want};
use question::Question;

/// Bytes of a body that are looked at, of requests and of answers.
const BODY_BYTES: usize = 16 << 10;

/// Where GraphQL is served, unless something else is configured as well.
const ENDPOINTS: [&str; 4] = ["/graphql", "/gql", "/graphql.json", QUERY];

/// A path that others use, too.
const QUERY: &str = "/query";

/// A request that is, or may be, of GraphQL.
#[derive(Debug)]
pub struct Call {
    question: Question,
    asks: Asks,
    errors: Errors,
    answers: Option<Members>,
    /// Bytes of both bodies that may still be looked at.
    left: [usize; 2],
    /// Whether nothing else is served at this path.
    is_sure: bool,
}

/// How the request is read.
#[derive(Debug)]
enum Asks {
    Json(Members),
    /// The body is a document.
    Document,
    /// What there is was read; whether that was all of it.
    Over(bool),
}

/// Whether an answer says that something failed.
#[derive(Debug, Default)]
struct Errors(bool);

/// What a head says of the body behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Media {
    pub(super) kind: MediaKind,
    /// Whether it is compressed.
    pub(super) is_coded: bool,
}

/// The media types that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum MediaKind {
    #[default]
    Other,
    Json,
    Graphql,
}

impl Call {
    /// The call that a request begins, if it may be one by its method, target and media type. That is asked for only where
    /// the others fit.
    #[inline]
    pub(super) fn of(
        method: &[u8],
        target: &[u8],
        limits: &Limits,
        media: impl FnOnce() -> Media,
    ) -> Option<Box<Self>> {
        let end = match method {
            b"POST" => memchr::memchr2(b'?', b'#', target).unwrap_or(target.len()),
            b"GET" => memchr::memchr(b'?', target)?,
            _ => return None,
        };
        let path = &target[..end];
        // Most paths end otherwise than all endpoints.
        let is_known = matches!(path, [.., b'q', b'l'] | [.., b'r', b'y'] | [.., b's', b'o', b'n'] | [.., b'/']);
        if !is_known && limits.graphql_paths.is_empty() {
            return None;
        }
        let is_sure = is_sure(path, limits)?;
        if method == b"GET" {
            return Self::of_target(&target[end + 1..], is_sure);
        }
        Self::of_body(media(), is_sure)
    }

    #[cold]
    fn of_target(query: &[u8], is_sure: bool) -> Option<Box<Self>> {
        let mut question = Question::default();
        question.read_target(query).then(|| Self::new(question, Asks::Over(true), is_sure))
    }

    #[cold]
    fn of_body(media: Media, is_sure: bool) -> Option<Box<Self>> {
        let asks = match media.kind {
            MediaKind::Other => return None,
            _ if media.is_coded => Asks::Over(false),
            MediaKind::Json => Asks::Json(Members::default()),
            MediaKind::Graphql => Asks::Document,
        };
        Some(Self::new(Question::default(), asks, is_sure))
    }

    fn new(question: Question, asks: Asks, is_sure: bool) -> Box<Self> {
        Box::new(Self { question, asks, errors: Errors(false), answers: None, left: [BODY_BYTES; 2], is_sure })
    }

    /// What is asked for; `None` where that is not known, or is no GraphQL.
    pub fn operation(&self) -> Option<Operation> {
        let is_whole = match &self.asks {
            Asks::Json(members) => members.is_over(),
            Asks::Document => true,
            Asks::Over(is_whole) => *is_whole,
        };
        self.question.operation(is_whole)
    }

    /// Whether an answer that is a success for HTTP tells of errors.
    pub fn has_errors(&self) -> bool {
        self.errors.0
    }

    /// Whether the next bytes of the request are wanted.
    pub(super) fn wants_request(&self) -> bool {
        !matches!(self.asks, Asks::Over(_))
    }

    /// The next bytes of the request's body.
    pub(super) fn read_request(&mut self, bytes: &[u8]) {
        let bytes = take(&mut self.left[0], bytes);
        let is_over = match &mut self.asks {
            Asks::Json(members) => {
                members.read(bytes, &mut self.question);
                members.is_over()
            }
            Asks::Document => {
                self.question.read_document(bytes);
                self.question.is_done()
            }
            Asks::Over(_) => return,
        };
        if is_over || self.left[0] == 0 {
            self.asks = Asks::Over(is_over);
        }
    }

    /// The next bytes of the request's body cannot be looked at.
    pub(super) fn lose_request(&mut self) {
        if self.wants_request() {
            self.asks = Asks::Over(false);
        }
    }

    /// The final response begins. What is not known of the request by now can still come.
    pub(super) fn begin_answer(&mut self, status: u16, media: Media) {
        let is_readable = media.kind == MediaKind::Json && !media.is_coded && (200..300).contains(&status);
        self.answers = (is_readable && (self.is_sure || self.operation().is_some())).then(Members::default);
    }

    /// Whether the next bytes of the response are wanted.
    pub(super) fn wants_answer(&self) -> bool {
        self.answers.is_some()
    }

    /// The next bytes of the response's body.
    pub(super) fn read_answer(&mut self, bytes: &[u8]) {
        let Some(members) = &mut self.answers else { return };
        members.read(take(&mut self.left[1], bytes), &mut self.errors);
        if members.is_over() || self.left[1] == 0 {
            self.answers = None;
        }
    }

    /// The next bytes of the response's body cannot be looked at.
    pub(super) fn lose_answer(&mut self) {
        self.answers = None;
    }
}

impl Visit for Errors {
    fn object(&mut self, _: bool) {}

    fn member(&mut self, key: &[u8]) -> Want {
        if key == b"errors" { Want::Array } else { Want::Nothing }
    }

    fn text(&mut self, _: u8) {}

    fn text_end(&mut self) {}

    fn full_array(&mut self) {
        self.0 = true;
    }

    fn is_done(&self) -> bool {
        self.0
    }
}

impl Media {
    /// From the head of an HTTP/1 message.
    pub(super) fn of_head(head: &[u8]) -> Self {
        let mut media = Self::default();
        for line in head.split(|&b| b == b'\n') {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if name.eq_ignore_ascii_case(b"content-type") {
                media.kind = MediaKind::of(value);
            } else if name.eq_ignore_ascii_case(b"content-encoding") {
                media.is_coded |= is_coding(value);
            }
        }
        media
    }
}

impl MediaKind {
    /// From the value of `Content-Type`.
    pub(super) fn of(value: &[u8]) -> Self {
        let value = value.trim_ascii_start();
        let end = value.iter().position(|b| b"; ,\t\r".contains(b)).unwrap_or(value.len());
        let value = &value[..end];
        let starts = |wanted: &[u8]| value.get(..wanted.len()).is_some_and(|v| v.eq_ignore_ascii_case(wanted));
        if !starts(b"application/") {
            return Self::Other;
        }
        let subtype = &value["application/".len()..];
        let is_suffixed = subtype.len() > 5 && subtype[subtype.len() - 5..].eq_ignore_ascii_case(b"+json");
        if subtype.eq_ignore_ascii_case(b"json") || is_suffixed {
            Self::Json
        } else if subtype.eq_ignore_ascii_case(b"graphql") {
            Self::Graphql
        } else {
            Self::Other
        }
    }
}

/// Whether a value of `Content-Encoding` means that the body must be decoded first.
pub(super) fn is_coding(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    !value.is_empty() && !value.eq_ignore_ascii_case(b"identity")
}

/// Whether GraphQL is commonly served at a path.
pub(crate) fn is_endpoint(path: &[u8]) -> bool {
    is_sure(path, limits::default()).is_some()
}

/// Whether nothing but GraphQL is served at a path; `None` where it is not known to be served there.
fn is_sure(path: &[u8], limits: &Limits) -> Option<bool> {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let fits = |end: &str| path.ends_with(end.as_bytes());
    if limits.graphql_paths.iter().any(|end| fits(end)) {
        return Some(true);
    }
    ENDPOINTS.iter().find(|end| fits(end)).map(|&end| end != QUERY)
}

/// As many of the bytes as may still be looked at.
fn take<'a>(left: &mut usize, bytes: &'a [u8]) -> &'a [u8] {
    let bytes = &bytes[..bytes.len().min(*left)];
    *left -= bytes.len();
    bytes
}
