//! From a report to the bytes that are shipped: one piece where it fits into one request, else several.
//!
//! In: a report. Out: packed pieces with sequences in a row, whose counts add up to those of the report.

use bytes::Bytes;
use pitot_model::{Coverage, Reason, Report};

use super::SpoolError;

/// One piece as it is shipped.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packed {
    pub(super) sequence: u64,
    pub(super) transactions: u64,
    pub(super) coverage: Coverage,
    pub(super) bytes: Bytes,
}

/// From a report to its bytes, where it fits.
pub(super) type Packer<'a> = &'a dyn Fn(&Report) -> Result<Bytes, String>;

/// Packs a report, whose sequence is that of the first piece.
pub(super) fn pack(report: &Report) -> Result<Vec<Packed>, SpoolError> {
    pack_with(report, &|r| pitot_client::pack(r).map_err(|e| e.to_string()))
}

/// Packs a report by what says whether it fits.
pub(super) fn pack_with(report: &Report, packer: Packer<'_>) -> Result<Vec<Packed>, SpoolError> {
    let why = match packer(report) {
        Ok(bytes) => return Ok(vec![Packed::new(report, bytes)]),
        Err(why) => why,
    };
    if report.windows.len() > 1 {
        let (first, mut second) = halves(report.clone());
        let mut pieces = pack_with(&first, packer)?;
        second.sequence += pieces.len() as u64;
        pieces.extend(pack_with(&second, packer)?);
        return Ok(pieces);
    }
    let bare = without_parts(report.clone());
    if bare == *report { Err(SpoolError::Unpackable(why)) } else { pack_with(&bare, packer) }
}

impl Packed {
    fn new(report: &Report, bytes: Bytes) -> Self {
        let coverage = report.coverage.clone();
        Self { sequence: report.sequence, transactions: report.count(), coverage, bytes }
    }
}

/// The first windows with everything else, and the other windows.
fn halves(mut first: Report) -> (Report, Report) {
    let windows = first.windows.split_off(first.windows.len() / 2);
    let earliest = windows.iter().map(|w| w.start).min().unwrap_or(first.watermark);
    let mut second = Report {
        agent: first.agent.clone(),
        sequence: first.sequence,
        made: first.made,
        program: first.program.clone(),
        watermark: first.watermark,
        windows,
        gauges: first.gauges,
        backlog: first.backlog,
        is_last: first.is_last,
        ..Report::default()
    };
    second.coverage.transactions = second.count().min(first.coverage.transactions);
    first.coverage.transactions -= second.coverage.transactions;
    // What the second half holds is still to come after the first.
    first.watermark = first.watermark.min(earliest);
    first.is_last = false;
    (first, second)
}

/// A window that fits nowhere is lost, and counted as what the collector would refuse.
fn without_parts(mut report: Report) -> Report {
    let lost = report.count();
    if lost > 0 || !report.windows.is_empty() {
        report.windows.clear();
        report.coverage.transactions = report.coverage.transactions.saturating_sub(lost);
        report.coverage.add(Reason::ReportRefused, lost);
        return report;
    }
    report.exemplars.clear();
    report.marks.clear();
    report.aliases.clear();
    report.offsets.clear();
    report
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pitot_model::{Cell, Consumer, Resource, Route, Stats, Timestamp, Window};

    use super::*;

    fn report(counts: &[u64]) -> Report {
        let window = |(i, &count): (usize, &u64)| Window {
            routes: vec![Route::default()],
            consumers: vec![Consumer::default()],
            cells: vec![Cell { stats: Stats { count, ..Stats::default() }, ..Cell::default() }],
            ..Window::new(Timestamp::from_secs(10 * i as i64), Duration::from_secs(10), Resource::default())
        };
        let transactions = counts.iter().sum();
        Report {
            sequence: 5,
            watermark: Timestamp::from_secs(1_000),
            windows: counts.iter().enumerate().map(window).collect(),
            coverage: Coverage { lines_read: transactions + 1, transactions, ..Coverage::default() },
            is_last: true,
            ..Report::default()
        }
    }

    /// Takes reports of at most this many transactions and windows.
    fn packer(transactions: u64, windows: usize) -> impl Fn(&Report) -> Result<Bytes, String> {
        move |r| {
            let fits = r.count() <= transactions && r.windows.len() <= windows;
            if fits { Ok(Bytes::new()) } else { Err("too large".into()) }
        }
    }

    #[test]
    fn what_does_not_fit_is_split_and_adds_up() {
        for (counts, most, windows, want) in [
            (&[3, 4, 5][..], 100, 9, &[(5, 12, 0)][..]),
            (&[3, 4, 5], 100, 1, &[(5, 3, 0), (6, 4, 0), (7, 5, 0)]),
            (&[3, 9, 5], 8, 9, &[(5, 3, 0), (6, 0, 9), (7, 5, 0)]),
            (&[9], 8, 9, &[(5, 0, 9)]),
            (&[], 8, 9, &[(5, 0, 0)]),
        ] {
            let whole = report(counts);
            let pieces = pack_with(&whole, &packer(most, windows)).expect("packs");
            let of = |p: &Packed| {
                assert_eq!(p.transactions, p.coverage.transactions);
                (p.sequence, p.transactions, p.coverage.get(Reason::ReportRefused))
            };
            assert_eq!(pieces.iter().map(of).collect::<Vec<_>>(), want, "{counts:?}");
            let lines: u64 = pieces.iter().map(|p| p.coverage.lines_read).sum();
            assert_eq!(lines, whole.coverage.lines_read);
        }
    }

    #[test]
    fn only_the_last_half_says_that_nothing_comes() {
        let (first, second) = halves(report(&[1, 2, 3, 4]));
        assert_eq!((first.is_last, second.is_last), (false, true));
        assert_eq!((first.watermark, second.watermark), (Timestamp::from_secs(20), Timestamp::from_secs(1_000)));
    }

    #[test]
    fn what_cannot_be_packed_at_all_is_an_error() {
        let never = |_: &Report| Err("no".to_owned());
        assert!(matches!(pack_with(&report(&[1, 2]), &never), Err(SpoolError::Unpackable(_))));
    }
}
