//! What a collector can be told, and why it could not start. In: a section of the configuration file. Out: checked values.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    access::{TlsConfig, TokenConfig},
    alert::{AlertConfig, AlertError},
    contract::DocumentConfig,
    detect::DetectConfig,
    io::{contracts::DocumentError, door::AccessError},
    search::IndexError,
    store::{LevelsError, Retention, StoreError},
};

/// Settings of a collector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Directory of the store and the index, made when missing. Without it everything is kept in memory and gone with
    /// the process, which suits a dashboard over a log file; retention then counts back from the newest window, not
    /// from the clock. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// Width of the finest windows; divides a minute. Agents must ship windows of this width or of one that divides it.
    /// 10s, what the design's budgets assume. It cannot change once there is a store.
    #[serde(with = "crate::duration_text")]
    pub window: Duration,
    /// How long each level of detail is kept.
    pub retention: Retention,
    /// The detectors.
    pub detect: DetectConfig,
    /// Who is told of anomalies.
    pub alerts: AlertConfig,
    /// With it the collector speaks TLS. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// With any, requests need one of them. None by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<TokenConfig>,
    /// Documents that say what services offer, to compare with what is called. None by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub openapi: Vec<DocumentConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: None,
            window: Duration::from_secs(10),
            retention: Retention::default(),
            detect: DetectConfig::default(),
            alerts: AlertConfig::default(),
            tls: None,
            tokens: Vec::new(),
            openapi: Vec::new(),
        }
    }
}

/// Why a collector could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `window` and `retention` make no levels.
    #[error(transparent)]
    Levels(#[from] LevelsError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The receivers of alerts.
    #[error(transparent)]
    Alerts(#[from] AlertError),
    /// `[tls]` or `[[tokens]]`.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// `openapi`.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The index of anomalies.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}; raise the limit on processes")]
    Thread(std::io::Error),
}
