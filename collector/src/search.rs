//! Finding anomalies: what of them is indexed, and how the filter language becomes queries. In: anomalies and filters.
//! Out: tantivy's documents and queries; the index itself, with its files and threads, is [`crate::io::index`].
//!
//! Every name is one lower-case term, so that `kind:latency` and `route:"get /v1/*"` compare whole names; title, subject
//! and carriers are words as well. The anomaly itself is stored as JSON: the index is the record of anomalies.

mod cursor;
mod lower;
mod schema;

pub(crate) use cursor::Cursor;
pub(crate) use lower::{lower, overlap};
pub(crate) use schema::{Fields, WORDS, document, words};

pub use crate::io::index::{Index, IndexError};
