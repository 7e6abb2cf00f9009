//! Header compression of HTTP/2, read as an eavesdropper must: with tables of which only the newer part may be known.
//!
//! In: header blocks of one direction. Out: the fields that matter. The dynamic table is kept exactly as long as it can
//! be; where the capture began after the connection did, or missed a block, entries from before are unknown, and fields
//! that refer to them are given as [`Name::Unknown`]. Indexes count from the newest entry, so what came since is certain:
//! an entry is never taken for another. Sizes that are not known are underestimated; then entries stay here longer than
//! at the peers, who never refer to what they dropped.
//!
//! Values that nobody asks for are neither decoded nor kept. Source: RFC 7541.

use std::collections::VecDeque;

use super::{
    huffman,
    name::Name,
    static_table::{self, LEN as STATIC},
};
use crate::enrich::Consumers;

/// Size of a table before anyone changed it. Source: RFC 9113, section 6.5.2.
const DEFAULT_SIZE: usize = 4096;

/// The largest table that is kept; the older entries of larger ones are unknown. Browsers use this much.
const LARGEST: usize = 64 << 10;

/// What an entry counts for beside its name and value. Source: RFC 7541, section 4.1.
const ENTRY: usize = 32;

/// Fields of a block, and bytes of their values, that are looked at; the table is kept right beyond them, too. One byte
/// can stand for the largest entry of the table.
const FIELDS: usize = 1_000;
const VALUE_BYTES: usize = 256 << 10;

/// A dynamic table, and scratch space.
pub(super) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    /// Of all entries.
    size: usize,
    /// Memory of their texts.
    text_bytes: usize,
    max: usize,
    /// Whether the peers' table is certain to be no larger than `max`.
    is_max_known: bool,
    /// Whether the peers may have older entries than `entries`.
    has_unknown: bool,
    name: Vec<u8>,
    value: Vec<u8>,
}

struct Entry {
    kind: Name,
    /// Bytes of the name; 0 where it is unknown.
    name_len: u32,
    /// As it counts for the table.
    size: u32,
    /// Name and value of a field that matters; the others are empty.
    text: Box<[u8]>,
}

impl Entry {
    fn field(&self) -> Field<'_> {
        match self.kind.is_idle() {
            true => Field { kind: self.kind, name: b"", value: b"" },
            false => {
                let (name, value) = self.text.split_at(self.text.len().min(self.name_len as usize));
                Field { kind: self.kind, name, value }
            }
        }
    }
}

/// A header field; without name and value where nobody asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) kind: Name,
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

/// A block that no encoder makes, or not for this table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Whether all fields of a block were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    All,
    /// There were more than anyone needs.
    Some,
}

impl Table {
    /// The table of a connection that begins.
    pub(super) fn empty() -> Self {
        Self {
            entries: VecDeque::new(),
            size: 0,
            text_bytes: 0,
            max: DEFAULT_SIZE,
            is_max_known: true,
            has_unknown: false,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// The table of a connection that has been going on.
    pub(super) fn unknown() -> Self {
        Self { max: LARGEST, is_max_known: false, has_unknown: true, ..Self::empty() }
    }

    /// Memory beyond its own size.
    pub(super) fn heap_bytes(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>() + self.text_bytes + self.name.capacity() + self.value.capacity()
    }

    /// Frees the scratch space.
    pub(super) fn rest(&mut self) {
        (self.name, self.value) = (Vec::new(), Vec::new());
    }

    /// Forgets what is known: a block was missed.
    pub(super) fn forget(&mut self) {
        self.entries.clear();
        (self.size, self.text_bytes) = (0, 0);
        self.has_unknown = true;
    }

    /// Gives the fields of a block to `give`. A malformed block spoils the table: it is forgotten. `wanted` says
    /// which headers matter beyond the usual ones.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        wanted: &Consumers,
        give: impl FnMut(Field<'_>),
    ) -> Result<Given, Malformed> {
        let given = self.read(block, wanted, give).ok_or(Malformed);
        if given.is_err() {
            self.forget();
        }
        given
    }

    fn read(&mut self, mut block: &[u8], wanted: &Consumers, mut give: impl FnMut(Field<'_>)) -> Option<Given> {
        let (mut fields, mut bytes) = (0, 0);
        let mut given = Given::All;
        let mut give = |field: Field<'_>| {
            (fields, bytes) = (fields + 1, bytes + field.value.len());
            match fields > FIELDS || bytes > VALUE_BYTES {
                true => given = Given::Some,
                false => give(field),
            }
        };
        while let Some(&first) = block.first() {
            if first & 0x80 != 0 {
                give(self.indexed(integer(&mut block, 7)?, wanted)?);
            } else if first & 0xe0 == 0x20 {
                self.resize(integer(&mut block, 5)?);
            } else {
                self.literal(&mut block, first & 0x40 != 0, wanted, &mut give)?;
            }
        }
        Some(given)
    }

    fn indexed(&self, index: usize, wanted: &Consumers) -> Option<Field<'_>> {
        match index.checked_sub(STATIC + 1) {
            None => static_table::entry(index).map(|(name, value)| Field { kind: Name::of(name, wanted), name, value }),
            Some(i) => match self.entries.get(i) {
                Some(entry) => Some(entry.field()),
                None => self.is_possible(i).then_some(Field { kind: Name::Unknown, name: b"", value: b"" }),
            },
        }
    }

    /// Whether the peers may have an entry there that is not known here.
    fn is_possible(&self, i: usize) -> bool {
        self.has_unknown && i < LARGEST / ENTRY
    }

    fn literal(
        &mut self,
        block: &mut &[u8],
        is_indexing: bool,
        wanted: &Consumers,
        give: &mut impl FnMut(Field<'_>),
    ) -> Option<()> {
        let index = integer(block, if is_indexing { 6 } else { 4 })?;
        let (kind, name_len) = self.read_name(block, index, wanted)?;
        if !is_indexing && kind.is_idle() {
            give(Field { kind, name: b"", value: b"" });
            return raw_string(block).map(|_| ());
        }
        let value = string(block, &mut self.value)?;
        let size = name_len + value.len() + ENTRY;
        let mut text = Box::default();
        if kind.is_idle() {
            give(Field { kind, name: b"", value: b"" });
        } else {
            give(Field { kind, name: &self.name, value });
            if is_indexing && size <= self.max {
                text = [&self.name[..], value].concat().into();
            }
        }
        if is_indexing {
            self.insert(Entry { kind, name_len: name_len as u32, size: size as u32, text });
        }
        Some(())
    }

    /// Reads the name of a literal: its kind and length. It is in `self.name` where it matters.
    fn read_name(&mut self, block: &mut &[u8], index: usize, wanted: &Consumers) -> Option<(Name, usize)> {
        self.name.clear();
        if index == 0 {
            let (raw, is_coded) = raw_string(block)?;
            match is_coded {
                true if !huffman::decode(raw, &mut self.name) => return None,
                true => {}
                false => self.name.extend_from_slice(raw),
            }
            return Some((Name::of(&self.name, wanted), self.name.len()));
        }
        let Some(i) = index.checked_sub(STATIC + 1) else {
            let (name, _) = static_table::entry(index)?;
            self.name.extend_from_slice(name);
            return Some((Name::of(name, wanted), name.len()));
        };
        match self.entries.get(i) {
            Some(entry) => {
                self.name.extend_from_slice(entry.field().name);
                Some((entry.kind, entry.name_len as usize))
            }
            None => self.is_possible(i).then_some((Name::Unknown, 0)),
        }
    }

    fn insert(&mut self, entry: Entry) {
        self.size += entry.size as usize;
        self.text_bytes += entry.text.len();
        self.entries.push_front(entry);
        self.evict();
    }

    fn resize(&mut self, size: usize) {
        self.is_max_known = size <= LARGEST;
        self.max = size.min(LARGEST);
        self.evict();
        if size == 0 {
            self.has_unknown = false;
        }
    }

    fn evict(&mut self) {
        while self.size > self.max
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size as usize;
            self.text_bytes -= entry.text.len();
            // Whatever is older is gone, too, or, in a table larger than ours, is not known any more.
            self.has_unknown = !self.is_max_known;
        }
    }
}

/// Whether these bytes are fields of a block, the last of them perhaps cut where `may_be_cut`. Strings are not decoded.
pub(super) fn looks_like_block(mut block: &[u8], may_be_cut: bool) -> bool {
    let mut fields = 0;
    while let Some(&first) = block.first() {
        let read = if first & 0x80 != 0 {
            integer(&mut block, 7).map(|index| (1..STATIC + LARGEST / ENTRY).contains(&index))
        } else if first & 0xe0 == 0x20 {
            integer(&mut block, 5).map(|_| true)
        } else {
            skip_literal(&mut block, first)
        };
        match read {
            Some(true) => fields += 1,
            Some(false) => return false,
            None => return may_be_cut && fields > 0,
        }
    }
    fields > 0
}

fn skip_literal(block: &mut &[u8], first: u8) -> Option<bool> {
    let index = integer(block, if first & 0x40 != 0 { 6 } else { 4 })?;
    let has_name = index != 0 || !raw_string(block)?.0.is_empty();
    raw_string(block)?;
    Some(has_name && index < STATIC + LARGEST / ENTRY)
}

/// An integer behind a prefix of this many bits, at most 2^28. Source: RFC 7541, section 5.1.
fn integer(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let (&first, mut rest) = block.split_first()?;
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(first) & mask;
    if value == mask {
        let mut shift = 0;
        loop {
            let (&octet, after) = rest.split_first()?;
            rest = after;
            value += usize::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 21 {
                return None;
            }
        }
    }
    *block = rest;
    Some(value)
}

/// The octets of a string as sent, and whether they are coded. Source: RFC 7541, section 5.2.
fn raw_string<'a>(block: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    let is_coded = block.first()? & 0x80 != 0;
    let len = integer(block, 7)?;
    let (raw, rest) = block.split_at_checked(len)?;
    *block = rest;
    Some((raw, is_coded))
}

fn string<'a, 'b: 'a>(block: &mut &'b [u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let (raw, is_coded) = raw_string(block)?;
    if !is_coded {
        return Some(raw);
    }
    scratch.clear();
    huffman::decode(raw, scratch).then_some(&scratch[..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

    /// All fields that matter, by name.
    fn read(table: &mut Table, block: &[u8]) -> Result<(Pairs, usize), Malformed> {
        let (mut fields, mut unknown) = (Vec::new(), 0);
        table.decode(block, &Consumers::led_by("wanted"), |field| match field.kind {
            Name::Unknown => unknown += 1,
            Name::Other => {}
            _ => fields.push((field.name.to_vec(), field.value.to_vec())),
        })?;
        Ok((fields, unknown))
    }

    fn text(fields: &Pairs) -> String {
        let pair = |(n, v): &(Vec<u8>, Vec<u8>)| [&n[..], b"=", v].concat().escape_ascii().to_string();
        fields.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn requests_of_the_rfc() {
        // RFC 7541, C.4: with Huffman codes.
        let mut table = Table::empty();
        for (block, want) in [
            (
                &[0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]
                    [..],
                ":method=GET :path=/ :authority=www.example.com",
            ),
            (
                &[0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf],
                ":method=GET :path=/ :authority=www.example.com",
            ),
            (
                &[
                    0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89, 0x25,
                    0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf,
                ],
                ":method=GET :path=/index.html :authority=www.example.com",
            ),
        ] {
            let (fields, unknown) = read(&mut table, block).unwrap();
            assert_eq!((text(&fields).as_str(), unknown), (want, 0));
        }
        assert_eq!((table.entries.len(), table.size), (3, 164));
    }

    #[test]
    fn an_unknown_table_gives_what_is_certain() {
        let mut table = Table::unknown();
        // An entry that is not known, one that is new, and both again, further down and first.
        let (fields, unknown) = read(&mut table, &[0x83, 0xc4, 0x44, 2, b'/', b'a']).unwrap();
        assert_eq!((text(&fields).as_str(), unknown), (":method=POST :path=/a", 1));
        let (fields, unknown) = read(&mut table, &[0xbe, 0xc5, 0x7e, 1, b'x']).unwrap();
        assert_eq!((text(&fields).as_str(), unknown), (":path=/a :path=x", 1));
        let (fields, unknown) = read(&mut table, &[0x7f, 0x10, 1, b'x', 0xbf]).unwrap();
        assert_eq!((text(&fields).as_str(), unknown), (":path=x", 1));
        // Emptied by its owner, it is known.
        let (fields, unknown) = read(&mut table, &[0x20, 0x3f, 0xe1, 0x1f, 0x44, 1, b'y']).unwrap();
        assert_eq!((text(&fields).as_str(), unknown), (":path=y", 0));
        assert_eq!(read(&mut table, &[0xbf]), Err(Malformed));
    }

    #[test]
    fn malformed_blocks() {
        for block in [
            &[0x80][..],
            &[0xbe],
            &[0xff],
            &[0xff, 0x80],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0x44],
            &[0x44, 5, b'/'],
            &[0x44, 0x81, 0x00],
            &[0x00, 1],
            &[0x7e, 0],
        ] {
            assert_eq!(read(&mut Table::empty(), block), Err(Malformed), "{block:x?}");
        }
    }

    #[test]
    fn a_block_that_grows_without_end_is_cut() {
        let mut table = Table::empty();
        let mut block = vec![0x44, 0x7f, 0x91, 0x1e];
        block.extend(vec![b'a'; 4_000 - 16]);
        block.extend(vec![0xbe; 60_000]);
        let mut bytes = 0;
        let given = table.decode(&block, Consumers::usual(), |field| bytes += field.value.len());
        assert!(given == Ok(Given::Some) && bytes <= VALUE_BYTES, "{given:?} {bytes}");
    }

    fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
        let name = prop_oneof![
            Just(":path"),
            Just(":method"),
            Just("x-api-key"),
            Just("wanted"),
            Just("cookie"),
            Just("x-b"),
            Just("b3")
        ];
        prop::collection::vec((name.prop_map(str::to_owned), "[a-z0-9/]{0,40}"), 0..8)
    }

    proptest! {
        #[test]
        fn blocks_mean_what_another_encoder_meant(blocks in prop::collection::vec((headers(), 0..3_usize), 1..40), from in 0..20_usize) {
            let (mut encoder, mut table, mut late) = (loona_hpack::Encoder::new(), Table::empty(), Table::unknown());
            for (i, (headers, resize)) in blocks.iter().enumerate() {
                // Tables of 96 bytes and more evict all the time.
                let size = [None, Some(96), Some(4096)][*resize];
                let mut block = Vec::new();
                if let Some(size) = size {
                    encoder.set_max_table_size(size);
                }
                block.extend(encoder.encode(headers.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()))));
                let all: Pairs = headers.iter().map(|(n, v)| (n.clone().into_bytes(), v.clone().into_bytes())).collect();
                let want: Pairs = all.into_iter().filter(|(n, _)| !Name::of(n, &Consumers::led_by("wanted")).is_idle()).collect();
                let (fields, unknown) = read(&mut table, &block).unwrap();
                prop_assert_eq!((text(&fields), unknown), (text(&want), 0));
                if i >= from {
                    // Joined late, some are missing, and none is wrong.
                    let (fields, unknown) = read(&mut late, &block).unwrap();
                    prop_assert!(fields.len() + unknown >= want.len() && fields.iter().all(|f| want.contains(f)));
                }
            }
        }

        #[test]
        fn nothing_makes_it_panic(blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..8), is_known: bool) {
            let mut table = if is_known { Table::empty() } else { Table::unknown() };
            for block in blocks {
                looks_like_block(&block, is_known);
                let _ = read(&mut table, &block);
                let size: usize = table.entries.iter().map(|e| e.size as usize).sum();
                prop_assert!(size == table.size && size <= LARGEST);
            }
        }
    }
}
