//! How far a file was read: what a restart needs to go on there, after rotations too.
//!
//! In: from whoever follows files. Out: into the spool, in one piece with the report that stands for what was read; and
//! back after a restart. JSON through serde; fields are only ever added.

use serde::{Deserialize, Serialize};

use crate::follow::mark::{LAST_BYTES, Mark};

/// How far one file of a source was read. A cursor without a path says that the source was looked at, and is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cursor {
    /// The source as configured: a path or a pattern.
    pub source: String,
    /// The log that the file belongs to: a path that leads, or led, to it.
    pub path: String,
    /// Where the file was last, symbolic links resolved; may be another generation's place by now.
    pub real: String,
    /// Device and inode of the file; they may belong to another one by now.
    pub device: u64,
    /// See `device`.
    pub inode: u64,
    /// When the file was made, microseconds since 1970; 0 where the file system does not say.
    pub born_us: i64,
    /// When the file was changed last before it was read last, microseconds since 1970.
    pub changed_us: i64,
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

impl Cursor {
    pub(crate) fn from_mark(mark: &Mark) -> Self {
        let &Mark { offset, head_bytes, head, last_bytes, last, skips_line } = mark;
        Self { offset, head_bytes, head, last_bytes, last, skips_line, ..Self::default() }
    }

    /// The place in the file. What cannot be true, in a cursor that was damaged, is no place that fits any file.
    pub(crate) fn mark(&self) -> Mark {
        let &Self { offset, head_bytes, head, last_bytes, last, skips_line, .. } = self;
        Mark { offset, head_bytes, head, last_bytes: last_bytes.min(offset).min(LAST_BYTES), last, skips_line }
    }
}
