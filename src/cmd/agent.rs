//! `pitot agent`: follow logs and interfaces, ship what happens.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{SocketAddr, ToSocketAddrs as _},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::bail;
use pitot_agent::{
    enrich::Settings,
    http,
    io::{Captures, Daemon, Followed, LiveSpec},
    packets::{Local, Options},
};
use pitot_client::Client;
use pitot_model::TimeRange;
use tracing::{info, warn};

use super::{
    config::{self, AgentCapture, AgentFile, AgentSource},
    live, runtime, sources,
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
    add_flags(&mut file, &args.capturing);
    let mut problems = file.problems();
    if !file.has_source() {
        problems.push(
            "no source; add a [[source]] or a [[capture]] to the configuration, or --source FILE, or -i INTERFACE"
                .to_owned(),
        );
    }
    config::refuse(&problems)?;
    runtime::log_to_stderr();
    let daemon = daemon(&file)?;
    let captures = captures(&file)?;
    let client = Client::connect(&file.collector)?;
    let (agent, collector) = (daemon.name.as_str(), file.collector.as_str());
    info!(agent, collector, files = daemon.files.len(), interfaces = file.capture.len(), "agent started");
    let stop = runtime::stop_signal();
    let shipped = runtime::runtime()?.block_on(pitot_agent::io::run(daemon, captures, client, stop));
    info!(reports = shipped.reports, transactions = shipped.coverage.transactions, "agent stopped");
    match shipped.failure {
        // Whoever starts agents starts another.
        Some(failure) => bail!("{failure}"),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// What stands on the command line wins.
fn add_flags(file: &mut AgentFile, flags: &cli::Capturing) {
    let capture = |interface: &String| AgentCapture {
        interface: interface.clone(),
        ports: flags.ports.clone(),
        filter: flags.bpf.clone().unwrap_or_default(),
        snaplen: flags.snaplen,
        buffer_mib: flags.buffer,
        immediate: flags.immediate,
        local: flags.local.iter().map(ToString::to_string).collect(),
    };
    file.capture.extend(flags.interfaces.iter().map(capture));
    if let Some(user) = &flags.user {
        file.user.clone_from(user);
    }
    file.answer_within = flags.answer_within.unwrap_or(file.answer_within);
}

/// Opens the captures and gives up privileges.
fn captures(file: &AgentFile) -> anyhow::Result<Option<Captures>> {
    if file.capture.is_empty() {
        return Ok(None);
    }
    let except = servers(&file.collector);
    let specs = file.capture.iter().map(|c| LiveSpec { except: except.clone(), ..c.spec() });
    let specs: Vec<_> = specs.collect();
    let user = (!file.user.is_empty()).then_some(file.user.as_str());
    let files: Vec<_> = file.source.iter().map(|s| s.path.as_path()).collect();
    let (live, privileges) = live::open(&specs, user, &files)?;
    let interfaces = live.describe();
    match user {
        None if !files.is_empty() => warn!(interfaces, privileges, "capturing; `user` would give up more privileges"),
        _ => info!(interfaces, privileges, "capturing"),
    }
    let networks: Vec<_> = file.capture.iter().map(AgentCapture::networks).collect::<Result<_, _>>()?;
    let options = Options {
        local: Local::new(networks.concat()),
        http: http::Limits {
            answer_within: file.answer_within,
            consumer_header: file.consumer_header.to_ascii_lowercase(),
            ..http::Limits::default()
        },
        seed: sources::seed(),
        ..Options::default()
    };
    let packets = live::options(&live, options);
    Ok(Some(Captures { live, packets }))
}

/// Addresses of the collector: reports are no traffic, and one about the last would never end.
fn servers(url: &str) -> Vec<SocketAddr> {
    let host = url.strip_prefix("http://").unwrap_or(url);
    let host = host.split('/').next().unwrap_or_default();
    let found = match host.to_socket_addrs() {
        // No port is that of HTTP.
        Err(error) if error.kind() == ErrorKind::InvalidInput => format!("{host}:80").to_socket_addrs(),
        found => found,
    };
    match found {
        Ok(found) => found.collect::<BTreeSet<_>>().into_iter().collect(),
        Err(error) => {
            warn!(%error, url, "cannot find the collector's address; reports to it count as traffic");
            Vec::new()
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_collector_is_left_out_of_captures() {
        for (url, want) in [
            ("http://127.0.0.1:7077", "127.0.0.1:7077"),
            ("http://127.0.0.1:7077/pitot", "127.0.0.1:7077"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("http://[::1]:7077", "[::1]:7077"),
        ] {
            assert_eq!(servers(url), [want.parse().unwrap()], "{url}");
        }
        assert!(servers("http://[nothing").is_empty());
    }
}
