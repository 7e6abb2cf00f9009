//! The binary, capturing live on loopback; and what these tests need of the machine.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    daemons::{PATIENCE, Running},
    support::pitot,
};

/// How often things are counted: method, path, status.
pub(super) type Counts = BTreeMap<(String, String, u64), usize>;

/// Asks a daemon to end in good order, and waits until it did.
pub(crate) fn stop(running: &mut Running, signal: &str) -> ExitStatus {
    // The kill of the shell: a program of that name is not everywhere.
    let kill = format!("kill {signal} {}", running.0.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell runs").success(), "{kill}");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end on {signal}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `pitot replay` of the loopback interface.
pub(super) struct Capture {
    running: Running,
    dir: tempfile::TempDir,
    told: std::thread::JoinHandle<String>,
}

impl Capture {
    /// Returns once packets of this port are captured.
    pub(super) fn of(port: u16) -> Self {
        Self::with(&["--port", &port.to_string()])
    }

    pub(super) fn with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = pitot(dir.path());
        command
            .args(["replay", "--json", "--raw", "-i", "lo"])
            .args(args)
            .stdout(File::create(dir.path().join("out")).unwrap());
        let (running, told) = start(command);
        Self { running, dir, told }
    }

    /// What it saw, all of it.
    pub(super) fn finish(mut self) -> Vec<Value> {
        let status = stop(&mut self.running, "-INT");
        let told = self.told.join().unwrap();
        assert!(status.success(), "{status}: {told}");
        assert!(!told.contains("packet dropped"), "{told}");
        let lines = std::fs::read_to_string(self.dir.path().join("out")).unwrap();
        lines.lines().map(|l| serde_json::from_str(l).expect("a line is JSON")).collect()
    }
}

/// Starts something that captures; returns when it says that it does. Its standard error is read to its end by a thread.
pub(crate) fn start(mut command: Command) -> (Running, std::thread::JoinHandle<String>) {
    let mut child = command.env("NO_COLOR", "1").stderr(Stdio::piped()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let running = Running(child);
    let mut told = String::new();
    let is_open = lines.by_ref().any(|line| {
        told += &(line.clone() + "\n");
        line.contains("capturing")
    });
    assert!(is_open, "it does not capture: {told}");
    let reader = std::thread::spawn(move || lines.fold(told, |told, line| told + &line + "\n"));
    (running, reader)
}

/// Counts rows of a replay, which must be HTTP requests with an answer.
pub(super) fn counts(rows: &[Value]) -> Counts {
    let mut counts = Counts::new();
    for row in rows {
        let text = |field: &str| row[field].as_str().unwrap_or_else(|| panic!("no {field}: {row}")).to_owned();
        let status = row["status"].as_u64().unwrap_or_else(|| panic!("no answer: {row}"));
        *counts.entry((text("method"), text("path"), status)).or_default() += 1;
    }
    counts
}

/// Whether we may capture; if not, said loudly. CI may.
pub(crate) fn can_capture() -> bool {
    const CAP_NET_RAW: u32 = 13;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capabilities = status.lines().find_map(|l| l.strip_prefix("CapEff:")).unwrap_or("0");
    let may = u64::from_str_radix(capabilities.trim(), 16).is_ok_and(|c| c >> CAP_NET_RAW & 1 == 1);
    may || skip("capturing packets needs CAP_NET_RAW; run this test as root")
}

/// A program that a test needs; if it is not there, said loudly. CI has it: `scripts/setup.sh test`.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/usr");
    let more = ["/usr/sbin".into(), tools.join("sbin"), tools.join("bin")];
    let found = std::env::split_paths(&path).chain(more).map(|dir| dir.join(name)).find(|p| p.is_file());
    if found.is_none() {
        skip(&format!("{name} is not there; scripts/setup.sh test installs it"));
    }
    found
}

fn skip(why: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
    false
}
