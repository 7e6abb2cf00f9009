//! Sends notifications. In: anomalies, from the thread that detects. Out: HTTP POSTs to receivers, and what became of them
//! back to the router.
//!
//! One thread with a runtime of its own owns the router: nobody who detects waits for a receiver. A full inbox drops the
//! anomaly and counts it; its next change is told all the same.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use pitot_model::api::Anomaly;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time,
};

use crate::{
    alert::{AlertConfig, AlertStats, Failure, Notification, Router},
    io::clock::Clock,
};

/// Anomalies between detection and the router; beyond, the newest is dropped and counted.
const INBOX: usize = 1024;
/// How long a receiver may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last notifications may take when the collector stops.
const LAST: Duration = Duration::from_secs(5);
/// Bytes of an answer that are kept to say why it refused.
const ANSWER_BYTES: usize = 4096;
/// How long to sleep when nothing is due, at most: the clock may be set.
const IDLE: Duration = Duration::from_secs(60);

/// A running notifier.
pub struct Notifier {
    inbox: Option<mpsc::Sender<Anomaly>>,
    /// The receivers as they were last changed.
    config: watch::Sender<AlertConfig>,
    thread: Option<thread::JoinHandle<()>>,
    stats: Arc<Mutex<AlertStats>>,
    overflow: AtomicU64,
}

impl Notifier {
    /// Starts the thread. `router` knows already what was open before.
    pub fn start(router: Router, clock: Clock) -> std::io::Result<Self> {
        let (inbox, anomalies) = mpsc::channel(INBOX);
        let (config, configs) = watch::channel(AlertConfig::default());
        let stats = Arc::new(Mutex::new(AlertStats::default()));
        let shared = stats.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = thread::Builder::new()
            .name("notify".into())
            .spawn(move || runtime.block_on(drive(router, anomalies, configs, &clock, &shared)))?;
        Ok(Self { inbox: Some(inbox), config, thread: Some(thread), stats, overflow: AtomicU64::new(0) })
    }

    /// Tells of an anomaly that is new or has changed. Never waits.
    pub fn push(&self, anomaly: &Anomaly) {
        let is_taken = self.inbox.as_ref().is_some_and(|inbox| inbox.try_send(anomaly.clone()).is_ok());
        if !is_taken {
            self.overflow.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Other receivers from now on; the configuration must be a valid one.
    pub fn reconfigure(&self, config: AlertConfig) {
        self.config.send_replace(config);
    }

    /// What happened so far.
    pub fn stats(&self) -> AlertStats {
        let mut stats = *self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.dropped += self.overflow.load(Ordering::Relaxed);
        stats
    }

    /// Sends what is ready, for some seconds at most, and ends the thread.
    pub fn close(mut self) -> AlertStats {
        self.stop();
        self.stats()
    }

    fn stop(&mut self) {
        self.inbox = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("notifier panicked");
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Moves anomalies, time and answers into the router, and notifications out, until the inbox is closed.
async fn drive(
    mut router: Router,
    mut anomalies: mpsc::Receiver<Anomaly>,
    mut configs: watch::Receiver<AlertConfig>,
    clock: &Clock,
    stats: &Mutex<AlertStats>,
) {
    let client: Post = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut flying = JoinSet::new();
    let mut is_open = true;
    let mut last = None;
    loop {
        let now = clock();
        router.tick(now);
        while let Some(notification) = router.poll() {
            let client = client.clone();
            flying.spawn(async move { (notification.id, post(&client, notification).await) });
        }
        *stats.lock().unwrap_or_else(PoisonError::into_inner) = router.stats();
        if !is_open && flying.is_empty() {
            return;
        }
        let pause = router.deadline().map_or(IDLE, |d| d.since(now)).min(IDLE);
        tokio::select! {
            anomaly = anomalies.recv(), if is_open => match anomaly {
                Some(anomaly) => router.push(&anomaly),
                None => {
                    is_open = false;
                    last = Some(time::Instant::now() + LAST);
                }
            },
            Ok(()) = configs.changed(), if is_open => {
                if let Err(error) = router.reconfigure(&configs.borrow_and_update()) {
                    tracing::error!(%error, "receivers of alerts stay as they are");
                }
            }
            Some(result) = flying.join_next() => match result {
                Ok((id, result)) => router.done(id, &result),
                Err(error) => tracing::error!(%error, "notification lost"),
            },
            () = time::sleep(pause), if is_open => {}
            () = time::sleep_until(last.unwrap_or_else(time::Instant::now)), if last.is_some() => {
                tracing::warn!(notifications = flying.len(), "stopped before receivers answered");
                return;
            }
        }
    }
}

type Post = Client<HttpConnector, Full<Bytes>>;

/// One attempt.
async fn post(client: &Post, n: Notification) -> Result<(), Failure> {
    let result = match time::timeout(TIMEOUT, send(client, &n)).await {
        Ok(result) => result,
        Err(_) => Err(Failure::Unavailable(format!("no answer within {} s", TIMEOUT.as_secs()))),
    };
    match &result {
        Ok(()) => tracing::debug!(receiver = %n.receiver, attempt = n.attempt, "notified"),
        Err(error) => tracing::warn!(%error, receiver = %n.receiver, attempt = n.attempt, "receiver not notified"),
    }
    result
}

async fn send(client: &Post, n: &Notification) -> Result<(), Failure> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(&n.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("pitot/", env!("CARGO_PKG_VERSION")))
        .body(Full::from(n.body.clone()))
        .map_err(|e| Failure::Refused(e.to_string()))?;
    let response = client.request(request).await.map_err(|e| Failure::Unavailable(root_cause(&e)))?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
    if status.is_success() {
        return Ok(());
    }
    let answer = answer.map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned()).unwrap_or_default();
    let what = format!("{status}: {answer}");
    let is_later = status.is_server_error()
        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::TOO_EARLY);
    Err(if is_later { Failure::Unavailable(what) } else { Failure::Refused(what) })
}

/// The error behind hyper's "client error (Connect)".
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
