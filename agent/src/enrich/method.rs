//! Names of request methods, from a closed set. In: a method as sent. Out: its name, or `_OTHER`.

use pitot_model::semconv::METHOD_OTHER;

/// Methods of RFC 9110, RFC 5789, WebDAV (RFC 4918, 3253, 5323, 4791), QUERY and cache purging.
const KNOWN: [&str; 24] = [
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "MKCALENDAR",
    "ACL",
    "PURGE",
    "CHECKOUT",
    "MERGE",
];

/// The name of a method; [`METHOD_OTHER`] for those that nobody knows. Letter case matters, as on the wire.
///
/// Source: OpenTelemetry semantic conventions, `http.request.method`.
pub(super) fn name(method: &[u8]) -> &'static str {
    KNOWN.into_iter().find(|known| known.as_bytes() == method).unwrap_or(METHOD_OTHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_methods_are_other() {
        for (method, want) in
            [("GET", "GET"), ("PROPFIND", "PROPFIND"), ("get", "_OTHER"), ("HACK", "_OTHER"), ("", "_OTHER")]
        {
            assert_eq!(name(method.as_bytes()), want, "{method}");
        }
    }
}
