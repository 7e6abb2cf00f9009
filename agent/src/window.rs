//! Aggregation: transactions in, sums out.
//!
//! A [`Batch`] is counted where it was parsed; [`Summary`] (for a report) and [`Windows`] (for a collector) add batches
//! up in the order of the source, so that the result does not depend on the number of threads.

mod batch;
mod cardinality;
mod group;
mod marks;
mod registry;
mod summary;
mod timeline;
mod windows;

pub use batch::{Batch, Invalid};
pub use summary::{Limits, Summary};
pub use windows::{Drained, Windows};

#[cfg(test)]
mod tests;
