//! The `pitot` binary: command line, configuration, exit codes, wiring. What it wires lives in the other crates.

mod cli;
mod cmd;
mod demo;
mod report;

use std::{
    ffi::OsString,
    io::{IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    report_bugs();
    let cli = Cli::parse_from(with_default_command(std::env::args_os().collect()));
    match run(cli.command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}` joins the chain of causes in one line.
            let _ = writeln!(std::io::stderr(), "pitot: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Bugs tell where they are and what of them is written in the program. What was put together when it happened may hold
/// text of a log line, and is left out.
fn report_bugs() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("unnamed");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let said =
            panic.payload().downcast_ref::<&'static str>().unwrap_or(&"(its text may hold traffic and is not shown)");
        let trace = std::backtrace::Backtrace::capture();
        let _ = writeln!(std::io::stderr(), "thread `{name}` panicked at {place}: {said}; this is a bug of pitot");
        if trace.status() == std::backtrace::BacktraceStatus::Captured {
            let _ = writeln!(std::io::stderr(), "{trace}");
        }
    }));
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Report(args) => cmd::report::run(&args),
        Command::Routes(args) => cmd::routes::run(&args),
        Command::Replay(args) => cmd::replay::run(&args),
        Command::Top(args) => cmd::top::run(&args),
        Command::Agent(args) => cmd::agent::run(&args),
        Command::Collector(args) => cmd::collector::run(&args),
        Command::Tui(args) => cmd::tui::run(&args),
        Command::Query(args) => cmd::query::run(&args),
        Command::Contract(args) => cmd::contract::run(&args),
        Command::Agents(args) => cmd::agents::run(&args),
        Command::Reload(args) => cmd::reload::run(&args),
        Command::Token(args) => cmd::token::run(&args),
        Command::Pseudonym(args) => cmd::pseudonym::run(&args),
        Command::Demo(args) => cmd::demo::run(&args),
        Command::Check(args) => cmd::check::run(&args),
        Command::Completions { shell } => cmd::manual::completions(shell),
        Command::Man => cmd::manual::man(),
    }
}

/// `pitot access.log` means `top` in a terminal and `report` elsewhere.
fn with_default_command(mut args: Vec<OsString>) -> Vec<OsString> {
    let is_source = |arg: &OsString| arg == "-" || (Path::new(arg).exists() && !is_command(arg));
    if args.get(1).is_some_and(is_source) {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
        args.insert(1, if is_terminal { "top" } else { "report" }.into());
    }
    args
}

fn is_command(arg: &OsString) -> bool {
    use clap::CommandFactory;
    Cli::command().get_subcommands().any(|c| arg == c.get_name())
}

/// Whoever read our output has seen enough.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|e| e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe))
}
