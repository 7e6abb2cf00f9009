//! What a report holds, counted before it is decoded: an empty message takes two bytes on the wire, a thousand times less
//! when compressed, and up to 300 in memory.
//!
//! In: the protobuf message of a report, from a stranger. Out: whether all its numbers are within [`budget`]. Cost: one
//! pass over the tags, no allocation.
//!
//! Source: Protocol Buffers, "Encoding".

use super::WireError;
use crate::{budget, varint};

/// Counts of what is repeated, over all windows.
#[derive(Default)]
struct Counts {
    windows: usize,
    routes: usize,
    consumers: usize,
    cells: usize,
    sketch_bytes: usize,
    reasons: usize,
    exemplars: usize,
    aliases: usize,
    offsets: usize,
    marks: usize,
}

/// Refuses a report with too much of something.
pub(super) fn check(report: &[u8]) -> Result<(), WireError> {
    let mut counts = Counts::default();
    each_field(report, &mut |tag, value| {
        match tag {
            8 => {
                add(&mut counts.windows, 1, budget::REPORT_WINDOWS, "windows")?;
                each_field(value, &mut |tag, value| in_window(&mut counts, tag, value))?;
            }
            9 => each_field(value, &mut |tag, _| match tag {
                4 => add(&mut counts.reasons, 1, budget::REPORT_REASONS, "coverage reasons"),
                _ => Ok(()),
            })?,
            10 => add(&mut counts.exemplars, 1, budget::REPORT_EXEMPLARS, "exemplars")?,
            11 => add(&mut counts.aliases, 1, budget::REPORT_ALIASES, "route aliases")?,
            12 => add(&mut counts.offsets, 1, budget::REPORT_OFFSETS, "offsets")?,
            16 => add(&mut counts.marks, 1, budget::REPORT_MARKS, "marks")?,
            _ => {}
        }
        Ok(())
    })
}

fn in_window(counts: &mut Counts, tag: u64, value: &[u8]) -> Result<(), WireError> {
    match tag {
        4 => add(&mut counts.routes, 1, budget::REPORT_NAMES, "routes"),
        5 => add(&mut counts.consumers, 1, budget::REPORT_NAMES, "consumers"),
        6 => {
            add(&mut counts.cells, 1, budget::REPORT_CELLS, "cells")?;
            // A histogram is the only part of a cell that has a length.
            each_field(value, &mut |_, histogram| {
                add(&mut counts.sketch_bytes, histogram.len(), budget::REPORT_SKETCH_BYTES, "bytes of histograms")
            })
        }
        _ => Ok(()),
    }
}

fn add(count: &mut usize, n: usize, most: usize, what: &'static str) -> Result<(), WireError> {
    *count = count.saturating_add(n);
    if *count > most { Err(WireError::TooMany { what, most }) } else { Ok(()) }
}

type Visit<'a> = dyn FnMut(u64, &[u8]) -> Result<(), WireError> + 'a;

/// Calls `visit(tag, value)` for every field of a message that has a length; others cannot be repeated by ours.
fn each_field(mut message: &[u8], visit: &mut Visit<'_>) -> Result<(), WireError> {
    while !message.is_empty() {
        let key = varint::read(&mut message).ok_or_else(cut)?;
        let n_bytes = match key & 7 {
            0 => varint::read(&mut message).map(|_| 0),
            1 => Some(8),
            2 => varint::read(&mut message),
            5 => Some(4),
            _ => return Err(WireError::Malformed("a group, which no version has".into())),
        };
        let n_bytes = n_bytes.and_then(|n| usize::try_from(n).ok()).ok_or_else(cut)?;
        let (value, rest) = message.split_at_checked(n_bytes).ok_or_else(cut)?;
        if key & 7 == 2 {
            visit(key >> 3, value)?;
        }
        message = rest;
    }
    Ok(())
}

fn cut() -> WireError {
    WireError::Malformed("a field is cut".into())
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::{super::v1, *};

    #[test]
    fn too_much_of_anything_is_refused_before_it_is_decoded() {
        let windows = |window: &[u8]| {
            let report = v1::Report { windows: vec![v1::Window::default()], ..v1::Report::default() };
            assert_eq!(report.encode_to_vec(), [66, 0]);
            let mut bytes = vec![66];
            varint::write(&mut bytes, window.len() as u64);
            [&bytes, window].concat()
        };
        for (what, one, most, is_window) in [
            ("windows", &[66, 0][..], budget::REPORT_WINDOWS, false),
            ("exemplars", &[82, 0], budget::REPORT_EXEMPLARS, false),
            ("route aliases", &[90, 0], budget::REPORT_ALIASES, false),
            ("offsets", &[98, 0], budget::REPORT_OFFSETS, false),
            ("marks", &[130, 1, 0], budget::REPORT_MARKS, false),
            ("routes", &[34, 0], budget::REPORT_NAMES, true),
            ("consumers", &[42, 0], budget::REPORT_NAMES, true),
            ("cells", &[50, 0], budget::REPORT_CELLS, true),
        ] {
            let message = |n: usize| if is_window { windows(&one.repeat(n)) } else { one.repeat(n) };
            assert_eq!(check(&message(most)), Ok(()), "{what}");
            assert_eq!(check(&message(most + 1)), Err(WireError::TooMany { what, most }), "{what}");
        }
        let halves = [
            windows(&[34, 0].repeat(budget::REPORT_NAMES / 2 + 1)),
            windows(&[34, 0].repeat(budget::REPORT_NAMES / 2)),
        ];
        assert!(check(&halves.concat()).is_err(), "over all windows");
    }

    #[test]
    fn histograms_are_counted_by_their_bytes() {
        let sketch = v1::Sketch { hdr_v2: vec![0; budget::REPORT_SKETCH_BYTES / 4], ..v1::Sketch::default() };
        let cell = v1::Cell { duration: Some(sketch.clone()), ttfb: Some(sketch), ..v1::Cell::default() };
        for (n_cells, is_fine) in [(1, true), (2, false)] {
            let window = v1::Window { cells: vec![cell.clone(); n_cells], ..v1::Window::default() };
            let report = v1::Report { windows: vec![window], ..v1::Report::default() };
            assert_eq!(check(&report.encode_to_vec()).is_ok(), is_fine, "{n_cells}");
        }
    }

    #[test]
    fn what_no_writer_of_ours_makes_is_malformed() {
        for message in [&[0x53, 0x54][..], &[0x42], &[0x42, 2, 0], &[0x41, 0], &[0x80]] {
            assert!(matches!(check(message), Err(WireError::Malformed(_))), "{message:?}");
        }
        assert_eq!(check(&[8, 1, 0x61, 0, 0, 0, 0, 0, 0, 0, 0, 0x65, 0, 0, 0, 0]), Ok(()));
    }
}
