//! Access logs: lines in, [`Record`]s out.
//!
//! A [`Format`] says how lines are read. It comes from a name, from what the user wrote down, or from the first lines
//! ([`Format::detect`]). It may hold several layouts, since one file may hold lines of several kinds: they are tried in
//! order, so the same line gives the same record whatever came before it, and any number of threads agree.
//!
//! ```text
//! spec/ named ─┐
//! detect ──────┼─> Format: [Layout] ─ parse ─> Record     clf · pattern · columns · json · haproxy · envoy
//! w3c ─────────┘                                          built of field, tail, time, number, request, scan
//! ```
//!
//! Nothing here allocates for a line, and no regular expression runs.

mod clf;
mod columns;
mod detect;
mod envoy;
mod field;
mod foreign;
mod format;
mod haproxy;
mod json;
mod keys;
mod named;
mod names;
mod number;
mod pattern;
mod prefix;
mod record;
mod request;
mod ruled;
mod scan;
mod spec;
pub mod syslog;
mod tail;
mod time;
mod w3c;
mod wrap;

pub use format::{Format, Skip};
pub(crate) use names::field_evidence;
pub use record::{Escape, Record, Text};
pub use spec::SpecError;
pub use wrap::Wrapping;

use format::Layout;
