//! What single words say about the position they stand at: English, and the habits of people who name URLs.
//!
//! In: a segment. Out: whether it names many things, does something, looks like a value. None of this decides alone:
//! see [`position`](super::position).

use std::collections::{BTreeMap, BTreeSet};

/// Whether what follows this segment is likely to be the name of one of many: `users`, `tag`, `r`.
pub(super) fn is_collection(word: &str) -> bool {
    (is_plural(word) && SECTIONS.binary_search(&word).is_err()) || SINGULAR.binary_search(&word).is_ok()
}

/// Whether a word is the plural of something, as names of resources are.
pub(super) fn is_plural(word: &str) -> bool {
    let is_lower = word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-');
    let has_ending = word.ends_with('s') && !["ss", "us", "is"].iter().any(|e| word.ends_with(e));
    is_lower && word.len() >= 4 && has_ending
}

/// Whether a word is a step of an application and never somebody's name: `me`, `login`, `create`.
pub(super) fn is_reserved(word: &str) -> bool {
    is_version(word) || RESERVED.binary_search(&word).is_ok() || is_verb(word)
}

/// Whether a word is what is done with things of any kind, so that it tells nothing of the word before it.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.binary_search(&word).is_ok()
}

/// `v1`, `v2beta1`, `api`.
pub(super) fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix('v').filter(|rest| rest.as_bytes().first().is_some_and(u8::is_ascii_digit));
    word == "api" || digits.is_some_and(|rest| rest.len() <= 8 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Whether nearly all of these are one name with a number behind it, see [`counted_through`].
pub(super) fn are_counted_through<'a>(names: impl Iterator<Item = &'a str> + Clone) -> bool {
    let n = names.clone().count();
    counted_through(names.clone()).is_some_and(|row| names.filter(|name| stem(name) == row).count() * 4 >= n * 3)
}

/// The name that four of these and more are, with a number behind it, where the numbers begin low and leave few out:
/// `shard` of `shard0`, `shard1` … `shard27`. Ids that are counted through begin anywhere.
pub(super) fn counted_through<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut rows = BTreeMap::<&str, BTreeSet<usize>>::new();
    for name in names {
        let stem = stem(name);
        if let Ok(number) = name[stem.len()..].parse()
            && !stem.is_empty()
        {
            rows.entry(stem).or_default().insert(number);
        }
    }
    let is_row = |row: &BTreeSet<usize>| row.len() >= 4 && row.last().is_some_and(|last| *last < row.len() * 2);
    rows.into_iter().find(|(_, row)| is_row(row)).map(|(stem, _)| stem)
}

/// A word without the digits at its end.
pub(super) fn stem(word: &str) -> &str {
    word.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Whether a word is unlike those that people choose for routes.
pub(super) fn is_odd(word: &str) -> bool {
    word.len() > 16 || word.bytes().any(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || b"-.~@:, ".contains(&b))
}

/// The file extension of a word, without its dot; empty where it has none that looks like one.
pub(super) fn extension(word: &str) -> &str {
    match word.rsplit_once('.') {
        Some((stem, e)) if !stem.is_empty() && is_extension(e) => e,
        _ => "",
    }
}

fn is_extension(e: &str) -> bool {
    let fits = e.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    (1..=5).contains(&e.len()) && fits && e.bytes().any(|b| b.is_ascii_lowercase())
}

/// Plurals below which parts of an application stand, not things of one kind.
const SECTIONS: [&str; 24] = [
    "actions",
    "addons",
    "apis",
    "apps",
    "assets",
    "contents",
    "docs",
    "features",
    "files",
    "graphs",
    "insights",
    "metrics",
    "options",
    "pages",
    "preferences",
    "reports",
    "scripts",
    "settings",
    "statics",
    "statistics",
    "stats",
    "styles",
    "tools",
    "utils",
];

/// Singulars that stand before a name.
const SINGULAR: [&str; 38] = [
    "account",
    "article",
    "artist",
    "author",
    "blog",
    "board",
    "brand",
    "bucket",
    "category",
    "channel",
    "city",
    "collection",
    "community",
    "country",
    "group",
    "hashtag",
    "item",
    "member",
    "namespace",
    "org",
    "organization",
    "p",
    "package",
    "post",
    "product",
    "profile",
    "project",
    "r",
    "repo",
    "repository",
    "subject",
    "t",
    "tag",
    "team",
    "topic",
    "u",
    "user",
    "wiki",
];

const RESERVED: [&str; 33] = [
    "@me",
    "about",
    "account",
    "admin",
    "app",
    "auth",
    "callback",
    "contact",
    "current",
    "dashboard",
    "health",
    "healthz",
    "help",
    "home",
    "index.html",
    "login",
    "logout",
    "me",
    "metrics",
    "oauth",
    "password",
    "ping",
    "privacy",
    "profile",
    "register",
    "robots.txt",
    "self",
    "settings",
    "signin",
    "signup",
    "status",
    "terms",
    "version",
];

const VERBS: [&str; 38] = [
    "activate", "add", "all", "approve", "archive", "batch", "bulk", "cancel", "confirm", "copy", "count", "create",
    "delete", "disable", "edit", "enable", "export", "find", "get", "import", "index", "list", "new", "patch", "query",
    "refresh", "remove", "reset", "save", "search", "set", "show", "submit", "update", "upload", "upsert", "verify",
    "view",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_numbered_names() {
        let row = |names: &[&str]| are_counted_through(names.iter().copied());
        for (names, want) in [
            (&["svc0", "svc1", "svc2", "svc3"][..], true),
            (&["shard1", "shard2", "shard4", "shard5", "all"], true),
            (&["svc0", "svc1", "svc2"], false),
            (&["user7", "user19", "user403", "user5004"], false),
            (&["a1", "b2", "c3", "d4"], false),
            (&["1", "2", "3", "4"], false),
            (&["svc3", "svc4", "svc5", "svc6", "svc7"], true),
            (&["order7", "order8", "order9", "order10"], false),
            (&[], false),
        ] {
            assert_eq!(row(names), want, "{names:?}");
        }
    }

    #[test]
    fn lists_are_sorted_for_the_search_in_them() {
        for list in [&SECTIONS[..], &SINGULAR, &RESERVED, &VERBS] {
            assert!(list.is_sorted(), "{list:?}");
        }
    }

    #[test]
    fn words_tell_what_they_stand_for() {
        for (word, collection, plural, reserved, odd) in [
            ("users", true, true, false, false),
            ("settings", false, true, true, false),
            ("status", false, false, true, false),
            ("r", true, false, false, false),
            ("v2", false, false, true, true),
            ("kube-system", false, false, false, true),
            ("nodeJs", false, false, false, true),
            ("create", false, false, true, false),
        ] {
            assert_eq!((is_collection(word), is_plural(word)), (collection, plural), "{word}");
            assert_eq!((is_reserved(word), is_odd(word)), (reserved, odd), "{word}");
        }
        for (word, want) in [("a.php", "php"), (".env", ""), ("three.js", "js"), ("chat.postMessage", "")] {
            assert_eq!(extension(word), want, "{word}");
        }
    }
}
