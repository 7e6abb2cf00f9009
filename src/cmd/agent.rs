//! `pitot agent`: follow logs and interfaces, ship what happens.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use pitot_agent::{
    enrich::Settings,
    http,
    io::{Captures, Daemon, Followed, LiveSpec, Order, Shipped, own_directory},
    packets::{Local, Options},
};
use pitot_client::Client;
use pitot_model::{TimeRange, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use super::{
    config::{self, AgentCapture, AgentFile, AgentSource, AgentSyslog},
    control::{Control, Kind},
    dry_run, live, pseudonyms, runtime, sources,
};
use crate::cli;

/// How long a stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// How long a dry run reads.
const DRY_RUN: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &cli::Agent) -> anyhow::Result<ExitCode> {
    let file = configuration(args)?;
    runtime::log_to_stderr();
    if args.dry_run {
        return dry_run(args, &file);
    }
    let daemon = daemon(args, &file, None)?;
    let clients = clients(&file)?;
    let captures = captures(&file, &daemon)?;
    let shipped = runtime::runtime()?.block_on(serve(args, file, daemon, captures, clients))?;
    info!(reports = shipped.reports, transactions = shipped.coverage.transactions, "agent stopped");
    match shipped.failure {
        // Whoever starts agents starts another.
        Some(failure) => bail!("{failure}"),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Reads as the configuration says, files from their start, and shows what would leave.
fn dry_run(args: &cli::Agent, file: &AgentFile) -> anyhow::Result<ExitCode> {
    let mut daemon = daemon(args, file, None)?;
    daemon.spool.directory = None;
    daemon.ends_when_read = file.syslog.is_empty() && file.capture.is_empty();
    for followed in &mut daemon.files {
        followed.from_start = true;
    }
    let captures = captures(file, &daemon)?;
    dry_run::run(daemon, captures, args.duration.unwrap_or(DRY_RUN), args.json)
}

/// The file, with what stands on the command line, checked.
fn configuration(args: &cli::Agent) -> anyhow::Result<AgentFile> {
    let mut file: AgentFile = config::read(args.config.as_deref())?;
    if !args.collector.is_empty() {
        file.collector.0.clone_from(&args.collector);
    }
    if let Some(name) = &args.name {
        file.name.clone_from(name);
    }
    if let Some(state) = &args.state {
        file.state.clone_from(state);
    }
    let more = args.sources.iter();
    file.source.extend(more.map(|path| AgentSource { path: path.clone(), ..AgentSource::default() }));
    file.syslog.extend(args.syslog.iter().map(|listen| AgentSyslog::at(listen)));
    file.let_in_by(&args.access);
    add_flags(&mut file, &args.capturing);
    let mut problems = file.problems();
    if !file.has_source() {
        problems.push(
            "no source; add a [[source]], a [[syslog]] or a [[capture]] to the configuration, or --source FILE, \
             --syslog ADDRESS, or -i INTERFACE"
                .to_owned(),
        );
    }
    config::refuse(&problems)?;
    file.described = config::openapi::routes(file.openapi.iter().map(|d| d.file.as_path()))?;
    Ok(file)
}

/// Runs until a signal ends it; SIGHUP reads the configuration anew.
async fn serve(
    args: &cli::Agent,
    file: AgentFile,
    daemon: Daemon,
    captures: Option<Captures>,
    clients: Vec<Client>,
) -> anyhow::Result<Shipped> {
    let (mut stop, mut hangups) = (std::pin::pin!(runtime::stop_signal()), runtime::Hangups::new()?);
    let (agent, files, interfaces) = (daemon.name.as_str(), daemon.files.len(), file.capture.len());
    info!(agent, collector = file.collector.0.join(", "), files, interfaces, "agent started");
    let (orders, inbox) = mpsc::channel(1);
    let mut now = (file, daemon.clone());
    let mut control = Control::create(&state(&now.0), Kind::Agent, &daemon.name);
    let mut running = std::pin::pin!(pitot_agent::io::run(daemon, captures, clients, inbox));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            shipped = &mut running => return Ok(shipped?),
            () = &mut stop, if !is_stopping => {
                is_stopping = true;
                // One that ends by itself needs no telling.
                let _ = orders.send(Order::Stop).await;
            }
            () = pseudonyms::wait(&now.1.settings.pseudonyms), if !is_stopping => {
                let next = pseudonyms::changed(&now.1);
                let taken = tokio::select! {
                    shipped = &mut running => return Ok(shipped?),
                    taken = take(&now.0, next, &orders) => taken,
                };
                match taken {
                    Ok(daemon) => {
                        info!("from now on pseudonyms are by another secret");
                        now.1 = daemon;
                    }
                    Err(error) => error!(error = format!("{error:#}"), "pseudonyms keep the secret of before; trying again"),
                }
            }
            () = hangups.next() => {
                let taken = tokio::select! {
                    shipped = &mut running => return Ok(shipped?),
                    taken = reload(args, &now, &orders) => taken,
                };
                control.loaded(taken.as_ref().map(|_| ()).map_err(|error| format!("{error:#}")));
                match taken {
                    Ok(taken) => now = taken,
                    Err(error) => error!(error = format!("{error:#}"), "configuration refused, the old one stays"),
                }
            }
        }
    }
}

/// Reads the configuration anew and has the daemon take it; one that cannot be taken whole changes nothing.
async fn reload(
    args: &cli::Agent,
    (before, daemon_before): &(AgentFile, Daemon),
    orders: &mpsc::Sender<Order>,
) -> anyhow::Result<(AgentFile, Daemon)> {
    if args.config.is_none() {
        bail!("there is no configuration file; start it with `-c FILE`");
    }
    let file = configuration(args)?;
    if (&file.capture, &file.user) != (&before.capture, &before.user) {
        bail!("captures cannot change while the agent runs, since it gave up the privilege to open others; restart it");
    }
    let daemon = daemon(args, &file, Some((before, daemon_before)))?;
    let daemon = take(&file, daemon, orders).await?;
    Ok((file, daemon))
}

/// Has the daemon take another configuration, whole or not at all.
async fn take(file: &AgentFile, daemon: Daemon, orders: &mpsc::Sender<Order>) -> anyhow::Result<Daemon> {
    let clients = clients(file)?;
    let (answer, answered) = oneshot::channel();
    let order = Order::Reload(Box::new(daemon.clone()), clients, answer);
    orders.send(order).await.ok().context("the agent is stopping")?;
    answered.await.context("the agent is stopping")?.map_err(anyhow::Error::msg)?;
    Ok(daemon)
}

fn clients(file: &AgentFile) -> anyhow::Result<Vec<Client>> {
    let access = file.access(cli::token_from_env());
    file.collector.0.iter().map(|url| Ok(Client::connect_with(url, &access)?)).collect()
}

/// Where this agent keeps its secret and its spool.
fn state(file: &AgentFile) -> PathBuf {
    if file.state.as_os_str().is_empty() { sources::state_directory() } else { file.state.clone() }
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

/// Opens the captures and gives up privileges. Whom it becomes gets the directory of the spool first.
fn captures(file: &AgentFile, daemon: &Daemon) -> anyhow::Result<Option<Captures>> {
    if file.capture.is_empty() {
        return Ok(None);
    }
    let except: Vec<_> = file.collector.0.iter().flat_map(|url| servers(url)).collect();
    let specs = file.capture.iter().map(|c| LiveSpec { except: except.clone(), ..c.spec() });
    let specs: Vec<_> = specs.collect();
    let user = (!file.user.is_empty()).then_some(file.user.as_str());
    let files: Vec<_> = file.source.iter().map(|s| s.path.as_path()).collect();
    // A dry run keeps nothing.
    let kept = daemon.spool.directory.iter().flat_map(|spool| [spool.clone(), state(file).join("run")]);
    for directory in kept {
        own_directory(&directory, user, !files.is_empty())
            .with_context(|| format!("cannot make `{}` for the spool", directory.display()))?;
    }
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
            graphql_paths: file.graphql_paths.clone(),
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
    let (host, port) = match url.strip_prefix("https://") {
        Some(host) => (host, 443),
        None => (url.strip_prefix("http://").unwrap_or(url), 80),
    };
    let host = host.split('/').next().unwrap_or_default();
    let found = match host.to_socket_addrs() {
        // No port is that of the scheme.
        Err(error) if error.kind() == ErrorKind::InvalidInput => format!("{host}:{port}").to_socket_addrs(),
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

/// What a configuration means. What did not change since `before` stays the very same, so that nothing learned with it is
/// forgotten.
fn daemon(args: &cli::Agent, file: &AgentFile, before: Option<(&AgentFile, &Daemon)>) -> anyhow::Result<Daemon> {
    let state = state(file);
    let name = if file.name.is_empty() { host_name() } else { file.name.clone() };
    let pseudonyms = pseudonyms::load(file, &state, args.dry_run, before)?;
    let follow = |s: &AgentSource| {
        let consumer = (!s.consumer.is_empty()).then(|| s.consumer.clone());
        let from_start = s.from_start || args.since.is_some();
        Ok(Followed { path: s.path.clone(), format: s.format()?, consumer, from_start })
    };
    let named = |f: &AgentFile| (f.service.clone(), f.routes.clone(), f.described.clone(), f.state.clone());
    // Read anew, since the file of names may be another one now.
    let consumers = file.consumers().map_err(|problems| anyhow::anyhow!(problems.join("; ")))?;
    let settings = match before {
        Some((file_before, daemon))
            if named(file_before) == named(file)
                && *daemon.settings.consumers == consumers
                && daemon.settings.pseudonyms.is_same(&pseudonyms) =>
        {
            daemon.settings.clone()
        }
        _ => Arc::new(Settings {
            default_service: if file.service.is_empty() {
                sources::DEFAULT_SERVICE.to_owned()
            } else {
                file.service.clone()
            },
            service: None,
            templates: sources::templates(&[&file.routes[..], &file.described].concat())?,
            pseudonyms,
            consumers: Arc::new(consumers),
        }),
    };
    Ok(Daemon {
        instance: file.instance.clone(),
        files: file.source.iter().map(follow).collect::<anyhow::Result<_>>()?,
        syslog: file.syslog.iter().map(AgentSyslog::spec).collect::<anyhow::Result<_>>()?,
        settings,
        window: file.window,
        ship_every: file.ship_every,
        range: TimeRange::new(args.since.unwrap_or(TimeRange::ALL.from), Timestamp::MAX),
        keeps_all: false,
        ends_when_read: args.once,
        spool: file.spool.config(&state, &name),
        name,
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
            ("https://127.0.0.1/pitot", "127.0.0.1:443"),
            ("http://[::1]:7077", "[::1]:7077"),
        ] {
            assert_eq!(servers(url), [want.parse().unwrap()], "{url}");
        }
        assert!(servers("http://[nothing").is_empty());
    }
}
