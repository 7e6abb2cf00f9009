//! Anomalies: the list with the selected one below it, and one of them in full. In: the page of anomalies. Out: cells.

use pitot_model::api::{Anomaly, State};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{Parts, heading, heat, lines, list, take_bottom, take_top};
use crate::{
    app::App,
    drill::full_name,
    event::What,
    number,
    rows::{all_points, error_ratios, rates, severity_style, slowest},
    text,
    widget::{AXIS_CELLS, Cell, Column, Grid, bar, spark, time_axis},
};

const BAR_CELLS: usize = 10;
/// Rows of the pane below the list.
const PANE_ROWS: u16 = 9;
/// Rows of one anomaly's text, apart from its carriers.
const TEXT_ROWS: u16 = 7;
/// Rows of a heat map that is worth its place.
const HEAT_ROWS: u16 = 8;

/// The list, and the selected one below it where there is room.
pub(super) fn draw(app: &App, mut area: Rect, buf: &mut Buffer) {
    let filter = app.scoped_filter();
    if app.snapshot.anomalies(&filter).is_none() {
        return list::waiting(app, area, buf);
    }
    let all = app.anomalies();
    if all.is_empty() {
        let said = ["", "  No anomalies in this range.", "", "  + shows a longer range, [ goes back in time"];
        let said: Vec<_> = said.into_iter().map(|s| Line::from(Span::styled(s, app.theme.text))).collect();
        return lines(&said, area, buf);
    }
    let selected = app.drill.top().cursor.index;
    if area.height >= PANE_ROWS + 6 {
        let rows = PANE_ROWS.max(area.height.saturating_sub(all.len() as u16 + 2).min(PANE_ROWS + 8));
        let mut pane = take_bottom(&mut area, rows);
        take_top(&mut pane, 1);
        if let Some(anomaly) = all.get(selected) {
            body(app, anomaly, pane, buf);
        }
    }
    let rows: Vec<_> = all.iter().map(|a| row(app, a)).collect();
    Grid { columns: &COLUMNS, rows: &rows, selected: Some(selected), sorted: None, theme: &app.theme }.draw(area, buf);
}

/// One anomaly in full.
pub(super) fn explain(app: &App, mut area: Rect, buf: &mut Buffer) {
    let Some(anomaly) = app.explained() else {
        let said = "  This anomaly is not in this range; + shows a longer one, Esc goes back.";
        return lines(&[Line::default(), Line::from(said)], area, buf);
    };
    if anomaly.subject.agent.is_some() {
        body(app, anomaly, take_top(&mut area, TEXT_ROWS), buf);
        return lines(
            &[Line::from("  Its traffic is not in the numbers since then; Enter goes to the agent.")],
            area,
            buf,
        );
    }
    let mut chart = take_bottom(&mut area, 6);
    let carriers = anomaly.explanation.as_ref().map_or(0, |e| e.carriers.len() as u16);
    let spare = area.height.saturating_sub(TEXT_ROWS + carriers);
    if spare >= HEAT_ROWS
        && let Some(map) = app.snapshot.heat_map(What::AroundHeat, &anomaly.id)
    {
        let part = take_bottom(&mut area, spare);
        heat::panel_of(app, map, "Latency around it", Rect { height: spare - 1, ..part }, buf);
    }
    body(app, anomaly, area, buf);
    heading("Around it", "Enter goes to the traffic at that time", app, take_top(&mut chart, 1), buf);
    around(app, anomaly, chart, buf);
}

/// One line for other views: `▲ critical  12m  title`.
pub(super) fn line(app: &App, a: &Anomaly, cells: usize) -> Line<'static> {
    let head = format!("  {} {:<9}{:>8}  ", sign(a), a.severity.name(), lasted(app, a));
    let title = text::cut(&text::clean(&a.title), cells.saturating_sub(text::width(&head) + 1));
    Line::from(vec![Span::styled(head, severity_style(&app.theme, a.severity)), Span::raw(title)])
}

const COLUMNS: [Column; 7] = [
    Column::text("STATE", 6, 240),
    Column::text("SEVERITY", 8, 200),
    Column::text("KIND", 12, 120),
    Column::text("START UTC", 14, 180),
    Column::number("LASTED", 7, 190),
    Column::number("AFFECTED", 8, 100),
    Column { max: 200, ..Column::name("WHAT", 32) },
];

fn row(app: &App, a: &Anomaly) -> Vec<Cell> {
    let theme = &app.theme;
    let style = if a.state == State::Open { severity_style(theme, a.severity) } else { theme.dim };
    let state = if a.state == State::Open { "▲ open" } else { "✓ over" };
    vec![
        Cell::Text(state.to_owned(), style),
        Cell::Text(a.severity.name().to_owned(), style),
        Cell::Text(a.kind.name().replace('_', " "), theme.text),
        Cell::Text(number::moment(a.start), theme.dim),
        Cell::Text(lasted(app, a), theme.text),
        Cell::Text(number::count(a.affected), theme.text),
        Cell::Sentence(text::clean(&a.title), if a.state == State::Open { theme.strong } else { theme.text }),
    ]
}

fn sign(a: &Anomaly) -> &'static str {
    if a.state == State::Open { "▲" } else { "✓" }
}

fn lasted(app: &App, a: &Anomaly) -> String {
    let end = a.end.or(app.extent.map(|e| e.edge)).unwrap_or(a.updated);
    number::span(end.since(a.start))
}

/// Title, numbers and carriers.
fn body(app: &App, a: &Anomaly, mut area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width).saturating_sub(3);
    let title = text::wrap(&text::clean(&a.title), width.saturating_sub(2), 2);
    let style = severity_style(&app.theme, a.severity).patch(app.theme.strong);
    for (i, title) in title.iter().enumerate() {
        let head = if i == 0 { format!("  {} ", sign(a)) } else { "    ".to_owned() };
        let line = Line::from(vec![Span::styled(head, style), Span::styled(title.clone(), app.theme.strong)]);
        lines(&[line], take_top(&mut area, 1), buf);
    }
    let mut about = Parts::default();
    about.pair(200, "about", text::shorten(&full_name(&a.subject), width / 2), app.theme.text, app);
    let (label, when) = match a.end {
        None => ("since", number::moment(a.start)),
        Some(end) => ("from", format!("{} to {}", number::moment(a.start), number::moment(end))),
    };
    about.pair(150, label, format!("{when} UTC"), app.theme.text, app);
    let mut seen = Parts::default();
    seen.pair(250, "expected", number::value(a.expected, &a.unit), app.theme.strong, app);
    seen.pair(250, "observed", number::value(a.observed, &a.unit), style, app);
    if a.subject.agent.is_none() {
        seen.pair(200, "affected", number::exact(a.affected), app.theme.strong, app);
    }
    seen.pair(100, "score", format!("{:.1}", a.score), app.theme.text, app);
    seen.pair(120, "severity", a.severity.name().to_owned(), style, app);
    for parts in [about, seen] {
        let mut line = parts.fit(width, 3);
        line.spans.insert(0, Span::raw("  "));
        lines(&[line], take_top(&mut area, 1), buf);
    }
    take_top(&mut area, 1);
    if a.subject.agent.is_none() {
        carriers(app, a, area, buf);
    }
}

/// Who and what carries the change, with a bar for each share.
fn carriers(app: &App, a: &Anomaly, mut area: Rect, buf: &mut Buffer) {
    let all = a.explanation.as_ref().map_or(&[][..], |e| &e.carriers);
    let title = take_top(&mut area, 1);
    if all.is_empty() {
        return heading("Carried by", "no explanation: no part stands out", app, title, buf);
    }
    heading("Carried by", "share of the change, and the number without it", app, title, buf);
    let room = usize::from(area.width).saturating_sub(BAR_CELLS + 32);
    let shown = all.iter().map(|c| {
        let name = text::shorten(&full_name(&c.key), room);
        let pad = " ".repeat(room.min(48).saturating_sub(text::width(&name)));
        let without = c.without.map_or(String::new(), |w| format!("  without it {}", number::value(w, &a.unit)));
        Line::from(vec![
            Span::raw("  "),
            Span::styled(bar(c.share, BAR_CELLS), app.theme.accent),
            Span::styled(format!(" {:>7}  ", number::percent(c.share)), app.theme.strong),
            Span::raw(format!("{name}{pad}")),
            Span::styled(without, app.theme.dim),
        ])
    });
    lines(&shown.collect::<Vec<_>>(), area, buf);
}

/// The traffic of the subject before, in and after it.
fn around(app: &App, a: &Anomaly, area: Rect, buf: &mut Buffer) {
    let Some(series) = app.snapshot.series(What::Around, &a.id) else { return };
    let points = all_points(Some(series));
    let cells = usize::from(area.width.saturating_sub(AXIS_CELLS + 1));
    let chart = Rect { x: area.x + AXIS_CELLS, width: cells as u16, ..area };
    let kinds = [
        ("rate", rates(points), app.theme.accent),
        ("errors", error_ratios(points), app.theme.error),
        ("p99", slowest(points), app.theme.accent),
    ];
    for ((label, values, style), y) in kinds.into_iter().zip(area.y..area.bottom()) {
        buf.set_stringn(area.x, y, format!("{label:>7}"), 9, app.theme.dim);
        buf.set_stringn(chart.x, y, spark(&values, cells), cells, style);
    }
    if area.height >= 5 {
        let length = series.range.len().as_secs_f64().max(1.0);
        let at = |t: pitot_model::Timestamp| {
            let share = t.since(series.range.from).as_secs_f64() / length;
            ((share * cells as f64) as usize).min(cells.saturating_sub(1))
        };
        let (start, end) = (at(a.start), at(a.end.unwrap_or(series.range.to)));
        let under = format!("{}{}", " ".repeat(start), "▔".repeat(end.saturating_sub(start).max(1)));
        buf.set_stringn(area.x, area.y + 3, format!("{:>7}", "anomaly"), 9, app.theme.dim);
        buf.set_stringn(chart.x, area.y + 3, under, cells, app.theme.warning);
        time_axis(series.range, Rect { y: area.y + 4, height: 1, ..chart }, &app.theme, buf);
    }
}
