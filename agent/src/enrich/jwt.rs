//! Claims of web tokens, read and not verified: who knows no key of the issuer cannot tell a good token from a forged one.
//!
//! In: a token of at most [`TOKEN_BYTES`]. Out: one claim, and when the token expires by its own account; `None` for what is
//! no such token. Work is bounded by the length of the token: one pass over its payload, without recursion.
//!
//! Source: RFC 7515, section 3.1 (three parts of Base64url between dots); RFC 7519, section 4.1.

use crate::log::{Escape, Text};

/// Bytes of the longest token that is read. Servers refuse longer headers.
pub(crate) const TOKEN_BYTES: usize = 8 << 10;

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claims<'a> {
    /// The claim that was asked for: a text, or a number as written; of a list the first element.
    pub(crate) value: Option<&'a [u8]>,
    /// `exp`: seconds since the epoch.
    pub(crate) expires: Option<i64>,
}

/// Reads a token; its payload is decoded into `scratch`. Of claims that come twice the last counts, as in most readers.
pub(crate) fn read<'a>(token: &[u8], claim: &[u8], scratch: &'a mut Vec<u8>) -> Option<Claims<'a>> {
    scratch.clear();
    if token.len() > TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split(|&b| b == b'.');
    let (head, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !head.starts_with(b"ey") || !decode(payload, scratch) {
        return None;
    }
    let (mut value, mut expires) = (None, None);
    let mut at = blanks(scratch, 0);
    if scratch.get(at) != Some(&b'{') {
        return None;
    }
    loop {
        at = blanks(scratch, at + 1);
        if scratch.get(at) == Some(&b'}') {
            break;
        }
        let key = string(scratch, at)?;
        at = blanks(scratch, key.end + 1);
        if scratch.get(at) != Some(&b':') {
            return None;
        }
        let start = blanks(scratch, at + 1);
        let end = end_of(scratch, start)?;
        let name = &scratch[key.start..key.end];
        if name == claim {
            value = Some((start, end));
        } else if name == b"exp" {
            expires = seconds(&scratch[start..end]);
        }
        at = blanks(scratch, end);
        match scratch.get(at)? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    if claim == b"exp" {
        expires = value.and_then(|(start, end)| seconds(&scratch[start..end]));
    }
    let value = value.and_then(|(start, end)| scalar(scratch, start, end));
    let value = value.map(|range| &scratch[range]);
    Some(Claims { value, expires })
}

/// When a token expires by its own account: `None` for what is no token, `i64::MAX` where it does not say.
pub(crate) fn expires(token: &[u8], scratch: &mut Vec<u8>) -> Option<i64> {
    if !token.starts_with(b"ey") {
        return None;
    }
    read(token, b"exp", scratch).map(|claims| claims.expires.unwrap_or(i64::MAX))
}

/// Where the text of a scalar lies; decoded behind the payload where it has escapes. `None` for objects, `null` and
/// booleans.
fn scalar(json: &mut Vec<u8>, start: usize, end: usize) -> Option<std::ops::Range<usize>> {
    match json.get(start)? {
        b'"' => {
            let text = start + 1..end - 1;
            if !json[text.clone()].contains(&b'\\') {
                return Some(text);
            }
            let mut decoded = Vec::new();
            Text { raw: &json[text], escape: Escape::Json }.decode(&mut decoded);
            let behind = json.len();
            json.extend_from_slice(&decoded);
            Some(behind..json.len())
        }
        b'-' | b'0'..=b'9' => Some(start..end),
        b'[' => {
            let first = blanks(json, start + 1);
            let inner = end_of(json, first).filter(|_| !matches!(json.get(first), Some(b'[' | b'{' | b']')))?;
            scalar(json, first, inner)
        }
        _ => None,
    }
}

/// Whole seconds of a number.
fn seconds(number: &[u8]) -> Option<i64> {
    let whole = number.split(|&b| b == b'.').next()?;
    std::str::from_utf8(whole).ok()?.parse().ok()
}

/// The inside of the string that begins at `at`; its end is the closing quote.
fn string(json: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    if json.get(at) != Some(&b'"') {
        return None;
    }
    let mut end = at + 1;
    loop {
        match json.get(end)? {
            b'"' => return Some(at + 1..end),
            b'\\' => end += 2,
            _ => end += 1,
        }
    }
}

/// The position behind the value that begins at `at`.
fn end_of(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match json.get(at)? {
            b'"' => at = string(json, at)?.end,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return None,
            b'}' | b']' => depth -= 1,
            b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' if depth > 0 => {
                at += 1;
                continue;
            }
            _ if depth > 0 => {}
            // A number or a word.
            _ => {
                let len = json[at..].iter().position(|b| b",}] \n\r\t".contains(b)).unwrap_or(json.len() - at);
                return (len > 0).then_some(at + len);
            }
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

fn blanks(json: &[u8], at: usize) -> usize {
    json.get(at..).map_or(at, |rest| at + rest.iter().take_while(|b| b.is_ascii_whitespace()).count())
}

/// Decodes Base64url, and Base64 too, with or without padding; `false` for anything else.
fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let text = &text[..text.iter().position(|&b| b == b'=').unwrap_or(text.len())];
    out.reserve(text.len() / 4 * 3 + 3);
    let (mut bits, mut n) = (0_u32, 0);
    for &b in text {
        let sextet = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(sextet);
        n += 6;
        if n >= 8 {
            n -= 8;
            out.push((bits >> n) as u8);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token with this payload.
    pub(crate) fn token(payload: &str) -> String {
        format!("eyJhbGciOiJub25lIn0.{}.c2ln", encode(payload.as_bytes()))
    }

    fn encode(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let n = three.iter().fold(0_u32, |n, &b| n << 8 | u32::from(b)) << (8 * (3 - three.len()));
            (0..=three.len()).for_each(|i| text.push(char::from(DIGITS[(n >> (18 - 6 * i) & 63) as usize])));
        }
        text
    }

    #[test]
    fn claims_of_tokens() {
        for (payload, claim, want) in [
            (r#"{"sub":"jane","exp":1700000000}"#, "sub", Some((Some("jane"), Some(1_700_000_000)))),
            (r#"{ "exp" : 1700000000.5 , "sub" : 42 }"#, "sub", Some((Some("42"), Some(1_700_000_000)))),
            (r#"{"sub":"a","sub":"b"}"#, "sub", Some((Some("b"), None))),
            (r#"{"aud":["x","y"],"o":{"sub":"no","l":[1,{"a":"}"}]}}"#, "aud", Some((Some("x"), None))),
            (r#"{"o":{"sub":"no"}}"#, "sub", Some((None, None))),
            (r#"{"sub":"j\u00e9\"x"}"#, "sub", Some((Some("jé\"x"), None))),
            (r#"{"https://acme.example/tenant":"t1"}"#, "https://acme.example/tenant", Some((Some("t1"), None))),
            (r#"{"sub":null,"exp":"soon"}"#, "sub", Some((None, None))),
            (r#"{"sub":[]}"#, "sub", Some((None, None))),
            ("{}", "sub", Some((None, None))),
            (r#"{"sub":"jane""#, "sub", None),
            (r#"{"sub" "jane"}"#, "sub", None),
            (r#"["sub"]"#, "sub", None),
            ("", "sub", None),
        ] {
            let mut scratch = b"old".to_vec();
            let token = token(payload);
            let got = read(token.as_bytes(), claim.as_bytes(), &mut scratch);
            let got = got.map(|c| (c.value.map(|v| String::from_utf8_lossy(v).into_owned()), c.expires));
            assert_eq!(got, want.map(|(v, e)| (v.map(str::to_owned), e)), "{payload}");
        }
    }

    #[test]
    fn what_is_no_token_is_none() {
        let long = token(&format!(r#"{{"sub":"{}"}}"#, "a".repeat(TOKEN_BYTES)));
        for text in ["", "abc.def", "eyJ.e30", "eyJ.e30.x.y", "eyJ.!.x", "abc.e30.x", &long] {
            assert_eq!(read(text.as_bytes(), b"sub", &mut Vec::new()), None, "{}", text.len());
        }
        let deep = token(&"[".repeat(5_000));
        assert_eq!(read(deep.as_bytes(), b"sub", &mut Vec::new()), None);
        assert_eq!(expires(token(r#"{"exp":5}"#).as_bytes(), &mut Vec::new()), Some(5));
        assert_eq!(expires(token("{}").as_bytes(), &mut Vec::new()), Some(i64::MAX));
        assert_eq!(expires(b"opaque", &mut Vec::new()), None);
    }

    proptest::proptest! {
        #[test]
        fn any_payload_is_read_without_panic(payload in "[{}\\[\\]\",:a-z0-9\\\\ ]{0,200}") {
            let _ = read(token(&payload).as_bytes(), b"a", &mut Vec::new());
        }
    }
}
