//! Canaries: what must not leave, in every output.

use crate::support::{LOG, run_with_input, stderr, stdout};

#[test]
fn keys_and_queries_are_in_no_output_unless_asked_for() {
    let commands: [&[&str]; 7] = [
        &["report", "-"],
        &["report", "--json", "-"],
        &["report", "--format", "csv", "-"],
        &["report", "--format", "markdown", "-"],
        &["report", "--format", "html", "-"],
        &["replay", "-"],
        &["replay", "--json", "-"],
    ];
    for args in commands {
        let output = run_with_input(args, LOG.as_bytes());
        let text = stdout(&output) + &stderr(&output);
        for canary in ["s3cr3t", "token=", "ak_0f3a9b1c2d4e5f60", "ak_99aa88bb77cc66dd"] {
            assert!(!text.contains(canary), "{args:?} shows {canary}: {text}");
        }
    }
    let raw = stdout(&run_with_input(&["replay", "--json", "--raw", "-"], LOG.as_bytes()));
    assert!(raw.contains("token=s3cr3t") && raw.contains("ak_0f3a9b1c2d4e5f60"), "{raw}");
}

#[test]
fn the_same_key_has_the_same_pseudonym_on_the_same_machine() {
    let state = tempfile::tempdir().unwrap();
    let log = state.path().join("a.log");
    std::fs::write(&log, LOG).unwrap();
    let report = || crate::support::pitot(state.path()).args(["report", "--json"]).arg(&log).output().unwrap().stdout;
    let first = report();
    assert!(String::from_utf8_lossy(&first).contains("\"key-"), "{}", String::from_utf8_lossy(&first));
    assert_eq!(first, report());
}
