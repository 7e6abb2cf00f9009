//! Every rule, on packets and on logs.

use std::sync::Arc;

use pitot_model::{Direction, Evidence, TokenAge};

use super::*;
use crate::{
    decode::Endpoint,
    enrich::{Consumers, Enricher, Names, Proxies, Pseudonyms, Settings, Templates},
    http::{self, Exchange},
    log::{Format, Record},
    tcp::{Application, Chunk, Peers, Way},
};

/// A token of `{"sub":"jane","exp":5,"azp":"app"}`.
const EXPIRED: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIiwiZXhwIjo1LCJhenAiOiJhcHAifQ.c2ln";

fn enricher(consumers: Consumers) -> Enricher {
    Enricher::new(Arc::new(Settings {
        default_service: "default".into(),
        service: None,
        templates: Templates::default(),
        pseudonyms: Pseudonyms::keyed(&[7; 32]),
        consumers: Arc::new(consumers),
    }))
}

/// Who sent something: name, evidence, group, and whether its token was good.
#[derive(Debug, PartialEq, Eq)]
struct Told(String, Evidence, String, Option<TokenAge>);

struct Desk {
    enricher: Enricher,
    limits: http::Limits,
    told: Vec<Told>,
}

impl http::Sink for Desk {
    fn exchange(&mut self, exchange: &Exchange<'_>) {
        let (t, _) = self.enricher.enrich_exchange(exchange, Direction::Inbound).unwrap();
        self.told.push(Told(t.consumer.to_owned(), t.evidence, t.group.to_owned(), t.marks.token));
    }

    fn count(&mut self, _: pitot_model::Reason, _: u64) {}

    fn in_flight(&mut self, _: i64, _: i64) {}

    fn limits(&self) -> &http::Limits {
        &self.limits
    }
}

/// Who sent this request from 10.0.0.9.
fn on_the_wire(consumers: &Consumers, target: &str, headers: &[&str]) -> Told {
    behind("", consumers, target, headers)
}

/// Likewise, with something before the request.
fn behind(before: &str, consumers: &Consumers, target: &str, headers: &[&str]) -> Told {
    let end = |ip: [u8; 4], port| Endpoint { ip: ip.into(), port };
    let peers = Peers { opener: end([10, 0, 0, 9], 4_000), other: end([10, 0, 0, 1], 80), has_handshake: true };
    let limits = http::Limits { consumers: Some(Arc::new(consumers.clone())), ..http::Limits::default() };
    let mut desk = Desk { enricher: enricher(consumers.clone()), limits, told: Vec::new() };
    let mut connection = http::Connection::<Desk>::default();
    let head = format!("{before}GET {target} HTTP/1.1\r\nHost: h\r\n{}\r\n\r\n", headers.join("\r\n"));
    let head = head.replace("\r\n\r\n\r\n", "\r\n\r\n");
    let chunk = Chunk {
        offset: 0,
        bytes: head.as_bytes(),
        at: pitot_model::Timestamp::from_secs(1_000),
        acknowledged: Some(0),
        begins_segment: true,
        may_wait: false,
    };
    connection.chunk(&peers, Way::Forth, &chunk, &mut desk);
    connection.close(&peers, crate::tcp::Close::Ended, chunk.at, &mut desk);
    desk.told.pop().unwrap()
}

/// Who wrote this line.
fn in_a_log(consumers: &Consumers, format: &str, line: &str) -> Told {
    let format = Format::compile(format).unwrap();
    let mut enricher = enricher(consumers.clone());
    let format = enricher.ruled(&format).unwrap_or(format);
    let mut record = Record::default();
    format.parse(line.as_bytes(), &mut record).unwrap();
    let t = enricher.enrich(&record).unwrap();
    Told(t.consumer.to_owned(), t.evidence, t.group.to_owned(), t.marks.token)
}

fn rules(rules: &[What]) -> Consumers {
    Consumers::new(Rules::new(rules.iter().cloned().map(Rule::new).collect()), Names::default(), Proxies::default())
}

fn header(name: &str) -> What {
    What::Header(name.to_owned())
}

fn claim(claim: &str) -> What {
    What::WebToken { header: "Authorization".to_owned(), claim: claim.to_owned() }
}

/// The pseudonym of a key or token.
fn pseudonym(id: &str, evidence: Evidence) -> String {
    Pseudonyms::keyed(&[7; 32]).name(id.as_bytes(), evidence)
}

#[test]
fn every_rule_finds_its_consumer_on_the_wire() {
    let key = |id| (pseudonym(id, Evidence::Key), Evidence::Key);
    let token = |id| (pseudonym(id, Evidence::Token), Evidence::Token);
    let plain = |id: &str, evidence| (id.to_owned(), evidence);
    let address = || plain("10.0.0.9", Evidence::Address);
    let bearer = format!("Authorization: Bearer {EXPIRED}");
    let xfcc = "X-Forwarded-Client-Cert: By=spiffe://a;Hash=ab;Subject=\"CN=shop,O=Acme\";URI=spiffe://b, Hash=cd";
    let signed = "Authorization: AWS4-HMAC-SHA256 Credential=AKIA1/20260101/eu/s3/aws4_request, Signature=f";
    type Case<'a> = (&'a [What], &'a str, &'a [&'a str], (String, Evidence));
    let cases: &[Case<'_>] = &[
        (&[header("X-Who")], "/", &["x-who: acme"], plain("acme", Evidence::Name)),
        (&[header("X-Api-Key")], "/", &["x_api_key:  ak_1 "], key("ak_1")),
        (&[header("X-Who")], "/", &["X-Api-Key: k"], plain("", Evidence::None)),
        (&[header("X-Who"), What::Address], "/", &["X-Api-Key: k", "X-Who: -"], address()),
        (&[header("X-Who"), What::Usual], "/", &["X-Api-Key: k"], key("k")),
        (&[header("Authorization")], "/", &["Authorization: Basic amFuZTp4"], plain("jane", Evidence::User)),
        (&[header("b"), header("a")], "/", &["a: 1", "b: 2"], plain("2", Evidence::Name)),
        (&[What::Cookie("sid".into())], "/", &["Cookie: x=1; sid=\"s3\"; sid=no"], key("s3")),
        (&[What::Cookie("sid".into()), What::Address], "/", &["Cookie: xsid=1"], address()),
        (&[What::Query("api_key".into())], "/a?x=1&api%5Fkey=a%2Bb#f", &[], key("a+b")),
        (&[What::Query("tenant".into()), header("X-Who")], "/a?tenant=", &["X-Who: w"], plain("w", Evidence::Name)),
        (&[claim("sub")], "/", &[&bearer], token("jane")),
        (&[claim("nope"), claim("azp")], "/", &[&bearer], token("app")),
        (&[claim("sub"), What::Address], "/", &["Authorization: Bearer opaque"], address()),
        (&[What::Basic], "/", &["Authorization: Basic amFuZTp4"], plain("jane", Evidence::User)),
        (&[What::Basic, What::Address], "/", &[&bearer], address()),
        (&[What::Signature], "/", &[signed], key("AKIA1")),
        (&[What::Signature], "/a?X-Amz-Credential=AKIA2%2F20260101%2Feu", &[], key("AKIA2")),
        (&[What::Certificate], "/", &[xfcc], plain("CN=shop,O=Acme", Evidence::Certificate)),
        (&[What::Certificate], "/", &["X-SSL-Client-S-DN: CN=a"], plain("CN=a", Evidence::Certificate)),
        (&[What::Certificate, What::Address], "/", &["X-Forwarded-Client-Cert: By=x"], address()),
        (&[What::Gateway], "/", &["X-Consumer-ID: 7", "X-Consumer-Username: acme"], plain("acme", Evidence::Name)),
        (&[What::Gateway], "/", &["X-Credential-Identifier: c1"], plain("c1", Evidence::Name)),
        (&[What::AgentFamily], "/", &["User-Agent: okhttp/4.9.3"], plain("okhttp", Evidence::Agent)),
        (&[What::AgentFamily, What::Address], "/", &[], address()),
        (&[What::Field("tenant".into()), What::Address], "/", &["tenant: t"], address()),
        (&[What::Field("host".into())], "/", &[], plain("h", Evidence::Name)),
        (&[What::Usual], "/", &["X-Api-Key: k"], key("k")),
    ];
    for (what, target, headers, want) in cases {
        let got = on_the_wire(&rules(what), target, headers);
        assert_eq!((got.0, got.1), *want, "{what:?} {target} {headers:?}");
    }
}

#[test]
fn every_rule_finds_its_consumer_in_logs() {
    let key = |id| (pseudonym(id, Evidence::Key), Evidence::Key);
    let token = |id| (pseudonym(id, Evidence::Token), Evidence::Token);
    let plain = |id: &str, evidence| (id.to_owned(), evidence);
    let nginx = |field: &str| format!("$remote_addr $remote_user [$time_local] \"$request\" $status \"{field}\"");
    let line = |user: &str, target: &str, last: &str| {
        format!("10.0.0.9 {user} [10/Oct/2025:13:55:36 +0000] \"GET {target} HTTP/1.1\" 200 \"{last}\"")
    };
    let bearer = format!("Bearer {EXPIRED}");
    let json = |rest: &str| format!(r#"{{"remote_addr":"10.0.0.9","method":"GET","uri":"/a","status":200,{rest}}}"#);
    type Case<'a> = (&'a [What], String, String, (String, Evidence));
    let cases: &[Case<'_>] = &[
        (&[header("X-Who")], nginx("$http_x_who"), line("-", "/", "acme"), plain("acme", Evidence::Name)),
        (&[header("X-Api-Key")], nginx("$http_x_api_key"), line("-", "/", "k"), key("k")),
        (
            &[header("X-Who"), What::Address],
            nginx("$http_x_api_key"),
            line("-", "/", "k"),
            plain("10.0.0.9", Evidence::Address),
        ),
        (
            &[header("X-Who")],
            "%h %l %u %t \"%r\" %>s %b \"%{X-Who}i\"".into(),
            "10.0.0.9 - - [10/Oct/2025:13:55:36 +0000] \"GET / HTTP/1.1\" 200 5 \"acme\"".into(),
            plain("acme", Evidence::Name),
        ),
        (
            &[header("X-Who")],
            "[%START_TIME%] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \"%REQ(X-WHO)%\"".into(),
            "[2025-10-10T13:55:36.000Z] \"GET / HTTP/2\" 200 \"acme\"".into(),
            plain("acme", Evidence::Name),
        ),
        (
            &[header("X-Who")],
            "json".into(),
            json(r#""request_headers":{"x-who":"acme"}"#),
            plain("acme", Evidence::Name),
        ),
        (&[header("X-Who")], "json".into(), json(r#""x_who":"ac\u006de""#), plain("acme", Evidence::Name)),
        (
            &[header("X-Who")],
            r#"{"t":"$time_iso8601","w":"$http_x_who","r":"$request","s":$status}"#.into(),
            r#"{"t":"2025-10-10T13:55:36+00:00","w":"acme","r":"GET / HTTP/1.1","s":200}"#.into(),
            plain("acme", Evidence::Name),
        ),
        (&[What::Cookie("sid".into())], nginx("$http_cookie"), line("-", "/", "a=1; sid=s3"), key("s3")),
        (&[What::Cookie("sid".into())], nginx("$cookie_sid"), line("-", "/", "s3"), key("s3")),
        (&[What::Query("key".into())], nginx("$http_referer"), line("-", "/a?key=k", "-"), key("k")),
        (&[What::Query("key".into())], nginx("$arg_key"), line("-", "/a", "k"), key("k")),
        (&[claim("sub")], nginx("$http_authorization"), line("-", "/", &bearer), token("jane")),
        (&[claim("nope"), What::Usual], nginx("$http_authorization"), line("-", "/", "Bearer t"), token("t")),
        (&[What::Basic], nginx("$http_referer"), line("jane", "/", "-"), plain("jane", Evidence::User)),
        (&[What::Signature], nginx("$http_referer"), line("-", "/a?X-Amz-Credential=AKIA2/2026", "-"), key("AKIA2")),
        (
            &[What::Certificate],
            nginx("$ssl_client_s_dn"),
            line("-", "/", "CN=a,O=b"),
            plain("CN=a,O=b", Evidence::Certificate),
        ),
        (&[What::Field("tenant".into())], "json".into(), json(r#""tenant":"t1""#), plain("t1", Evidence::Name)),
        (&[What::Field("app.owner".into())], "json".into(), json(r#""app":{"owner":"o"}"#), plain("o", Evidence::Name)),
        (
            &[What::Field("remote_user".into())],
            nginx("$http_referer"),
            line("jane", "/", "-"),
            plain("jane", Evidence::User),
        ),
        (&[What::Gateway], "json".into(), json(r#""x_consumer_username":"acme""#), plain("acme", Evidence::Name)),
        (&[What::AgentFamily], nginx("$http_user_agent"), line("-", "/", "curl/8.1"), plain("curl", Evidence::Agent)),
        (&[What::Address], nginx("$http_x_api_key"), line("jane", "/", "k"), plain("10.0.0.9", Evidence::Address)),
    ];
    for (what, format, line, want) in cases {
        let got = in_a_log(&rules(what), format, line);
        assert_eq!((got.0, got.1), *want, "{what:?} {format} {line}");
    }
}

#[test]
fn addresses_behind_trusted_proxies() {
    let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let consumers = Consumers::new(Rules::default(), Names::default(), proxies);
    for (headers, want) in [
        (&["X-Forwarded-For: 198.51.100.1, 203.0.113.7", "X-Forwarded-For: 10.0.0.4"][..], "203.0.113.7"),
        (&["Forwarded: for=203.0.113.8", "X-Forwarded-For: 203.0.113.7"], "203.0.113.7"),
        (&["X-Real-IP: 203.0.113.7"], "203.0.113.7"),
        (&["X-Forwarded-For: nonsense"], "10.0.0.9"),
        (&[], "10.0.0.9"),
    ] {
        assert_eq!(on_the_wire(&consumers, "/", headers).0, want, "{headers:?}");
    }
    let format = "$remote_addr - [$time_local] \"$request\" $status \"$http_x_forwarded_for\"";
    let line =
        |peer: &str, list: &str| format!("{peer} - [10/Oct/2025:13:55:36 +0000] \"GET / HTTP/1.1\" 200 \"{list}\"");
    for (peer, list, want) in [
        ("10.0.0.9", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
        ("10.0.0.9", "-", "10.0.0.9"),
    ] {
        assert_eq!(in_a_log(&consumers, format, &line(peer, list)).0, want, "{peer} {list}");
    }
    let json =
        r#"{"remote_addr":"10.0.0.9","http_x_forwarded_for":"203.0.113.7","method":"GET","uri":"/","status":200}"#;
    assert_eq!(in_a_log(&consumers, "json", json).0, "203.0.113.7");
}

#[test]
fn a_trusted_proxy_may_tell_its_client_before_http() {
    let told = "PROXY TCP4 203.0.113.7 10.0.0.1 4660 80\r\n";
    for (network, want) in [("10.0.0.0/8", "203.0.113.7"), ("192.0.2.0/24", "10.0.0.9")] {
        let proxies = Proxies::new(vec![network.parse().unwrap()]);
        let consumers = Consumers::new(Rules::default(), Names::default(), proxies);
        assert_eq!(behind(told, &consumers, "/", &[]).0, want, "{network}");
    }
}

#[test]
fn the_operator_says_what_is_a_credential() {
    for (evidence, credential, id, want, kind) in [
        (None, None, "acme", "acme".to_owned(), Evidence::Name),
        (None, Some(true), "acme", pseudonym("acme", Evidence::Key), Evidence::Name),
        (Some(Evidence::Key), None, "acme", pseudonym("acme", Evidence::Key), Evidence::Key),
        (Some(Evidence::Key), Some(false), "acme", "acme".to_owned(), Evidence::Key),
        (None, Some(false), "t1a2b3c4d5e6f7a8", "t1a2b3c4d5e6f7a8".to_owned(), Evidence::Name),
        (None, None, "t1a2b3c4d5e6f7a8", pseudonym("t1a2b3c4d5e6f7a8", Evidence::Key), Evidence::Key),
        (None, Some(false), "sk_live_abcdefgh", pseudonym("sk_live_abcdefgh", Evidence::Key), Evidence::Key),
    ] {
        let rule = Rule { what: header("X-Who"), evidence, credential };
        let consumers = Consumers::new(Rules::new(vec![rule]), Names::default(), Proxies::default());
        let got = on_the_wire(&consumers, "/", &[&format!("X-Who: {id}")]);
        assert_eq!((got.0, got.1), (want, kind), "{evidence:?} {credential:?} {id}");
    }
}

#[test]
fn tokens_tell_their_age() {
    let bearer = format!("Authorization: Bearer {EXPIRED}");
    for consumers in [rules(&[claim("sub")]), Consumers::default()] {
        assert_eq!(on_the_wire(&consumers, "/", &[&bearer]).3, Some(TokenAge::Expired));
        assert_eq!(on_the_wire(&consumers, "/", &["Authorization: Bearer opaque"]).3, None);
    }
    let lasting = "Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYW5lIiwiZXhwIjo5OTk5OTk5OTk5OX0.c2ln";
    assert_eq!(on_the_wire(&Consumers::default(), "/", &[lasting]).3, Some(TokenAge::Valid));
}

#[test]
fn crawlers_and_probes_are_groups() {
    let usual = Consumers::default();
    for (agent, group) in [("kube-probe/1.29", "health"), ("acme-bot/1.0", "bots"), ("curl/8", "")] {
        let told = on_the_wire(&usual, "/", &[&format!("User-Agent: {agent}")]);
        assert_eq!((told.0.as_str(), told.2.as_str()), ("10.0.0.9", group), "{agent}");
    }
}

#[test]
fn rules_behind_one_that_finds_everybody_are_left_out() {
    let all = Rules::new(vec![Rule::new(What::Address), Rule::new(What::Basic)]);
    assert_eq!(all.iter().count(), 1);
    let many = Rules::new((0..100).map(|i| Rule::new(header(&format!("x-{i}")))).collect());
    assert_eq!(many.iter().count(), RULES);
    assert!(many.header(b"X_0").is_some() && many.header(b"x-99").is_none() && many.header(b"").is_none());
}
