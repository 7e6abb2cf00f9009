//! Where frames come from: files, or the interfaces of this machine.

mod error;
mod file;
mod live;
mod merge;

pub use error::CaptureError;
pub use file::{CAPTURE_MAGIC_LEN, CaptureFile, is_capture, is_capture_file};
pub use live::{BUFFER_BYTES, Live, LiveSpec, SNAPLEN, SNAPLEN_MIN};
