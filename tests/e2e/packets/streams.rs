//! Answers that stay open: their lifetime is no duration, and does not spoil those of ordinary answers of the same route.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
};

use serde_json::Value;

use super::{
    capture::{Capture, can_capture, start, stop},
    client::Client,
};
use crate::{
    daemons::{PATIENCE, collector},
    support::{json, pitot},
};

const ORDINARY: usize = 50;

#[test]
fn lifetimes_of_streams_are_no_durations() {
    if !can_capture() {
        return;
    }
    let port = serve();
    let capture = Capture::of(port);
    traffic(port);
    let found = capture.finish();
    let (streams, ordinary): (Vec<&Value>, _) = found.iter().partition(|row| row["is_stream"] == true);
    let mut kinds: Vec<_> =
        streams.iter().map(|r| (r["path"].as_str().unwrap(), r["status"].as_u64().unwrap())).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [("/v1/events", 200), ("/v1/events?chunked", 200), ("/v1/socket", 101)]);
    for row in streams {
        assert!(row["duration_ms"].is_null() && row["ttfb_ms"].is_number(), "{row}");
    }
    assert_eq!(ordinary.len(), ORDINARY + 1, "{ordinary:?}");
    assert!(ordinary.iter().all(|row| row["duration_ms"].is_number()), "{ordinary:?}");
}

/// The way of the daemons: what was sent is in the collector's tables.
#[test]
fn an_agent_that_captures_fills_the_tables_of_the_collector() {
    if !can_capture() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_collector, address) = collector(dir.path(), &dir.path().join("data"));
    let port = serve();
    let mut command = pitot(dir.path());
    command.args(["agent", "-i", "lo", "--port", &port.to_string(), "--collector", &format!("http://{address}")]);
    let (mut agent, told) = start(command);
    traffic(port);
    let status = stop(&mut agent, "-TERM");
    let told = told.join().unwrap();
    assert!(status.success(), "{told}");
    let table = |by: &str| {
        let mut query = pitot(dir.path());
        query.args(["query", "--json", "--what", "table", "--by", by, "--collector", &format!("http://{address}")]);
        json(&query.output().unwrap())
    };
    let deadline = std::time::Instant::now() + PATIENCE;
    while table("none")["totals"]["count"] != ORDINARY + 4 {
        assert!(std::time::Instant::now() < deadline, "{}\n{told}", table("route"));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let table = table("route");
    for (method, route, count, durations) in
        [("GET", "/v1/events", ORDINARY + 2, ORDINARY), ("GET", "/v1/socket", 1, 0), ("POST", "/v1/orders/{int}", 1, 1)]
    {
        let is_it = |row: &&Value| row["key"]["method"] == method && row["key"]["route"] == route;
        let row = table["rows"].as_array().unwrap().iter().find(is_it).unwrap_or_else(|| panic!("no {route}: {table}"));
        assert_eq!(row["totals"]["count"], count, "{route}");
        assert_eq!(row["totals"]["duration_us"]["n"], durations, "{route}");
        assert_eq!(row["totals"]["ttfb_us"]["n"], count, "{route}");
    }
}

/// Streams are opened first and closed last; between them are ordinary requests.
fn traffic(port: u16) {
    let mut events = Client::connect(port);
    events.send("GET /v1/events HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n");
    assert_eq!(events.head().field("content-type"), Some("text/event-stream"));
    assert_eq!(events.line(), "data: first");
    let mut chunked = Client::connect(port);
    chunked.send("GET /v1/events?chunked HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n");
    assert_eq!(chunked.head().field("transfer-encoding"), Some("chunked"));
    assert_eq!((chunked.line(), chunked.line()), ("d".to_owned(), "data: first".to_owned()));
    let mut socket = Client::connect(port);
    let answer = socket.ask("GET", "/v1/socket", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(answer.status, 101);
    socket.send(b"\x81\x85abcd\x01\x02\x03\x04\x05");
    assert_eq!(socket.bytes(11).len(), 11);

    let mut client = Client::connect(port);
    for _ in 0..ORDINARY {
        assert_eq!(client.ask("GET", "/v1/events", "").status, 200);
    }
    client.send("POST /v1/orders/17 HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.receive("POST").status, 200);
    for stream in [events, chunked, socket] {
        stream.hang_up();
    }
}

/// A small API on loopback: ordinary answers, events with and without chunks, and a socket that echoes.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || answer_all(&stream.unwrap()));
        }
    });
    port
}

fn answer_all(stream: &TcpStream) {
    let mut requests = BufReader::new(stream);
    let send = |bytes: &[u8]| (&*stream).write_all(bytes).unwrap();
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if requests.read_line(&mut head).unwrap() == 0 {
                return;
            }
        }
        let is_stream = head.contains("text/event-stream");
        if is_stream && head.starts_with("GET /v1/events?chunked") {
            let fields = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
            send(format!("HTTP/1.1 200 OK\r\n{fields}\r\nd\r\ndata: first\n\n\r\n").as_bytes());
            assert_eq!(requests.read(&mut [0]).unwrap(), 0, "the client hangs up");
            send(b"c\r\ndata: last\n\n\r\n0\r\n\r\n");
            break;
        } else if is_stream {
            send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: first\n\n");
            assert_eq!(requests.read(&mut [0]).unwrap(), 0, "the client hangs up");
            send(b"data: last\n\n");
            break;
        } else if head.contains("Upgrade: websocket") {
            send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            let mut bytes = [0; 64];
            loop {
                match requests.read(&mut bytes).unwrap() {
                    0 => break,
                    n => send(&bytes[..n]),
                }
            }
            break;
        }
        if head.starts_with("POST") {
            requests.read_exact(&mut [0; 4]).unwrap();
        }
        send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nnothing");
    }
    stream.shutdown(Shutdown::Both).unwrap();
}
