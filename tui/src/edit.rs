//! A line of text that is being typed. In: keys. Out: the text and where the cursor stands.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pitot_model::budget;

use crate::text;

/// The line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Edit {
    chars: Vec<char>,
    /// `<= chars.len()`
    at: usize,
}

/// What a key meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// The line changed, or nothing did.
    On,
    /// It is complete.
    Done,
    /// It is not wanted any more.
    Cancelled,
}

impl Edit {
    pub(crate) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        Self { at: chars.len(), chars }
    }

    pub(crate) fn text(&self) -> String {
        self.chars.iter().collect()
    }

    /// Characters in front of the cursor.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text in front of the cursor.
    pub(crate) fn before(&self) -> String {
        self.chars[..self.at].iter().collect()
    }

    /// Takes a key as most shells do.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Typed {
        let has_ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match (key.code, has_ctrl) {
            (KeyCode::Enter, _) => return Typed::Done,
            (KeyCode::Esc, _) | (KeyCode::Char('c' | 'g'), true) => return Typed::Cancelled,
            (KeyCode::Backspace, false) if self.chars.is_empty() => return Typed::Cancelled,
            (KeyCode::Backspace, false) | (KeyCode::Char('h'), true) => self.remove(self.at.saturating_sub(1)),
            (KeyCode::Delete, _) | (KeyCode::Char('d'), true) => self.remove(self.at + 1),
            (KeyCode::Char('w'), true) | (KeyCode::Backspace, true) => self.remove(self.word_start()),
            (KeyCode::Char('u'), true) => self.remove(0),
            (KeyCode::Char('k'), true) => self.chars.truncate(self.at),
            (KeyCode::Left, true) => self.at = self.word_start(),
            (KeyCode::Left, false) | (KeyCode::Char('b'), true) => self.at = self.at.saturating_sub(1),
            (KeyCode::Right, _) | (KeyCode::Char('f'), true) => self.at = (self.at + 1).min(self.chars.len()),
            (KeyCode::Home, _) | (KeyCode::Char('a'), true) => self.at = 0,
            (KeyCode::End, _) | (KeyCode::Char('e'), true) => self.at = self.chars.len(),
            (KeyCode::Char(c), false) => self.insert(c),
            _ => {}
        }
        Typed::On
    }

    /// Inserts pasted text; line ends become spaces.
    pub(crate) fn paste(&mut self, pasted: &str) {
        for c in pasted.chars().take(budget::FILTER_CHARS) {
            self.insert(if c.is_control() { ' ' } else { c });
        }
    }

    fn insert(&mut self, c: char) {
        if self.chars.len() < budget::FILTER_CHARS && text::clean(&c.to_string()) != "\u{FFFD}" {
            self.chars.insert(self.at, c);
            self.at += 1;
        }
    }

    /// Removes what lies between `other` and the cursor.
    fn remove(&mut self, other: usize) {
        let (start, end) = (self.at.min(other), self.at.max(other).min(self.chars.len()));
        self.chars.drain(start..end);
        self.at = start;
    }

    fn word_start(&self) -> usize {
        let before = &self.chars[..self.at];
        let word_end = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |i| i + 1);
        before[..word_end].iter().rposition(|c| c.is_whitespace()).map_or(0, |i| i + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `<` is Left, `>` Right, `^x` Control, `!` Backspace, `#` Delete.
    fn typed(start: &str, keys: &str) -> (String, usize) {
        let mut edit = Edit::new(start);
        let mut keys = keys.chars();
        while let Some(c) = keys.next() {
            let (code, modifiers) = match c {
                '<' => (KeyCode::Left, KeyModifiers::NONE),
                '>' => (KeyCode::Right, KeyModifiers::NONE),
                '!' => (KeyCode::Backspace, KeyModifiers::NONE),
                '#' => (KeyCode::Delete, KeyModifiers::NONE),
                '^' => (KeyCode::Char(keys.next().unwrap_or(' ')), KeyModifiers::CONTROL),
                c => (KeyCode::Char(c), KeyModifiers::NONE),
            };
            edit.key(KeyEvent::new(code, modifiers));
        }
        (edit.text(), edit.at())
    }

    #[test]
    fn lines_are_edited_as_in_a_shell() {
        for (start, keys, text, at) in [
            ("", "abc", "abc", 3),
            ("abc", "<<x", "axbc", 2),
            ("abc", "!", "ab", 2),
            ("abc", "^a!", "abc", 0),
            ("abc", "^a#", "bc", 0),
            ("abc", "#", "abc", 3),
            ("a bc  ", "^w", "a ", 2),
            ("service:x status:5xx", "^w^w", "", 0),
            ("abc", "<^u", "c", 0),
            ("abc", "<^k", "ab", 2),
            ("日本", "<語", "日語本", 2),
            ("ab", "<<<<>>>>", "ab", 2),
        ] {
            assert_eq!(typed(start, keys), (text.to_owned(), at), "{start} {keys}");
        }
    }

    #[test]
    fn pasted_text_is_one_line_within_the_budget() {
        let mut edit = Edit::default();
        edit.paste("a\nb\x1b[2J");
        assert_eq!(edit.text(), "a b [2J");
        edit.paste(&"x".repeat(2 * budget::FILTER_CHARS));
        assert_eq!(edit.text().chars().count(), budget::FILTER_CHARS);
    }

    #[test]
    fn done_and_cancelled() {
        let mut edit = Edit::default();
        for (code, want) in
            [(KeyCode::Enter, Typed::Done), (KeyCode::Esc, Typed::Cancelled), (KeyCode::Backspace, Typed::Cancelled)]
        {
            assert_eq!(edit.key(KeyEvent::new(code, KeyModifiers::NONE)), want);
        }
    }
}
