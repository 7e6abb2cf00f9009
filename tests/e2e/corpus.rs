//! Access logs that nobody here wrote, read with the format detected, judged by the comparer beside them.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{run, shared, stderr};

#[test]
fn every_log_of_the_corpus_is_read_as_other_programs_read_it() {
    let (Some(logs), Some(comparer)) = (shared("corpus/logs"), shared("corpus/compare_transactions.py")) else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    let mut n_files = 0;
    for origin in fs::read_dir(&logs).unwrap().map(|e| e.unwrap().path()) {
        for log in fs::read_dir(&origin).unwrap().map(|e| e.unwrap().path()) {
            if log.extension().is_some_and(|e| e == "log") {
                replay(&log, &out.path().join(origin.file_name().unwrap()));
                n_files += 1;
            }
        }
    }
    assert!(n_files > 0, "no log in {}", logs.display());
    let verdict =
        Command::new("python3").arg(comparer).args([&logs, out.path()]).arg("--json").output().expect("python3 runs");
    let verdict: Value = serde_json::from_slice(&verdict.stdout).expect("the comparer prints JSON");
    let total = &verdict["total"];
    assert_eq!((&total["precision"], &total["recall"]), (&Value::from(1.0), &Value::from(1.0)), "{total:#}");
    for (field, counts) in verdict["fields"].as_object().expect("fields are compared") {
        assert_eq!(counts["agree"], counts["stated"], "field {field}");
    }
}

/// A log in which no line is a transaction is refused; then there is nothing to compare.
fn replay(log: &Path, out: &Path) {
    fs::create_dir_all(out).unwrap();
    let output = run(&["replay", "--json", "--raw", log.to_str().unwrap()]);
    let is_refusal = stderr(&output).contains("cannot tell the log format");
    assert!(output.status.success() || is_refusal, "{}: {}", log.display(), stderr(&output));
    let name = format!("{}.jsonl", log.file_name().unwrap().to_str().unwrap());
    fs::write(out.join(name), &output.stdout).unwrap();
}
