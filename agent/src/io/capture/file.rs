//! Capture files, frame by frame.
//!
//! In: a path or `-`; pcap and pcapng, plain, gzip or zstd, told by their first bytes. Out: [`Frame`]s that borrow from the
//! reader's buffer, in the file's order. Memory does not grow with the file: a packet of more than
//! [`budget::CAPTURE_BLOCK_BYTES`](crate::budget::CAPTURE_BLOCK_BYTES) is not kept.

mod pcap;
mod pcapng;
mod window;

use std::{
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

use pitot_model::Timestamp;

use self::{pcap::Pcap, pcapng::Section, window::Window};
use super::super::source::{self, SourceError};
use crate::decode::{Frame, LinkType};

/// Bytes that [`is_capture`] looks at.
pub const CAPTURE_MAGIC_LEN: usize = 12;

/// Whether a file that begins so (after decompression) is a capture. At best [`CAPTURE_MAGIC_LEN`] bytes.
pub fn is_capture(first: &[u8]) -> bool {
    match first {
        [0xd4, 0xc3, 0xb2, 0xa1, ..] | [0xa1, 0xb2, 0xc3, 0xd4, ..] => true,
        [0x4d, 0x3c, 0xb2, 0xa1, ..] | [0xa1, 0xb2, 0x3c, 0x4d, ..] => true,
        [0x34, 0xcd, 0xb2, 0xa1, ..] | [0xa1, 0xb2, 0xcd, 0x34, ..] => true,
        [0x0a, 0x0d, 0x0d, 0x0a, rest @ ..] => {
            matches!(rest.get(4..8), Some([0x1a, 0x2b, 0x3c, 0x4d] | [0x4d, 0x3c, 0x2b, 0x1a]))
        }
        _ => false,
    }
}

/// Whether a path, or `-`, is a capture. Standard input is only looked at: what was seen of it can still be read.
pub fn is_capture_file(path: &Path) -> Result<bool, SourceError> {
    let name = path.to_string_lossy().into_owned();
    let mut reader = if path.as_os_str() == "-" {
        let failed = |error: io::Error| SourceError::Open { path: name.clone(), error: error.to_string() };
        let seen = io::stdin().lock().fill_buf().map_err(failed)?.to_vec();
        source::decompress(BufReader::new(Cursor::new(seen))).map_err(failed)?
    } else {
        source::open(path, &name)?
    };
    let mut first = Vec::new();
    // Who breaks here breaks again when it is read, and says so then.
    let _ = reader.by_ref().take(CAPTURE_MAGIC_LEN as u64).read_to_end(&mut first);
    Ok(is_capture(&first))
}

/// A capture file that is being read.
pub struct CaptureFile {
    name: String,
    window: Window,
    format: Format,
    n_frames: u64,
}

enum Format {
    Pcap(Pcap),
    PcapNg(Section),
}

/// A frame as the formats find it.
struct Found<'a> {
    at: Timestamp,
    link: LinkType,
    bytes: &'a [u8],
    wire_len: u32,
}

/// Why no more frames can be found.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the file ends in the middle of it")]
    Cut,
    #[error("it says to be {0} bytes long")]
    Length(u64),
    #[error("a block of type {0:#x} makes no sense")]
    Block(u32),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CaptureFile {
    /// Opens a capture, and reads to its first packet.
    ///
    /// # Errors
    /// [`SourceError::NoCapture`] for a file of another kind, and all that opening a file can bring.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let name = path.to_string_lossy().into_owned();
        let reader = source::open(path, &name)?;
        Self::read_from(name, reader)
    }

    /// Reads a capture, not compressed, from anywhere. `name` is for messages.
    ///
    /// # Errors
    /// [`SourceError::Empty`], [`SourceError::NoCapture`], [`SourceError::Broken`].
    pub fn read_from(name: String, reader: Box<dyn Read + Send>) -> Result<Self, SourceError> {
        let mut window = Window::new(reader);
        match open(&mut window) {
            Ok(Some(format)) => Ok(Self { name, window, format, n_frames: 0 }),
            Ok(None) if matches!(window.peek(1), Ok([])) => Err(SourceError::Empty(name)),
            Ok(None) => Err(SourceError::NoCapture(name)),
            Err(trouble) => Err(SourceError::Broken { path: name, error: at_packet(1, &trouble) }),
        }
    }

    /// The next frame; `None` at the end. What cannot be read in the middle is skipped and counted where the format allows.
    ///
    /// # Errors
    /// [`SourceError::Broken`] where the file is cut or damaged. All before that was given, and nothing follows.
    #[expect(clippy::should_implement_trait, reason = "frames borrow from the reader")]
    #[inline(always)]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        self.n_frames += 1;
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.window),
            Format::PcapNg(section) => section.next(&mut self.window),
        };
        match found {
            Ok(Some(Found { at, link, bytes, wire_len })) => Ok(Some(Frame { at, link, bytes, wire_len })),
            Ok(None) => Ok(None),
            Err(trouble) => {
                let error = at_packet(self.n_frames, &trouble);
                Err(SourceError::Broken { path: self.name.clone(), error })
            }
        }
    }

    /// Path as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Format and link type, or how many interfaces were described so far in the section.
    pub fn describe(&self) -> String {
        match &self.format {
            Format::Pcap(pcap) => format!("pcap, {}", pcap.link),
            Format::PcapNg(section) => match section.interfaces.as_slice() {
                [only] => format!("pcapng, {}", only.link),
                all => format!("pcapng, {} interfaces", all.len()),
            },
        }
    }

    /// Packets that could not be read so far: of interfaces that are not described, longer than the budget, or in blocks
    /// that contradict themselves.
    pub fn n_skipped(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::PcapNg(section) => section.n_skipped,
        }
    }
}

fn open(window: &mut Window) -> Result<Option<Format>, Trouble> {
    if !is_capture(window.peek(CAPTURE_MAGIC_LEN)?) {
        return Ok(None);
    }
    if window.peek(1)? == [0x0a] {
        return Ok(Some(Format::PcapNg(Section::open(window)?)));
    }
    let header = window.take(pcap::HEADER_LEN)?.ok_or(Trouble::Cut)?;
    Ok(Pcap::parse(header).map(Format::Pcap))
}

fn at_packet(n: u64, trouble: &Trouble) -> String {
    format!("packet {n}: {trouble}")
}
