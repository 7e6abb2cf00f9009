//! HTTP/2 in cleartext: clients and a server that nobody here wrote, against the server's own log.

use std::process::Command;

use super::{
    capture::{Capture, can_capture, counts, tool},
    nginx::assert_same,
    servers::Nginx,
};

/// Some hundred kilobytes to upload.
const LOCK_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock");

#[test]
fn http2_in_cleartext_agrees_with_the_access_log_of_nginx() {
    if !can_capture() {
        return;
    }
    let (Some(h2load), Some(curl)) = (tool("h2load"), tool("curl")) else { return };
    let Some(nginx) = Nginx::start("http2") else { return };
    let capture = Capture::of(nginx.port);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", nginx.port);
    let run = |mut command: Command| {
        let output = command.output().expect("the client runs");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    // Many streams at once, over a few connections.
    let mut many = Command::new(h2load);
    many.args(["-n", "3000", "-c", "4", "-m", "20"]);
    many.args(["/api/users/1?a=b", "/small.txt", "/medium.txt", "/no/such", "/nothing", "/moved"].map(url));
    run(many);
    // All kinds, each on a connection of its own: curl 7.88 cannot use one again with prior knowledge.
    let padding = format!("x-padding: {}", "p".repeat(3000));
    for (path, options) in [
        ("/api/1", &["--header", &padding][..]),
        ("/large.txt", &[]),
        ("/chunked/medium.txt", &[]),
        ("/gone/", &[]),
        ("/broken", &[]),
        ("/large.txt", &["--head"]),
        ("/upload/file", &["--request", "OPTIONS"]),
        ("/upload/file", &["--upload-file", LOCK_FILE]),
    ] {
        let mut one = Command::new(&curl);
        one.args(["--silent", "--show-error", "--http2-prior-knowledge", "--output", "/dev/null"]);
        one.args(options).arg(url(path));
        run(one);
    }
    let found = capture.finish();
    let (asked, _) = nginx.finish();
    assert_same(&counts(&found), &asked);
    assert!(found.iter().all(|row| row["protocol"] == "HTTP/2" && row["duration_ms"].is_number()), "{found:?}");
    let length = |path: &str, field: &str| {
        let row = found.iter().find(|row| row["path"] == path && row["method"] != "HEAD").unwrap();
        row[field].as_u64().unwrap()
    };
    assert_eq!(length("/large.txt", "response_body_len"), 20_000 * 45);
    let upload = found.iter().find(|row| row["method"] == "PUT").unwrap();
    assert_eq!(upload["request_body_len"], std::fs::metadata(LOCK_FILE).unwrap().len());
}
