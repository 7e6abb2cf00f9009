//! The same traffic from packets and from the access log of the server: the same counts.

use serde_json::Value;

use super::{
    capture::{Capture, Counts, can_capture, counts},
    client::Client,
    servers::{Haproxy, Nginx},
};

#[test]
fn packets_and_access_log_of_nginx_agree() {
    if !can_capture() {
        return;
    }
    let Some(nginx) = Nginx::start("") else { return };
    let capture = Capture::of(nginx.port);
    one_after_another(nginx.port);
    pipelined(nginx.port);
    in_pieces(nginx.port);
    uploads(nginx.port);
    old_clients(nginx.port);
    many(nginx.port);
    let found = capture.finish();
    let (asked, log) = nginx.finish();
    assert_same(&counts(&found), &asked);
    assert_eq!(body_bytes(&found, "response_body_len"), body_bytes(&log, "bytes"));
    assert!(found.iter().all(|row| row["damaged"] == false && row["duration_ms"].is_number()), "{found:?}");
}

#[test]
fn both_sides_of_haproxy_agree_with_their_logs() {
    if !can_capture() {
        return;
    }
    let Some(nginx) = Nginx::start("") else { return };
    let Some(haproxy) = Haproxy::start(nginx.port) else { return };
    let (front, back) = (Capture::of(haproxy.port), Capture::of(nginx.port));
    one_after_another(haproxy.port);
    pipelined(haproxy.port);
    in_pieces(haproxy.port);
    uploads(haproxy.port);
    let (front, back) = (counts(&front.finish()), counts(&back.finish()));
    assert_same(&front, &haproxy.finish());
    assert_same(&back, &nginx.finish().0);
    assert_same(&front, &back);
}

/// Which rows differ, and by how much.
pub(super) fn assert_same(found: &Counts, asked: &Counts) {
    assert!(!asked.is_empty(), "the log is empty");
    let count = |counts: &Counts, key| counts.get(key).copied().unwrap_or(0);
    let keys = found.keys().chain(asked.keys());
    let differences: Vec<_> = keys
        .map(|key| (key, count(found, key), count(asked, key)))
        .filter(|(_, found, asked)| found != asked)
        .collect();
    assert!(differences.is_empty(), "(what, found, asked): {differences:#?}");
}

/// Bytes of bodies of answers; nginx counts the framing of chunks as well, and interim answers.
fn body_bytes(rows: &[Value], field: &str) -> u64 {
    let is_other = |path: &str| path.starts_with("/chunked/") || path == "/upload/asked";
    rows.iter()
        .filter(|row| row["method"] != "HEAD" && !is_other(row["path"].as_str().unwrap()))
        .map(|row| row[field].as_u64().unwrap())
        .sum()
}

/// All kinds of answers on one connection.
fn one_after_another(port: u16) {
    let mut client = Client::connect(port);
    for (method, target, status) in [
        ("GET", "/api/users/7?expand=all&token=s3cr3t", 200),
        ("GET", "/small.txt", 200),
        ("GET", "/large.txt", 200),
        ("HEAD", "/large.txt", 200),
        ("GET", "/no/such/file", 404),
        ("HEAD", "/no/such/file", 404),
        ("GET", "/moved", 301),
        ("GET", "/nothing", 204),
        ("GET", "/gone/with/the/wind", 410),
        ("GET", "/broken", 500),
        ("DELETE", "/upload/nothing", 404),
        ("OPTIONS", "/api/users", 200),
        ("GET", "/chunked/small.txt", 200),
        ("GET", "/chunked/large.txt", 200),
        ("HEAD", "/chunked/large.txt", 200),
    ] {
        assert_eq!(client.ask(method, target, "").status, status, "{method} {target}");
    }
    let tag = client.ask("GET", "/medium.txt", "").field("etag").unwrap().to_owned();
    assert_eq!(client.ask("GET", "/medium.txt", &format!("If-None-Match: {tag}\r\n")).status, 304);
    assert_eq!(client.ask("GET", "/medium.txt", "Range: bytes=10-99\r\n").body.len(), 90);
    assert_eq!(client.ask("GET", "/api/last", "Connection: close\r\n").status, 200);
}

/// Requests are sent together, before the first answer was read.
fn pipelined(port: u16) {
    let mut client = Client::connect(port);
    for round in 0..20 {
        let targets = ["/api/a", "/medium.txt", "/chunked/medium.txt", "/nothing", "/no/such", "/large.txt", "/api/b"];
        let methods = ["GET", "GET", "GET", "GET", "HEAD", "HEAD", "GET"];
        let request = |(m, t): (&str, &str)| format!("{m} {t}?round={round} HTTP/1.1\r\nHost: test\r\n\r\n");
        client.send(methods.into_iter().zip(targets).map(request).collect::<String>());
        for method in methods {
            client.receive(method);
        }
    }
}

/// Heads and bodies arrive in several segments.
fn in_pieces(port: u16) {
    let mut client = Client::connect(port);
    let request = "PUT /upload/pieces HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n0123456789";
    for size in [1, 2, 3, 7, 50] {
        for piece in request.as_bytes().chunks(size) {
            client.send(piece);
        }
        assert!([201, 204].contains(&client.receive("PUT").status));
    }
}

fn uploads(port: u16) {
    let mut client = Client::connect(port);
    for n in [0, 1, 1000, 500_000] {
        client.send(format!("PUT /upload/length HTTP/1.1\r\nHost: test\r\nContent-Length: {n}\r\n\r\n"));
        client.send(vec![b'x'; n]);
        assert!([201, 204].contains(&client.receive("PUT").status));
        client.send("PUT /upload/chunks HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in vec![b'y'; n].chunks(70_000) {
            client.send(format!("{:x};extension=1\r\n", piece.len()));
            client.send(piece);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        assert!([201, 204].contains(&client.receive("PUT").status));
    }
    client.send("PUT /upload/asked HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("12345");
    assert_eq!(client.receive("PUT").status, 201);
    client.send("PUT /tiny/file HTTP/1.1\r\nHost: test\r\nContent-Length: 20\r\n\r\n12345678901234567890");
    assert_eq!(client.receive("PUT").status, 413);
}

/// Without keep-alive; the answer ends with the connection.
fn old_clients(port: u16) {
    for target in ["/api/old", "/medium.txt", "/chunked/large.txt"] {
        let mut client = Client::connect(port);
        client.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
        assert_eq!(client.receive("GET").status, 200);
    }
}

/// As fast as both go: some thousand requests over a few connections, kept alive, ten at a time.
fn many(port: u16) {
    std::thread::scope(|scope| {
        for connection in 0..4 {
            scope.spawn(move || {
                let mut client = Client::connect(port);
                for round in 0..300 {
                    let request = |i| format!("GET /api/{connection}/{i} HTTP/1.1\r\nHost: test\r\n\r\n");
                    let targets = round % 10 * 10..round % 10 * 10 + 10;
                    client.send(targets.clone().map(request).collect::<String>());
                    for _ in targets {
                        assert_eq!(client.receive("GET").status, 200);
                    }
                }
            });
        }
    });
}
