//! Who may do what. In: `[tls]` and `[[tokens]]` of the configuration, and the `Authorization` header of a request. Out:
//! yes, or why not.
//!
//! Only hashes of tokens are configured and kept. They are compared in constant time, all of them, so that time tells a
//! guesser nothing; a token of 32 random bytes needs no salt and no slow hash.
//!
//! Source: RFC 6750, bearer tokens.

use std::path::PathBuf;

use pitot_model::api::Problem;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// Tokens at most: every request is compared with all of them.
const TOKENS: usize = 1_000;

/// `[tls]`: with it the collector speaks TLS and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with the collector's certificate, and those between it and its authority.
    pub cert: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
    /// PEM file with authorities; only clients with a certificate from one of them are heard. None by default: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// `[[tokens]]`: with any, every request but those for health and for the empty page needs one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Who has it; for people.
    pub name: String,
    /// SHA-256 of the token, in hex.
    pub sha256: String,
    /// What it is good for.
    pub scopes: Vec<Scope>,
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// To ship reports.
    Ingest,
    /// To ask.
    Read,
    /// Everything.
    Admin,
}

impl Scope {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

/// What is wrong with a `[[tokens]]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has no name.
    #[error("a token has no name; name who has it")]
    Nameless,
    /// Two have the same name.
    #[error("two tokens are named `{0}`; give each a name of its own")]
    Twice(String),
    /// It is no hash.
    #[error("token `{0}`: `sha256` is not 64 hexadecimal digits; `pitot token {0}` makes a token and its hash")]
    Hash(String),
    /// It is good for nothing.
    #[error("token `{0}`: `scopes` is empty; use \"ingest\", \"read\" or \"admin\"")]
    Scopes(String),
    /// There are more than are compared.
    #[error("there are more than {TOKENS} tokens; let agents share them")]
    TooMany,
}

/// Why a request is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It has no token.
    NoToken,
    /// It has one that nobody knows.
    UnknownToken,
    /// Its token is good for other things.
    WrongScope(Scope),
}

/// All tokens.
#[derive(Clone, Default)]
pub struct Tokens(Vec<Token>);

#[derive(Clone)]
struct Token {
    hash: [u8; 32],
    scopes: Vec<Scope>,
}

impl Tokens {
    /// Checked. Without any, everybody may do everything.
    pub fn new(configured: &[TokenConfig]) -> Result<Self, TokenError> {
        if configured.len() > TOKENS {
            return Err(TokenError::TooMany);
        }
        let mut tokens = Vec::new();
        for (i, token) in configured.iter().enumerate() {
            if token.name.trim().is_empty() {
                return Err(TokenError::Nameless);
            }
            let name = || token.name.clone();
            if configured[..i].iter().any(|t| t.name == token.name) {
                return Err(TokenError::Twice(name()));
            }
            if token.scopes.is_empty() {
                return Err(TokenError::Scopes(name()));
            }
            let hash = unhex(&token.sha256).ok_or_else(|| TokenError::Hash(name()))?;
            tokens.push(Token { hash, scopes: token.scopes.clone() });
        }
        Ok(Self(tokens))
    }

    /// Whether a request with this `Authorization` may do this.
    pub fn admit(&self, authorization: Option<&[u8]>, wanted: Scope) -> Result<(), Denied> {
        if self.0.is_empty() {
            return Ok(());
        }
        let token = authorization.and_then(bearer).ok_or(Denied::NoToken)?;
        let hash: [u8; 32] = Sha256::digest(token).into();
        let (mut is_known, mut may) = (Choice::from(0), Choice::from(0));
        for known in &self.0 {
            let is_it = known.hash.ct_eq(&hash);
            let is_good = known.scopes.iter().any(|s| *s == wanted || *s == Scope::Admin);
            is_known |= is_it;
            may |= is_it & Choice::from(u8::from(is_good));
        }
        match (bool::from(is_known), bool::from(may)) {
            (_, true) => Ok(()),
            (true, false) => Err(Denied::WrongScope(wanted)),
            (false, false) => Err(Denied::UnknownToken),
        }
    }
}

impl Denied {
    /// As the API tells it.
    pub fn problem(self) -> Problem {
        let (kind, title, status, detail) = match self {
            Self::NoToken => (
                "no-token",
                "a token is needed",
                401,
                "this collector wants a token; send one as `Authorization: Bearer`, or name its file by --token-file"
                    .to_owned(),
            ),
            Self::UnknownToken => (
                "unknown-token",
                "the token is not known",
                401,
                "nobody knows this token here; `pitot token` makes one, and the collector needs its hash".to_owned(),
            ),
            Self::WrongScope(scope) => (
                "wrong-scope",
                "the token is good for other things",
                403,
                format!("the token has not the scope `{}`; use one that has it", scope.name()),
            ),
        };
        let (kind, title) = (format!("/problems/{kind}"), title.to_owned());
        Problem { kind, title, status, detail, at: None, retry_after_s: None }
    }

    /// Value of `WWW-Authenticate`. Source: RFC 6750, 3.
    pub fn challenge(self) -> String {
        match self {
            Self::NoToken => "Bearer realm=\"pitot\"".to_owned(),
            Self::UnknownToken => "Bearer realm=\"pitot\", error=\"invalid_token\"".to_owned(),
            Self::WrongScope(scope) => {
                format!("Bearer realm=\"pitot\", error=\"insufficient_scope\", scope=\"{}\"", scope.name())
            }
        }
    }
}

/// SHA-256 of a token as the configuration wants it.
pub fn token_hash(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The token in an `Authorization`; the name of the scheme is in any case.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(b"Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |d: u8| char::from(d).to_digit(16);
        *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, token: &str, scopes: &[Scope]) -> TokenConfig {
        TokenConfig { name: name.into(), sha256: token_hash(token), scopes: scopes.to_vec() }
    }

    #[test]
    fn who_may_do_what() {
        let configured = [
            token("agents", "ship", &[Scope::Ingest]),
            token("people", "look", &[Scope::Read]),
            token("root", "all", &[Scope::Admin]),
        ];
        let tokens = Tokens::new(&configured).expect("good tokens");
        let wrong = |scope| Err(Denied::WrongScope(scope));
        for (authorization, ingest, read) in [
            (None, Err(Denied::NoToken), Err(Denied::NoToken)),
            (Some("Basic c2hpcDpzaGlw"), Err(Denied::NoToken), Err(Denied::NoToken)),
            (Some("Bearer"), Err(Denied::NoToken), Err(Denied::NoToken)),
            (Some("Bearer  "), Err(Denied::NoToken), Err(Denied::NoToken)),
            (Some("Bearer shi"), Err(Denied::UnknownToken), Err(Denied::UnknownToken)),
            (Some("Bearer shipp"), Err(Denied::UnknownToken), Err(Denied::UnknownToken)),
            (Some("Bearer ship"), Ok(()), wrong(Scope::Read)),
            (Some("bearer  look "), wrong(Scope::Ingest), Ok(())),
            (Some("Bearer all"), Ok(()), Ok(())),
        ] {
            let got = [Scope::Ingest, Scope::Read].map(|s| tokens.admit(authorization.map(str::as_bytes), s));
            assert_eq!(got, [ingest, read], "{authorization:?}");
        }
        assert_eq!(Tokens::default().admit(None, Scope::Admin), Ok(()));
    }

    #[test]
    fn wrong_tokens_are_told() {
        let good = token("a", "x", &[Scope::Read]);
        for (configured, want) in [
            (vec![TokenConfig { name: " ".into(), ..good.clone() }], Err(TokenError::Nameless)),
            (vec![good.clone(), good.clone()], Err(TokenError::Twice("a".into()))),
            (vec![TokenConfig { sha256: "ab".into(), ..good.clone() }], Err(TokenError::Hash("a".into()))),
            (vec![TokenConfig { sha256: "é".repeat(32), ..good.clone() }], Err(TokenError::Hash("a".into()))),
            (vec![TokenConfig { scopes: vec![], ..good.clone() }], Err(TokenError::Scopes("a".into()))),
            (vec![TokenConfig { sha256: good.sha256.to_uppercase(), ..good.clone() }], Ok(())),
            ((0..=TOKENS).map(|i| token(&i.to_string(), "x", &[Scope::Read])).collect(), Err(TokenError::TooMany)),
        ] {
            assert_eq!(Tokens::new(&configured).map(drop), want);
        }
    }
}
