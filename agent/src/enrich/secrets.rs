//! The secret scanner: what must not be kept is found by its form, wherever it stands in a name that is to be kept.
//!
//! In: the text of a route, a host, a user name, as sent. Out: the same with every segment replaced that holds a secret,
//! and which rule found it. It runs once for every new name and not for every transaction; [`Hidden`] tells for which
//! transactions it is worth looking at the path itself, to count what its shape has already replaced.
//!
//! | rule | finds |
//! |---|---|
//! | key | keys of clouds and services by how they begin, PEM markers, what follows `Bearer` or `Basic`, `sig=`, `password=` … |
//! | web token | `eyJ…` and what follows |
//! | card number | 13 to 19 digits, in groups or not, with the range of a card network and a check digit that is right (Luhn) |
//! | e-mail | `jane@example.org` |
//! | token | 16 letters and digits and more that no words are made of |
//!
//! All of them also percent-encoded, up to three times over. What looks like a word, such as a password of words, cannot
//! be found.

mod card;
mod form;
mod random;

use pitot_model::MarkKind;

use super::path_of;

/// What stands where a secret stood.
pub(super) const REPLACED: &str = "{slug}";

/// Bytes of values from which they may be a secret: `a@b.co`; and digits alone: the shortest card number.
const SHORTEST: u16 = 6;
const SHORTEST_CARD: u16 = 13;

/// Bytes from which a value that a shape has replaced counts as a token; shorter ones are ids far more often.
const LONG_TOKEN: usize = 24;

/// Percent-encodings of percent-encodings that are undone.
const DECODINGS: usize = 3;

/// What is known of a route's text from when it was made.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hidden {
    /// What was found and replaced in it.
    replaced: Option<MarkKind>,
    /// Bytes of a target from which its values may hold a secret; 0 where they hold none.
    suspicious_from: u16,
}

/// The route of a shape or a template, without secrets.
pub(super) fn route(shape: &[u8]) -> (String, Hidden) {
    let (mut text, mut replaced) = (String::with_capacity(shape.len()), None);
    for (i, segment) in shape.split(|&b| b == b'/').enumerate() {
        if i > 0 {
            text.push('/');
        }
        match find(&without_placeholders(segment)) {
            Some(kind) => {
                text.push_str(REPLACED);
                replaced = replaced.or(Some(kind));
            }
            None => text.push_str(&String::from_utf8_lossy(segment)),
        }
    }
    let suspicious_from = if replaced.is_some() { 1 } else { suspicious_from(text.as_bytes()) };
    (text, Hidden { replaced, suspicious_from })
}

impl Hidden {
    /// Whether a target of so many bytes is worth [counting](Self::count).
    #[inline]
    pub(super) fn is_suspicious(self, target_bytes: usize) -> bool {
        self.suspicious_from > 0 && target_bytes >= usize::from(self.suspicious_from)
    }

    /// The rule to count for a transaction with this target.
    pub(super) fn count(self, target: &[u8]) -> Option<MarkKind> {
        let path = path_of(target);
        if self.replaced.is_some() || !self.is_suspicious(path.len()) {
            return self.replaced;
        }
        let segments = path.split(|&b| b == b'/').filter(|s| s.len() >= usize::from(SHORTEST));
        segments.filter(|s| !is_plain(s)).find_map(|s| found(s, LONG_TOKEN))
    }
}

/// Whether a segment surely holds nothing that is counted, as most do: a number too short for a card, a short word, a
/// short slug, a hash or a UUID. Keys, web tokens, addresses and what is percent-encoded have other characters, or are
/// longer.
#[inline]
fn is_plain(segment: &[u8]) -> bool {
    let (mut digits, mut is_hex, mut is_word, mut is_slug) = (0, true, true, true);
    for &b in segment {
        digits += usize::from(b.is_ascii_digit());
        is_hex &= matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-');
        is_word &= b.is_ascii_alphanumeric();
        is_slug &= matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'-' | b'.');
    }
    let is_short = segment.len() < usize::from(SHORTEST_CARD);
    let begins_like_key = matches!(segment.first(), Some(b'x' | b'g' | b's' | b'd' | b'n' | b'p' | b'e'));
    let no_card = digits < usize::from(SHORTEST_CARD);
    is_short && is_word
        || is_hex && digits < segment.len() && (no_card || segment.iter().any(|b| matches!(b, b'a'..=b'f')))
        || is_slug && no_card && segment.len() < LONG_TOKEN && !begins_like_key
}

/// The rule that finds a secret in a text; `None` where none does.
pub(crate) fn find(text: &[u8]) -> Option<MarkKind> {
    found(text, random::SHORTEST)
}

/// The rule that finds a secret in a name of a consumer or a service. E-mail addresses are names, and so are hashes and
/// whatever is not long.
pub(crate) fn find_in_name(name: &[u8]) -> Option<MarkKind> {
    found(name, LONG_TOKEN).filter(|&kind| kind != MarkKind::RedactedEmail)
}

/// Whether a word of a line that could not be read is a secret; of so many characters on it may be a token.
pub(super) fn find_in_line(word: &[u8], token_bytes: usize) -> bool {
    found(word, token_bytes).is_some()
}

/// Whether a card number stands in a line.
pub(super) fn holds_card(line: &[u8]) -> bool {
    card::holds_one(line)
}

/// Whether a name, such as that of a header, a parameter or a key of JSON, is one of a secret.
pub fn names_secret(name: &[u8]) -> bool {
    form::is_name_of_secrets(name)
}

/// Whether a text holds a secret.
pub fn is_secret(text: &[u8]) -> bool {
    find(text).is_some()
}

/// A text without secrets; else nothing, and so where it is no text. Hashes are none.
pub(super) fn harmless(raw: &[u8]) -> &str {
    let is_id = raw.iter().all(|b| b.is_ascii_hexdigit() || b"-.".contains(b)) && !card::holds_one(raw);
    if is_id || found(raw, LONG_TOKEN).is_none() { std::str::from_utf8(raw).unwrap_or_default() } else { "" }
}

/// The rule that finds a secret in a host name. Labels of hosts may be hashes, so that these are no tokens.
pub(crate) fn find_in_host(host: &[u8]) -> Option<MarkKind> {
    let is_mixed = host.iter().any(u8::is_ascii_uppercase) && host.iter().any(u8::is_ascii_lowercase);
    let longest = if is_mixed || !host.contains(&b'.') { LONG_TOKEN } else { usize::MAX };
    found(host, longest)
}

fn found(text: &[u8], token_bytes: usize) -> Option<MarkKind> {
    if text.len() < usize::from(SHORTEST) {
        return None;
    }
    let by_rules = |text: &[u8]| {
        form::is_web_token(text)
            .then_some(MarkKind::RedactedWebToken)
            .or_else(|| form::is_key(text).then_some(MarkKind::RedactedKey))
            .or_else(|| card::holds_one(text).then_some(MarkKind::RedactedCard))
            .or_else(|| form::is_email(text).then_some(MarkKind::RedactedEmail))
            .or_else(|| random::is_token(text, token_bytes).then_some(MarkKind::RedactedToken))
    };
    if !text.contains(&b'%') {
        return by_rules(text);
    }
    let mut text = text.to_vec();
    for _ in 0..DECODINGS {
        if let Some(kind) = by_rules(&text) {
            return Some(kind);
        }
        if !decode_percent(&mut text) {
            return None;
        }
    }
    by_rules(&text)
}

/// Undoes percent-encoding in place. Says whether there was any.
fn decode_percent(text: &mut Vec<u8>) -> bool {
    let (mut to, mut from, before) = (0, 0, text.len());
    while from < text.len() {
        let hex = |at: usize| text.get(at).and_then(|&b| char::from(b).to_digit(16));
        let (byte, n) = match (text[from], hex(from + 1), hex(from + 2)) {
            (b'%', Some(high), Some(low)) => ((high << 4 | low) as u8, 3),
            (byte, ..) => (byte, 1),
        };
        text[to] = byte;
        (to, from) = (to + 1, from + n);
    }
    text.truncate(to);
    to < before
}

/// A segment of a shape with a blank for each `{int}` in it: these are ours.
fn without_placeholders(segment: &[u8]) -> Vec<u8> {
    let mut rest = segment;
    let mut out = Vec::with_capacity(segment.len());
    while let Some(start) = memchr::memchr(b'{', rest) {
        let Some(len) = memchr::memchr(b'}', &rest[start..]) else { break };
        out.extend_from_slice(&rest[..start]);
        out.push(b' ');
        rest = &rest[start + len + 1..];
    }
    out.extend_from_slice(rest);
    out
}

/// Bytes of a target of this route from which its values may be secrets; 0 where it has no such values.
fn suspicious_from(route: &[u8]) -> u16 {
    let (mut literal, mut least, mut rest) = (0_usize, None, route);
    while let Some(start) = memchr::memchr(b'{', rest) {
        let len = memchr::memchr(b'}', &rest[start..]).map_or(rest.len() - start, |len| len + 1);
        let of_this = match &rest[start..start + len] {
            b"{uuid}" | b"{date}" => None,
            b"{int}" | b"{hex}" | b"{hex?}" => Some(SHORTEST_CARD),
            _ => Some(SHORTEST),
        };
        least = least.into_iter().chain(of_this).min();
        literal += start;
        rest = &rest[start + len..];
    }
    if rest.ends_with(b"*") || route == b"{authority}" {
        least = Some(SHORTEST);
    }
    least.map_or(0, |least| u16::try_from(literal + rest.len()).unwrap_or(u16::MAX).saturating_add(least).max(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::enrich::write_shape;

    /// The route of a path that keeps its words, and of the path's shape; and what is counted.
    fn kept(path: &str) -> (String, String, Option<MarkKind>) {
        let mut shape = Vec::new();
        write_shape(path.as_bytes(), &mut shape);
        let (of_shape, hidden) = route(&shape);
        (route(path.as_bytes()).0, of_shape, hidden.count(path.as_bytes()))
    }

    #[test]
    fn secrets_are_replaced_and_counted_by_rule() {
        use MarkKind::*;
        let pan = "4111111111111111";
        for (secret, kind) in [
            ("AKIAIOSFODNN7EXAMPLE", RedactedKey),
            ("ASIAIOSFODNNXEXAMPLE", RedactedKey),
            ("AIzaSyA1bcDefGhiJklMnoPqrStuVwxYz0123456", RedactedKey),
            ("ghp_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", RedactedKey),
            ("github_pat_11ABCDEFG0aBcDeFgHiJkL", RedactedKey),
            ("glpat-abcdefghijklmnopqrst", RedactedKey),
            ("xoxb-123456789012-abcdefghij", RedactedKey),
            ("sk_live_abcdefghijklmnopqrstuvwx", RedactedKey),
            ("whsec_abcdefghijklmnop", RedactedKey),
            ("SK0123456789abcdef0123456789abcdef", RedactedKey),
            ("SG.abcdefghijklmnopqrstuv.abcdefghijklmnopqrstuvwxyz", RedactedKey),
            ("npm_abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", RedactedKey),
            ("pypi-AgEIcHlwaS5vcmcCJGFiY2RlZmdo", RedactedKey),
            ("-----BEGIN%20RSA%20PRIVATE%20KEY-----", RedactedKey),
            ("Bearer%20hunter2hunter2", RedactedKey),
            ("sig=abcdefgh%2Bijklmnop%3D", RedactedKey),
            ("password=hunter2", RedactedKey),
            ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", RedactedWebToken),
            (pan, RedactedCard),
            ("4111-1111-1111-1111", RedactedCard),
            ("4111%201111%201111%201111", RedactedCard),
            ("378282246310005", RedactedCard),
            ("jane.doe%40example.org", RedactedEmail),
            ("jane.doe%2540example.org", RedactedEmail),
            ("kqzvxwpjrtyhgbnmkqzvxwpj", RedactedToken),
            ("Zm9vYmFyQmF6UXV4Q29ycmVjdEhvcnNl", RedactedToken),
        ] {
            for path in [format!("/v1/x/{secret}/y"), format!("/v1/x/a:{secret}/y"), format!("/v1/x/{secret}.json")] {
                let (words, shape, counted) = kept(&path);
                assert!(!words.contains(&secret[..8]) && words.starts_with("/v1/x/{slug}"), "{path}: {words}");
                assert!(!shape.contains(&secret[..8]), "{path}: {shape}");
                assert_eq!(counted, Some(kind), "{path}: {shape}");
            }
        }
    }

    #[test]
    fn words_and_ids_stay_what_they_are() {
        for path in [
            "/",
            "",
            "*",
            "/v1/users/42",
            "/v1/oauth2/token",
            "/.well-known/openid-configuration",
            "/wp-content/plugins/contact-form-7/includes/css/styles.css",
            "/apis/rbac.authorization.k8s.io/v1beta1/clusterrolebindings",
            "/acme.v1beta1.Carts/Get2Fast4U",
            "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRowsStreaming",
            "/graphql#query:GetUserAccountBalanceSheetForCurrentYear",
            "/js/jquery-3.6.0.min.js",
            "/v1/forgotpasswordconfirmation",
            "/@angular/core",
            "/v2/rechnungspositionen/geschwindigkeitsbegrenzung",
            "/photos/800x600",
            "/r/2026-01-12T10:00:00Z",
            "/v1/internationalization/notifications_preferences_by_organization",
            "/v1/events/20260112083000",
            "/token/refresh",
            "/bearer/basic",
        ] {
            let (words, _, counted) = kept(path);
            assert_eq!((words.as_str(), counted), (path, None));
        }
        let template = "/users/{userIdXyzQwrtzpsdfghjkl}/posts";
        assert_eq!(route(template.as_bytes()).0, template);
    }

    #[test]
    fn ids_are_not_counted_as_secrets() {
        for path in [
            "/u/7d3a1f0c-52c1-4c7e-9f5f-2d1b8a3c4e5f",
            "/c/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "/p/blue-kettle-42",
            "/t/cus_Nx8aB19dKq2Lm",
            "/w/dQw4w9WgXcQ?list=AKIAIOSFODNN7EXAMPLE",
            "/i/1234567890123456",
            "/o/4111111111111112",
        ] {
            assert_eq!(kept(path).2, None, "{path}");
        }
    }

    #[test]
    fn hosts_may_be_hashes_but_no_keys() {
        for (host, is_secret) in [
            ("a1b2c3d4e5f6g7h8i9j0k1l2m3.execute-api.eu-west-1.amazonaws.com", false),
            ("ip-10-0-0-1.ec2.internal", false),
            ("Shop.Example.org:8080", false),
            ("AKIAIOSFODNN7EXAMPLE.example.org", true),
            ("akiaiosfodnn7example2x3.example.org", false),
            ("ghp_abcdefghijklmnopqrst", true),
            ("4111111111111111.example.org", true),
            ("Zm9vYmFyQmF6UXV4Q29ycmVjdEhvcnNl", true),
        ] {
            assert_eq!(find_in_host(host.as_bytes()).is_some(), is_secret, "{host}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_bounded_route(shape in proptest::collection::vec(any::<u8>(), 0..500)) {
            let (text, hidden) = route(&shape);
            prop_assert!(text.len() <= 6 * shape.len() + 6);
            hidden.count(&shape);
        }

        #[test]
        fn random_tokens_are_found(token in "[A-Za-z0-9]{32}") {
            // One in some millions looks like words; none of these.
            let path = format!("/x/{token}");
            prop_assert_eq!(route(path.as_bytes()).0, "/x/{slug}", "{}", token);
        }
    }
}
