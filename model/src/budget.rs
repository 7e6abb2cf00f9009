//! Limits that both ends of a connection must agree on. Each says what happens when it is reached.

/// Bytes of one report, compressed, that a collector accepts; a larger one is refused with 413.
pub const REPORT_BYTES: usize = 16 << 20;

/// Bytes of one report after decompression; a larger one is refused with 413 before it is decoded.
pub const REPORT_PLAIN_BYTES: usize = 64 << 20;

/// Characters of a filter; a longer one is a [`crate::filter::FilterError`].
pub const FILTER_CHARS: usize = 4096;

/// Nesting of parentheses and `NOT` in a filter; deeper ones are a [`crate::filter::FilterError`].
pub const FILTER_DEPTH: usize = 32;

/// Bytes of one route, consumer or service name; what is longer is cut there, at a character boundary.
pub const NAME_BYTES: usize = 512;

/// Rows, series points or items that one API answer holds; more come by cursor or by asking for less.
pub const ANSWER_ROWS: usize = 10_000;
