//! The bottom: hints, a notice, or a line that is being typed. In: the state. Out: lines, and where the cursor stands.

use pitot_model::filter;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use super::{Parts, lines};
use crate::{
    app::{App, Mode},
    colon::SORTS,
    complete,
    drill::View,
    edit::Edit,
    keymap::{Action, KEYS},
    number, text,
};

const FILTER_HINT: &str = "service:shop route:/v1/* consumer:acme status:5xx -method:GET (a OR b)";
const COLON_HINT: &str = "range 1h · sort p99 · view routes · filter status:5xx · live · help · q";

/// Rows that the bottom takes.
pub(super) fn rows(app: &App) -> u16 {
    match app.mode {
        Mode::Filter(_) => 4,
        Mode::Colon(..) => 3,
        Mode::Browse | Mode::Help => 2,
    }
}

/// Draws it; the answer is the place of the cursor where there is one.
pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) -> Option<Position> {
    match &app.mode {
        Mode::Filter(edit) => {
            let typed = edit.text();
            let error = filter::parse(&typed).err();
            let cursor = input('/', edit, app, area, buf);
            let width = usize::from(area.width).saturating_sub(3);
            let below = match &error {
                None => vec![Line::from(Span::styled(format!("  {}", text::cut(&hint(edit), width)), app.theme.dim))],
                Some(error) => {
                    let caret =
                        Span::styled(format!("{}^", " ".repeat(column(&typed, error.at, edit, area))), app.theme.error);
                    let message = text::wrap(&text::clean(&error.message), width, 2).into_iter();
                    let message = message.map(|l| Line::from(Span::styled(format!("  {l}"), app.theme.warning)));
                    std::iter::once(Line::from(caret)).chain(message).collect()
                }
            };
            super::take_top(&mut area, 1);
            lines(&below, area, buf);
            Some(cursor)
        }
        Mode::Colon(edit, error) => {
            let cursor = input(':', edit, app, area, buf);
            super::take_top(&mut area, 1);
            let width = usize::from(area.width).saturating_sub(3);
            let (said, style) = match error {
                Some(error) => (text::clean(error), app.theme.warning),
                None => (COLON_HINT.to_owned(), app.theme.dim),
            };
            let said =
                text::wrap(&said, width, 2).into_iter().map(|l| Line::from(Span::styled(format!("  {l}"), style)));
            lines(&said.collect::<Vec<_>>(), area, buf);
            Some(cursor)
        }
        Mode::Browse | Mode::Help => {
            super::take_top(&mut area, 1);
            browse(app, area, buf);
            None
        }
    }
}

/// The fields that the word at the cursor may become, else an example.
fn hint(edit: &Edit) -> String {
    let before = edit.before();
    match complete::fields(&before) {
        ("", _) => FILTER_HINT.to_owned(),
        (_, fields) if fields.is_empty() => FILTER_HINT.to_owned(),
        (_, fields) => format!("Tab  {}", fields.join(" ")),
    }
}

fn browse(app: &App, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width);
    let position = position(app);
    let room = width.saturating_sub(text::width(&position) + 4);
    let line = match app.notice() {
        Some(notice) => Line::from(Span::styled(format!(" {}", text::cut(notice, room)), app.theme.accent)),
        None => hints(app, room),
    };
    lines(&[line], area, buf);
    let x = area.right().saturating_sub(text::width(&position) as u16 + 1);
    buf.set_stringn(x, area.y, &position, width, app.theme.dim);
}

/// Keys that do something here; the help and the way out are always among them.
fn hints(app: &App, room: usize) -> Line<'static> {
    let mut parts = Parts::default();
    for (i, binding) in KEYS.iter().filter(|b| !b.hint.is_empty() && is_useful(b.action, app)).enumerate() {
        let keep = match binding.action {
            Action::Help | Action::Quit => u8::MAX,
            _ => 200 - i as u8,
        };
        let label = binding.keys.first().map(|k| k.label()).unwrap_or_default();
        let key = Span::styled(if i == 0 { format!(" {label}") } else { label }, app.theme.strong);
        parts.add(keep, vec![key, Span::styled(format!(" {}", binding.hint), app.theme.dim)]);
    }
    parts.fit(room, 2)
}

fn is_useful(action: Action, app: &App) -> bool {
    let view = app.drill.top().view;
    match action {
        Action::Open if app.group().is_some() => !app.rows().is_empty(),
        Action::Open => !matches!(view, View::HeatMap | View::Agent),
        Action::Back => view != View::Overview || !app.filter.is_empty(),
        Action::Sort => app.group().is_some(),
        Action::Explain => !matches!(view, View::Explain | View::Coverage | View::Agent | View::HeatMap),
        Action::Later => !app.travel.is_live(),
        _ => true,
    }
}

/// `3 of 57 by p99`
fn position(app: &App) -> String {
    let at = app.drill.top().cursor.index + 1;
    let view = app.drill.top().view;
    if view == View::Anomalies {
        let n = app.anomalies().len();
        return if n == 0 { String::new() } else { format!("{at} of {n}") };
    }
    if view == View::Coverage {
        let n = app.agents().len();
        return if n == 0 { String::new() } else { format!("{at} of {n}") };
    }
    let Some(by) = app.group() else { return String::new() };
    let Some(table) = app.snapshot.table(by, &app.scoped_filter()).filter(|t| !t.rows.is_empty()) else {
        return String::new();
    };
    let sort = SORTS.into_iter().find(|(s, _)| *s == app.drill.top().sort).map_or("", |(_, name)| name);
    let shown = match table.row_count > table.rows.len() {
        true => format!("{} shown of {}", table.rows.len(), number::exact(table.row_count as u64)),
        false => table.rows.len().to_string(),
    };
    format!("{at} of {shown} by {sort}")
}

/// The line that is typed, scrolled so that the cursor is in sight.
fn input(prompt: char, edit: &Edit, app: &App, area: Rect, buf: &mut Buffer) -> Position {
    let typed: Vec<char> = edit.text().chars().collect();
    let from = first_shown(edit, area);
    let shown: String = typed[from..].iter().collect();
    buf.set_string(area.x + 1, area.y, prompt.to_string(), app.theme.accent);
    buf.set_stringn(area.x + 2, area.y, shown, usize::from(area.width).saturating_sub(3), app.theme.strong);
    let before: String = typed[from..edit.at()].iter().collect();
    Position::new(area.x + 2 + text::width(&before) as u16, area.y)
}

/// The first character on screen.
fn first_shown(edit: &Edit, area: Rect) -> usize {
    let room = usize::from(area.width).saturating_sub(6);
    let typed: Vec<char> = edit.text().chars().collect();
    let mut from = 0;
    while from < edit.at() && text::width(&typed[from..edit.at()].iter().collect::<String>()) > room {
        from += 1;
    }
    from
}

/// The column of a character of the typed text.
fn column(typed: &str, at: usize, edit: &Edit, area: Rect) -> usize {
    let from = first_shown(edit, area);
    let before: String = typed.chars().take(at).skip(from).collect();
    (2 + text::width(&before)).min(usize::from(area.width).saturating_sub(1))
}
