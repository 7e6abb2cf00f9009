//! The Grafana board, the Prometheus rules and the page. In: the files below dashboards/. Out: they load, they ask for
//! metrics that exist, alerts fire when they should (by promtool, where it is installed), and the page is safe to serve.
#![expect(clippy::panic, reason = "a helper that fails is a test that fails")]

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use pitot_model::Reason;
use serde_json::Value;
use tower::ServiceExt as _;

/// What `/metrics` of the collector offers.
const METRICS: &[&str] = &[
    "http_server_request_duration_seconds",
    "pitot_reports_total",
    "pitot_reports_refused_total",
    "pitot_transactions_total",
    "pitot_coverage_total",
    "pitot_anomalies_open",
    "pitot_anomalies_total",
    "pitot_agents",
    "pitot_agents_lagging",
    "pitot_agents_skewed",
    "pitot_agent_state",
    "pitot_agent_last_seen_timestamp_seconds",
    "pitot_agent_lag_seconds",
    "pitot_agent_clock_offset_seconds",
    "pitot_agent_spool_bytes",
    "pitot_agent_spool_limit_bytes",
    "pitot_agent_spool_reports",
    "pitot_agent_unread_bytes",
    "pitot_agent_sources",
    "pitot_agent_broken_sources",
    "pitot_agent_reports_refused_total",
    "pitot_agent_coverage_total",
    "pitot_agent_requests_in_flight",
    "pitot_agent_streams_open",
    "pitot_agent_connections",
    "pitot_agent_buffered_bytes",
    "pitot_agent_broken_sources",
    "pitot_agent_clock_offset_seconds",
    "pitot_agent_coverage_total",
    "pitot_agent_lag_seconds",
    "pitot_agent_reports_refused_total",
    "pitot_agent_sources",
    "pitot_agent_spool_bytes",
    "pitot_agent_spool_limit_bytes",
    "pitot_agent_spool_reports",
    "pitot_agent_state",
    "pitot_agent_unread_bytes",
    "pitot_agents_skewed",
    "pitot_reports_refused_total",
    "pitot_watermark_timestamp_seconds",
    "pitot_store_disk_bytes",
    "pitot_store_windows",
    "pitot_panics_total",
    "pitot_access_refused_total",
    "pitot_build_info",
];

const RULES: &str = "prometheus/pitot.rules.yml";
const RULE_TESTS: &str = "prometheus/pitot.rules.test.yml";
const PAGE: &str = "web/index.html";
const BOARD: &str = "grafana/pitot.json";

#[test]
fn boards_and_rules_ask_for_metrics_that_exist() {
    for file in [RULES, RULE_TESTS, BOARD] {
        for name in metrics_named_in(&read(file)) {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|s| name.strip_suffix(s)).unwrap_or(&name);
            let exists = METRICS.contains(&name.as_str()) || METRICS.contains(&base);
            assert!(exists, "{file}: `{name}` is no metric of the collector; it has {METRICS:?}");
        }
    }
}

#[tokio::test]
async fn the_collector_exposes_these_metrics() {
    let collector = pitot_collector::open(pitot_collector::Config::default()).expect("a collector in memory opens");
    let question =
        axum::extract::Request::get("/metrics").body(axum::body::Body::empty()).expect("the request is valid");
    let answer = collector.router().oneshot(question).await.expect("the router answers");
    let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.expect("the answer has a body");
    let text = String::from_utf8_lossy(&body);
    let typed = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next());
    assert_eq!(typed.collect::<BTreeSet<_>>(), METRICS.iter().copied().collect(), "METRICS\n{text}");
    collector.close().await;
}

#[test]
fn every_metric_is_on_the_board() {
    let named = metrics_named_in(&read(BOARD));
    for metric in METRICS {
        assert!(named.iter().any(|n| n.starts_with(metric)), "{BOARD}: no panel shows `{metric}`");
    }
}

#[test]
fn every_loss_lowers_the_recorded_coverage() {
    let rules = read(RULES);
    let listed = rules.split("pitot_coverage_total{reason=~\"").nth(1).and_then(|rest| rest.split('"').next());
    let listed: BTreeSet<_> = listed.expect("the coverage rule lists reasons").split('|').collect();
    assert_eq!(listed, losses(), "{RULES}: pitot:coverage:ratio_rate5m");
}

#[test]
fn the_board_loads_into_any_grafana() {
    let board: Value = serde_json::from_str(&read(BOARD)).expect("the board is JSON");
    assert!(board["schemaVersion"].as_u64() >= Some(39), "{}", board["schemaVersion"]);
    assert!(board.get("id").is_none(), "an id ties the board to one Grafana");
    let panels = board["panels"].as_array().expect("panels are a list");
    let ids: BTreeSet<_> = panels.iter().map(|p| p["id"].as_u64()).collect();
    assert_eq!(ids.len(), panels.len(), "ids of panels are unique");
    for panel in panels.iter().filter(|p| p["type"] != "row") {
        let title = &panel["title"];
        assert_eq!(panel["datasource"]["uid"], "${DS_PROMETHEUS}", "{title}");
        assert!(panel["description"].as_str().is_some_and(|d| !d.is_empty()), "{title} needs a description");
        let grid = &panel["gridPos"];
        assert!(grid["x"].as_u64().zip(grid["w"].as_u64()).is_some_and(|(x, w)| x + w <= 24), "{title} is too wide");
        for target in panel["targets"].as_array().expect("targets are a list") {
            assert_eq!(target["datasource"]["uid"], "${DS_PROMETHEUS}", "{title}");
        }
    }
}

#[test]
fn expressions_of_the_board_are_valid() {
    let board: Value = serde_json::from_str(&read(BOARD)).expect("the board is JSON");
    let targets = board["panels"].as_array().into_iter().flatten().flat_map(|p| p["targets"].as_array());
    let rules = targets.flatten().filter_map(|t| t["expr"].as_str()).map(|expr| {
        let expr = expr.replace("$__rate_interval", "1m").replace("$__range", "1h");
        serde_json::json!({ "record": "board:panel", "expr": expr, "labels": { "expression": expr.as_str() } })
    });
    // YAML, since JSON is.
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let group = serde_json::json!({ "groups": [{ "name": "board", "rules": rules.collect::<Vec<_>>() }] });
    fs::write(file.path(), group.to_string()).expect("a temporary file can be written");
    promtool(&["check", "rules", &file.path().to_string_lossy()]);
}

#[test]
fn the_page_takes_nothing_from_elsewhere_and_trusts_no_text() {
    let page = read(PAGE);
    let namespace = "http://www.w3.org/2000/svg";
    for bad in [
        "http://",
        "https://",
        "src=",
        "@import",
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "eval(",
        "new Function",
        " style=\"",
        " onclick",
        " onload",
        " onerror",
    ] {
        for (line, n) in page.replace(namespace, "").lines().zip(1..) {
            assert!(
                !line.contains(bad),
                "{PAGE}:{n}: `{bad}`: text goes through textContent, style and script stand here"
            );
        }
    }
    for policy in ["default-src 'none'", "connect-src 'self'", "require-trusted-types-for 'script'"] {
        assert!(page.contains(policy), "{PAGE}: the content security policy lost `{policy}`");
    }
}

#[test]
fn the_page_knows_which_reasons_are_losses() {
    let page = read(PAGE);
    let line = page.lines().find(|l| l.starts_with("const LOSSES = [")).expect("the page has LOSSES");
    let listed: BTreeSet<_> = line.split('"').skip(1).step_by(2).collect();
    assert_eq!(listed, losses(), "{PAGE}: LOSSES");
}

#[test]
fn rules_are_valid_and_fire_when_they_should() {
    promtool(&["check", "rules", RULES]);
    promtool(&["test", "rules", RULE_TESTS]);
}

/// Runs it below dashboards/; fails where it complains, skips where it is not installed.
fn promtool(arguments: &[&str]) {
    match Command::new("promtool").args(arguments).current_dir(dashboards()).output() {
        Ok(output) => {
            let text = [output.stdout, output.stderr].concat();
            assert!(output.status.success(), "promtool {arguments:?}\n{}", String::from_utf8_lossy(&text));
        }
        Err(error) => skip("promtool", &error),
    }
}

fn losses() -> BTreeSet<&'static str> {
    Reason::ALL.iter().filter(|r| r.is_loss()).map(|r| r.name()).collect()
}

/// Names that look like metrics of ours. Recorded series have colons, labels have other prefixes.
fn metrics_named_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
    let ours = words.filter(|w| (w.starts_with("pitot_") || w.starts_with("http_server_")) && !w.contains(':'));
    ours.map(str::to_owned).collect()
}

fn read(file: &str) -> String {
    fs::read_to_string(dashboards().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

fn dashboards() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("dashboards")
}

fn skip(tool: &str, error: &std::io::Error) {
    assert!(std::env::var_os("CI").is_none_or(|v| v != "true"), "{tool}: {error}; scripts/setup.sh test installs it");
    eprintln!("SKIPPED: {tool} cannot be run ({error}); scripts/setup.sh test installs it");
}
