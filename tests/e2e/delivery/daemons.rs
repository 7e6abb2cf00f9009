//! Daemons that are started, killed and started again, and what a collector answers.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use pitot_model::Timestamp;
use serde_json::Value;

use super::{forwarder::Target, truth};
use crate::{daemons::PATIENCE, support::pitot};

/// A directory for one test; it stays where a test failed.
pub(super) struct Place(Option<tempfile::TempDir>);

impl Place {
    pub(super) fn new() -> Self {
        Self(Some(tempfile::tempdir().unwrap()))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.as_ref().unwrap().path()
    }

    /// A directory in it.
    pub(super) fn dir(&self, name: &str) -> PathBuf {
        let dir = self.path().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if thread::panicking()
            && let Some(dir) = self.0.take()
        {
            eprintln!("logs, state and data stay in {}", dir.keep().display());
        }
    }
}

/// A daemon, running or not. What it says goes to a file.
pub(super) struct Daemon {
    name: &'static str,
    command: Box<dyn Fn() -> Command + Send>,
    said: PathBuf,
    /// Bytes that it had said before it was started last.
    said_before: usize,
    /// Where a collector listens, as it says.
    target: Option<Target>,
    child: Option<Child>,
    pub(super) kills: u64,
}

impl Daemon {
    fn new(name: &'static str, said: PathBuf, command: impl Fn() -> Command + Send + 'static) -> Self {
        Self { name, command: Box::new(command), said, said_before: 0, target: None, child: None, kills: 0 }
    }

    /// An agent with this configuration and its state in `dir`.
    pub(super) fn agent(dir: &Path, config: &str) -> Self {
        Self::agent_in(dir, config, &[])
    }

    /// As [`Daemon::agent`], started by another program.
    pub(super) fn agent_in(dir: &Path, config: &str, starter: &[String]) -> Self {
        let (file, state) = (dir.join("agent.toml"), dir.to_owned());
        std::fs::write(&file, config).unwrap();
        let starter = starter.to_vec();
        Self::new("agent", dir.join("agent.said"), move || {
            let mut command = started_by(&starter, pitot(&state));
            // It would win over the file.
            command.args(["agent", "-c"]).arg(&file).env_remove("PITOT_STATE");
            command
        })
    }

    /// A collector with its data in `data`, and where it listens.
    pub(super) fn collector(dir: &Path, data: &Path) -> (Self, Api) {
        Self::collector_in(dir, data, &[])
    }

    /// As [`Daemon::collector`], started by another program.
    pub(super) fn collector_in(dir: &Path, data: &Path, starter: &[String]) -> (Self, Api) {
        let (state, data, starter) = (dir.to_owned(), data.to_owned(), starter.to_vec());
        let mut daemon = Self::new("collector", dir.join("collector.said"), move || {
            let mut command = started_by(&starter, pitot(&state));
            command.args(["collector", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
            command
        });
        let target = Target::default();
        daemon.target = Some(target.clone());
        (daemon, Api { target, from: truth::now() - Duration::from_secs(4 * 3600) })
    }

    pub(super) fn start(&mut self) {
        self.said_before = self.said().len();
        let mut command = (self.command)();
        let mut child = command.env("NO_COLOR", "1").stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = OpenOptions::new().create(true).append(true).open(&self.said).unwrap();
        let target = self.target.clone();
        thread::spawn(move || listen(lines.map_while(Result::ok), &mut said, target.as_ref()));
        self.child = Some(child);
    }

    /// SIGKILL. Fails when it had ended by itself.
    pub(super) fn kill(&mut self) {
        self.assert_runs();
        let mut child = self.child.take().unwrap();
        self.forget();
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said last may still be read.
        self.forget();
        self.kills += 1;
    }

    pub(super) fn assert_runs(&mut self) {
        if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
            panic!("the {} ended by itself, {status}; it said last:\n{}", self.name, self.last_words());
        }
    }

    /// As a supervisor does.
    pub(super) fn start_again_if_ended(&mut self) {
        if self.child.as_mut().is_none_or(|c| c.try_wait().unwrap().is_some()) {
            self.forget();
            self.start();
        }
    }

    /// SIGTERM; it ends in good order.
    pub(super) fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        let sent = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                self.forget();
                assert!(status.success(), "the {} stopped with {status}", self.name);
                return;
            }
            assert!(Instant::now() < deadline, "the {} does not stop; it said last:\n{}", self.name, self.last_words());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The directory that it was made in.
    pub(super) fn dir(&self) -> &Path {
        self.said.parent().unwrap()
    }

    /// All that it said over all its starts.
    pub(super) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.said).unwrap_or_default()).into_owned()
    }

    /// Waits until it says this, since it was started last.
    pub(super) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().get(self.said_before..).is_some_and(|s| s.contains(text)) {
            self.assert_runs();
            assert!(Instant::now() < deadline, "the {} never said `{text}`; last:\n{}", self.name, self.last_words());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until no report of the agent is on its way: the collector took them, and the agent knows.
    pub(super) fn wait_for_acknowledgement(&self, state: &Path) {
        let deadline = Instant::now() + PATIENCE;
        while !reports(state).is_empty() {
            assert!(
                Instant::now() < deadline,
                "reports stay in the spool; the agent said last:\n{}",
                self.last_words()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn assert_never_panicked(&self) {
        let said = self.said();
        let at = said.find("panicked");
        assert!(at.is_none(), "the {} panicked:\n{}", self.name, &said[at.unwrap_or_default().saturating_sub(500)..]);
    }

    fn last_words(&self) -> String {
        let said = self.said();
        let lines: Vec<_> = said.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    fn forget(&self) {
        if let Some(target) = &self.target {
            *target.lock().unwrap() = None;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("the {} said last:\n{}", self.name, self.last_words());
        }
    }
}

/// The program as an argument of another one, with its environment.
fn started_by(starter: &[String], program: Command) -> Command {
    let [first, rest @ ..] = starter else { return program };
    let mut command = Command::new(first);
    command.args(rest).arg(program.get_program()).stdin(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn listen(lines: impl Iterator<Item = String>, said: &mut File, target: Option<&Target>) {
    for line in lines {
        let address = line.split_once("listens on http://").and_then(|(_, a)| a.trim().parse().ok());
        let _ = writeln!(said, "{line}");
        if let (Some(target), Some(address)) = (target, address) {
            *target.lock().unwrap() = Some(address);
        }
    }
}

/// What a collector answers. Questions are about everything that a test wrote.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) target: Target,
    from: Timestamp,
}

impl Api {
    /// A table; waits for a collector that starts.
    pub(super) fn table(&self, by: &str, q: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(table) = self.try_table(by, q) {
                return table;
            }
            assert!(Instant::now() < deadline, "the collector does not answer");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// `None` when the collector does not answer.
    pub(super) fn try_table(&self, by: &str, q: &str) -> Option<Value> {
        let to = truth::now() + Duration::from_secs(3600);
        let path = format!("/api/v1/table?from={}&to={to}&limit=0&by={by}&q={}", self.from, percent(q));
        let answer = self.get(&path)?;
        let body: Value = serde_json::from_str(&answer).ok()?;
        assert!(body["rows"].is_array(), "{path}: {answer}");
        Some(body)
    }

    /// The body of an answer, whatever its status; `None` when there is no answer.
    pub(super) fn get(&self, path: &str) -> Option<String> {
        let address = (*self.target.lock().unwrap())?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.split_once("\r\n\r\n")?.1.to_owned())
    }
}

/// All files below, by name; those that go while we look may be left out.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            all.extend(files(&entry.path()));
        } else {
            all.push(entry.path());
        }
    }
    all.sort();
    all
}

/// Reports that wait in a spool, by their order.
pub(super) fn reports(state: &Path) -> Vec<PathBuf> {
    let mut all = files(state);
    all.retain(|p| p.extension().is_some_and(|e| e == "report"));
    all
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}
