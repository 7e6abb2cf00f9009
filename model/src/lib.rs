//! The vocabulary of pitot: what the agent, the collector, the client and the dashboard say to each other.
//!
//! Nothing here does I/O, reads a clock or allocates without bound: bytes and values come in, values and bytes go
//! out. The four waists of the design live here as types: [`Transaction`], [`Report`] of [`Window`]s, the API types
//! in [`api`], and the [`filter`] language that all of them understand.
#![warn(missing_docs)]

pub mod api;
pub mod budget;
pub mod contract;
mod coverage;
mod dimension;
mod distinct;
pub mod filter;
mod mark;
mod report;
pub mod semconv;
mod sketch;
mod time;
mod transaction;
pub mod varint;
mod window;
pub mod wire;

pub use coverage::{Coverage, Reason};
pub use dimension::{Consumer, Evidence, Resource, Route, Status};
pub use distinct::Distinct;
pub use mark::{Deprecation, MARK_WIDTH, Mark, MarkKey, MarkKind, MarkSum, Marks, RateLimit, TokenAge};
pub use report::{AgentId, Backlog, Exemplar, Gauges, Offset, Report, RouteAlias};
pub use sketch::{Bucket, DenseSketch, Sketch, V2Error};
pub use time::{ParseTimeError, TimeRange, Timestamp, parse_duration, show_duration};
pub use transaction::{Direction, Outcome, Protocol, Timing, Transaction};
pub use window::{Cell, Stats, Window};
