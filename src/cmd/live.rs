//! Live captures of the commands: opened first, then privileges are given up, and only then anything else begins.

use std::{
    io::Write as _,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use pitot_agent::{
    io::{Live, LiveSpec, drop_privileges},
    packets::{Local, Network, Options, Packets, Visit},
};

use super::runtime;
use crate::cli::Capturing;

/// What the flags ask to capture; nothing without an interface.
pub(crate) fn specs(args: &Capturing) -> Vec<LiveSpec> {
    let spec = |interface: &String| LiveSpec {
        interface: interface.clone(),
        ports: args.ports.clone(),
        filter: args.bpf.clone().unwrap_or_default(),
        except: Vec::new(),
        snaplen: args.snaplen,
        buffer_bytes: args.buffer << 20,
        is_immediate: args.immediate,
    };
    args.interfaces.iter().map(spec).collect()
}

/// Opens the captures, gives up privileges, and says so. Where these `files` are followed as well, what it takes to open
/// them again is kept, unless a user is named. To be called while there is one thread.
pub(crate) fn open(specs: &[LiveSpec], user: Option<&str>, files: &[&Path]) -> anyhow::Result<(Live, String)> {
    let live = Live::open(specs)?;
    let privileges = drop_privileges(user, !files.is_empty())?;
    if let Some(user) = user {
        files.iter().try_for_each(|file| refuse_unreadable(file, user))?;
    }
    Ok((live, privileges))
}

/// Refuses a file that this user, who we are now, may not read. What is not there may come.
fn refuse_unreadable(file: &Path, user: &str) -> anyhow::Result<()> {
    match std::fs::File::open(file) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => anyhow::bail!(
            "user `{user}` may not read `{}`; let that user read it, or name no user, to read it all the same",
            file.display()
        ),
        _ => Ok(()),
    }
}

/// How packets of this capture are read: its interfaces' addresses are local unless others are named.
pub(crate) fn options(live: &Live, options: Options) -> Options {
    if !options.local.is_empty() {
        return options;
    }
    let local = Local::new(live.addresses().into_iter().map(Network::from).collect());
    // The kernel has looked at ports.
    Options { local, ports: Vec::new(), ..options }
}

/// Captures until this long has passed, or a signal comes; then everything that is open ends. `each` is called between
/// reads, and says whether to go on.
pub(crate) fn run<V: Visit>(
    live: &mut Live,
    packets: &mut Packets<V>,
    limit: Option<Duration>,
    mut each: impl FnMut(&mut Packets<V>) -> bool,
) {
    let stop = stop_flag();
    let deadline = limit.map(|limit| Instant::now() + limit);
    while !stop.load(Ordering::Relaxed) && deadline.is_none_or(|d| Instant::now() < d) {
        live.pump(packets);
        if !each(packets) {
            return;
        }
        if live.is_over() {
            break;
        }
    }
    live.finish(packets);
}

/// How a command ends that captured: not well where an interface was lost for good.
pub(crate) fn exit_code(live: &Live) -> ExitCode {
    match live.failure() {
        Some(error) => {
            let _ = writeln!(std::io::stderr(), "pitot: the capture is not whole: {error}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Says what is captured, and what became of privileges.
pub(crate) fn tell(live: &Live, privileges: &str) {
    let _ = writeln!(std::io::stderr(), "pitot: capturing on {}; {privileges}", live.describe());
}

/// Set at the first SIGINT or SIGTERM.
fn stop_flag() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    std::thread::spawn({
        let flag = flag.clone();
        move || {
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                runtime.block_on(async { runtime::stop_signal().await });
            }
            flag.store(true, Ordering::Relaxed);
        }
    });
    flag
}
