//! Names from strangers, made fit to show: nothing obeyed, nothing wider than its place.
//!
//! In: any text. Out: text of printable characters, and its width in terminal columns.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Whether a reader would obey this character instead of showing it: control characters, line separators, marks that
/// turn the direction of writing, and characters without any width that make two names look the same.
///
/// Source: Unicode general categories Cc, Zl, Zp and Cf; Trojan Source, CVE-2021-42574.
pub(super) fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// The name with everything that is obeyed replaced: `␛` for escape, `␊` for a line feed, `�` for what has no picture.
pub(crate) fn clean(name: &str) -> Cow<'_, str> {
    if !name.contains(is_obeyed) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().map(|c| if is_obeyed(c) { picture(c) } else { c }).collect())
}

/// Source: Unicode block Control Pictures.
fn picture(c: char) -> char {
    match u32::from(c) {
        n @ 0..=0x1f => char::from_u32(0x2400 + n).unwrap_or(char::REPLACEMENT_CHARACTER),
        0x7f => '\u{2421}',
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Columns that a clean text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// The text in at most `room` columns; a longer one loses its middle, since the ends of routes tell most.
pub(crate) fn fit(text: &str, room: usize) -> Cow<'_, str> {
    if width(text) <= room {
        return Cow::Borrowed(text);
    }
    let Some(rest) = room.checked_sub(1) else { return Cow::Borrowed("") };
    let tail = take(text.chars().rev(), rest / 3);
    let head: String = take(text.chars(), rest - tail.iter().map(|&c| char_width(c)).sum::<usize>()).iter().collect();
    Cow::Owned(head + "…" + &tail.iter().rev().collect::<String>())
}

/// As many characters as fit in `room` columns.
fn take(chars: impl Iterator<Item = char>, room: usize) -> Vec<char> {
    let mut left = room;
    chars
        .map_while(|c| {
            left = left.checked_sub(char_width(c))?;
            Some(c)
        })
        .collect()
}

fn char_width(c: char) -> usize {
    UnicodeWidthChar::width(c).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_not_obeyed() {
        for (name, want) in [
            ("/v1/orders/{uuid}", "/v1/orders/{uuid}"),
            ("\u{1b}[31mred\u{1b}[0m", "␛[31mred␛[0m"),
            ("a\r\nb\tc\0", "a␍␊b␉c␀"),
            ("a\u{202e}b\u{2066}c", "a�b�c"),
            ("\u{9b}31m\u{7f}", "�31m␡"),
            ("zero\u{200b}width", "zero�width"),
            ("名前 é ß", "名前 é ß"),
        ] {
            assert_eq!(clean(name), want);
        }
    }

    #[test]
    fn long_names_lose_their_middle() {
        for (name, room, want) in [
            ("/v1/orders", 10, "/v1/orders"),
            ("/v1/orders/{uuid}", 10, "/v1/or…id}"),
            ("日本語の名前です", 8, "日本…す"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(fit(name, room), want, "{name} in {room}");
            assert!(width(&fit(name, room)) <= room);
        }
    }
}
