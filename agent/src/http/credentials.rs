//! Which headers tell who calls, in HTTP/1 and HTTP/2 alike.
//!
//! In: names and values of request headers. Out: the kind of evidence and its rank, and the part of the value that is the
//! identity. What it gives may still be a credential: `enrich` makes the pseudonyms.

use pitot_model::Evidence;

/// Bytes of the longest name that [`evidence`] knows.
const LONGEST: usize = 25;

/// The kind of evidence that a request header is, and its rank: the highest of a request counts. Case does not matter.
///
/// The order is that of access logs: keys before names that gateways write before tokens.
pub(super) fn evidence(name: &[u8]) -> Option<(Evidence, u8)> {
    // The letters with which any of the names begins and ends: nearly all headers go no further.
    let (first, last) = (name.first()? | 0x20, name.last()? | 0x20);
    let is_first = matches!(first, b'a' | b'c' | b'o' | b's' | b't' | b'x');
    if name.len() > LONGEST || !is_first || !matches!(last, b'd' | b'e' | b'n' | b'r' | b'y') {
        return None;
    }
    let mut lower = [0; LONGEST];
    let lower = &mut lower[..name.len()];
    for (to, &from) in lower.iter_mut().zip(name) {
        *to = if from == b'_' { b'-' } else { from.to_ascii_lowercase() };
    }
    Some(match &*lower {
        b"x-api-key"
        | b"api-key"
        | b"apikey"
        | b"x-apikey"
        | b"x-api-token"
        | b"x-key"
        | b"subscription-key"
        | b"ocp-apim-subscription-key" => (Evidence::Key, 90),
        b"x-consumer-username" => (Evidence::Name, 86),
        b"x-consumer" | b"consumer" => (Evidence::Name, 85),
        b"x-consumer-custom-id" => (Evidence::Name, 84),
        b"x-consumer-id" | b"x-authenticated-userid" => (Evidence::Name, 83),
        b"authorization" => (Evidence::Token, 71),
        b"x-auth-token" | b"x-access-token" | b"access-token" => (Evidence::Token, 70),
        b"x-client-id" | b"client-id" | b"x-app-id" | b"app-id" | b"x-application-id" | b"x-tenant-id"
        | b"tenant-id" | b"x-client-name" | b"client-name" => (Evidence::Name, 50),
        b"caller" | b"x-caller" => (Evidence::Name, 40),
        _ => return None,
    })
}

/// The identity in the value of a header of this kind of evidence. `Authorization` has schemes: the user of `Basic`
/// (decoded into `scratch`), the access key of AWS signatures, and what stands behind the scheme of all others.
pub(crate) fn identity<'a>(evidence: Evidence, value: &'a [u8], scratch: &'a mut Vec<u8>) -> (Evidence, &'a [u8]) {
    let value = value.trim_ascii();
    if evidence != Evidence::Token {
        return (evidence, value);
    }
    let Some(at) = memchr::memchr(b' ', value).filter(|&at| at <= 16) else { return (evidence, value) };
    let (scheme, rest) = (&value[..at], value[at..].trim_ascii_start());
    if scheme.eq_ignore_ascii_case(b"basic") {
        return match basic_user(rest, scratch) {
            // Where the password is empty, the user is the secret: so do interfaces that take keys.
            Some([]) => (Evidence::Key, scratch),
            Some(_) => (Evidence::User, scratch),
            None => (Evidence::Key, rest),
        };
    }
    if scheme.eq_ignore_ascii_case(b"aws4-hmac-sha256")
        && let Some(id) = rest.strip_prefix(b"Credential=")
    {
        let end = memchr::memchr2(b'/', b',', id).unwrap_or(id.len());
        return (Evidence::Key, &id[..end]);
    }
    (evidence, rest)
}

/// Decodes the user name of RFC 7617 credentials: Base64 of `user:password`, of which the password is never decoded.
/// Returns the Base64 behind the colon, without its padding; `None` where there is no name.
fn basic_user<'a>(base64: &'a [u8], user: &mut Vec<u8>) -> Option<&'a [u8]> {
    user.clear();
    let base64 = &base64[..memchr::memchr(b'=', base64).unwrap_or(base64.len())];
    let (mut bits, mut n) = (0_u32, 0);
    for (i, &b) in base64.iter().enumerate() {
        let sextet = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(sextet);
        n += 6;
        if n >= 8 {
            n -= 8;
            match (bits >> n) as u8 {
                b':' => return (!user.is_empty()).then_some(&base64[i + 1..]),
                byte => user.push(byte),
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_name_the_consumer() {
        for (name, want) in [
            ("x-api-key", Some((Evidence::Key, 90))),
            ("X-API-Key", Some((Evidence::Key, 90))),
            ("Ocp-Apim-Subscription-Key", Some((Evidence::Key, 90))),
            ("X-Consumer-Username", Some((Evidence::Name, 86))),
            ("Authorization", Some((Evidence::Token, 71))),
            ("x_client_id", Some((Evidence::Name, 50))),
            ("accept", None),
            ("x-forwarded-for", None),
            ("access-control-request-headers", None),
            ("", None),
        ] {
            assert_eq!(evidence(name.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn what_of_a_header_is_the_identity() {
        for (kind, value, want) in [
            (Evidence::Key, " ak_1 ", (Evidence::Key, "ak_1")),
            (Evidence::Token, "Bearer  abc.def", (Evidence::Token, "abc.def")),
            (Evidence::Token, "abc.def", (Evidence::Token, "abc.def")),
            (Evidence::Token, "Basic amFuZTpodW50ZXIy", (Evidence::User, "jane")),
            (Evidence::Token, "basic amFuZQ==", (Evidence::Key, "amFuZQ==")),
            (Evidence::Token, "Basic aHVudGVyMjo=", (Evidence::Key, "hunter2")),
            (Evidence::Token, "Basic amFuZTEyOg==", (Evidence::Key, "jane12")),
            (Evidence::Token, "Basic amFuZTE6", (Evidence::Key, "jane1")),
            (Evidence::Token, "Basic aHVudGVyMjo", (Evidence::Key, "hunter2")),
            (Evidence::Token, "Basic aHVudGVyMjp4", (Evidence::User, "hunter2")),
            (Evidence::Token, "Basic amFuZTEyOng=", (Evidence::User, "jane12")),
            (Evidence::Token, "Basic OnNlY3JldA==", (Evidence::Key, "OnNlY3JldA==")),
            (
                Evidence::Token,
                "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/eu/s3/aws4_request, Signature=f",
                (Evidence::Key, "AKIA1"),
            ),
        ] {
            let mut scratch = b"old".to_vec();
            let (kind, id) = identity(kind, value.as_bytes(), &mut scratch);
            assert_eq!((kind, id), (want.0, want.1.as_bytes()), "{value}");
        }
    }
}
