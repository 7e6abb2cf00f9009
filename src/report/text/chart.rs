//! Drawings of the text report: sparklines, the heat map, the bar of statuses.
//!
//! In: a document and a width. Out: lines. Every shade is a glyph of its own, so that nothing depends on colour.

use std::{collections::BTreeMap, time::Duration};

use pitot_model::{Status, api::Document};

use super::{
    super::{
        facts, figures, names,
        plot::{Column, Heat, Plot},
    },
    paint::{Ink, Paint},
};

const LEVELS: [char; 5] = [' ', '░', '▒', '▓', '█'];
const SPARKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Rows of the heat map at most.
const HEAT_ROWS: usize = 9;
/// Columns that one step is drawn in at most.
const STRETCH: usize = 6;
/// Columns of the labels on the left, with the blank after them.
const LABEL: usize = 9;
/// Columns of the notes on the right, with the blanks before them.
const NOTE: usize = 15;
/// Columns that a label on the time axis needs.
const TICK_ROOM: usize = 12;

/// Lines and what their heading notes.
pub(super) struct Chart {
    pub(super) note: String,
    pub(super) lines: Vec<String>,
}

/// Requests, errors and durations over time; `None` without a timeline.
pub(super) fn over_time(doc: &Document, width: usize, paint: Paint) -> Option<Chart> {
    let room = width - LABEL - NOTE;
    let plot = Plot::new(doc, room)?;
    let drawn = room.min(plot.columns.len() * STRETCH);
    let mut lines = Vec::new();
    let mut spark = |label: &str, value: fn(&Column) -> u64, ink: Ink| {
        let most = plot.columns.iter().map(value).max().unwrap_or(0);
        if most > 0 {
            let line: String =
                stretched(plot.columns.len(), drawn).map(|c| spark(value(&plot.columns[c]), most)).collect();
            let note = format!("  max {}", figures::count(most));
            lines.push(format!("{label:<LABEL$}{}{}", paint.ink(ink, &line), paint.ink(Ink::Faint, &note)));
        }
    };
    spark("requests", |c| c.count, Ink::Accent);
    spark("errors", |c| c.server_errors, Ink::Bad);
    spark("4xx", |c| c.client_errors, Ink::Warn);
    if let Some(heat) = plot.heat(HEAT_ROWS) {
        lines.extend(heat_lines(&heat, drawn, paint));
    }
    lines.extend(axis(&plot, drawn));
    Some(Chart { note: format!("in steps of {}", facts::span(Duration::from_secs(plot.step_s))), lines })
}

/// Which of `n` columns stands at each of `drawn` places, each as often as the others, give or take one.
fn stretched(n: usize, drawn: usize) -> impl Iterator<Item = usize> {
    (0..drawn).map(move |at| at * n / drawn)
}

fn spark(n: u64, most: u64) -> char {
    match n {
        0 => ' ',
        n => SPARKS[(n as f64 / most as f64 * 8.0).ceil().clamp(1.0, 8.0) as usize],
    }
}

/// The slowest on top. A label stands in the row whose lower edge it names.
fn heat_lines(heat: &Heat, drawn: usize, paint: Paint) -> Vec<String> {
    let labels = heat.labels();
    let mut lines = Vec::new();
    for row in (0..heat.rows()).rev() {
        let label = labels.iter().find(|(i, _)| *i == row).map_or("", |(_, l)| l);
        let level = |column| LEVELS[usize::from(heat.level(column, row, 4))];
        let cells: String = stretched(heat.cells.len(), drawn).map(level).collect();
        let tick = if label.is_empty() { '│' } else { '┤' };
        let room = LABEL - 1;
        lines.push(format!("{label:>room$}{tick}{}", paint.ink(Ink::Accent, &cells)));
    }
    lines
}

/// The line below, and its labels.
fn axis(plot: &Plot, drawn: usize) -> [String; 2] {
    let mut line: Vec<char> = vec!['─'; drawn];
    let mut labels = String::new();
    for tick in plot.ticks(drawn / TICK_ROOM + 1) {
        let at = (tick.at / plot.columns.len() as f64 * drawn as f64) as usize;
        let blank = at.saturating_sub(names::width(&labels));
        if at >= drawn || (at > 0 && blank == 0) {
            continue;
        }
        line[at] = '┬';
        labels.push_str(&" ".repeat(blank));
        labels.push_str(&tick.label);
    }
    let start = " ".repeat(LABEL - 1);
    [format!("{start}└{}", line.iter().collect::<String>()), format!("{start} {labels}")]
}

/// The bar of classes, its legend, and the most frequent statuses.
pub(super) fn statuses(status: &BTreeMap<Status, u64>, width: usize, paint: Paint) -> Vec<String> {
    let inks = [Ink::Faint, Ink::Good, Ink::Accent, Ink::Warn, Ink::Bad, Ink::Bad];
    let all: u64 = status.values().sum();
    let classes: Vec<_> = facts::classes(status)
        .into_iter()
        .zip(['·', '░', '▒', '▓', '█', '╳'].into_iter().zip(inks))
        .filter(|((_, n), _)| *n > 0)
        .collect();
    let cells = divide(&classes.iter().map(|c| c.0.1).collect::<Vec<_>>(), width);
    let bar: String =
        classes.iter().zip(cells).map(|((_, (glyph, ink)), n)| paint.ink(*ink, &glyph.to_string().repeat(n))).collect();
    let legend = classes.iter().map(|((class, n), (glyph, ink))| {
        let text = format!("{glyph} {class} {}", facts::share(*n, all));
        (names::width(&text), text.replacen(*glyph, &paint.ink(*ink, &glyph.to_string()), 1))
    });
    let most = facts::statuses(status).into_iter().map(|(s, n)| {
        let text = format!("{s} {}", figures::count(n));
        (names::width(&text), text)
    });
    let mut lines = vec![bar];
    lines.extend(one_line(legend, "   ", width));
    lines.extend(one_line(most, " · ", width));
    lines
}

/// Columns for each part: by size, but none that is there has none; all of `width` is given away.
fn divide(parts: &[u64], width: usize) -> Vec<usize> {
    let all: u64 = parts.iter().sum::<u64>().max(1);
    let mut cells: Vec<usize> =
        parts.iter().map(|&n| ((n as f64 / all as f64 * width as f64).round() as usize).max(1)).collect();
    let taken: usize = cells.iter().sum();
    if let Some(most) = cells.iter_mut().max() {
        *most = (*most + width).saturating_sub(taken);
    }
    cells
}

/// As many texts, each with its width, as one line holds; none when there are none.
fn one_line(texts: impl Iterator<Item = (usize, String)>, between: &str, width: usize) -> Option<String> {
    let mut line = String::new();
    let mut taken = 0;
    for (wide, text) in texts {
        let gap = if line.is_empty() { 0 } else { names::width(between) };
        if taken + gap + wide > width {
            break;
        }
        if gap > 0 {
            line.push_str(between);
        }
        line.push_str(&text);
        taken += gap + wide;
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_parts_have_a_column_and_all_columns_are_used() {
        for (parts, width, want) in [
            (&[990, 9, 1][..], 100, &[98, 1, 1][..]),
            (&[1, 1], 10, &[5, 5]),
            (&[1_000_000, 1, 1, 1], 20, &[17, 1, 1, 1]),
            (&[], 20, &[]),
        ] {
            assert_eq!(divide(parts, width), want);
        }
    }

    #[test]
    fn sparks_show_anything_above_nothing() {
        for (n, want) in [(0, ' '), (1, '▁'), (500, '▄'), (1000, '█')] {
            assert_eq!(spark(n, 1000), want);
        }
    }
}
