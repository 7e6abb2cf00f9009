//! Syslog messages as a source of lines, beside the files that a daemon follows.
//!
//! In: addresses to listen on. Out: batches. One thread receives from all sockets and takes the headers off; the owner of
//! the windows takes lines from a bounded queue for each address.
//!
//! ```text
//! UDP, Unix datagrams ─ receive ─┐
//! TCP, Unix streams ─ framing ───┴► header ─► Queue ─► Text (format, parsing) ─► Batch
//! ```
//!
//! Datagrams do not wait: what comes while the queue is full is dropped and counted (`message_dropped`), as is what the
//! kernel dropped before it could be received. Streams do: nothing more is read from them until there is room again.

mod drops;
mod listen;
mod queue;
mod receive;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use tokio::{sync::watch, task::LocalSet};
use tracing::info;

pub use self::listen::{Listen, ListenError};
use self::queue::{Block, Queue};
use super::follow::Text;
use crate::{enrich::Enricher, log::Format, parse::Wanted, window::Batch};

/// An address to receive on, and what the operator says about what comes.
#[derive(Debug, Clone)]
pub struct SyslogSpec {
    /// Where to listen.
    pub listen: Listen,
    /// How the messages are written; detected from the first ones when absent.
    pub format: Option<Format>,
    /// Field whose value is the consumer; applied to a detected format too.
    pub consumer: Option<String>,
    /// The only tag (app name) whose messages are read, where not all are; others are counted as foreign.
    pub tag: Option<String>,
    /// Permissions of the file of a Unix socket.
    pub mode: u32,
}

impl SyslogSpec {
    /// Permissions of the file of a Unix socket: anyone may log, as to `/dev/log`, since web servers and agents seldom are
    /// the same user.
    pub const MODE: u32 = 0o666;

    /// Everything that comes to an address, in a format that is detected.
    pub fn of(listen: Listen) -> Self {
        Self { listen, format: None, consumer: None, tag: None, mode: Self::MODE }
    }
}

/// Why nothing can be received on an address.
#[derive(Debug, thiserror::Error)]
pub enum SyslogError {
    /// The address is taken, not of this machine, or not allowed.
    #[error(
        "cannot listen on `{listen}`: {error}; use an address of this machine that is free, with a port from 1024 on"
    )]
    Bind {
        /// The address.
        listen: Listen,
        /// Why.
        error: io::Error,
    },
    /// The socket's file cannot be made.
    #[error("cannot listen on `{listen}`: {error}; use a path in a directory that can be written to")]
    Path {
        /// The address.
        listen: Listen,
        /// Why.
        error: io::Error,
    },
    /// Another process listens there.
    #[error("cannot listen on `{}`: another process does; stop it or use another path", .0.display())]
    InUse(PathBuf),
    /// There is something else.
    #[error("cannot listen on `{}`: it is no socket; remove it or use another path", .0.display())]
    NotASocket(PathBuf),
    /// Nothing can be received at all.
    #[error("cannot receive syslog messages: {0}; let it have more processes and open files")]
    Receive(io::Error),
}

/// Messages from which a format is detected again, since more of them tell more; none after the last.
const SAMPLES: [usize; 4] = [1, 10, 100, 500];

/// Bytes of messages that are kept for that.
const SAMPLE_BYTES: usize = 256 << 10;

/// What is received on some addresses.
pub(super) struct Syslog {
    sources: Vec<Source>,
    n_broken: Arc<AtomicU64>,
    stop: watch::Sender<bool>,
    /// Until it was waited for.
    thread: Option<JoinHandle<()>>,
}

impl Syslog {
    /// Listens on all addresses from now on. `wake` is called when there is news, from another thread.
    ///
    /// # Errors
    /// What keeps it from listening on the first address where it cannot.
    pub(super) fn start(specs: &[SyslogSpec], wake: Arc<dyn Fn() + Send + Sync>) -> Result<Self, SyslogError> {
        let queue = move |spec: &SyslogSpec| Arc::new(Queue::new(spec.tag.clone(), wake.clone()));
        let (mut sources, mut sockets) = (Vec::new(), Vec::new());
        for spec in specs {
            let socket = listen::bind(spec)?;
            let listen = socket.listening(spec);
            info!(%listen, "receiving syslog messages");
            let queue = queue(spec);
            sources.push(Source::new(&SyslogSpec { listen, ..spec.clone() }, queue.clone()));
            sockets.push((socket, queue));
        }
        let (stop, stopping) = watch::channel(false);
        let n_broken = Arc::new(AtomicU64::new(0));
        let mut syslog = Self { sources, n_broken: n_broken.clone(), stop, thread: None };
        if !specs.is_empty() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(SyslogError::Receive)?;
            let receive = receive::receive(sockets, stopping, n_broken);
            let receive = move || runtime.block_on(LocalSet::new().run_until(receive));
            let thread = thread::Builder::new().name("syslog".into()).spawn(receive);
            syslog.thread = Some(thread.map_err(SyslogError::Receive)?);
        }
        Ok(syslog)
    }

    /// Reads what came, at most about a chunk of every address, and gives the batches. Whether there was any.
    pub(super) fn read(
        &mut self,
        wanted: Wanted,
        enricher: &mut Enricher,
        batch: &mut Batch,
        each: &mut dyn FnMut(&Batch),
    ) -> bool {
        let mut has_read = false;
        for source in &mut self.sources {
            let Some(block) = source.queue.take() else { continue };
            has_read = true;
            batch.clear();
            source.read(&block, wanted, enricher, batch);
            each(batch);
            source.queue.give_back(block);
        }
        has_read
    }

    /// Ends receiving: no connection is accepted any more, and what lies in the sockets is received. It can be read until
    /// [`is_over`](Self::is_over).
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Whether nothing will come any more.
    pub(super) fn is_over(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished) && self.sources.iter().all(|s| s.queue.is_empty())
    }

    /// How many addresses there are, and on how many of them nothing can be received any more.
    pub(super) fn sources(&self) -> (u64, u64) {
        (self.sources.len() as u64, self.n_broken.load(Ordering::Relaxed))
    }
}

/// Lets go of the addresses: they can be used again when it returns.
impl Drop for Syslog {
    fn drop(&mut self) {
        self.sources.iter().for_each(|s| s.queue.close());
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One address.
struct Source {
    spec: SyslogSpec,
    queue: Arc<Queue>,
    text: Text,
    /// The first messages, while they may tell the format better.
    sample: Vec<u8>,
    /// How many of them there are, and after how many they are looked at.
    n_messages: usize,
    next: Option<usize>,
}

impl Source {
    fn new(spec: &SyslogSpec, queue: Arc<Queue>) -> Self {
        let next = spec.format.is_none().then_some(SAMPLES[0]);
        Self { spec: spec.clone(), queue, text: text(spec), sample: Vec::new(), n_messages: 0, next }
    }

    fn read(&mut self, block: &Block, wanted: Wanted, enricher: &mut Enricher, batch: &mut Batch) {
        if self.next.is_some() {
            self.learn(&block.lines);
        }
        if !block.lines.is_empty() {
            self.text.read(&block.lines, true, wanted, enricher, batch);
        }
        batch.coverage.merge(&block.coverage);
    }

    fn learn(&mut self, lines: &[u8]) {
        let Some(next) = self.next else { return };
        for line in lines.split_inclusive(|b| *b == b'\n') {
            let room = SAMPLE_BYTES - self.sample.len();
            if self.n_messages < SAMPLES[3] && line.len() <= room {
                self.sample.extend_from_slice(line);
            }
            self.n_messages += 1;
        }
        if self.n_messages < next {
            return;
        }
        let mut better = text(&self.spec);
        better.learn(&self.sample);
        if better.is_known() {
            self.text = better;
        }
        self.next = SAMPLES.into_iter().find(|n| *n > self.n_messages);
        if self.next.is_none() {
            self.sample = Vec::new();
        }
    }
}

fn text(spec: &SyslogSpec) -> Text {
    Text::new(&spec.listen.to_string(), spec.format.as_ref(), spec.consumer.as_deref(), "")
}

#[cfg(test)]
mod tests;
