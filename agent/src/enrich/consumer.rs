//! Who calls: the first that is present of a consumer field, the user name, the address.
//!
//! In: a record's texts. Out: an identity that still may be a credential; [`Pseudonyms`](super::Pseudonyms) comes next.

use pitot_model::Evidence;

/// Who calls, before pseudonyms, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    /// The credential, name or address as sent.
    pub(super) id: &'a [u8],
    /// Its kind.
    pub(super) evidence: Evidence,
}

/// The best identity of these three, of the kind that its field says; each may be empty. `consumer` is of the kind
/// `evidence`. [`kind`] looks closer.
#[inline]
pub(super) fn choose<'a>(consumer: &'a [u8], evidence: Evidence, user: &'a [u8], client: &'a [u8]) -> Identity<'a> {
    if is_there(consumer) {
        let id = if evidence == Evidence::Token { credentials(consumer) } else { consumer };
        return Identity { id, evidence };
    }
    if is_there(user) {
        return Identity { id: user, evidence: Evidence::User };
    }
    match address(client) {
        b"" => Identity { id: b"", evidence: Evidence::None },
        id => Identity { id, evidence: Evidence::Address },
    }
}

/// Whether a text names anybody.
#[inline]
pub(super) fn is_there(id: &[u8]) -> bool {
    !matches!(id, [] | [b'-'])
}

/// What an identity is, going by its looks, too: names that look secret are keys.
pub(super) fn kind(id: &[u8], evidence: Evidence) -> Evidence {
    match evidence {
        Evidence::Name | Evidence::User if looks_secret(id) => Evidence::Key,
        _ => evidence,
    }
}

/// The first address of a list, without port and brackets: `[2001:db8::1]:443, 10.0.0.1` gives `2001:db8::1`.
pub(super) fn address(client: &[u8]) -> &[u8] {
    let first = match memchr::memchr2(b',', b' ', client) {
        Some(end) => &client[..end],
        None => client,
    };
    if let Some(rest) = first.strip_prefix(b"[") {
        return memchr::memchr(b']', rest).map_or(rest, |end| &rest[..end]);
    }
    match memchr::memchr(b':', first) {
        // One colon is a port; several are an IPv6 address.
        Some(at) if memchr::memchr(b':', &first[at + 1..]).is_none() => &first[..at],
        _ if first == b"-" => b"",
        _ => first,
    }
}

/// Whether a text is a credential by its form, whatever it is called: an assignment, or the prefix of a known kind of key.
pub(super) fn is_certainly_secret(name: &[u8]) -> bool {
    let is_assignment = name.iter().any(|b| b"=;".contains(b)) && !is_distinguished(name);
    is_assignment || PREFIXES.iter().any(|p| name.len() > p.len() + 8 && name.starts_with(p))
}

/// Whether it is the name of a certificate's subject, which is made of assignments.
fn is_distinguished(name: &[u8]) -> bool {
    name.split(|b| b",/".contains(b)).any(|part| part.trim_ascii().to_ascii_uppercase().starts_with(b"CN="))
}

/// What stands behind the scheme of an `Authorization` header.
fn credentials(header: &[u8]) -> &[u8] {
    match memchr::memchr(b' ', header) {
        Some(at) if at < 16 => header[at..].trim_ascii_start(),
        _ => header,
    }
}

/// Whether a name is rather a credential: an assignment, a user with a password, a web token, the prefix of a known kind
/// of key, or long, one word, and going back and forth between letters and digits.
fn looks_secret(name: &[u8]) -> bool {
    let turns = name.windows(2).filter(|w| w[0].is_ascii_digit() && w[1].is_ascii_alphabetic()).count();
    let word = |b: &u8| b.is_ascii_alphanumeric() || b"_-=+/.".contains(b);
    let is_random = name.len() >= 16 && turns >= 2 && name.iter().all(word) && !is_uuid_like(name) && !is_domain(name);
    let is_assignment = name.iter().any(|b| b"=;".contains(b)) || (name.contains(&b':') && !name.contains(&b'/'));
    is_random || is_assignment || PREFIXES.iter().any(|p| name.len() > p.len() + 8 && name.starts_with(p))
}

/// How credentials of well-known kinds begin: web tokens, Stripe, GitHub, Slack, AWS, authorization schemes.
const PREFIXES: [&[u8]; 13] = [
    b"eyJ", b"sk_", b"pk_", b"rk_", b"ghp_", b"gho_", b"xoxb-", b"xoxp-", b"AKIA", b"ASIA", b"Bearer ", b"Basic ",
    b"glpat-",
];

/// Letters, digits and dots, ending in letters: a host name or a dotted user name.
fn is_domain(name: &[u8]) -> bool {
    let last = name.rsplit(|&b| b == b'.').next().unwrap_or_default();
    name.contains(&b'.') && last.len() < name.len() && last.iter().all(u8::is_ascii_lowercase)
}

fn is_uuid_like(name: &[u8]) -> bool {
    name.len() == 36 && name.iter().filter(|&&b| b == b'-').count() == 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_present_counts() {
        let id = |c: &'static str, e, u: &'static str, a: &'static str| {
            let i = choose(c.as_bytes(), e, u.as_bytes(), a.as_bytes());
            (String::from_utf8_lossy(i.id).into_owned(), kind(i.id, i.evidence))
        };
        for (got, want) in [
            (id("acme", Evidence::Name, "jane", "10.0.0.1"), ("acme", Evidence::Name)),
            (id("ak_0f3a9b1c2d4e5f60", Evidence::Name, "", ""), ("ak_0f3a9b1c2d4e5f60", Evidence::Key)),
            (id("-", Evidence::Key, "jane", "10.0.0.1"), ("jane", Evidence::User)),
            (id("Bearer eyJh.x", Evidence::Token, "", ""), ("eyJh.x", Evidence::Token)),
            (id("", Evidence::None, "-", "10.0.0.1:5123"), ("10.0.0.1", Evidence::Address)),
            (id("", Evidence::None, "", "-"), ("", Evidence::None)),
            (id("", Evidence::None, "bob:hunter2", ""), ("bob:hunter2", Evidence::Key)),
            (id("eyJhbGciOi.eyJzdWIi.c2ln", Evidence::Name, "", ""), ("eyJhbGciOi.eyJzdWIi.c2ln", Evidence::Key)),
            (id("sk_live_abcdefgh", Evidence::Name, "", ""), ("sk_live_abcdefgh", Evidence::Key)),
            (id("api_key=x", Evidence::Name, "", ""), ("api_key=x", Evidence::Key)),
            (id("arn:aws:iam::1:role/x", Evidence::Name, "", ""), ("arn:aws:iam::1:role/x", Evidence::Name)),
            (id("jane.doe", Evidence::Name, "", ""), ("jane.doe", Evidence::Name)),
        ] {
            assert_eq!((got.0.as_str(), got.1), want);
        }
    }

    #[test]
    fn addresses() {
        for (client, want) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.2, 10.0.0.1", "10.0.0.2"),
            ("unix:", "unix"),
            ("", ""),
        ] {
            assert_eq!(address(client.as_bytes()), want.as_bytes(), "{client}");
        }
    }
}
