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
mod lanes;
mod owner;
mod record;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock, mpsc},
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
pub use self::core::ReconfigureError;
use self::lanes::Lanes;
use self::owner::{Ask, Job, own};
use crate::{
    fleet::Arrival,
    ingest::{self, Encoding, Refusal},
    io::{
        api,
        clock::{self, Clock},
        door::{Door, Turned, TurnedAway},
        listen,
    },
    metrics::Refusals,
};

/// Questions and reports that wait for the owner thread at a time; further ones wait for their turn before that. Twice as
/// many as there are decoded reports, so that those do not take all turns.
const JOBS: usize = 2 * DECODED;

/// Reports that are decompressed and decoded at a time; one larger than [`SMALL`] keeps its place until it is stored.
/// Bounds the memory that they take to a few times their greatest size.
const DECODERS: usize = 2;

/// Bytes of a report, decompressed, that most have. So small ones can wait together for one write through to the disk.
const SMALL: usize = 128 << 10;

/// Reports that are decoded, or decoded and not yet stored, at a time.
const DECODED: usize = 64;

/// Bytes of bodies in memory at a time, beyond [`BODY_FREE`] of each; a body that would need more is refused with 503.
const BODIES: usize = 128 << 20;

/// Bytes of each body that need no room in [`BODIES`]: what most reports have. So those who send large bodies slowly keep
/// out each other, but no ordinary agent.
pub(crate) const BODY_FREE: usize = 64 << 10;

/// Bodies that are read at a time; further ones wait.
const READERS: usize = 1_024;

/// How long they wait before they are refused with 503.
const READER_WAIT: Duration = Duration::from_secs(10);

/// Events that a slow reader of the live stream may lag behind; older ones are left out for it.
const LIVE: usize = 256;

/// How long connections may take to end once a stop was asked for.
const STOP: Duration = Duration::from_secs(10);

/// A handle to a running collector; clones are the same collector. It stops by [`Collector::close`], or when the last
/// handle is dropped.
#[derive(Clone)]
pub struct Collector {
    shared: Arc<Shared>,
}

struct Shared {
    jobs: mpsc::SyncSender<Job>,
    turns: Arc<Semaphore>,
    decoders: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
    readers: Semaphore,
    bodies: Semaphore,
    lanes: Arc<Lanes>,
    refusals: Arc<Refusals>,
    /// Id of the store.
    store: String,
    live: broadcast::Sender<LiveEvent>,
    closing: watch::Sender<bool>,
    /// Why the owner thread cannot go on.
    fatal: Arc<watch::Sender<Option<String>>>,
    door: RwLock<Arc<Door>>,
    turned_away: TurnedAway,
    clock: Clock,
}

/// Opens the store and starts the owner thread.
pub fn open(config: Config) -> Result<Collector, OpenError> {
    open_at(config, clock::system())
}

/// As [`open`], by another clock.
pub fn open_at(config: Config, clock: Clock) -> Result<Collector, OpenError> {
    let door = RwLock::new(Arc::new(Door::open(&config)?));
    let (live, _) = broadcast::channel(LIVE);
    let core = Core::open(config, live.clone(), &clock)?;
    let (refusals, store) = (core.refusals(), core.context(clock()).store.id().to_owned());
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
    let [turns, decoders, decoded] = [JOBS, DECODERS, DECODED].map(|n| Arc::new(Semaphore::new(n)));
    let (readers, bodies) = (Semaphore::new(READERS), Semaphore::new(BODIES));
    let (lanes, closing) = (Arc::default(), watch::Sender::new(false));
    let turned_away = TurnedAway::default();
    let shared = Shared {
        jobs,
        turns,
        decoders,
        decoded,
        readers,
        bodies,
        lanes,
        refusals,
        store,
        live,
        closing,
        fatal,
        door,
        turned_away,
        clock,
    };
    Ok(Collector { shared: Arc::new(shared) })
}

impl Collector {
    /// The HTTP API, `/metrics` and the page. Needs no connection: `tower`'s `oneshot` serves a dashboard in the same
    /// process.
    pub fn router(&self) -> axum::Router {
        api::router(self.clone())
    }

    /// Serves the API, over TLS where it is configured, until `shutdown` resolves, then lets connections end, for ten
    /// seconds at most. An error says why the collector could not go on; the process should end then, and be started
    /// anew.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        let closing = self.shared.closing.clone();
        let (asked, was_asked) = oneshot::channel();
        let stop = async move {
            shutdown.await;
            // Live streams end by themselves only when told.
            closing.send_replace(true);
            let _ = asked.send(());
        };
        let too_long = async {
            let _ = was_asked.await;
            tokio::time::sleep(STOP).await;
        };
        tokio::select! {
            () = listen::listen(self, listener, stop) => Ok(()),
            cause = self.fatal() => Err(std::io::Error::other(cause)),
            () = too_long => {
                tracing::warn!(limit_s = STOP.as_secs(), "connections did not end in time");
                Ok(())
            }
        }
    }

    /// Who is let in at the moment.
    pub(crate) fn door(&self) -> Arc<Door> {
        self.shared.door.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another door, for whoever comes from now on.
    pub(crate) fn set_door(&self, door: Door) {
        *self.shared.door.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(door);
    }

    /// Counts somebody who was not let in; whether the log should tell.
    pub(crate) fn turn_away(&self, why: Turned) -> bool {
        self.shared.turned_away.count(why, (self.shared.clock)())
    }

    /// Lines for `/metrics` that tell how many were not let in.
    pub(crate) fn turned_away(&self) -> String {
        self.shared.turned_away.render()
    }

    /// Takes the bytes of a report. `sent` is when they were sent, by the sender's clock; `None` where that is not known.
    pub async fn ingest_bytes(
        &self,
        body: Bytes,
        encoding: Encoding,
        sent: Option<Timestamp>,
    ) -> Result<Accepted, Problem> {
        self.take_bytes(body, encoding, sent).await.map_err(|problem| self.refused(problem))
    }

    async fn take_bytes(&self, body: Bytes, encoding: Encoding, sent: Option<Timestamp>) -> Result<Accepted, Problem> {
        let agent = ingest::agent_of(&body, encoding).unwrap_or_default();
        let lane = self.shared.lanes.enter(&agent).ok_or_else(|| Refusal::TooManyReports(agent).problem())?;
        let place = self.shared.decoded.clone().acquire_owned().await.map_err(|_| stopped())?;
        let turn = self.shared.decoders.clone().acquire_owned().await.map_err(|_| stopped())?;
        let decoded = tokio::task::spawn_blocking(move || ingest::decode_sized(&body, encoding)).await;
        let (report, n_bytes) = decoded.map_err(|_| broken())?.map_err(|refusal| refusal.problem())?;
        let turn = Some(turn).filter(|_| n_bytes > SMALL);
        self.take(report, sent, (lane, place, turn)).await
    }

    /// Id of the store.
    pub(crate) fn store_id(&self) -> &str {
        &self.shared.store
    }

    /// Counts a report that is refused, by the kind of the problem.
    pub(crate) fn refused(&self, problem: Problem) -> Problem {
        self.shared.refusals.count(&problem.kind);
        problem
    }

    /// A turn to read a body; `None` when there is none for long.
    pub(crate) async fn reader(&self) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(READER_WAIT, self.shared.readers.acquire()).await.ok()?.ok()
    }

    /// Room for so many bytes of bodies; `None` when there is none at the moment.
    pub(crate) fn room(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        self.shared.bodies.try_acquire_many(u32::try_from(bytes).ok()?).ok()
    }

    /// Takes a report that was never bytes.
    pub async fn ingest(&self, report: Report) -> Result<Accepted, Problem> {
        self.take(report, None, ()).await.map_err(|problem| self.refused(problem))
    }

    /// Takes a report, and gives back its place when it is stored. It is acknowledged when it is on disk.
    async fn take(
        &self,
        report: Report,
        sent: Option<Timestamp>,
        place: impl Send + 'static,
    ) -> Result<Accepted, Problem> {
        let take = move |core: &mut Core, now| {
            let answer = core.ingest(report, Arrival { sent, now });
            drop(place);
            answer
        };
        self.submit(take, Result::is_ok, Job::Report).await?
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
        self.submit(what, |_| false, Job::Ask).await
    }

    /// As [`Collector::ask`]; an answer that `must_last` is given once everything that was stored is on disk.
    async fn submit<R: Send + 'static>(
        &self,
        what: impl FnOnce(&mut Core, Timestamp) -> R + Send + 'static,
        must_last: fn(&R) -> bool,
        job: fn(Ask) -> Job,
    ) -> Result<R, Problem> {
        let turn = self.shared.turns.clone().acquire_owned().await.map_err(|_| stopped())?;
        let (reply, answer) = oneshot::channel();
        let clock = self.shared.clock.clone();
        let ask: Ask = Box::new(move |core| {
            let _turn = turn;
            // A caller that went away needs no answer, and a report that it did not see stored comes again.
            if reply.is_closed() {
                return None;
            }
            let answer = catch_unwind(AssertUnwindSafe(|| what(core, clock())));
            if answer.is_err() {
                core.panicked();
            }
            let answer = answer.map_err(|_| broken());
            if !answer.as_ref().is_ok_and(must_last) {
                let _ = reply.send(answer);
                return None;
            }
            Some(Box::new(move |synced| drop(reply.send(synced.and(answer)))))
        });
        self.shared.jobs.try_send(job(ask)).map_err(|_| stopped())?;
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
        retry_after_s: Some(1),
    }
}
