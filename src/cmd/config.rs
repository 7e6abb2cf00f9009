//! Configuration files of the daemons: defaults < file < environment and flags. Unknown keys are errors.

mod access;
mod consumers;
mod delivery;
mod leaks;
pub(crate) mod openapi;
mod syslog;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use pitot_agent::{
    http,
    io::{BUFFER_BYTES, LiveSpec, SNAPLEN, SNAPLEN_MIN},
    packets::{Network, NetworkError},
};
use pitot_collector::{
    Config, Retention,
    access::{TlsConfig, TokenConfig, Tokens},
    alert::{self, AlertConfig},
    contract::DocumentConfig,
    detect::DetectConfig,
    store::Levels,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::{
    consumers::AgentConsumer,
    delivery::{AgentSpool, Collectors},
    syslog::AgentSyslog,
};
use super::sources;
use crate::cli::DEFAULT_URL;

/// `agent.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentFile {
    pub(crate) name: String,
    pub(crate) collector: Collectors,
    pub(crate) token_file: PathBuf,
    pub(crate) collector_ca: PathBuf,
    pub(crate) collector_cert: PathBuf,
    pub(crate) collector_key: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) secret_file: PathBuf,
    #[serde(with = "pitot_collector::duration_text")]
    pub(crate) window: Duration,
    #[serde(with = "pitot_collector::duration_text")]
    pub(crate) ship_every: Duration,
    pub(crate) service: String,
    pub(crate) instance: String,
    pub(crate) routes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) openapi: Vec<DocumentConfig>,
    /// What the documents of `openapi` describe, once they were read.
    #[serde(skip)]
    pub(crate) described: Vec<String>,
    pub(crate) user: String,
    pub(crate) consumer_header: String,
    pub(crate) graphql_paths: Vec<String>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) names: PathBuf,
    pub(crate) exclude_groups: Vec<String>,
    #[serde(with = "pitot_collector::duration_text")]
    pub(crate) answer_within: Duration,
    pub(crate) spool: AgentSpool,
    pub(crate) consumer: Vec<AgentConsumer>,
    pub(crate) source: Vec<AgentSource>,
    pub(crate) syslog: Vec<AgentSyslog>,
    pub(crate) capture: Vec<AgentCapture>,
}

/// `[[capture]]` of `agent.toml`.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AgentCapture {
    pub(crate) interface: String,
    pub(crate) ports: Vec<u16>,
    pub(crate) filter: String,
    pub(crate) snaplen: u32,
    pub(crate) buffer_mib: u32,
    pub(crate) immediate: bool,
    pub(crate) local: Vec<String>,
}

impl Default for AgentCapture {
    fn default() -> Self {
        Self {
            interface: String::new(),
            ports: Vec::new(),
            filter: String::new(),
            snaplen: SNAPLEN,
            buffer_mib: BUFFER_BYTES >> 20,
            immediate: false,
            local: Vec::new(),
        }
    }
}

/// `[[source]]` of `agent.toml`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentSource {
    pub(crate) path: PathBuf,
    #[serde(default)]
    pub(crate) log_format: String,
    #[serde(default)]
    pub(crate) consumer: String,
    #[serde(default)]
    pub(crate) from_start: bool,
}

impl Default for AgentFile {
    fn default() -> Self {
        Self {
            name: String::new(),
            collector: Collectors(vec![DEFAULT_URL.to_owned()]),
            token_file: PathBuf::new(),
            collector_ca: PathBuf::new(),
            collector_cert: PathBuf::new(),
            collector_key: PathBuf::new(),
            state: PathBuf::new(),
            secret_file: PathBuf::new(),
            window: Duration::from_secs(10),
            ship_every: Duration::from_secs(1),
            service: String::new(),
            instance: String::new(),
            routes: Vec::new(),
            openapi: Vec::new(),
            described: Vec::new(),
            user: String::new(),
            consumer_header: String::new(),
            graphql_paths: Vec::new(),
            trusted_proxies: Vec::new(),
            names: PathBuf::new(),
            exclude_groups: Vec::new(),
            answer_within: http::Limits::DEFAULT.answer_within,
            spool: AgentSpool::default(),
            consumer: Vec::new(),
            source: Vec::new(),
            syslog: Vec::new(),
            capture: Vec::new(),
        }
    }
}

impl AgentFile {
    /// What is wrong with the values, all of it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let (window_ms, ship_ms) = (self.window.as_millis(), self.ship_every.as_millis());
        if !(1_000..=60_000).contains(&window_ms) || 60_000 % window_ms != 0 {
            problems.push(format!("window = {:?}: use 1s to 60s, a divisor of a minute", self.window));
        }
        if !(100..=60_000).contains(&ship_ms) {
            problems.push(format!("ship_every = {:?}: use 100ms to 60s", self.ship_every));
        }
        if self.collector.0.is_empty() {
            problems.push("collector = []: name one at least, such as \"http://127.0.0.1:7077\"".to_owned());
        }
        problems.extend(self.access_problems());
        problems.extend(self.spool.problems());
        problems.extend(self.consumers().err().unwrap_or_default());
        if let Err(error) = sources::templates(&self.routes) {
            problems.push(format!("routes: {error}"));
        }
        problems.extend(openapi::problems(&self.openapi));
        problems.extend(leaks::of_header("consumer_header", &self.consumer_header));
        for (i, consumer) in self.consumer.iter().enumerate() {
            let rule = consumer.rule().ok();
            problems.extend(rule.and_then(|rule| leaks::of_rule(&format!("consumer {}", i + 1), &rule)));
        }
        for (i, source) in self.source.iter().enumerate() {
            let key = format!("source {} (`{}`)", i + 1, source.path.display());
            problems.extend(leaks::of_header(&format!("{key}: consumer"), &source.consumer));
            if source.path.is_dir() {
                problems.push(format!("{key}: it is a directory; name the log files in it"));
            }
            if source.path.as_os_str().is_empty() {
                problems.push(format!("{key}: path is empty; name a log file"));
            }
            if let Err(error) = source.format() {
                problems.push(format!("{key}: log_format = \"{}\": {error}", source.log_format));
            }
        }
        for (i, syslog) in self.syslog.iter().enumerate() {
            problems.extend(syslog.problems().into_iter().map(|problem| format!("syslog {}: {problem}", i + 1)));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&self.answer_within) {
            problems.push(format!("answer_within = {:?}: use 1s to 1h", self.answer_within));
        }
        for path in self.graphql_paths.iter().filter(|path| !path.starts_with('/') || path.len() < 2) {
            problems.push(format!("graphql_paths: `{path}`: write the end of a path, such as \"/api\""));
        }
        for (i, capture) in self.capture.iter().enumerate() {
            let key = format!("capture {} (`{}`)", i + 1, capture.interface);
            problems.extend(capture.problems().into_iter().map(|problem| format!("{key}: {problem}")));
        }
        problems
    }

    /// Whether there is anything to read.
    pub(crate) fn has_source(&self) -> bool {
        !self.source.is_empty() || !self.syslog.is_empty() || !self.capture.is_empty()
    }
}

impl AgentCapture {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.interface.is_empty() {
            problems.push("interface is empty; name one, or `any`".to_owned());
        }
        if self.ports.contains(&0) {
            problems.push("ports: 0 is no port; use 1 to 65535".to_owned());
        }
        if !(SNAPLEN_MIN..=SNAPLEN).contains(&self.snaplen) {
            problems.push(format!("snaplen = {}: use {SNAPLEN_MIN} to {SNAPLEN}", self.snaplen));
        }
        if !(1..=1024).contains(&self.buffer_mib) {
            problems.push(format!("buffer_mib = {}: use 1 to 1024", self.buffer_mib));
        }
        problems.extend(self.networks().err().map(|error| format!("local: {error}")));
        problems
    }

    /// Addresses of the monitored host.
    pub(crate) fn networks(&self) -> Result<Vec<Network>, NetworkError> {
        self.local.iter().map(|n| n.parse()).collect()
    }

    /// What to capture.
    pub(crate) fn spec(&self) -> LiveSpec {
        LiveSpec {
            interface: self.interface.clone(),
            ports: self.ports.clone(),
            filter: self.filter.clone(),
            except: Vec::new(),
            snaplen: self.snaplen,
            buffer_bytes: self.buffer_mib << 20,
            is_immediate: self.immediate,
        }
    }
}

impl AgentSource {
    /// Its format; `None` where it is to be detected.
    pub(crate) fn format(&self) -> anyhow::Result<Option<pitot_agent::log::Format>> {
        use pitot_agent::log::Format;
        if self.log_format.is_empty() {
            return Ok(None);
        }
        let format = Format::compile(&self.log_format)?;
        Ok(Some(if self.consumer.is_empty() { format } else { format.with_consumer(&self.consumer)? }))
    }
}

/// `collector.toml`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CollectorFile {
    pub(crate) listen: String,
    pub(crate) data: PathBuf,
    #[serde(with = "pitot_collector::duration_text")]
    pub(crate) window: Duration,
    pub(crate) retention: Retention,
    pub(crate) detect: DetectConfig,
    pub(crate) alerts: AlertConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tls: Option<TlsConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tokens: Vec<TokenConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) openapi: Vec<DocumentConfig>,
}

impl Default for CollectorFile {
    fn default() -> Self {
        let Config { window, retention, detect, alerts, .. } = Config::default();
        let listen = DEFAULT_URL.trim_start_matches("http://").to_owned();
        Self {
            listen,
            data: PathBuf::new(),
            window,
            retention,
            detect,
            alerts,
            tls: None,
            tokens: Vec::new(),
            openapi: Vec::new(),
        }
    }
}

impl CollectorFile {
    /// What is wrong with the values, all of it.
    pub(crate) fn problems(&self) -> Vec<String> {
        let key = format!("listen = \"{}\"", self.listen);
        let mut problems = match self.listen.parse::<SocketAddr>() {
            Err(_) => vec![format!("{key}: use an address and a port, such as 127.0.0.1:7077")],
            Ok(address) if !address.ip().is_loopback() && !self.has_access_control() => {
                vec![format!(
                    "{key}: everybody who reaches it could read and write; configure [[tokens]] (`pitot token` makes one) \
                     or `client_ca` in [tls], or use 127.0.0.1"
                )]
            }
            Ok(_) => Vec::new(),
        };
        problems.extend(Levels::new(self.window, &self.retention).err().map(|e| e.to_string()));
        problems.extend(openapi::problems(&self.openapi));
        problems.extend(Tokens::new(&self.tokens).err().map(|e| e.to_string()));
        problems.extend(alert::Router::new(&self.alerts, 0).err().map(|e| e.to_string()));
        problems
    }

    /// What it means.
    pub(crate) fn config(&self) -> Config {
        Config {
            data: (!self.data.as_os_str().is_empty()).then(|| self.data.clone()),
            window: self.window,
            retention: self.retention.clone(),
            detect: self.detect.clone(),
            alerts: self.alerts.clone(),
            tls: self.tls.clone(),
            tokens: self.tokens.clone(),
            openapi: self.openapi.clone(),
        }
    }
}

/// Reads a configuration file, or the defaults where there is none.
pub(crate) fn read<T: for<'de> Deserialize<'de> + Default>(path: Option<&Path>) -> anyhow::Result<T> {
    let Some(path) = path else { return Ok(T::default()) };
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    parse(&text).with_context(|| format!("in `{}`", path.display()))
}

pub(crate) fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|e| anyhow::anyhow!("{}", e.to_string().trim_end()))
}

/// Fails with all problems at once.
pub(crate) fn refuse(problems: &[String]) -> anyhow::Result<()> {
    match problems {
        [] => Ok(()),
        [one] => bail!("{one}"),
        all => bail!("{} problems in the configuration\n  {}", all.len(), all.join("\n  ")),
    }
}
