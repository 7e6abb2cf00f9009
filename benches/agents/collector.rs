//! The collector as a process of its own, and what it costs. In: nothing. Out: its address; figures from /proc.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Ticks of the kernel's accounting in a second: what Linux shows to programs, on all machines that we know.
const TICKS: f64 = 100.0;

pub(crate) struct Collector {
    child: Child,
    data: tempfile::TempDir,
    pub(crate) address: SocketAddr,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pitot"));
        command.args(["collector", "--listen", "127.0.0.1:0", "--data"]).arg(data.path().join("data"));
        command.env("PITOT_STATE", data.path()).env("NO_COLOR", "1").stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find_map(|l| l.split_once("listens on http://")?.1.trim().parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, data, address: told.expect("the collector says where it listens") }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // The name, in parentheses, may hold anything. Behind it user and system time are the 12th and 13th.
        let (_, behind) = stat.rsplit_once(") ").unwrap();
        let ticks: f64 = behind.split(' ').skip(11).take(2).map(|n| n.parse::<f64>().unwrap()).sum();
        ticks / TICKS
    }

    /// Resident now, and at most so far.
    pub(crate) fn memory_mib(&self) -> (u64, u64) {
        let status = self.proc("status");
        let kib = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
            line.trim_end_matches("kB").trim().parse::<u64>().unwrap()
        };
        (kib("VmRSS:") >> 10, kib("VmHWM:") >> 10)
    }

    pub(crate) fn disk_mib(&self) -> f64 {
        bytes(self.data.path()) as f64 / f64::from(1 << 20)
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes of all files below. One that vanishes meanwhile counts nothing.
fn bytes(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries
        .map(|e| match e.file_type() {
            Ok(kind) if kind.is_dir() => bytes(&e.path()),
            _ => e.metadata().map_or(0, |m| m.len()),
        })
        .sum()
}
