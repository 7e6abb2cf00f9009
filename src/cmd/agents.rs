//! `pitot agents`: who ships to a collector, who lags, loses or is silent; and one agent in full.

mod detail;
mod list;
#[cfg(test)]
mod pictures;
mod words;

use std::{
    io::{BufWriter, IsTerminal as _, Write},
    process::ExitCode,
};

use anyhow::bail;
use pitot_client::Client;
use pitot_model::api::{AgentCoverage, AgentRow, Agents, CoverageQuery};
use serde::Serialize;

use super::{query, report::style, runtime};
use crate::cli;

/// `pitot agents NAME --json`.
#[derive(Serialize)]
struct One<'a> {
    agent: &'a AgentRow,
    /// What it read and lost, by interval; absent where nothing came of it in the range.
    coverage: Option<&'a AgentCoverage>,
}

pub(crate) fn run(args: &cli::Agents) -> anyhow::Result<ExitCode> {
    let client = args.access.connect(&args.collector)?;
    let out = &mut BufWriter::new(std::io::stdout().lock());
    runtime::runtime()?.block_on(show(args, &client, out))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn show(args: &cli::Agents, client: &Client, out: &mut impl Write) -> anyhow::Result<()> {
    let agents = client.agents().await?;
    let is_terminal = std::io::stdout().is_terminal();
    let style = style(is_terminal && !args.no_color, is_terminal);
    match &args.name {
        None if args.json => json(out, &agents),
        // Ages are told by the clock that saw the agents.
        None => Ok(list::write(&agents, client.status().await?.now, style, out)?),
        Some(name) => {
            let agent = find(&agents, name)?;
            let from = Some(query::moment(&args.since)?);
            let asked = CoverageQuery { agent: Some(name.clone()), from, ..CoverageQuery::default() };
            let answer = client.coverage(&asked).await?;
            let coverage = answer.agents.iter().find(|a| a.name == *name);
            if args.json {
                return json(out, &One { agent, coverage });
            }
            let now = client.status().await?.now;
            let seen = detail::Seen { range: answer.range, step_ms: answer.step_ms, coverage };
            Ok(detail::write(agent, &seen, now, style, out)?)
        }
    }
}

fn find<'a>(agents: &'a Agents, name: &str) -> anyhow::Result<&'a AgentRow> {
    /// Names that an error lists.
    const LISTED: usize = 10;
    let Some(agent) = agents.agents.iter().find(|a| a.name == name) else {
        let names: Vec<_> = agents.agents.iter().take(LISTED).map(words::name).collect();
        match agents.agents.len() {
            0 => bail!("no agent named `{name}`; none has shipped to this collector yet"),
            n if n > LISTED => bail!("no agent named `{name}`; there are {} and {} more", names.join(", "), n - LISTED),
            _ => bail!("no agent named `{name}`; there is {}", names.join(", ")),
        }
    };
    Ok(agent)
}

fn json(out: &mut impl Write, answer: &impl Serialize) -> anyhow::Result<()> {
    serde_json::to_writer_pretty(&mut *out, answer)?;
    writeln!(out)?;
    Ok(())
}
