//! Log files and standard input as pieces of whole lines. gzip and zstd are told by their first bytes.
//!
//! What container runtimes put around lines is taken off first.
//!
//! In: a path or `-`. Out: [`Piece`]s of about [`budget::CHUNK_BYTES`] that end at a line's end, in order. Memory does
//! not grow with the input, whatever it holds: of an overlong line only the beginning is kept.

mod unwrapped;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use self::unwrapped::Unwrapped;
use crate::{
    budget,
    enrich::masked,
    log::{Format, Wrapping},
};

/// Lines from which a format is detected.
const SAMPLE_LINES: usize = 500;

/// A source and what the operator says about it.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Path, or `-` for standard input.
    pub path: PathBuf,
    /// Its format; detected when absent.
    pub format: Option<Format>,
    /// Field whose value is the consumer (`--consumer`); applied to detected formats too.
    pub consumer: Option<String>,
}

/// A source that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Not there, or not allowed.
    #[error("cannot open `{path}`: {error}")]
    Open {
        /// As given.
        path: String,
        /// Why.
        error: String,
    },
    /// A directory.
    #[error("`{0}` is a directory; name the files in it, for example `{0}/*.log`")]
    Directory(String),
    /// Nothing in it.
    #[error("`{0}` is empty; there is nothing to read")]
    Empty(String),
    /// Neither pcap nor pcapng.
    #[error("`{0}` is no packet capture; give a pcap or pcapng file, gzip or zstd allowed")]
    NoCapture(String),
    /// None of the known formats fits its first lines.
    #[error("cannot tell the log format of `{path}`; say it with --log-format; its first line is\n  {line}")]
    Format {
        /// As given.
        path: String,
        /// Its first line that is not blank.
        line: String,
    },
    /// The consumer field that was asked for is not in the format.
    #[error("{0}")]
    Consumer(String),
    /// Reading failed in the middle.
    #[error("cannot read on in `{path}`: {error}; what was read before is counted")]
    Broken {
        /// As given.
        path: String,
        /// Why.
        error: String,
    },
}

/// Whole lines of one source.
pub struct Piece {
    /// Ends with a newline, but for the last piece of a source.
    pub bytes: Vec<u8>,
    /// How its lines are written.
    pub format: Arc<Format>,
}

/// A source, read piece by piece.
pub struct Pieces {
    name: String,
    reader: Box<dyn Read + Send>,
    format: Arc<Format>,
    is_detected: bool,
    wrapping: Option<Wrapping>,
    /// Whether lines may say how the following ones are written (`#Fields:`).
    has_directives: bool,
    /// Read and not yet given away: whole lines of another format, then the beginning of a line.
    carry: Vec<u8>,
    is_at_end: bool,
    /// Why reading ended early, until it is told.
    broken: Option<String>,
}

impl Pieces {
    /// Opens a source, and detects its format where none is given.
    pub fn open(spec: &SourceSpec) -> Result<Self, SourceError> {
        let name = spec.path.to_string_lossy().into_owned();
        let mut reader = open(&spec.path, &name)?;
        let (mut carry, mut broken) = read_chunk(&mut reader);
        let wrapping = Wrapping::detect(&first_lines(&carry));
        if let Some(wrapping) = wrapping {
            reader = Box::new(Unwrapped::new(wrapping, carry, broken, reader));
            (carry, broken) = read_chunk(&mut reader);
        }
        let broken = broken.map(|error| error.to_string());
        match &broken {
            Some(error) if carry.is_empty() => {
                return Err(SourceError::Broken { path: name, error: error.clone() });
            }
            None if carry.is_empty() => return Err(SourceError::Empty(name)),
            _ => {}
        }
        let lines = first_lines(&carry);
        let has_directives = lines.iter().any(|l| l.starts_with(b"#Fields:"));
        let (format, is_detected) = match &spec.format {
            Some(format) => (format.clone(), false),
            None => (Format::detect(&lines).ok_or_else(|| unknown_format(&name, &lines))?, true),
        };
        let has_directives = has_directives || format.describe().starts_with("w3c");
        let format = match &spec.consumer {
            Some(field) => format.with_consumer(field).map_err(|e| SourceError::Consumer(e.to_string()))?,
            None => format,
        };
        Ok(Self {
            name,
            reader,
            format: Arc::new(format),
            is_detected,
            wrapping,
            has_directives,
            carry,
            is_at_end: false,
            broken: None,
        })
    }

    /// Path as given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format, as understood, and what stands around its lines, for people; that of the latest piece where lines change
    /// it.
    pub fn describe(&self) -> String {
        let format = self.format.describe();
        self.wrapping.map_or(format.clone(), |wrapping| format!("{format} in {}", wrapping.name()))
    }

    /// Whether the format was told from the lines.
    pub fn is_detected(&self) -> bool {
        self.is_detected
    }

    /// The next piece; `None` at the end. `buffer` is an old piece's, to be used again. A source that breaks gives first
    /// what came before the break, then the error.
    pub fn next(&mut self, mut buffer: Vec<u8>) -> Result<Option<Piece>, SourceError> {
        buffer.clear();
        buffer.append(&mut self.carry);
        self.fill(&mut buffer);
        if buffer.is_empty() {
            return match self.broken.take() {
                Some(error) => Err(SourceError::Broken { path: self.name.clone(), error }),
                None => Ok(None),
            };
        }
        if !self.is_at_end {
            match memchr::memrchr(b'\n', &buffer) {
                Some(last) => self.carry.extend(buffer.drain(last + 1..)),
                None => self.skip_overlong(&mut buffer),
            }
        }
        Ok(Some(self.piece(buffer)))
    }

    /// Reads until the buffer holds a chunk, or the source ends.
    fn fill(&mut self, buffer: &mut Vec<u8>) {
        let missing = budget::CHUNK_BYTES.saturating_sub(buffer.len());
        if self.is_at_end || missing == 0 {
            return;
        }
        match self.reader.by_ref().take(missing as u64).read_to_end(buffer) {
            Ok(n) => self.is_at_end = n < missing,
            Err(error) => {
                self.broken = Some(error.to_string());
                self.is_at_end = true;
            }
        }
    }

    /// Keeps the beginning of a line that fills the buffer, enough to be counted as too long, and drops the rest of it.
    fn skip_overlong(&mut self, buffer: &mut Vec<u8>) {
        buffer.truncate(budget::LINE_BYTES + 1);
        buffer.push(b'\n');
        let mut rest = Vec::new();
        while !self.is_at_end && self.carry.is_empty() {
            rest.clear();
            self.fill(&mut rest);
            if let Some(end) = memchr::memchr(b'\n', &rest) {
                self.carry.extend_from_slice(&rest[end + 1..]);
                return;
            }
        }
    }

    /// A piece of these lines. Lines behind a directive that changes the format are put back.
    fn piece(&mut self, mut bytes: Vec<u8>) -> Piece {
        let format = self.format.clone();
        if self.has_directives
            && let Some((at, next)) = directive(&bytes, &format)
        {
            self.format = Arc::new(next);
            let mut back = bytes.split_off(at);
            back.append(&mut self.carry);
            self.carry = back;
        }
        Piece { bytes, format }
    }
}

/// The first chunk, and why it is the last one, if reading failed.
fn read_chunk(reader: &mut impl Read) -> (Vec<u8>, Option<io::Error>) {
    let mut chunk = Vec::new();
    let read = reader.take(budget::CHUNK_BYTES as u64).read_to_end(&mut chunk);
    (chunk, read.err())
}

fn first_lines(chunk: &[u8]) -> Vec<&[u8]> {
    chunk.split(|&b| b == b'\n').take(SAMPLE_LINES).collect()
}

/// The end of the first line that says how the following ones are written, if they are written otherwise than so far.
pub(super) fn directive(bytes: &[u8], format: &Format) -> Option<(usize, Format)> {
    memchr::memmem::find_iter(bytes, b"#Fields:").find_map(|at| {
        let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n);
        let is_line = at == 0 || bytes[at - 1] == b'\n';
        let next = format.fields_header(&bytes[at..end]).filter(|_| is_line && end < bytes.len())?;
        (next.describe() != format.describe()).then_some((end + 1, next))
    })
}

pub(super) fn open(path: &Path, name: &str) -> Result<Box<dyn Read + Send>, SourceError> {
    let failed = |error: io::Error| SourceError::Open { path: name.to_owned(), error: error.to_string() };
    if path.as_os_str() == "-" {
        return decompress(BufReader::with_capacity(64 << 10, io::stdin())).map_err(failed);
    }
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(SourceError::Directory(name.to_owned()));
    }
    decompress(BufReader::with_capacity(64 << 10, file)).map_err(failed)
}

pub(super) fn decompress<R: Read + Send + 'static>(mut reader: BufReader<R>) -> io::Result<Box<dyn Read + Send>> {
    Ok(match reader.fill_buf()? {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(reader)?),
        _ => Box::new(reader),
    })
}

fn unknown_format(name: &str, lines: &[&[u8]]) -> SourceError {
    let first = lines.iter().find(|l| !l.trim_ascii().is_empty()).copied().unwrap_or_default();
    let line = masked(&String::from_utf8_lossy(&first[..first.len().min(640)])).chars().take(160).collect();
    SourceError::Format { path: name.to_owned(), line }
}
