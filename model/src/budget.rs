//! Limits that both ends of a connection must agree on. Each says what happens when it is reached.

/// Bytes of one report, compressed, that a collector accepts; a larger one is refused with 413.
pub const REPORT_BYTES: usize = 16 << 20;

/// Bytes of one report after decompression; a larger one is refused with 413 before it is decoded.
pub const REPORT_PLAIN_BYTES: usize = 64 << 20;

/// Windows of one report. As all that follow up to [`REPORT_SKETCH_BYTES`], they are counted before the report is decoded,
/// and one with more is refused with 413: an agent ships at some 16,000 cells, and never has more windows than cells.
pub const REPORT_WINDOWS: usize = 1 << 17;

/// Routes in the dictionaries of all windows of one report; as many consumers.
pub const REPORT_NAMES: usize = 1 << 18;

/// Cells of all windows of one report.
pub const REPORT_CELLS: usize = 1 << 18;

/// Exemplars of one report.
pub const REPORT_EXEMPLARS: usize = 1 << 14;

/// Route aliases of one report.
pub const REPORT_ALIASES: usize = 1 << 16;

/// Marks of one report; an agent ships at some 8,000.
pub const REPORT_MARKS: usize = 1 << 16;

/// Source offsets of one report.
pub const REPORT_OFFSETS: usize = 1 << 16;

/// Counts in the coverage of one report, many times the reasons that there are.
pub const REPORT_REASONS: usize = 1 << 10;

/// Bytes of the encoded histograms of one report. In memory they take up to seventeen times as many.
pub const REPORT_SKETCH_BYTES: usize = 32 << 20;

/// Characters of a filter; a longer one is a [`crate::filter::FilterError`].
pub const FILTER_CHARS: usize = 4096;

/// Nesting of parentheses and `NOT` in a filter; deeper ones are a [`crate::filter::FilterError`].
pub const FILTER_DEPTH: usize = 32;

/// Bytes of one route, consumer or service name; what is longer is cut there, at a character boundary.
pub const NAME_BYTES: usize = 512;

/// Rows, series points or items that one API answer holds; more come by cursor or by asking for less.
pub const ANSWER_ROWS: usize = 10_000;

/// Bytes of one description of an API; a longer one is not read. The longest of public APIs have some 40 MiB.
pub const CONTRACT_BYTES: usize = 64 << 20;

/// Operations of one description; one with more is not used.
pub const CONTRACT_OPERATIONS: usize = 20_000;
