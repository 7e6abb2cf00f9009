//! All about one part of the traffic: percentiles, statuses, trends, a heat map, and the next thing to go into.

use pitot_model::api::{GroupBy, Totals};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{Parts, heading, heat, lines, list, take_bottom, take_top};
use crate::{
    app::App,
    drill::next_group,
    event::What,
    number,
    rows::{self, LOSSY, Traffic, all_points, error_ratios, rates, slowest, statuses},
    widget::{Grid, bar, spark},
};

/// Cells of the longest status that is no gRPC code.
const STATUS_CELLS: usize = 9;

/// Statuses with a bar.
const STATUSES: usize = 4;
const BAR_CELLS: usize = 12;
const LABEL_CELLS: u16 = 10;
/// Rows of the table that come before the heat map.
const ROWS_FIRST: u16 = 10;
/// Rows of a heat map that is worth its place.
const HEAT_ROWS: u16 = 8;

pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(table) = app.snapshot.table(GroupBy::None, &app.scoped_filter()) else {
        return list::waiting(app, area, buf);
    };
    if table.totals.count == 0 {
        return list::empty(app, area, buf);
    }
    let mark = if table.coverage.is_full() { "" } else { LOSSY };
    lines(&[quantiles(app, &table.totals, mark, area)], take_top(&mut area, 1), buf);
    take_top(&mut area, 1);
    let both = take_top(&mut area, 1 + STATUSES as u16);
    let left = Rect { width: both.width * 2 / 5, ..both };
    let right = Rect { x: left.right() + 2, width: both.width.saturating_sub(left.width + 3), ..both };
    status_mix(app, &table.totals, mark, left, buf);
    trends(app, right, buf);
    take_top(&mut area, 1);
    let by = next_group(&app.drill.scope());
    let traffic = rows::traffic(app, by);
    let rows = traffic.as_ref().map_or(0, |t| t.rows.len() as u16).clamp(1, ROWS_FIRST) + 3;
    let spare = area.height.saturating_sub(rows);
    if spare >= HEAT_ROWS {
        let part = take_bottom(&mut area, spare);
        heat::panel(app, part, buf);
        take_bottom(&mut area, 1);
    }
    if let Some(traffic) = traffic {
        next(app, by, &traffic, area, buf);
    }
}

fn quantiles(app: &App, t: &Totals, mark: &str, area: Rect) -> Line<'static> {
    let d = &t.duration_us;
    let mean = d.mean.map(|m| m.round() as u64);
    let mut parts = Parts::default();
    for (keep, label, us) in [
        (90, "min", d.min),
        (200, "p50", d.p50),
        (80, "p75", d.p75),
        (150, "p90", d.p90),
        (120, "p95", d.p95),
        (220, "p99", d.p99),
        (110, "p99.9", d.p999),
        (140, "max", d.max),
        (70, "mean", mean),
        (60, "first byte p99", t.ttfb_us.p99),
    ] {
        if us.is_some() {
            parts.pair(keep, label, format!("{mark}{}", number::micros(us)), app.theme.strong, app);
        }
    }
    if d.n < t.count {
        let known = format!("{mark}{}", number::percent(d.n as f64 / t.count as f64));
        parts.pair(210, "durations known of", known, app.theme.warning, app);
    }
    let mut line = parts.fit(usize::from(area.width).saturating_sub(3), 3);
    line.spans.insert(0, Span::raw("  "));
    line
}

fn status_mix(app: &App, t: &Totals, mark: &str, mut area: Rect, buf: &mut Buffer) {
    let all = statuses(t);
    let more = all.len().saturating_sub(STATUSES);
    let note = if more > 0 { format!("and {more} more") } else { String::new() };
    heading("Statuses", &note, app, take_top(&mut area, 1), buf);
    let names: Vec<_> = all.iter().take(STATUSES).map(|(status, _)| status.to_string()).collect();
    let width = names.iter().map(String::len).max().unwrap_or_default().max(STATUS_CELLS);
    let shown = all.iter().zip(&names).map(|((status, n), name)| {
        let share = *n as f64 / t.count.max(1) as f64;
        let style = if status.is_server_error() { app.theme.error } else { app.theme.accent };
        Line::from(vec![
            Span::raw(format!("  {name:>width$} ")),
            Span::styled(bar(share, BAR_CELLS), style),
            Span::raw(format!(" {mark}{}", number::percent(share))),
        ])
    });
    lines(&shown.collect::<Vec<_>>(), area, buf);
}

fn trends(app: &App, mut area: Rect, buf: &mut Buffer) {
    let series = app.snapshot.series(What::Lines(GroupBy::None), &app.scoped_filter());
    heading("Trends", "peaks at the right", app, take_top(&mut area, 1), buf);
    let points = all_points(series);
    let seconds = series.map_or(1.0, |s| s.step_ms.max(1) as f64 / 1000.0);
    let per_second = |n: f64| number::value(n / seconds, "1/s");
    let micros = |us: f64| number::micros(Some(us as u64));
    let errors = error_ratios(points);
    trend(app, "rate", &rates(points), app.theme.accent, per_second, take_top(&mut area, 1), buf);
    trend(app, "errors", &errors, app.theme.error, number::percent, take_top(&mut area, 1), buf);
    trend(app, "p99", &slowest(points), app.theme.accent, micros, take_top(&mut area, 1), buf);
    let median: Vec<_> = points.iter().map(|p| p.p50_us.map(|us| us as f64)).collect();
    trend(app, "p50", &median, app.theme.accent, micros, take_top(&mut area, 1), buf);
}

/// A label, a sparkline and its greatest value.
fn trend(
    app: &App,
    label: &str,
    values: &[Option<f64>],
    style: Style,
    show: impl Fn(f64) -> String,
    area: Rect,
    buf: &mut Buffer,
) {
    let cells = usize::from(area.width.saturating_sub(LABEL_CELLS + 10));
    let peak = values.iter().copied().flatten().reduce(f64::max);
    let style = if peak.is_some_and(|p| p > 0.0) { style } else { app.theme.dim };
    let line = Line::from(vec![
        Span::styled(format!("  {label:<7}"), app.theme.dim),
        Span::styled(spark(values, cells), style),
        Span::raw(format!(" {}", peak.map_or_else(|| number::NOTHING.to_owned(), show))),
    ]);
    lines(&[line], area, buf);
}

/// The consumers of a route, the routes of a consumer.
fn next(app: &App, by: GroupBy, traffic: &Traffic, mut area: Rect, buf: &mut Buffer) {
    let title = match by {
        GroupBy::Route => "Routes",
        GroupBy::Consumer => "Consumers",
        _ => "Versions",
    };
    heading(title, "Enter opens", app, take_top(&mut area, 1), buf);
    let grid = Grid {
        columns: &traffic.columns,
        rows: &traffic.rows,
        selected: Some(app.drill.top().cursor.index),
        sorted: Some(traffic.sorted),
        theme: &app.theme,
    };
    grid.draw(area, buf);
}
