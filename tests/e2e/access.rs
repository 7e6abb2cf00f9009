//! A collector that hears only those whom it knows: over TLS, with client certificates and tokens, from end to end.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Instant,
};

use self::authority::Authority;
use crate::{
    daemons::{PATIENCE, Running},
    support::{LOG, json, pitot, stderr, stdout},
};

#[path = "../../client/tests/authority/mod.rs"]
mod authority;

/// A token of `pitot token`, the snippet for the collector, and the file that keeps the token.
fn token(dir: &Path, name: &str, scope: &str) -> (String, String, PathBuf) {
    let made = pitot(dir).args(["token", name, "--scope", scope]).output().unwrap();
    let (token, said) = (stdout(&made).trim().to_owned(), stderr(&made));
    assert!(made.status.success() && token.starts_with("pitot_") && !said.contains(&token), "{said}");
    let lines = said.lines().skip_while(|l| *l != "[[tokens]]").take_while(|l| !l.is_empty());
    let path = dir.join(format!("{name}.token"));
    std::fs::write(&path, format!("{token}\n")).unwrap();
    (token, lines.map(|l| format!("{l}\n")).collect(), path)
}

/// A collector with this configuration, and the URL that it tells.
fn collector(dir: &Path, config: &str) -> (Running, String) {
    let path = dir.join("collector.toml");
    std::fs::write(&path, config).unwrap();
    let mut command = pitot(dir);
    command.args(["collector", "-c"]).arg(path).stderr(Stdio::piped()).env("NO_COLOR", "1");
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let url = lines.find_map(|l| l.unwrap().split_once("listens on ").map(|(_, url)| url.trim().to_owned()));
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), url.expect("the collector says where it listens"))
}

/// What somebody with these flags is told by the collector.
fn ask(dir: &Path, url: &str, flags: &[(&str, &Path)]) -> Output {
    let mut command = pitot(dir);
    command.args([
        "query",
        "--what",
        "table",
        "--by",
        "none",
        "--since",
        "2026-01-12",
        "--until",
        "2026-01-13",
        "--json",
    ]);
    command.args(["--collector", url]);
    for (flag, path) in flags {
        command.arg(flag).arg(path);
    }
    command.output().unwrap()
}

#[test]
fn certificate_and_token_are_needed_and_enough() {
    let dir = tempfile::tempdir().unwrap();
    let (state, ours, theirs) = (dir.path(), Authority::new("ours"), Authority::new("theirs"));
    let (server, web, person) = (ours.pair("127.0.0.1"), ours.pair("web-1"), ours.pair("person"));
    let stranger = theirs.pair("person");
    let (ship, ship_config, ship_file) = token(state, "agents", "ingest");
    let (_, read_config, read_file) = token(state, "people", "read");
    let (_running, url) = collector(
        state,
        &format!(
            "listen = \"127.0.0.1:0\"\n[tls]\ncert = {:?}\nkey = {:?}\nclient_ca = {:?}\n{ship_config}{read_config}",
            server.cert, server.key, ours.ca
        ),
    );
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");

    let log = state.join("access.log");
    std::fs::write(&log, LOG).unwrap();
    let config = state.join("agent.toml");
    std::fs::write(
        &config,
        format!(
            "name = \"web-1\"\nship_every = \"100ms\"\ncollector = {url:?}\ntoken_file = {ship_file:?}\ncollector_ca = {:?}\n\
             collector_cert = {:?}\ncollector_key = {:?}\n[[source]]\npath = {log:?}\nfrom_start = true\n",
            ours.ca, web.cert, web.key
        ),
    )
    .unwrap();
    let told = state.join("agent.log");
    let mut agent = pitot(state);
    agent.args(["agent", "-c"]).arg(&config).stderr(std::fs::File::create(&told).unwrap()).env("PITOT_LOG", "trace");
    let _agent = Running(agent.spawn().unwrap());

    let (ca, cert, key) = (("--ca", &*ours.ca), ("--cert", &*person.cert), ("--key", &*person.key));
    let read = ("--token-file", &*read_file);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let count = json(&ask(state, &url, &[ca, cert, key, read]))["totals"]["count"].as_u64().unwrap();
        if count == 4 {
            break;
        }
        let said = std::fs::read_to_string(&told).unwrap();
        assert!(count < 4 && Instant::now() < deadline, "{count} transactions; the agent says\n{said}");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let said = std::fs::read_to_string(&told).unwrap();
    assert!(!said.contains(&ship) && !said.contains("Bearer"), "{said}");

    let wrong = state.join("wrong.token");
    std::fs::write(&wrong, "pitot_guess").unwrap();
    let plain = url.replace("https://", "http://");
    for (url, flags, want) in [
        (&url, &[ca, cert, key][..], "wants a token"),
        (&url, &[ca, cert, key, ("--token-file", &*wrong)], "nobody knows this token"),
        (&url, &[ca, cert, key, ("--token-file", &*ship_file)], "has not the scope `read`"),
        (&url, &[ca, read], "wants a client certificate"),
        (&url, &[ca, ("--cert", &*stranger.cert), ("--key", &*stranger.key), read], "from no authority that it trusts"),
        (&url, &[("--ca", &*theirs.ca), cert, key, read], "from no authority that is trusted here"),
        (&url, &[ca, cert, ("--key", &*web.key), read], "not the key of the certificate"),
        (&url, &[ca, cert, read], "--key"),
        (&plain, &[read], "use https://"),
        (&plain, &[ca, read], "of use with https:// alone"),
    ] {
        let refused = ask(state, url, flags);
        assert!(!refused.status.success() && stderr(&refused).contains(want), "{want}: {}", stderr(&refused));
    }
}
