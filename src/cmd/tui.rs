//! `pitot tui`: the dashboard of a collector.

use std::process::ExitCode;

use pitot_tui::{Colors, Options};

use super::runtime;
use crate::cli::Tui;

pub(crate) fn run(args: &Tui) -> anyhow::Result<ExitCode> {
    let client = args.access.connect(&args.url)?;
    let options = Options {
        filter: args.filter.clone(),
        source: args.url.clone(),
        colors: colors(args.no_color),
        ..Options::default()
    };
    runtime::runtime()?.block_on(pitot_tui::run(client, options))?;
    Ok(ExitCode::SUCCESS)
}

/// Colours of this terminal, or none where none are wanted.
pub(crate) fn colors(no_color: bool) -> Colors {
    if no_color { Colors::None } else { Colors::from_env(|name| std::env::var(name).ok()) }
}
