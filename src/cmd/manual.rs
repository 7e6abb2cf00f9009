//! `pitot completions` and `pitot man`: made from the command line's own definition.

use std::{io::Write, process::ExitCode};

use clap::CommandFactory;

use crate::cli::Cli;

pub(crate) fn completions(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pitot", &mut out);
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man() -> anyhow::Result<ExitCode> {
    let mut out = Vec::new();
    let mut cli = Cli::command();
    // Gives subcommands their whole names.
    cli.build();
    clap_mangen::Man::new(cli.clone()).render(&mut out)?;
    for command in cli.get_subcommands().cloned() {
        let title = format!("pitot-{}", command.get_name());
        clap_mangen::Man::new(command).title(title).render(&mut out)?;
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}
