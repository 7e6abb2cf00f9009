//! The running collector: one thread owns the store and the detectors, everything else asks it.
//!
//! In: a [`Config`]. Out: a [`Collector`], which is a handle to that thread: reports and questions go in through a bounded
//! channel, answers come back one by one. The HTTP API is a router over the handle, so a server and a dashboard in the
//! same process use the same code.
//!
//! **When something goes wrong that never should**: a question or report that panics is answered with 500, counted in
//! `pitot_panics_total`, and the next one is served. What belongs together is written in one batch, so nothing is half
//! stored. A tick that panics would panic again: then the thread ends, and [`Collector::serve`] with an error, so that
//! whoever supervises the process starts it anew.

mod config;
mod core;
mod record;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use pitot_model::{
    Report, Timestamp,
    api::{Accepted, LiveEvent, Problem},
};
use tokio::sync::{Semaphore, SemaphorePermit, broadcast, oneshot, watch};

pub use self::config::{Config, OpenError};
pub(crate) use self::core::Core;
use crate::{
    ingest::{self, Encoding},
    io::{
        api,
        clock::{self, Clock},
    },
};

/// Questions and reports that wait for the owner thread at a time; further ones wait for their turn before that.
const JOBS: usize = 64;

/// Reports that are decompressed and decoded at a time, and wait to be stored: bounds the memory that they take to a few
/// times their greatest size.
const DECODERS: usize = 2;

/// Bytes of bodies in memory at a time, beyond [`BODY_FREE`] of each; a body that would need more is refused with 503.
const BODIES: usize = 128 << 20;

/// Bytes of each body that need no room in [`BODIES`]: what most reports have. So those who send large bodies slowly keep
/// out each other, but no ordinary agent.
pub(crate) const BODY_FREE: usize = 64 << 10;

/// Bodies that are read at a time; further ones wait.
const READERS: usize = 1_024;

/// How often the owner thread looks at the clock when nothing happens.
const TICK: Duration = Duration::from_millis(250);

/// Events that a slow reader of the live stream may lag behind; older ones are left out for it.
const LIVE: usize = 256;

/// How long connections may take to end once a stop was asked for.
const STOP: Duration = Duration::from_secs(10);

type Ask = Box<dyn FnOnce(&mut Core) + Send>;

enum Job {
    Ask(Ask),
    Stop(oneshot::Sender<()>),
}

/// A handle to a running collector; clones are the same collector. It stops by [`Collector::close`], or when the last
/// handle is dropped.
#[derive(Clone)]
pub struct Collector {
    shared: Arc<Shared>,
}

struct Shared {
    jobs: mpsc::SyncSender<Job>,
    turns: Arc<Semaphore>,
    decoders: Semaphore,
    readers: Semaphore,
    bodies: Semaphore,
    live: broadcast::Sender<LiveEvent>,
    closing: watch::Sender<bool>,
    /// Why the owner thread cannot go on.
    fatal: Arc<watch::Sender<Option<String>>>,
    clock: Clock,
}

/// Opens the store and starts the owner thread.
pub fn open(config: Config) -> Result<Collector, OpenError> {
    open_at(config, clock::system())
}

/// As [`open`], by another clock.
pub fn open_at(config: Config, clock: Clock) -> Result<Collector, OpenError> {
    let (live, _) = broadcast::channel(LIVE);
    let core = Core::open(config, live.clone(), &clock)?;
    // One more than there are turns: a stop never waits for a place.
    let (jobs, inbox) = mpsc::sync_channel(JOBS + 1);
    let (ticking, fatal) = (clock.clone(), Arc::new(watch::Sender::new(None)));
    let told = fatal.clone();
    thread::Builder::new()
        .name("store".into())
        .spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(|| own(core, &inbox, &ticking)));
            let cause = match ended {
                Ok(Ok(())) => return,
                Ok(Err(cause)) => cause,
                Err(_) => "the thread of the store panicked; see the log and report it".to_owned(),
            };
            tracing::error!(cause, "the collector cannot go on");
            told.send_replace(Some(cause));
        })
        .map_err(OpenError::Thread)?;
    let (turns, decoders) = (Arc::new(Semaphore::new(JOBS)), Semaphore::new(DECODERS));
    let (readers, bodies) = (Semaphore::new(READERS), Semaphore::new(BODIES));
    let shared =
        Shared { jobs, turns, decoders, readers, bodies, live, closing: watch::Sender::new(false), fatal, clock };
    Ok(Collector { shared: Arc::new(shared) })
}

/// The life of the owner thread; an error is why it cannot go on.
fn own(mut core: Core, inbox: &mpsc::Receiver<Job>, clock: &Clock) -> Result<(), String> {
    let mut next = clock();
    loop {
        match inbox.recv_timeout(TICK) {
            Ok(Job::Ask(ask)) => ask(&mut core),
            Ok(Job::Stop(done)) => {
                core.close(clock());
                let _ = done.send(());
                return Ok(());
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                core.close(clock());
                return Ok(());
            }
        }
        let now = clock();
        // A clock that was set back must not stop the ticks until it has caught up.
        if now >= next || now + TICK < next {
            core.tick(now)?;
            next = now + TICK;
        }
    }
}

impl Collector {
    /// The HTTP API, `/metrics` and the page. Needs no connection: `tower`'s `oneshot` serves a dashboard in the same
    /// process.
    pub fn router(&self) -> axum::Router {
        api::router(self.clone())
    }

    /// Serves the API until `shutdown` resolves, then lets connections end, for ten seconds at most. An error says why
    /// the collector could not go on; the process should end then, and be started anew.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let closing = self.shared.closing.clone();
        let (asked, was_asked) = oneshot::channel();
        let server = axum::serve(listener, self.router()).with_graceful_shutdown(async move {
            shutdown.await;
            // Live streams end by themselves only when told.
            closing.send_replace(true);
            let _ = asked.send(());
        });
        let too_long = async {
            let _ = was_asked.await;
            tokio::time::sleep(STOP).await;
        };
        tokio::select! {
            ended = server.into_future() => ended,
            cause = self.fatal() => Err(std::io::Error::other(cause)),
            () = too_long => {
                tracing::warn!(limit_s = STOP.as_secs(), "connections did not end in time");
                Ok(())
            }
        }
    }

    /// Takes the bytes of a report.
    pub async fn ingest_bytes(&self, body: Bytes, encoding: Encoding) -> Result<Accepted, Problem> {
        let turn = self.shared.decoders.acquire().await.map_err(|_| stopped())?;
        let decoded = tokio::task::spawn_blocking(move || ingest::decode(&body, encoding)).await;
        let answer = match decoded.map_err(|_| broken())? {
            Ok(report) => self.ingest(report).await,
            Err(refusal) => {
                self.ask(|core, _| core.refuse()).await?;
                Err(refusal.problem())
            }
        };
        // Decoded reports that wait are bounded as well.
        drop(turn);
        answer
    }

    /// A turn to read a body.
    pub(crate) async fn reader(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.shared.readers.acquire().await.map_err(|_| stopped())
    }

    /// Room for so many bytes of bodies; `None` when there is none at the moment.
    pub(crate) fn room(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        self.shared.bodies.try_acquire_many(u32::try_from(bytes).ok()?).ok()
    }

    /// Takes a report that was never bytes.
    pub async fn ingest(&self, report: Report) -> Result<Accepted, Problem> {
        self.ask(move |core, now| core.ingest(report, now)).await?
    }

    /// Stops intake, brings everything to disk and ends the owner thread. Other handles answer 503 from then on.
    pub async fn close(self) {
        self.shared.closing.send_replace(true);
        let (done, is_done) = oneshot::channel();
        if self.shared.jobs.send(Job::Stop(done)).is_ok() {
            let _ = is_done.await;
        }
    }

    /// Runs something on the owner thread, once there is room.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Core, Timestamp) -> R + Send + 'static,
    ) -> Result<R, Problem> {
        let turn = self.shared.turns.clone().acquire_owned().await.map_err(|_| stopped())?;
        let (reply, answer) = oneshot::channel();
        let clock = self.shared.clock.clone();
        let ask: Ask = Box::new(move |core| {
            // A caller that went away needs no answer, and a report that it did not see stored comes again.
            if !reply.is_closed() {
                let answer = catch_unwind(AssertUnwindSafe(|| what(core, clock())));
                if answer.is_err() {
                    core.panicked();
                }
                let _ = reply.send(answer.map_err(|_| broken()));
            }
            drop(turn);
        });
        self.shared.jobs.try_send(Job::Ask(ask)).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Why the owner thread ended by itself; never resolves as long as it goes on, or was told to end.
    fn fatal(&self) -> impl Future<Output = String> + Send + use<> {
        let mut fatal = self.shared.fatal.subscribe();
        async move {
            if let Ok(cause) = fatal.wait_for(Option::is_some).await
                && let Some(cause) = cause.clone()
            {
                return cause;
            }
            std::future::pending().await
        }
    }

    /// Events from now on.
    pub(crate) fn live(&self) -> broadcast::Receiver<LiveEvent> {
        self.shared.live.subscribe()
    }

    /// Resolves when the collector stops.
    pub(crate) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.shared.closing.subscribe();
        async move {
            let _ = closing.wait_for(|is_closing| *is_closing).await;
        }
    }
}

fn broken() -> Problem {
    Problem {
        kind: "/problems/bug".into(),
        title: "the collector made a mistake".into(),
        status: 500,
        detail: "answering this failed by a bug of pitot; see its log, and please report it".into(),
        at: None,
        retry_after_s: None,
    }
}

fn stopped() -> Problem {
    Problem {
        kind: "/problems/stopped".into(),
        title: "the collector is stopping".into(),
        status: 503,
        detail: "the collector is stopping; try again in a moment".into(),
        at: None,
        retry_after_s: None,
    }
}
