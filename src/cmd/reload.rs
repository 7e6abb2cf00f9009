//! `pitot reload`: tell a running daemon to read its configuration anew, and say what became of it.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use pitot_model::show_duration;

use super::{
    control::{self, Running},
    query::now,
    sources,
};
use crate::cli::Reload;

/// How long a daemon may take to read its configuration and say so.
const WAIT: Duration = Duration::from_secs(10);
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn run(args: &Reload) -> anyhow::Result<ExitCode> {
    let state = args.state.clone().unwrap_or_else(sources::state_directory);
    let out = &mut std::io::stdout().lock();
    let chosen = match args.pid {
        Some(pid) => match control::running(&state).into_iter().find(|r| r.pid == pid) {
            Some(running) => vec![running],
            None => return signal_only(out, pid),
        },
        None => choose(args, control::running(&state), &state)?,
    };
    if chosen.len() > 1 && !args.all {
        list(out, &chosen)?;
        bail!("{} daemons run here; name one, or --all", chosen.len());
    }
    let mut code = ExitCode::SUCCESS;
    for daemon in &chosen {
        match reload(daemon, &state) {
            Ok(()) => writeln!(out, "{}: configuration taken", daemon.describe())?,
            Err(error) => {
                writeln!(std::io::stderr(), "pitot: {}: {error:#}", daemon.describe())?;
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Those with the name, or all.
fn choose(args: &Reload, found: Vec<Running>, state: &Path) -> anyhow::Result<Vec<Running>> {
    let place = state.display();
    if found.is_empty() {
        bail!(
            "no daemon runs with the state in `{place}`; name its directory by --state (`state` of an agent, `data` of \
             a collector), or its process by --pid"
        );
    }
    let Some(name) = &args.name else { return Ok(found) };
    let names: Vec<_> = found.iter().map(Running::describe).collect();
    let chosen: Vec<_> = found.into_iter().filter(|r| r.name == *name).collect();
    if chosen.is_empty() {
        bail!("no daemon named `{name}` runs with the state in `{place}`; there is {}", names.join(", "));
    }
    Ok(chosen)
}

/// A daemon that nothing is known of.
fn signal_only(out: &mut impl Write, pid: i32) -> anyhow::Result<ExitCode> {
    // A SIGHUP ends programs that do not expect one.
    let program = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    let name = program.as_deref().and_then(Path::file_name).map(|n| n.to_string_lossy().into_owned());
    match name {
        Some(name) if !name.starts_with("pitot") => bail!("process {pid} is no pitot but `{name}`; it is left alone"),
        None if cfg!(target_os = "linux") => bail!(
            "cannot tell whether process {pid} is a pitot, so it is left alone; use the user that it runs as, or root"
        ),
        _ => {}
    }
    control::hang_up(pid).with_context(|| cannot_tell(pid))?;
    writeln!(out, "process {pid}: told to read its configuration anew; its log says what became of it")?;
    Ok(ExitCode::SUCCESS)
}

fn reload(daemon: &Running, state: &Path) -> anyhow::Result<()> {
    daemon.hang_up().with_context(|| cannot_tell(daemon.pid))?;
    let until = Instant::now() + WAIT;
    while Instant::now() < until {
        let Some(running) = control::again(state, daemon) else { bail!("it ended meanwhile; its log says why") };
        match running.error {
            _ if running.loads == daemon.loads => thread::sleep(LOOK),
            Some(error) => bail!("configuration refused, the old one stays: {error}"),
            None => return Ok(()),
        }
    }
    bail!("it did not answer within {}; its log says more", show_duration(WAIT))
}

fn cannot_tell(pid: i32) -> String {
    format!("cannot send SIGHUP to process {pid}; use the user that it runs as, or root")
}

fn list(out: &mut impl Write, found: &[Running]) -> std::io::Result<()> {
    let width = found.iter().map(|r| r.describe().chars().count()).max().unwrap_or(0);
    for r in found {
        let ago = show_duration(now().since(r.loaded));
        let state = if r.error.is_some() { "configuration refused" } else { "configuration taken" };
        writeln!(out, "{:width$}  pid {:>7}  {state} {ago} ago", r.describe(), r.pid)?;
    }
    Ok(())
}

/// Where a collector says that it runs: in its data directory, or where agents do.
pub(crate) fn collector_state(data: &Path) -> PathBuf {
    if data.as_os_str().is_empty() { sources::state_directory() } else { data.to_owned() }
}
