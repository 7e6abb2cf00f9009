//! The timeline made fit to draw: as many columns as there is room for, heat cells, ticks with labels.
//!
//! In: a document and the room in columns and rows. Out: numbers and places; how they look is the format's. Work and
//! memory follow the room and the points, never the time between them.

use std::collections::BTreeSet;

use pitot_model::{Timestamp, api::Document};

/// The timeline in columns of equal width.
pub(super) struct Plot {
    /// From the first point to the last, empty ones too; never empty.
    pub(super) columns: Vec<Column>,
    /// Start of the first column.
    pub(super) from: Timestamp,
    /// Seconds per column, at least 1.
    pub(super) step_s: u64,
    /// Bands of all columns: (column, lower bound in microseconds, transactions).
    bands: Vec<(usize, u64, u64)>,
}

/// The sums of one column.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Column {
    pub(super) count: u64,
    pub(super) server_errors: u64,
    pub(super) client_errors: u64,
    /// Quantiles 0.5 and 0.99 in microseconds, where the column holds one point alone: quantiles do not add up.
    pub(super) quantiles_us: Option<(u64, u64)>,
}

/// Transactions by column and band of duration.
pub(super) struct Heat {
    /// By column, then by row from the fastest on. Fractions arise where a band lies in two rows.
    pub(super) cells: Vec<Vec<f64>>,
    /// Of all cells; above 0.
    pub(super) most: f64,
    /// Rows per power of ten.
    per_decade: u32,
    /// Lower edge of the first row, in rows above one microsecond.
    first_row: u32,
}

/// A moment on the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// Place in columns from the left edge of the first.
    pub(super) at: f64,
    pub(super) label: String,
}

/// Width of a band where the bands do not tell: four to a power of ten.
const USUAL_STEP: f64 = 0.25;

impl Plot {
    /// The timeline in at most `room` columns; `None` when it has no points.
    pub(super) fn new(doc: &Document, room: usize) -> Option<Self> {
        let from = doc.timeline.iter().map(|p| p.at).min()?;
        let point_s = doc.timeline_step_s.max(1);
        let place = |at: Timestamp| at.since(from).as_secs() / point_s;
        let points = doc.timeline.iter().map(|p| place(p.at)).max()?.saturating_add(1);
        let per_column = points.div_ceil(room.max(1) as u64);
        let mut plot = Self {
            columns: vec![Column::default(); points.div_ceil(per_column) as usize],
            from,
            step_s: point_s.saturating_mul(per_column),
            bands: Vec::new(),
        };
        for point in &doc.timeline {
            let at = (place(point.at) / per_column) as usize;
            let column = &mut plot.columns[at];
            column.count += point.count;
            column.server_errors += point.server_errors;
            column.client_errors += point.client_errors;
            column.quantiles_us = point.duration_us.p50.zip(point.duration_us.p99).filter(|_| per_column == 1);
            plot.bands.extend(point.bands.iter().map(|&(low, n)| (at, low, n)));
        }
        Some(plot)
    }

    /// Durations over time in at most `room` rows, at least 4; `None` when none are known.
    pub(super) fn heat(&self, room: usize) -> Option<Heat> {
        let (edges, step) = self.band_edges();
        let (low, high) = (edges.first()?.1, edges.last()?.2);
        let (per_decade, first_row, rows) = grid(low, high, step, room.max(4) as u32);
        let mut cells = vec![vec![0.0; rows as usize]; self.columns.len()];
        for &(column, bound, n) in &self.bands {
            let Ok(i) = edges.binary_search_by_key(&bound, |e| e.0) else { continue };
            let row = |log: f64| snapped(log * f64::from(per_decade) - f64::from(first_row));
            spread(row(edges[i].1), row(edges[i].2), n as f64, &mut cells[column]);
        }
        let most = cells.iter().flatten().copied().fold(0.0, f64::max);
        (most > 0.0).then_some(Heat { cells, most, per_decade, first_row })
    }

    /// Every band once, ascending: its lower bound in microseconds, and both edges as logarithms to base ten; and how
    /// wide bands usually are.
    ///
    /// A band ends where the next begins, or, where bands between are empty, as wide as bands usually are. What lies
    /// above 0 has no logarithm: it is put right below the next band.
    fn band_edges(&self) -> (Vec<(u64, f64, f64)>, f64) {
        let bounds: BTreeSet<u64> = self.bands.iter().filter(|b| b.2 > 0).map(|b| b.1).collect();
        let mut logs: Vec<(u64, f64)> = bounds.into_iter().map(|b| (b, (b as f64).log10())).collect();
        let mut steps: Vec<f64> = logs.windows(2).map(|w| w[1].1 - w[0].1).filter(|s| s.is_finite()).collect();
        steps.sort_by(f64::total_cmp);
        let usual = steps.get(steps.len() / 2).map_or(USUAL_STEP, |s| s.clamp(0.05, 2.0 * USUAL_STEP));
        let second = logs.get(1).map_or(usual, |l| l.1);
        if let Some(first) = logs.first_mut().filter(|l| l.0 == 0) {
            first.1 = (second - usual).max(0.0);
        }
        let end = |i: usize| {
            let usual_end = logs[i].1 + usual;
            logs.get(i + 1).map_or(usual_end, |next| if next.1 - logs[i].1 > 1.6 * usual { usual_end } else { next.1 })
        };
        (logs.iter().enumerate().map(|(i, &(bound, log))| (bound, log, end(i))).collect(), usual)
    }

    /// Ticks on round moments, at most `room` of them.
    pub(super) fn ticks(&self, room: usize) -> Vec<Tick> {
        let start = self.from.as_secs();
        let span = (self.columns.len() as u64).saturating_mul(self.step_s);
        let every = TICKS_S.into_iter().find(|&t| span / t < room.max(1) as u64).unwrap_or(span.max(1));
        let every = i64::try_from(every).unwrap_or(i64::MAX);
        let first = start.saturating_add(every - 1).div_euclid(every).saturating_mul(every);
        (0..room as i64)
            .map(|i| first.saturating_add(i.saturating_mul(every)))
            .take_while(|&s| s >= start && ((s - start) as u64) < span)
            .map(|s| Tick { at: (s - start) as f64 / self.step_s as f64, label: tick_label(s, every) })
            .collect()
    }
}

/// Distances of ticks in seconds.
const TICKS_S: [u64; 24] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    2_419_200, 7_776_000, 15_552_000, 31_536_000,
];

/// The part of the time that differs from tick to tick; the date at midnight.
fn tick_label(s: i64, every: i64) -> String {
    let text = Timestamp::from_secs(s).to_string();
    let part = match every {
        2_419_200.. => 0..7,
        _ if s.rem_euclid(86_400) == 0 => 5..10,
        60.. => 11..16,
        _ => 11..19,
    };
    text.get(part).unwrap_or(&text).to_owned()
}

/// Rows that cover durations between two logarithms to base ten: (rows per decade, first row, rows).
///
/// Rows are aligned to powers of ten, so that labels can be round, and as high as a band or several: lower ones would
/// show stripes and claim a precision that the bands do not have.
fn grid(low: f64, high: f64, step: f64, room: u32) -> (u32, u32, u32) {
    let edges = |per: u32| {
        let first = snapped(low * f64::from(per)).floor().max(0.0) as u32;
        let end = snapped(high * f64::from(per)).ceil() as u32;
        (first, end.max(first + 1))
    };
    let bands_per_decade = (1.0 / step).round().max(1.0) as u32;
    for per in (1..=bands_per_decade).rev().filter(|&per| bands_per_decade.is_multiple_of(per)) {
        let (first, end) = edges(per);
        if end - first <= room {
            return (per, first, end - first);
        }
    }
    let (first, end) = edges(1);
    (1, first, (end - first).min(room))
}

/// A place on the edge of a row when it is very near to one: bounds of bands are rounded to whole microseconds.
fn snapped(row: f64) -> f64 {
    if (row - row.round()).abs() < 0.02 { row.round() } else { row }
}

/// Adds `n` to the rows between two places, to each by how much of the band lies in it.
fn spread(from: f64, to: f64, n: f64, rows: &mut [f64]) {
    let (from, to) = (from.max(0.0), to.min(rows.len() as f64));
    let last = rows.len().saturating_sub(1);
    if to - from < 1e-9 {
        if let Some(cell) = rows.get_mut((from as usize).min(last)) {
            *cell += n;
        }
        return;
    }
    for (i, cell) in rows.iter_mut().enumerate().skip(from as usize) {
        let overlap = to.min(i as f64 + 1.0) - from.max(i as f64);
        if overlap <= 0.0 {
            break;
        }
        *cell += n * overlap / (to - from);
    }
}

impl Heat {
    pub(super) fn rows(&self) -> usize {
        self.cells.first().map_or(0, Vec::len)
    }

    /// Intensity of a cell, 0 for none, else `1..=levels`. By the square root, so that rare slow ones are seen.
    pub(super) fn level(&self, column: usize, row: usize, levels: u8) -> u8 {
        match self.cells[column][row] {
            // Less than one transaction is the shade of a band in a neighbouring row.
            x if x < 0.05 => 0,
            x => ((x / self.most).sqrt() * f64::from(levels)).ceil().clamp(1.0, f64::from(levels)) as u8,
        }
    }

    /// Row edges with round labels, from the fastest on: 0 is the lower edge of the first row.
    pub(super) fn labels(&self) -> Vec<(usize, String)> {
        let all: Vec<_> = (0..=self.rows())
            .map(|i| (i, self.first_row + i as u32))
            .filter(|(_, row)| row.is_multiple_of(self.per_decade))
            .map(|(i, row)| (i, edge_label(f64::from(row / self.per_decade))))
            .collect();
        if all.len() > 1 {
            return all;
        }
        [0, self.rows()]
            .map(|i| (i, edge_label(f64::from(self.first_row + i as u32) / f64::from(self.per_decade))))
            .into()
    }

    /// Where a duration in microseconds lies, in rows from the lower edge of the first.
    pub(super) fn place(&self, us: u64) -> f64 {
        let row = (us.max(1) as f64).log10() * f64::from(self.per_decade) - f64::from(self.first_row);
        row.clamp(0.0, self.rows() as f64)
    }
}

/// `10 ms`, `250 ms`, `1000 s`: two digits, no more than an axis needs.
fn edge_label(log: f64) -> String {
    let us = 10f64.powf(log);
    let digit = 10f64.powf((log + 1e-9).floor() - 1.0);
    let rounded = (us / digit).round() * digit;
    match rounded {
        x if x < 999.5 => format!("{} µs", x.round()),
        x if x < 999_500.0 => format!("{} ms", (x / 100.0).round() / 10.0),
        x => format!("{} s", (x / 1e5).round() / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::sample, *};

    #[test]
    fn columns_hold_all_points() {
        let doc = sample::rich();
        for room in [1, 7, 50, 96, 1000] {
            let plot = Plot::new(&doc, room).unwrap();
            assert!(plot.columns.len() <= room);
            assert_eq!(plot.columns.iter().map(|c| c.count).sum::<u64>(), doc.totals.count, "{room}");
            let heat = plot.heat(10).unwrap();
            let sum: f64 = heat.cells.iter().flatten().sum();
            assert!((sum - doc.totals.duration_us.n as f64).abs() < 1.0, "{room}: {sum}");
        }
    }

    #[test]
    fn points_far_apart_need_no_room_between_them() {
        let mut doc = sample::rich();
        doc.timeline_step_s = 0;
        doc.timeline[1].at = Timestamp::from_micros(i64::MAX);
        doc.timeline[0].at = Timestamp::from_micros(i64::MIN);
        let plot = Plot::new(&doc, 80).unwrap();
        assert!(plot.columns.len() <= 80);
        assert!(plot.ticks(8).len() <= 8);
    }

    #[test]
    fn ticks_are_round_moments() {
        let mut doc = sample::rich();
        let labels = |doc: &Document| -> Vec<String> {
            Plot::new(doc, 96).unwrap().ticks(6).into_iter().map(|t| t.label).collect()
        };
        assert_eq!(labels(&doc), ["01-12", "06:00", "12:00", "18:00"]);
        doc.timeline.truncate(2);
        assert_eq!(labels(&doc), ["01-12", "00:10", "00:20"]);
    }

    #[test]
    fn rows_are_aligned_to_powers_of_ten() {
        for (low, high, step, room, want) in [
            (1e3f64, 1e6f64, 0.25, 26, (4, 12, 12)),
            (1e3, 1e6, 0.25, 11, (2, 6, 6)),
            (1e3, 1e6, 0.25, 5, (1, 3, 3)),
            (1e3, 1778.0, 0.25, 8, (4, 12, 1)),
            (1.0, 3.6e9, 0.25, 4, (1, 0, 4)),
        ] {
            assert_eq!(grid(low.log10(), high.log10(), step, room), want, "{low} {high}");
        }
        for (log, want) in
            [(3.0, "1 ms"), (3.398, "2.5 ms"), (4.5, "32 ms"), (6.0, "1 s"), (8.0, "100 s"), (1.0, "10 µs")]
        {
            assert_eq!(edge_label(log), want);
        }
    }

    #[test]
    fn what_took_no_time_stands_below_the_fastest() {
        let mut doc = sample::rich();
        doc.timeline.truncate(1);
        for (bands, rows) in [
            (vec![(0, 7), (1_000, 5), (1_778, 1)], vec![7.0, 5.0, 1.0]),
            (vec![(0, 7)], vec![7.0]),
            (vec![(100_000_000, 3)], vec![3.0]),
        ] {
            doc.timeline[0].bands = bands;
            assert_eq!(Plot::new(&doc, 80).unwrap().heat(26).unwrap().cells[0], rows);
        }
    }
}
