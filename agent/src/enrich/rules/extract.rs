//! Who is in a value: the part of a header, field or query that names the consumer.
//!
//! In: the value as sent. Out: the identity, which may still be a credential, and its kind; `None` where there is nobody, so
//! that the next rule is tried. Work is bounded by the length of the value.

use pitot_model::Evidence;

use super::Way;
use crate::{
    enrich::{is_there, jwt},
    http::identity,
};

/// What a rule found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picked<'a> {
    /// Who.
    pub(crate) id: &'a [u8],
    /// What goes without saying about its kind.
    pub(crate) evidence: Evidence,
    /// When the token that it is from expires, in seconds since the epoch; `i64::MAX` where the token does not say, and
    /// `None` without a token.
    pub(crate) expires: Option<i64>,
    /// Rank of what was asked for.
    pub(crate) rank: u8,
    /// Which of the ways it was found by; see [`Rules::found_by`](super::Rules::found_by).
    pub(crate) way: u8,
}

/// Who is in a value.
pub(super) fn find<'a>(way: &Way, value: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<Picked<'a>> {
    let value = value.trim_ascii();
    let told = |id, evidence| Picked { id, evidence, expires: None, rank: 0, way: 0 };
    let found = match way {
        Way::Whole(kind) => told(value, *kind),
        Way::Authorization => {
            let (kind, id) = identity(Evidence::Token, value, scratch);
            told(id, kind)
        }
        Way::Basic => {
            scheme(value, b"basic")?;
            let (kind, id) = identity(Evidence::Token, value, scratch);
            told(id, kind)
        }
        Way::Signature => {
            scheme(value, b"aws4-hmac-sha256").or_else(|| scheme(value, b"aws4-ecdsa-p256-sha256"))?;
            told(access_key(value)?, Evidence::Key)
        }
        Way::Cookie(name) => told(cookie(value, name)?, Evidence::Key),
        Way::Claim(claim) => {
            let token = scheme(value, b"bearer").unwrap_or(value);
            let claims = jwt::read(token, claim, scratch)?;
            let expires = Some(claims.expires.unwrap_or(i64::MAX));
            Picked { expires, ..told(claims.value?, Evidence::Token) }
        }
        Way::ForwardedCertificate => told(certificate(value)?, Evidence::Certificate),
    };
    is_there(found.id).then_some(found)
}

/// What stands behind a scheme of authorization, in any case.
fn scheme<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = value.split_at_checked(name.len())?;
    let is_it = head.eq_ignore_ascii_case(name) && rest.first() == Some(&b' ');
    is_it.then(|| rest.trim_ascii_start())
}

/// The access key id in `Credential=AKIA.../date/region/service/aws4_request`.
///
/// Source: AWS, Signature Version 4, "Authorization header".
fn access_key(value: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(value, b"Credential=")?;
    Some(until(&value[at + b"Credential=".len()..], b"/, "))
}

/// The value of a cookie, without quotes; the first of that name.
///
/// Source: RFC 6265, section 4.2.
fn cookie<'a>(header: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = header.split(|&b| b == b';').find_map(|pair| {
        let (key, value) = split_at(pair, b'=')?;
        (key.trim_ascii() == name).then(|| value.trim_ascii())
    })?;
    Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
}

/// Who the first certificate of `X-Forwarded-Client-Cert` is of: its subject, else its URI, its DNS name, its hash.
///
/// Source: Envoy, "x-forwarded-client-cert": elements parted by commas, pairs by semicolons, values may be quoted.
fn certificate(header: &[u8]) -> Option<&[u8]> {
    let mut best: Option<(u8, &[u8])> = None;
    let mut rest = header;
    loop {
        let (key, after) = split_at(rest, b'=')?;
        let (value, end) = match after.strip_prefix(b"\"") {
            Some(quoted) => {
                let close =
                    quoted.iter().enumerate().position(|(i, &b)| b == b'"' && (i == 0 || quoted[i - 1] != b'\\'))?;
                (&quoted[..close], &quoted[close + 1..])
            }
            None => {
                let value = until(after, b";,");
                (value, &after[value.len()..])
            }
        };
        let rank = match key.trim_ascii().to_ascii_lowercase().as_slice() {
            b"subject" => 4,
            b"uri" => 3,
            b"dns" => 2,
            b"hash" => 1,
            _ => 0,
        };
        if rank > best.map_or(0, |(rank, _)| rank) && !value.is_empty() {
            best = Some((rank, value));
        }
        match end.trim_ascii_start().strip_prefix(b";") {
            Some(more) if !more.trim_ascii().is_empty() => rest = more,
            _ => return best.map(|(_, id)| id),
        }
    }
}

/// Whether there is such a query parameter; its value, percent-decoded, is in `out` then. The first of that name counts.
/// `query` is that of a log which has it apart; else it is looked for in the target.
pub(in crate::enrich) fn query_value(target: &[u8], query: &[u8], name: &[u8], out: &mut Vec<u8>) -> bool {
    let query = if query.is_empty() { query_of(target) } else { query };
    let value = query.split(|&b| b == b'&').find_map(|pair| {
        let (key, value) = split_at(pair, b'=')?;
        (key == name || is_decoded(key, name)).then_some(value)
    });
    out.clear();
    decode(until(value.unwrap_or_default(), b"#"), out);
    is_there(out)
}

/// Whether the URL is signed; the access key id is in `out` then.
pub(in crate::enrich) fn signature_in_query(target: &[u8], query: &[u8], out: &mut Vec<u8>) -> bool {
    let has = query_value(target, query, b"X-Amz-Credential", out);
    out.truncate(until(out, b"/").len());
    has && is_there(out)
}

/// What stands behind the path.
fn query_of(target: &[u8]) -> &[u8] {
    memchr::memchr(b'?', target).map_or(b"", |at| &target[at + 1..])
}

fn is_decoded(key: &[u8], name: &[u8]) -> bool {
    if !key.contains(&b'%') || key.len() > 3 * name.len() {
        return false;
    }
    let mut decoded = Vec::with_capacity(key.len());
    decode(key, &mut decoded);
    decoded == name
}

/// Percent-decodes; `+` is a blank, and what is no escape stays.
fn decode(text: &[u8], out: &mut Vec<u8>) {
    let digit = |b: Option<&u8>| b.and_then(|&b| char::from(b).to_digit(16));
    let mut at = 0;
    while let Some(&b) = text.get(at) {
        match (b, digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            _ => out.push(b),
        }
        at += 1;
    }
}

fn until<'a>(text: &'a [u8], ends: &[u8]) -> &'a [u8] {
    &text[..text.iter().position(|b| ends.contains(b)).unwrap_or(text.len())]
}

fn split_at(text: &[u8], by: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(by, text)?;
    Some((&text[..at], &text[at + 1..]))
}
