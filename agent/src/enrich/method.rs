//! Names of request methods, from a closed set. In: a method as sent. Out: its name, or `_OTHER`.

use pitot_model::semconv::METHOD_OTHER;

macro_rules! methods {
    ($($bytes:literal $name:literal $number:literal,)+) => {
        /// The name of a method and its number, below 255; [`METHOD_OTHER`] for those that nobody knows. Letter case
        /// matters, as on the wire.
        ///
        /// Source: OpenTelemetry semantic conventions, `http.request.method`.
        #[inline]
        pub(super) fn name(method: &[u8]) -> (&'static str, u8) {
            // The compiler turns it into a switch on the length.
            match method {
                $($bytes => ($name, $number),)+
                _ => (METHOD_OTHER, 0),
            }
        }
    };
}

// Methods of RFC 9110, RFC 5789, WebDAV (RFC 4918, 3253, 5323, 4791), QUERY and cache purging.
methods! {
    b"GET" "GET" 1,
    b"POST" "POST" 2,
    b"PUT" "PUT" 3,
    b"DELETE" "DELETE" 4,
    b"PATCH" "PATCH" 5,
    b"HEAD" "HEAD" 6,
    b"OPTIONS" "OPTIONS" 7,
    b"CONNECT" "CONNECT" 8,
    b"TRACE" "TRACE" 9,
    b"QUERY" "QUERY" 10,
    b"PROPFIND" "PROPFIND" 11,
    b"PROPPATCH" "PROPPATCH" 12,
    b"MKCOL" "MKCOL" 13,
    b"COPY" "COPY" 14,
    b"MOVE" "MOVE" 15,
    b"LOCK" "LOCK" 16,
    b"UNLOCK" "UNLOCK" 17,
    b"REPORT" "REPORT" 18,
    b"SEARCH" "SEARCH" 19,
    b"MKCALENDAR" "MKCALENDAR" 20,
    b"ACL" "ACL" 21,
    b"PURGE" "PURGE" 22,
    b"CHECKOUT" "CHECKOUT" 23,
    b"MERGE" "MERGE" 24,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_methods_are_other() {
        for (method, want) in
            [("GET", "GET"), ("PROPFIND", "PROPFIND"), ("get", "_OTHER"), ("HACK", "_OTHER"), ("", "_OTHER")]
        {
            assert_eq!(name(method.as_bytes()).0, want, "{method}");
        }
    }
}
