//! The latency heat map: full screen with the rate below it, or as a panel of other views.

use pitot_model::api::{GroupBy, HeatMap};
use ratatui::{buffer::Buffer, layout::Rect};

use super::{heading, list, take_bottom, take_top};
use crate::{
    app::App,
    event::What,
    number,
    rows::{all_points, error_ratios, rates},
    widget::{AXIS_CELLS, Heat, spark},
};

/// The view.
pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let filter = app.scoped_filter();
    let Some(map) = app.snapshot.heat_map(What::HeatMap, &filter) else { return list::waiting(app, area, buf) };
    if map.columns.iter().flatten().all(|n| *n == 0) {
        return list::empty(app, area, buf);
    }
    let below = take_bottom(&mut area, 3);
    panel(app, area, buf);
    let points = all_points(app.snapshot.series(What::Lines(GroupBy::None), &filter));
    let cells = usize::from(below.width.saturating_sub(AXIS_CELLS + 1));
    let ratios = error_ratios(points);
    let (errors, no_errors) = (ratios.iter().flatten().any(|r| *r > 0.0), vec![Some(0.0); points.len()]);
    for (y, label, values, style) in [
        (1, "rate", rates(points), app.theme.accent),
        (2, "errors", if errors { ratios } else { no_errors }, if errors { app.theme.error } else { app.theme.dim }),
    ] {
        if y < below.height {
            buf.set_stringn(below.x, below.y + y, format!("{label:>7}"), cells, app.theme.dim);
            buf.set_stringn(below.x + AXIS_CELLS, below.y + y, spark(&values, cells), cells, style);
        }
    }
}

/// The map of the present scope as a panel.
pub(super) fn panel(app: &App, area: Rect, buf: &mut Buffer) {
    if let Some(map) = app.snapshot.heat_map(What::HeatMap, &app.scoped_filter()) {
        panel_of(app, map, "Latency over time", area, buf);
    }
}

/// A heading with the legend, a map, and its time axis.
pub(super) fn panel_of(app: &App, map: &HeatMap, title: &str, mut area: Rect, buf: &mut Buffer) {
    let top = take_top(&mut area, 1);
    let inner = Rect { width: area.width.saturating_sub(1), ..area };
    let most = Heat { map, theme: &app.theme }.draw(inner, buf);
    let note = format!("░▒▓█ up to {} requests in a cell", number::exact(most));
    heading(title, if most > 0 { &note } else { "no durations known" }, app, top, buf);
}
