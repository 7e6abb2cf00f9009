//! Everything of the agent that touches the world: files, standard input, threads, the clock.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is where the agent touches the world")]

mod capture;
mod capturing;
mod daemon;
mod follow;
mod privileges;
mod reader;
mod scan;
mod secret;
mod shipping;
mod source;
mod spool;
mod syslog;

pub use capture::{
    BUFFER_BYTES, CAPTURE_MAGIC_LEN, CaptureError, CaptureFile, Live, LiveSpec, SNAPLEN, SNAPLEN_MIN, is_capture,
    is_capture_file,
};
pub use capturing::Captures;
pub use daemon::{Daemon, Followed, Order, Shipped, StartError, run};
pub use privileges::{PrivilegeError, drop_privileges, own_directory};
pub use scan::{Input, Scan, ScanError, Scanned, scan};
pub use secret::{SecretError, fresh_secret, load_file, load_secret};
pub use source::{Piece, Pieces, SourceError, SourceSpec};
pub use syslog::{Listen, ListenError, SyslogError, SyslogSpec};

use std::time::SystemTime;

use pitot_model::Timestamp;

/// The clock; the epoch where it is before that.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
