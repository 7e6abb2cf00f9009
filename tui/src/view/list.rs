//! Overview, routes and consumers: a table, and below it, where there is room, what else is worth a look.

use std::time::Duration;

use pitot_model::api::State;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{anomalies, heading, heat, lines, take_bottom, take_top};
use crate::{
    app::{App, Link},
    drill::View,
    number, rows, text,
    widget::Grid,
};

/// Rows of a heat map that is worth its place.
const HEAT_ROWS: std::ops::RangeInclusive<u16> = 6..=32;
/// Open anomalies below the overview.
const ANOMALIES: usize = 4;

pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(by) = app.group() else { return };
    let Some(traffic) = rows::traffic(app, by) else { return waiting(app, area, buf) };
    if traffic.rows.is_empty() {
        return empty(app, area, buf);
    }
    below(app, traffic.rows.len() as u16 + 2, &mut area, buf);
    let grid = Grid {
        columns: &traffic.columns,
        rows: &traffic.rows,
        selected: Some(app.drill.top().cursor.index),
        sorted: Some(traffic.sorted),
        theme: &app.theme,
    };
    grid.draw(area, buf);
}

/// Open anomalies and the heat map, in the room that the table leaves.
fn below(app: &App, needed: u16, area: &mut Rect, buf: &mut Buffer) {
    let is_overview = app.drill.top().view == View::Overview;
    let open: Vec<_> =
        app.anomalies().iter().filter(|_| is_overview).filter(|a| a.state == State::Open).take(ANOMALIES).collect();
    let rows = open.len() as u16 + 1;
    if !open.is_empty() && area.height >= needed + rows {
        let mut part = take_bottom(area, rows);
        heading("Open anomalies", "4 shows all", app, take_top(&mut part, 1), buf);
        let shown: Vec<_> = open.into_iter().map(|a| anomalies::line(app, a, usize::from(area.width))).collect();
        lines(&shown, part, buf);
        take_bottom(area, 1);
    }
    let spare = area.height.saturating_sub(needed);
    if spare > *HEAT_ROWS.start() {
        let part = take_bottom(area, spare.min(*HEAT_ROWS.end()));
        heat::panel(app, part, buf);
        take_bottom(area, 1);
    }
}

/// Nothing was answered yet.
pub(super) fn waiting(app: &App, area: Rect, buf: &mut Buffer) {
    let said = match &app.link {
        Link::Connecting => "connecting …",
        Link::Up => "loading …",
        Link::Down { advice, .. } => advice,
    };
    let width = usize::from(area.width).saturating_sub(4);
    let said = text::wrap(&text::clean(said), width, 4).into_iter();
    let said = said.map(|l| Line::from(Span::styled(format!("  {l}"), app.theme.text)));
    lines(&std::iter::once(Line::default()).chain(said).collect::<Vec<_>>(), area, buf);
}

/// Nothing matched: why, and what to do.
pub(super) fn empty(app: &App, area: Rect, buf: &mut Buffer) {
    let store = app.snapshot.status().map(|s| &s.store);
    let held = store.and_then(|s| s.oldest.zip(s.newest));
    let mut said: Vec<(String, bool)> = Vec::new();
    let filter = app.scoped_filter();
    let Some((oldest, newest)) = held else {
        said.push(("No traffic yet.".into(), true));
        said.push(("This collector has not received a single transaction. To change that:".into(), false));
        said.push((String::new(), false));
        said.push(("pitot agent -c agent.toml     ship a log to this collector".into(), false));
        said.push(("pitot top access.log          look at one log file, without a collector".into(), false));
        said.push(("pitot demo                    see how it looks with traffic".into(), false));
        return say(app, &said, area, buf);
    };
    if filter.is_empty() {
        said.push(("No traffic in this range.".into(), true));
    } else {
        said.push(("Nothing matches in this range.".into(), true));
        said.push((filter, false));
    }
    said.push((String::new(), false));
    let length = number::span(newest.since(oldest).max(Duration::from_secs(1)));
    let (from, to) = (number::moment(oldest), number::moment(newest));
    said.push((format!("The collector holds {from} – {to} UTC ({length})."), false));
    said.push((":range all    shows all of it".into(), false));
    said.push(("/             edits the filter, Esc leaves the scope or clears the filter".into(), false));
    say(app, &said, area, buf);
}

fn say(app: &App, said: &[(String, bool)], area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width).saturating_sub(3);
    let shown = said.iter().map(|(said, is_strong)| {
        let style = if *is_strong { app.theme.strong } else { app.theme.text };
        Line::from(Span::styled(format!("  {}", text::cut(&text::clean(said), width)), style))
    });
    lines(&std::iter::once(Line::default()).chain(shown).collect::<Vec<_>>(), area, buf);
}
