//! A live capture on a thread of its own, beside the files that a daemon follows.
//!
//! In: an open capture. Out: batches and what is open, over a bounded channel. Packets do not wait: while nobody takes a
//! batch it grows up to a limit, and then its transactions are dropped and counted.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender, TryRecvError, TrySendError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use pitot_model::Gauges;

use super::capture::{CaptureError, Live};
use crate::{
    enrich::Settings,
    packets::{Options, Packets},
    window::Batch,
};

/// Batches on their way.
const QUEUE: usize = 4;
/// Transactions of one batch, of 40 bytes and more each; further ones are dropped while nobody takes it.
const ROWS: usize = 64 << 10;
/// Transactions that are handed on before their time.
const MANY: usize = 8 << 10;
/// Time between two batches.
const EVERY: Duration = Duration::from_millis(100);

/// What is captured, and how it is read.
pub struct Captures {
    /// The open capture.
    pub live: Live,
    /// How its packets are read.
    pub packets: Options,
}

/// The thread's other end.
pub(super) struct Capturing {
    batches: Receiver<(Batch, Gauges)>,
    empty: SyncSender<Batch>,
    is_over: bool,
    stopping: Arc<AtomicBool>,
    /// Other settings, until the thread takes them.
    next: Arc<Mutex<Option<Arc<Settings>>>>,
    thread: JoinHandle<Result<(), CaptureError>>,
}

impl Capturing {
    /// Captures until it is stopped.
    pub(super) fn start(captures: Captures, settings: Arc<Settings>) -> Self {
        let (to_us, batches) = mpsc::sync_channel(QUEUE);
        let (empty, empties) = mpsc::sync_channel(QUEUE);
        let (stopping, next) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(None)));
        let orders = Orders { stopping: stopping.clone(), next: next.clone() };
        let thread = thread::spawn(move || capture(captures, settings, &to_us, &empties, &orders));
        Self { batches, empty, is_over: false, stopping, next, thread }
    }

    /// Ends the capture; what was captured so far is still to be taken.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// From the next batch on, names are told by these settings.
    pub(super) fn set(&self, settings: Arc<Settings>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(settings);
    }

    /// The next batch, if there is one.
    pub(super) fn next(&mut self) -> Option<(Batch, Gauges)> {
        match self.batches.try_recv() {
            Ok(next) => Some(next),
            Err(error) => {
                self.is_over = error == TryRecvError::Disconnected;
                None
            }
        }
    }

    /// Gives a batch back, so that its memory is used again.
    pub(super) fn give_back(&self, batch: Batch) {
        // Where there are enough, it is freed.
        let _ = self.empty.try_send(batch);
    }

    /// Whether nothing will come any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Why it is over, where nobody stopped it. Waits for its end.
    pub(super) fn failure(self) -> Option<String> {
        match self.thread.join() {
            Ok(result) => result.err().map(|error| error.to_string()),
            Err(_) => Some("the capture's thread broke off; this is a bug of pitot".to_owned()),
        }
    }
}

/// What the thread is told.
struct Orders {
    stopping: Arc<AtomicBool>,
    next: Arc<Mutex<Option<Arc<Settings>>>>,
}

impl Orders {
    fn take_settings(&self) -> Option<Arc<Settings>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn capture(
    captures: Captures,
    settings: Arc<Settings>,
    to_us: &SyncSender<(Batch, Gauges)>,
    empties: &Receiver<Batch>,
    orders: &Orders,
) -> Result<(), CaptureError> {
    let Captures { mut live, packets } = captures;
    let mut packets = Packets::new(settings, packets, Batch::default());
    let mut due = Instant::now() + EVERY;
    // Whoever starts it again gives it the privilege to go on.
    while !orders.stopping.load(Ordering::Relaxed) && live.failure().is_none() {
        live.pump(&mut packets);
        if packets.visitor().len() < MANY && Instant::now() < due {
            continue;
        }
        due = Instant::now() + EVERY;
        let gauges = packets.gauges();
        let batch = packets.take_batch(empties.try_recv().unwrap_or_default());
        if let Some(settings) = orders.take_settings() {
            packets.set(settings);
        }
        match to_us.try_send((batch, gauges)) {
            Ok(()) => {}
            Err(TrySendError::Disconnected(_)) => return Ok(()),
            Err(TrySendError::Full((mut batch, _))) => {
                if batch.len() >= ROWS {
                    batch.drop_rows();
                }
                packets.put_back(batch);
            }
        }
    }
    live.finish(&mut packets);
    let gauges = packets.gauges();
    // Who stopped waits for it.
    let _ = to_us.send((packets.take_batch(Batch::default()), gauges));
    live.failure().map_or(Ok(()), |error| Err(error.clone()))
}
