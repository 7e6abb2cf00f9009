//! The demo, as short as it can be: all three incidents found, every request counted, anomalies found by search.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{json, pitot, run};

#[test]
fn the_demo_finds_its_incidents_and_its_anomalies_can_be_searched() {
    let state = tempfile::tempdir().unwrap();
    let mut command = pitot(state.path());
    command.args(["demo", "--for", "75s", "--plain"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().expect("the demo says where it is");
    let url = first.rsplit(' ').next().unwrap().to_owned();
    // Read on until the last incident is being played: the first two must be findable by then.
    let mut text: Vec<String> = lines.by_ref().take_while(|l| !l.contains("floods")).collect();
    let query = |filter: &str| json(&run(&["query", "--json", "--collector", &url, filter]))["anomalies"].clone();
    let latency = query("kind:latency route:\"GET /v1/search\"");
    let by_words = query("search slow");
    let errors = query("kind:errors version:1.9.0");
    text.extend(lines);
    let text = text.join("\n");
    let status = child.wait().unwrap();
    assert!(status.success(), "{first}\n{text}");
    assert!(text.contains("Incidents injected 3, noticed 3"), "{text}");
    for (case, found) in [("field", &latency), ("words", &by_words), ("version", &errors)] {
        assert!(!found.as_array().unwrap().is_empty(), "no anomaly found by {case}\n{text}");
    }
    assert_eq!(latency[0]["id"], by_words[0]["id"], "{latency}\n{by_words}");
}
