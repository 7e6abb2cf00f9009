//! How requests reach a collector. In: requests whose URI is a path and a query. Out: a head and a body that streams.

use std::pin::Pin;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::Error;

/// Whatever breaks a body off.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body that streams.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// An answer that is on its way.
pub type Answering = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Error>> + Send>>;

/// A way to a collector: over the network, or within the process.
pub trait Transport: Send + Sync {
    /// Sends a request whose URI is a path with an optional query (`/api/v1/status`).
    ///
    /// Ends when the head of the answer is there. Fails with [`Error::Unreachable`] or [`Error::Interrupted`] when no answer comes; an answer of any
    /// status is a success here.
    fn send(&self, request: http::Request<Bytes>) -> Answering;

    /// Where it leads, for messages: `http://127.0.0.1:7077`.
    fn target(&self) -> &str;
}
