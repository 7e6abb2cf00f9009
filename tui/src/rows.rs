//! Answers as people read them: rows of a table, pairs of label and value. In: answers of the API. Out: columns, cells.

use std::time::Duration;

use pitot_model::{
    Evidence, Status,
    api::{GroupBy, Point, Row, RowKey, SeriesAnswer, Severity, SortBy, State, Totals},
};
use ratatui::style::Style;

use crate::{
    app::App,
    drill::name,
    event::What,
    number, text,
    theme::Theme,
    widget::{Cell, Column},
};

/// A server error ratio from which it is shown as an error.
const ERRORS_MATTER: f64 = 0.01;

/// The mark beside numbers that do not stand for the whole truth.
pub(crate) const LOSSY: &str = "~";

/// The table of the present view.
pub(crate) struct Traffic {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Title of the column that rows are sorted by.
    pub(crate) sorted: &'static str,
}

/// Rows by service, route, consumer or version, with their sparklines.
pub(crate) fn traffic(app: &App, by: GroupBy) -> Option<Traffic> {
    let filter = app.scoped_filter();
    let table = app.snapshot.table(by, &filter)?;
    let lines = app.snapshot.series(What::Lines(by), &filter);
    let scope = app.drill.scope();
    let time = app.extent.map_or(table.range.len(), |e| e.covered(table.range));
    let shown = Shown { theme: &app.theme, time, mark: if table.coverage.is_full() { "" } else { LOSSY } };

    let mut columns =
        vec![Column::text("", 1, 250), Column::name(title(by), if by == GroupBy::Route { 22 } else { 16 })];
    let services = table.rows.windows(2).any(|pair| pair[0].key.service != pair[1].key.service);
    let has_service = by == GroupBy::Route && scope.service.is_none() && services;
    if has_service {
        columns.push(Column { max: 20, ..Column::text("SERVICE", 10, 185) });
    }
    if by == GroupBy::Consumer {
        columns.push(Column::text("KNOWN BY", 11, 60));
    }
    columns.extend(numbers());
    let row = |row: &Row| {
        let mut cells = vec![flag(app, &row.key), Cell::Text(name(&row.key), app.theme.text)];
        if has_service {
            let service = RowKey { service: row.key.service.clone(), ..RowKey::default() };
            cells.push(Cell::Text(name(&service), app.theme.dim));
        }
        if by == GroupBy::Consumer {
            cells.push(Cell::Text(evidence(row.key.evidence).to_owned(), app.theme.dim));
        }
        cells.extend(shown.numbers(&row.totals, points(lines, &row.key)));
        cells
    };
    Some(Traffic { columns, rows: table.rows.iter().map(row).collect(), sorted: sorted(app.drill.top().sort, by) })
}

fn title(by: GroupBy) -> &'static str {
    match by {
        GroupBy::Route => "ROUTE",
        GroupBy::Consumer => "CONSUMER",
        GroupBy::Version => "VERSION",
        _ => "SERVICE",
    }
}

fn sorted(sort: SortBy, by: GroupBy) -> &'static str {
    match sort {
        SortBy::Count => "RATE",
        SortBy::Errors | SortBy::ErrorRatio => "ERR",
        SortBy::P50 => "P50",
        SortBy::P99 => "P99",
        SortBy::Bytes => "BYTES",
        SortBy::Name => title(by),
    }
}

fn numbers() -> [Column; 11] {
    [
        Column::number("RATE", 9, 240),
        Column::number("ERR", 8, 235),
        Column::number("4XX", 8, 120),
        Column::number("P50", 7, 200),
        Column::number("P90", 7, 190),
        Column::number("P99", 7, 230),
        Column::number("MAX", 7, 70),
        Column::number("BYTES", 8, 110),
        Column::number("TOTAL", 7, 115),
        Column::spark("RATE TREND", 180),
        Column::spark("P99 TREND", 105),
    ]
}

struct Shown<'a> {
    theme: &'a Theme,
    time: Duration,
    mark: &'static str,
}

impl Shown<'_> {
    fn numbers(&self, t: &Totals, points: &[Point]) -> [Cell; 11] {
        let theme = self.theme;
        let text = |text: String, style| Cell::Text(format!("{}{text}", self.mark), style);
        let d = &t.duration_us;
        let duration = |us| match us {
            None => Cell::Text(number::NOTHING.to_owned(), theme.dim),
            us => text(number::micros(us), theme.text),
        };
        let ratio = |n: u64| if t.count == 0 { 0.0 } else { n as f64 / t.count as f64 };
        let errors = error_style(theme, t.error_ratio());
        let client_errors = if t.client_errors() == 0 { theme.dim } else { theme.text };
        [
            text(number::rate(t.count, self.time), theme.strong),
            text(number::percent(t.error_ratio()), errors),
            text(number::percent(ratio(t.client_errors())), client_errors),
            duration(d.p50),
            duration(d.p90),
            duration(d.p99),
            duration(d.max),
            text(number::bytes(t.response_bytes), theme.text),
            text(number::count(t.count), theme.text),
            Cell::Spark(rates(points), theme.accent),
            Cell::Spark(slowest(points), theme.dim),
        ]
    }
}

/// How a server error ratio is shown: red says what the number says as well.
pub(crate) fn error_style(theme: &Theme, ratio: f64) -> Style {
    match ratio {
        r if r >= ERRORS_MATTER => theme.error,
        r if r > 0.0 => theme.text,
        _ => theme.dim,
    }
}

/// The mark in front of a row that an open anomaly is about.
fn flag(app: &App, key: &RowKey) -> Cell {
    match app.anomaly_of(key).filter(|a| a.state == State::Open) {
        Some(anomaly) => Cell::Text("▲".to_owned(), severity_style(&app.theme, anomaly.severity)),
        None => Cell::Text(String::new(), app.theme.text),
    }
}

pub(crate) fn severity_style(theme: &Theme, severity: Severity) -> Style {
    match severity {
        Severity::Info => theme.text,
        Severity::Warning => theme.warning,
        Severity::Critical => theme.error,
    }
}

/// How a consumer was told, in words.
pub(crate) fn evidence(evidence: Option<Evidence>) -> &'static str {
    evidence.map_or("", |e| if e == Evidence::None { "nothing" } else { e.name() })
}

/// The points of a row's line, without a last step that is still growing.
pub(crate) fn points<'a>(series: Option<&'a SeriesAnswer>, key: &RowKey) -> &'a [Point] {
    let Some(series) = series else { return &[] };
    let Some(line) = series.lines.iter().find(|l| l.key == *key) else { return &[] };
    complete(series, &line.points)
}

/// The only line of a series, likewise.
pub(crate) fn all_points(series: Option<&SeriesAnswer>) -> &[Point] {
    let line = series.and_then(|s| s.lines.first().map(|l| (s, l)));
    line.map_or(&[], |(series, line)| complete(series, &line.points))
}

fn complete<'a>(series: &SeriesAnswer, points: &'a [Point]) -> &'a [Point] {
    match points.split_last() {
        Some((_, rest)) if rest.len() > 1 && series.watermark < series.range.to => rest,
        _ => points,
    }
}

/// Transactions per step.
pub(crate) fn rates(points: &[Point]) -> Vec<Option<f64>> {
    points.iter().map(|p| Some(p.count as f64)).collect()
}

/// Quantile 0.99 per step.
pub(crate) fn slowest(points: &[Point]) -> Vec<Option<f64>> {
    points.iter().map(|p| p.p99_us.map(|us| us as f64)).collect()
}

/// Share of server errors per step.
pub(crate) fn error_ratios(points: &[Point]) -> Vec<Option<f64>> {
    points.iter().map(|p| (p.count > 0).then(|| p.server_errors as f64 / p.count as f64)).collect()
}

/// Statuses with their counts, the most frequent first.
pub(crate) fn statuses(t: &Totals) -> Vec<(Status, u64)> {
    let mut all: Vec<_> = t.status.iter().map(|(s, n)| (*s, *n)).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

/// A cell of plain text from a stranger.
pub(crate) fn plain(from: &str, style: Style) -> Cell {
    Cell::Text(text::clean(from), style)
}
