//! Names that were made before, so that a name costs one look-up when it comes again.
//!
//! In: the bytes that a name is made from, with a tag. Out: the name, and a number that stands for it until
//! [`Known::make_room`]. What a name is does not depend on what is known.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Names that are remembered; further ones are made again every time.
const REMEMBERED: usize = 16_384;

/// Bytes of all names that are remembered and of what they are made from; likewise.
const BYTES: usize = 4 << 20;

/// The number of a name; [`Number::NONE`] for those that are not remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number(pub(crate) u32);

impl Number {
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// Names by what they are made from, each with a kind.
#[derive(Default)]
pub(super) struct Known<K> {
    index: HashTable<u32>,
    entries: Vec<Entry<K>>,
    /// What names are made from, one behind the other.
    sources: Vec<u8>,
    names: String,
    hasher: DefaultHashBuilder,
    /// The latest name that is not remembered.
    passing: (String, K),
}

/// Ends in `sources` and `names`; the entry before tells where they begin.
#[derive(Clone, Copy)]
struct Entry<K> {
    source_end: u32,
    name_end: u32,
    tag: u8,
    kind: K,
}

impl<K: Copy + Default> Known<K> {
    /// Forgets everything when it is full. Numbers mean something else from then on.
    pub(super) fn make_room(&mut self) {
        if self.entries.len() >= REMEMBERED || self.sources.len() + self.names.len() >= BYTES {
            *self = Self::default();
        }
    }

    /// The number of the name and kind that `make` gives for this text and tag.
    #[inline]
    pub(super) fn number(&mut self, tag: u8, text: &[u8], make: impl FnOnce(&[u8]) -> (String, K)) -> Number {
        // The tag is no part of the hash: one text rarely comes under two of them.
        let hash = self.hasher.hash_one(text);
        let is_it = |&id: &u32| {
            let (known, known_tag) = source(&self.entries, &self.sources, id);
            // Nothing is not compared with nothing: see `Batch::resource`.
            known_tag == tag && known.len() == text.len() && (text.is_empty() || known == text)
        };
        match self.index.find(hash, is_it) {
            Some(&id) => Number(id),
            None => self.learn(hash, tag, text, make(text)),
        }
    }

    /// The name and kind of the number that [`Known::number`] gave last, or of any other that is not [`Number::NONE`].
    #[inline]
    pub(super) fn name(&self, number: Number) -> (&str, K) {
        let Some(entry) = self.entries.get(number.0 as usize) else { return (&self.passing.0, self.passing.1) };
        let start = number.0.checked_sub(1).map_or(0, |before| self.entries[before as usize].name_end);
        (&self.names[start as usize..entry.name_end as usize], entry.kind)
    }

    #[cold]
    fn learn(&mut self, hash: u64, tag: u8, text: &[u8], (name, kind): (String, K)) -> Number {
        let bytes = self.sources.len() + self.names.len() + text.len() + name.len();
        if self.entries.len() >= REMEMBERED || bytes > BYTES {
            self.passing = (name, kind);
            return Number::NONE;
        }
        let id = self.entries.len() as u32;
        self.sources.extend_from_slice(text);
        self.names.push_str(&name);
        let (source_end, name_end) = (self.sources.len() as u32, self.names.len() as u32);
        self.entries.push(Entry { source_end, name_end, tag, kind });
        let Self { index, entries, sources, hasher, .. } = self;
        index.insert_unique(hash, id, |&id| hasher.hash_one(source(entries, sources, id).0));
        Number(id)
    }
}

#[inline]
fn source<'a, K: Copy>(entries: &[Entry<K>], sources: &'a [u8], id: u32) -> (&'a [u8], u8) {
    let entry = entries[id as usize];
    let start = id.checked_sub(1).map_or(0, |before| entries[before as usize].source_end);
    (&sources[start as usize..entry.source_end as usize], entry.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upper(text: &[u8]) -> (String, usize) {
        (String::from_utf8_lossy(text).to_uppercase(), text.len())
    }

    #[test]
    fn a_name_is_made_once() {
        let mut known = Known::default();
        let (a, b) = (known.number(1, b"a", upper), known.number(1, b"bc", upper));
        assert_eq!(known.number(1, b"a", |_| unreachable!("known")), a);
        assert_ne!(known.number(2, b"a", |_| ("other".to_owned(), 0)), a);
        assert_eq!((known.name(a), known.name(b)), (("A", 1), ("BC", 2)));
    }

    #[test]
    fn what_finds_no_room_is_named_all_the_same() {
        let mut known = Known::default();
        let long = vec![b'x'; BYTES];
        let number = known.number(1, &long, upper);
        assert_eq!((number, known.name(number).1), (Number::NONE, long.len()));
        for i in 0..REMEMBERED as u32 + 5 {
            let number = known.number(1, &i.to_le_bytes(), |_| (i.to_string(), 7));
            assert_eq!(known.name(number), (i.to_string().as_str(), 7));
        }
        assert_eq!(known.number(1, b"new", upper), Number::NONE);
        known.make_room();
        assert_eq!(known.number(1, b"new", upper), Number(0));
    }
}
