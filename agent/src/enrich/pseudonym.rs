//! Keyed pseudonyms for credentials: the same key always gets the same name, and nobody without the secret can go back.
//!
//! In: raw credentials. Out: `key-9f86d081884c7d65`. Agents that share a secret give the same names.

use hmac::{Hmac, KeyInit, Mac};
use pitot_model::{Evidence, budget};
use sha2::Sha256;

/// Length of the secret.
pub const SECRET_BYTES: usize = 32;

/// Makes pseudonyms, or leaves names as they are where raw output was asked for.
#[derive(Clone)]
pub struct Pseudonyms {
    /// `None` for raw output.
    mac: Option<Hmac<Sha256>>,
}

impl Pseudonyms {
    /// Pseudonyms keyed with a secret.
    pub fn keyed(secret: &[u8; SECRET_BYTES]) -> Self {
        Self { mac: Hmac::new_from_slice(secret).ok() }
    }

    /// No pseudonyms: credentials are shown. For local debugging.
    pub fn raw() -> Self {
        Self { mac: None }
    }

    /// The name under which a consumer is kept: a pseudonym for credentials, the text itself for the others.
    ///
    /// Source: HMAC-SHA-256 (RFC 2104), its first 64 bits.
    pub fn name(&self, id: &[u8], evidence: Evidence) -> String {
        let is_credential = matches!(evidence, Evidence::Key | Evidence::Token);
        match &self.mac {
            Some(mac) if is_credential => {
                let mut mac = mac.clone();
                mac.update(id);
                let tag = mac.finalize().into_bytes();
                let hex: String = tag.iter().take(8).map(|b| format!("{b:02x}")).collect();
                format!("{}-{hex}", evidence.name())
            }
            _ => {
                cut(String::from_utf8_lossy(id).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect())
            }
        }
    }
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
        let long = a.name("é".repeat(1_000).as_bytes(), Evidence::User);
        assert!(long.len() <= budget::NAME_BYTES && is_cut(&long) && !is_cut("jane…"), "{}", long.len());
    }
}
