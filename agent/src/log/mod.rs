//! Access logs: lines in, [`Record`]s out.

mod record;

pub use record::{Escape, Record, Text};
