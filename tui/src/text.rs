//! Text from strangers, made safe and made to fit. In: names of any content. Out: text of a known width in cells.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Cells that a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text without anything that a terminal obeys: control characters, direction overrides and other invisible ones
/// become `�`; a run of combining marks is cut to its first.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut after_mark = true;
    for c in text.chars() {
        let is_mark = !is_dangerous(c) && c.width() == Some(0);
        match c {
            _ if is_dangerous(c) => out.push('\u{FFFD}'),
            _ if is_mark && after_mark => {}
            c => out.push(c),
        }
        after_mark = is_mark;
    }
    out
}

/// The text if it fits, else its beginning and end around `…`: routes differ at their ends.
pub(crate) fn shorten(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    if cells == 0 {
        return String::new();
    }
    let head_cells = (cells - 1).div_ceil(2);
    let (head, head_width) = take(text.chars(), head_cells);
    let (tail, _) = take(text.chars().rev(), cells - 1 - head_width);
    head.into_iter().chain(['…']).chain(tail.into_iter().rev()).collect()
}

/// The beginning of the text, ending with `…` if it does not fit.
pub(crate) fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let (head, _) = take(text.chars(), cells.saturating_sub(1));
    head.into_iter().chain((cells > 0).then_some('…')).collect()
}

/// Words in lines of at most so many cells; longer words are cut. At most `limit` lines, the last ending with `…`.
pub(crate) fn wrap(text: &str, cells: usize, limit: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= cells => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, cells)),
        }
    }
    if lines.len() > limit {
        lines.truncate(limit);
        if let Some(last) = lines.last_mut() {
            *last = cut(&format!("{last} …"), cells);
        }
    }
    lines
}

/// Characters up to so many cells, and the cells they take.
fn take(chars: impl Iterator<Item = char>, cells: usize) -> (Vec<char>, usize) {
    let (mut out, mut used) = (Vec::new(), 0);
    for c in chars {
        let w = c.width().unwrap_or(0);
        if used + w > cells {
            break;
        }
        used += w;
        out.push(c);
    }
    (out, used)
}

fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61C}' | '\u{AD}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        for (text, want) in [
            ("GET /v1/users/{int}", "GET /v1/users/{int}"),
            ("a\x1b[31mb\u{9b}2J\r\n\0", "a�[31mb�2J���"),
            ("abc\u{202e}txt.exe", "abc�txt.exe"),
            ("e\u{301}\u{301}\u{301}x", "e\u{301}x"),
            ("\u{301}a", "a"),
            ("日本", "日本"),
        ] {
            assert_eq!(clean(text), want, "{text:?}");
        }
    }

    #[test]
    fn texts_fit_their_cells() {
        for (text, cells, want) in [
            ("abc", 3, "abc"),
            ("/v1/users/{id}/orders", 11, "/v1/u…rders"),
            ("日本語日本語", 6, "日…語"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(shorten(text, cells), want);
            assert!(width(&shorten(text, cells)) <= cells);
            assert!(width(&cut(text, cells)) <= cells, "{text} {cells}");
        }
        assert_eq!(wrap("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrap("one two three", 9, 1), ["one two …"]);
    }
}
