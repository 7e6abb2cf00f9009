//! Wrong input is met with one clear line and a failure.

use std::net::TcpListener;

use crate::support::{pitot, run, run_with_input, stderr};

#[test]
fn wrong_sources_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &[u8]| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).to_str().unwrap().to_owned()
    };
    let noise: Vec<u8> = (0..5_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (args, part) in [
        (vec!["report".into(), "/no/such/file".into()], "cannot open `/no/such/file`"),
        (vec!["report".into(), dir.path().to_str().unwrap().into()], "is a directory"),
        (vec!["report".into(), path("empty.log", b"")], "is empty"),
        (vec!["report".into(), path("noise.log", &noise)], "cannot tell the log format"),
        (
            vec!["report".into(), path("prose.log", b"Once upon a time\nthere was no log\n")],
            "cannot tell the log format",
        ),
        (
            vec!["report".into(), "--log-format".into(), "$remote_addr $nonsense(".into(), path("a.log", b"x\n")],
            "--log-format",
        ),
        (vec!["report".into(), "--route".into(), "nowhere".into(), path("b.log", b"x\n")], "has no path"),
        (
            vec!["report".into(), "--log-format".into(), "combined".into(), path("c.log", b"not combined\n")],
            "no transaction in 1 lines",
        ),
    ] {
        let output = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let told = stderr(&output);
        assert!(!output.status.success(), "{args:?} succeeded");
        assert!(told.contains(part), "{args:?}: {told}");
        assert!(!told.contains("panicked"), "{told}");
    }
}

#[test]
fn a_source_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let (log, link) = (dir.path().join("a.log"), dir.path().join("b.log"));
    std::fs::write(&log, crate::support::LOG).unwrap();
    std::fs::hard_link(&log, &link).unwrap();
    for flag in ["--invalid", "--html"] {
        for output in [&log, &link] {
            let ended = run(&["report", flag, output.to_str().unwrap(), log.to_str().unwrap()]);
            assert!(!ended.status.success() && stderr(&ended).contains("is a source"), "{flag}: {}", stderr(&ended));
            assert_eq!(std::fs::read_to_string(&log).unwrap(), crate::support::LOG, "{flag}");
        }
    }
}

#[test]
fn a_broken_archive_gives_what_came_before_and_fails() {
    use std::io::Write;
    let lines = crate::support::LOG.repeat(2_000);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(lines.as_bytes()).unwrap();
    let mut bytes = gz.finish().unwrap();
    bytes.truncate(bytes.len() * 2 / 3);
    let output = run_with_input(&["report", "--json", "-"], &bytes);
    assert!(!output.status.success());
    assert!(stderr(&output).contains("cannot read on"), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["totals"]["count"].as_u64().unwrap() > 1_000);
    assert_eq!(report["coverage"]["reasons"]["source_broken"], 1);
}

#[test]
fn wrong_configuration_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind, text, part) in [
        ("unknown", "agent", "colour = \"red\"\n", "unknown field `colour`"),
        ("type", "agent", "window = 7\n", "window"),
        ("two", "agent", "window = \"7s\"\nship_every = \"1ms\"\n[[source]]\npath = \"a\"\n", "2 problems"),
        ("none", "agent", "", "no source"),
        ("unknown", "collector", "colour = \"red\"\n", "unknown field `colour`"),
        ("address", "collector", "listen = \"nowhere\"\n", "use an address and a port"),
        ("public", "collector", "listen = \"0.0.0.0:7077\"\n", "or use 127.0.0.1"),
    ] {
        let path = dir.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        let output = run(&[kind, "-c", path.to_str().unwrap()]);
        assert!(!output.status.success(), "{name}");
        assert!(stderr(&output).contains(part), "{name}: {}", stderr(&output));
    }
    let output = run(&["collector", "-c", "/no/such.toml"]);
    assert!(stderr(&output).contains("cannot read `/no/such.toml`"), "{}", stderr(&output));
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["collector", "--listen", &address]);
    assert!(!output.status.success());
    assert!(stderr(&output).contains(&address) && stderr(&output).contains("in use"), "{}", stderr(&output));
}

#[test]
fn a_store_of_a_newer_version_and_a_foreign_directory_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("holiday.jpg"), "not a store").unwrap();
    let output =
        pitot(dir.path()).args(["collector", "--listen", "127.0.0.1:0", "--data"]).arg(&data).output().unwrap();
    assert!(!output.status.success());
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}

#[test]
fn a_wrong_filter_is_pointed_at() {
    let output = run(&["query", "service:a colour:red"]);
    assert!(!output.status.success());
    let told = stderr(&output);
    assert!(told.contains("unknown field `colour`") && told.contains("          ^"), "{told}");
    let output = run(&["query", "--collector", "http://127.0.0.1:1", "service:a"]);
    assert!(stderr(&output).contains("127.0.0.1:1"), "{}", stderr(&output));
}
