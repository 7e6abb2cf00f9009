//! The secrets of pseudonyms and when each is used: so they change without a day on which nothing joins.
//!
//! In: the content of a file. Out: [`Pseudonyms`] of a moment, which know when the next ones are due. The file is 32 bytes, or text:
//!
//! ```text
//! # newest first
//! 2026-12-01T00:00:00Z 5f2b9c01d3e4a8765f2b9c01d3e4a8765f2b9c01d3e4a8765f2b9c01d3e4a876
//! 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! ```
//!
//! A secret without a time was there from the beginning. All agents with the same file change at the same moment.

use std::sync::Arc;

use pitot_model::Timestamp;

use super::{Pseudonyms, SECRET_BYTES};

/// Secrets of one file.
const KEYS: usize = 16;

/// Secrets, the newest first.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    /// From when on it is used.
    from: Timestamp,
    secret: [u8; SECRET_BYTES],
}

/// What is wrong with a file of secrets. It shows nothing of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// A line that is none.
    #[error(
        "line {0} is no secret; write 64 hexadecimal digits, behind a time (`2026-12-01T00:00:00Z`) from which it is used"
    )]
    Line(usize),
    /// Two are used from the same time on.
    #[error("line {0} has the time of another line; give each secret a time of its own, and only one none")]
    Time(usize),
    /// There is none.
    #[error("it holds no secret; write 64 hexadecimal digits, as `openssl rand -hex 32` prints them")]
    Empty,
    /// There are too many.
    #[error("it holds more than {KEYS} secrets; remove the oldest")]
    Many,
}

impl Keys {
    /// One secret, used at all times.
    pub fn one(secret: [u8; SECRET_BYTES]) -> Self {
        Self(vec![Key { from: Timestamp::EPOCH, secret }])
    }

    /// Of the content of a file: [`SECRET_BYTES`] bytes, or lines.
    pub fn parse(content: &[u8]) -> Result<Self, KeysError> {
        if let Ok(secret) = content.try_into() {
            return Ok(Self::one(secret));
        }
        let mut keys: Vec<Key> = Vec::new();
        let text = std::str::from_utf8(content).map_err(|_| KeysError::Line(1))?;
        for (i, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let key = key(line).ok_or(KeysError::Line(i))?;
            if keys.iter().any(|other| other.from == key.from) {
                return Err(KeysError::Time(i));
            }
            keys.push(key);
            if keys.len() > KEYS {
                return Err(KeysError::Many);
            }
        }
        keys.sort_by_key(|key| std::cmp::Reverse(key.from));
        if keys.is_empty() { Err(KeysError::Empty) } else { Ok(Self(keys)) }
    }

    /// The pseudonyms of a moment. Before the first of all times the oldest secret is used.
    pub fn at(&self, now: Timestamp) -> Pseudonyms {
        let n_ahead = self.0.iter().take_while(|key| key.from > now).count().min(self.0.len() - 1);
        let next = self.0[..n_ahead].last().map(|key| (key.from, Arc::new(self.clone())));
        Pseudonyms { next, ..Pseudonyms::of(self.0[n_ahead..].iter().map(|key| &key.secret)) }
    }
}

fn key(line: &str) -> Option<Key> {
    let (from, hex) = match line.split_once(char::is_whitespace) {
        Some((from, hex)) => (from.parse().ok()?, hex.trim()),
        None => (Timestamp::EPOCH, line),
    };
    let mut secret = [0; SECRET_BYTES];
    if hex.len() != 2 * SECRET_BYTES || !hex.is_ascii() {
        return None;
    }
    for (byte, digits) in secret.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let digit = |b: u8| char::from(b).to_digit(16);
        *byte = (digit(digits[0])? << 4 | digit(digits[1])?) as u8;
    }
    Some(Key { from, secret })
}

#[cfg(test)]
mod tests {
    use pitot_model::Evidence;

    use super::*;

    const OLD: &str = "0101010101010101010101010101010101010101010101010101010101010101";
    const NEW: &str = "0202020202020202020202020202020202020202020202020202020202020202";

    fn name(keys: &Keys, at: i64) -> Vec<String> {
        keys.at(Timestamp::from_secs(at)).names(b"ak_1", Evidence::Key)
    }

    #[test]
    fn all_who_have_the_file_change_at_the_same_moment() {
        let keys = Keys::parse(format!("# ours\n{OLD}\n\n2026-12-01T00:00:00Z  {NEW}\n").as_bytes()).ok().unwrap();
        let change = 1_796_083_200;
        let (old, new) = (name(&Keys::one([1; 32]), 0).remove(0), name(&Keys::one([2; 32]), 0).remove(0));
        assert_eq!(name(&keys, change - 1), std::slice::from_ref(&old));
        assert_eq!(name(&keys, change), [new, old]);
        let now = keys.at(Timestamp::EPOCH);
        assert_eq!(now.next_change(), Some(Timestamp::from_secs(change)));
        let later = now.at(Timestamp::from_secs(change));
        assert_eq!((later.next_change(), later.names(b"ak_1", Evidence::Key)), (None, name(&keys, change)));
        assert!(!now.is_same(&Pseudonyms::keyed(&[1; 32])), "others come later");
        assert!(!keys.at(Timestamp::MAX).is_same(&Pseudonyms::keyed(&[2; 32])), "the time before differs");
    }

    #[test]
    fn what_is_no_secret_is_told_by_its_line() {
        let many: String = (0..20).map(|i| format!("{} {OLD}\n", 1_000 + i)).collect();
        for (content, want) in [
            (String::new(), KeysError::Empty),
            ("# nothing\n".to_owned(), KeysError::Empty),
            (format!("{OLD}\nhunter2"), KeysError::Line(2)),
            (format!("soon {OLD}"), KeysError::Line(1)),
            (format!("{OLD}\n{NEW}"), KeysError::Time(2)),
            (OLD.replace('1', "x"), KeysError::Line(1)),
            (many, KeysError::Many),
        ] {
            assert_eq!(Keys::parse(content.as_bytes()).err(), Some(want), "{content}");
        }
        assert_eq!(Keys::parse(&[0xff; 40]).err(), Some(KeysError::Line(1)));
        assert!(Keys::parse(&[0xff; 32]).ok() == Some(Keys::one([0xff; 32])));
    }
}
