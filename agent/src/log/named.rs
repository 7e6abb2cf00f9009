//! The formats that have a name.
//!
//! In: a name. Out: the layouts of that format, to be tried in order. Those that servers document as a format string
//! are kept here as that string.

use super::{
    Layout,
    clf::{Clf, Extra},
    columns::{Column, Columns, Separator},
    field::{Field, Slot},
    json::Json,
    keys::Keys,
    names,
    number::Unit,
    request::Pick,
    spec,
    tail::Class,
    w3c,
};

/// Every name with what it stands for, in the order of `--help`.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("combined", "nginx and Apache combined, with or without a virtual host in front"),
    ("common", "Common Log Format"),
    ("vcombined", "combined with the virtual host in front"),
    ("vcommon", "common with the virtual host in front"),
    ("combined+rt", "combined, then request_time, upstream_response_time and \"http_x_api_key\""),
    ("caddy", "Caddy's JSON"),
    ("traefik", "Traefik's common log and its JSON"),
    ("haproxy", "HAProxy's HTTP log"),
    ("envoy", "Envoy's and Istio's default"),
    ("kong", "Kong's JSON and its nginx access log"),
    ("nginx-ingress", "ingress-nginx"),
    ("npm", "nginx proxy manager"),
    ("alb", "AWS Application Load Balancer"),
    ("elb", "AWS Classic Load Balancer"),
    ("s3", "AWS S3 server access log"),
    ("apigw", "AWS API Gateway, JSON or CLF"),
    ("cloudfront", "AWS CloudFront standard log"),
    ("iis", "IIS, W3C extended; columns by its #Fields line"),
    ("w3c", "the same"),
    ("json", "one JSON object in a line, with well-known keys"),
];

/// The layouts of a name.
pub(super) fn layouts(name: &str) -> Option<Vec<Layout>> {
    Some(match name {
        "combined" | "vcombined" | "apache" | "nginx" => vec![combined()],
        "common" | "vcommon" | "clf" | "ncsa" => vec![clf(Vec::new(), false)],
        "combined+rt" => vec![clf(combined_rt(), false)],
        "json" | "caddy" | "ecs" | "gcp" => vec![json()],
        "traefik" => vec![json(), clf(traefik(), true), combined()],
        "kong" => vec![json(), combined()],
        "apigw" => vec![json(), clf(Vec::new(), false)],
        "haproxy" => vec![Layout::Haproxy],
        "envoy" | "istio" => vec![Layout::Envoy],
        "nginx-ingress" | "ingress-nginx" => {
            vec![clf(ingress(1), true), clf(ingress(2), true), combined()]
        }
        "npm" => nginx_proxy_manager(),
        "alb" => vec![alb()],
        "elb" => vec![elb()],
        "s3" => vec![s3()],
        "cloudfront" => vec![Layout::Columns(w3c::table(w3c::CLOUDFRONT)?)],
        "iis" | "w3c" => vec![Layout::Columns(w3c::table(w3c::IIS)?)],
        _ => return None,
    })
}

/// Any JSON.
pub(super) fn json() -> Layout {
    Layout::Json(Json::new(Keys::known()))
}

/// Any access log of the CLF family; the referer and the agent where they are there.
pub(super) fn combined() -> Layout {
    clf(vec![referer(), agent()], false)
}

/// A log of the CLF family with this tail.
pub(super) fn clf(tail: Vec<Extra>, strict: bool) -> Layout {
    Layout::Clf(Clf { tail, strict, start: false, chosen: None })
}

/// A field of a tail.
pub(super) fn extra(name: &str, class: Class, slot: Slot, rank: u8) -> Extra {
    Extra { name: name.to_owned(), class, field: Field::new(slot, rank) }
}

pub(super) fn skip(name: &str, class: Class) -> Extra {
    extra(name, class, Slot::Skip, 1)
}

pub(super) fn referer() -> Extra {
    skip("http_referer", Class::Quoted)
}

pub(super) fn agent() -> Extra {
    extra("http_user_agent", Class::Quoted, Slot::Agent, 5)
}

/// combined, then `$request_time $upstream_response_time "$http_x_api_key"`.
pub(super) fn combined_rt() -> Vec<Extra> {
    vec![
        referer(),
        agent(),
        extra("request_time", Class::Decimal, Slot::Duration(Unit::Seconds), 6),
        extra("upstream_response_time", Class::Decimal, Slot::DurationSum(Unit::Seconds), 2),
        Extra {
            name: "http_x_api_key".to_owned(),
            class: Class::Quoted,
            field: names::nginx("http_x_api_key").unwrap_or(Field::SKIP),
        },
    ]
}

/// Traefik's: `count "router" "service url" duration`.
pub(super) fn traefik() -> Vec<Extra> {
    vec![
        referer(),
        agent(),
        skip("count", Class::Integer),
        extra("router", Class::Quoted, Slot::Service, 5),
        skip("server_url", Class::Quoted),
        extra("duration", Class::Suffixed, Slot::Duration(Unit::Told), 6),
    ]
}

/// ingress-nginx's: `request_length request_time [upstream] [alternative] address length time status id`.
pub(super) fn ingress(brackets: usize) -> Vec<Extra> {
    let mut tail = vec![
        referer(),
        agent(),
        extra("request_length", Class::Integer, Slot::RequestBytes, 5),
        extra("request_time", Class::Decimal, Slot::Duration(Unit::Seconds), 6),
        extra("proxy_upstream_name", Class::Bracketed, Slot::Service, 5),
    ];
    if brackets > 1 {
        tail.push(skip("proxy_alternative_upstream_name", Class::Bracketed));
    }
    tail
}

/// The access logs of nginx proxy manager, with and without a cache, from all of its versions.
pub(super) fn nginx_proxy_manager() -> Vec<Layout> {
    let heads = ["$upstream_cache_status $upstream_status $status - ", "$status - "];
    let tails = ["[Sent-to $server] ", ""];
    let mut all = Vec::new();
    for head in heads {
        for tail in tails {
            let spec = format!(
                "[$time_local] {head}$request_method $scheme $host \"$request_uri\" [Client $remote_addr] \
                 [Length $body_bytes_sent] [Gzip $gzip_ratio] {tail}\"$http_user_agent\" \"$http_referer\""
            );
            all.extend(spec::nginx(&spec).ok());
        }
    }
    all
}

/// Formats that begin with the time, found in the wild, as nginx writes them.
pub(super) const TIME_FIRST: &[&str] = &[
    "[$time_local] $host $remote_addr $request_time \"$request\" $status $body_bytes_sent $request_length \
     $http_referer $http_user_agent",
    "[$time_local] $remote_addr - $remote_user \"$request\" $status $body_bytes_sent",
    "[$time_local] $remote_addr \"$request\" $status $body_bytes_sent",
    "$time_iso8601 $remote_addr \"$request\" $status $body_bytes_sent",
];

/// Application Load Balancer. Source: AWS, "Access logs for your Application Load Balancer".
pub(super) fn alb() -> Layout {
    let mut columns = vec![
        column("type", None),
        column("time", Some((Slot::Time { start: false }, 5))),
        column("elb", None),
        column("client:port", Some((Slot::Client(Pick::First), 5))),
        column("target:port", None),
    ];
    columns.extend(processing_times());
    columns.extend([
        column("elb_status_code", Some((Slot::Status, 5))),
        column("target_status_code", None),
        column("received_bytes", Some((Slot::RequestBytes, 5))),
        column("sent_bytes", Some((Slot::ResponseBytes, 5))),
        column("request", Some((Slot::Request, 5))),
        column("user_agent", Some((Slot::Agent, 5))),
        column("ssl_cipher", None),
        column("ssl_protocol", None),
        column("target_group_arn", None),
        column("trace_id", Some((Slot::Trace, 5))),
        column("domain_name", Some((Slot::Host, 5))),
    ]);
    Layout::Columns(Columns { columns, needed: 14, separator: Separator::Quoted })
}

/// Classic Load Balancer; its time is that of the request. Source: AWS, "Access logs for your Classic Load Balancer".
pub(super) fn elb() -> Layout {
    let mut columns = vec![
        column("time", Some((Slot::Time { start: true }, 5))),
        column("elb", None),
        column("client:port", Some((Slot::Client(Pick::First), 5))),
        column("backend:port", None),
    ];
    columns.extend(processing_times());
    columns.extend([
        column("elb_status_code", Some((Slot::Status, 5))),
        column("backend_status_code", None),
        column("received_bytes", Some((Slot::RequestBytes, 5))),
        column("sent_bytes", Some((Slot::ResponseBytes, 5))),
        column("request", Some((Slot::Request, 5))),
        column("user_agent", Some((Slot::Agent, 5))),
    ]);
    Layout::Columns(Columns { columns, needed: 12, separator: Separator::Quoted })
}

fn processing_times() -> [Column; 3] {
    [
        column("request_processing_time", Some((Slot::TtfbPart(Unit::Seconds), 1))),
        column("target_processing_time", Some((Slot::TtfbPart(Unit::Seconds), 1))),
        column("response_processing_time", Some((Slot::DurationPart(Unit::Seconds), 1))),
    ]
}

/// S3. Source: AWS, "Amazon S3 server access log format".
pub(super) fn s3() -> Layout {
    let columns = vec![
        column("bucket_owner", None),
        column("bucket", Some((Slot::Service, 5))),
        column("time", Some((Slot::Time { start: true }, 5))),
        column("remote_ip", Some((Slot::Client(Pick::First), 5))),
        Column { name: "requester".to_owned(), field: names::credential("requester") },
        column("request_id", Some((Slot::Trace, 5))),
        column("operation", None),
        column("key", None),
        column("request_uri", Some((Slot::Request, 5))),
        column("http_status", Some((Slot::Status, 5))),
        column("error_code", None),
        column("bytes_sent", Some((Slot::ClfBytes, 5))),
        column("object_size", None),
        column("total_time", Some((Slot::Duration(Unit::Millis), 5))),
        column("turn_around_time", Some((Slot::Ttfb(Unit::Millis), 5))),
        column("referer", None),
        column("user_agent", Some((Slot::Agent, 5))),
        column("version_id", None),
        column("host_id", None),
        column("signature_version", None),
        column("cipher_suite", None),
        column("authentication_type", None),
        column("host_header", Some((Slot::Host, 5))),
    ];
    Layout::Columns(Columns { columns, needed: 15, separator: Separator::Quoted })
}

fn column(name: &str, slot: Option<(Slot, u8)>) -> Column {
    Column { name: name.to_owned(), field: slot.map(|(slot, rank)| Field::new(slot, rank)) }
}
