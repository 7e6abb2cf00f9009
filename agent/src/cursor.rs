//! How far a file was read: what a restart needs to go on there, after rotations too.
//!
//! In: from whoever follows files. Out: into the spool, in one piece with the report that stands for what was read; and
//! back after a restart. JSON through serde; fields are only ever added.

use serde::{Deserialize, Serialize};

/// How far one file of a source was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// The source as configured: a path or a pattern.
    pub source: String,
    /// Where the file was last.
    pub path: String,
    /// Device and inode of the file; they may belong to another one by now.
    pub device: u64,
    /// See `device`.
    pub inode: u64,
    /// Bytes read and accounted for, up to the end of a line.
    pub offset: u64,
    /// Bytes at the beginning of the file that `head` stands for.
    pub head_bytes: u64,
    /// Hash of the first `head_bytes`: tells the file from another one, and finds its copies.
    pub head: u64,
    /// Bytes before `offset` that `last` stands for.
    pub last_bytes: u64,
    /// Hash of the last bytes read: tells whether the file was written anew.
    pub last: u64,
    /// Whether the rest of the line at `offset` is to be dropped, since its beginning was too long already.
    pub skips_line: bool,
    /// Lines from which the format was detected; empty where it is configured or not known.
    pub sample: String,
}
