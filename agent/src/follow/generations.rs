//! Which generation of a log comes next.
//!
//! In: what lies beside a log, and what was read. Out: the next file to read, or that it is the log itself.

use std::path::PathBuf;

use super::family::{Age, by_age};

/// Device and inode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// A file beside a log, as it looked at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sibling {
    pub(crate) path: PathBuf,
    pub(crate) id: FileId,
    /// When it was made, microseconds since 1970; 0 where nobody knows.
    pub(crate) born_us: i64,
    /// Time of the last change, microseconds since 1970.
    pub(crate) changed_us: i64,
    pub(crate) bytes: u64,
    /// Whether its name is that of an older generation; else it is of another log, or nobody knows.
    pub(crate) kin: Option<Kin>,
}

/// What the name of a generation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kin {
    /// The name before compression.
    pub(crate) plain: PathBuf,
    pub(crate) is_packed: bool,
    pub(crate) age: Age,
    /// Whether it differs from the log in digits alone, and so may also be one that is yet to be used.
    pub(crate) may_be_newer: bool,
}

impl Sibling {
    /// Whether nothing happened to it but another name.
    pub(crate) fn is_unchanged(&self, before: &Self) -> bool {
        (self.id, self.changed_us, self.bytes) == (before.id, before.changed_us, before.bytes)
    }
}

/// What was read before the generation that is looked for.
pub(crate) struct Read<'a> {
    /// The file read last, wherever it is now; absent where it is lost.
    pub(crate) last: Option<FileId>,
    /// When that file was changed last.
    pub(crate) changed_us: i64,
    /// What lay there already when that file was begun; absent where nobody saw it, after a restart.
    pub(crate) elders: Option<&'a [Sibling]>,
}

/// Generations that come after what was read and before the live log, oldest first.
pub(crate) fn newer<'a>(siblings: &'a [Sibling], live: &Sibling, read: &Read<'_>) -> Vec<&'a Sibling> {
    let last = siblings.iter().find(|s| Some(s.id) == read.last);
    // Whoever has it open may have written to it after its successor was done.
    let changed_us = last.map_or(read.changed_us, |s| s.changed_us.min(read.changed_us));
    let last_age = last.and_then(|s| s.kin.as_ref()).map(|kin| &kin.age);
    let is_elder = |s: &Sibling| read.elders.is_some_and(|all| all.iter().any(|elder| s.is_unchanged(elder)));
    let is_later = |s: &Sibling, age: &Age| match last_age {
        Some(last) => by_age((s.changed_us, age), (changed_us, last)).is_gt(),
        None if read.elders.is_some() => s.changed_us >= read.changed_us,
        None => s.changed_us > read.changed_us,
    };
    let live_age = live.kin.as_ref().map(|kin| &kin.age);
    let is_before_live = |s: &Sibling, kin: &Kin| match live_age {
        // Whoever has it open may write to it after its successor was begun.
        Some(live_age) if kin.may_be_newer => {
            s.changed_us < live.changed_us || by_age((0, &kin.age), (0, live_age)).is_lt()
        }
        _ => true,
    };
    let mut found: Vec<(&Sibling, &Kin)> = siblings
        .iter()
        .filter_map(|s| Some((s, s.kin.as_ref()?)))
        .filter(|(s, kin)| s.id != live.id && Some(s.id) != read.last && !is_elder(s) && is_later(s, &kin.age))
        .filter(|(s, kin)| is_before_live(s, kin))
        .collect();
    // While a file is being compressed it is there twice, also where it was read before.
    let is_plain_there = |kin: &Kin| siblings.iter().any(|s| s.path == kin.plain);
    found.retain(|(_, kin)| !kin.is_packed || !is_plain_there(kin));
    found.sort_by(|a, b| by_age((a.0.changed_us, &a.1.age), (b.0.changed_us, &b.1.age)));
    found.into_iter().map(|(s, _)| s).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::family::{digits_apart, rotated};

    /// `NAME@TIME` in the directory of `base`; inodes are the places in the list, from 1.
    fn siblings(base: &str, text: &str) -> Vec<Sibling> {
        let one = |(n, word): (usize, &str)| {
            let (name, time) = word.split_once('@').unwrap();
            let kin = rotated(base, name).map(|r| (r, false)).or(digits_apart(base, name).map(|r| (r, true)));
            let of = |(r, may_be_newer): (crate::follow::family::Rotated<'_>, bool)| Kin {
                plain: r.plain.into(),
                is_packed: r.is_packed,
                age: r.age,
                may_be_newer,
            };
            Sibling {
                path: name.into(),
                id: FileId { device: 1, inode: n as u64 + 1 },
                born_us: 0,
                changed_us: time.parse().unwrap(),
                bytes: 1,
                kin: kin.map(of),
            }
        };
        text.split(' ').enumerate().map(one).collect()
    }

    #[test]
    fn generations_after_the_one_read() {
        for (base, text, last, changed_us, want) in [
            // Rotated twice.
            ("a.log", "a.log@9 a.log.1@8 a.log.2@7 a.log.3@3", 3, 7, "a.log.1"),
            ("a.log", "a.log@9 a.log.1@8 a.log.2@7 a.log.3@6", 4, 6, "a.log.2 a.log.1"),
            // Nothing in between.
            ("a.log", "a.log@9 a.log.1@8 a.log.2@7", 2, 8, ""),
            // All within one tick of the clock.
            ("a.log", "a.log@5 a.log.1@5 a.log.2@5 a.log.3@5", 4, 5, "a.log.2 a.log.1"),
            // By date, compressed, and one that is compressed right now.
            (
                "a.log",
                "a.log@9 a.log-20260102@8 a.log-20260101.gz@7 a.log-20251231.gz@6",
                4,
                6,
                "a.log-20260101.gz a.log-20260102",
            ),
            ("a.log", "a.log@9 a.log.1@8 a.log.1.gz@8 a.log.2@7", 4, 7, "a.log.1"),
            // One that was read is compressed right now.
            ("a.log", "a.log@9 a.log.1.gz@8 a.log.1@7", 3, 7, ""),
            // The file is gone: by time.
            ("a.log", "a.log@9 a.log.1@8 a.log.2@7 a.log.3@6", 0, 6, "a.log.2 a.log.1"),
            // Other logs are none of it.
            ("a.log", "a.log@9 b.log.1@8 a.log.1@7", 3, 7, ""),
            // Behind a symbolic link, with one that is prepared.
            ("app-8.log", "app-8.log@8 app-6.log@6 app-7.log@7 app-9.log@9", 2, 6, "app-7.log"),
            // Written to once more after the next one was begun.
            ("app-8.log", "app-8.log@8 app-6.log@6 app-7.log@9", 2, 6, "app-7.log"),
        ] {
            let mut all = siblings(base, text);
            let age = Age::Digits(vec![8]);
            all[0].kin = Some(Kin { plain: base.into(), is_packed: false, age, may_be_newer: true });
            let last = (last > 0).then_some(FileId { device: 1, inode: last });
            let found = newer(&all, &all[0], &Read { last, changed_us, elders: None });
            let names: Vec<_> = found.iter().map(|s| s.path.to_string_lossy()).collect();
            assert_eq!(names.join(" "), want, "{text}");
        }
    }

    #[test]
    fn what_lay_there_before_is_no_news() {
        let before = siblings("a.log", "a.log@9 a.log.1@9");
        let mut now = siblings("a.log", "a.log@9 a.log.2@9 a.log.1@9");
        let read = |elders| Read { last: None, changed_us: 9, elders };
        let names = |found: Vec<&Sibling>| found.iter().map(|s| s.path.clone()).collect::<Vec<_>>();
        assert_eq!(names(newer(&now, &now[0], &read(Some(&before)))), [PathBuf::from("a.log.1")]);
        assert_eq!(names(newer(&now, &now[0], &read(None))), Vec::<PathBuf>::new());
        now[1].bytes = 2;
        assert_eq!(newer(&now, &now[0], &read(Some(&before))).len(), 2, "another file with the same inode");
    }
}
