//! The sidecar half of pitot: sources, parsing, enrichment, windows.

pub mod budget;
pub mod enrich;
pub mod io;
pub mod log;
pub mod parse;
pub mod window;
