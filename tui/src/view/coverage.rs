//! How much of the truth is on screen: what was read, what was lost and why, and who ships.

use pitot_model::{
    Reason,
    api::{AgentRow, GroupBy},
};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{Parts, heading, lines, list, take_top};
use crate::{
    app::App,
    number,
    rows::plain,
    text,
    widget::{Cell, Column, Grid, bar},
};

const REASONS: usize = 8;
const BAR_CELLS: usize = 20;

pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(table) = app.snapshot.table(GroupBy::None, &app.scoped_filter()) else {
        return list::waiting(app, area, buf);
    };
    let c = &table.coverage;
    let seen = if c.is_full() { app.theme.strong } else { app.theme.warning };
    let mut first = Parts::default();
    first.add(
        255,
        vec![
            Span::raw("  "),
            Span::styled(bar(c.ratio(), BAR_CELLS), app.theme.accent),
            Span::raw(" "),
            Span::styled(number::percent(c.ratio()), seen),
        ],
    );
    first.pair(200, "transactions", number::exact(c.transactions), app.theme.strong, app);
    first.pair(190, "lost", number::exact(c.lost()), seen, app);
    if c.lines_read > 0 || c.packets_read == 0 {
        first.pair(100, "lines read", number::exact(c.lines_read), app.theme.text, app);
    }
    if c.packets_read > 0 {
        first.pair(100, "packets read", number::exact(c.packets_read), app.theme.text, app);
    }
    first.pair(90, "read", number::bytes(c.bytes_read), app.theme.text, app);
    heading("Seen in this range", "", app, take_top(&mut area, 1), buf);
    let width = usize::from(area.width);
    lines(&[first.fit(width, 3)], take_top(&mut area, 2), buf);

    let mut reasons: Vec<(Reason, u64)> = c.reasons.iter().map(|(r, n)| (*r, *n)).collect();
    reasons.sort_by_key(|(r, n)| (!r.is_loss(), std::cmp::Reverse(*n)));
    reasons.truncate(REASONS.min(usize::from(area.height / 2)));
    if !reasons.is_empty() {
        heading("Not in the numbers, or less sharply", "", app, take_top(&mut area, 1), buf);
        let shown: Vec<_> = reasons.iter().map(|&(r, n)| reason(app, r, n, width)).collect();
        lines(&shown, take_top(&mut area, reasons.len() as u16), buf);
        take_top(&mut area, 1);
    }
    lines(&[store(app, width)], take_top(&mut area, 1), buf);
    take_top(&mut area, 1);
    agents(app, area, buf);
}

fn reason(app: &App, r: Reason, n: u64, width: usize) -> Line<'static> {
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

const COLUMNS: [Column; 9] = [
    Column::name("NAME", 16),
    Column::number("LAST SEEN", 10, 240),
    Column::number("BEHIND", 8, 150),
    Column::number("TOTAL", 8, 200),
    Column::number("SEEN", 8, 230),
    Column::number("LOST", 8, 180),
    Column::number("IN FLIGHT", 9, 90),
    Column::number("CLOCK", 9, 100),
    Column::text("PROGRAM", 12, 80),
];

fn agents(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(agents) = app.snapshot.agents() else { return };
    let note = if agents.agents.is_empty() { "none has shipped yet" } else { "since the collector knows them" };
    heading("Agents", note, app, take_top(&mut area, 1), buf);
    let rows: Vec<_> = agents.agents.iter().map(|a| agent(app, a)).collect();
    if !rows.is_empty() {
        let selected = Some(app.drill.top().cursor.index);
        Grid { columns: &COLUMNS, rows: &rows, selected, sorted: None, theme: &app.theme }.draw(area, buf);
    }
}

fn agent(app: &App, a: &AgentRow) -> Vec<Cell> {
    let theme = &app.theme;
    let now = app.snapshot.status().map_or(a.last_seen, |s| s.now);
    let silent = now.since(a.last_seen);
    let seen = if a.coverage.is_full() { theme.text } else { theme.warning };
    let last_seen = if silent.as_secs() > 60 { theme.warning } else { theme.text };
    let behind = if a.watermark > now { "0s".to_owned() } else { number::span(now.since(a.watermark)) };
    vec![
        plain(&a.name, theme.strong),
        Cell::Text(format!("{} ago", number::span(silent)), last_seen),
        Cell::Text(behind, theme.text),
        Cell::Text(number::count(a.coverage.transactions), theme.text),
        Cell::Text(number::percent(a.coverage.ratio()), seen),
        Cell::Text(number::count(a.coverage.lost()), seen),
        Cell::Text(a.gauges.map_or("–".to_owned(), |g| number::count(g.requests_in_flight)), theme.text),
        Cell::Text(format!("{:+}ms", a.clock_offset_ms), theme.dim),
        plain(&a.program, theme.dim),
    ]
}
