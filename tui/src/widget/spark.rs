//! A line of numbers as a line of blocks. In: values over time, `None` where there is none. Out: text.

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Blocks from 0 to the greatest value, one per cell; a space where there is no value.
///
/// More values than cells: the greatest of those that share a cell, so that no peak is lost. Fewer: they are stretched.
pub(crate) fn spark(values: &[Option<f64>], cells: usize) -> String {
    let values: Vec<Option<f64>> = resample(values.len(), cells)
        .map(|range| values[range].iter().copied().flatten().reduce(f64::max).filter(|v| v.is_finite()))
        .collect();
    let top = values.iter().copied().flatten().fold(0.0, f64::max);
    let level = |v: f64| if top > 0.0 { ((v / top * 8.0).ceil() as usize).clamp(1, 8) - 1 } else { 0 };
    values.into_iter().map(|v| v.map_or(' ', |v| LEVELS[level(v)])).collect()
}

/// For each of so many cells, which of `n` values it shows; none at all without values.
pub(crate) fn resample(n: usize, cells: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let cells = if n == 0 { 0 } else { cells };
    (0..cells).map(move |x| {
        let start = x * n / cells;
        start..((x + 1) * n / cells).max(start + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines() {
        for (values, cells, want) in [
            (&[Some(0.0), Some(4.0), Some(8.0)][..], 3, "▁▄█"),
            (&[Some(1.0), None, Some(8.0)], 3, "▁ █"),
            (&[Some(0.0), Some(0.0)], 2, "▁▁"),
            (&[Some(8.0), Some(1.0)], 4, "██▁▁"),
            (&[Some(1.0), Some(8.0), Some(1.0), Some(1.0)], 2, "█▁"),
            (&[], 5, ""),
            (&[Some(f64::INFINITY), Some(1.0)], 2, " █"),
        ] {
            assert_eq!(spark(values, cells), want, "{values:?}");
        }
    }
}
