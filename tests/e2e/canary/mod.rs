//! Canaries: credentials of every shape in every position, through both doors, and in no sink: neither as they are nor
//! encoded, decoded, in lower case or cut.

mod doors;
mod shapes;
mod sinks;

use std::path::Path;

use self::{
    doors::{FORMATS, capture, log},
    shapes::{Canary, canaries},
};
use crate::support::{pitot, run, stderr, stdout};

/// Where seeds begin; each door has one of its own.
const SEED: u64 = 0x00c0_ffee;

/// Fails with the names of the canaries that a sink shows, and where.
fn assert_none(sink: &str, bytes: &[u8], canaries: &[Canary]) {
    let found = sinks::found(bytes, canaries);
    assert!(found.is_empty(), "{sink} shows {} of {} canaries:\n{}", found.len(), canaries.len(), found.join("\n"));
}

#[test]
fn the_search_finds_what_it_is_to_find() {
    let canaries = canaries(SEED);
    for canary in &canaries {
        let shown = format!("before {} behind", canary.secret.to_ascii_lowercase());
        assert!(!sinks::found(shown.as_bytes(), &canaries).is_empty(), "{}", canary.name);
        let packed = zstd::encode_all(format!("x {} y", canary.secret).as_bytes(), 3).unwrap();
        assert!(!sinks::found(&[b"head", &packed[..]].concat(), &canaries).is_empty(), "{}", canary.name);
    }
    assert!(sinks::found(b"GET /v1/users/{int} key-9f86d081884c7d65 {slug}", &canaries).is_empty());
}

/// Everything that can be asked of a source on the command line.
fn commands() -> Vec<Vec<&'static str>> {
    let report = |format| vec!["report", "--format", format];
    let mut all: Vec<_> = ["text", "json", "csv", "markdown", "html"].into_iter().map(report).collect();
    all.extend([vec!["replay"], vec!["replay", "--json"], vec!["report", "--limit", "0"]]);
    all
}

#[test]
fn logs_of_every_format_leak_nothing_on_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    for (i, (format, _)) in FORMATS.iter().enumerate() {
        let canaries = canaries(SEED + i as u64);
        let path = directory.path().join(format!("{i}.log"));
        std::fs::write(&path, log(format, &canaries)).unwrap();
        for command in commands() {
            let mut args = command.clone();
            let path = path.to_str().unwrap();
            args.extend(["--log-format", format, path]);
            let output = run(&args);
            assert_none(
                &format!("{format}: {args:?}"),
                &[output.stdout.clone(), output.stderr.clone()].concat(),
                &canaries,
            );
            assert!(output.status.success() && !output.stdout.is_empty(), "{args:?}: {}", stderr(&output));
        }
    }
}

#[test]
fn packets_leak_nothing_on_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let (path, canaries) = (directory.path().join("a.pcap"), canaries(SEED + 100));
    std::fs::write(&path, capture(&canaries)).unwrap();
    for mut args in commands() {
        args.push(path.to_str().unwrap());
        let output = run(&args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        assert_none(&format!("packets: {args:?}"), &[output.stdout.clone(), output.stderr.clone()].concat(), &canaries);
    }
    let read = stdout(&run(&["replay", "--json", path.to_str().unwrap()]));
    assert!(read.lines().count() > canaries.len() / 2, "the capture is not read: {} lines", read.lines().count());
}

/// An agent's configuration that reads all logs, each in its format.
fn configuration(directory: &Path, collector: &str, canaries: &mut Vec<Canary>) -> String {
    let mut text = format!("name = \"web-1\"\ncollector = \"{collector}\"\nship_every = \"100ms\"\n");
    for (i, (format, _)) in FORMATS.iter().enumerate() {
        let these = shapes::canaries(SEED + 200 + i as u64);
        let path = directory.join(format!("{i}.log"));
        std::fs::write(&path, log(format, &these)).unwrap();
        let path = path.to_str().unwrap();
        text.push_str(&format!("[[source]]\npath = {path:?}\nlog_format = {format:?}\nfrom_start = true\n"));
        canaries.extend(these);
    }
    text
}

#[test]
fn a_dry_run_leaks_nothing_keeps_nothing_and_counts_what_it_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let (state, mut canaries) = (directory.path().join("state"), Vec::new());
    std::fs::create_dir(&state).unwrap();
    let config = directory.path().join("agent.toml");
    std::fs::write(&config, configuration(directory.path(), "http://127.0.0.1:9", &mut canaries)).unwrap();
    let mut last = String::new();
    for more in [&[][..], &["--json"]] {
        let output = pitot(&state).args(["agent", "--dry-run", "-c"]).arg(&config).args(more).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        assert_none("dry run", &[output.stdout.clone(), output.stderr.clone()].concat(), &canaries);
        assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0, "a dry run wrote state");
        last = stdout(&output);
    }
    let sums: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    for rule in ["redacted_key", "redacted_web_token", "redacted_card", "redacted_email", "redacted_token"] {
        assert!(sums["redacted"][rule].as_u64().unwrap() > 0, "{rule}: {sums}");
    }
}

#[test]
fn daemons_leak_nothing_to_disk_wire_logs_or_api() {
    let directory = tempfile::tempdir().unwrap();
    let (state, data) = (directory.path().join("state"), directory.path().join("data"));
    let mut canaries = Vec::new();
    let (collector, address, said) = sinks::collector(&state, &data);
    let wire = sinks::Recorder::start(&address);
    let config = directory.path().join("agent.toml");
    std::fs::write(&config, configuration(directory.path(), &wire.url(), &mut canaries)).unwrap();
    let mut agent = pitot(&state);
    agent.args(["agent", "--once", "-c"]).arg(&config).env("PITOT_LOG", "debug");
    let output = agent.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_none("the agent's log", &[output.stdout, output.stderr].concat(), &canaries);
    assert_none("the wire", &wire.recorded(), &canaries);
    for path in sinks::ANSWERS {
        let (status, body) = sinks::get(&address, path);
        assert!(status == 200, "{path}: {status} {}", String::from_utf8_lossy(&body));
        assert_none(path, &body, &canaries);
    }
    for by in ["route", "consumer", "service"] {
        let url = format!("http://{address}");
        let output =
            run(&["query", "--what", "table", "--by", by, "--since", "2026-01-12", "-n", "0", "--collector", &url]);
        assert!(output.status.success() && !output.stdout.is_empty(), "{}", stderr(&output));
        assert_none("query", &[output.stdout, output.stderr].concat(), &canaries);
    }
    drop(collector);
    assert_none("the collector's log", &said.join().unwrap(), &canaries);
    for file in [&state, &data].into_iter().flat_map(|d| sinks::files(d)) {
        assert_none(&file.display().to_string(), &std::fs::read(&file).unwrap(), &canaries);
    }
}
