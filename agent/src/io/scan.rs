//! Reading sources to their end, on one thread or many, with the same result.
//!
//! In: sources. Out: batches, handed to the caller in the order of the source. Pieces of logs are parsed on worker threads
//! and put back in order, so nothing that is counted depends on how many there are. Captures, where everything depends on
//! what came before, are read on one.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use pitot_model::{Reason, api::Source};

use super::{
    capture::{CaptureFile, is_capture_file},
    source::{Piece, Pieces, SourceError, SourceSpec},
};
use crate::{
    enrich::{Enricher, Settings},
    packets::{Options, Packets},
    parse::{Wanted, parse_piece},
    window::{Batch, Invalid},
};

/// Transactions of a capture that are handed on together.
const ROWS: usize = 16 << 10;

/// Packets after which they are handed on, however few they are.
const PACKETS: u64 = 1 << 18;

/// How to read.
#[derive(Clone)]
pub struct Scan {
    /// What the operator says about routes, consumers and services.
    pub settings: Arc<Settings>,
    /// What is wanted of the sources.
    pub wanted: Wanted,
    /// How captures are read; their range is that of `wanted`.
    pub packets: Options,
    /// Threads that parse; at least one.
    pub threads: usize,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The sources, in order.
    pub sources: Vec<Source>,
    /// The first line that the format does not fit, and the name of its source.
    pub invalid: Option<(String, Invalid)>,
    /// A source that broke in the middle; what came before is counted.
    pub broken: Vec<SourceError>,
}

/// A source that could not be read at all.
pub type ScanError = SourceError;

/// A source that is open.
pub enum Input {
    /// Lines of a log.
    Log(Pieces),
    /// Packets.
    Capture(CaptureFile),
}

impl Input {
    /// Opens a source: a capture is told by its first bytes, and everything else is a log.
    ///
    /// # Errors
    /// What opening it can bring.
    pub fn open(spec: &SourceSpec) -> Result<Self, SourceError> {
        Ok(match is_capture_file(&spec.path)? {
            true => Self::Capture(CaptureFile::open(&spec.path)?),
            false => Self::Log(Pieces::open(spec)?),
        })
    }
}

/// Reads all sources, one after another, and gives every batch to `sink`.
pub fn scan(specs: &[SourceSpec], scan: &Scan, mut sink: impl FnMut(&Batch)) -> Result<Scanned, ScanError> {
    let mut out = Scanned::default();
    // All are opened first: a wrong name should not be told after minutes of reading.
    let sources: Vec<Input> = specs.iter().map(Input::open).collect::<Result<_, _>>()?;
    for input in sources {
        let result = match input {
            Input::Log(pieces) => scan_log(pieces, scan, &mut sink, &mut out),
            Input::Capture(file) => scan_capture(file, scan, &mut sink, &mut out),
        };
        if let Err(error) = result {
            let mut batch = Batch::default();
            batch.coverage.add(Reason::SourceBroken, 1);
            sink(&batch);
            out.broken.push(error);
        }
    }
    Ok(out)
}

fn scan_log(
    mut pieces: Pieces,
    scan: &Scan,
    sink: &mut impl FnMut(&Batch),
    out: &mut Scanned,
) -> Result<(), SourceError> {
    let mut lines = 0;
    let mut found = None;
    let mut note = |batch: &Batch| {
        if let (None, Some(invalid)) = (&found, &batch.invalid) {
            found = Some(Invalid { line: lines + invalid.line, ..invalid.clone() });
        }
        lines += batch.coverage.lines_read;
        sink(batch);
    };
    let result = if scan.threads > 1 {
        on_threads(&mut pieces, scan, &mut note)
    } else {
        on_this_thread(&mut pieces, scan, &mut note)
    };
    let name = pieces.name().to_owned();
    out.invalid = out.invalid.take().or(found.map(|invalid| (name.clone(), invalid)));
    let (format, detected) = (pieces.describe(), pieces.is_detected());
    out.sources.push(Source { name, format, detected, lines });
    result
}

fn scan_capture(
    mut file: CaptureFile,
    scan: &Scan,
    sink: &mut impl FnMut(&Batch),
    out: &mut Scanned,
) -> Result<(), SourceError> {
    let options = Options { range: scan.wanted.range, ..scan.packets.clone() };
    let mut packets = Packets::new(scan.settings.clone(), options, Batch::default());
    let (mut n_packets, mut n_handed_on, mut empty) = (0, 0, Batch::default());
    let result = loop {
        match file.next() {
            Ok(Some(frame)) => packets.push(&frame),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
        n_packets += 1;
        if packets.visitor().len() >= ROWS || n_packets - n_handed_on >= PACKETS {
            n_handed_on = n_packets;
            empty = packets.take_batch(empty);
            sink(&empty);
        }
    };
    packets.finish();
    packets.count(Reason::PacketMalformed, file.n_skipped());
    sink(&packets.take_batch(empty));
    let name = file.name().to_owned();
    out.sources.push(Source { name, format: file.describe(), detected: true, lines: n_packets });
    result
}

fn on_this_thread(pieces: &mut Pieces, scan: &Scan, sink: &mut impl FnMut(&Batch)) -> Result<(), SourceError> {
    let (mut enricher, mut batch, mut buffer) = (Enricher::new(scan.settings.clone()), Batch::default(), Vec::new());
    while let Some(piece) = pieces.next(buffer)? {
        batch.clear();
        parse_piece(&piece.bytes, 1, &piece.format, &mut enricher, scan.wanted, &mut batch);
        sink(&batch);
        buffer = piece.bytes;
    }
    Ok(())
}

/// A piece, its place in the order, and the memory to put the answer in.
type Job = (u64, Piece, Batch);
type Done = (u64, Vec<u8>, Batch);

fn on_threads(pieces: &mut Pieces, scan: &Scan, sink: &mut impl FnMut(&Batch)) -> Result<(), SourceError> {
    let in_flight = 2 * scan.threads as u64;
    let (to_workers, jobs) = sync_channel::<Job>(in_flight as usize);
    let (to_us, done) = sync_channel::<Done>(in_flight as usize);
    let jobs = Arc::new(Mutex::new(jobs));
    thread::scope(|scope| {
        for _ in 0..scan.threads {
            let (jobs, to_us) = (jobs.clone(), to_us.clone());
            scope.spawn(move || work(&jobs, &to_us, scan));
        }
        drop(to_us);
        let mut order = Order::default();
        let mut sent = 0;
        let result = loop {
            if sent - order.next == in_flight {
                order.receive(&done, sink);
                continue;
            }
            match pieces.next(order.buffers.pop().unwrap_or_default()) {
                Err(error) => break Err(error),
                Ok(None) => break Ok(()),
                Ok(Some(piece)) => {
                    let batch = order.batches.pop().unwrap_or_default();
                    if to_workers.send((sent, piece, batch)).is_err() {
                        break Ok(());
                    }
                    sent += 1;
                }
            }
        };
        drop(to_workers);
        while order.next < sent && order.receive(&done, sink) {}
        result
    })
}

fn work(jobs: &Mutex<Receiver<Job>>, to_us: &SyncSender<Done>, scan: &Scan) {
    let mut enricher = Enricher::new(scan.settings.clone());
    loop {
        let job = match jobs.lock() {
            Ok(jobs) => jobs.recv(),
            Err(_) => return,
        };
        let Ok((number, piece, mut batch)) = job else { return };
        batch.clear();
        parse_piece(&piece.bytes, 1, &piece.format, &mut enricher, scan.wanted, &mut batch);
        if to_us.send((number, piece.bytes, batch)).is_err() {
            return;
        }
    }
}

/// Puts finished pieces back in order, and keeps their memory for the next ones.
#[derive(Default)]
struct Order {
    next: u64,
    waiting: BTreeMap<u64, Batch>,
    buffers: Vec<Vec<u8>>,
    batches: Vec<Batch>,
}

impl Order {
    /// Waits for one finished piece and hands on all that are next. `false` when no worker is left.
    fn receive(&mut self, done: &Receiver<Done>, sink: &mut impl FnMut(&Batch)) -> bool {
        let Ok((number, buffer, batch)) = done.recv() else { return false };
        self.buffers.push(buffer);
        self.waiting.insert(number, batch);
        while let Some(batch) = self.waiting.remove(&self.next) {
            sink(&batch);
            self.batches.push(batch);
            self.next += 1;
        }
        true
    }
}
