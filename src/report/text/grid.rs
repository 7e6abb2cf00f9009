//! A sheet as aligned lines: digits right, units left, names in the room that remains, the least important columns gone
//! where there is none.
//!
//! In: a sheet and a width. Out: a line of titles and a line per row.

use super::{
    super::{
        figures::Figure,
        names,
        sheet::{Cell, Column, Kind, Sheet},
    },
    paint::{Ink, Paint},
};

/// Between columns.
const GAP: usize = 2;
/// A name keeps a third of the line, within these bounds, before columns stay that could go.
const NAME_ROOM: std::ops::RangeInclusive<usize> = 20..=44;
/// Labels are cut to this: methods, services and evidence are short, unless they mean harm.
const LABEL_ROOM: usize = 12;
const BAR_ROOM: usize = 10;

/// Lines of at most `width` columns. `mark` is put to the title of counts.
pub(super) fn lines(sheet: &Sheet<'_>, mark: &str, width: usize, paint: Paint) -> Vec<String> {
    let cells: Vec<Vec<Cell>> =
        sheet.parts.iter().map(|part| sheet.columns.iter().map(|c| sheet.cell(part, c)).collect()).collect();
    let mut columns: Vec<Set<'_>> =
        sheet.columns.iter().enumerate().map(|(i, c)| Set::new(i, c, mark, cells.iter().map(|row| &row[i]))).collect();
    drop_columns(&mut columns, width);
    let titles: Vec<String> = columns.iter().map(|c| c.align(&c.title)).collect();
    let mut lines = vec![paint.ink(Ink::Faint, titles.join("  ").trim_end())];
    for row in &cells {
        let texts: Vec<String> = columns.iter().map(|c| c.cell(&row[c.index], paint)).collect();
        lines.push(texts.join("  "));
    }
    lines
}

/// Takes the column that matters least until the rest fits; names shrink to [`NAME_ROOM`] before, and below it only
/// when nothing else is left to go.
fn drop_columns(columns: &mut Vec<Set<'_>>, width: usize) {
    let fixed = |columns: &[Set<'_>]| -> usize {
        let taken: usize = columns.iter().filter(|c| c.column.kind != Kind::Name).map(Set::width).sum();
        taken + GAP * columns.len().saturating_sub(1)
    };
    let wanted = columns.iter().find(|c| c.column.kind == Kind::Name).map_or(0, |c| c.text);
    let wanted = wanted.min((width / 3).clamp(*NAME_ROOM.start(), *NAME_ROOM.end()));
    while fixed(columns) + wanted > width {
        let least = columns.iter().enumerate().max_by_key(|(i, c)| (c.column.rank, *i));
        match least {
            Some((i, c)) if c.column.rank > 0 => drop(columns.remove(i)),
            _ => break,
        }
    }
    let room = width.saturating_sub(fixed(columns));
    for column in columns.iter_mut().filter(|c| c.column.kind == Kind::Name) {
        column.text = column.text.min(room);
    }
}

/// A column with its measures.
struct Set<'a> {
    index: usize,
    column: &'a Column,
    title: String,
    /// Columns of text, or of digits.
    text: usize,
    /// Columns of the widest unit; 0 without units.
    unit: usize,
    /// Greatest share, which fills a bar.
    most: f64,
}

impl<'a> Set<'a> {
    fn new<'c>(index: usize, column: &'a Column, mark: &str, cells: impl Iterator<Item = &'c Cell>) -> Self {
        let title =
            if column.title == "requests" { format!("{mark}{}", column.title) } else { column.title.to_owned() };
        let mut set = Self { index, column, title, text: 0, unit: 0, most: 0.0 };
        for cell in cells {
            match cell {
                Cell::Text(text) => set.text = set.text.max(names::width(text)),
                Cell::Number(Figure { digits, unit }, _) => {
                    set.text = set.text.max(names::width(digits));
                    set.unit = set.unit.max(names::width(unit));
                }
                Cell::Bar(share) => set.most = set.most.max(*share),
            }
        }
        match column.kind {
            Kind::Name => set.text = set.text.max(names::width(&set.title)),
            Kind::Label => set.text = set.text.max(names::width(&set.title)).min(LABEL_ROOM),
            Kind::Number => set.text = set.text.max(names::width(&set.title).saturating_sub(set.unit_room())),
            Kind::Bar => set.text = BAR_ROOM,
        }
        set
    }

    /// Columns of the unit and the blank before it.
    fn unit_room(&self) -> usize {
        if self.unit == 0 { 0 } else { self.unit + 1 }
    }

    fn width(&self) -> usize {
        self.text + self.unit_room()
    }

    /// A plain text in its place.
    fn align(&self, text: &str) -> String {
        let text = names::fit(text, self.width());
        let blank = " ".repeat(self.width() - names::width(&text));
        if self.column.kind == Kind::Number { blank + &text } else { text.into_owned() + &blank }
    }

    fn cell(&self, cell: &Cell, paint: Paint) -> String {
        match cell {
            Cell::Text(text) => self.align(text),
            Cell::Number(figure, value) => {
                let lead = " ".repeat(self.text.saturating_sub(names::width(&figure.digits)));
                let unit = if self.unit == 0 { String::new() } else { format!(" {:<1$}", figure.unit, self.unit) };
                lead + &paint.ink(self.ink(*value), &figure.digits) + &paint.ink(Ink::Faint, &unit)
            }
            Cell::Bar(share) => {
                let bar = bar(if self.most > 0.0 { share / self.most } else { 0.0 }, BAR_ROOM);
                let blank = " ".repeat(BAR_ROOM - names::width(&bar));
                paint.ink(Ink::Accent, &bar) + &blank
            }
        }
    }

    fn ink(&self, value: Option<f64>) -> Ink {
        match (self.column.title, value) {
            ("err %", Some(x)) if x >= 0.01 => Ink::Bad,
            ("4xx %", Some(x)) if x >= 0.05 => Ink::Warn,
            (_, None) => Ink::Faint,
            _ => Ink::Plain,
        }
    }
}

/// A bar in eighths of a column; anything above nothing shows.
pub(crate) fn bar(share: f64, room: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * room as f64 * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::{super::super::sample, *};

    #[test]
    fn the_least_important_columns_go_first() {
        let doc = sample::rich();
        let sheets = Sheet::all(&doc);
        for (width, has, lacks) in [
            (58, &["~requests", "err %", "p99"][..], &["received", "rate", "max"][..]),
            (98, &["service", "~requests", "err %", "4xx %", "p50", "p99"], &["rate", "max"]),
            (198, &["service", "share %", "rate", "p50", "p90", "p99", "max", "sent"], &[]),
        ] {
            let titles = &lines(&sheets[1], "~", width, Paint::new(false))[0];
            assert!(has.iter().all(|t| titles.contains(t)), "{width}: {titles}");
            assert!(!lacks.iter().any(|t| titles.contains(t)), "{width}: {titles}");
        }
    }

    #[test]
    fn bars() {
        for (share, want) in [(0.0, ""), (0.0001, "▏"), (0.5, "█████"), (1.0, "██████████"), (7.0, "██████████")]
        {
            assert_eq!(bar(share, 10), want);
        }
    }
}
