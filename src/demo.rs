//! The demo: a small API under traffic with incidents, over real loopback sockets, and the judge of what was noticed.
//!
//! In: how long, which seed, where the access log goes. Out: the log; afterwards the truth of what was injected and
//! how many requests were made, which [`judge`] holds against the anomalies that pitot found, and
//! [`differences`] against its counts.

mod api;
mod consumers;
mod endpoints;
mod incidents;
mod log;
mod random;
#[cfg(test)]
mod rehearsal;
mod summary;
mod traffic;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use pitot_model::Timestamp;
use tokio::{sync::watch, task::JoinSet};

use self::{api::Api, incidents::Timeline, log::Log, traffic::Traffic};
pub(crate) use self::{
    incidents::IncidentKind,
    summary::{Incident, Sightings, Truth, differences, judge},
    traffic::Made,
};

/// How to play.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How long; a minute at least. `None` plays until it is stopped, and repeats the incidents every two minutes.
    pub(crate) duration: Option<Duration>,
    /// The same seed plays the same calls and answers.
    pub(crate) seed: u64,
}

/// How far the play is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Time since the start.
    pub(crate) elapsed: Duration,
    /// Length of the play; `None` until it is stopped.
    pub(crate) total: Option<Duration>,
    /// Requests answered.
    pub(crate) requests: u64,
    /// What goes wrong now.
    pub(crate) incident: Option<IncidentKind>,
}

/// A running play. Dropping it ends it at once.
#[derive(Debug)]
pub(crate) struct Play {
    traffic: Arc<Traffic>,
    started: Timestamp,
    calls: JoinSet<()>,
    _server: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// Starts the API and its consumers; the access log is appended to the file at `log`.
pub(crate) async fn play(options: Options, log: &Path) -> anyhow::Result<Play> {
    let timeline = Timeline::new(options.duration)?;
    let file = Log::open(log).with_context(|| format!("cannot write the demo's access log `{}`", log.display()))?;
    let (began, started) = (Instant::now(), api::now());
    let mut server = JoinSet::new();
    let address = Api::new(options.seed, timeline, began, file)
        .serve(&mut server)
        .await
        .context("cannot start the demo's API on the loopback interface")?;
    let traffic = Arc::new(Traffic {
        seed: options.seed,
        timeline,
        started: began,
        api: address,
        made: Mutex::new(Made::default()),
    });
    let (stop, stopped) = watch::channel(false);
    let mut calls = JoinSet::new();
    calls.spawn(Arc::clone(&traffic).play(stopped));
    Ok(Play { traffic, started, calls, _server: server, stop })
}

impl Play {
    /// Where the API listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.traffic.api
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        let timeline = &self.traffic.timeline;
        let elapsed = self.traffic.started.elapsed();
        let requests = self.traffic.made().total();
        Progress { elapsed, total: timeline.total(), requests, incident: timeline.active(elapsed) }
    }

    /// Returns when the play is over and every call was answered. It may be awaited again after being cancelled.
    pub(crate) async fn finished(&mut self) {
        while self.calls.join_next().await.is_some() {}
    }

    /// Ends the play, waits for the calls under way, and tells what happened.
    pub(crate) async fn stop(mut self) -> Truth {
        let elapsed = self.traffic.started.elapsed();
        self.stop.send_replace(true);
        self.finished().await;
        let incidents = self.traffic.timeline.finished(elapsed).map(|(kind, start, end)| Incident {
            kind,
            start: self.started + start,
            end: self.started + end,
        });
        Truth { started: self.started, ended: api::now(), incidents: incidents.collect(), made: self.traffic.made() }
    }
}

#[cfg(test)]
mod tests {
    use pitot_model::Status;

    use super::*;

    /// Plays for real, though briefly: until some calls were answered.
    #[tokio::test]
    async fn every_answered_call_has_a_line_in_the_log() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let play = play(Options { duration: None, seed: 1 }, &path).await.unwrap();
        while play.progress().requests < 20 {
            tokio::task::yield_now().await;
        }
        let truth = play.stop().await;

        let lines = std::fs::read_to_string(&path).unwrap();
        assert_eq!(lines.lines().count() as u64, truth.made.total());
        assert_eq!(truth.made.failed, 0);
        for line in lines.lines() {
            let entry: serde_json::Value = serde_json::from_str(line).unwrap();
            let is_counted = truth.made.counts.keys().any(|k| {
                k.service.as_deref() == entry["service"].as_str()
                    && k.version.as_deref() == entry["service_version"].as_str()
                    && k.consumer.as_deref() == entry["consumer"].as_str()
                    && k.status.and_then(Status::http).map(u64::from) == entry["status"].as_u64()
            });
            assert!(is_counted, "{line}");
        }
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_written_is_refused() {
        let error = play(Options { duration: None, seed: 1 }, Path::new("/nowhere/access.log")).await.unwrap_err();
        assert!(error.to_string().contains("/nowhere/access.log"), "{error}");
    }
}
