//! Names that nobody else has. In: nothing. Out: 128 random bits as hexadecimal digits.

use std::hash::{BuildHasher as _, RandomState};

/// A new id. The standard library's hash keys are random by the system; a digest of nothing under such a key is, too.
pub(crate) fn id() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_differ() {
        let ids: std::collections::BTreeSet<_> = (0..1_000).map(|_| super::id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 32));
    }
}
