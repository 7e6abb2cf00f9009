//! The names that servers and gateways give to fields, and what they mean: nginx variables, W3C columns, headers.
//!
//! In: a name. Out: a [`Field`]. Ranks say which of several wins: the full duration before the upstream's, the host
//! that the client named before the server's own, keys before gateway names before tokens before certificates.

use pitot_model::Evidence;

use super::{
    field::{Field, Slot},
    number::Unit,
    request::Pick,
};
use crate::told::Tell;

/// Rank of the field that the user chose for the consumer.
pub(super) const CHOSEN: u8 = 255;

/// An nginx variable, without `$`. `None` for those that say nothing we keep.
pub(super) fn nginx(name: &str) -> Option<Field> {
    let f = |slot, rank| Some(Field::new(slot, rank));
    match name {
        "time_local" | "time_iso8601" => f(Slot::Time { start: false }, 5),
        "msec" => f(Slot::Time { start: false }, 6),
        "remote_addr" | "realip_remote_addr" => f(Slot::Client(Pick::First), 5),
        "http_x_forwarded_for" | "proxy_add_x_forwarded_for" | "http_x_real_ip" => f(Slot::Client(Pick::First), 2),
        "remote_user" => f(Slot::User, 5),
        "request" => f(Slot::Request, 5),
        "request_method" => f(Slot::Method, 4),
        "request_uri" => f(Slot::Target, 5),
        "uri" | "document_uri" => f(Slot::Target, 3),
        "args" | "query_string" => f(Slot::Query, 5),
        "server_protocol" => f(Slot::Protocol, 5),
        "http_host" => f(Slot::Host, 6),
        "host" => f(Slot::Host, 5),
        "server_name" => f(Slot::Host, 3),
        "status" => f(Slot::Status, 5),
        "upstream_status" => f(Slot::Skip, 1),
        "body_bytes_sent" => f(Slot::ClfBytes, 6),
        "bytes_sent" => f(Slot::ClfBytes, 4),
        "request_length" => f(Slot::RequestBytes, 5),
        "request_time" => f(Slot::Duration(Unit::Seconds), 6),
        "request_time_msec" => f(Slot::Duration(Unit::Millis), 6),
        // Where nothing else is logged, the upstream's time is the best there is; retries add up.
        "upstream_response_time" => f(Slot::DurationSum(Unit::Seconds), 2),
        "request_id" | "http_x_request_id" | "req_id" => f(Slot::Trace, 4),
        "http_traceparent" | "opentelemetry_trace_id" | "otel_trace_id" => f(Slot::Trace, 6),
        "http_user_agent" => f(Slot::Agent, 5),
        "proxy_host" | "proxy_upstream_name" | "service_name" => f(Slot::Service, 4),
        _ => match name.strip_prefix("sent_http_").or_else(|| name.strip_prefix("upstream_http_")) {
            Some(header) => response_header(header).or_else(|| credential(name)),
            None => credential(name),
        },
    }
}

/// A header of the response that tells its client something.
pub(super) fn response_header(name: &str) -> Option<Field> {
    Tell::of(name.as_bytes()).map(|tell| Field::new(Slot::Told(tell), 5))
}

/// A column of a W3C extended log (IIS, CloudFront).
pub(super) fn w3c(name: &str) -> Option<Field> {
    let f = |slot, rank| Some(Field::new(slot, rank));
    match name {
        "date" => f(Slot::Date, 5),
        "time" => f(Slot::Clock, 5),
        "c-ip" => f(Slot::Client(Pick::First), 5),
        "cs-username" => f(Slot::User, 5),
        "cs-method" => f(Slot::Method, 5),
        "cs-uri" => f(Slot::Target, 4),
        "cs-uri-stem" => f(Slot::Target, 5),
        "cs-uri-query" => f(Slot::Query, 5),
        "cs-version" | "cs-protocol-version" => f(Slot::Protocol, 5),
        "x-host-header" => f(Slot::Host, 7),
        "cs-host" | "cs(Host)" | "cs(host)" => f(Slot::Host, 5),
        "sc-status" => f(Slot::Status, 5),
        "sc-bytes" => f(Slot::ClfBytes, 5),
        "cs-bytes" => f(Slot::RequestBytes, 5),
        // Milliseconds in IIS, seconds with a fraction in CloudFront.
        "time-taken" => f(Slot::Duration(Unit::Told), 5),
        "time-to-first-byte" => f(Slot::Ttfb(Unit::Told), 5),
        "x-edge-request-id" => f(Slot::Trace, 4),
        "s-sitename" => f(Slot::Service, 4),
        _ => match name.strip_prefix("sc(") {
            Some(header) => response_header(header.strip_suffix(')')?),
            None => request_header(name.strip_prefix("cs(")?.strip_suffix(')')?),
        },
    }
}

/// A header of the request.
pub(super) fn request_header(name: &str) -> Option<Field> {
    let name = normal(name);
    let f = |slot, rank| Some(Field::new(slot, rank));
    match name.as_str() {
        "host" => f(Slot::Host, 5),
        "user_agent" => f(Slot::Agent, 5),
        "x_forwarded_for" | "x_real_ip" => f(Slot::Client(Pick::First), 2),
        "x_request_id" | "x_amzn_trace_id" => f(Slot::Trace, 4),
        "traceparent" => f(Slot::Trace, 6),
        _ => credential(&name),
    }
}

/// A field that tells who calls; `_` and `-` and case are the same here.
pub(super) fn credential(name: &str) -> Option<Field> {
    let (evidence, rank) = evidence(name)?;
    Some(Field::new(Slot::Consumer(evidence), rank))
}

/// The kind of evidence of a field that was chosen as the consumer and that is none by itself: what may hold a credential
/// is a key, so that it gets a pseudonym.
pub(super) fn chosen(name: &str) -> Evidence {
    let name = normal(name);
    let may_hold_secret = ["cookie", "token", "session", "secret", "auth", "key", "password", "referer", "sid"];
    if may_hold_secret.iter().any(|part| name.contains(part)) { Evidence::Key } else { Evidence::Name }
}

/// The kind of evidence of a header, parameter or field of this name.
pub(crate) fn field_evidence(name: &str) -> Evidence {
    evidence(name).map_or_else(|| chosen(name), |(evidence, _)| evidence)
}

/// The kind of evidence that a field of this name is, and its rank.
pub(super) fn evidence(name: &str) -> Option<(Evidence, u8)> {
    let name = normal(name);
    let bare = ["http_", "request_", "cookie_", "arg_", "upstream_http_", "sent_http_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(&name);
    Some(match bare {
        "x_api_key"
        | "api_key"
        | "apikey"
        | "x_apikey"
        | "api_key_id"
        | "apikeyid"
        | "x_api_token"
        | "x_key"
        | "subscription_key"
        | "ocp_apim_subscription_key" => (Evidence::Key, 90),
        "x_consumer_username" | "consumer_username" | "consumer_name" => (Evidence::Name, 86),
        "consumer" | "x_consumer" => (Evidence::Name, 85),
        "x_consumer_custom_id" | "consumer_custom_id" => (Evidence::Name, 84),
        "x_consumer_id" | "consumer_id" | "authenticated_entity" | "x_authenticated_userid" => (Evidence::Name, 83),
        "authorization" | "x_auth_token" | "x_access_token" | "access_token" | "jwt_claim_sub" | "jwt_sub" => {
            (Evidence::Token, 70)
        }
        "ssl_client_s_dn"
        | "ssl_client_s_dn_legacy"
        | "ssl_client_s_dn_cn"
        | "ssl_client_fingerprint"
        | "ssl_client_serial"
        | "ssl_client_subject" => (Evidence::Certificate, 60),
        "x_client_id" | "client_id" | "clientid" | "x_app_id" | "app_id" | "appid" | "application_id"
        | "x_application_id" | "x_tenant_id" | "tenant_id" | "tenant" | "x_client_name" | "client_name"
        | "principal_id" | "principalid" | "requester" => (Evidence::Name, 50),
        "caller" => (Evidence::Name, 40),
        _ => return None,
    })
}

/// Whether a text looks like an API key: one token of sixteen and more characters that holds digits, with a prefix such
/// as `ak_` or with letters among them, and no id.
pub(super) fn looks_like_key(text: &[u8]) -> bool {
    let token = text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    let digits = text.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = text.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let prefixed = matches!(text, [b'a' | b's' | b'p' | b'r', b'k', b'_', ..]) || text.starts_with(b"key_");
    token && text.len() >= 16 && digits >= 2 && (prefixed || letters >= 4 && !looks_like_id(text))
}

/// Whether a text looks like a trace or request id: 32 hexadecimal digits, or a UUID.
pub(super) fn looks_like_id(text: &[u8]) -> bool {
    let hex = |b: &u8| b.is_ascii_hexdigit();
    match text.len() {
        32 => text.iter().all(hex),
        36 => text.iter().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { *b == b'-' } else { hex(b) }),
        _ => false,
    }
}

/// Lower case, with `_` for `-`.
pub(super) fn normal(name: &str) -> String {
    name.chars().map(|c| if c == '-' { '_' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_by_name() {
        for (name, want) in [
            ("http_x_api_key", Some(Evidence::Key)),
            ("X-Api-Key", Some(Evidence::Key)),
            ("apikey", Some(Evidence::Key)),
            ("http_x_consumer_username", Some(Evidence::Name)),
            ("consumer", Some(Evidence::Name)),
            ("http_authorization", Some(Evidence::Token)),
            ("ssl_client_s_dn", Some(Evidence::Certificate)),
            ("http_referer", None),
            ("connection", None),
        ] {
            assert_eq!(evidence(name).map(|(e, _)| e), want, "{name}");
        }
    }

    #[test]
    fn keys_by_their_looks() {
        for (text, want) in [
            ("ak_0123456789abcdef", true),
            ("ak_0123456789012345", true),
            ("sk_live_51HxAbCdEfGhIjKl", true),
            ("ak_short1", false),
            ("0123456789012345", false),
            ("those-are-random-characters", false),
            ("7a7b3c0d1e2f40516273849506172839", false),
            ("d209e46f-9ed5-9b61-bbdd-43e22662702a", false),
            ("Mozilla/5.0 (X11; Linux x86_64)", false),
        ] {
            assert_eq!(looks_like_key(text.as_bytes()), want, "{text}");
        }
    }
}
