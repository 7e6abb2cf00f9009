//! `pitot routes`: what is learned from a log, and why.

use std::fmt::Write as _;

use crate::support::{json, run_with_input, stdout};

/// Eight owners, each with the same pages below two repositories; and reports of many names.
fn log() -> String {
    let mut log = String::new();
    let mut line = |path: String| {
        let _ = writeln!(
            log,
            "203.0.113.9 - - [12/Jan/2026:08:30:00 +0000] \"GET {path} HTTP/1.1\" 200 512 \"-\" \"curl/8\""
        );
    };
    for owner in ["ada", "bob", "carol", "dan", "eve", "frank", "grace", "heidi"] {
        for (repo, page) in [("tools", "issues"), ("notes", "issues"), ("tools", "pulls"), ("notes", "pulls")] {
            (0..3).for_each(|_| line(format!("/repos/{owner}/{owner}-{repo}/{page}")));
        }
    }
    for a in ["daily", "weekly", "yearly"] {
        for b in ["sales", "stock", "staff", "costs", "taxes"] {
            for c in ["north", "south", "east", "west"] {
                line(format!("/v1/reports/{a}{b}{c}"));
            }
        }
    }
    log
}

#[test]
fn routes_are_listed_and_explained() {
    let log = log();
    let rows = json(&run_with_input(&["routes", "--json", "-"], log.as_bytes()));
    let routes: Vec<_> =
        rows.as_array().unwrap().iter().map(|r| (r["route"].as_str().unwrap(), r["count"].as_u64().unwrap())).collect();
    assert_eq!(
        routes,
        [("/v1/reports/{slug}", 60), ("/repos/{slug}/{slug}/issues", 48), ("/repos/{slug}/{slug}/pulls", 48)]
    );
    let why =
        json(&run_with_input(&["routes", "--json", "--explain", "/repos/bob/bob-notes/pulls", "-"], log.as_bytes()));
    let rules: Vec<_> = why[0]["segments"].as_array().unwrap().iter().map(|s| s["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["word", "folded", "folded", "word"]);
    let text = stdout(&run_with_input(&["routes", "--explain", "/repos/bob/bob-notes/pulls", "-"], log.as_bytes()));
    assert!(text.contains("8 different words here, 96 requests"), "{text}");
    assert!(text.contains("followed by the same words +2"), "{text}");
}

#[test]
fn templates_pin_merge_and_split() {
    let args = [
        "routes",
        "--json",
        "--route",
        "/v1/reports/{name=*}",
        "--route",
        "/repos/**/issues",
        "--route",
        "/repos/bob/*",
        "-",
    ];
    let rows = json(&run_with_input(&args, log().as_bytes()));
    let routes: Vec<_> = rows.as_array().unwrap().iter().map(|r| r["route"].as_str().unwrap()).collect();
    assert!(routes.contains(&"/v1/reports/dailysalesnorth"), "{routes:?}");
    assert!(routes.contains(&"/repos/**/issues") && routes.contains(&"/repos/bob/*"), "{routes:?}");
}
