//! Secrets that tell themselves by their form. In: a text, decoded. Out: whether one is in it.

/// Fewest characters behind a prefix; a remnant is better replaced than kept.
const REST: usize = 8;

/// Whether a key of a known kind stands in the text, or what an assignment or an authorization scheme names as one.
pub(super) fn is_key(text: &[u8]) -> bool {
    starts(text).any(|at| begins_key(&text[at..]))
        || memchr::memmem::find(text, b"-----BEGIN").is_some()
        || assigns(text)
}

/// Whether a JSON web token or its beginning stands in the text: Base64 of `{"`.
///
/// Source: RFC 7519, section 3.
pub(super) fn is_web_token(text: &[u8]) -> bool {
    starts(text).any(|at| text[at..].strip_prefix(b"eyJ").is_some_and(|rest| word(rest) >= REST))
}

/// Whether an e-mail address stands in the text.
pub(super) fn is_email(text: &[u8]) -> bool {
    memchr::memchr_iter(b'@', text).any(|at| {
        let local = text[..at].last().is_some_and(|b| b.is_ascii_alphanumeric() || b"._%+-'".contains(b) || *b >= 0x80);
        let domain = &text[at + 1..];
        let len = domain.iter().take_while(|b| b.is_ascii_alphanumeric() || b".-".contains(b) || **b >= 0x80).count();
        let dot = memchr::memchr(b'.', &domain[..len]);
        local && dot.is_some_and(|dot| dot > 0 && dot + 2 < len)
    })
}

/// Where a key can begin: behind what is neither a letter nor a digit, or where a small letter or a digit ends and a new
/// one begins is no such place.
fn starts(text: &[u8]) -> impl Iterator<Item = usize> {
    let is_start = |&at: &usize| at == 0 || !text[at - 1].is_ascii_alphanumeric();
    (0..text.len()).filter(move |&at| text[at].is_ascii_alphanumeric()).filter(is_start)
}

/// Letters, digits, hyphens and underscores in a row.
fn word(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b)).count()
}

fn begins_key(text: &[u8]) -> bool {
    let begins = |prefix: &[u8]| text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    PREFIXES.iter().any(|&(prefix, rest)| begins(prefix) && word(&text[prefix.len()..]) >= rest)
        || is_aws(text)
        || is_twilio(text)
        || is_dotted(text)
        || SCHEMES.iter().any(|scheme| begins(scheme) && is_remnant(&text[scheme.len()..]))
}

/// How keys begin, and how many characters follow at least. Where a prefix is a word, more must.
const PREFIXES: [(&[u8], usize); 62] = [
    (b"AIza", 20),
    (b"GOCSPX-", REST),
    (b"ghp_", REST),
    (b"gho_", REST),
    (b"ghu_", REST),
    (b"ghs_", REST),
    (b"ghr_", REST),
    (b"github_pat_", REST),
    (b"glpat-", REST),
    (b"gldt-", REST),
    (b"glrt-", REST),
    (b"glptt-", REST),
    (b"glcbt-", REST),
    (b"glsoat-", REST),
    (b"gloas-", REST),
    (b"xoxb-", REST),
    (b"xoxp-", REST),
    (b"xoxa-", REST),
    (b"xoxr-", REST),
    (b"xoxs-", REST),
    (b"xoxe-", REST),
    (b"xoxc-", REST),
    (b"xoxd-", REST),
    (b"xapp-", REST),
    (b"sk_live_", REST),
    (b"sk_test_", REST),
    (b"rk_live_", REST),
    (b"rk_test_", REST),
    (b"pk_live_", REST),
    (b"pk_test_", REST),
    (b"whsec_", REST),
    (b"sk-proj-", REST),
    (b"sk-ant-", REST),
    (b"sk-or-", REST),
    (b"npm_", 20),
    (b"pypi-AgE", REST),
    (b"dop_v1_", REST),
    (b"doo_v1_", REST),
    (b"shpat_", REST),
    (b"shpss_", REST),
    (b"shpca_", REST),
    (b"shppa_", REST),
    (b"hf_", 24),
    (b"lin_api_", REST),
    (b"sq0atp-", REST),
    (b"sq0csp-", REST),
    (b"EAAAE", 40),
    (b"NRAK-", REST),
    (b"NRII-", REST),
    (b"xkeysib-", REST),
    (b"PMAK-", REST),
    (b"ATATT3", REST),
    (b"ATCTT3", REST),
    (b"dckr_pat_", REST),
    (b"rubygems_", 24),
    (b"glsa_", REST),
    (b"sntrys_", REST),
    (b"figd_", REST),
    (b"AGE-SECRET-KEY-", REST),
    (b"pscale_tkn_", REST),
    (b"tskey-", REST),
    (b"r8_", 24),
];

/// AWS: `AKIA`, `ASIA` and their kin, then 16 capitals and digits.
///
/// Source: IAM, "unique ID prefixes".
fn is_aws(text: &[u8]) -> bool {
    let is_kind = text.get(..4).is_some_and(|head| {
        [b"AKIA", b"ASIA", b"ABIA", b"ACCA", b"AROA", b"AIDA"].iter().any(|kind| head == kind.as_slice())
    });
    let rest = || text[4..].iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
    is_kind && rest() >= REST
}

/// Twilio: `SK` or `AC` and 32 hexadecimal digits. A shape may have cut them.
fn is_twilio(text: &[u8]) -> bool {
    let rest = [b"SK", b"AC"].iter().find_map(|kind| text.strip_prefix(kind.as_slice()));
    rest.is_some_and(|rest| rest.iter().take_while(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)).count() >= 16)
}

/// Keys of parts with dots between them: SendGrid, Vault, Doppler, Google.
fn is_dotted(text: &[u8]) -> bool {
    [b"SG.".as_slice(), b"hvs.", b"hvb.", b"hvr.", b"dp.st.", b"dp.pt.", b"ya29."]
        .iter()
        .find_map(|kind| text.strip_prefix(*kind))
        .is_some_and(|rest| word(rest) >= 16)
}

/// What stands before credentials in an `Authorization` header.
const SCHEMES: [&[u8]; 6] = [b"bearer", b"basic", b"token", b"apikey", b"digest", b"negotiate"];

/// Whether credentials follow: `Bearer abc`, `Basic:abc`, `token+abc`.
fn is_remnant(rest: &[u8]) -> bool {
    matches!(rest, [b' ' | b'+' | b':' | b'=', rest @ ..] if rest.len() >= REST)
}

/// Whether something is assigned to a name of secrets: `password=x`, `;sig=x`, `"api_key":"x"`.
fn assigns(text: &[u8]) -> bool {
    memchr::memchr_iter(b'=', text).any(|at| {
        let name = text[..at].rsplit(|b| !(b.is_ascii_alphanumeric() || b"-_".contains(b))).next().unwrap_or_default();
        text.len() > at + 1 && name.len() <= 40 && is_name_of_secrets(name)
    })
}

/// Whether a parameter or a header of this name holds a secret.
pub(super) fn is_name_of_secrets(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    NAMES.iter().any(|part| lower.ends_with(part)) || SHORT_NAMES.contains(&lower.as_slice())
}

/// How names of secrets end.
const NAMES: [&[u8]; 18] = [
    b"password",
    b"passwd",
    b"pwd",
    b"secret",
    b"token",
    b"apikey",
    b"api_key",
    b"api-key",
    b"accesskey",
    b"accountkey",
    b"signature",
    b"credential",
    b"sessionid",
    b"authorization",
    b"cookie",
    b"-key",
    b"_key",
    b"passphrase",
];

const SHORT_NAMES: [&[u8]; 8] = [b"sig", b"key", b"pass", b"auth", b"sid", b"jwt", b"pin", b"otp"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, key, web, email) in [
            ("x.AKIAIOSFODNN7EXAMPLE", true, false, false),
            ("ghp_abc", false, false, false),
            ("SG.abcdefghijklmnopqrstuv", true, false, false),
            ("hvs.CAESIJabcdefghijklmnop", true, false, false),
            ("asiapacificheadquarters", false, false, false),
            ("ACCEPTED", false, false, false),
            ("pk_test_drive", false, false, false),
            ("npm_packages", false, false, false),
            ("tokens=all", false, false, false),
            ("page=2;sessionid=x", true, false, false),
            ("key=x", true, false, false),
            ("monkey=x", false, false, false),
            ("basic:amFuZTp4", true, false, false),
            ("basics and more of it", false, false, false),
            ("eyJhbGciOiJI", false, true, false),
            ("eyJ", false, false, false),
            ("jane@example.org", false, false, true),
            ("jané@exämple.org", false, false, true),
            ("@angular.org", false, false, false),
            ("jane@localhost", false, false, false),
            ("a@b@c.org", false, false, true),
            ("", false, false, false),
        ] {
            let bytes = text.as_bytes();
            assert_eq!((is_key(bytes), is_web_token(bytes), is_email(bytes)), (key, web, email), "{text}");
        }
    }
}
