//! `pitot pseudonym`: the names under which credentials are kept, for a file of names.

use std::{
    io::{BufRead as _, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::bail;
use pitot_agent::enrich::Pseudonyms;
use pitot_model::Evidence;

use super::{
    config::{self, AgentFile},
    pseudonyms, sources,
};
use crate::cli::Pseudonym;

/// Names the credential that was given, else each line of standard input, where no list of processes shows it.
pub(crate) fn run(args: &Pseudonym) -> anyhow::Result<ExitCode> {
    let file: AgentFile = config::read(args.config.as_deref())?;
    let configured = (!file.state.as_os_str().is_empty()).then(|| file.state.clone());
    let state: PathBuf = args.state.clone().or(configured).unwrap_or_else(sources::state_directory);
    if file.secret_file.as_os_str().is_empty() && !state.join("pseudonym.secret").exists() {
        bail!(
            "there is no pseudonym secret in `{}`; name the agent's state by --state, or its configuration by -c",
            state.display()
        );
    }
    let pseudonyms = pseudonyms::load(&file, &state, true, None)?;
    let kind = if args.token { Evidence::Token } else { Evidence::Key };
    let out = &mut std::io::stdout().lock();
    if let Some(credential) = &args.credential {
        write(out, &pseudonyms, credential, kind)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in std::io::stdin().lock().lines() {
        write(out, &pseudonyms, line?.trim(), kind)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The name in use, then those of secrets before it.
fn write(out: &mut impl Write, pseudonyms: &Pseudonyms, credential: &str, kind: Evidence) -> std::io::Result<()> {
    if credential.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", pseudonyms.names(credential.as_bytes(), kind).join(" "))
}
