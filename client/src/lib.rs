//! Typed client of the collector's API: ship reports, ask questions, follow what happens.
//!
//! In: reports and queries of [`pitot_model`]. Out: the answers of [`pitot_model::api`], or an [`Error`] that says whose
//! fault it is and what to do. A [`Client`] speaks through a [`Transport`]: [`Http`] over the network, or the collector's
//! own router inside one process. Answers are bounded in size: [`ANSWER_BYTES`] at most.
#![warn(missing_docs)]

mod access;
mod client;
mod encode;
mod error;
mod io;
mod live;
mod sse;
mod transport;

pub use access::Access;
pub use client::{ANSWER_BYTES, Client, SENT, STORE, pack};
pub use error::{Error, RETRY_AFTER, Verdict};
pub use io::Http;
pub use live::Live;
pub use transport::{Answering, Body, BoxError, Transport};
