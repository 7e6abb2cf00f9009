//! Every log of the corpus, its format detected, against what other parsers made of it.
//!
//! In: `$PITOT_SHARED/corpus/logs` (default `../shared` beside the workspace). Out: agreement on the transactions of
//! each file and on every field that its golden file states. `PITOT_CORPUS_OUT=DIR` also writes the records as JSON
//! lines, for the corpus' own comparer.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its corpus has failed")]

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use pitot_agent::log::{Format, Record, Text};
use serde_json::{Value, json};

#[test]
fn the_corpus_is_read_as_its_golden_files_say() {
    let Some(logs) = corpus() else { return };
    let mut wrong = Vec::new();
    let mut expected = 0;
    for path in files(&logs) {
        let name = path.strip_prefix(&logs).unwrap_or(&path).display().to_string();
        let bytes = fs::read(&path).unwrap();
        let rows = read(&name, &bytes);
        if let Ok(out) = env::var("PITOT_CORPUS_OUT") {
            write(&Path::new(&out).join(&name), &rows);
        }
        let golden = fs::read_to_string(format!("{}.expected.jsonl", path.display())).unwrap();
        let golden: Vec<Value> = golden.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        expected += golden.iter().filter(|g| g["optional"] != true).count();
        wrong.extend(compare(&name, &golden, &rows));
    }
    wrong.retain(|w| !ARGUED.iter().any(|(argued, _)| w.starts_with(argued)));
    assert!(wrong.is_empty(), "{} of {expected} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Where the golden file and the log disagree, the log is right.
const ARGUED: &[(&str, &str)] = &[
    ("crowdsec/aws-alb-logs.log:7: path", "the golden path lacks the query that the log has"),
    ("crowdsec/aws-alb-logs.log:14: path", "the same"),
    ("crowdsec/nginx-mail-logs.log:4: extra", "an access line that the golden parser, made for mail, passes over"),
    ("crowdsec/nginx-mail-logs.log:5: extra", "the same"),
    ("crowdsec/traefik_json.log:7: missing", "the golden file states this line twice"),
    ("filebeat/iis-access-test-x-forward-for.log:4: path", "the golden query is percent-decoded, the log's is not"),
    ("filebeat/iis-access-test-x-forward-for.log:5: path", "the same"),
];

fn corpus() -> Option<PathBuf> {
    let shared =
        env::var("PITOT_SHARED").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared").into());
    let logs = Path::new(&shared).join("corpus/logs");
    if logs.is_dir() {
        return Some(logs);
    }
    assert!(env::var("CI").as_deref() != Ok("true"), "{} is missing; set PITOT_SHARED", logs.display());
    eprintln!("SKIPPED: {} is missing; set PITOT_SHARED to run against the corpus", logs.display());
    None
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    let (dirs, files): (Vec<_>, Vec<_>) = found.into_iter().partition(|p| p.is_dir());
    let logs = files.into_iter().filter(|p| p.extension().is_some_and(|e| e == "log"));
    dirs.iter().flat_map(|d| self::files(d)).chain(logs).collect()
}

fn read(name: &str, bytes: &[u8]) -> Vec<Value> {
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let Some(mut format) = Format::detect(&lines[..lines.len().min(400)]) else {
        println!("{name}: no format");
        return Vec::new();
    };
    println!("{name}: {}", format.describe());
    let (mut rows, mut out) = (Vec::new(), Record::default());
    for (n, line) in lines.iter().enumerate() {
        if let Some(next) = format.fields_header(line) {
            format = next;
        } else if let Err(skip) = format.parse(line, &mut out) {
            println!("{name}:{}: {} {} at {}", n + 1, skip.reason, skip.field, skip.at);
        } else {
            rows.push(row(n + 1, &out));
        }
    }
    rows
}

fn row(line: usize, r: &Record<'_>) -> Value {
    let text = |t: Text<'_>| match String::from_utf8_lossy(t.decode(&mut Vec::new())).into_owned() {
        s if s.is_empty() => Value::Null,
        s => Value::from(s),
    };
    let mut path = text(r.target);
    if let (Value::String(path), Value::String(query)) = (&mut path, text(r.query)) {
        path.push('?');
        path.push_str(&query);
    }
    json!({
        "line": line, "time": r.time.map(|t| t.to_string()), "client": text(r.client), "method": text(r.method),
        "path": path, "host": text(r.host), "status": r.status, "bytes": r.response_bytes,
        "duration_ms": r.duration_us.map(|us| us as f64 / 1000.0),
    })
}

fn write(path: &Path, rows: &[Value]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    fs::write(format!("{}.jsonl", path.display()), text).unwrap();
}

/// One line for each difference: `file:line: field ...`.
fn compare(name: &str, golden: &[Value], rows: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut left: Vec<&Value> = rows.iter().collect();
    for want in golden {
        let at = &want["line"];
        let optional = want["optional"] == true;
        let Some(n) = left.iter().position(|row| row["line"] == *at) else {
            if !optional {
                wrong.push(format!("{name}:{at}: missing"));
            }
            continue;
        };
        let row = left.remove(n);
        if optional {
            continue;
        }
        for field in ["method", "path", "status", "time", "client", "host", "bytes", "duration_ms"] {
            if !want[field].is_null() && !agrees(field, &want[field], &row[field]) {
                wrong.push(format!("{name}:{at}: {field} want {} got {}", want[field], row[field]));
            }
        }
    }
    wrong.extend(left.iter().map(|row| format!("{name}:{}: extra {row}", row["line"])));
    wrong
}

fn agrees(field: &str, want: &Value, got: &Value) -> bool {
    match field {
        "method" | "host" => want.as_str().zip(got.as_str()).is_some_and(|(a, b)| a.eq_ignore_ascii_case(b)),
        "duration_ms" => want.as_f64().zip(got.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= (a * 0.001).max(0.001)),
        "time" => {
            let us = |v: &Value| {
                v.as_str().and_then(|t| t.parse::<pitot_model::Timestamp>().ok()).map(pitot_model::Timestamp::as_micros)
            };
            us(want).zip(us(got)).is_some_and(|(a, b)| (a - b).abs() < 1_500)
        }
        // Absolute targets are the same as their paths, for golden files that state only those.
        "path" => want == got || got.as_str().is_some_and(|g| want.as_str() == Some(origin_form(g))),
        _ => want == got,
    }
}

fn origin_form(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://") else { return target };
    rest.find('/').map_or("/", |slash| &rest[slash..])
}
