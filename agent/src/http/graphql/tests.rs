//! Calls of GraphQL over HTTP/1, however their bytes are cut, and what strangers make of them.

use std::fmt::Write as _;

use pitot_model::{Reason, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::{
    decode::Endpoint,
    http::{Connection, Exchange, Sink},
    tcp::{Application, Chunk, Close, Gap, GapKind, Peers, Way},
};

const NO_ERRORS: &str = "{\"data\":{}}";

#[derive(Default)]
struct Lines {
    text: String,
    limits: Limits,
}

impl Sink for Lines {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let Some(call) = exchange.graphql else { return self.text.push_str("no call;") };
        let mut operation = Vec::new();
        if let Some(found) = call.operation() {
            found.write(&mut operation);
        }
        let errors = if call.has_errors() { " errors" } else { "" };
        let _ = write!(self.text, "{}{errors};", operation.escape_ascii());
    }

    fn count(&mut self, _: Reason, _: u64) {}

    fn in_flight(&mut self, _: i64, _: i64) {}

    fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// What both sides said, in segments of a size; of what the capture missed, the number of bytes.
struct Talk {
    connection: Connection<Lines>,
    lines: Lines,
    offsets: [u64; 2],
    size: usize,
    most_bytes: usize,
}

impl Talk {
    const PEERS: fn() -> Peers = || {
        let end = |port| Endpoint { ip: [10, 0, 0, 1].into(), port };
        Peers { opener: end(4_000), other: end(80), has_handshake: true }
    };

    fn new(size: usize) -> Self {
        let (connection, lines) = (Connection::default(), Lines::default());
        Self { connection, lines, offsets: [0; 2], size, most_bytes: 0 }
    }

    fn say(&mut self, way: Way, bytes: &[u8]) {
        for bytes in bytes.chunks(self.size) {
            let chunk = Chunk {
                offset: self.offsets[way as usize],
                bytes,
                at: Timestamp::from_secs(1),
                acknowledged: Some(self.offsets[way.other() as usize]),
                begins_segment: true,
                may_wait: false,
            };
            let _ = self.connection.chunk(&Self::PEERS(), way, &chunk, &mut self.lines);
            self.offsets[way as usize] += bytes.len() as u64;
            self.most_bytes = self.most_bytes.max(self.connection.heap_bytes());
        }
    }

    fn miss(&mut self, way: Way, len: u64) {
        let gap = Gap { offset: self.offsets[way as usize], len, kind: GapKind::Unkept, at: Timestamp::from_secs(1) };
        self.connection.gap(&Self::PEERS(), way, &gap, &mut self.lines);
        self.offsets[way as usize] += len;
    }

    fn end(mut self) -> String {
        self.connection.close(&Self::PEERS(), Close::Ended, Timestamp::from_secs(2), &mut self.lines);
        self.lines.text
    }
}

fn with_length(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

fn chunked(head: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut out = format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(size) {
        out.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend(chunk);
        out.extend(b"\r\n");
    }
    out.extend(b"0\r\n\r\n");
    out
}

const POST: &str = "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/json";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json";

/// A request and its answer with these bodies.
fn exchange(head: &str, body: &[u8], answer: &str, answer_body: &[u8], size: usize) -> String {
    let mut talk = Talk::new(size);
    talk.say(Way::Forth, &with_length(head, body));
    talk.say(Way::Back, &with_length(answer, answer_body));
    talk.end()
}

#[test]
fn operations_are_told_by_name_and_type() {
    for (body, want) in [
        (r#"{"query":"query GetUser { user { id } }"}"#, "query:GetUser;"),
        (r#"{"query":"query GetUser($id: ID! = \"{\") { user(id: $id) { id } }"}"#, "query:GetUser;"),
        (r#"{"query":"mutation Pay @live { pay }","variables":{"query":"x"}}"#, "mutation:Pay;"),
        (r#"{"operationName":"B","variables":{},"query":"query A { a } mutation B { b }"}"#, "mutation:B;"),
        (r#"{"query":"query A { a } mutation B { b }","operationName":"B"}"#, "mutation:B;"),
        (r#"{"query":"query A { a } mutation B { b }","operationName":null}"#, "query:A;"),
        (r#"{"query":"subscription S{s}","operationName":""}"#, "subscription:S;"),
        (r##"{"query":"# query No {\n\n fragment F on T { a }\nquery\tYes{...F}"}"##, "query:Yes;"),
        (r#"{"query":"\"\"\"A \\\"\"\" text\"\"\" query Described { a }"}"#, "query:Described;"),
        (r#"{"query":"query A { a(text: \"\"\"} query B { \"\"\") { b } }"}"#, "query:A;"),
        (r#"{"qu\u0065ry":"qu\u0065ry Esc\u0061ped { a }"}"#, "query:Escaped;"),
        ("\u{feff} {\"query\" : \"query Marked { a }\" }", "query:Marked;"),
        // Without a name, the first fields.
        (r#"{"query":"{ user(id: {a: [1]}) { name } me: viewer, posts }"}"#, "query.user.viewer.posts;"),
        (r#"{"query":"query { a @include(if: $x) ... on T { no } ...F b c d }"}"#, "query.a.b.c;"),
        (r#"{"query":"mutation ($a: A) { pay(a: $a) { id } }"}"#, "mutation.pay;"),
        (r#"{"query":"{...F} fragment F on Q { a }"}"#, ";"),
        (r#"{"query":"query {...F}"}"#, "query;"),
        // The server knows the text.
        (r#"{"operationName":"Known","extensions":{"persistedQuery":{"sha256Hash":"ab"}}}"#, "operation:Known;"),
        (r#"{"extensions":{"persistedQuery":{"sha256Hash":"ab"}}}"#, ";"),
        // Several.
        (r#"[{"query":"{ a }"},{"query":"{ b }"}]"#, "batch;"),
        (r#"[{"query":"query One { a }"}]"#, "query:One;"),
        (r#"[]"#, ";"),
        // What is none.
        (r#"{"query":"SELECT * FROM users"}"#, ";"),
        (r#"{"query":"up{job=\"a\"}"}"#, ";"),
        (r#"{"query":{"match":{"a":1}},"operationName":3}"#, ";"),
        (r#"{"query":"{\"a\":1}"}"#, ";"),
        (r#"{"query":"query of mine"}"#, ";"),
        (r#"{"query":"schema { query: Q }"}"#, ";"),
        (r#"{"query":""}"#, ";"),
        (r#""query Text { a }""#, ";"),
        ("", ";"),
        // Names are names.
        (r#"{"operationName":"a b","query":"query Own { a }"}"#, "query:Own;"),
        (r#"{"operationName":"../../etc","query":"{ a }"}"#, "query.a;"),
        (r#"{"operationName":"sk-1234","query":"sk"}"#, ";"),
        // Of what comes twice the last counts, as for servers.
        (r#"{"operationName":"A","operationName":"B","query":"query A{a} mutation B{b}"}"#, "mutation:B;"),
    ] {
        for size in [1, 2, 3, 7, 100, usize::MAX] {
            let got = exchange(POST, body.as_bytes(), OK, NO_ERRORS.as_bytes(), size);
            assert_eq!(got, want, "{body} by {size}");
        }
    }
}

#[test]
fn only_what_looks_like_a_call_is_looked_at() {
    let body = br#"{"query":"query Q { a }"}"#;
    let post = |target: &str, media: &str| format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {media}");
    for (head, want) in [
        (post("/graphql", "application/json; charset=utf-8"), "query:Q;"),
        (post("/api/v1/graphql/?a=b", "Application/JSON"), "query:Q;"),
        (post("http://a/gql", "application/graphql+json"), "query:Q;"),
        (post("/admin/api/2026-01/graphql.json", "application/json"), "query:Q;"),
        (post("/query", "application/json"), "query:Q;"),
        (post("/api", "application/json"), "query:Q;"),
        (post("/graphql", "text/plain"), "no call;"),
        (post("/graphql", "application/x-www-form-urlencoded"), "no call;"),
        (post("/graphqlx", "application/json"), "no call;"),
        (post("/v1/orders", "application/json"), "no call;"),
        (post("/graphql", "application/json").replace("POST", "PUT"), "no call;"),
        (format!("{POST}\r\nContent-Encoding: gzip"), ";"),
        (format!("{POST}\r\nContent-Encoding: identity"), "query:Q;"),
    ] {
        let mut talk = Talk::new(usize::MAX);
        talk.lines.limits.graphql_paths = vec!["/api".to_owned()];
        talk.say(Way::Forth, &with_length(&head, body));
        talk.say(Way::Back, &with_length(OK, NO_ERRORS.as_bytes()));
        assert_eq!(talk.end(), want, "{head}");
    }
    let head = "POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: application/graphql";
    assert_eq!(exchange(head, b"query Plain { a }", OK, b"{}", 3), "query:Plain;");
}

#[test]
fn targets_of_get_are_read() {
    for (target, want) in [
        ("/graphql?query=query%20GetUser%7Ba%7D", "query:GetUser;"),
        ("/graphql?query=%7Bme%2Cyou%7D&variables=%7B%7D", "query.me.you;"),
        ("/graphql?a=b&query=query+A{a}+query+B{b}&operationName=B", "query:B;"),
        ("/graphql?operationName=Known&extensions=%7B%7D", "operation:Known;"),
        ("/graphql?extensions=%7B%22persistedQuery%22%3A1%7D", ";"),
        ("/query?query=up", ";"),
        ("/query?query=%", ";"),
        ("/graphql?q=%7Bme%7D", "no call;"),
        ("/graphql", "no call;"),
        ("/v1?query=%7Bme%7D", "no call;"),
    ] {
        let mut talk = Talk::new(usize::MAX);
        talk.say(Way::Forth, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        talk.say(Way::Back, &with_length(OK, b"{\"errors\":[]}"));
        assert_eq!(talk.end(), want, "{target}");
    }
}

#[test]
fn errors_in_an_answer_that_is_a_success_are_seen() {
    let errors = r#"{"errors":[{"message":"no"}],"data":null}"#;
    let behind = |n: usize| format!(r#"{{"data":{{"a":"{}"}},"errors":[1]}}"#, "x".repeat(n));
    for (head, body, want) in [
        (OK, errors.to_owned(), true),
        (OK, r#"{"data":{"a":[{"b":"]}\\\"{"}]},"errors" : [ {"message":"no"} ]}"#.to_owned(), true),
        (OK, r#"[{"data":{}},{"errors":[{}]}]"#.to_owned(), true),
        (OK, behind(10_000), true),
        (OK, behind(BODY_BYTES), false),
        (OK, r#"{"errors":[ ],"data":{}}"#.to_owned(), false),
        (OK, r#"{"errors":null}"#.to_owned(), false),
        (OK, r#"{"errors":{"a":1}}"#.to_owned(), false),
        (OK, r#"{"data":{"errors":[1],"x":"\"errors\":[1]"}}"#.to_owned(), false),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/graphql-response+json", errors.to_owned(), true),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream", errors.to_owned(), false),
        ("HTTP/1.1 200 OK\r\nContent-Type: multipart/mixed; boundary=-", errors.to_owned(), false),
        ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip", errors.to_owned(), false),
        ("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json", errors.to_owned(), false),
    ] {
        let request = br#"{"query":"query Q{a}"}"#;
        let want = if want { "query:Q errors;" } else { "query:Q;" };
        for size in [1, 5, 1_400, usize::MAX] {
            assert_eq!(exchange(POST, request, head, body.as_bytes(), size), want, "{head} {body:.60} by {size}");
        }
        let mut talk = Talk::new(11);
        talk.say(Way::Forth, &chunked(POST, request, 4));
        talk.say(Way::Back, &chunked(head, body.as_bytes(), 7));
        assert_eq!(talk.end(), want, "{head} {body:.60} in chunks");
    }
    let get = b"GET /v1?errors HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut talk = Talk::new(9);
    talk.say(Way::Forth, get);
    talk.say(Way::Back, &with_length(OK, errors.as_bytes()));
    assert_eq!(talk.end(), "no call;");
}

#[test]
fn pipelined_calls_have_each_their_own() {
    let mut talk = Talk::new(13);
    for body in [r#"{"query":"query A{a}"}"#, r#"{"query":"query B{b}"}"#] {
        talk.say(Way::Forth, &with_length(POST, body.as_bytes()));
    }
    talk.say(Way::Forth, b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    talk.say(Way::Back, &with_length(OK, NO_ERRORS.as_bytes()));
    talk.say(Way::Back, &with_length(OK, b"{\"errors\":[1]}"));
    talk.say(Way::Back, &with_length(OK, b"{\"errors\":[1]}"));
    assert_eq!(talk.end(), "query:A;query:B errors;no call;");
}

#[test]
fn behind_a_gap_nothing_is_known() {
    let body = br#"{"query":"query A { a } query B { b }","operationName":"B"}"#;
    let message = with_length(POST, body);
    for (cut, want) in [(message.len() - 50, ";"), (message.len() - 30, "query:A;"), (message.len() - 2, "query:A;")] {
        let mut talk = Talk::new(usize::MAX);
        talk.say(Way::Forth, &message[..cut]);
        talk.miss(Way::Forth, (message.len() - cut) as u64);
        let answer = with_length(OK, b"{\"errors\":[1]}");
        talk.say(Way::Back, &answer[..answer.len() - 3]);
        talk.miss(Way::Back, 3);
        assert_eq!(talk.end(), want, "{cut}");
    }
}

#[test]
fn an_answer_that_comes_before_the_request_ended_is_read_all_the_same() {
    let message = with_length(POST, br#"{"query":"query Early { a }"}"#);
    let mut talk = Talk::new(usize::MAX);
    talk.say(Way::Forth, &message[..message.len() - 20]);
    talk.say(Way::Back, &with_length(OK, b"{\"errors\":[1]}"));
    talk.say(Way::Forth, &message[message.len() - 20..]);
    assert_eq!(talk.end(), "query:Early errors;");
}

#[test]
fn what_strangers_send_costs_little_and_names_nothing() {
    let long = "N".repeat(1 << 20);
    let deep = "[".repeat(1 << 20);
    for (body, want) in [
        (deep.clone(), ";"),
        (format!(r#"{{"a":{deep}"#), ";"),
        (format!(r#"{{"query":"{}"#, "{".repeat(1 << 20)), ";"),
        (format!(r#"{{"query":"query Q {}"#, "{a".repeat(1 << 19)), "query:Q;"),
        (format!(r#"{{"query":"query Q ({}"#, "(".repeat(1 << 20)), "query:Q;"),
        (format!(r#"{{"operationName":"{long}"#), ";"),
        (format!(r#"{{"operationName":"{long}","query":"query Q{{a}}"}}"#), ";"),
        (format!(r#"{{"query":"query {long} {{ a }}"}}"#), ";"),
        (format!(r#"{{"query":"query {} {{ a }}"}}"#, &long[..64]), &*format!("query:{};", &long[..64])),
        (format!(r#"{{"query":"query {} {{ a }}"}}"#, &long[..65]), "query.a;"),
        (format!(r#"{{"query":"query {} {{ a }}"}}"#, &long[..255]), "query.a;"),
        (format!(r#"{{"query":"{{ {} b }}"}}"#, &long[..65]), "query.b;"),
        (format!(r#"{{"query":"{{ {} {} c }}"}}"#, &long[..40], &long[..40]), &*format!("query.{}.c;", &long[..40])),
        (r#"{"operationName":"\"#.repeat(1 << 15), ";"),
        (r"\u".repeat(1 << 19), ";"),
        (format!(r#"{{"query":"{}"#, r"\u12".repeat(1 << 18)), ";"),
        (r#"{"query":"query A{a}","#.repeat(1 << 15), "query:A;"),
        (r#"{"query":1,"#.repeat(1 << 16), ";"),
        (r#"{"query":"query A{a}"},"#.repeat(1 << 15), "query:A;"),
        (format!("[{}", r#"{"query":"query A{a}"},"#.repeat(1 << 15)), "batch;"),
        ("{}".repeat(1 << 19), ";"),
    ] {
        let mut talk = Talk::new(1_448);
        talk.say(Way::Forth, &with_length(POST, body.as_bytes()));
        assert!(talk.most_bytes < 6_000, "{} held for {body:.40}", talk.most_bytes);
        talk.say(Way::Back, &with_length(OK, body.as_bytes()));
        assert_eq!(talk.end(), want, "{body:.40}");
    }
}

#[test]
fn calls_that_wait_are_bounded_by_what_they_hold() {
    let mut talk = Talk::new(usize::MAX);
    for _ in 0..2_000 {
        talk.say(Way::Forth, &with_length(POST, br#"{"query":"query Q{a}"}"#));
    }
    assert!(talk.most_bytes < 600_000, "{}", talk.most_bytes);
    assert!(size_of::<Call>() < 800, "{}", size_of::<Call>());
}

/// Texts that are nearly calls.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let part = proptest::sample::select(vec![
        br#"{"query":""#.as_slice(),
        br#""operationName":"Op""#,
        br#"query Name "#,
        br#"mutation M($a: Int = 1) "#,
        br#"{ a: b(c: "\"d\"") { e } ...F ... on T { f } }"#,
        b"{",
        b"}",
        b"[",
        b"]",
        b"(",
        b")",
        b"\"",
        b"\"\"\"",
        b"\\",
        br"\u00",
        b",",
        b":",
        b"@",
        b"#",
        br"\n",
        b"...",
        br#","variables":{"a":[1,{"b":"}"}]}"#,
        b"\"errors\":[1]",
        b"\xff\x00",
    ]);
    proptest::collection::vec(part, 0..30).prop_map(|parts| parts.concat())
}

fn is_route_text(text: &str) -> bool {
    text.len() < 100 && text.bytes().all(|b| is_plain(b) || b" ;".contains(&b))
}

fn is_plain(b: u8) -> bool {
    operation::is_name_byte(b) || matches!(b, b'.' | b':')
}

proptest! {
    #[test]
    fn any_segments_and_chunks_tell_the_same(body in nearly(), size in 1_usize..40, chunk in 1_usize..40) {
        let whole = exchange(POST, &body, OK, &body, usize::MAX);
        prop_assert_eq!(&exchange(POST, &body, OK, &body, size), &whole);
        if !body.is_empty() {
            let mut talk = Talk::new(size);
            talk.say(Way::Forth, &chunked(POST, &body, chunk));
            talk.say(Way::Back, &chunked(OK, &body, chunk));
            prop_assert_eq!(talk.end(), whole.clone());
        }
        prop_assert!(is_route_text(&whole), "{}", whole);
    }

    #[test]
    fn any_bytes_are_read_without_harm(body in proptest::collection::vec(any::<u8>(), 0..600), size in 1_usize..99) {
        let text = exchange(POST, &body, OK, &body, size);
        prop_assert!(is_route_text(&text), "{}", text);
        let head = POST.replace("json", "graphql");
        let text = exchange(&head, &body, OK, &body, size);
        prop_assert!(is_route_text(&text), "{}", text);
    }

    #[test]
    fn any_name_is_found_wherever_it_stands(name in "[_A-Za-z][_0-9A-Za-z]{0,63}", before in ".{0,200}", size in 1_usize..50) {
        let text = serde_json::to_string(&before).unwrap();
        let body = format!(r#"{{"variables":{{"a":{text}}},"x":[{text}],"query":"query {name} {{ a }}"}}"#);
        let want = format!("query:{name};");
        prop_assert_eq!(exchange(POST, body.as_bytes(), OK, NO_ERRORS.as_bytes(), size), want);
    }
}
