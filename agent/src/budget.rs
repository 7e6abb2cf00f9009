//! Limits of everything that strangers can grow, and what happens when one is reached.

/// Bytes of one line; the rest is skipped and the line counted as too long.
pub const LINE_BYTES: usize = 256 << 10;

/// Bytes of input that are parsed as one piece of work.
pub const CHUNK_BYTES: usize = 1 << 20;

/// Bytes of raw lines that wait for the last part of a line which a container runtime split; beyond, what there is of it
/// counts as the line. Less than [`CHUNK_BYTES`], so that reading goes on.
pub const WRAPPED_BYTES: usize = 512 << 10;

/// Logs that are followed; those that a pattern matches beyond are told and counted, not read.
pub const FOLLOWED_LOGS: usize = 1_024;

/// Files that are open while they wait for news; beyond, those that waited the longest are closed, and opened again when
/// they change.
pub const OPEN_FILES: usize = 512;

/// Files of one log that are read or may still be written to; beyond, the oldest that was read is let go early.
pub const GENERATIONS: usize = 8;

/// Bytes of the lines that are kept to know a detected format again after a restart.
pub const SAMPLE_BYTES: usize = 16 << 10;

/// Bytes of syslog messages of one address that were received and not read yet. When there are more, datagrams are dropped
/// and counted, and streams wait.
pub const SYSLOG_QUEUE_BYTES: usize = 8 << 20;

/// Connections of one syslog address, each of which may hold [`LINE_BYTES`]. For another one that was silent for a minute
/// is closed, or else the new one.
pub const SYSLOG_CONNECTIONS: usize = 256;

/// Path segments of a route; what follows is shown as `*`.
pub const ROUTE_SEGMENTS: usize = 16;

/// Bytes of one path segment; a longer one is a `{slug}`.
pub const SEGMENT_BYTES: usize = 64;

/// Different literal names at one position of a path, above which they are taken for values of a parameter.
pub const LITERALS_PER_POSITION: usize = 50;

/// Different (service, method, shape) kept apart; when more come, positions are folded for good. Half as many again find room
/// before that is done. What still does not fit is counted under `(other)`, the light ones first.
pub const ROUTES: usize = 20_000;

/// Bytes of them; likewise.
pub const ROUTE_NAME_BYTES: usize = 8 << 20;

/// Shapes whose folded route is remembered; when there are more, they are folded again.
pub const FOLDED_SHAPES: usize = 65_536;

/// Consumers kept apart, some 250 bytes each; when more come, the light ones are counted under `(other)`.
pub const CONSUMERS: usize = 131_072;

/// Bytes of their names; likewise.
pub const CONSUMER_NAME_BYTES: usize = 16 << 20;

/// Names that a full table of routes or consumers takes in with one report, for others that are lighter: what a collector has
/// to keep grows by no more.
pub const AWARDS: usize = 32;

/// Likewise, of what is read for a report of its own, which nobody keeps, every [`REPORT_AWARDED_AFTER`] transactions.
pub const REPORT_AWARDS: usize = 1_024;

/// Transactions; often enough that those who come are soon counted.
pub const REPORT_AWARDED_AFTER: u64 = 16_384;

/// Services kept apart; later ones are counted under `(other)`.
pub const SERVICES: usize = 1_000;

/// Series that may hold a dense sketch of 92 KiB; the others record sparsely.
pub const DENSE_SKETCHES: usize = 256;

/// Transactions after which a series is busy enough for a dense sketch.
pub const DENSE_FROM: u64 = 4_096;

/// Steps of a report's timeline; they get wider when more are needed.
pub const TIMELINE_STEPS: usize = 240;

/// Cells of open windows; when there are more, they are shipped early. Some 4 MiB, which is what a report takes at each
/// of the hands it passes through.
pub const OPEN_CELLS: usize = 16_384;

/// Cells that the next piece of every log may bring it to, which is half of what a report may hold. What is beyond is counted
/// in the cell of all consumers of its route, and in [`COARSE_CELLS`] more that of all routes.
pub const CELLS: usize = 131_072;

/// Cells beyond [`CELLS`] that are still told apart by route.
pub const COARSE_CELLS: usize = 32_768;

/// Sums of marks; when there are more, they are shipped early.
pub const OPEN_MARKS: usize = 8_192;

/// Sums of marks that one piece of input may bring it to; beyond, names count as `(other)`. Less than what a report may
/// hold.
pub const MARKS: usize = 32_768;

/// Pairs of consumer and route that were asked to wait and did not come back; beyond, the half of them that was asked the
/// longest ago is forgotten, and whether those waited is not told.
pub const WAITS: usize = 4_096;

/// Connections followed at once, some 200 bytes each; beyond, those that carried nothing yet or are over are forgotten
/// first, then the one that was silent the longest, which is counted.
pub const CONNECTIONS: usize = 131_072;

/// Bytes of one flow that wait for what comes before them. A 10 Gbit/s path of one millisecond has as many on its way;
/// when there are more, what is missing is given up.
pub const LATE_FLOW_BYTES: usize = 1 << 20;

/// Pieces of one flow that wait for what comes before them: enough for [`LATE_FLOW_BYTES`] in small segments.
pub const LATE_PIECES: usize = 2_048;

/// Bytes of all flows that wait for what comes before them; when there are more, the oldest hole is given up.
pub const LATE_BYTES: usize = 32 << 20;

/// Bytes that the readers of all connections hold: heads that are not whole, requests that wait for their answers, header
/// tables. When there are more, connections that hold much are forgotten, the one that was silent the longest first, which
/// is counted.
pub const READER_BYTES: usize = 48 << 20;

/// Bytes of [`READER_BYTES`] that are much for one connection: more than common ones ever hold.
pub const READER_MUCH_BYTES: usize = 8 << 10;

/// Fragmented IP datagrams that are put together at a time, of 64 KiB at most; the oldest is given up for another.
pub const FRAGMENTED_DATAGRAMS: usize = 64;

/// Bytes of a packet or block of a capture file; a longer one is skipped and counted. Snap lengths end at 256 KiB.
pub const CAPTURE_BLOCK_BYTES: usize = 16 << 20;

/// Interfaces that a section of a capture file may describe.
pub const CAPTURE_INTERFACES: usize = 4_096;
