//! What is typed behind `:`. In: the text. Out: a [`Colon`], or what would be accepted.

use pitot_model::{api::SortBy, filter};

use crate::{Span, drill::View};

/// A command.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Colon {
    Quit,
    Filter(String),
    Range(Span),
    Sort(SortBy),
    View(View),
    Live,
    Help,
}

/// What tables can be sorted by, in the order of the key `s`, with the word to type.
pub(crate) const SORTS: [(SortBy, &str); 7] = [
    (SortBy::Count, "count"),
    (SortBy::Errors, "errors"),
    (SortBy::ErrorRatio, "ratio"),
    (SortBy::P50, "p50"),
    (SortBy::P99, "p99"),
    (SortBy::Bytes, "bytes"),
    (SortBy::Name, "name"),
];

const COMMANDS: &str = "range 15m, sort p99, view routes, filter status:5xx, live, help, q";

/// Reads a command; the error is a line for people.
pub(crate) fn parse(text: &str) -> Result<Colon, String> {
    let (word, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text.trim(), ""));
    let rest = rest.trim();
    match word {
        "q" | "q!" | "quit" | "exit" => Ok(Colon::Quit),
        "f" | "filter" => filter::parse(rest).map(|_| Colon::Filter(rest.to_owned())).map_err(|e| e.to_string()),
        "r" | "range" => rest.parse().map(Colon::Range).map_err(|e: crate::travel::ParseSpanError| e.to_string()),
        "s" | "sort" => sort(rest),
        "v" | "view" => View::from_name(rest).map(Colon::View).ok_or_else(|| {
            let names = View::TABS.map(|v| v.title().to_lowercase().replace(' ', "")).join(", ");
            format!("`{rest}` is no view; use {names}")
        }),
        "live" => Ok(Colon::Live),
        "h" | "help" => Ok(Colon::Help),
        _ => Err(format!("`{word}` is no command; use {COMMANDS}")),
    }
}

fn sort(name: &str) -> Result<Colon, String> {
    SORTS.into_iter().find(|(_, n)| *n == name).map(|(s, _)| Colon::Sort(s)).ok_or_else(|| {
        let names = SORTS.map(|(_, n)| n).join(", ");
        format!("`{name}` is no column to sort by; use {names}")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn commands() {
        for (text, want) in [
            (" q ", Colon::Quit),
            ("filter service:a  status:5xx", Colon::Filter("service:a  status:5xx".into())),
            ("filter", Colon::Filter(String::new())),
            ("range 1h", Colon::Range(Span::Last(Duration::from_secs(3600)))),
            ("range all", Colon::Range(Span::All)),
            ("sort p99", Colon::Sort(SortBy::P99)),
            ("view heat map", Colon::View(View::HeatMap)),
            ("live", Colon::Live),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn errors_say_what_to_type() {
        for (text, part) in [
            ("", "use range 15m"),
            ("dance", "`dance` is no command"),
            ("sort colour", "use count, errors"),
            ("view x", "use overview, routes"),
            ("range 5", "use 5m"),
            ("filter status:abc", "a code (503)"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
