//! One agent in full: what waits in it, what it read and lost, by reason and over time. In: its row and its coverage in
//! the range on screen. Out: cells.

use pitot_model::{
    Coverage,
    api::{AgentRow, AgentState, CoverageAnswer},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{
    Parts,
    coverage::{clock, lag, reason, reasons, seen, sign, spool},
    heading, lines, list, take_bottom, take_top,
};
use crate::{
    app::App,
    drill::Focus,
    number, text,
    widget::{AXIS_CELLS, spark, time_axis},
};

const SPOOL_CELLS: usize = 20;
/// Rows of what is over time, with its heading and axis.
const OVER_TIME: u16 = 5;

pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(a) = app.agent() else {
        if app.snapshot.agents().is_none() {
            return list::waiting(app, area, buf);
        }
        let said = "  The collector knows no agent of this name any more; Esc goes back.";
        return lines(&[Line::default(), Line::from(said)], area, buf);
    };
    let width = usize::from(area.width);
    let said = about(app, a, width);
    lines(&said, take_top(&mut area, said.len() as u16 + 1), buf);
    let Some(Focus::Agent(name)) = &app.drill.top().focus else { return };
    let Some(answer) = app.snapshot.coverage(name) else { return };
    let Some(mine) = answer.agents.iter().find(|c| c.name == *name) else {
        return heading("Nothing came of it in this range", "+ shows a longer one", app, area, buf);
    };
    let chart = if area.height > OVER_TIME + 4 { take_bottom(&mut area, OVER_TIME) } else { Rect::ZERO };
    heading("Read and lost in this range", "", app, take_top(&mut area, 1), buf);
    lines(&[seen(app, &mine.total, width)], take_top(&mut area, 1), buf);
    let reasons = reasons(&mine.total, usize::from(area.height));
    let shown: Vec<_> = reasons.iter().map(|&(r, n)| reason(app, r, n, width)).collect();
    lines(&shown, area, buf);
    over_time(app, answer, chart, buf);
}

/// What it says about itself.
fn about(app: &App, a: &AgentRow, width: usize) -> Vec<Line<'static>> {
    let theme = &app.theme;
    let now = app.snapshot.status().map_or(a.last_seen, |s| s.now);
    let warn_if = |is_so: bool| if is_so { theme.warning } else { theme.text };
    let (sign, style) = sign(app, a);
    let state = if a.state == AgentState::Silent { theme.error } else { theme.strong };
    let mut first = Parts::default();
    first.add(255, vec![Span::styled(format!("  {sign} "), style), Span::styled(a.state.name(), state)]);
    first.pair(240, "seen", format!("{} ago", number::span(now.since(a.last_seen))), state, app);
    first.pair(230, "lag", lag(a), warn_if(a.lag_ms > AgentRow::LAGGING_MS), app);
    first.pair(200, "complete until", format!("{} ago", number::span(now.since(a.watermark))), theme.text, app);
    let is_off = a.clock_offset_ms.unsigned_abs() > AgentRow::CLOCK_OFF_MS;
    let clock = clock(a);
    first.pair(220, "clock", if clock.is_empty() { "right".to_owned() } else { clock }, warn_if(is_off), app);
    first.pair(90, "report", number::exact(a.sequence), theme.dim, app);
    first.pair(100, "version", text::clean(&a.program), theme.dim, app);
    let mut said = vec![first.fit(width, 3)];
    if let Some(b) = a.backlog {
        let mut spooled = Parts::default();
        let is_filling = a.spool_share() >= AgentRow::SPOOL_FILLING;
        let drawn = Span::styled(spool(a, SPOOL_CELLS), warn_if(is_filling));
        spooled.add(255, vec![Span::styled("  spool ", theme.dim), drawn]);
        let held = format!("{} of {}", number::bytes(b.spool_bytes), number::bytes(b.spool_limit_bytes));
        spooled.pair(240, "holds", held, theme.text, app);
        spooled.pair(230, "reports", number::exact(b.spool_reports), theme.text, app);
        if let Some(oldest) = b.oldest {
            spooled.pair(220, "oldest", format!("{} old", number::span(a.last_seen.since(oldest))), theme.text, app);
        }
        let mut read = Parts::default();
        read.add(255, vec![Span::styled("  sources ", theme.dim), Span::raw(b.sources.to_string())]);
        if b.broken_sources > 0 {
            read.pair(250, "cannot be read", b.broken_sources.to_string(), theme.warning, app);
        }
        read.pair(240, "not read yet", number::bytes(b.unread_bytes), theme.text, app);
        if let Some(g) = a.gauges {
            read.pair(200, "in flight", number::exact(g.requests_in_flight), theme.text, app);
            read.pair(190, "connections", number::exact(g.connections), theme.text, app);
        }
        said.extend([spooled.fit(width, 3), read.fit(width, 3)]);
    }
    if a.refused_reports > 0 {
        let why = format!("  refused {} reports: {}", number::exact(a.refused_reports), text::clean(&a.refusal));
        said.push(Line::from(Span::styled(text::cut(&why, width - 1), theme.warning)));
    }
    said
}

/// Transactions and losses, step by step.
fn over_time(app: &App, answer: &CoverageAnswer, mut area: Rect, buf: &mut Buffer) {
    if area.height < OVER_TIME {
        return;
    }
    heading("Over time", "", app, take_top(&mut area, 1), buf);
    let cells = usize::from(area.width.saturating_sub(AXIS_CELLS + 1));
    let chart = Rect { x: area.x + AXIS_CELLS, width: cells as u16, ..area };
    let read = steps(answer, |c| c.transactions);
    let lost = steps(answer, Coverage::lost);
    let kinds = [("read", read, app.theme.accent), ("lost", lost, app.theme.error)];
    for ((label, values, style), y) in kinds.into_iter().zip(area.y..area.bottom()) {
        buf.set_stringn(area.x, y, format!("{label:>7}"), 9, app.theme.dim);
        buf.set_stringn(chart.x, y, spark(&values, cells), cells, style);
    }
    time_axis(answer.range, Rect { y: area.y + 2, height: 1, ..chart }, &app.theme, buf);
}

/// A value for each step; steps without anything have none, and one that is 0 has no place among losses.
fn steps(answer: &CoverageAnswer, value: fn(&Coverage) -> u64) -> Vec<Option<f64>> {
    /// More steps than any screen has columns.
    const MOST: u128 = 4_096;
    let step = u128::from(answer.step_ms.max(1));
    let n = answer.range.len().as_millis().div_ceil(step).min(MOST) as usize;
    let mut values = vec![None; n];
    for interval in answer.agents.iter().flat_map(|a| &a.intervals) {
        let at = interval.at.since(answer.range.from).as_millis() / step;
        if let Some(slot) = usize::try_from(at).ok().and_then(|at| values.get_mut(at)) {
            *slot = Some(value(&interval.coverage) as f64).filter(|v| *v > 0.0);
        }
    }
    values
}
