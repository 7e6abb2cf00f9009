//! `pitot contract`: what differs between what is called and what is described; and a description of what is called.
//!
//! In: a collector with `openapi` in its configuration. Out: tables for people, JSON for scripts, OpenAPI as YAML or JSON.

mod sections;

use std::{
    io::{BufWriter, IsTerminal as _, Write},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use pitot_model::{
    api::{ContractAnswer, ContractQuery},
    contract, filter,
};

use super::{query::moment, report::style, runtime};
use crate::cli::{Contract, ContractCommand, DocumentFormat};

/// Rows of each list for people.
const ROWS: usize = 20;

pub(crate) fn run(args: &Contract) -> anyhow::Result<ExitCode> {
    let text = match &args.command {
        Some(ContractCommand::Export { filter, .. }) if !filter.is_empty() => filter,
        _ => &args.filter,
    };
    if let Err(error) = filter::parse(text) {
        bail!("{error}\n  {}", error.pointing(text).replace('\n', "\n  "));
    }
    let client = args.access.connect(&args.collector)?;
    let query = ContractQuery {
        q: text.clone(),
        from: args.since.as_deref().map(moment).transpose()?,
        to: args.until.as_deref().map(moment).transpose()?,
        limit: args.limit.or((!args.json).then_some(ROWS)),
    };
    let runtime = runtime::runtime()?;
    let out = &mut BufWriter::new(std::io::stdout().lock());
    if let Some(ContractCommand::Export { format, .. }) = &args.command {
        let document = runtime.block_on(client.inferred_contract(&query))?;
        match format {
            DocumentFormat::Json => writeln!(out, "{document:#}")?,
            DocumentFormat::Yaml => {
                out.write_all(contract::yaml(&document).context("no document came back")?.as_bytes())?;
            }
        }
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let answer: ContractAnswer = runtime.block_on(client.contract(&query))?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &answer)?;
        writeln!(out)?;
    } else {
        let is_terminal = std::io::stdout().is_terminal();
        sections::write(out, &answer, style(is_terminal && !args.no_color, is_terminal))?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
