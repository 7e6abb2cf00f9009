//! What an API promises: the paths, methods and statuses that a description of it names, to compare with what is called.
//!
//! In: OpenAPI 3.0, 3.1 and 3.2 and Swagger 2.0, as JSON or YAML, of whoever wrote it. Out: a [`Contract`]; and the other way
//! round an OpenAPI document that is [inferred](Inferred) from what was called. Schemas, bodies and examples are passed over while reading, so
//! that a description of many megabytes takes little memory. No other document and no URL is ever opened.
//!
//! Descriptions are taken leniently: what is wrong in one place costs that place, is told as a [`Fault`] with its JSON pointer,
//! and the rest is used.

mod base;
mod infer;
mod matching;
mod node;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use infer::{Inferred, Observed};
pub use matching::{Found, Paths};

use crate::{Status, Timestamp, budget};

/// What one document promises.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contract {
    /// `info.title`; empty where there is none.
    pub title: String,
    /// `info.version`, of the API.
    pub version: String,
    /// What the document is written in, as it says: `2.0`, `3.0.3`, `3.1.0`.
    pub dialect: String,
    /// In the order of the document.
    pub operations: Vec<Operation>,
    /// What could not be used, in the order of the document; [`FAULTS`] at most.
    pub faults: Vec<Fault>,
    /// Faults beyond those.
    pub more_faults: u64,
}

/// One method on one path.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Operation {
    /// Upper case.
    pub method: String,
    /// Full templates: behind the base path of each server, and last as the document has it. Never empty.
    pub templates: Vec<String>,
    /// `operationId`; empty where there is none.
    pub id: String,
    /// Whether it is marked as deprecated.
    pub is_deprecated: bool,
    /// When it goes away, by `x-sunset`.
    pub sunset: Option<Timestamp>,
    /// Which statuses it may answer.
    pub statuses: Statuses,
}

impl Operation {
    /// What people call it: `GET /v1/users/{id}`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.template())
    }

    /// Its full template on the first server.
    pub fn template(&self) -> &str {
        self.templates.first().map_or("", String::as_str)
    }
}

/// Which statuses an operation may answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statuses {
    /// `200`.
    pub codes: BTreeSet<u16>,
    /// `2XX` as 2.
    pub classes: BTreeSet<u8>,
    /// `default`, which stands for all others.
    pub has_default: bool,
}

impl Statuses {
    /// Whether a status may come. No document knows of those that are no code of HTTP.
    pub fn allow(&self, status: Status) -> bool {
        let Some(code) = status.http() else { return true };
        self.has_default
            || self.codes.contains(&code)
            || self.classes.contains(&((code / 100) as u8))
            || self.is_empty()
    }

    /// Whether it names none, which says nothing.
    pub fn is_empty(&self) -> bool {
        !self.has_default && self.codes.is_empty() && self.classes.is_empty()
    }
}

/// What is wrong at one place of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// JSON pointer (RFC 6901): `/paths/~1users/get`.
    pub pointer: String,
    /// What is wrong, and what becomes of it.
    pub message: String,
}

/// Faults of one document that are kept.
pub const FAULTS: usize = 100;

/// Why a document cannot be used at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// Too many bytes.
    #[error("more than {} MiB; leave out examples, or split it", budget::CONTRACT_BYTES >> 20)]
    TooLong,
    /// Bytes that are no text.
    #[error("byte {0} is no UTF-8; save the document as UTF-8")]
    NoText(usize),
    /// Neither JSON nor YAML.
    #[error("{0}; mend it there")]
    Unreadable(String),
    /// More of something than a document may have.
    #[error("more than {limit} {what}; split it")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Something else.
    #[error("no `openapi` or `swagger` with a version at the top; name an OpenAPI 3 or Swagger 2 document")]
    NoDescription,
    /// A version that is not known.
    #[error("`{0}` is no version that pitot knows; use OpenAPI 3.0, 3.1 or 3.2, or Swagger 2.0")]
    Version(String),
    /// It describes nothing that can be called.
    #[error("it has no operation that can be used{}; add `paths` with methods", first(.0))]
    Empty(Vec<Fault>),
}

fn first(faults: &[Fault]) -> String {
    faults.first().map_or(String::new(), |f| format!(" (at `{}`: {})", f.pointer, f.message))
}

impl Contract {
    /// Reads a document. Cost: linear in its bytes, [`budget::CONTRACT_BYTES`] at most.
    pub fn read(bytes: &[u8]) -> Result<Self, ContractError> {
        if bytes.len() > budget::CONTRACT_BYTES {
            return Err(ContractError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|e| ContractError::NoText(e.valid_up_to()))?;
        read::contract(&node::read(text)?)
    }

    /// The templates of all operations with their methods, to be used as configured routes: `GET /v1/users/{id}`.
    pub fn routes(&self) -> impl Iterator<Item = String> {
        let route = |method: &str, template: &str| match method.bytes().all(|b| b.is_ascii_alphabetic()) {
            true => format!("{method} {template}"),
            false => template.to_owned(),
        };
        self.operations.iter().flat_map(move |o| o.templates.iter().map(move |t| route(&o.method, t)))
    }
}

/// A document as YAML. `None` only where it is none, such as one with keys that are no texts.
pub fn yaml(document: &serde_json::Value) -> Option<String> {
    serde_saphyr::to_string(document).ok()
}

/// The path of a route: GraphQL operations stand behind one (`/graphql/#query:GetUser`), and what else may, behind a blank.
fn path_of(template: &str) -> &str {
    let path = template.split(['#', ' ']).next().unwrap_or_default();
    match path.strip_suffix('/') {
        Some(before) if path.len() < template.len() && !before.is_empty() => before,
        _ => path,
    }
}
