//! The central half of pitot: takes reports, keeps windows, answers questions, notices anomalies, tells people.
//!
//! In: [`Report`](pitot_model::Report)s over HTTP or in process. Out: the API of [`pitot_model::api`], `/metrics`, a
//! live stream, notifications. Pure parts are state machines and functions; [`io`] owns the files, sockets, threads and
//! the clock.
//!
//! ```text
//! bytes -> ingest -> store (append) -> detect -> search, alert
//!                      ^ query <- io/api
//! ```

pub mod access;
pub mod alert;
pub mod contract;
pub mod detect;
pub mod duration_text;
pub mod fleet;
pub mod ingest;
pub mod io;
pub mod metrics;
pub mod query;
pub mod search;
pub mod store;

pub use ingest::Encoding;
pub use io::service::{Collector, Config, OpenError, ReconfigureError, open};
pub use store::Retention;
