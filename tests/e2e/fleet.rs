//! `pitot reload` and `pitot agents` against daemons that run.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
    time::Instant,
};

use crate::{
    daemons::{PATIENCE, Running},
    support::{LOG, json, pitot, stderr, stdout},
};

/// A collector with this configuration, and its address.
fn collector(state: &Path, config: &Path) -> (Running, String) {
    let mut command = pitot(state);
    command.args(["collector", "-c"]).arg(config).stderr(Stdio::piped()).env("NO_COLOR", "1");
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines.find_map(|l| l.unwrap().split_once("http://").map(|(_, a)| a.trim().to_owned()));
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), told.expect("the collector says where it listens"))
}

#[test]
fn a_collector_takes_another_configuration_or_keeps_its_own() {
    let state = tempfile::tempdir().unwrap();
    let (config, data) = (state.path().join("collector.toml"), state.path().join("data"));
    let write = |rest: &str| {
        fs::write(&config, format!("listen = \"127.0.0.1:0\"\ndata = {data:?}\n{rest}")).unwrap();
    };
    let reload = |args: &[&str]| pitot(state.path()).arg("reload").args(args).output().unwrap();
    let at = data.to_str().unwrap();
    let nobody = reload(&[]);
    assert!(!nobody.status.success() && stderr(&nobody).contains("no daemon runs"), "{}", stderr(&nobody));

    write("");
    let (mut running, address) = collector(state.path(), &config);
    let deadline = Instant::now() + PATIENCE;
    while !data.join("run").exists() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    for (rest, want) in [
        ("[detect]\nquiet_windows = 9\n", Ok(())),
        ("[detect]\nquiet = 9\n", Err("unknown field")),
        ("window = \"5s\"\n", Err("`window` cannot change")),
        ("[retention]\nhour = \"1m\"\n", Err("`retention`")),
        ("[[alerts.receivers]]\nname = \"a\"\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n", Ok(())),
    ] {
        write(rest);
        let told = reload(&["--state", at]);
        match want {
            Ok(()) => {
                assert_eq!(stdout(&told), format!("collector {address}: configuration taken\n"), "{}", stderr(&told));
            }
            Err(why) => {
                assert_eq!(told.status.code(), Some(1));
                let said = stderr(&told);
                assert!(said.contains("the old one stays") && said.contains(why), "{said}");
            }
        }
    }
    assert!(running.0.try_wait().unwrap().is_none(), "it runs on");
    let by_pid = reload(&["--state", at, "--pid", &running.0.id().to_string()]);
    assert!(by_pid.status.success(), "{}", stderr(&by_pid));
    let other = reload(&["--state", at, "nobody"]);
    assert!(stderr(&other).contains(&format!("there is collector {address}")), "{}", stderr(&other));

    running.0.kill().unwrap();
    running.0.wait().unwrap();
    assert!(stderr(&reload(&["--state", at])).contains("no daemon runs"), "what was killed is not found");
}

#[test]
fn a_process_that_is_no_pitot_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    let mut other = Running(std::process::Command::new("sleep").arg("600").spawn().unwrap());
    let told = pitot(state.path()).args(["reload", "--pid", &other.0.id().to_string()]).output().unwrap();
    assert!(!told.status.success() && stderr(&told).contains("no pitot"), "{}", stderr(&told));
    assert!(other.0.try_wait().unwrap().is_none(), "it lives");
}

#[test]
fn the_fleet_is_listed_with_who_ships() {
    let state = tempfile::tempdir().unwrap();
    let (config, log) = (state.path().join("collector.toml"), state.path().join("access.log"));
    fs::write(&config, "listen = \"127.0.0.1:0\"\n").unwrap();
    let (_collector, address) = collector(state.path(), &config);
    let url = format!("http://{address}");
    let agents = |args: &[&str]| pitot(state.path()).args(["agents", "--collector", &url]).args(args).output().unwrap();
    assert!(stdout(&agents(&[])).contains("no agent has shipped"));

    fs::File::create(&log).unwrap().write_all(LOG.as_bytes()).unwrap();
    let file = state.path().join("agent.toml");
    let source = format!("name = \"web-1\"\nship_every = \"100ms\"\n[[source]]\npath = {log:?}\nfrom_start = true\n");
    fs::write(&file, source).unwrap();
    let mut agent = pitot(state.path());
    agent.args(["agent", "--collector", &url, "-c"]).arg(&file).stderr(Stdio::null());
    let _agent = Running(agent.spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while json(&agents(&["--json"]))["agents"][0]["coverage"]["lines_read"] != 4 {
        assert!(Instant::now() < deadline, "{}", stdout(&agents(&[])));
    }
    let listed = stdout(&agents(&[]));
    assert!(listed.contains("web-1") && listed.ends_with("1 agent: 1 live\n"), "{listed}");
    let one = stdout(&agents(&["web-1"]));
    assert!(one.contains("100 % seen: 4 lines read, 4 transactions, 0 lost"), "{one}");
    assert_eq!(json(&agents(&["web-1", "--json"]))["agent"]["name"], "web-1");
    let nobody = agents(&["web-2"]);
    assert!(stderr(&nobody).contains("no agent named `web-2`; there is web-1"), "{}", stderr(&nobody));
}
