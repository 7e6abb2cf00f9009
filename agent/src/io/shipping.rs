//! The task that ships: one report at a time, again and again until a collector took it or refused it for good.
//!
//! In: the oldest report of the spool. Out: what became of it. [`Courier`] decides; here is the network and the waiting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pitot_client::{Client, Error, Verdict};
use pitot_model::{Timestamp, api::Accepted};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use super::{
    now,
    reader::{Event, Mail},
};
use crate::{
    ship::{Courier, Failure, Step},
    spool::Front,
};

/// Difference of clocks that is told.
const SKEW: Duration = Duration::from_secs(5);

/// What became of a report.
#[derive(Debug)]
pub(super) struct Shipment {
    /// Its number in the spool.
    pub(super) number: u64,
    pub(super) fate: Fate,
}

/// See [`Shipment`].
#[derive(Debug)]
pub(super) enum Fate {
    /// Stored.
    Taken(Accepted),
    /// Refused for good, and why; and whether since another report has its sequence.
    Refused(String, bool),
    /// Not yet: it will be tried again.
    Waiting,
}

/// The collectors, by their places in the configuration; changed by a reload.
pub(super) type Collectors = watch::Receiver<Arc<[Client]>>;

/// What the spool keeps in the place of a store's id, before one is known: the collector that was asked.
const ASKED: &str = "asked ";

/// The kind of problem that says that another report has the same sequence.
const CONFLICT: &str = "/problems/conflict";

/// Ships what comes until nothing does. `known` is what the spool knows of the store. `tell` is called with what became of
/// each report, and when the first attempts of one failed.
pub(super) async fn ship(
    mut fronts: mpsc::Receiver<Front>,
    collectors: Collectors,
    known: String,
    seed: u64,
    mail: Mail,
) {
    let mut task = Task::new(collectors, &known, seed, mail);
    while let Some(front) = fronts.recv().await {
        let number = front.number;
        let fate = task.deliver(front).await;
        task.mail.tell(Event::Shipped(Shipment { number, fate }));
    }
}

struct Task {
    mail: Mail,
    collectors: Collectors,
    courier: Courier,
    /// The collector that was written down as asked, while no store is known.
    asked: String,
    /// Whether it was told that no collector takes reports.
    is_away: bool,
    /// Difference of clocks as it was told last, in steps of [`SKEW`].
    skew: i64,
}

impl Task {
    fn new(collectors: Collectors, known: &str, seed: u64, mail: Mail) -> Self {
        let (asked, store) = match known.strip_prefix(ASKED) {
            Some(asked) => (asked.to_owned(), String::new()),
            None => (String::new(), known.to_owned()),
        };
        let (n_collectors, bound) = (collectors.borrow().len(), place(&collectors, &asked));
        let courier = Courier::new(n_collectors, store, bound, seed);
        Self { mail, collectors, courier, asked, is_away: false, skew: 0 }
    }

    async fn deliver(&mut self, front: Front) -> Fate {
        loop {
            match self.courier.step() {
                Step::Send(place) => {
                    let client = self.collectors.borrow().get(place).cloned();
                    let Some(client) = client else {
                        self.change();
                        continue;
                    };
                    if !self.write_down(&client).await {
                        self.courier.failed(Failure::default());
                    } else if let Some(fate) = self.attempt(&client, &front).await {
                        return fate;
                    }
                }
                Step::Wait(duration) => {
                    self.mail.tell(Event::Shipped(Shipment { number: front.number, fate: Fate::Waiting }));
                    tokio::select! {
                        () = tokio::time::sleep(duration) => {}
                        Ok(()) = self.collectors.changed() => self.change(),
                    }
                }
            }
        }
    }

    /// Has it written down who is asked, before it is asked, as long as no store is known. Whether it is.
    async fn write_down(&mut self, client: &Client) -> bool {
        if !self.courier.is_new() || self.asked == client.target() {
            return true;
        }
        let (done, is_done) = oneshot::channel();
        self.mail.tell(Event::Asking(format!("{ASKED}{}", client.target()), done));
        let is_written = is_done.await.unwrap_or(false);
        if is_written {
            self.asked = client.target().to_owned();
        }
        is_written
    }

    /// What became of the report, if it is known now.
    async fn attempt(&mut self, client: &Client, front: &Front) -> Option<Fate> {
        let (sent, began) = (now(), Instant::now());
        match client.report(front.bytes.clone(), sent, self.courier.store()).await {
            Ok(accepted) => {
                if std::mem::take(&mut self.is_away) {
                    info!(collector = client.target(), "reports are taken again");
                }
                if self.courier.taken(&accepted.store) {
                    warn!(collector = client.target(), "the collector's store is another one than before");
                }
                self.note_clock(&accepted, sent, began.elapsed());
                Some(Fate::Taken(accepted))
            }
            Err(error) if error.verdict() == Verdict::Never => {
                self.courier.refused();
                let has_conflict = matches!(&error, Error::Problem(problem) if problem.kind == CONFLICT);
                Some(Fate::Refused(error.to_string(), has_conflict))
            }
            Err(error) => {
                self.note_failure(client, &error);
                self.courier.failed(Failure {
                    may_have_arrived: error.may_have_arrived(),
                    needs_change: error.verdict() == Verdict::Wait,
                    retry_after: error.retry_after(),
                });
                None
            }
        }
    }

    /// Other collectors from now on; what is known of the store stays.
    fn change(&mut self) {
        let n_collectors = self.collectors.borrow_and_update().len();
        self.courier.change(n_collectors, place(&self.collectors, &self.asked));
    }

    /// Told once until it is over: it is tried again and again.
    fn note_failure(&mut self, client: &Client, error: &Error) {
        if !std::mem::replace(&mut self.is_away, true) {
            warn!(%error, collector = client.target(), "report not taken; it waits in the spool");
        }
    }

    fn note_clock(&mut self, accepted: &Accepted, sent: Timestamp, took: Duration) {
        let Some(theirs) = accepted.now else { return };
        let ours = sent + took / 2;
        let offset_ms = (ours.as_micros() - theirs.as_micros()) / 1_000;
        let step_ms = SKEW.as_millis() as i64;
        let skew = if offset_ms.abs() < step_ms { 0 } else { offset_ms / step_ms };
        if skew != 0 && self.skew == 0 {
            warn!(offset_ms, "this machine's clock differs from the collector's; set it, or times are off by as much");
        }
        self.skew = skew;
    }
}

/// Where this collector is now.
fn place(collectors: &Collectors, target: &str) -> Option<usize> {
    collectors.borrow().iter().position(|client| client.target() == target)
}
