//! Agent and collector as daemons: the API's answers equal the report's numbers, also after a kill.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{LOG, json, pitot};

/// How long something that takes milliseconds may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon that is killed when the test ends, however it ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A collector on a port of its own, and that port.
pub(crate) fn collector(state: &Path, data: &Path) -> (Running, String) {
    let mut command = pitot(state);
    command
        .args(["collector", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stderr(Stdio::piped())
        .env("NO_COLOR", "1");
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines.find_map(|l| l.unwrap().split_once("http://").map(|(_, a)| a.trim().to_owned()));
    // Somebody has to read on, or the daemon waits for it.
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), told.expect("the collector says where it listens"))
}

fn agent(state: &Path, address: &str, log: &Path) -> Running {
    let config = state.join("agent.toml");
    let path = log.to_str().unwrap();
    std::fs::write(
        &config,
        format!("name = \"web-1\"\nship_every = \"100ms\"\n[[source]]\npath = \"{path}\"\nfrom_start = true\n"),
    )
    .unwrap();
    let mut command = pitot(state);
    command
        .args(["agent", "-c"])
        .arg(&config)
        .args(["--collector", &format!("http://{address}")])
        .stderr(Stdio::null());
    Running(command.spawn().unwrap())
}

/// A GET, without any client of ours.
fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer[9..12].parse().unwrap();
    (status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

fn table(address: &str, by: &str) -> Value {
    let (status, body) = get(address, &format!("/api/v1/table?from=2026-01-12&to=2026-01-13&limit=0&by={by}"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Asks until the count is there.
fn wait_for(address: &str, count: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let got = table(address, "none")["totals"]["count"].as_u64().unwrap();
        if got == count {
            return;
        }
        assert!(got < count && Instant::now() < deadline, "{got} transactions, not {count}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Every row of the report is a row of the table, number by number.
fn assert_same(address: &str, report: &Value) {
    for (by, part, fields) in [
        ("service", "services", &["service"][..]),
        ("route", "routes", &["service", "method", "route"]),
        ("consumer", "consumers", &["consumer", "evidence"]),
    ] {
        let table = table(address, by);
        let rows = table["rows"].as_array().unwrap();
        let parts = report[part].as_array().unwrap();
        assert_eq!(rows.len(), parts.len(), "{by}");
        for want in parts {
            let row = rows
                .iter()
                .find(|r| fields.iter().all(|f| r["key"][*f] == want[*f]))
                .unwrap_or_else(|| panic!("no row for {want}"));
            for number in ["count", "request_bytes", "response_bytes", "status", "duration_us", "ttfb_us"] {
                assert_eq!(row["totals"][number], want[number], "{by} {}: {number}", want[fields[0]]);
            }
        }
    }
}

#[test]
fn the_api_answers_what_the_report_says_also_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (log, data) = (dir.path().join("access.log"), dir.path().join("data"));
    let lines: String =
        (0..500).flat_map(|i| LOG.lines().map(move |l| l.replace("users/4", &format!("users/{i}")) + "\n")).collect();
    std::fs::write(&log, &lines).unwrap();
    let report = json(&pitot(dir.path()).args(["report", "--json"]).arg(&log).output().unwrap());

    let (first, address) = collector(dir.path(), &data);
    let shipping = agent(dir.path(), &address, &log);
    wait_for(&address, 2_000);
    assert_same(&address, &report);
    // Lines that come later are added, to the old windows too.
    let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(LOG.as_bytes()).unwrap();
    wait_for(&address, 2_004);
    drop(shipping);
    // Dropping kills: nothing is flushed in good order.
    drop(first);

    let (_second, address) = collector(dir.path(), &data);
    wait_for(&address, 2_004);
    let report = json(&pitot(dir.path()).args(["report", "--json"]).arg(&log).output().unwrap());
    assert_same(&address, &report);
    let (status, metrics) = get(&address, "/metrics");
    assert!(status == 200 && metrics.contains("pitot_build_info"), "{metrics}");
    assert_eq!(get(&address, "/healthz").0, 200);
    assert_eq!(get(&address, "/readyz").0, 200);
    assert_eq!(get(&address, "/nowhere").0, 404);

    let table = pitot(dir.path())
        .args([
            "query",
            "status:5xx",
            "--what",
            "table",
            "--by",
            "route",
            "--since",
            "2026-01-12",
            "--until",
            "2026-01-13",
            "--json",
        ])
        .args(["--collector", &format!("http://{address}")])
        .output()
        .unwrap();
    assert_eq!(json(&table)["totals"]["count"], 501);
}
