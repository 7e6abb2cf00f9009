//! Everything of the agent that touches the world: files, standard input, threads, the clock.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is where the agent touches the world")]

mod capture;
mod capturing;
mod daemon;
mod follow;
mod privileges;
mod scan;
mod secret;
mod source;
mod spool;

pub use capture::{
    BUFFER_BYTES, CAPTURE_MAGIC_LEN, CaptureError, CaptureFile, Live, LiveSpec, SNAPLEN, SNAPLEN_MIN, is_capture,
    is_capture_file,
};
pub use capturing::Captures;
pub use daemon::{Daemon, Followed, Shipped, run};
pub use privileges::{PrivilegeError, drop_privileges};
pub use scan::{Input, Scan, ScanError, Scanned, scan};
pub use secret::{SecretError, fresh_secret, load_secret};
pub use source::{Piece, Pieces, SourceError, SourceSpec};
