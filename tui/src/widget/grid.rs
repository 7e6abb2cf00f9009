//! A table that drops columns where the screen is narrow. In: columns with their importance, and cells. Out: a buffer.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::spark::spark;
use crate::{
    text::{self, shorten},
    theme::Theme,
};

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Least width in cells.
    pub(crate) width: usize,
    /// Greatest width; it grows where there is room.
    pub(crate) max: usize,
    /// Numbers stand at the right.
    pub(crate) is_right: bool,
    /// Where there is no room, the column with the least goes first; [`Column::ALWAYS`] stays.
    pub(crate) keep: u8,
}

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// A name or number; a long one loses its middle.
    Text(String, Style),
    /// Words; a long line loses its end.
    Sentence(String, Style),
    Spark(Vec<Option<f64>>, Style),
}

/// The table.
pub(crate) struct Grid<'a> {
    pub(crate) columns: &'a [Column],
    pub(crate) rows: &'a [Vec<Cell>],
    pub(crate) selected: Option<usize>,
    /// The column by which rows are sorted.
    pub(crate) sorted: Option<&'static str>,
    pub(crate) theme: &'a Theme,
}

/// Cells in front of each row for the mark of the selected one.
const MARGIN: usize = 2;
/// Columns below this make room for names.
const MINOR: u8 = 130;
/// Cells beyond the least width up to which names come before minor columns.
const NAME_FIRST: usize = 24;

impl Column {
    pub(crate) const ALWAYS: u8 = u8::MAX;

    /// A column of names: as wide as needed, and the first to grow.
    pub(crate) const fn name(title: &'static str, width: usize) -> Self {
        Self { title, width, max: 72, is_right: false, keep: Self::ALWAYS }
    }

    /// A column of text.
    pub(crate) const fn text(title: &'static str, width: usize, keep: u8) -> Self {
        Self { title, width, max: width, is_right: false, keep }
    }

    /// A column of numbers.
    pub(crate) const fn number(title: &'static str, width: usize, keep: u8) -> Self {
        Self { title, width, max: width, is_right: true, keep }
    }

    /// A column of sparklines.
    pub(crate) const fn spark(title: &'static str, keep: u8) -> Self {
        Self { title, width: 10, max: 40, is_right: false, keep }
    }
}

impl Grid<'_> {
    /// Draws titles and rows, scrolled so that the selected one is in sight.
    pub(crate) fn draw(&self, area: Rect, buf: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        let shown = self.layout(usize::from(area.width));
        for &(index, x, width) in &shown {
            let column = &self.columns[index];
            let is_sorted = self.sorted == Some(column.title);
            let title = if is_sorted { format!("{}▾", column.title) } else { column.title.to_owned() };
            let style = if is_sorted { self.theme.accent } else { self.theme.dim };
            put(buf, area, (x, 0), &align(&title, width, column.is_right), style);
        }
        let height = usize::from(area.height) - 1;
        let first = scroll(self.selected.unwrap_or(0), height, self.rows.len());
        for (y, (index, row)) in self.rows.iter().enumerate().skip(first).take(height).enumerate() {
            self.row(row, &shown, area, y + 1, self.selected == Some(index), buf);
        }
    }

    fn row(
        &self,
        row: &[Cell],
        shown: &[(usize, usize, usize)],
        area: Rect,
        y: usize,
        is_selected: bool,
        buf: &mut Buffer,
    ) {
        for &(index, x, width) in shown {
            match row.get(index) {
                Some(Cell::Text(text, style)) => {
                    put(buf, area, (x, y), &align(text, width, self.columns[index].is_right), *style);
                }
                Some(Cell::Sentence(text, style)) => put(buf, area, (x, y), &text::cut(text, width), *style),
                Some(Cell::Spark(values, style)) => put(buf, area, (x, y), &spark(values, width), *style),
                None => {}
            }
        }
        if is_selected {
            put(buf, area, (0, y), "▌", self.theme.accent);
            let line = Rect { y: area.y + y as u16, height: 1, ..area };
            buf.set_style(line, self.theme.selected);
        }
    }

    /// Columns that fit: index, offset and width of each.
    ///
    /// Names come before numbers of little importance, important numbers before the rest of a long name, and
    /// sparklines take what is left.
    fn layout(&self, cells: usize) -> Vec<(usize, usize, usize)> {
        let mut shown: Vec<(usize, usize)> = self.columns.iter().map(|c| c.width).enumerate().collect();
        let wanted: Vec<usize> = (0..self.columns.len()).map(|i| self.wanted(i)).collect();
        let names: usize = wanted.iter().map(|w| (*w).min(NAME_FIRST)).sum();
        while let Some(at) = self.least(&shown).filter(|&at| {
            let is_minor = self.columns[shown[at].0].keep < MINOR;
            total(&shown) + if is_minor { names } else { 0 } > cells + 1
        }) {
            shown.remove(at);
        }
        let mut spare = (cells + 1).saturating_sub(total(&shown));
        for (index, width) in &mut shown {
            let more = wanted[*index].min(spare);
            *width += more;
            spare -= more;
        }
        while spare > 0 {
            let before = spare;
            for (index, width) in &mut shown {
                let column = &self.columns[*index];
                if spare > 0 && column.keep < Column::ALWAYS && *width < column.max {
                    *width += 1;
                    spare -= 1;
                }
            }
            if spare == before {
                break;
            }
        }
        let mut x = MARGIN;
        let place = |(index, width)| {
            let at = x;
            x += width + 1;
            (index, at, width)
        };
        shown.into_iter().map(place).collect()
    }

    /// The column that goes first; `None` when all the others stay.
    fn least(&self, shown: &[(usize, usize)]) -> Option<usize> {
        let keep = |at: &usize| self.columns[shown[*at].0].keep;
        (0..shown.len()).min_by_key(keep).filter(|at| keep(at) < Column::ALWAYS)
    }

    /// Cells that a column of names would like to have beyond its least width.
    fn wanted(&self, index: usize) -> usize {
        let column = &self.columns[index];
        match column.keep {
            Column::ALWAYS => self.longest(index).min(column.max).saturating_sub(column.width),
            _ => 0,
        }
    }

    fn longest(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|r| match r.get(column) {
            Some(Cell::Text(text, _) | Cell::Sentence(text, _)) => Some(text::width(text)),
            _ => None,
        });
        cells.max().unwrap_or(0)
    }
}

fn total(shown: &[(usize, usize)]) -> usize {
    MARGIN + shown.iter().map(|(_, width)| width + 1).sum::<usize>()
}

/// The first row on screen: the selected one is in the middle where it can be.
pub(crate) fn scroll(selected: usize, height: usize, rows: usize) -> usize {
    selected.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

fn align(text: &str, width: usize, is_right: bool) -> String {
    let text = shorten(text, width);
    let pad = " ".repeat(width - text::width(&text).min(width));
    if is_right { pad + &text } else { text + &pad }
}

fn put(buf: &mut Buffer, area: Rect, (x, y): (usize, usize), text: &str, style: Style) {
    let (x, y) = (x.min(usize::from(u16::MAX)) as u16, y.min(usize::from(u16::MAX)) as u16);
    if x < area.width && y < area.height {
        buf.set_stringn(area.x + x, area.y + y, text, usize::from(area.width - x), style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Colors, ThemeName};

    #[test]
    fn narrow_screens_lose_the_least_important_columns() {
        let columns = [
            Column::name("NAME", 8),
            Column::number("A", 6, 10),
            Column::number("B", 6, 230),
            Column::spark("TREND", 220),
        ];
        let theme = Theme::new(Colors::None, ThemeName::Dark);
        let rows = [vec![Cell::Text("a longer name".into(), theme.text)]];
        let grid = Grid { columns: &columns, rows: &rows, selected: None, sorted: None, theme: &theme };
        for (cells, want) in [
            (5, &[(0, 8)][..]),
            (17, &[(0, 8), (2, 6)]),
            (28, &[(0, 8), (2, 6), (3, 10)]),
            (35, &[(0, 13), (2, 6), (3, 12)]),
            (40, &[(0, 13), (1, 6), (2, 6), (3, 10)]),
            (42, &[(0, 13), (1, 6), (2, 6), (3, 12)]),
            (99, &[(0, 13), (1, 6), (2, 6), (3, 40)]),
        ] {
            let got: Vec<_> = grid.layout(cells).into_iter().map(|(i, _, w)| (i, w)).collect();
            assert_eq!(got, want, "{cells}");
        }
    }

    #[test]
    fn the_selected_row_is_in_sight() {
        for (selected, height, rows, want) in
            [(0, 5, 3, 0), (0, 5, 20, 0), (10, 5, 20, 8), (19, 5, 20, 15), (3, 0, 9, 3)]
        {
            assert_eq!(scroll(selected, height, rows), want, "{selected} {height} {rows}");
        }
    }
}
