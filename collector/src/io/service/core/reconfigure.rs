//! Other settings for a collector that runs. In: a whole configuration. Out: all of it in force, or nothing of it and why.
//!
//! Detectors keep what they learnt, open anomalies go on, receivers that keep their names keep what they were told.

use pitot_model::Timestamp;

use super::{Core, Router};
use crate::{
    alert::AlertError,
    contract::Documents,
    io::{
        contracts::{self, DocumentError},
        door::{AccessError, Door},
        notify::Notifier,
        service::{Collector, Config},
    },
    store::{Levels, LevelsError},
};

/// Why a collector does not take other settings.
#[derive(Debug, thiserror::Error)]
pub enum ReconfigureError {
    /// These cannot change while it runs.
    #[error("`{0}` cannot change while the collector runs; restart it, or set `{0}` back")]
    NeedsRestart(&'static str),
    /// `window` and `retention` make no levels.
    #[error(transparent)]
    Levels(#[from] LevelsError),
    /// The receivers of alerts.
    #[error(transparent)]
    Alerts(#[from] AlertError),
    /// `[tls]` or `[[tokens]]`.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `openapi`.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}; raise the limit on processes")]
    Thread(std::io::Error),
    /// It stops.
    #[error("the collector is stopping")]
    Stopped,
}

impl Collector {
    /// Takes other settings: retention, detectors, alerts, and who is let in; certificates and documents are read anew. `data` and
    /// `window` must be as they are. On an error the old ones are in force, all of them.
    pub async fn reconfigure(&self, config: Config) -> Result<(), ReconfigureError> {
        let door = Door::open(&config)?;
        let documents = contracts::read_all(&config.openapi)?;
        let clock = self.shared.clock.clone();
        let taken = self.ask(move |core, now| core.reconfigure(config, documents, &clock, now)).await;
        taken.unwrap_or(Err(ReconfigureError::Stopped))?;
        self.set_door(door);
        Ok(())
    }
}

impl Core {
    fn reconfigure(
        &mut self,
        config: Config,
        documents: Documents,
        clock: &crate::io::clock::Clock,
        now: Timestamp,
    ) -> Result<(), ReconfigureError> {
        if config.data != self.data {
            return Err(ReconfigureError::NeedsRestart("data"));
        }
        if config.window != self.store.levels().finest() {
            return Err(ReconfigureError::NeedsRestart("window"));
        }
        let levels = Levels::new(config.window, &config.retention)?;
        let mut alerts = Router::new(&config.alerts, now.as_micros() as u64)?;
        match &self.notifier {
            Some(notifier) => notifier.reconfigure(config.alerts),
            None if config.alerts.receivers.is_empty() => {}
            None => {
                alerts.tick(now);
                self.notifier = Some(Notifier::start(alerts, clock.clone()).map_err(ReconfigureError::Thread)?);
            }
        }
        self.store.set_levels(levels);
        self.documents = documents;
        if let Some(silence) = &mut self.silence {
            silence.reconfigure(config.detect.silent_agent, config.detect.max_open);
        }
        self.detector.reconfigure(config.detect);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::broadcast;

    use super::*;
    use crate::{
        alert::{AlertConfig, ReceiverConfig, ReceiverKind},
        detect::DetectConfig,
        fleet::Arrival,
        io::clock::Clock,
        store::{
            Retention,
            contract::{at, report},
        },
    };

    fn core(config: Config) -> (Core, Clock) {
        let clock: Clock = std::sync::Arc::new(|| at(100));
        let (live, _) = broadcast::channel(4);
        (Core::open(config, live, &clock).expect("opens"), clock)
    }

    fn receiver(url: &str) -> AlertConfig {
        let receiver = ReceiverConfig {
            name: "it".into(),
            kind: ReceiverKind::Webhook,
            url: url.into(),
            filter: String::new(),
            repeat: None,
        };
        AlertConfig { receivers: vec![receiver], ..AlertConfig::default() }
    }

    #[test]
    fn what_can_change_changes_and_the_data_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let before = Config { data: Some(dir.path().join("data")), ..Config::default() };
        let (mut core, clock) = core(before.clone());
        core.ingest(report(1, &[(0, 3)]), Arrival { sent: None, now: at(100) }).expect("stored");
        let hours = |n: u64| Duration::from_secs(n * 3_600);
        let after = Config {
            retention: Retention { finest: hours(1), ..Retention::default() },
            detect: DetectConfig { quiet_windows: 9, ..DetectConfig::default() },
            alerts: receiver("http://127.0.0.1:9/"),
            ..before
        };
        core.reconfigure(after.clone(), Documents::default(), &clock, at(101)).expect("taken");
        assert_eq!(core.store.levels().all()[0].keep, Some(hours(1)));
        assert!(core.notifier.is_some());
        core.reconfigure(Config { alerts: AlertConfig::default(), ..after }, Documents::default(), &clock, at(102))
            .expect("taken");
        assert_eq!(core.agents(at(100)).agents.len(), 1, "what was stored is there");
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let (mut core, clock) = core(Config::default());
        let levels = core.store.levels().clone();
        let short = Retention { hour: Duration::from_secs(1), ..Retention::default() };
        let detect = DetectConfig { quiet_windows: 9, ..DetectConfig::default() };
        for (config, why) in [
            (Config { data: Some("/elsewhere".into()), ..Config::default() }, "`data` cannot change"),
            (Config { window: Duration::from_secs(5), ..Config::default() }, "`window` cannot change"),
            (Config { retention: short, ..Config::default() }, "`retention`"),
            (Config { alerts: receiver("ftp://x"), ..Config::default() }, "is not http"),
        ] {
            let config = Config { detect: detect.clone(), ..config };
            let error = core.reconfigure(config, Documents::default(), &clock, at(101)).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
            assert_eq!(core.store.levels(), &levels);
            assert!(core.notifier.is_none());
        }
    }
}
