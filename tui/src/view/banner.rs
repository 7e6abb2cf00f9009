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
    let Link::Down { why, retry_at, .. } = &app.link else { return None };
    let wait = retry_at.since(app.now).as_secs();
    let retry =
        if app.is_waiting() || wait == 0 { " · trying again".to_owned() } else { format!(" · again in {wait}s") };
    let tail = format!("{retry} · r retries now");
    let head = text::cut(&text::clean(&format!(" ✗ DISCONNECTED {why}")), cells.saturating_sub(text::width(&tail)));
    Some(Line::from(vec![Span::styled(head, app.theme.error), Span::styled(tail, app.theme.text)]))
}

fn refusal(app: &App, cells: usize) -> Option<Line<'static>> {
    let filter = app.scoped_filter();
    let view = app.drill.top().view;
    let main = match view {
        View::Anomalies | View::Explain => What::Anomalies,
        View::HeatMap => What::HeatMap,
        View::Coverage | View::Agent => What::Rows(GroupBy::None),
        _ => What::Rows(app.group()?),
    };
    let why = app.snapshot.refusal(main, &filter)?;
    let shown = text::cut(&text::clean(&format!(" ! not answered: {why}")), cells);
    Some(Line::from(Span::styled(shown, app.theme.warning)))
}

/// `~ LOSSY only 98.2 % seen, 6 tells more: 1,204 line malformed, 33 line too long`
fn loss(app: &App, cells: usize) -> Option<Line<'static>> {
    let coverage = &app.snapshot.table(GroupBy::None, &app.scoped_filter())?.coverage;
    if coverage.is_full() {
        return None;
    }
    let mut reasons: Vec<_> = coverage.reasons.iter().filter(|(r, _)| r.is_loss()).collect();
    reasons.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let mut line = format!(" ~ LOSSY only {} seen, 6 tells more:", number::percent(coverage.ratio()));
    for (i, (reason, n)) in reasons.iter().enumerate() {
        let next =
            format!("{} {} {}", if i == 0 { "" } else { "," }, number::exact(**n), reason.name().replace('_', " "));
        if text::width(&line) + text::width(&next) > cells {
            break;
        }
        line.push_str(&next);
    }
    Some(Line::from(Span::styled(text::cut(&line, cells), app.theme.warning)))
}
