//! Where lines come from: files, compressed files, standard input, several at once.

use std::io::Write;

use serde_json::Value;

use crate::support::{LOG, json, run, run_with_input, stderr, stdout};

#[test]
fn plain_gzip_zstd_and_standard_input_give_the_same_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gz.write_all(LOG.as_bytes()).unwrap();
    let plain = json(&run(&["report", "--json", &write("a.log", LOG.as_bytes())]));
    assert_eq!(plain["totals"]["count"], 4);
    assert_eq!(plain["version"], 1);
    assert_eq!(plain["totals"]["status"], serde_json::json!({"200": 2, "201": 1, "503": 1}));
    let routes: Vec<_> =
        plain["routes"].as_array().unwrap().iter().map(|r| format!("{} {}", r["method"], r["route"])).collect();
    assert_eq!(routes, ["\"POST\" \"/v1/orders\"", "\"GET\" \"/v1/users/{int}\""]);
    for (case, output) in [
        ("gzip", run(&["report", "--json", &write("a.log.gz", &gz.finish().unwrap())])),
        ("zstd", run(&["report", "--json", &write("a.log.zst", &zstd::encode_all(LOG.as_bytes(), 3).unwrap())])),
        ("standard input", run_with_input(&["report", "--json", "-"], LOG.as_bytes())),
    ] {
        let got = json(&output);
        for part in ["totals", "services", "routes", "timeline"] {
            assert_eq!(got[part], plain[part], "{case}: {part}");
        }
    }
}

#[test]
fn several_files_of_several_formats_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a.log"), dir.path().join("b.log"));
    std::fs::write(&a, LOG).unwrap();
    std::fs::write(&b, "{\"time\":\"2026-01-12T08:30:30+00:00\",\"remote_addr\":\"10.0.0.1\",\"method\":\"GET\",\"uri\":\"/v1/users/1\",\"status\":404,\"bytes\":3,\"request_time\":0.001}\n").unwrap();
    let report = json(&run(&["report", "--json", a.to_str().unwrap(), b.to_str().unwrap()]));
    assert_eq!(report["totals"]["count"], 5);
    assert_eq!(report["sources"].as_array().unwrap().len(), 2);
    let formats: Vec<_> = report["sources"].as_array().unwrap().iter().map(|s| s["format"].clone()).collect();
    assert_ne!(formats[0], formats[1]);
}

#[test]
fn a_file_name_alone_means_a_report_where_there_is_no_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    std::fs::write(&path, LOG).unwrap();
    let text = stdout(&run(&[path.to_str().unwrap()]));
    assert!(text.contains("/v1/users/{int}") && text.contains("/v1/orders"), "{text}");
}

#[test]
fn lines_that_do_not_fit_are_told_counted_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (log, rejects) = (dir.path().join("a.log"), dir.path().join("rejects"));
    std::fs::write(&log, format!("{LOG}not a line of this log at all\n{LOG}")).unwrap();
    let output = run(&["report", "--json", "--invalid", rejects.to_str().unwrap(), log.to_str().unwrap()]);
    let report = json(&output);
    assert_eq!(report["totals"]["count"], 8);
    let reasons = report["coverage"]["reasons"].as_object().unwrap();
    assert_eq!(reasons.values().filter_map(Value::as_u64).sum::<u64>(), 1, "{reasons:?}");
    assert_eq!(std::fs::read_to_string(rejects).unwrap(), "not a line of this log at all\n");
    let told = stderr(&output);
    assert!(told.contains("1 of 9 lines") && told.contains(":5:") && told.contains("not a line"), "{told}");
}

#[test]
fn since_and_until_cut_the_log() {
    let output = run_with_input(
        &["report", "--json", "--since", "2026-01-12T08:30:01Z", "--until", "2026-01-12T08:31:00Z", "-"],
        LOG.as_bytes(),
    );
    let report = json(&output);
    assert_eq!(report["totals"]["count"], 2);
    assert_eq!(report["coverage"]["reasons"]["out_of_range"], 2);
}

#[test]
fn ranges_go_by_the_end_of_a_transaction() {
    let line = "10.0.0.1 - - [12/Jan/2026:08:30:59 +0000] \"GET / HTTP/1.1\" 200 5 5000000\n";
    let format = "%h %l %u %t \"%r\" %>s %b %D";
    // Two that end before 08:31, one that starts before and ends after it, none later.
    let lines = line.replace("08:30:59", "08:30:00").repeat(2) + line;
    for (limit, count) in [("--until", 2), ("--since", 1)] {
        let args = ["report", "--json", "--log-format", format, limit, "2026-01-12T08:31:00Z", "-"];
        let report = json(&run_with_input(&args, lines.as_bytes()));
        assert_eq!(report["totals"]["count"], count, "{limit}");
        assert_eq!(report["coverage"]["reasons"]["out_of_range"], 3 - count, "{limit}");
    }
}

#[test]
fn every_format_of_a_report_is_written() {
    for (format, part) in [
        ("text", "/v1/orders"),
        ("csv", "route,"),
        ("markdown", "| "),
        ("html", "<!doctype html>"),
        ("json", "\"version\": 1"),
    ] {
        let output = run_with_input(&["report", "--format", format, "-"], LOG.as_bytes());
        let text = stdout(&output);
        assert!(output.status.success() && text.to_lowercase().contains(part), "{format}: {text}");
    }
}
