//! The keys: one table, from which both the dispatch and the help are made. In: a key event. Out: an [`Action`].

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key does while no text is edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A view by its number.
    View(u8),
    NextView,
    PreviousView,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Open,
    Back,
    EditFilter,
    EditCommand,
    Sort,
    Freeze,
    Earlier,
    Later,
    Live,
    Longer,
    Shorter,
    Explain,
    NextAnomaly,
    PreviousAnomaly,
    Refresh,
    Help,
    Quit,
}

/// One line of the help.
pub(crate) struct Binding {
    pub(crate) keys: &'static [Key],
    pub(crate) action: Action,
    pub(crate) help: &'static str,
    /// A word for the bottom line; empty where there is no room for it.
    pub(crate) hint: &'static str,
    pub(crate) group: Group,
}

/// A key without or with Control or Shift where that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Ctrl(char),
    Code(KeyCode),
}

/// Headings of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Group {
    Look,
    Move,
    Time,
    Ask,
}

impl Group {
    pub(crate) const ALL: [Self; 4] = [Self::Look, Self::Move, Self::Time, Self::Ask];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Look => "Views",
            Self::Move => "Move",
            Self::Time => "Time",
            Self::Ask => "Ask",
        }
    }
}

const fn bind(keys: &'static [Key], action: Action, group: Group, hint: &'static str, help: &'static str) -> Binding {
    Binding { keys, action, help, hint, group }
}

use self::{Group::*, Key::*};

/// All keys. What stands first is hinted at first.
pub(crate) const KEYS: &[Binding] = &[
    bind(&[Code(KeyCode::Enter), Code(KeyCode::Right)], Action::Open, Move, "open", "open the selected row"),
    bind(&[Code(KeyCode::Esc), Code(KeyCode::Backspace), Code(KeyCode::Left)], Action::Back, Move, "back", "go back"),
    bind(&[Char('/')], Action::EditFilter, Ask, "filter", "edit the filter"),
    bind(&[Char('s')], Action::Sort, Ask, "sort", "sort by the next column"),
    bind(&[Char(' ')], Action::Freeze, Time, "freeze", "freeze the screen; collecting goes on"),
    bind(&[Char('[')], Action::Earlier, Time, "earlier", "half a screen back in time"),
    bind(&[Char(']')], Action::Later, Time, "later", "half a screen forward"),
    bind(&[Char('.')], Action::Live, Time, "", "to the newest data"),
    bind(&[Char('+'), Char('=')], Action::Longer, Time, "range", "longer range"),
    bind(&[Char('-')], Action::Shorter, Time, "", "shorter range"),
    bind(&[Char('e')], Action::Explain, Ask, "explain", "explain the anomaly of the selected row"),
    bind(&[Char('n')], Action::NextAnomaly, Ask, "", "next anomaly"),
    bind(&[Char('N')], Action::PreviousAnomaly, Ask, "", "previous anomaly"),
    bind(&[Char('?'), Code(KeyCode::F(1))], Action::Help, Look, "help", "this help"),
    bind(&[Char('q'), Ctrl('c')], Action::Quit, Look, "quit", "quit"),
    bind(&[Char('1')], Action::View(1), Look, "", "Overview: all services, from the start"),
    bind(&[Char('2')], Action::View(2), Look, "", "Routes"),
    bind(&[Char('3')], Action::View(3), Look, "", "Consumers"),
    bind(&[Char('4')], Action::View(4), Look, "", "Anomalies"),
    bind(&[Char('5')], Action::View(5), Look, "", "Heat map: durations over time"),
    bind(&[Char('6')], Action::View(6), Look, "", "Coverage: what was lost, and all agents"),
    bind(&[Code(KeyCode::Tab)], Action::NextView, Look, "", "next view"),
    bind(&[Code(KeyCode::BackTab)], Action::PreviousView, Look, "", "previous view"),
    bind(&[Code(KeyCode::Up), Char('k')], Action::Up, Move, "", "up"),
    bind(&[Code(KeyCode::Down), Char('j')], Action::Down, Move, "", "down"),
    bind(&[Code(KeyCode::PageUp), Ctrl('b')], Action::PageUp, Move, "", "a page up"),
    bind(&[Code(KeyCode::PageDown), Ctrl('f')], Action::PageDown, Move, "", "a page down"),
    bind(&[Char('g'), Code(KeyCode::Home)], Action::First, Move, "", "first row"),
    bind(&[Char('G'), Code(KeyCode::End)], Action::Last, Move, "", "last row"),
    bind(&[Char(':')], Action::EditCommand, Ask, "", "command: range 1h, sort p99, view routes, filter …, live, q"),
    bind(&[Char('r')], Action::Refresh, Ask, "", "ask again now"),
];

/// The action of a key; `None` for keys without one.
pub(crate) fn action(event: KeyEvent) -> Option<Action> {
    KEYS.iter().find(|b| b.keys.iter().any(|k| k.is(event))).map(|b| b.action)
}

impl Key {
    fn is(self, event: KeyEvent) -> bool {
        let has_ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        if event.modifiers.contains(KeyModifiers::ALT) {
            return false;
        }
        match self {
            Self::Char(c) => event.code == KeyCode::Char(c) && !has_ctrl,
            Self::Ctrl(c) => event.code == KeyCode::Char(c) && has_ctrl,
            Self::Code(code) => event.code == code && !has_ctrl,
        }
    }

    /// As it is written on a keyboard.
    pub(crate) fn label(self) -> String {
        match self {
            Self::Char(' ') => "space".to_owned(),
            Self::Char(c) => c.to_string(),
            Self::Ctrl(c) => format!("^{}", c.to_ascii_uppercase()),
            Self::Code(KeyCode::Enter) => "Enter".to_owned(),
            Self::Code(KeyCode::Esc) => "Esc".to_owned(),
            Self::Code(KeyCode::Backspace) => "⌫".to_owned(),
            Self::Code(KeyCode::Left) => "←".to_owned(),
            Self::Code(KeyCode::Right) => "→".to_owned(),
            Self::Code(KeyCode::Up) => "↑".to_owned(),
            Self::Code(KeyCode::Down) => "↓".to_owned(),
            Self::Code(KeyCode::PageUp) => "PgUp".to_owned(),
            Self::Code(KeyCode::PageDown) => "PgDn".to_owned(),
            Self::Code(KeyCode::BackTab) => "⇧Tab".to_owned(),
            Self::Code(KeyCode::F(n)) => format!("F{n}"),
            Self::Code(code) => format!("{code:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_actions() {
        for (code, modifiers, want) in [
            (KeyCode::Char('q'), KeyModifiers::NONE, Some(Action::Quit)),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some(Action::Quit)),
            (KeyCode::Char('c'), KeyModifiers::NONE, None),
            (KeyCode::Char('q'), KeyModifiers::ALT, None),
            (KeyCode::Char('G'), KeyModifiers::SHIFT, Some(Action::Last)),
            (KeyCode::Char('N'), KeyModifiers::SHIFT, Some(Action::PreviousAnomaly)),
            (KeyCode::Char('4'), KeyModifiers::NONE, Some(Action::View(4))),
            (KeyCode::BackTab, KeyModifiers::SHIFT, Some(Action::PreviousView)),
            (KeyCode::Char('='), KeyModifiers::NONE, Some(Action::Longer)),
            (KeyCode::F(5), KeyModifiers::NONE, None),
        ] {
            assert_eq!(action(KeyEvent::new(code, modifiers)), want, "{code:?} {modifiers:?}");
        }
    }

    #[test]
    fn no_key_has_two_meanings() {
        let keys: Vec<Key> = KEYS.iter().flat_map(|b| b.keys.iter().copied()).collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[i + 1..].contains(key), "{key:?}");
            assert!(!key.label().is_empty());
        }
    }
}
