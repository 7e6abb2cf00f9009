//! Drawings of the page: requests, errors and durations over time; the bar of statuses.
//!
//! In: a document. Out: SVG whose shapes stretch with the page, while their labels stand in SVG or HTML beside them that
//! does not, so that text keeps its size on a phone. One transparent layer above all plots says the numbers of a column.

use std::{collections::BTreeMap, fmt::Write as _, io, time::Duration};

use pitot_model::{Status, Timestamp, api::Document};

use super::{
    super::{
        facts, figures,
        plot::{Column, Heat, Plot},
    },
    escape,
};

/// Columns at most: more would be narrower than a pixel on a phone.
const COLUMNS: usize = 240;
/// Rows of the heat map at most.
const ROWS: usize = 28;
/// Shades of the heat map; the style has a class for each.
const LEVELS: u8 = 6;
/// Labels on the time axis at most; on a narrow page every third one is seen.
const TICKS: usize = 13;
/// Height of the coordinates of a bar plot.
const HIGH: f64 = 100.0;

/// The section of plots; nothing without a timeline.
pub(super) fn over_time(doc: &Document, out: &mut dyn io::Write) -> io::Result<()> {
    let Some(plot) = Plot::new(doc, COLUMNS) else { return Ok(()) };
    let step = facts::span(Duration::from_secs(plot.step_s));
    write!(out, "<section>\n<h2>Over time <small>in steps of {step}</small></h2>\n<div class=\"plots\">\n")?;
    bars("requests", "requests", &plot, |c| c.count, out)?;
    bars("errors", "errors", &plot, |c| c.server_errors, out)?;
    bars("4xx", "clients", &plot, |c| c.client_errors, out)?;
    let heat = plot.heat(ROWS);
    if let Some(heat) = &heat {
        heat_map(heat, &plot, out)?;
    }
    axis(&plot, out)?;
    hover(&plot, out)?;
    writeln!(out, "</div>")?;
    if heat.is_some() {
        key(&plot, out)?;
    }
    writeln!(out, "</section>")
}

/// A label with the greatest value, and a bar per column; nothing where all are zero.
fn bars(label: &str, class: &str, plot: &Plot, value: fn(&Column) -> u64, out: &mut dyn io::Write) -> io::Result<()> {
    let most = plot.columns.iter().map(value).max().unwrap_or(0);
    if most == 0 {
        return Ok(());
    }
    let mut path = String::new();
    for (x, n) in plot.columns.iter().map(value).enumerate().filter(|(_, n)| *n > 0) {
        let high = (n as f64 / most as f64 * HIGH).max(1.5);
        // Writing to a string cannot fail.
        let _ = write!(path, "M{x} {HIGH}v{:.1}h1v{:.1}z", -high, high);
    }
    write!(
        out,
        "<div class=\"label\">{label}<small>max {}</small></div>\n\
         <svg class=\"plot {class}\" viewBox=\"0 0 {} {HIGH}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{label} over time\"><path d=\"{path}\"/></svg>\n",
        figures::count(most),
        plot.columns.len(),
    )
}

/// Durations from below to above, the labels on their left, and lines for the median and p99.
fn heat_map(heat: &Heat, plot: &Plot, out: &mut dyn io::Write) -> io::Result<()> {
    let (columns, rows) = (plot.columns.len(), heat.rows());
    write!(out, "<svg class=\"scale\" aria-hidden=\"true\">")?;
    for (edge, label) in heat.labels() {
        let y = (rows - edge) as f64 / rows as f64 * 100.0;
        let shift = if edge == 0 {
            "-.2em"
        } else if edge == rows {
            ".8em"
        } else {
            ".3em"
        };
        write!(out, "<text x=\"100%\" y=\"{y:.2}%\" dy=\"{shift}\">{label}</text>")?;
    }
    write!(
        out,
        "</svg>\n<svg class=\"plot heat\" viewBox=\"0 0 {columns} {rows}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"durations over time\">"
    )?;
    for level in 1..=LEVELS {
        write!(out, "<path class=\"l{level}\" d=\"{}\"/>", cells(heat, columns, level))?;
    }
    for (class, quantile) in [("p50", 0), ("p99", 1)] {
        write!(out, "<path class=\"{class}\" d=\"{}\"/>", line(heat, plot, quantile))?;
    }
    writeln!(out, "</svg>")
}

/// What shades and lines mean.
fn key(plot: &Plot, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "<p class=\"key\">durations: fewer <svg viewBox=\"0 0 {LEVELS} 1\" preserveAspectRatio=\"none\">")?;
    for level in 1..=LEVELS {
        write!(out, "<rect class=\"l{level}\" x=\"{}\" width=\"1\" height=\"1\"/>", level - 1)?;
    }
    write!(out, "</svg> more requests")?;
    if plot.columns.iter().any(|c| c.quantiles_us.is_some()) {
        for class in ["p50", "p99"] {
            write!(out, " <svg viewBox=\"0 0 24 8\"><path class=\"{class}\" d=\"M0 4h24\"/></svg> {class}")?;
        }
    }
    writeln!(out, "</p>")
}

/// Cells of one shade, neighbours in a row as one shape.
fn cells(heat: &Heat, columns: usize, level: u8) -> String {
    let rows = heat.rows();
    let mut path = String::new();
    for row in 0..rows {
        let mut x = 0;
        while x < columns {
            let run = (x..columns).take_while(|&c| heat.level(c, row, LEVELS) == level).count();
            if run > 0 {
                let _ = write!(path, "M{x} {}h{run}v1h-{run}z", rows - row - 1);
            }
            x += run.max(1);
        }
    }
    path
}

/// A line through the middle of the columns, broken where a quantile is not known.
fn line(heat: &Heat, plot: &Plot, quantile: usize) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (x, column) in plot.columns.iter().enumerate() {
        let Some(pair) = column.quantiles_us else {
            drawing = false;
            continue;
        };
        let y = heat.rows() as f64 - heat.place([pair.0, pair.1][quantile]);
        let _ = write!(path, "{}{x}.5 {y:.2}", if drawing { 'L' } else { 'M' });
        drawing = true;
    }
    path
}

fn axis(plot: &Plot, out: &mut dyn io::Write) -> io::Result<()> {
    write!(out, "<div class=\"label\"><small>UTC</small></div>\n<svg class=\"axis\" aria-hidden=\"true\">")?;
    for (i, tick) in plot.ticks(TICKS).iter().enumerate() {
        let x = tick.at / plot.columns.len() as f64 * 100.0;
        let class = if i % 3 > 0 { " class=\"minor\"" } else { "" };
        let anchor = if x < 3.0 {
            "start"
        } else if x > 96.0 {
            "end"
        } else {
            "middle"
        };
        write!(
            out,
            "<g{class}><line x1=\"{x:.2}%\" x2=\"{x:.2}%\" y2=\"4\"/>\
             <text x=\"{x:.2}%\" y=\"17\" text-anchor=\"{anchor}\">{}</text></g>",
            escape(&tick.label)
        )?;
    }
    writeln!(out, "</svg>")
}

/// A title per column, over all plots.
fn hover(plot: &Plot, out: &mut dyn io::Write) -> io::Result<()> {
    write!(
        out,
        "<svg class=\"hover\" viewBox=\"0 0 {} 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
        plot.columns.len()
    )?;
    for (x, column) in plot.columns.iter().enumerate() {
        let from = i64::try_from(plot.step_s.saturating_mul(x as u64)).unwrap_or(i64::MAX);
        let at = Timestamp::from_secs(plot.from.as_secs().saturating_add(from));
        let title = escape(&column_title(at, column));
        write!(out, "<rect x=\"{x}\" width=\"1\" height=\"1\"><title>{title}</title></rect>")?;
    }
    writeln!(out, "</svg>")
}

fn column_title(at: Timestamp, c: &Column) -> String {
    let mut title =
        format!("{}\n{} {}", facts::clock(at), figures::count(c.count), facts::plural(c.count, "request", "requests"));
    for (label, n) in [("errors", c.server_errors), ("4xx", c.client_errors)] {
        if n > 0 {
            let _ = write!(title, "\n{label} {} ({})", figures::count(n), facts::share(n, c.count));
        }
    }
    if let Some((p50, p99)) = c.quantiles_us {
        let _ = write!(title, "\np50 {}, p99 {}", figures::duration(Some(p50)), figures::duration(Some(p99)));
    }
    title
}

/// The bar of classes; its legend is the page's.
pub(super) fn classes(status: &BTreeMap<Status, u64>, out: &mut dyn io::Write) -> io::Result<()> {
    let all: u64 = status.values().sum();
    write!(out, "<svg class=\"mix\" viewBox=\"0 0 100 1\" preserveAspectRatio=\"none\" aria-hidden=\"true\">")?;
    let mut x = 0.0;
    for (class, n) in facts::classes(status).into_iter().filter(|(_, n)| *n > 0) {
        let width = n as f64 / all.max(1) as f64 * 100.0;
        // What is rare is seen as well, at the cost of its right neighbour, which is drawn later.
        write!(out, "<rect class=\"s{class}\" x=\"{x:.3}\" width=\"{:.3}\" height=\"1\"/>", width.max(0.3))?;
        x += width;
    }
    writeln!(out, "</svg>")
}
