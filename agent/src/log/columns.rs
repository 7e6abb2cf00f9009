//! Formats whose fields stand in columns: W3C (IIS, CloudFront), the load balancers and S3 of AWS.
//!
//! In: a line. Out: a record. Columns are parted by blanks or tabs; in AWS's own formats quotes and brackets hold
//! blanks together, in W3C logs blanks are written as `+`. Columns behind the last known one are left alone, since new
//! ones are added there.

use pitot_model::Reason;

use super::{
    Skip,
    field::{Field, Sink, Slot},
    record::{Record, Text},
    scan,
    tail::{self, Kind},
};

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) columns: Vec<Column>,
    /// How many of them every line has.
    pub(super) needed: usize,
    pub(super) separator: Separator,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// `None` where nobody asks for it.
    pub(super) field: Option<Field>,
}

/// What parts the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// Blanks, outside of quotes and brackets.
    Quoted,
    /// Blanks or tabs, anywhere.
    Plain,
}

/// Text, first byte and end of a column in a line.
type Cell<'a> = (&'a [u8], usize, usize);

impl Columns {
    /// Parses one line.
    #[inline]
    pub(super) fn parse<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        match self.read(line, self.separator, out) {
            Err(skip) if self.separator == Separator::Plain => self.read_quoted(line, out).map_err(|_| skip),
            done => done,
        }
    }

    /// Some servers quote values that hold blanks. Others write a quote as it came, so this is the second try.
    #[cold]
    fn read_quoted<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        *out = Record::default();
        self.read(line, Separator::Quoted, out)
    }

    #[inline]
    fn read<'a>(&self, line: &'a [u8], separator: Separator, out: &mut Record<'a>) -> Result<(), Skip> {
        let mut sink = Sink::new(out);
        let mut at = 0;
        for (n, column) in self.columns.iter().enumerate() {
            let Some((text, start, end)) = next(line, at, separator)? else {
                if n < self.needed {
                    return Err(column.field.as_ref().unwrap_or(&Field::SKIP).cut(line.len()));
                }
                break;
            };
            at = end;
            if let Some(field) = &column.field
                && !sink.put(field, Text::plain(text))
            {
                return Err(field.misfit(start));
            }
        }
        sink.finish();
        if out.status.is_none() && out.method.is_empty() {
            // A TCP or TLS listener's record (`"- - - "`), which has neither.
            return Err(Skip { reason: Reason::LineForeign, field: Slot::Request.name(), at: 0 });
        }
        Ok(())
    }
}

/// The column at `at`.
#[inline]
fn next(line: &[u8], at: usize, separator: Separator) -> Result<Option<Cell<'_>>, Skip> {
    match separator {
        Separator::Quoted => match tail::next(line, at) {
            Some(t) if t.kind == Kind::Open => Err(Field::SKIP.cut(line.len())),
            token => Ok(token.map(|t| (t.text, t.at, t.end))),
        },
        Separator::Plain => {
            let at = scan::skip_blanks(line, at);
            let end = scan::find2(line, at, b' ', b'\t').unwrap_or(line.len());
            Ok((at < line.len()).then(|| (&line[at..end], at, end)))
        }
    }
}
