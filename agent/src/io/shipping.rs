//! The task that ships: one report at a time, again and again until a collector took it or refused it for good.
//!
//! In: the oldest report of the spool. Out: what became of it. [`Courier`] decides; here is the network and the waiting.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use pitot_client::{Client, Error, Verdict};
use pitot_model::{Timestamp, api::Accepted};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::now;
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
    /// Refused for good, and why.
    Refused(String),
    /// Not yet: it will be tried again.
    Waiting,
}

/// The collectors, by their places in the configuration; changed by a reload.
pub(super) type Collectors = watch::Receiver<Arc<[Client]>>;

/// Ships what comes until nothing does. `tell` is called with what became of each report, and when the first attempt of one
/// failed.
pub(super) async fn ship(
    mut fronts: mpsc::Receiver<Front>,
    collectors: Collectors,
    store: String,
    seed: u64,
    tell: impl Fn(Shipment),
) {
    let n_collectors = collectors.borrow().len();
    let mut task = Task { collectors, courier: Courier::new(n_collectors, store, seed), is_away: false, skew: 0 };
    while let Some(front) = fronts.recv().await {
        let number = front.number;
        let fate = task.deliver(front, || tell(Shipment { number, fate: Fate::Waiting })).await;
        tell(Shipment { number, fate });
    }
}

struct Task {
    collectors: Collectors,
    courier: Courier,
    /// Whether it was told that no collector takes reports.
    is_away: bool,
    /// Difference of clocks as it was told last, in whole minutes and parts of 5 s.
    skew: i64,
}

impl Task {
    async fn deliver(&mut self, front: Front, wait: impl Fn()) -> Fate {
        loop {
            match self.courier.step() {
                Step::Send(place) => {
                    let client = self.collectors.borrow().get(place).cloned();
                    let Some(client) = client else {
                        self.change();
                        continue;
                    };
                    if let Some(fate) = self.attempt(&client, &front).await {
                        return fate;
                    }
                }
                Step::Wait(duration) => {
                    wait();
                    tokio::select! {
                        () = tokio::time::sleep(duration) => {}
                        Ok(()) = self.collectors.changed() => self.change(),
                    }
                }
            }
        }
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
                Some(Fate::Refused(error.to_string()))
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
        self.courier.change(n_collectors);
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
