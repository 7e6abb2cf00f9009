//! The latency heat map: full screen with the rate below it, or as a panel of other views.

use pitot_model::api::GroupBy;
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
    let Some(map) = app.snapshot.heat_map(&filter) else { return list::waiting(app, area, buf) };
    if map.columns.iter().flatten().all(|n| *n == 0) {
        return list::empty(app, area, buf);
    }
    let below = take_bottom(&mut area, 3);
    panel(app, area, buf);
    let points = all_points(app.snapshot.series(What::Lines(GroupBy::None), &filter));
    let cells = usize::from(below.width.saturating_sub(AXIS_CELLS));
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

/// A heading with the legend, the map, and its time axis.
pub(super) fn panel(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(map) = app.snapshot.heat_map(&app.scoped_filter()) else { return };
    let title = take_top(&mut area, 1);
    let inner = Rect { width: area.width.saturating_sub(1), ..area };
    let most = Heat { map, theme: &app.theme }.draw(inner, buf);
    let note = format!("░▒▓█ up to {} requests in a cell", number::exact(most));
    heading("Latency over time", if most > 0 { &note } else { "no durations known" }, app, title, buf);
}
