//! `pitot token`: a fresh token, and what the collector has to know of it.

use std::{fmt::Write as _, io::Write, process::ExitCode};

use anyhow::bail;
use pitot_collector::access::{TokenConfig, token_hash};

use crate::cli::Token;

pub(crate) fn run(args: &Token) -> anyhow::Result<ExitCode> {
    if args.name.trim().is_empty() {
        bail!("the name is empty; name who will have the token");
    }
    let token = fresh()?;
    let config = TokenConfig { name: args.name.clone(), sha256: token_hash(&token), scopes: args.scopes.clone() };
    write(&mut std::io::stdout().lock(), &mut std::io::stderr().lock(), &token, &config)?;
    Ok(ExitCode::SUCCESS)
}

/// The token alone goes to standard output, for a file; what people need to know goes beside it.
fn write(out: &mut impl Write, aside: &mut impl Write, token: &str, config: &TokenConfig) -> anyhow::Result<()> {
    let snippet = toml::to_string(config)?;
    writeln!(
        aside,
        "Add this to collector.toml, and `pitot reload` the collector; it needs the hash alone:\n\n\
         [[tokens]]\n{snippet}\n\
         Keep the token in a file that only its user can read, and name that by --token-file (`token_file` in agent.toml):\n"
    )?;
    writeln!(out, "{token}")?;
    out.flush()?;
    Ok(())
}

/// 256 random bits, under a prefix by which scanners for leaked secrets can know it.
fn fresh() -> anyhow::Result<String> {
    let secret = pitot_agent::io::fresh_secret()?;
    let mut token = String::from("pitot_");
    for byte in secret {
        write!(token, "{byte:02x}")?;
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use pitot_collector::access::{Scope, Tokens};

    use super::*;
    use crate::cmd::config::{self, CollectorFile};

    #[test]
    fn what_is_printed_opens_the_door() {
        let token = fresh().unwrap();
        assert_ne!(token, fresh().unwrap());
        let config = TokenConfig {
            name: "we \"b\"".into(),
            sha256: token_hash(&token),
            scopes: vec![Scope::Ingest, Scope::Read],
        };
        let (mut out, mut aside) = (Vec::new(), Vec::new());
        write(&mut out, &mut aside, &token, &config).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), format!("{token}\n"));
        let aside = String::from_utf8(aside).unwrap();
        assert!(!aside.contains(&token), "{aside}");
        let snippet: String = aside
            .lines()
            .skip_while(|l| *l != "[[tokens]]")
            .take_while(|l| !l.is_empty())
            .fold(String::new(), |text, line| text + line + "\n");
        let file: CollectorFile = config::parse(&snippet).unwrap();
        assert_eq!(file.tokens, [config]);
        let tokens = Tokens::new(&file.tokens).unwrap();
        assert_eq!(tokens.admit(Some(format!("Bearer {token}").as_bytes()), Scope::Read), Ok(()));
    }
}
