//! Captures that nobody here made, judged by the comparer beside them.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use serde_json::Value;

use crate::support::{run, shared, stderr};

#[test]
fn core_captures_are_read_as_other_programs_read_them() {
    let Some(verdict) = judge("core") else { return };
    verdict.assert_agrees(0.995);
    // Most transactions lie in a few captures, which could hide what is wrong in all others.
    let mut names: Vec<&String> = verdict.files.keys().collect();
    names.sort_by_key(|name| std::cmp::Reverse(verdict.count(name, "expected")));
    verdict.assert_ratios(&names[5..], 0.995);
}

#[test]
fn captures_in_tunnels_are_read_as_other_programs_read_them() {
    let Some(verdict) = judge("extended") else { return };
    verdict.assert_agrees(0.95);
}

/// What the comparer says about a part of the corpus.
struct Verdict {
    files: serde_json::Map<String, Value>,
    fields: Value,
    /// Its text, with what is missing and extra.
    told: String,
}

impl Verdict {
    fn assert_agrees(&self, ratio: f64) {
        let names: Vec<&String> = self.files.keys().collect();
        self.assert_ratios(&names, ratio);
        for field in ["request_body_len", "response_body_len"] {
            let counts = &self.fields[field];
            let (agree, stated) = (counts["agree"].as_f64().unwrap(), counts["stated"].as_f64().unwrap());
            assert!(agree >= stated * 0.99, "{field}: {agree} of {stated} agree\n{}", self.told);
        }
        for (name, counts) in &self.files {
            let known = DISAGREEMENTS.iter().find(|d| d.file == name).map_or((0, 0), |d| (d.missing, d.extra));
            let n = |field| self.count(name, field);
            let (missing, extra) = (n("expected") - n("matched"), n("actual") - n("matched"));
            assert!((missing, extra) == known, "{name}: (missing, extra) {counts}\n{}", self.told);
        }
    }

    fn assert_ratios(&self, names: &[&String], ratio: f64) {
        let sum = |field| names.iter().map(|name| self.count(name, field)).sum::<u64>() as f64;
        let (expected, actual, matched) = (sum("expected"), sum("actual"), sum("matched"));
        assert!(
            matched >= expected * ratio && matched >= actual * ratio,
            "{} files: recall {:.4}, precision {:.4}\n{}",
            names.len(),
            matched / expected,
            matched / actual,
            self.told
        );
    }

    fn count(&self, name: &str, field: &str) -> u64 {
        self.files[name][field].as_u64().unwrap()
    }
}

/// Where we say other than the golden file. Captures that hold no HTTP give nothing.
struct Disagreement {
    file: &'static str,
    missing: u64,
    extra: u64,
    #[expect(dead_code, reason = "for who reads this table")]
    why: &'static str,
}

const DISAGREEMENTS: [Disagreement; 6] = [
    Disagreement {
        file: "suricata/app-layer-protocol-exact.pcap",
        missing: 1,
        extra: 1,
        why: "the client reset stream 7 before its answer came: to the client it was reset (RFC 9113, 5.1)",
    },
    Disagreement {
        file: "suricata/dns-over-http2__dns_over_https.pcap",
        missing: 1,
        extra: 1,
        why: "the same packets",
    },
    Disagreement {
        file: "suricata/http-evader__http-evader-468.pcap",
        missing: 1,
        extra: 1,
        why: "the status `20x` is no number; the golden file has 20",
    },
    Disagreement {
        file: "suricata/http-evader__http-evader-474.pcap",
        missing: 1,
        extra: 1,
        why: "the status after the tab is 200; the golden file has 20",
    },
    Disagreement {
        file: "suricata/http-multiple-cl.pcap",
        missing: 1,
        extra: 1,
        why: "two Content-Length: invalid (RFC 9112, 6.3), and counted; the first one is what the server took, not the last",
    },
    Disagreement {
        file: "wireshark-wiki/NTLM-wenchao.pcap",
        missing: 1,
        extra: 1,
        why: "the GIF answers the request for the GIF; the head of the answer to the script before it was not captured",
    },
];

fn judge(part: &str) -> Option<Verdict> {
    let captures = shared(&format!("corpus/pcap/{part}"))?;
    let comparer = shared("corpus/compare_transactions.py")?;
    let (out, expected) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    replay_all(&captures, out.path(), expected.path());
    let compare = |args: &[&str]| {
        let output = Command::new("python3").arg(&comparer).args([expected.path(), out.path()]).args(args).output();
        output.expect("python3 runs").stdout
    };
    let verdict: Value = serde_json::from_slice(&compare(&["--json"])).expect("the comparer prints JSON");
    Some(Verdict {
        files: verdict["files"].as_object().expect("files are judged").clone(),
        fields: verdict["fields"].clone(),
        told: String::from_utf8_lossy(&compare(&["--quiet", "--diff", "5"])).into_owned(),
    })
}

/// One process per capture, a few at a time.
fn replay_all(captures: &Path, out: &Path, expected: &Path) {
    let jobs = Mutex::new(captures_below(captures));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(capture) = jobs.lock().unwrap().pop_front() else { return };
                    let part = capture.strip_prefix(captures).unwrap();
                    replay(&capture, &out.join(format!("{}.jsonl", part.display())));
                    expect(&capture, &expected.join(format!("{}.expected.jsonl", part.display())));
                }
            });
        }
    });
}

/// What stands beside a file of what is expected of it.
fn captures_below(root: &Path) -> VecDeque<PathBuf> {
    let mut found = VecDeque::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for path in fs::read_dir(&dir).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                open.push(path);
            } else if let Some(capture) = path.to_str().unwrap().strip_suffix(".expected.jsonl") {
                found.push_back(capture.into());
            }
        }
    }
    assert!(!found.is_empty(), "no capture in {}", root.display());
    found
}

/// Captures that break off are told; what came before counts.
fn replay(capture: &Path, out: &Path) {
    let output = run(&["replay", "--json", "--raw", capture.to_str().unwrap()]);
    let told = stderr(&output);
    assert!(output.status.code().is_some() && !told.contains("panicked"), "{}: {told}", capture.display());
    assert!(output.status.success() || !told.is_empty(), "{}: failed silently", capture.display());
    fs::create_dir_all(out.parent().unwrap()).unwrap();
    fs::write(out, &output.stdout).unwrap();
}

/// Captures of HTTP/2 where the golden file adds decoded bytes, or the same bytes again, to those of DATA frames.
const COUNTED_TWICE: [&str; 6] = [
    "suricata/app-layer-protocol-exact.pcap",
    "suricata/bug-5929-02__http2_multiple_headers.pcap",
    "suricata/dns-over-http2__dns_over_https.pcap",
    "suricata/http2-bugfixes.pcap",
    "suricata/http2-keywords.pcap",
    "wireshark/packet-h2-14_headers.pcapng",
];

/// What is expected, without lengths that the golden file does not know: of bodies that were cut it states what lies in
/// the packet of their head.
fn expect(capture: &Path, out: &Path) {
    let is_counted_twice = COUNTED_TWICE.iter().any(|name| capture.ends_with(name));
    let golden = fs::read_to_string(format!("{}.expected.jsonl", capture.display())).unwrap();
    let mut rows = String::new();
    for line in golden.lines() {
        let mut row: Value = serde_json::from_str(line).expect("golden files are JSON");
        for message in ["request", "response"] {
            let note = Value::from(format!("{message}-body-cut"));
            let is_cut = row["notes"].as_array().is_some_and(|notes| notes.contains(&note));
            if is_cut || is_counted_twice {
                row.as_object_mut().unwrap().remove(&format!("{message}_body_len"));
            }
        }
        rows += &format!("{row}\n");
    }
    fs::create_dir_all(out.parent().unwrap()).unwrap();
    fs::write(out, rows).unwrap();
}
