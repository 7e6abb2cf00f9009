//! Who still calls what is deprecated, from packets and from logs; who heeds limits. Through the real agent and collector.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    daemons::{PATIENCE, collector},
    packets::capture::{can_capture, start, stop},
    support::{json, pitot, stderr, stdout},
};

/// Consumers, and how often each calls.
const CALLERS: [(&str, u64); 3] = [("acme", 5), ("beta", 3), ("gamma", 1)];

/// What the collector says, as JSON and as text.
fn ask(dir: &Path, address: &str, what: &str, more: &[&str]) -> (Value, String) {
    let query = |extra: &[&str]| {
        let mut query = pitot(dir);
        let url = format!("http://{address}");
        query.args(["query", "--what", what, "--collector", &url]).args(more).args(extra).output().unwrap()
    };
    let text = query(&[]);
    assert!(text.status.success(), "{}", stderr(&text));
    (json(&query(&["--json"])), stdout(&text))
}

/// Asks until so many requests of deprecated routes are there.
fn deprecations(dir: &Path, address: &str, more: &[&str]) -> (Value, String) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (answer, text) = ask(dir, address, "deprecations", more);
        if answer["routes"][0]["calls"]["count"] == 9 {
            return (answer, text);
        }
        assert!(Instant::now() < deadline, "{answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The one deprecated route, and its callers by name.
fn assert_three_are_named(answer: &Value, text: &str) {
    assert_eq!((answer["row_count"].as_u64(), answer["routes"][0]["route"].as_str()), (Some(1), Some("/v1/old/{int}")));
    let route = &answer["routes"][0];
    assert_eq!(
        (route["since"].as_str(), route["sunset"].as_str()),
        (Some("2023-06-30T23:59:59Z"), Some("2030-01-01T00:00:00Z"))
    );
    let of = |c: &Value| (c["consumer"].as_str().unwrap().to_owned(), c["calls"]["count"].as_u64().unwrap());
    let callers: Vec<_> = route["consumers"].as_array().unwrap().iter().map(of).collect();
    assert_eq!(callers, CALLERS.map(|(name, n)| (name.to_owned(), n)));
    for (name, _) in CALLERS {
        assert!(text.contains(name), "{text}");
    }
    assert!(text.contains("/v1/old/{int}") && text.contains("goes away 2030-01-01"), "{text}");
}

#[test]
fn deprecated_routes_are_told_from_packets_with_their_callers() {
    if !can_capture() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_collector, address) = collector(dir.path(), &dir.path().join("data"));
    let port = serve();
    let mut command = pitot(dir.path());
    command.args(["agent", "-i", "lo", "--port", &port.to_string(), "--collector", &format!("http://{address}")]);
    let (mut agent, told) = start(command);
    for (name, n) in CALLERS {
        let mut client = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        for i in 0..n {
            call(&mut client, &format!("/v1/old/{i}"), name);
            call(&mut client, "/v1/new", name);
        }
        call(&mut client, "/v1/limited", name);
    }
    assert!(stop(&mut agent, "-TERM").success(), "{}", told.join().unwrap());
    let (answer, text) = deprecations(dir.path(), &address, &[]);
    assert_three_are_named(&answer, &text);
    let (limits, text) = ask(dir.path(), &address, "limits", &["route:/v1/limited"]);
    assert_eq!(limits["row_count"], 3, "{limits}");
    for row in limits["rows"].as_array().unwrap() {
        let numbers = ["requests", "refused", "asked_to_wait", "longest_wait_s", "least_left", "limit_told"];
        assert_eq!(numbers.map(|n| row[n].as_u64()), [1, 1, 1, 30, 0, 600].map(Some), "{row}");
    }
    assert!(text.contains("acme") && text.contains("600"), "{text}");
    let (credentials, text) = ask(dir.path(), &address, "credentials", &[]);
    assert_eq!(credentials["by_evidence"]["name"]["requests"], 21, "{credentials}");
    assert!(text.contains("name"), "{text}");
}

#[test]
fn deprecated_routes_are_told_from_logs_that_have_the_header() {
    let format = r#"$remote_addr - $http_x_consumer_username [$time_local] "$request" $status $body_bytes_sent "$sent_http_deprecation" "$sent_http_sunset""#;
    let mut nginx = String::new();
    let mut lines = String::new();
    for (at, (name, i)) in CALLERS.iter().flat_map(|(name, n)| (0..*n).map(move |i| (*name, i))).enumerate() {
        let time = format!("12/Jan/2026:08:{at:02}:30 +0000");
        let sunset = "Tue, 01 Jan 2030 00:00:00 GMT";
        let _ =
            writeln!(nginx, r#"10.0.0.1 - {name} [{time}] "GET /v1/old/{i} HTTP/1.1" 200 5 "@1688169599" "{sunset}""#);
        let _ = writeln!(nginx, r#"10.0.0.1 - {name} [{time}] "GET /v1/new HTTP/1.1" 200 5 "-" "-""#);
        let _ = writeln!(
            lines,
            r#"{{"time":"2026-01-12T08:{at:02}:30Z","consumer":"{name}","method":"GET","path":"/v1/old/{i}","status":200,"response_headers":{{"deprecation":"@1688169599","sunset":"{sunset}"}}}}"#
        );
    }
    for (log, format) in [(nginx, format), (lines, "json")] {
        let dir = tempfile::tempdir().unwrap();
        let (_collector, address) = collector(dir.path(), &dir.path().join("data"));
        let (path, config) = (dir.path().join("access.log"), dir.path().join("agent.toml"));
        std::fs::write(&path, &log).unwrap();
        let source = format!("[[source]]\npath = {path:?}\nlog_format = '''{format}'''\nfrom_start = true\n");
        std::fs::write(&config, format!("name = \"web-1\"\n{source}")).unwrap();
        let mut agent = pitot(dir.path());
        agent.args(["agent", "--once", "--since", "2026-01-01", "--collector", &format!("http://{address}"), "-c"]);
        let output = agent.arg(&config).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let (answer, text) = deprecations(dir.path(), &address, &["--since", "2026-01-12", "--until", "2026-01-13"]);
        assert_three_are_named(&answer, &text);
        let last: Vec<_> =
            (0..3).map(|i| answer["routes"][0]["consumers"][i]["calls"]["last_seen"].as_str().unwrap()).collect();
        assert_eq!(last, ["2026-01-12T08:04:30Z", "2026-01-12T08:07:30Z", "2026-01-12T08:08:30Z"]);
    }
}

/// One request on a connection that stays open; reads the answer to its end.
fn call(client: &mut BufReader<TcpStream>, path: &str, consumer: &str) {
    let stream = client.get_mut();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: shop.example\r\nX-Consumer-Username: {consumer}\r\n\r\n").unwrap();
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(client.read_line(&mut line).unwrap() > 0, "the server hung up");
    }
    client.read_exact(&mut [0; 2]).unwrap();
}

/// A server whose `/v1/old/...` is deprecated, and whose `/v1/limited` is used up.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer(stream.unwrap()));
        }
    });
    port
}

fn answer(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut line, mut path) = (String::new(), String::new());
    while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
        if let Some(rest) = line.strip_prefix("GET ") {
            path = rest.split(' ').next().unwrap().to_owned();
        }
        if line == "\r\n" {
            let (status, headers) = match path.as_str() {
                "/v1/limited" => (
                    "429 Too Many Requests",
                    "Retry-After: 30\r\nX-RateLimit-Limit: 600\r\nX-RateLimit-Remaining: 0\r\n",
                ),
                p if p.starts_with("/v1/old/") => {
                    ("200 OK", "Deprecation: @1688169599\r\nSunset: Tue, 01 Jan 2030 00:00:00 GMT\r\n")
                }
                _ => ("200 OK", ""),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n{headers}\r\nok");
            reader.get_mut().write_all(head.as_bytes()).unwrap();
        }
        line.clear();
    }
}
