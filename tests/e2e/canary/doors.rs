//! The ways in: lines of logs of every format, and packets, with a canary each.

use super::shapes::{Canary, Position, percent};

/// What a request says, each part with the canary or without.
struct Parts {
    method: String,
    target: String,
    protocol: String,
    host: String,
    key: String,
    authorization: String,
    cookie: String,
    user: String,
    referer: String,
    agent: String,
    trace: String,
    body: String,
}

fn parts(canary: &Canary) -> Parts {
    let (secret, at) = (canary.secret.as_str(), canary.position);
    let put = |position, with: String, without: &str| if at == position { with } else { without.to_owned() };
    let target = match at {
        Position::Path => format!("/v1/things/{secret}/parts"),
        Position::Extension => format!("/v1/files/{secret}.json"),
        Position::Action => format!("/v1/things/a:{secret}"),
        Position::Encoded => format!("/v1/things/{}", percent(secret)),
        Position::Matrix => format!("/v1/things;session={secret}/parts"),
        Position::Query => format!("/v1/things?api_key={secret}&x=1"),
        Position::Fragment => format!("/v1/things#{secret}"),
        Position::UserInfo => format!("http://jane:{secret}@shop.example/v1/things"),
        _ => "/v1/things".to_owned(),
    };
    let body = match at {
        Position::Body => format!("{{\"password\":\"{secret}\"}}"),
        Position::Form => format!("user=jane&password={secret}"),
        _ => String::new(),
    };
    Parts {
        method: put(Position::Method, secret.to_owned(), "GET"),
        target,
        protocol: put(Position::Protocol, format!("HTTP/{secret}"), "HTTP/1.1"),
        host: put(Position::Host, format!("{secret}.example"), "shop.example"),
        key: put(Position::Key, secret.to_owned(), ""),
        authorization: put(Position::Bearer, format!("Bearer {secret}"), ""),
        cookie: put(Position::Cookie, format!("a=b; session={secret}"), ""),
        user: put(Position::User, secret.to_owned(), ""),
        referer: put(Position::Referer, format!("https://x.example/?t={secret}"), ""),
        agent: put(Position::Agent, format!("app/{secret}"), "curl/8"),
        trace: put(Position::Trace, secret.to_owned(), ""),
        body,
    }
}

const TIME: &str = "12/Jan/2026:08:30:00 +0000";

/// How a line is written.
type Line = fn(&Canary) -> String;

/// Formats, and how a line of each is written.
pub(super) const FORMATS: [(&str, Line); 9] = [
    ("combined", |c| combined(&parts(c))),
    ("vcombined", |c| {
        let p = parts(c);
        format!("{}:443 {}", p.host, combined(&p))
    }),
    ("combined+rt", |c| {
        let p = parts(c);
        format!("{} 0.012 0.011 \"{}\"", combined(&p), or_dash(&p.key))
    }),
    ("common", |c| common(&parts(c))),
    ("json", |c| json(&parts(c))),
    ("caddy", |c| caddy(&parts(c))),
    ("envoy", |c| {
        let p = parts(c);
        format!(
            "[2026-01-12T08:30:00.000Z] \"{} {} {}\" 200 - 0 512 12 11 \"203.0.113.9\" \"{}\" \"{}\" \"{}\" \"10.0.0.1:80\"",
            p.method,
            p.target,
            p.protocol,
            p.agent,
            or_dash(&p.trace),
            p.host
        )
    }),
    ("haproxy", |c| {
        let p = parts(c);
        format!(
            "203.0.113.9:4000 [12/Jan/2026:08:30:00.000] web app/a 0/0/1/11/12 200 512 {} - ---- 1/1/0/0/0 0/0 {{{}|{}}} \
             \"{} {} {}\"",
            or_dash(&p.cookie.replace(' ', "")),
            p.host,
            p.agent,
            p.method,
            p.target,
            p.protocol
        )
    }),
    (
        "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \
         \"$http_user_agent\" \"$host\" \"$http_x_request_id\" \"$http_cookie\" \"$http_authorization\"",
        |c| {
            let p = parts(c);
            let rest = [&p.host, &p.trace, &p.cookie, &p.authorization].map(|text| format!("\"{}\"", or_dash(text)));
            format!("{} {}", combined(&p), rest.join(" "))
        },
    ),
];

/// A log of this format: a line for each canary that a log can hold, and one that is none.
pub(super) fn log(format: &str, canaries: &[Canary]) -> String {
    let (_, line) = FORMATS.iter().find(|(name, _)| *name == format).unwrap();
    let mut text = String::new();
    for canary in canaries {
        match canary.position {
            Position::Garbage => text.push_str(&format!("nonsense {} password: \"{0}\" end\n", canary.secret)),
            _ => text.push_str(&(line(canary) + "\n")),
        }
    }
    text
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn common(p: &Parts) -> String {
    format!("203.0.113.9 - {} [{TIME}] \"{} {} {}\" 200 512", or_dash(&p.user), p.method, p.target, p.protocol)
}

fn combined(p: &Parts) -> String {
    format!("{} \"{}\" \"{}\"", common(p), or_dash(&p.referer), or_dash(&p.agent))
}

fn json(p: &Parts) -> String {
    serde_json::json!({
        "time": "2026-01-12T08:30:00Z", "remote_addr": "203.0.113.9", "remote_user": p.user, "request_method": p.method,
        "request_uri": p.target, "server_protocol": p.protocol, "status": 200, "request_time": 0.012, "host": p.host,
        "http_user_agent": p.agent, "http_referer": p.referer, "http_x_api_key": p.key, "http_cookie": p.cookie,
        "http_authorization": p.authorization, "trace_id": p.trace, "request_body": p.body,
    })
    .to_string()
}

fn caddy(p: &Parts) -> String {
    serde_json::json!({
        "level": "info", "ts": 1_768_206_600.5, "logger": "http.log.access", "msg": "handled request",
        "request": {
            "remote_ip": "203.0.113.9", "remote_port": "4000", "proto": p.protocol, "method": p.method, "host": p.host,
            "uri": p.target,
            "headers": {
                "User-Agent": [p.agent], "Authorization": [p.authorization], "Cookie": [p.cookie], "X-Api-Key": [p.key],
                "Referer": [p.referer], "X-Request-Id": [p.trace],
            },
        },
        "user_id": p.user, "duration": 0.012, "size": 512, "status": 200,
    })
    .to_string()
}

/// A capture of one connection for each canary: a request with it, and an answer that says it again.
pub(super) fn capture(canaries: &[Canary]) -> Vec<u8> {
    let mut bytes = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101].map(u32::to_be_bytes).concat();
    for (i, canary) in canaries.iter().enumerate() {
        let p = parts(canary);
        let mut head = format!("{} {} {}\r\nHost: {}\r\n", p.method, p.target, p.protocol, p.host);
        for (name, value) in [
            ("X-Api-Key", &p.key),
            ("Authorization", &p.authorization),
            ("Cookie", &p.cookie),
            ("X-Consumer-Username", &p.user),
            ("Referer", &p.referer),
            ("User-Agent", &p.agent),
            ("traceparent", &p.trace),
        ] {
            if !value.is_empty() {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let request = match canary.position {
            Position::Garbage => format!("{} garbage\r\n\r\n", canary.secret),
            _ => format!("{head}Content-Length: {}\r\n\r\n{}", p.body.len(), p.body),
        };
        let answer = format!("{{\"token\":\"{}\"}}", canary.secret);
        let length = answer.len();
        let response = format!(
            "HTTP/1.1 200 OK\r\nServer: {0}\r\nSet-Cookie: s={0}\r\nContent-Length: {length}\r\n\r\n{answer}",
            canary.secret
        );
        add(&mut bytes, i, request.as_bytes(), response.as_bytes());
    }
    bytes
}

/// A request and its answer, each in one packet of bare IP.
fn add(bytes: &mut Vec<u8>, i: usize, request: &[u8], response: &[u8]) {
    let client = 20_000 + u16::try_from(i).unwrap();
    let (asked, answered) = (1_000_u32, 9_000_u32);
    let behind = asked + u32::try_from(request.len()).unwrap();
    for ((source, destination), sequence, acknowledged, payload) in
        [((client, 80), asked, answered, request), ((80, client), answered, behind, response)]
    {
        let len = u16::try_from(40 + payload.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(len.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 1]);
        packet.extend([source.to_be_bytes(), destination.to_be_bytes()].concat());
        packet.extend([sequence.to_be_bytes(), acknowledged.to_be_bytes()].concat());
        packet.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload);
        bytes.extend([1_700_000_000, 0, u32::from(len), u32::from(len)].map(u32::to_be_bytes).concat());
        bytes.extend(packet);
    }
}
