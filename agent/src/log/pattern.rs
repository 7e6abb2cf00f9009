//! Formats that somebody wrote down: literal text with fields between.
//!
//! In: a line. Out: a record. A field ends where the literal behind it begins; in quotes, where a quote that is not
//! escaped begins it. Text behind the last literal is left alone.

use pitot_model::Reason;

use super::{
    Skip,
    field::{Field, Sink, Slot},
    record::{Escape, Record, Text},
    scan,
};

/// A compiled format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) ops: Vec<Op>,
    /// Whether values are written with JSON's escapes (`escape=json`).
    pub(super) escape: Escape,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Op {
    /// This text.
    Literal(Box<[u8]>),
    /// A field, up to the literal that is the next step, or to the end of the line.
    Field { name: String, field: Field },
    /// Any number of blanks (GoAccess `%~`).
    Blanks,
}

impl Pattern {
    /// Parses one line.
    #[inline]
    pub(super) fn parse<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        let mut sink = Sink::new(out);
        let mut at = 0;
        for (n, op) in self.ops.iter().enumerate() {
            match op {
                Op::Literal(text) => at = literal(line, at, text)?,
                Op::Blanks => at = scan::skip_blanks(line, at),
                Op::Field { field, .. } => {
                    let end = match self.ops.get(n + 1) {
                        Some(Op::Literal(next)) => {
                            end_of(line, at, field, next).ok_or_else(|| missing(field, at, line))?
                        }
                        Some(Op::Blanks) => scan::find2(line, at, b' ', b'\t').unwrap_or(line.len()),
                        _ => line.len(),
                    };
                    let text = &line[at..end];
                    let escape = if text.contains(&b'\\') { self.escape } else { Escape::None };
                    if field.slot != Slot::Skip && !sink.put(field, Text { raw: text, escape }) {
                        return Err(field.misfit(at));
                    }
                    at = end;
                }
            }
        }
        sink.finish();
        Ok(())
    }
}

/// Behind the literal, which must stand here; what the line lacks at its end is cut off.
#[inline]
fn literal(line: &[u8], at: usize, text: &[u8]) -> Result<usize, Skip> {
    let rest = &line[at..];
    if rest.starts_with(text) {
        return Ok(at + text.len());
    }
    let last_blank = text.trim_ascii_end();
    if rest == last_blank {
        return Ok(line.len());
    }
    let reason = if at > 0 && text.starts_with(rest) { Reason::LineCut } else { Reason::LineMalformed };
    Err(Skip { reason, field: "text between fields", at })
}

/// Where the field that begins at `at` ends.
#[inline]
fn end_of(line: &[u8], at: usize, field: &Field, next: &[u8]) -> Option<usize> {
    let first = *next.first()?;
    let mut from = at;
    loop {
        let hit = if first == b'"' { scan::quote(line, from)?.0 } else { scan::find(line, from, first)? };
        let rest = &line[hit..];
        let goes_on = field.slot.is_list() && first == b' ' && hit > at && is_list_gap(line, hit);
        if !goes_on && (rest.starts_with(next) || rest == next.trim_ascii_end()) {
            return Some(hit);
        }
        from = hit + 1;
    }
}

/// Whether the blank at `at` stands between two values of a list: `0.010, 0.020`, `0.1 : 0.2`.
fn is_list_gap(line: &[u8], at: usize) -> bool {
    let (before, after) = (line[at - 1], line.get(at + 1..at + 3));
    before == b',' || after == Some(b": ") || (before == b':' && line.get(at.wrapping_sub(2)) == Some(&b' '))
}

/// The literal behind a field does not come. A line that began well was cut; another never fitted.
#[cold]
fn missing(field: &Field, at: usize, line: &[u8]) -> Skip {
    if at > 0 && !matches!(field.slot, Slot::Client(_) | Slot::Host | Slot::VirtualHost) {
        field.cut(line.len())
    } else {
        Skip { reason: Reason::LineMalformed, field: field.slot.name(), at }
    }
}
