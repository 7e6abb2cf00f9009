//! Logs of the generator, whose truth is known: every count exact, every quantile within a thousandth.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::support::{generator, json, run};

const LINES: &str = "150000";

#[test]
fn all_formats_give_the_truth() {
    let Some(generator) = generator("make_access_log") else { return };
    let dir = tempfile::tempdir().unwrap();
    for (format, log_format, garbage, has_key) in [
        ("common", None, "0", false),
        ("combined", None, "0.01", false),
        ("combined+rt", None, "0", true),
        ("combined+rt", None, "0.01", true),
        ("json", None, "0.01", true),
        (
            "combined+rt",
            Some(
                "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" $request_time $upstream_response_time \"$http_x_api_key\"",
            ),
            "0.01",
            true,
        ),
        ("combined+rt", Some("%h - %^ [%d:%t %^] \"%r\" %s %b \"%R\" \"%u\" %T %^ \"%^\""), "0", false),
    ] {
        let case = format!("{format}, garbage {garbage}, format {log_format:?}");
        let log = generate(&generator, dir.path(), format, garbage);
        let mut args = vec!["report", "--json", "--raw", log.to_str().unwrap()];
        args.extend(log_format.iter().flat_map(|f| ["--log-format", f]));
        let output = run(&[&args[..], &["--threads", "1"]].concat());
        check(&case, &json(&output), &log, has_key);
        assert_eq!(
            run(&[&args[..], &["--threads", "3"]].concat()).stdout,
            output.stdout,
            "{case}: threads change the report"
        );
    }
}

/// The 60 routes of the generator from 100,000 lines on, in whatever order these come.
#[test]
fn routes_are_learned_exactly_in_any_order_of_lines() {
    let Some(generator) = generator("make_access_log") else { return };
    let dir = tempfile::tempdir().unwrap();
    let formats = ["common", "combined", "combined+rt", "json", "combined+rt"];
    for (seed, format) in (1..=5).zip(formats) {
        let log = dir.path().join(format!("{seed}.log"));
        let mut command = Command::new(&generator);
        command.args(["--lines", "100000", "--seed", &seed.to_string(), "--format", format, "--out"]).arg(&log);
        assert!(command.output().expect("the generator runs").status.success());
        let truth = fs::read(format!("{}.truth.json", log.display())).expect("the generator wrote its truth");
        let truth: Value = serde_json::from_slice(&truth).expect("the truth is JSON");
        let by_route = truth["by_route"].as_object().expect("truth by name");
        let counts = by_route.iter().map(|(name, route)| (name.clone(), route["count"].as_u64().unwrap_or_default()));
        let want: BTreeMap<String, u64> = counts.filter(|(_, count)| *count > 0).collect();
        let text = fs::read_to_string(&log).expect("the generator writes text");
        let mut lines: Vec<&str> = text.lines().collect();
        type Key = fn(&str) -> (u64, &str);
        let orders: [(&str, Key); 3] = [
            ("as written", |_| (0, "")),
            ("shuffled", |line| (line.bytes().fold(7, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)), "")),
            ("sorted by request", |line| (0, line.split_once('"').map_or("", |(_, request)| request))),
        ];
        for (order, key) in orders {
            lines.sort_by(|a, b| key(a).cmp(&key(b)));
            fs::write(&log, lines.join("\n") + "\n").expect("the log is written");
            for args in [&["report", "--json", "--raw"][..], &["routes", "--json", "--raw"]] {
                let output = json(&run(&[args, &[log.to_str().unwrap()]].concat()));
                let rows = output.as_array().or_else(|| output["routes"].as_array()).expect("rows");
                let name =
                    |row: &Value| format!("{} {}", row["method"].as_str().unwrap(), row["route"].as_str().unwrap());
                let got: BTreeMap<String, u64> =
                    rows.iter().map(|row| (name(row), row["count"].as_u64().unwrap())).collect();
                assert_eq!(got, want, "seed {seed}, {format}, {order}, {args:?}");
            }
        }
    }
}

fn check(case: &str, report: &Value, log: &Path, has_key: bool) {
    let truth = fs::read(format!("{}.truth.json", log.display())).expect("the generator wrote its truth");
    let truth: Value = serde_json::from_slice(&truth).expect("the truth is JSON");
    compare(case, &report["totals"], &truth["all"]);
    let name = |row: &Value, fields: &[&str]| {
        fields.iter().map(|f| row[*f].as_str().unwrap_or("")).collect::<Vec<_>>().join(" ")
    };
    let mut parts = vec![("routes", &["method", "route"][..], "by_route")];
    if has_key {
        parts.push(("consumers", &["consumer"][..], "by_consumer"));
    }
    for (rows, fields, by) in parts {
        let rows = report[rows].as_array().expect("rows");
        let truth = truth[by].as_object().expect("truth by name");
        assert_eq!(rows.len(), truth.len(), "{case}: {by}");
        for row in rows {
            let name = name(row, fields);
            compare(
                &format!("{case}: {name}"),
                row,
                truth.get(&name).unwrap_or_else(|| panic!("{case}: {name} is not in the truth")),
            );
        }
    }
    let coverage = &report["coverage"];
    let skipped: u64 = coverage["reasons"].as_object().expect("reasons").values().filter_map(Value::as_u64).sum();
    assert_eq!(coverage["lines_read"], truth["lines"], "{case}");
    assert_eq!(
        coverage["transactions"].as_u64().unwrap() + skipped,
        truth["lines"].as_u64().unwrap(),
        "{case}: {coverage}"
    );
}

fn compare(name: &str, row: &Value, truth: &Value) {
    assert_eq!((&row["count"], &row["response_bytes"]), (&truth["count"], &truth["bytes"]), "{name}");
    assert_eq!(row["status"].as_object(), truth["status"].as_object(), "{name}");
    let (got, exact) = (&row["duration_us"], &truth["latency_us"]);
    if got["n"] == 0 {
        return;
    }
    assert_eq!((&got["n"], &got["min"], &got["max"]), (&exact["n"], &exact["min"], &exact["max"]), "{name}");
    for q in ["p50", "p75", "p90", "p95", "p99", "p999"] {
        let (got, exact) = (got[q].as_u64().unwrap(), exact[q].as_u64().unwrap());
        assert!(got.abs_diff(exact) * 1000 <= exact, "{name}: {q} is {got}, not {exact}");
    }
}

fn generate(generator: &Path, dir: &Path, format: &str, garbage: &str) -> PathBuf {
    let log = dir.join(format!("{format}-{garbage}.log"));
    let mut command = Command::new(generator);
    command
        .args(["--lines", LINES, "--incidents", "20", "--seed", "7", "--format", format, "--garbage", garbage, "--out"])
        .arg(&log);
    assert!(command.output().expect("the generator runs").status.success());
    log
}
