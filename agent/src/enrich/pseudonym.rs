//! Keyed pseudonyms for credentials: the same key always gets the same name, and nobody without the secret can go back.
//!
//! In: raw credentials. Out: `key-9f86d081884c7d65`. Agents that share a secret give the same names.
//!
//! Secrets change by [`Keys`]: each has a moment from which it is used, so that all agents change at once, and the names
//! by the one before can still be told.

mod keys;

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use pitot_model::{Evidence, Timestamp, budget};
use sha2::Sha256;

pub use self::keys::{Keys, KeysError};
use super::secrets;

/// Length of the secret.
pub const SECRET_BYTES: usize = 32;

/// Makes pseudonyms, or leaves names as they are where raw output was asked for.
#[derive(Clone)]
pub struct Pseudonyms {
    /// The one in use first, then those before it; empty for raw output.
    macs: Vec<Hmac<Sha256>>,
    /// Where others come later: when, and all of them.
    next: Option<(Timestamp, Arc<Keys>)>,
}

impl Pseudonyms {
    /// Pseudonyms keyed with a secret.
    pub fn keyed(secret: &[u8; SECRET_BYTES]) -> Self {
        Self::of(std::iter::once(secret))
    }

    /// Keyed with the first of these secrets; the names by the others can be told.
    fn of<'a>(secrets: impl Iterator<Item = &'a [u8; SECRET_BYTES]>) -> Self {
        Self { macs: secrets.filter_map(|secret| Hmac::new_from_slice(secret).ok()).collect(), next: None }
    }

    /// No pseudonyms: credentials are shown. For local debugging.
    pub fn raw() -> Self {
        Self { macs: Vec::new(), next: None }
    }

    /// The name under which a consumer is kept: a pseudonym for credentials, and for what looks like one, whatever its
    /// evidence says; the text itself for the others.
    ///
    /// Source: HMAC-SHA-256 (RFC 2104), its first 64 bits.
    pub fn name(&self, id: &[u8], evidence: Evidence) -> String {
        let Some(mac) = self.macs.first() else { return readable(id) };
        match evidence {
            Evidence::Key | Evidence::Token => pseudonym(mac, id, evidence),
            _ if secrets::find_in_name(id).is_some() => pseudonym(mac, id, Evidence::Key),
            _ => readable(id),
        }
    }

    /// The pseudonyms of a credential by all secrets: the one in use first, then those before it. Empty for raw output.
    pub fn names(&self, id: &[u8], evidence: Evidence) -> Vec<String> {
        self.macs.iter().map(|mac| pseudonym(mac, id, evidence)).collect()
    }

    /// Whether both give the same names, now, before and later.
    pub fn is_same(&self, other: &Self) -> bool {
        self.names(b"", Evidence::Key) == other.names(b"", Evidence::Key) && self.next == other.next
    }

    /// When others are due; `None` where these last.
    pub fn next_change(&self) -> Option<Timestamp> {
        self.next.as_ref().map(|(at, _)| *at)
    }

    /// Those of a later moment.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> Self {
        self.next.as_ref().map_or_else(|| self.clone(), |(_, keys)| keys.at(now))
    }
}

fn pseudonym(mac: &Hmac<Sha256>, id: &[u8], evidence: Evidence) -> String {
    let mut mac = mac.clone();
    mac.update(id);
    let tag = mac.finalize().into_bytes();
    let hex: String = tag.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("{}-{hex}", evidence.name())
}

fn readable(id: &[u8]) -> String {
    cut(String::from_utf8_lossy(id).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
}

/// A name within the budget; what was cut ends in `…`.
pub(super) fn cut(mut name: String) -> String {
    if name.len() > budget::NAME_BYTES {
        name.truncate(name.floor_char_boundary(budget::NAME_BYTES - CUT.len_utf8()));
        name.push(CUT);
    }
    name
}

/// Whether [`cut`] cut it, or might have.
pub(crate) fn is_cut(name: &str) -> bool {
    name.len() + 2 * CUT.len_utf8() > budget::NAME_BYTES && name.ends_with(CUT)
}

const CUT: char = '…';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_get_stable_names_that_do_not_show_them() {
        let (a, b) = (Pseudonyms::keyed(&[1; 32]), Pseudonyms::keyed(&[2; 32]));
        let name = a.name(b"ak_secret", Evidence::Key);
        assert_eq!(name, a.name(b"ak_secret", Evidence::Key));
        assert_ne!(name, b.name(b"ak_secret", Evidence::Key));
        assert_ne!(name, a.name(b"ak_secret2", Evidence::Key));
        assert!(name.starts_with("key-") && name.len() == 20 && !name.contains("secret"), "{name}");
        assert_eq!(a.name(b"jane", Evidence::User), "jane");
        assert_eq!(a.name(b"a\x1bb", Evidence::User), "a\u{fffd}b");
        assert_eq!(Pseudonyms::raw().name(b"ak_secret", Evidence::Key), "ak_secret");
        for (text, evidence) in [("AKIAIOSFODNN7EXAMPLE", Evidence::Address), ("4111111111111111", Evidence::User)] {
            assert!(a.name(text.as_bytes(), evidence).starts_with("key-"), "{text}");
        }
        assert_eq!(a.name(b"jane@example.org", Evidence::User), "jane@example.org");
        let long = a.name("é".repeat(1_000).as_bytes(), Evidence::User);
        assert!(long.len() <= budget::NAME_BYTES && is_cut(&long) && !is_cut("jane…"), "{}", long.len());
    }
}
