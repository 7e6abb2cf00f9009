//! A log, an agent and a collector beside a description of the API: what differs, and the way from traffic to a description.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Output, Stdio},
};

use crate::{
    daemons::Running,
    support::{json, pitot, run, stderr, stdout},
};

const DESCRIPTION: &str = "\
openapi: 3.1.0
info: { title: Shop, version: '2' }
servers: [{ url: https://shop.example/v1 }]
paths:
  /users/{user}: { get: { responses: { 200: { description: ok } } } }
  /orders: { post: { responses: { 201: { description: ok } } } }
  /old/{id}: { get: { deprecated: true, x-sunset: 2026-03-01, responses: { default: { description: all } } } }
  /never: { get: { operationId: never } }
";

/// Three consumers still call what is deprecated.
fn log() -> String {
    let mut log = String::new();
    for (user, request, status, n) in [
        ("ann", "GET /v1/users/7", 200, 5),
        ("ann", "GET /v1/users/8", 500, 1),
        ("ann", "GET /v1/old/1", 200, 3),
        ("bob", "GET /v1/old/2", 200, 2),
        ("cy", "GET /v1/old/3", 404, 1),
        ("cy", "POST /v1/orders", 201, 1),
        ("cy", "DELETE /v1/orders", 200, 1),
        ("eve", "GET /internal/flush", 200, 4),
        ("eve", "GET /wp-login.php", 404, 9),
    ] {
        for i in 0..n {
            let line = format!("10.0.0.1 - {user} [12/Jan/2026:08:30:{i:02} +0000] \"{request} HTTP/1.1\" {status} 5");
            let _ = writeln!(log, "{line} \"-\" \"curl/8\"");
        }
    }
    log
}

fn collector(state: &Path, config: &Path) -> (Running, String) {
    let mut command = pitot(state);
    command.args(["collector", "-c"]).arg(config).stderr(Stdio::piped()).env("NO_COLOR", "1");
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let told = lines.find_map(|l| l.unwrap().split_once("http://").map(|(_, a)| a.trim().to_owned()));
    std::thread::spawn(move || lines.for_each(drop));
    (Running(child), told.expect("the collector says where it listens"))
}

/// Ships the log to a collector with this description, and asks it.
fn compared(description: &str, ask: &[&[&str]]) -> Vec<Output> {
    let state = tempfile::tempdir().unwrap();
    let at = |name: &str| state.path().join(name);
    fs::write(at("api.yaml"), description).unwrap();
    fs::write(at("access.log"), log()).unwrap();
    let openapi = format!("openapi = [{:?}]\n", at("api.yaml"));
    fs::write(at("collector.toml"), format!("listen = \"127.0.0.1:0\"\n{openapi}")).unwrap();
    let source = format!("[[source]]\npath = {:?}\nfrom_start = true\n", at("access.log"));
    fs::write(at("agent.toml"), format!("name = \"web\"\n{openapi}{source}")).unwrap();
    let (_running, address) = collector(state.path(), &at("collector.toml"));
    let shipped = pitot(state.path())
        .args(["agent", "--once", "--collector", &address, "-c"])
        .arg(at("agent.toml"))
        .output()
        .unwrap();
    assert!(shipped.status.success(), "{}", stderr(&shipped));
    let times = ["--collector", &address, "--since", "2026-01-12T08:00:00Z", "--until", "2026-01-12T09:00:00Z"];
    let answer = |args: &&[&str]| pitot(state.path()).arg("contract").args(times).args(*args).output().unwrap();
    ask.iter().map(answer).collect()
}

#[test]
fn what_differs_from_a_description_is_told() {
    let answers = compared(DESCRIPTION, &[&["--json"], &[]]);
    let answer = json(&answers[0]);
    let rows = |list: &str, keys: &[&str]| -> Vec<Vec<String>> {
        let text = |row: &serde_json::Value| keys.iter().map(|k| row[k].to_string().replace('"', "")).collect();
        answer[list]["rows"].as_array().unwrap().iter().map(text).collect()
    };
    let deprecated = rows("deprecated", &["method", "route", "requests", "consumer_count"]);
    assert_eq!(deprecated, [["GET", "/v1/old/{id}", "6", "3"]]);
    let callers = answer["deprecated"]["rows"][0]["consumers"].as_array().unwrap();
    let requests: Vec<_> = callers.iter().map(|c| c["requests"].as_u64().unwrap()).collect();
    assert_eq!(requests, [3, 2, 1]);
    // As exact as the window that was read: ten seconds, or the minute once that is rolled up.
    assert!(callers.iter().all(|c| c["last_seen"].as_str().unwrap().starts_with("2026-01-12T08:3")), "{callers:?}");
    assert_eq!(rows("undocumented", &["route", "requests"]), [["/internal/flush", "4"]]);
    assert_eq!(rows("undocumented_methods", &["method", "route"]), [["DELETE", "/v1/orders"]]);
    assert_eq!(rows("undocumented_statuses", &["route", "status"]), [["/v1/users/{user}", "500"]]);
    assert_eq!(rows("unused", &["route", "id"]), [["/v1/never", "never"]]);
    assert_eq!(answer["nothing_there"]["requests"], 9);
    let text = stdout(&answers[1]);
    for part in
        ["Shop 2", "3 of 4 operations called", "Deprecated and still called  1", "until 2026-03-01", "GET /v1/never"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}{}", stderr(&answers[1]));
    }
}

#[test]
fn what_is_exported_describes_all_that_was_called() {
    let yaml = stdout(&compared(DESCRIPTION, &[&["export"]])[0]);
    assert!(yaml.starts_with("openapi: \"3.1.0\""), "{yaml}");
    let answer = json(&compared(&yaml, &[&["--json"]])[0]);
    for list in ["undocumented", "undocumented_methods", "undocumented_statuses", "unused"] {
        assert_eq!(answer[list]["row_count"], 0, "{list}\n{yaml}\n{answer:#}");
    }
    assert_eq!(answer["deprecated"]["row_count"], 1, "{yaml}");
}

#[test]
fn routes_of_a_report_are_those_of_a_description() {
    let state = tempfile::tempdir().unwrap();
    let at = |name: &str| state.path().join(name).display().to_string();
    fs::write(at("api.yaml"), DESCRIPTION).unwrap();
    fs::write(at("access.log"), log()).unwrap();
    let report = json(&run(&["report", "--json", "--openapi", &at("api.yaml"), &at("access.log")]));
    let routes: Vec<_> = report["routes"].as_array().unwrap().iter().map(|r| r["route"].as_str().unwrap()).collect();
    assert!(routes.contains(&"/v1/users/{user}") && routes.contains(&"/internal/flush"), "{routes:?}");
}

#[test]
fn a_broken_description_is_refused_with_its_place() {
    let state = tempfile::tempdir().unwrap();
    let at = |name: &str| state.path().join(name).display().to_string();
    for (text, why) in [
        ("openapi: 3.0.0\npaths: [", "not YAML"),
        ("{\"openapi\": \"3.0.0\", \"paths\": 7}", "instead of an object"),
        ("openapi: 3.0.0\npaths: { /a: { $ref: '#/paths/~1a' } }", "goes in circles"),
        ("title: none", "name an OpenAPI 3 or Swagger 2 document"),
    ] {
        fs::write(at("api.yaml"), text).unwrap();
        fs::write(at("collector.toml"), format!("openapi = [{:?}, \"/nowhere.yaml\"]\n", at("api.yaml"))).unwrap();
        let checked = run(&["check", &at("collector.toml")]);
        let told = stderr(&checked);
        assert!(!checked.status.success() && told.contains(why) && told.contains("/nowhere.yaml"), "{told}");
        let report = run(&["report", "--openapi", &at("api.yaml"), &at("api.yaml")]);
        assert!(!report.status.success() && stderr(&report).contains(why), "{}", stderr(&report));
    }
}
