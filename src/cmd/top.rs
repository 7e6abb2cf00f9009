//! `pitot top`: agent, collector and dashboard in one process; nothing is kept and no port is opened.

use std::{future::pending, path::Path, process::ExitCode, time::Duration};

use anyhow::bail;
use pitot_agent::io::{Daemon, Followed, Pieces, SourceError, SourceSpec};
use pitot_collector::{Config, Retention};
use pitot_model::filter;
use pitot_tui::{Options, Span};

use super::{runtime, sources, tui};
use crate::cli::Top;

/// Time between reports: how fresh the screen is.
const SHIP_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &Top) -> anyhow::Result<ExitCode> {
    if let Err(error) = filter::parse(&args.filter) {
        bail!("--filter: {error}\n  {}", error.pointing(&args.filter).replace('\n', "\n  "));
    }
    let specs = sources::specs(&args.sources.sources, &args.sources.reading)?;
    specs.iter().try_for_each(check)?;
    runtime::runtime()?.block_on(watch(args, &specs))?;
    Ok(ExitCode::SUCCESS)
}

async fn watch(args: &Top, specs: &[SourceSpec]) -> anyhow::Result<()> {
    let config = Config { retention: Retention::FOR_EVER, ..Config::default() };
    let reading = &args.sources.reading;
    let daemon = Daemon {
        name: "top".to_owned(),
        instance: String::new(),
        files: specs.iter().map(follow).collect(),
        settings: sources::settings(reading)?,
        window: config.window,
        ship_every: SHIP_EVERY,
        range: sources::wanted(reading, false).range,
        keeps_all: true,
        stop_within: Duration::from_millis(100),
    };
    let collector = pitot_collector::open(config)?;
    let client = runtime::in_process(collector.router());
    let names: Vec<_> = specs.iter().map(|s| s.path.to_string_lossy().into_owned()).collect();
    let options = Options {
        filter: args.filter.clone(),
        range: Span::All,
        source: names.join(", "),
        colors: tui::colors(args.no_color),
        refresh: Duration::from_secs(1),
        ..Options::default()
    };
    tokio::select! {
        shown = pitot_tui::run(client.clone(), options) => shown?,
        // It follows for ever.
        _ = pitot_agent::io::run(daemon, client, pending()) => {}
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
    match Pieces::open(spec) {
        // What is to come may be worth waiting for.
        Ok(_) | Err(SourceError::Empty(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn follow(spec: &SourceSpec) -> Followed {
    Followed { path: spec.path.clone(), format: spec.format.clone(), consumer: spec.consumer.clone(), from_start: true }
}
