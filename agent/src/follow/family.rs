//! Names that rotation gives to a log.
//!
//! In: the name of a log and another name in its directory. Out: whether the other one is an older generation of it, and
//! which of two with the same time is older.
//!
//! | log | generations |
//! |---|---|
//! | `access.log` | `access.log.1` `access.log-20260101` `access.log.2026-01-01_12` `access.log.old` |
//! | `app.log` | `app-20260101.log` `app-2026-01-01T10-00-00.123.log`: a date before the ending, not a mere number |
//! | any of these | the same with `.gz` or `.zst` |
//! | `app-8.log` that a symbolic link leads to | `app-7.log`: other digits alone |

use std::cmp::Ordering;

/// Endings of compressed files.
const PACKED: [&str; 3] = [".gz", ".zst", ".zstd"];

/// Digits from which a number is a date and no count.
const DATE_DIGITS: usize = 6;

/// What a name says about a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rotated<'a> {
    /// The name without the ending of compression.
    pub(crate) plain: &'a str,
    /// Whether it is compressed.
    pub(crate) is_packed: bool,
    /// Order among names, see [`Age`].
    pub(crate) age: Age,
}

/// Orders names of files with the same time: lesser is older.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Age {
    /// `.old` or no number at all.
    Unnumbered,
    /// `.N`: the higher, the older.
    Count(std::cmp::Reverse<u64>),
    /// Digits of a date, or of a name that differs in digits: the higher, the newer.
    Digits(Vec<u64>),
}

/// What `name` is of the log `base`; `None` when it is none of its generations, or the log itself.
pub(crate) fn rotated<'a>(base: &str, name: &'a str) -> Option<Rotated<'a>> {
    let plain = PACKED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let is_packed = plain.len() < name.len();
    if base.is_empty() || name == base {
        return None;
    }
    let age = match plain.strip_prefix(base) {
        Some("") => Age::Unnumbered,
        Some(rest) => suffix(rest)?,
        None => between(base, plain)?,
    };
    Some(Rotated { plain, is_packed, age })
}

/// Whether two different names are the same but for their digits.
pub(crate) fn digits_apart<'a>(base: &str, name: &'a str) -> Option<Rotated<'a>> {
    let plain = PACKED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let same = || shape(base).eq(shape(plain));
    let is_other = plain != base && base.bytes().any(|b| b.is_ascii_digit());
    (is_other && same()).then(|| Rotated {
        plain,
        is_packed: plain.len() < name.len(),
        age: Age::Digits(numbers(plain)),
    })
}

/// The age of a name among those that differ from it in digits alone.
pub(crate) fn own_age(name: &str) -> Age {
    Age::Digits(numbers(name))
}

/// Order of two generations by time, then by name.
pub(crate) fn by_age(a: (i64, &Age), b: (i64, &Age)) -> Ordering {
    a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1))
}

/// `.1`, `-20260101`, `.old`.
fn suffix(rest: &str) -> Option<Age> {
    if matches!(rest, ".old" | ".bak" | "~") {
        return Some(Age::Unnumbered);
    }
    let number = rest.strip_prefix(['.', '-', '_'])?;
    stamp(number).then(|| match number.len() < DATE_DIGITS && number.bytes().all(|b| b.is_ascii_digit()) {
        true => Age::Count(std::cmp::Reverse(number.parse().unwrap_or(0))),
        false => Age::Digits(numbers(number)),
    })
}

/// `app-20260101.log` of `app.log`.
fn between(base: &str, plain: &str) -> Option<Age> {
    let (stem, ending) = base.rsplit_once('.').filter(|(stem, _)| !stem.is_empty())?;
    let inner = plain.strip_prefix(stem)?.strip_suffix(ending)?.strip_suffix('.')?;
    let date = inner.strip_prefix(['.', '-', '_'])?;
    let digits = date.bytes().filter(u8::is_ascii_digit).count();
    (digits >= DATE_DIGITS && stamp(date)).then(|| Age::Digits(numbers(date)))
}

/// Whether a text is made of digits and what stands between those of dates.
fn stamp(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.' | b':' | b'T' | b'Z');
    text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(is_part)
}

/// All runs of digits as numbers; one that is too long counts as the greatest.
fn numbers(text: &str) -> Vec<u64> {
    let runs = text.split(|c: char| !c.is_ascii_digit()).filter(|run| !run.is_empty());
    runs.map(|run| run.parse().unwrap_or(u64::MAX)).collect()
}

/// The name with one `0` for each run of digits.
fn shape(name: &str) -> impl Iterator<Item = u8> {
    let mut last = 0;
    name.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b }).filter(move |&b| {
        let is_repeat = b == b'0' && last == b'0';
        last = b;
        !is_repeat
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_generations() {
        for (base, name, want) in [
            ("access.log", "access.log.1", true),
            ("access.log", "access.log.12.gz", true),
            ("access.log", "access.log-20260101", true),
            ("access.log", "access.log-20260101-1767225600.zst", true),
            ("access.log", "access.log.2026-01-01_12", true),
            ("access.log", "access.log.old", true),
            ("access.log", "access.log.gz", true),
            ("access.log", "access-20260101.log", true),
            ("access.log", "access-20260101.log.gz", true),
            ("foo.log", "foo-2014-05-04T14-44-33.555.log", true),
            ("access.log", "access.log", false),
            ("access.log", "access.log.tmp", false),
            ("access.log", "access.log1", false),
            ("access.log", "access-1.log", false),
            ("access.log", "access-api.log", false),
            ("worker-1.log", "worker-2.log", false),
            ("worker-1.log", "worker-10.log", false),
            ("access.log", "other.log.1", false),
            (".log", "-20260101.log", false),
            ("", ".1", false),
            ("a", "a.é", false),
        ] {
            assert_eq!(rotated(base, name).is_some(), want, "{base} {name}");
        }
    }

    #[test]
    fn older_names_come_first() {
        for (base, older, newer) in [
            ("a.log", "a.log.2", "a.log.1"),
            ("a.log", "a.log.10.gz", "a.log.9"),
            ("a.log", "a.log-20260101", "a.log-20260102"),
            ("a.log", "a-20260101.log", "a-20260101.log.1"),
            ("a.log", "a.log.2026-01-01_09", "a.log.2026-01-01_10"),
        ] {
            let age = |name| rotated(base, name).map(|r| r.age);
            assert!(age(older).is_none() || age(newer).is_none() || age(older) < age(newer), "{older} {newer}");
        }
        let apart = |name| digits_apart("app-8.log", name).map(|r| r.age);
        assert!(apart("app-9.log") < apart("app-10.log") && apart("app-9.log").is_some());
        assert!(apart("app-8.log").is_none() && apart("api-9.log").is_none());
    }

    #[test]
    fn time_goes_before_names() {
        let (one, two) = (Age::Count(std::cmp::Reverse(1)), Age::Count(std::cmp::Reverse(2)));
        assert_eq!(by_age((5, &one), (6, &two)), Ordering::Less);
        assert_eq!(by_age((5, &one), (5, &two)), Ordering::Greater);
    }
}
