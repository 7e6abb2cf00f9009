//! How much of the truth is on screen: what was read, what was lost and why, and the agents: who lags, loses or is silent.

use std::time::Duration;

use pitot_model::{
    Coverage, Reason,
    api::{AgentRow, AgentState, GroupBy, Trouble},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{Parts, heading, lines, list, take_bottom, take_top};
use crate::{
    app::App,
    number,
    rows::plain,
    text,
    widget::{Cell, Column, Grid, bar},
};

const REASONS: usize = 8;
const BAR_CELLS: usize = 20;
/// Cells of the bar of a spool.
const SPOOL_CELLS: usize = 6;
/// Rows that the agents have before reasons of losses do.
const AGENTS: u16 = 6;

pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(table) = app.snapshot.table(GroupBy::None, &app.scoped_filter()) else {
        return list::waiting(app, area, buf);
    };
    let c = &table.coverage;
    let width = usize::from(area.width);
    heading("Seen in this range", "", app, take_top(&mut area, 1), buf);
    lines(&[seen(app, c, width)], take_top(&mut area, 2), buf);

    let agents = app.agents().len() as u16 + 2;
    let spare = area.height.saturating_sub(agents.min(AGENTS) + 5);
    let reasons = reasons(c, REASONS.min(usize::from(spare)));
    lines(&[store(app, width)], take_bottom(&mut area, 1), buf);
    if !reasons.is_empty() {
        let mut part = take_bottom(&mut area, reasons.len() as u16 + 2);
        heading("Not in the numbers, or less sharply", "", app, take_top(&mut part, 1), buf);
        let shown: Vec<_> = reasons.iter().map(|&(r, n)| reason(app, r, n, width)).collect();
        lines(&shown, part, buf);
    }
    take_bottom(&mut area, 1);
    fleet(app, area, buf);
}

/// `██████▋ 98.1 %   transactions 369,178   lost 7,217 …`.
pub(super) fn seen(app: &App, c: &Coverage, width: usize) -> Line<'static> {
    let style = if c.is_full() { app.theme.strong } else { app.theme.warning };
    let mut first = Parts::default();
    first.add(
        255,
        vec![
            Span::raw("  "),
            Span::styled(bar(c.ratio(), BAR_CELLS), app.theme.accent),
            Span::raw(" "),
            Span::styled(number::percent(c.ratio()), style),
        ],
    );
    first.pair(200, "transactions", number::exact(c.transactions), app.theme.strong, app);
    first.pair(190, "lost", number::exact(c.lost()), style, app);
    if c.lines_read > 0 || c.packets_read == 0 {
        first.pair(100, "lines read", number::exact(c.lines_read), app.theme.text, app);
    }
    if c.packets_read > 0 {
        first.pair(100, "packets read", number::exact(c.packets_read), app.theme.text, app);
    }
    first.pair(90, "read", number::bytes(c.bytes_read), app.theme.text, app);
    first.fit(width, 3)
}

/// The reasons that cost most, then those that cost nothing.
pub(super) fn reasons(c: &Coverage, limit: usize) -> Vec<(Reason, u64)> {
    let mut reasons: Vec<(Reason, u64)> = c.reasons.iter().map(|(r, n)| (*r, *n)).collect();
    reasons.sort_by_key(|(r, n)| (!r.is_loss(), std::cmp::Reverse(*n)));
    reasons.truncate(limit);
    reasons
}

pub(super) fn reason(app: &App, r: Reason, n: u64, width: usize) -> Line<'static> {
    let (sign, style) = if r.is_loss() { ("lost ", app.theme.warning) } else { ("noted", app.theme.dim) };
    let head = format!("  {sign}  {:>12}  {:<20}", number::exact(n), r.name().replace('_', " "));
    let help = text::cut(r.help().trim(), width.saturating_sub(text::width(&head) + 2));
    Line::from(vec![Span::styled(head, style), Span::styled(format!(" {help}"), app.theme.dim)])
}

fn store(app: &App, width: usize) -> Line<'static> {
    let Some(status) = app.snapshot.status() else { return Line::default() };
    let mut parts = Parts::default();
    parts.add(255, vec![Span::raw("  "), Span::styled("Collector", app.theme.strong)]);
    parts.pair(90, "version", text::clean(&status.version), app.theme.text, app);
    parts.pair(100, "up", number::span(status.now.since(status.started)), app.theme.text, app);
    parts.pair(150, "windows", number::count(status.store.windows), app.theme.text, app);
    if status.store.disk_bytes > 0 {
        parts.pair(140, "disk", number::bytes(status.store.disk_bytes), app.theme.text, app);
    }
    if let (Some(oldest), Some(newest)) = (status.store.oldest, status.store.newest) {
        let held = format!("{} – {} UTC", number::moment(oldest), number::moment(newest));
        parts.pair(160, "holds", held, app.theme.text, app);
    }
    parts.fit(width.saturating_sub(1), 3)
}

const COLUMNS: [Column; 13] = [
    Column::text("", 1, 250),
    Column::name("AGENT", 12),
    Column::text("STATE", 7, 245),
    Column::number("SEEN", 6, 240),
    Column::number("LAG", 6, 200),
    Column::text("SPOOL", 13, 220),
    Column::number("SOURCES", 7, 125),
    Column::number("READ", 11, 128),
    Column::number("LOST", 7, 230),
    Column::text("MOSTLY", 18, 122),
    Column::number("REFUSED", 7, 124),
    Column::number("CLOCK", 12, 123),
    Column::text("VERSION", 12, 80),
];

fn fleet(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(agents) = app.snapshot.agents() else { return };
    let states = [AgentState::Live, AgentState::Silent, AgentState::Stopped];
    let states = states.into_iter().map(|s| (agents.count(s), s.name())).filter(|(n, _)| *n > 0);
    let note = states.map(|(n, name)| format!("{n} {name}")).collect::<Vec<_>>().join(", ");
    let note = if note.is_empty() { "none has shipped yet" } else { &note };
    heading("Agents", note, app, take_top(&mut area, 1), buf);
    let rows: Vec<_> = app.agents().into_iter().map(|a| row(app, a)).collect();
    if !rows.is_empty() {
        let selected = Some(app.drill.top().cursor.index);
        Grid { columns: &COLUMNS, rows: &rows, selected, sorted: None, theme: &app.theme }.draw(area, buf);
    }
}

fn row(app: &App, a: &AgentRow) -> Vec<Cell> {
    let theme = &app.theme;
    let now = app.snapshot.status().map_or(a.last_seen, |s| s.now);
    let warn_if = |is_so: bool| if is_so { theme.warning } else { theme.text };
    let (sign, style) = sign(app, a);
    let state = match a.state {
        AgentState::Live => theme.text,
        AgentState::Stopped => theme.dim,
        AgentState::Silent => theme.error,
    };
    let lost = warn_if(!a.coverage.is_full());
    let mostly = a.coverage.worst().map_or(String::new(), |(r, _)| r.name().replace('_', " "));
    let is_filling = a.spool_share() >= AgentRow::SPOOL_FILLING;
    let read = match (a.coverage.lines_read, a.coverage.packets_read) {
        (0, packets) if packets > 0 => format!("{} pkts", number::count(packets)),
        (lines, _) => format!("{} lines", number::count(lines)),
    };
    vec![
        Cell::Text(sign.to_owned(), style),
        plain(&a.name, theme.strong),
        Cell::Text(a.state.name().to_owned(), state),
        Cell::Text(number::span(now.since(a.last_seen)), state),
        Cell::Text(lag(a), warn_if(a.lag_ms > AgentRow::LAGGING_MS)),
        Cell::Text(spool(a, SPOOL_CELLS), warn_if(is_filling)),
        Cell::Text(sources(a), warn_if(a.backlog.is_some_and(|b| b.broken_sources > 0))),
        Cell::Text(read, theme.text),
        Cell::Text(number::count(a.coverage.lost()), lost),
        Cell::Text(mostly, lost),
        Cell::Text(number::count(a.refused_reports), warn_if(a.refused_reports > 0)),
        Cell::Text(clock(a), warn_if(a.clock_offset_ms.unsigned_abs() > AgentRow::CLOCK_OFF_MS)),
        plain(&a.program, theme.dim),
    ]
}

/// How an agent is, in one sign that says the same as its colour.
pub(super) fn sign(app: &App, a: &AgentRow) -> (&'static str, Style) {
    match (a.trouble(), a.state) {
        (Some(Trouble::Silent), _) => ("▲", app.theme.error),
        (Some(Trouble::Lossy), _) => ("~", app.theme.warning),
        (Some(_), _) => ("▲", app.theme.warning),
        (None, AgentState::Stopped) => ("○", app.theme.dim),
        (None, _) => ("●", app.theme.text),
    }
}

/// How old what it shipped last was.
pub(super) fn lag(a: &AgentRow) -> String {
    match a.lag_ms {
        ms @ 0..10_000 => format!("{:.1}s", ms as f64 / 1000.0),
        ms => number::span(Duration::from_millis(ms)),
    }
}

/// A bar and how full it is; a dash where nothing is told.
pub(super) fn spool(a: &AgentRow, cells: usize) -> String {
    if a.backlog.is_none() {
        return number::NOTHING.to_owned();
    }
    let drawn = bar(a.spool_share(), cells).replace(' ', "·");
    format!("{drawn} {}", number::percent(a.spool_share()))
}

fn sources(a: &AgentRow) -> String {
    match a.backlog {
        None => number::NOTHING.to_owned(),
        Some(b) if b.broken_sources > 0 => format!("{} of {}", b.sources.saturating_sub(b.broken_sources), b.sources),
        Some(b) => b.sources.to_string(),
    }
}

/// `7s ahead`; empty where it is as good as right.
pub(super) fn clock(a: &AgentRow) -> String {
    let off = a.clock_offset_ms.unsigned_abs();
    let way = if a.clock_offset_ms < 0 { "behind" } else { "ahead" };
    if off > AgentRow::CLOCK_SHOWN_MS {
        format!("{} {way}", number::span(Duration::from_millis(off)))
    } else {
        String::new()
    }
}
