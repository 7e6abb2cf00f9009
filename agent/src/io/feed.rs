//! One source that is followed: whole lines as they come, and how they are written.
//!
//! In: a file that grows, or standard input. Out: batches.

use std::{io::Read as _, sync::mpsc, thread};

use pitot_model::Reason;
use tracing::{info, warn};

use super::{daemon::Followed, source::directive, tail::Tail};
use crate::{
    budget,
    enrich::Enricher,
    log::Format,
    parse::{Wanted, parse_piece},
    window::Batch,
};

/// Lines of a file from which its format is detected.
const SAMPLE_LINES: usize = 500;

pub(super) struct Feed {
    pub(super) name: String,
    pub(super) origin: Origin,
    format: Option<Format>,
    consumer: Option<String>,
    /// Why it cannot be read, as told last.
    trouble: Option<String>,
}

/// Where whole lines come from.
pub(super) enum Origin {
    File(Tail),
    Stdin(Stdin),
}

impl Origin {
    pub(super) fn read(&mut self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::File(tail) => tail.read(),
            Self::Stdin(stdin) => Ok(stdin.read()),
        }
    }

    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::File(tail) => tail.offset(),
            Self::Stdin(stdin) => stdin.offset(),
        }
    }
}

impl Feed {
    /// Tells, when it is news, that the source cannot be read, or that it can be again.
    pub(super) fn note(&mut self, error: Option<String>) {
        if error != self.trouble {
            match &error {
                Some(error) => warn!(error, path = self.name, "cannot read it; waiting"),
                None => info!(path = self.name, "reading"),
            }
            self.trouble = error;
        }
    }

    pub(super) fn new(followed: &Followed) -> Self {
        let origin = match followed.path.as_os_str() == "-" {
            true => Origin::Stdin(Stdin::start()),
            false => Origin::File(Tail::new(&followed.path, followed.from_start)),
        };
        let name = followed.path.to_string_lossy().into_owned();
        Self { name, origin, format: followed.format.clone(), consumer: followed.consumer.clone(), trouble: None }
    }
}

impl Feed {
    fn with_consumer(&self, format: Format) -> Format {
        let Some(field) = &self.consumer else { return format };
        match format.clone().with_consumer(field) {
            Ok(format) => format,
            Err(error) => {
                warn!(%error, path = self.name, "consumers are told by other fields");
                format
            }
        }
    }

    /// Parses whole lines, piece by piece where a directive changes the format.
    pub(super) fn parse(&mut self, bytes: &[u8], wanted: Wanted, enricher: &mut Enricher, batch: &mut Batch) {
        if self.format.is_none() {
            let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').take(SAMPLE_LINES).collect();
            self.format = Format::detect(&lines).map(|format| self.with_consumer(format));
            if let Some(format) = &self.format {
                info!(path = self.name, format = format.describe(), "log format detected");
            }
        }
        let Some(format) = &self.format else {
            batch.coverage.lines_read += memchr::memchr_iter(b'\n', bytes).count() as u64;
            batch.coverage.bytes_read += bytes.len() as u64;
            batch.coverage.add(Reason::LineMalformed, batch.coverage.lines_read);
            return;
        };
        match directive(bytes, format) {
            None => parse_piece(bytes, 1, format, enricher, wanted, batch),
            Some((at, next)) => {
                parse_piece(&bytes[..at], 1, format, enricher, wanted, batch);
                self.format = Some(next);
                self.parse(&bytes[at..], wanted, enricher, batch);
            }
        }
    }
}

/// What can be read from standard input without waiting, in whole lines.
pub(super) struct Stdin {
    chunks: mpsc::Receiver<Vec<u8>>,
    partial: Vec<u8>,
    offset: u64,
}

impl Stdin {
    /// Reads on a thread of its own, which waits while its news are not taken.
    fn start() -> Self {
        let (sender, chunks) = mpsc::sync_channel(4);
        thread::spawn(move || {
            let mut buffer = vec![0; 256 << 10];
            while let Ok(n) = std::io::stdin().read(&mut buffer)
                && n > 0
                && sender.send(buffer[..n].to_vec()).is_ok()
            {}
        });
        Self { chunks, partial: Vec::new(), offset: 0 }
    }

    fn read(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.partial);
        match self.chunks.try_recv() {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            // The last line may have no newline.
            Err(mpsc::TryRecvError::Disconnected) => return self.give(bytes),
            Err(mpsc::TryRecvError::Empty) => {}
        }
        // A line beyond the budget is given in parts, each counted as malformed or too long.
        if bytes.len() <= budget::CHUNK_BYTES {
            self.partial = bytes.split_off(memchr::memrchr(b'\n', &bytes).map_or(0, |last| last + 1));
        }
        self.give(bytes)
    }

    fn give(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.offset += bytes.len() as u64;
        bytes
    }

    fn offset(&self) -> u64 {
        self.offset
    }
}
