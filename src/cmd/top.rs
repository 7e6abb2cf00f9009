//! `pitot top`: agent, collector and dashboard in one process; nothing is kept and no port is opened.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::bail;
use pitot_agent::{
    enrich::Settings,
    io::{Captures, Daemon, Followed, Input, SourceError, SourceSpec},
    spool::SpoolConfig,
};
use pitot_collector::{Config, Retention};
use pitot_model::filter;
use pitot_tui::{Options, Span};
use tokio::sync::mpsc;

use super::{live, runtime, sources, tui};
use crate::cli::{Sources, Top};

/// Time between reports: how fresh the screen is.
const SHIP_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Top) -> anyhow::Result<ExitCode> {
    if let Err(error) = filter::parse(&args.filter) {
        bail!("--filter: {error}\n  {}", error.pointing(&args.filter).replace('\n', "\n  "));
    }
    let specs = sources::specs(&args.sources.sources, &args.sources.reading)?;
    specs.iter().try_for_each(check)?;
    // Loads the secret, which may be root's.
    let settings = sources::settings(&args.sources.reading)?;
    let captures = open(&args.sources)?;
    runtime::runtime()?.block_on(watch(args, &specs, settings, captures))?;
    Ok(ExitCode::SUCCESS)
}

/// The interfaces that are asked for.
fn open(sources: &Sources) -> anyhow::Result<Option<Captures>> {
    let specs = live::specs(&sources.capturing);
    if specs.is_empty() {
        return Ok(None);
    }
    let files: Vec<_> = sources.sources.iter().map(PathBuf::as_path).collect();
    let (live, privileges) = live::open(&specs, sources.capturing.user.as_deref(), &files)?;
    live::tell(&live, &privileges);
    let packets = live::options(&live, sources::packets(sources));
    Ok(Some(Captures { live, packets }))
}

async fn watch(
    args: &Top,
    specs: &[SourceSpec],
    settings: Arc<Settings>,
    captures: Option<Captures>,
) -> anyhow::Result<()> {
    let config = Config { retention: Retention::FOR_EVER, ..Config::default() };
    let reading = &args.sources.reading;
    let daemon = Daemon {
        name: "top".to_owned(),
        instance: String::new(),
        files: specs.iter().map(follow).collect(),
        syslog: Vec::new(),
        settings,
        window: config.window,
        ship_every: SHIP_EVERY,
        range: sources::wanted(reading, false).range,
        keeps_all: true,
        ends_when_read: false,
        spool: SpoolConfig::default(),
        stop_within: Duration::from_millis(100),
    };
    let collector = pitot_collector::open(config)?;
    let client = runtime::in_process(collector.router());
    let files = specs.iter().map(|s| s.path.to_string_lossy().into_owned());
    let names: Vec<_> = captures.iter().map(|c| c.live.describe()).chain(files).collect();
    let options = Options {
        filter: args.filter.clone(),
        range: Span::All,
        source: names.join(", "),
        colors: tui::colors(args.no_color),
        refresh: Duration::from_secs(1),
        ..Options::default()
    };
    // It follows for ever, unless the capture fails: nobody gives orders.
    let (_orders, inbox) = mpsc::channel(1);
    tokio::select! {
        shown = pitot_tui::run(client.clone(), options) => shown?,
        shipped = pitot_agent::io::run(daemon, captures, vec![client], inbox) => {
            if let Some(failure) = shipped?.failure {
                bail!(failure);
            }
        }
    }
    Ok(())
}

/// Refuses what cannot be followed, before the screen is taken.
fn check(spec: &SourceSpec) -> anyhow::Result<()> {
    if spec.path == Path::new("-") {
        return Ok(());
    }
    let is_packed = spec.path.extension().is_some_and(|e| e == "gz" || e == "zst");
    if is_packed {
        bail!(
            "cannot follow `{0}`, it is compressed; use `pitot report {0}`, or unpack it into `pitot top -`",
            spec.path.display()
        );
    }
    match Input::open(spec) {
        Ok(Input::Capture(_)) => {
            bail!("cannot follow `{0}`, it is a capture; use `pitot report {0}`", spec.path.display())
        }
        // What is to come may be worth waiting for.
        Ok(Input::Log(_)) | Err(SourceError::Empty(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn follow(spec: &SourceSpec) -> Followed {
    Followed { path: spec.path.clone(), format: spec.format.clone(), consumer: spec.consumer.clone(), from_start: true }
}
