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
    for (file, counts) in verdict["files"].as_object().expect("files are judged") {
        let known = DISAGREEMENTS.iter().find(|d| d.file == file).map_or((0, 0), |d| (d.missing, d.extra));
        let n = |field: &str| counts[field].as_u64().unwrap();
        assert_eq!(
            (n("expected") - n("matched"), n("actual") - n("matched")),
            known,
            "{file}: (missing, extra) {counts}"
        );
    }
    for (field, counts) in verdict["fields"].as_object().expect("fields are compared") {
        assert_eq!(counts["agree"], counts["stated"], "field {field}");
    }
}

/// Where the golden file says other than the log does, and the log is right.
struct Disagreement {
    file: &'static str,
    missing: u64,
    extra: u64,
    #[expect(dead_code, reason = "for who reads this table")]
    why: &'static str,
}

const DISAGREEMENTS: [Disagreement; 4] = [
    Disagreement {
        file: "crowdsec/aws-alb-logs.log",
        missing: 2,
        extra: 2,
        why: "lines 7 and 14: the target is `/remote_agent.php?action=polldata&...[]=3...`; the golden file leaves out the query",
    },
    Disagreement {
        file: "crowdsec/nginx-mail-logs.log",
        missing: 0,
        extra: 2,
        why: "lines 4 and 5 are lines of a combined access log between those of a mail log, which alone the golden file is about",
    },
    Disagreement {
        file: "crowdsec/traefik_json.log",
        missing: 1,
        extra: 0,
        why: "line 7 stands twice in the golden file and once in the log",
    },
    Disagreement {
        file: "filebeat/iis-access-test-x-forward-for.log",
        missing: 2,
        extra: 2,
        why: "lines 4 and 5: the query is logged with `%20` and `%27`; the golden file decoded them",
    },
];

/// A log in which no line is a transaction is refused; then there is nothing to compare.
fn replay(log: &Path, out: &Path) {
    fs::create_dir_all(out).unwrap();
    let output = run(&["replay", "--json", "--raw", log.to_str().unwrap()]);
    let is_refusal = stderr(&output).contains("cannot tell the log format");
    assert!(output.status.success() || is_refusal, "{}: {}", log.display(), stderr(&output));
    let name = format!("{}.jsonl", log.file_name().unwrap().to_str().unwrap());
    fs::write(out.join(name), &output.stdout).unwrap();
}
