//! What the spool asks of the place where it keeps its files, and how they are named.
//!
//! A directory, or memory where nothing has to outlive the process; tests have one that loses what was not synced.

use std::{collections::BTreeMap, io};

/// A flat place of named files, which nobody else changes.
pub(crate) trait Disk: Send {
    /// Names and lengths in bytes of all files, in any order.
    fn list(&mut self) -> io::Result<Vec<(String, u64)>>;
    /// The first bytes of a file, `most` of them if it has as many.
    fn read(&mut self, name: &str, most: u64) -> io::Result<Vec<u8>>;
    /// Makes a file of these parts, over one of the same name, and syncs its content, but not yet its name.
    fn write(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()>;
    /// Gives a file another name, over the file that has it, at once.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// Syncs all names.
    fn sync(&mut self) -> io::Result<()>;
    /// Where it is, for people.
    fn place(&self) -> String;
}

/// Numbers from here on are none of ours: a report a microsecond comes there in 146,000 years.
const MOST: u64 = 1 << 62;

/// What a file is, by its name's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A report that waits.
    Report,
    /// The newest report, acknowledged: kept for its cursors and its sequence.
    Done,
    /// A report that the collector refused, which no later report tells yet.
    Refused,
    /// A file that was found damaged, kept for people.
    Damaged,
}

impl Kind {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Report, "report"), (Self::Done, "done"), (Self::Refused, "refused"), (Self::Damaged, "damaged")];

    /// Name of the file with this number.
    pub(super) fn name(self, number: u64) -> String {
        let (_, end) = Self::ALL[self as usize];
        format!("{number:020}.{end}")
    }

    /// Kind and number of the file with this name; `None` for files of others.
    pub(super) fn parse(name: &str) -> Option<(Self, u64)> {
        let (number, end) = name.split_once('.')?;
        let (kind, _) = Self::ALL.into_iter().find(|(_, e)| *e == end)?;
        let is_ours = number.len() == 20 && number.bytes().all(|b| b.is_ascii_digit());
        Some((kind, number.parse().ok().filter(|number| is_ours && *number < MOST)?))
    }
}

/// Name under which a file is written before it gets its own; leftovers are removed.
pub(super) const UNFINISHED: &str = "unfinished.tmp";

/// Name of the file that holds the id of the collector's store.
pub(super) const STORE: &str = "store";

/// Files in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory(BTreeMap<String, Vec<u8>>);

impl Disk for Memory {
    fn list(&mut self) -> io::Result<Vec<(String, u64)>> {
        Ok(self.0.iter().map(|(name, bytes)| (name.clone(), bytes.len() as u64)).collect())
    }

    fn read(&mut self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        let bytes = self.0.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(bytes[..bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX))].to_vec())
    }

    fn write(&mut self, name: &str, parts: &[&[u8]]) -> io::Result<()> {
        self.0.insert(name.to_owned(), parts.concat());
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let bytes = self.0.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.0.insert(to.to_owned(), bytes);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.0.remove(name).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_number_and_kind() {
        for (name, want) in [
            ("00000000000000000007.report", Some((Kind::Report, 7))),
            ("00000000000000000007.done", Some((Kind::Done, 7))),
            ("04611686018427387903.refused", Some((Kind::Refused, MOST - 1))),
            ("18446744073709551615.refused", None),
            ("00000000000000000001.damaged", Some((Kind::Damaged, 1))),
            ("7.report", None),
            ("+0000000000000000007.report", None),
            ("00000000000000000007", None),
            ("00000000000000000007.report.gz", None),
            (UNFINISHED, None),
            (STORE, None),
        ] {
            assert_eq!(Kind::parse(name), want, "{name}");
            assert!(want.is_none_or(|(kind, number)| kind.name(number) == name), "{name}");
        }
    }
}
