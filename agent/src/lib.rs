//! The sidecar half of pitot: sources, parsing, enrichment, windows.

pub mod budget;
mod cursor;
pub mod decode;
pub mod enrich;
mod follow;
pub mod http;
pub mod io;
pub mod log;
pub mod packets;
pub mod parse;
mod ship;
pub mod spool;
pub mod tcp;
mod told;
pub mod window;

pub use cursor::Cursor;
