//! Where frames come from: files, or the interfaces of this machine.

mod file;
mod live;
mod merge;

pub use file::{CAPTURE_MAGIC_LEN, CaptureFile, is_capture, is_capture_file};
pub use live::{BUFFER_BYTES, CaptureError, Live, LiveSpec, SNAPLEN, SNAPLEN_MIN};
