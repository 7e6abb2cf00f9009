//! `pitot agent`: follow logs, ship what happens.

use std::{process::ExitCode, sync::Arc, time::Duration};

use pitot_agent::{
    enrich::Settings,
    io::{Daemon, Followed},
};
use pitot_client::Client;
use pitot_model::TimeRange;
use tracing::info;

use super::{
    config::{self, AgentFile, AgentSource},
    runtime, sources,
};
use crate::cli;

/// How long a stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &cli::Agent) -> anyhow::Result<ExitCode> {
    let mut file: AgentFile = config::read(args.config.as_deref())?;
    if let Some(url) = &args.collector {
        file.collector.clone_from(url);
    }
    let more = args.sources.iter();
    file.source.extend(more.map(|path| AgentSource { path: path.clone(), ..AgentSource::default() }));
    let mut problems = file.problems();
    if file.source.is_empty() {
        problems.push("no source; add a [[source]] to the configuration, or --source FILE".to_owned());
    }
    config::refuse(&problems)?;
    runtime::log_to_stderr();
    let daemon = daemon(&file)?;
    let client = Client::connect(&file.collector)?;
    info!(agent = daemon.name, collector = file.collector, files = daemon.files.len(), "agent started");
    let shipped = runtime::runtime()?.block_on(pitot_agent::io::run(daemon, client, runtime::stop_signal()));
    info!(reports = shipped.reports, transactions = shipped.coverage.transactions, "agent stopped");
    Ok(ExitCode::SUCCESS)
}

/// What a configuration means.
pub(crate) fn daemon(file: &AgentFile) -> anyhow::Result<Daemon> {
    let state = if file.state.as_os_str().is_empty() { sources::state_directory() } else { file.state.clone() };
    let follow = |s: &AgentSource| {
        let consumer = (!s.consumer.is_empty()).then(|| s.consumer.clone());
        Ok(Followed { path: s.path.clone(), format: s.format()?, consumer, from_start: s.from_start })
    };
    Ok(Daemon {
        name: if file.name.is_empty() { host_name() } else { file.name.clone() },
        instance: file.instance.clone(),
        files: file.source.iter().map(follow).collect::<anyhow::Result<_>>()?,
        settings: Arc::new(Settings {
            default_service: if file.service.is_empty() {
                sources::DEFAULT_SERVICE.to_owned()
            } else {
                file.service.clone()
            },
            service: None,
            templates: sources::templates(&file.routes)?,
            pseudonyms: sources::pseudonyms(&state)?,
        }),
        window: file.window,
        ship_every: file.ship_every,
        range: TimeRange::ALL,
        keeps_all: false,
        stop_within: STOP_WITHIN,
    })
}

/// Name of this machine, as the kernel or the shell tells it.
fn host_name() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    if name.trim().is_empty() { "agent".to_owned() } else { name.trim().to_owned() }
}
