//! Where frames come from.

mod file;

pub use file::{CAPTURE_MAGIC_LEN, CaptureFile, is_capture, is_capture_file};
