//! The sidecar half of pitot: sources, parsing, enrichment, windows.

pub mod log;
