//! The agent as a daemon: what it follows and captures, from its start to its end.
//!
//! One owner thread reads and counts ([`Reader`]), and takes what another one makes of packets; what it counted goes into
//! the spool, and a task ships that, report by report, until the collector took it. When the collector is away, the spool
//! fills; what happens when it is full is configured.

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use pitot_client::Client;
use pitot_model::{Coverage, TimeRange};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use super::{
    capturing::{Captures, Capturing},
    now,
    reader::{Event, Mail, Read, Reader},
    shipping,
    syslog::{SyslogError, SyslogSpec},
};
use crate::{
    enrich::Settings,
    log::Format,
    spool::{Spool, SpoolConfig, SpoolError},
};

/// Time beyond a stop's limit that a thread has to notice it.
const GRACE: Duration = Duration::from_secs(1);

/// A file to follow.
#[derive(Debug, Clone)]
pub struct Followed {
    /// Path, which need not exist yet, or a pattern (`/var/log/nginx/*.log`), or `-` for standard input.
    pub path: PathBuf,
    /// Its format; detected from its first lines when absent.
    pub format: Option<Format>,
    /// Field whose value is the consumer; applied to a detected format too.
    pub consumer: Option<String>,
    /// Whether it is read from its start, and not only what is written from now on.
    pub from_start: bool,
}

/// How the daemon works.
#[derive(Clone)]
pub struct Daemon {
    /// Stable name of this agent.
    pub name: String,
    /// Instance of the service that it stands beside; empty when not known.
    pub instance: String,
    /// Files to follow.
    pub files: Vec<Followed>,
    /// Addresses that take syslog.
    pub syslog: Vec<SyslogSpec>,
    /// What the operator says about routes, consumers and services.
    pub settings: Arc<Settings>,
    /// Width of the windows.
    pub window: Duration,
    /// Time between reports.
    pub ship_every: Duration,
    /// What of the files is wanted.
    pub range: TimeRange,
    /// Whether the collector keeps transactions of any age; else those older than it keeps are counted and left out.
    pub keeps_all: bool,
    /// Whether it ends by itself once all files were read to their ends, and the collector took everything.
    pub ends_when_read: bool,
    /// Where reports wait for the collector.
    pub spool: SpoolConfig,
    /// How long a stop may take.
    pub stop_within: Duration,
}

/// What a running daemon is told.
pub enum Order {
    /// Take another configuration, and say whether it was taken; if not, the old one stays whole.
    Reload(Box<Daemon>, Vec<Client>, oneshot::Sender<Result<(), String>>),
    /// Read what is there, ship it, and end within [`Daemon::stop_within`].
    Stop,
}

/// What a daemon did until it was stopped.
#[derive(Debug, Clone, Default)]
pub struct Shipped {
    /// What was read, counted and lost.
    pub coverage: Coverage,
    /// Reports that the collector took.
    pub reports: u64,
    /// Reports that wait in the spool.
    pub waiting: u64,
    /// Why it ended by itself: an interface that cannot be captured again.
    pub failure: Option<String>,
}

/// Why a daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// An address that is to take syslog.
    #[error(transparent)]
    Syslog(#[from] SyslogError),
}

impl Daemon {
    /// Whether this configuration can become that one without a restart; why not.
    pub(super) fn check_change(&self, next: &Self) -> Result<(), String> {
        let unchanged = [
            ("name", self.name == next.name),
            ("spool", self.spool == next.spool),
            ("state", self.spool.directory == next.spool.directory),
        ];
        match unchanged.iter().find(|(_, is_same)| !is_same) {
            Some((key, _)) => Err(format!("`{key}` cannot change while the agent runs; restart it for that")),
            None => Ok(()),
        }
    }
}

/// Follows and ships until it is told to stop, everything is read that was to be read, or the capture fails for good. A
/// closed `orders` is a stop. The first of `clients` is asked first; the others where they share its store.
///
/// # Errors
/// Where it cannot start; nothing was read then.
pub async fn run(
    daemon: Daemon,
    captures: Option<Captures>,
    clients: Vec<Client>,
    mut orders: mpsc::Receiver<Order>,
) -> Result<Shipped, StartError> {
    let incarnation = u64::try_from(now().as_micros()).unwrap_or(0);
    let spool = Spool::open(&daemon.spool, &daemon.name, incarnation)?;
    let (store, seed) = (spool.0.store().to_owned(), incarnation);
    let (mail, inbox) = Mail::new();
    let (collectors, collectors_now) = watch::channel(Arc::from(clients));
    let (fronts, to_ship) = mpsc::channel(1);
    let stop_within = daemon.stop_within;
    let capturing = captures.map(|captures| Capturing::start(captures, daemon.settings.clone()));
    let reader = Reader::new(daemon, (mail.clone(), inbox), spool, capturing, fronts)?;
    let shipping = tokio::spawn(shipping::ship(to_ship, collectors_now, store, seed, mail.clone()));
    let mut reading =
        tokio::task::spawn_blocking(|| thread::spawn(|| reader.run()).join().unwrap_or_else(|_| Read::broken()));
    let mut read = None;
    while read.is_none() {
        tokio::select! {
            ended = &mut reading => read = Some(ended.unwrap_or_default()),
            order = orders.recv() => match order {
                Some(Order::Reload(next, clients, answer)) => {
                    reload(&mail, &collectors, *next, clients, answer).await;
                }
                Some(Order::Stop) | None => {
                    mail.tell(Event::Stop(Instant::now() + stop_within));
                    read = Some(tokio::time::timeout(stop_within + GRACE, &mut reading).await.map_or_else(
                        |_| Read::default(),
                        Result::unwrap_or_default,
                    ));
                }
            },
        }
    }
    shipping.abort();
    let read = read.unwrap_or_default();
    if read.n_waiting > 0 {
        warn!(reports = read.n_waiting, "stopped with reports that the collector did not take; they wait in the spool");
    }
    Ok(Shipped { coverage: read.coverage, reports: read.n_taken, waiting: read.n_waiting, failure: read.failure })
}

/// The reader decides; only then other collectors are asked.
async fn reload(
    mail: &Mail,
    collectors: &watch::Sender<Arc<[Client]>>,
    next: Daemon,
    clients: Vec<Client>,
    answer: oneshot::Sender<Result<(), String>>,
) {
    let (decided, decision) = oneshot::channel();
    mail.tell(Event::Reload(Box::new(next), decided));
    let taken = decision.await.unwrap_or_else(|_| Err("the agent is stopping".to_owned()));
    if taken.is_ok() {
        collectors.send_replace(Arc::from(clients));
        info!("configuration taken");
    }
    // Who asked may have gone.
    let _ = answer.send(taken);
}
