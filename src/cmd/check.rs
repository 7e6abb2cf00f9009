//! `pitot check`: what is wrong with a configuration file, before a daemon reads it; and samples of both.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};

use super::config::{self, AgentFile, CollectorFile};
use crate::cli::{Check, Kind};

const AGENT_SAMPLE: &str = include_str!("../../packaging/agent.toml");
const COLLECTOR_SAMPLE: &str = include_str!("../../packaging/collector.toml");

pub(crate) fn run(args: &Check) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if let Some(kind) = args.sample {
        let sample = if kind == Kind::Agent { AGENT_SAMPLE } else { COLLECTOR_SAMPLE };
        out.write_all(sample.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut code = ExitCode::SUCCESS;
    for path in &args.files {
        match check(path) {
            Ok(kind) => writeln!(out, "{}: a valid {kind} configuration", path.display())?,
            Err(error) => {
                writeln!(std::io::stderr(), "pitot: {}: {error:#}", path.display())?;
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Whose configuration a valid file is. Told by its keys: an agent has sources or captures.
fn check(path: &Path) -> anyhow::Result<&'static str> {
    let text = std::fs::read_to_string(path).context("cannot read it")?;
    let keys: toml::Table = config::parse(&text)?;
    if keys.is_empty() {
        return Ok("agent or collector");
    }
    if !["source", "syslog", "capture", "collector"].iter().any(|key| keys.contains_key(*key)) {
        config::refuse(&config::parse::<CollectorFile>(&text)?.problems())?;
        return Ok("collector");
    }
    let file: AgentFile = config::parse(&text)?;
    config::refuse(&file.problems())?;
    if !file.has_source() {
        bail!("no source; add a [[source]] with a path, a [[syslog]] or a [[capture]], unless it is for a collector");
    }
    Ok("agent")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample with its commented keys switched on.
    fn switched_on(sample: &str) -> String {
        let is_key = |line: &str| {
            line.starts_with("# ") && (line.contains(" = ") || line.starts_with("# [")) && !line.starts_with("# -")
        };
        sample.lines().map(|l| if is_key(l) { l[2..].to_owned() } else { l.to_owned() }).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_samples_are_the_defaults_and_name_every_key() {
        let agent: AgentFile = config::parse(AGENT_SAMPLE).unwrap();
        assert_eq!(toml::to_string(&agent).unwrap(), toml::to_string(&AgentFile::default()).unwrap());
        let collector: CollectorFile = config::parse(COLLECTOR_SAMPLE).unwrap();
        assert_eq!(toml::to_string(&collector).unwrap(), toml::to_string(&CollectorFile::default()).unwrap());
        config::parse::<AgentFile>(&switched_on(AGENT_SAMPLE)).unwrap();
        config::parse::<CollectorFile>(&switched_on(COLLECTOR_SAMPLE)).unwrap();
        for (sample, keys) in [
            (AGENT_SAMPLE, toml::Table::try_from(AgentFile::default()).unwrap()),
            (COLLECTOR_SAMPLE, toml::Table::try_from(CollectorFile::default()).unwrap()),
        ] {
            assert_keys(sample, &keys);
        }
    }

    fn assert_keys(sample: &str, keys: &toml::Table) {
        for (key, value) in keys {
            assert!(sample.contains(key.as_str()), "the sample does not name `{key}`");
            if let toml::Value::Table(inner) = value {
                assert_keys(sample, inner);
            }
        }
    }
}
