//! Colours of the text report, which may be off.
//!
//! In: text and what it means. Out: the text, in escape sequences (the 16 colours that every terminal has) when asked.

/// What a text means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Strong,
    Faint,
    Accent,
    Good,
    Warn,
    Bad,
}

/// Whether to colour.
#[derive(Clone, Copy)]
pub(crate) struct Paint(bool);

impl Paint {
    pub(crate) fn new(color: bool) -> Self {
        Self(color)
    }

    /// The text in this ink. Source: ECMA-48, select graphic rendition.
    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Plain => "",
            Ink::Strong => "1",
            Ink::Faint => "2",
            Ink::Accent => "36",
            Ink::Good => "32",
            Ink::Warn => "33",
            Ink::Bad => "1;31",
        };
        if !self.0 || code.is_empty() || text.trim().is_empty() {
            return text.to_owned();
        }
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
