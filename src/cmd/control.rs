//! How a running daemon is found, and how it says what became of its configuration. In: a directory of state, and the
//! outcome of each reading. Out: `run/KIND-NAME.json` in it, from the start of the daemon to its end; and all that is
//! found there, for `pitot reload`.
//!
//! The file of a daemon that was killed stays. It is told by the process: its number is in use by another one, or by none.
//! So nobody else is sent a SIGHUP, which would end most programs.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use pitot_model::Timestamp;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::query::now;

/// Where in the directory of state.
const DIRECTORY: &str = "run";
/// Bytes of a name in a file's name; longer ones are cut.
const NAME_BYTES: usize = 160;
/// Bytes of such a file; what is longer is none.
const FILE_BYTES: u64 = 64 << 10;
/// Bytes of an error that are kept.
const ERROR_BYTES: usize = 8 << 10;

/// What kind of daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Agent,
    Collector,
}

/// What a daemon says about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    pub(crate) kind: Kind,
    /// Of an agent its name, of a collector its address.
    pub(crate) name: String,
    pub(crate) pid: i32,
    /// When the system started the process, in its own ticks; 0 where it does not tell.
    ticks: u64,
    pub(crate) started: Timestamp,
    /// How often it read its configuration.
    pub(crate) loads: u64,
    /// When it did so last.
    pub(crate) loaded: Timestamp,
    /// Why the last one was refused; the one before it is in force then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The file of this process; it goes with the value.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    said: Running,
}

impl Control {
    /// Says that this daemon runs and has its configuration. The process must heed SIGHUP already. A directory that
    /// cannot be written to is no reason not to run: it is logged, and `pitot reload --pid` still works.
    pub(crate) fn create(state: &Path, kind: Kind, name: &str) -> Self {
        let path = state.join(DIRECTORY).join(file_name(kind, name));
        let (pid, now) = (rustix::process::getpid().as_raw_nonzero().get(), now());
        let ticks = ticks(pid).unwrap_or(0);
        let said =
            Running { kind, name: name.to_owned(), pid, ticks, started: now, loads: 1, loaded: now, error: None };
        let control = Self { path, said };
        control.write();
        control
    }

    /// What became of reading the configuration anew.
    pub(crate) fn loaded(&mut self, outcome: Result<(), String>) {
        self.said.loads += 1;
        self.said.loaded = now();
        self.said.error = outcome.err().map(|mut error| {
            error.truncate(error.floor_char_boundary(ERROR_BYTES));
            error
        });
        self.write();
    }

    fn write(&self) {
        if let Err(error) = self.try_write() {
            warn!(%error, path = %self.path.display(), "not written; `pitot reload` finds this process by --pid only");
        }
    }

    /// Whole or not at all: it is read at any moment.
    fn try_write(&self) -> std::io::Result<()> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent)?;
        }
        let new = self.path.with_extension("new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(&self.said)?)?;
        fs::rename(new, &self.path)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Another daemon of this name may have started meanwhile.
        if read(&self.path).is_some_and(|r| (r.pid, r.ticks) == (self.said.pid, self.said.ticks)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Running {
    /// `agent web-1`.
    pub(crate) fn describe(&self) -> String {
        let kind = if self.kind == Kind::Agent { "agent" } else { "collector" };
        let name: String = self.name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        format!("{kind} {name}")
    }

    /// Whether the process is the one that wrote this.
    pub(crate) fn is_alive(&self) -> bool {
        match ticks(self.pid) {
            Some(ticks) => ticks == self.ticks,
            // Where the system tells no start, the number is all there is.
            None => self.ticks == 0 && process(self.pid).is_some_and(|pid| test_kill_process(pid).is_ok()),
        }
    }

    /// Tells it to read its configuration anew.
    pub(crate) fn hang_up(&self) -> std::io::Result<()> {
        hang_up(self.pid)
    }
}

/// Tells a process to read its configuration anew.
pub(crate) fn hang_up(pid: i32) -> std::io::Result<()> {
    let pid = process(pid).ok_or(ErrorKind::InvalidInput)?;
    Ok(kill_process(pid, Signal::HUP)?)
}

/// One process; numbers below 1 stand for several.
fn process(pid: i32) -> Option<Pid> {
    (pid > 0).then(|| Pid::from_raw(pid)).flatten()
}

/// The daemons that run with this directory of state, by kind and name.
pub(crate) fn running(state: &Path) -> Vec<Running> {
    let entries = fs::read_dir(state.join(DIRECTORY)).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries.filter_map(|e| read(&e.path())).filter(Running::is_alive).collect();
    found.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    found
}

/// The same daemon as it says it is now; `None` once it is gone.
pub(crate) fn again(state: &Path, one: &Running) -> Option<Running> {
    let path = state.join(DIRECTORY).join(file_name(one.kind, &one.name));
    read(&path).filter(|r| (r.pid, r.ticks) == (one.pid, one.ticks) && r.is_alive())
}

fn read(path: &Path) -> Option<Running> {
    if path.extension()? != "json" || fs::metadata(path).ok()?.len() > FILE_BYTES {
        return None;
    }
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// `agent-web-1.json`; what is no letter, digit, dot or dash of a name is written as its number.
fn file_name(kind: Kind, name: &str) -> String {
    let mut safe = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => safe.push(char::from(byte)),
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe.truncate(NAME_BYTES);
    let kind = if kind == Kind::Agent { "agent" } else { "collector" };
    format!("{kind}-{safe}.json")
}

/// When a process was started. Source: proc_pid_stat(5), field 22; the name in field 2 may hold blanks and brackets.
fn ticks(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_is_found_from_its_start_to_its_end() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(running(state.path()), []);
        let mut control = Control::create(state.path(), Kind::Agent, "web/1 ü");
        let found = running(state.path());
        assert_eq!((found.len(), found[0].describe().as_str(), found[0].loads), (1, "agent web/1 ü", 1));

        control.loaded(Err("ship_every = 1ns".into()));
        let later = again(state.path(), &found[0]).unwrap();
        assert_eq!((later.loads, later.error.as_deref()), (2, Some("ship_every = 1ns")));
        control.loaded(Ok(()));
        assert_eq!(again(state.path(), &found[0]).unwrap().error, None);

        drop(control);
        assert_eq!((running(state.path()), again(state.path(), &found[0])), (Vec::new(), None));
    }

    #[test]
    fn the_file_of_a_dead_process_is_not_believed() {
        let state = tempfile::tempdir().unwrap();
        let control = Control::create(state.path(), Kind::Collector, "127.0.0.1:7077");
        let path = state.path().join(DIRECTORY).join("collector-127.0.0.1%3A7077.json");
        let dead = Running { ticks: control.said.ticks + 1, ..control.said.clone() };
        for text in [serde_json::to_string(&dead).unwrap(), "{".into(), String::new()] {
            fs::write(&path, text).unwrap();
            assert_eq!(running(state.path()), []);
        }
        drop(control);
        assert!(path.exists(), "it is not ours");
    }

    #[test]
    fn a_directory_that_cannot_be_written_to_stops_nobody() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("file");
        fs::write(&file, "").unwrap();
        let mut control = Control::create(&file, Kind::Agent, "a");
        control.loaded(Ok(()));
        assert_eq!(running(&file), []);
    }

    #[test]
    fn only_one_process_is_told() {
        for pid in [0, -1, i32::MIN] {
            assert!(hang_up(pid).is_err(), "{pid} would be many");
        }
    }
}
