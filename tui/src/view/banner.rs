//! Lines below the totals that are only there when something is to be known. In: the state. Out: lines.

use pitot_model::api::GroupBy;
use ratatui::text::{Line, Span};

use crate::{
    app::{App, Link, Mode},
    drill::View,
    event::What,
    number, text,
};

/// The filter, a lost collector, a refusal, missing data: in this order.
pub(super) fn lines(app: &App, cells: usize) -> Vec<Line<'static>> {
    [filter(app, cells), disconnected(app, cells), refusal(app, cells), loss(app, cells)]
        .into_iter()
        .flatten()
        .collect()
}

fn filter(app: &App, cells: usize) -> Option<Line<'static>> {
    if app.filter.is_empty() || matches!(app.mode, Mode::Filter(_)) {
        return None;
    }
    let shown = text::cut(&text::clean(&app.filter), cells.saturating_sub(9));
    Some(Line::from(vec![Span::styled(" filter ", app.theme.dim), Span::styled(shown, app.theme.accent)]))
}

fn disconnected(app: &App, cells: usize) -> Option<Line<'static>> {
    let Link::Down { reason, retry_at, .. } = &app.link else { return None };
    let wait = retry_at.since(app.now).as_secs();
    let retry =
        if app.is_waiting() || wait == 0 { " · trying again".to_owned() } else { format!(" · again in {wait}s") };
    let kept = if app.extent.is_some() { " · old data" } else { "" };
    let tail = format!("{kept}{retry} · r now");
    let head = text::cut(&text::clean(&format!(" ✗ DISCONNECTED {reason}")), cells.saturating_sub(text::width(&tail)));
    Some(Line::from(vec![Span::styled(head, app.theme.error), Span::styled(tail, app.theme.text)]))
}

fn refusal(app: &App, cells: usize) -> Option<Line<'static>> {
    let filter = app.scoped_filter();
    let view = app.drill.top().view;
    let main = match view {
        View::Anomalies | View::Explain => What::Anomalies,
        View::HeatMap => What::HeatMap,
        View::Coverage => What::Rows(GroupBy::None),
        _ => What::Rows(app.group()?),
    };
    let why = app.snapshot.refusal(main, &filter)?;
    let shown = text::cut(&text::clean(&format!(" ! not answered: {why}")), cells);
    Some(Line::from(Span::styled(shown, app.theme.warning)))
}

/// `~ 98.2 % seen: 1,204 line_malformed, 33 line_too_long · 6 tells more`
fn loss(app: &App, cells: usize) -> Option<Line<'static>> {
    let coverage = &app.snapshot.table(GroupBy::None, &app.scoped_filter())?.coverage;
    if coverage.is_full() {
        return None;
    }
    let mut reasons: Vec<_> = coverage.reasons.iter().filter(|(r, _)| r.is_loss()).collect();
    reasons.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let top: Vec<String> =
        reasons.iter().take(3).map(|(r, n)| format!("{} {}", number::exact(**n), r.name().replace('_', " "))).collect();
    let seen = number::percent(coverage.ratio());
    let line = format!(" ~ LOSSY only {seen} seen: {} · 6 tells more", top.join(", "));
    Some(Line::from(Span::styled(text::cut(&line, cells), app.theme.warning)))
}
