//! A piece of a log to transactions: the loop that every line goes through.
//!
//! In: bytes that end at a line's end. Out: rows in a [`Batch`], or one call per record. Every line is counted: as a
//! transaction or under the reason why it is none.

use pitot_model::{Coverage, Reason, TimeRange, Transaction};

use crate::{
    budget,
    enrich::{Enricher, Numbers, masked},
    log::{Format, Record},
    window::{Batch, Invalid},
};

/// Characters of a line that an [`Invalid`] shows.
const EXCERPT_CHARS: usize = 160;

/// What of a source is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Transactions that end in this range; those without a time always.
    pub range: TimeRange,
    /// Whether lines that the format does not fit are kept in the batch.
    pub keep_rejected: bool,
}

/// What became of a line.
pub enum Line<'a, 'b> {
    /// A request that could be read, and its transaction.
    Transaction(&'b Record<'a>, &'b Transaction<'b>),
    /// A response whose request could not be read.
    Unreadable(&'b Record<'a>),
}

/// Parses a piece and adds it to the batch. `first_line` is the number of its first line, from 1.
pub fn parse_piece(
    piece: &[u8],
    first_line: u64,
    format: &Format,
    enricher: &mut Enricher,
    wanted: Wanted,
    batch: &mut Batch,
) {
    batch.forget_numbers();
    lines(piece, first_line, format, enricher, wanted, batch, |batch, _, record, enriched| {
        if let Ok((transaction, numbers)) = enriched {
            batch.push_numbered(&transaction, record.time.is_some(), numbers);
        }
    });
}

/// Calls `visit` with every record of a piece, and the number of its line; counts all others in the batch.
pub fn each_line(
    piece: &[u8],
    first_line: u64,
    format: &Format,
    enricher: &mut Enricher,
    wanted: Wanted,
    batch: &mut Batch,
    mut visit: impl FnMut(&mut Batch, u64, Line<'_, '_>),
) {
    lines(piece, first_line, format, enricher, wanted, batch, |batch, number, record, enriched| match enriched {
        Ok((transaction, _)) => visit(batch, number, Line::Transaction(record, &transaction)),
        Err(_) => visit(batch, number, Line::Unreadable(record)),
    });
}

fn lines(
    piece: &[u8],
    first_line: u64,
    format: &Format,
    enricher: &mut Enricher,
    wanted: Wanted,
    batch: &mut Batch,
    mut visit: impl FnMut(&mut Batch, u64, &Record<'_>, Result<(Transaction<'_>, Numbers), Reason>),
) {
    enricher.make_room();
    let ruled = enricher.ruled(format);
    let format = ruled.as_ref().unwrap_or(format);
    let (mut start, mut number) = (0, first_line);
    let mut counts = Counts::default();
    let mut record = Record::default();
    let is_bounded = wanted.range != TimeRange::ALL;
    while start < piece.len() {
        let end = memchr::memchr(b'\n', &piece[start..]).map_or(piece.len(), |n| start + n);
        let line = &piece[start..end];
        let result = if line.len() > budget::LINE_BYTES {
            Err((Reason::LineTooLong, "", 0))
        } else {
            format.parse(line, &mut record).map_err(|skip| (skip.reason, skip.field, skip.at))
        };
        match result {
            Err((reason, field, at)) => {
                counts.add(reason, 1);
                if reason.is_loss() {
                    reject(batch, line, Invalid { line: number, reason, field, at, excerpt: String::new() }, wanted);
                }
            }
            Ok(()) => {
                let enriched = enricher.enrich_numbered(&record);
                let ended = || enriched.as_ref().map_or(record.time.unwrap_or_default(), |(t, _)| t.timing.ended());
                if is_bounded && record.time.is_some() && !wanted.range.contains(ended()) {
                    counts.add(Reason::OutOfRange, 1);
                } else {
                    if let Err(reason) = enriched {
                        counts.add(reason, 1);
                        if reason == Reason::GroupExcluded {
                            number += 1;
                            start = end + 1;
                            continue;
                        }
                    }
                    visit(batch, number, &record, enriched);
                }
            }
        }
        number += 1;
        start = end + 1;
    }
    batch.coverage.lines_read += number - first_line;
    batch.coverage.bytes_read += piece.len() as u64;
    counts.move_to(&mut batch.coverage);
}

fn reject(batch: &mut Batch, line: &[u8], mut invalid: Invalid, wanted: Wanted) {
    if batch.invalid.is_none() {
        let text = String::from_utf8_lossy(&line[..line.len().min(4 * EXCERPT_CHARS)]);
        invalid.excerpt = masked(&text).chars().take(EXCERPT_CHARS).collect();
        batch.invalid = Some(invalid);
    }
    if wanted.keep_rejected {
        batch.rejected.extend_from_slice(line);
        batch.rejected.push(b'\n');
    }
}

/// Reasons of a piece; a map lookup a line would cost more than parsing.
#[derive(Debug, Default)]
pub(crate) struct Counts(Vec<(Reason, u64)>);

impl Counts {
    #[inline]
    pub(crate) fn add(&mut self, reason: Reason, n: u64) {
        match self.0.iter_mut().find(|(r, _)| *r == reason) {
            Some((_, count)) => *count += n,
            None => self.0.push((reason, n)),
        }
    }

    /// Adds them to a coverage, and begins at zero again.
    pub(crate) fn move_to(&mut self, coverage: &mut Coverage) {
        for (reason, n) in &mut self.0 {
            coverage.add(*reason, std::mem::take(n));
        }
    }
}
