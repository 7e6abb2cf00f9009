//! Why the spool cannot do something, and what to do about it.

use std::io::{self, ErrorKind};

use super::format;

/// What the spool cannot do; nothing of it has changed.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process has it.
    #[error("the spool `{place}` is in use; stop the other agent, or give this one another `name` or `state`")]
    Locked {
        /// Its directory.
        place: String,
    },
    /// Something else stands in its place.
    #[error("the spool `{place}` is not a directory; move it away, or set another `state`")]
    NotADirectory {
        /// Its path.
        place: String,
    },
    /// A newer version wrote it.
    #[error(
        "the spool `{place}` is of version {found}, this program reads up to {}; upgrade it, or set another `state`",
        format::VERSION
    )]
    Newer {
        /// Its directory.
        place: String,
        /// The version found.
        found: u16,
    },
    /// It holds as much as it may, and nothing may be dropped.
    #[error("the spool holds its {limit_bytes} bytes; read on when the collector took some, or raise `spool.bytes`")]
    Full {
        /// What it may hold.
        limit_bytes: u64,
    },
    /// Even the report's coverage alone is too large.
    #[error("the report does not fit into one request ({0}); follow fewer sources with one agent")]
    Unpackable(String),
    /// The system said no.
    #[error("cannot {what} in the spool `{place}`: {error}; {}", remedy(.error))]
    Io {
        /// What was tried.
        what: &'static str,
        /// Its directory.
        place: String,
        /// The answer.
        error: io::Error,
    },
}

impl SpoolError {
    /// Whether the disk, or what this user may have of it, is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { error, .. } if is_full(error))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        _ if is_full(error) => "free space, or lower `spool.bytes`; until then logs keep what is not read",
        ErrorKind::PermissionDenied => "make it writable for this user, or set another `state`",
        ErrorKind::ReadOnlyFilesystem => "mount it writable, or set another `state`",
        ErrorKind::NotFound => "bring its directory back, or restart the agent to begin anew",
        _ => "check the disk, or set another `state`",
    }
}
