//! What stands where. In: the state of the dashboard. Out: a frame.
//!
//! ```text
//! pitot  source › where one is                    LIVE  range
//!  1 Overview  2 Routes  …                        the views
//!  1.2k/s  errors  quantiles  coverage            totals of all that is on screen
//!  filter, banners                                only where there are any
//!
//!  body                                           one of the views
//!
//!  keys, a notice, or a line that is being typed
//! ```

mod agent;
mod anomalies;
mod banner;
mod coverage;
mod detail;
mod footer;
mod header;
mod heat;
mod help;
mod list;

use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    app::{App, Mode},
    drill::View,
};

/// The least terminal that there is a layout for.
pub(crate) const LEAST: (u16, u16) = (60, 16);

/// Draws everything.
pub(crate) fn draw(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        return too_small(app, area, frame.buffer_mut());
    }
    let mut rest = area;
    header::draw(app, take_top(&mut rest, header::ROWS), frame.buffer_mut());
    if app.mode == Mode::Help {
        return help::draw(app, rest, frame.buffer_mut());
    }
    let banners = banner::lines(app, usize::from(area.width));
    let banner_area = take_top(&mut rest, banners.len() as u16);
    lines(&banners, banner_area, frame.buffer_mut());
    take_top(&mut rest, 1);
    let footer_area = take_bottom(&mut rest, footer::rows(app));
    if let Some(cursor) = footer::draw(app, footer_area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
    body(app, rest, frame.buffer_mut());
}

fn body(app: &App, area: Rect, buf: &mut Buffer) {
    match app.drill.top().view {
        View::Overview | View::Routes | View::Consumers => list::draw(app, area, buf),
        View::Anomalies => anomalies::draw(app, area, buf),
        View::HeatMap => heat::draw(app, area, buf),
        View::Coverage => coverage::draw(app, area, buf),
        View::Agent => agent::draw(app, area, buf),
        View::Detail => detail::draw(app, area, buf),
        View::Explain => anomalies::explain(app, area, buf),
    }
}

fn too_small(app: &App, area: Rect, buf: &mut Buffer) {
    let (columns, rows) = LEAST;
    let said =
        [format!("terminal too small (needs {columns}x{rows})"), format!("it is {}x{}", area.width, area.height)];
    let y = area.height.saturating_sub(2) / 2;
    for (i, text) in said.iter().enumerate() {
        let x = area.width.saturating_sub(text.len() as u16) / 2;
        let style = if i == 0 { app.theme.strong } else { app.theme.dim };
        if y + (i as u16) < area.height {
            buf.set_stringn(x, y + i as u16, text, usize::from(area.width), style);
        }
    }
}

/// Cuts so many rows off the top.
fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    let top = Rect { height: rows, ..*rest };
    (rest.y, rest.height) = (rest.y + rows, rest.height - rows);
    top
}

/// Cuts so many rows off the bottom.
fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(rest.height);
    rest.height -= rows;
    Rect { y: rest.y + rest.height, height: rows, ..*rest }
}

/// Lines from the top down.
fn lines(lines: &[Line<'_>], area: Rect, buf: &mut Buffer) {
    for (line, y) in lines.iter().zip(area.y..area.bottom()) {
        buf.set_line(area.x, y, line, area.width);
    }
}

/// A heading with a line behind it, over the whole width.
fn heading(title: &str, note: &str, app: &App, area: Rect, buf: &mut Buffer) {
    let mut spans = vec![Span::raw("  "), Span::styled(title.to_owned(), app.theme.strong)];
    if !note.is_empty() {
        spans.push(Span::styled(format!("  {note}"), app.theme.dim));
    }
    lines(&[Line::from(spans)], area, buf);
}

/// Parts of a line, each with its importance: the least important ones go where there is no room.
#[derive(Default)]
struct Parts<'a> {
    parts: Vec<(u8, Vec<Span<'a>>)>,
}

impl<'a> Parts<'a> {
    fn add(&mut self, keep: u8, spans: Vec<Span<'a>>) {
        self.parts.push((keep, spans));
    }

    /// A label and its value.
    fn pair(&mut self, keep: u8, label: &'a str, value: String, style: Style, app: &App) {
        self.add(keep, vec![Span::styled(label, app.theme.dim), Span::raw(" "), Span::styled(value, style)]);
    }

    /// As many of them as fit, with so many cells between them.
    fn fit(mut self, cells: usize, gap: usize) -> Line<'a> {
        let width = |parts: &[(u8, Vec<Span<'_>>)]| {
            parts.iter().map(|(_, s)| gap + s.iter().map(Span::width).sum::<usize>()).sum::<usize>()
        };
        while width(&self.parts) > cells + gap {
            let least = self.parts.iter().enumerate().min_by_key(|(_, (keep, _))| *keep).map(|(i, _)| i);
            match least {
                Some(i) => drop(self.parts.remove(i)),
                None => break,
            }
        }
        let mut spans = Vec::new();
        for (i, (_, part)) in self.parts.into_iter().enumerate() {
            if i > 0 {
                spans.push(Span::raw(" ".repeat(gap)));
            }
            spans.extend(part);
        }
        Line::from(spans)
    }
}
