//! The top three lines: where one is in the API and in time, the views, and the totals of what is on screen.

use pitot_model::api::{GroupBy, Table};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{Parts, lines};
use crate::{
    app::{App, Link},
    drill::View,
    event::What,
    number,
    rows::{LOSSY, all_points, error_style, rates},
    text,
    travel::Mark,
    widget::spark,
};

pub(super) const ROWS: u16 = 3;

const TREND_CELLS: usize = 16;

pub(super) fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let time = time(app);
    let time_cells = time.width();
    let width = usize::from(area.width);
    let place = place(app, width.saturating_sub(time_cells + 3));
    lines(&[place, tabs(app, width), totals(app, width)], area, buf);
    buf.set_line(area.right().saturating_sub(time_cells as u16 + 1), area.y, &time, area.width);
}

/// `pitot · access.log  checkout › GET /v1/orders`
fn place(app: &App, cells: usize) -> Line<'static> {
    let mut crumbs = app.drill.crumbs();
    let last = crumbs.pop().unwrap_or_default();
    let is_wide = cells > 60;
    let source = if is_wide && !app.source.is_empty() {
        format!(" · {}", text::shorten(&app.source, 28))
    } else {
        String::new()
    };
    let used = text::width(&source) + 9;
    let room = cells.saturating_sub(used);
    let last = text::shorten(&last, room);
    let way: String = crumbs.iter().map(|c| format!("{c} › ")).collect();
    let way_room = room.saturating_sub(text::width(&last));
    let way = if text::width(&way) <= way_room { way } else { text::shorten(&way, way_room) };
    Line::from(vec![
        Span::raw(" "),
        Span::styled("pitot", app.theme.accent.patch(app.theme.strong)),
        Span::styled(source, app.theme.dim),
        Span::raw("  "),
        Span::styled(way, app.theme.dim),
        Span::styled(last, app.theme.strong),
    ])
}

/// `LIVE  08:30–08:45 UTC  15m`
fn time(app: &App) -> Line<'static> {
    let Some(extent) = &app.extent else { return Line::default() };
    let range = app.travel.range(extent);
    let (mark, style) = match app.travel.mark(extent) {
        _ if matches!(app.link, Link::Down { .. }) => ("✗ OFFLINE".to_owned(), app.theme.error),
        Mark::Live => ("● LIVE".to_owned(), app.theme.accent),
        Mark::Latest => ("LATEST DATA".to_owned(), app.theme.warning),
        Mark::Past => ("◀ PAST".to_owned(), app.theme.warning),
        Mark::Frozen(at) => (format!("❚❚ FROZEN {}", number::time(at)), app.theme.warning),
    };
    let is_today = number::date(range.from) == number::date(extent.now);
    let one_day = number::date(range.from) == number::date(range.to);
    let from = match is_today && one_day {
        true => number::minute(range.from),
        false => format!("{} {}", number::date(range.from), number::minute(range.from)),
    };
    let to = if one_day {
        number::minute(range.to)
    } else {
        format!("{} {}", number::date(range.to), number::minute(range.to))
    };
    Line::from(vec![
        Span::styled(mark, style.patch(app.theme.strong)),
        Span::raw(format!("  {from}–{to} ")),
        Span::styled("UTC  ", app.theme.dim),
        Span::raw(app.travel.span.to_string()),
    ])
}

fn tabs(app: &App, cells: usize) -> Line<'static> {
    let open = app.snapshot.status().map_or(0, |s| s.open_anomalies);
    let view = app.drill.top().view;
    let has_room = cells >= 76;
    let mut spans = vec![Span::raw(" ")];
    for (i, tab) in View::TABS.into_iter().enumerate() {
        let is_chosen = view == tab
            || (tab == View::Anomalies && view == View::Explain)
            || (tab == View::Coverage && view == View::Agent);
        let style = if is_chosen { app.theme.chosen } else { app.theme.text };
        spans.push(Span::styled(format!("{}", i + 1), app.theme.dim));
        spans.push(Span::raw(if has_room { " " } else { "" }));
        let title = if has_room { tab.title() } else { tab.short_title() };
        spans.push(Span::styled(if is_chosen { format!("[{title}]") } else { title.to_owned() }, style));
        if tab == View::Anomalies && open > 0 {
            spans.push(Span::styled(format!(" ▲{}", number::count(open)), app.theme.warning));
        }
        spans.push(Span::raw(if has_room { "  " } else { " " }));
    }
    Line::from(spans)
}

fn totals(app: &App, cells: usize) -> Line<'static> {
    let filter = app.scoped_filter();
    let Some(table) = app.snapshot.table(GroupBy::None, &filter) else {
        return Line::from(Span::styled(" …", app.theme.dim));
    };
    let mut parts = Parts::default();
    let mark = if table.coverage.is_full() { "" } else { LOSSY };
    let t = &table.totals;
    let time = app.extent.map_or(table.range.len(), |e| e.covered(table.range));
    let trend = rates(all_points(app.snapshot.series(What::Lines(GroupBy::None), &filter)));
    let strong = app.theme.strong;
    parts.add(255, vec![Span::styled(format!(" {mark}{}", number::rate(t.count, time)), strong)]);
    parts.add(90, vec![Span::styled(spark(&trend, TREND_CELLS.min(trend.len())), app.theme.accent)]);
    parts.pair(100, "total", format!("{mark}{}", number::count(t.count)), strong, app);
    let error_style = error_style(&app.theme, t.error_ratio());
    parts.pair(240, "errors", format!("{mark}{}", number::percent(t.error_ratio())), error_style, app);
    let d = &t.duration_us;
    for (keep, label, us) in [(200, "p50", d.p50), (110, "p90", d.p90), (230, "p99", d.p99), (60, "max", d.max)] {
        let mark = if us.is_some() { mark } else { "" };
        parts.pair(keep, label, format!("{mark}{}", number::micros(us)), strong, app);
    }
    parts.pair(70, "out", format!("{mark}{}", number::bytes(t.response_bytes)), strong, app);
    coverage(app, table, &mut parts);
    data_end(app, table, &mut parts);
    if app.is_outdated() {
        parts.add(250, vec![Span::styled("updating …", app.theme.warning)]);
    }
    parts.fit(cells, 3)
}

fn coverage(app: &App, table: &Table, parts: &mut Parts<'static>) {
    let style = if table.coverage.is_full() { app.theme.strong } else { app.theme.warning };
    parts.pair(220, "seen", number::percent(table.coverage.ratio()), style, app);
}

/// How far the data goes: numbers after it will grow.
fn data_end(app: &App, table: &Table, parts: &mut Parts<'static>) {
    if table.watermark < table.range.to && table.watermark > table.range.from {
        parts.pair(50, "complete to", number::time(table.watermark), app.theme.text, app);
    }
}
