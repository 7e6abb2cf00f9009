//! A heat map: durations over time. In: counts by band and step. Out: glyphs and colours with both axes.
//!
//! Intensity is logarithmic and shown twice, by glyph (` ░▒▓█`) and by colour, so that it reads without colours.

use pitot_model::{TimeRange, Timestamp, api::HeatMap};
use ratatui::{buffer::Buffer, layout::Rect};

use super::spark::resample;
use crate::{number, theme::Theme};

/// Cells of the labels at the left, with the space behind them.
pub(crate) const AXIS_CELLS: u16 = 9;

const GLYPHS: [&str; 5] = [" ", "░", "▒", "▓", "█"];
/// Cells from one time label to the next, at least.
const LABEL_EVERY: u16 = 14;

/// The map.
pub(crate) struct Heat<'a> {
    pub(crate) map: &'a HeatMap,
    pub(crate) theme: &'a Theme,
}

/// Counts as they stand on screen.
#[derive(Debug, PartialEq)]
struct Field {
    /// From the fastest row to the slowest; columns in time.
    rows: Vec<Vec<u64>>,
    /// Lower bound of each row in microseconds.
    low_us: Vec<u64>,
    max: u64,
}

impl Heat<'_> {
    /// Draws the map with its axes; the last row of the area has the time. The answer is the greatest count of a cell.
    pub(crate) fn draw(&self, area: Rect, buf: &mut Buffer) -> u64 {
        if area.width <= AXIS_CELLS || area.height < 2 {
            return 0;
        }
        let (width, height) = (area.width - AXIS_CELLS, area.height - 1);
        let field = field(self.map, usize::from(width), usize::from(height));
        let label_every = if field.rows.len() > 6 { 3 } else { 2 };
        for (i, row) in field.rows.iter().enumerate() {
            let y = area.y + height - 1 - i as u16;
            if i % label_every == 0 {
                let label = format!("{:>7}", number::micros(Some(field.low_us[i])));
                buf.set_stringn(area.x, y, label, usize::from(AXIS_CELLS) - 1, self.theme.dim);
            }
            for (x, &count) in row.iter().enumerate() {
                let heat = intensity(count, field.max);
                let glyph = GLYPHS[(heat * 4.0).ceil() as usize % GLYPHS.len()];
                buf.set_string(area.x + AXIS_CELLS + x as u16, y, glyph, self.theme.heat_at(heat));
            }
        }
        time_axis(
            self.map.range,
            Rect { x: area.x + AXIS_CELLS, width, y: area.y + height, height: 1 },
            self.theme,
            buf,
        );
        field.max
    }
}

/// Times along a row.
pub(crate) fn time_axis(range: TimeRange, area: Rect, theme: &Theme, buf: &mut Buffer) {
    let length = range.len();
    let show = |t: Timestamp| match length.as_secs() {
        0..900 => number::time(t),
        900..172_800 => number::minute(t),
        _ => number::date(t),
    };
    let mut x = 0;
    while x + 10 <= area.width {
        let t = range.from + length.mul_f64(f64::from(x) / f64::from(area.width));
        buf.set_string(area.x + x, area.y, format!("╵{}", show(t)), theme.dim);
        x += LABEL_EVERY;
    }
}

/// Sums bands to rows and steps to columns, leaving out empty bands at both ends.
fn field(map: &HeatMap, width: usize, height: usize) -> Field {
    let bands = map.bounds_us.len().saturating_sub(1);
    let band_at = |column: &[u64], band: usize| column.get(band).copied().unwrap_or(0);
    let used: Vec<usize> = (0..bands).filter(|&b| map.columns.iter().any(|c| band_at(c, b) > 0)).collect();
    let (Some(&first), Some(&last)) = (used.first(), used.last()) else {
        return Field { rows: Vec::new(), low_us: Vec::new(), max: 0 };
    };
    // One empty band above and below tells that the map was not cut there.
    let (first, last) = (first.saturating_sub(1), (last + 1).min(bands - 1));
    let n = last + 1 - first;
    let per_row = n.div_ceil(height.max(1)).max(1);
    let rows_per_band = (height / n.div_ceil(per_row)).clamp(1, 3);
    let mut out = Field { rows: Vec::new(), low_us: Vec::new(), max: 0 };
    for low in (first..=last).step_by(per_row) {
        let bands = low..(low + per_row).min(last + 1);
        let row: Vec<u64> = resample(map.columns.len(), width)
            .map(|steps| map.columns[steps].iter().flat_map(|c| bands.clone().map(|b| band_at(c, b))).sum())
            .collect();
        out.max = out.max.max(row.iter().copied().max().unwrap_or(0));
        for _ in 0..rows_per_band {
            out.low_us.push(map.bounds_us[low]);
            out.rows.push(row.clone());
        }
    }
    out.rows.truncate(height);
    out
}

/// 0 for nothing, 1 for the most, logarithmic between.
fn intensity(count: u64, max: u64) -> f64 {
    if count == 0 || max == 0 {
        return 0.0;
    }
    (((count + 1) as f64).ln() / ((max + 1) as f64).ln()).clamp(0.01, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(columns: &[&[u64]]) -> HeatMap {
        let bands = columns.iter().map(|c| c.len()).max().unwrap_or(0);
        HeatMap {
            range: TimeRange::new(Timestamp::EPOCH, Timestamp::from_secs(100)),
            step_ms: 10_000,
            bounds_us: (0..=bands as u64).map(|b| 1000 << b).collect(),
            columns: columns.iter().map(|c| c.to_vec()).collect(),
        }
    }

    #[test]
    fn empty_bands_at_the_ends_are_left_out() {
        let m = map(&[&[0, 0, 0, 5, 0, 0, 0], &[0, 0, 0, 0, 7, 0, 0]]);
        let f = field(&m, 2, 4);
        assert_eq!(f.rows, [[0, 0], [5, 0], [0, 7], [0, 0]]);
        assert_eq!((f.low_us[0], f.max), (4000, 7));
    }

    #[test]
    fn small_screens_sum_and_large_ones_stretch() {
        let m = map(&[&[1, 2, 3, 4], &[1, 1, 1, 1]]);
        assert_eq!(field(&m, 1, 2).rows, [[5], [9]]);
        assert_eq!(field(&m, 4, 2).rows, [[3, 3, 2, 2], [7, 7, 2, 2]]);
        assert_eq!(field(&m, 2, 8).rows.len(), 8);
        assert!(field(&map(&[]), 9, 9).rows.is_empty());
        assert!(field(&map(&[&[0, 0]]), 9, 9).rows.is_empty());
        assert!(field(&m, 0, 0).rows.iter().all(Vec::is_empty));
    }

    #[test]
    fn intensity_grows_and_never_hides_a_single_one() {
        assert_eq!((intensity(0, 9), intensity(9, 9)), (0.0, 1.0));
        assert!(intensity(1, u64::MAX - 1) > 0.0);
        assert!(intensity(2, 100) < intensity(50, 100));
    }
}
