//! Configurations that would ship credentials in clear are refused.
//!
//! In: where a rule looks for the consumer, and whether what it finds is kept as it is. Out: what is wrong, and what to
//! write instead.

use pitot_agent::enrich::{Rule, What, names_secret};
use pitot_model::Evidence;

/// Where a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A request header, or a field of a log that holds one.
    Header,
    /// A cookie.
    Cookie,
    /// A parameter of the query.
    Query,
}

/// What is wrong with a rule that keeps what it finds in clear, under this key of the configuration: that it is known to
/// hold credentials.
fn problem(key: &str, place: Place, name: &str) -> Option<String> {
    let bare = bare(name);
    let holds_credentials = match place {
        Place::Header => HEADERS.contains(&bare.as_str()) || names_secret(bare.as_bytes()),
        Place::Cookie => COOKIES.iter().any(|part| bare.contains(part)) || names_secret(bare.as_bytes()),
        Place::Query => QUERY.contains(&bare.as_str()) || names_secret(bare.as_bytes()),
    };
    holds_credentials.then(|| {
        format!(
            "{key} = \"{name}\": it holds credentials, which would be shipped in clear; leave out `as` and `credential` so \
             that they become pseudonyms, or name a header that tells who calls without a secret, such as \
             X-Consumer-Username"
        )
    })
}

/// What is wrong with a rule that says who the consumer is.
pub(crate) fn of_rule(key: &str, rule: &Rule) -> Option<String> {
    let evidence = rule.evidence.unwrap_or_else(|| rule.usual_evidence());
    if rule.credential.unwrap_or(matches!(evidence, Evidence::Key | Evidence::Token)) {
        return None;
    }
    match &rule.what {
        What::Header(name) | What::Field(name) => problem(key, Place::Header, name),
        What::Cookie(name) => problem(key, Place::Cookie, name),
        What::Query(name) => problem(key, Place::Query, name),
        _ => None,
    }
}

/// What is wrong with a header, or a field of a log, that names the consumer and of which nothing else is said.
pub(crate) fn of_header(key: &str, name: &str) -> Option<String> {
    of_rule(key, &Rule::new(What::Header(name.to_owned())))
}

/// The name of the header that a field of a log holds, in lower case with hyphens: `$http_x_api_key` is `x-api-key`.
fn bare(name: &str) -> String {
    let lower = name.trim().trim_start_matches('$').to_ascii_lowercase().replace('_', "-");
    let of_nginx = lower.strip_prefix("http-").or_else(|| lower.strip_prefix("sent-http-")).unwrap_or(&lower);
    let last = of_nginx.rsplit(['.', '/', '>']).next().unwrap_or_default();
    last.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Headers that hold credentials and whose names do not end as those of secrets do.
const HEADERS: [&str; 16] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "apikey",
    "key",
    "x-auth",
    "x-csrf",
    "x-amz-security-token",
    "x-amz-signature",
    "x-forwarded-access-token",
    "x-ms-token-aad-id-token",
    "x-session",
    "x-session-id",
    "sec-websocket-protocol",
    "dpop",
];

/// What names of cookies hold that let somebody in.
const COOKIES: [&str; 8] = ["sess", "auth", "token", "jwt", "csrf", "xsrf", "login", "remember"];

const QUERY: [&str; 8] = ["sig", "sid", "code", "state", "assertion", "session", "x-amz-signature", "id-token-hint"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_credentials_is_not_kept_in_clear() {
        for (place, name, is_refused) in [
            (Place::Header, "Authorization", true),
            (Place::Header, "proxy-authorization", true),
            (Place::Header, "Cookie", true),
            (Place::Header, "X-Api-Key", true),
            (Place::Header, "$http_x_api_key", true),
            (Place::Header, "http_authorization", true),
            (Place::Header, "request.headers.x-auth-token", true),
            (Place::Header, "X-Vault-Token", true),
            (Place::Header, "PRIVATE-TOKEN", true),
            (Place::Header, "Ocp-Apim-Subscription-Key", true),
            (Place::Header, "X-Session-Id", true),
            (Place::Header, "X-Consumer-Username", false),
            (Place::Header, "X-Client-Id", false),
            (Place::Header, "remote_user", false),
            (Place::Header, "User-Agent", false),
            (Place::Header, "", false),
            (Place::Cookie, "JSESSIONID", true),
            (Place::Cookie, "connect.sid", true),
            (Place::Cookie, "tenant", false),
            (Place::Query, "api_key", true),
            (Place::Query, "access_token", true),
            (Place::Query, "sig", true),
            (Place::Query, "client_id", false),
        ] {
            assert_eq!(problem("consumer_header", place, name).is_some(), is_refused, "{place:?} {name}");
        }
        for (name, is_refused) in
            [("DPoP", true), ("X-Amz-Signature", true), ("Cookie", false), ("x-api-key", false), ("X-Tenant-Id", false)]
        {
            assert_eq!(of_header("consumer_header", name).is_some(), is_refused, "{name}");
        }
        let header = || What::Header("Authorization".to_owned());
        for (what, evidence, credential, is_refused) in [
            (header(), None, None, false),
            (header(), Some(Evidence::Name), None, true),
            (header(), None, Some(false), true),
            (header(), Some(Evidence::Name), Some(true), false),
            (What::Cookie("session".to_owned()), None, None, false),
            (What::Cookie("session".to_owned()), Some(Evidence::User), None, true),
            (What::Query("api_key".to_owned()), None, Some(false), true),
            (What::Field("http_x_api_key".to_owned()), Some(Evidence::Name), None, true),
            (What::Basic, None, None, false),
        ] {
            let rule = Rule { evidence, credential, ..Rule::new(what) };
            assert_eq!(of_rule("consumer 1", &rule).is_some(), is_refused, "{rule:?}");
        }
        let told = problem("consumer_header", Place::Header, "Cookie").unwrap();
        assert!(told.starts_with("consumer_header = \"Cookie\": it holds credentials"), "{told}");
    }
}
