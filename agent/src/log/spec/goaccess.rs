//! GoAccess specifiers: `%h %^[%d:%t %^] "%r" %s %b "%R" "%u"`.
//!
//! In: the log format, then perhaps ` ;; date format ;; time format` in `strftime`'s directives. Out: a pattern.
//! Without date and time formats, `%d/%b/%Y` and `%H:%M:%S` are read, and in `%d:%t %^` the zone, too. Source:
//! goaccess(1), custom log and date formats.

use std::sync::Arc;

use super::{super::Layout, Ops, SpecError};
use crate::log::{
    field::{Field, Slot},
    number::Unit,
    pattern::Op,
    record::Escape,
    request::Pick,
    time::Strftime,
};

/// Whether this is such a format and not Apache's.
pub(super) fn is_it(spec: &str) -> bool {
    // Apache keeps strftime patterns in braces.
    let bare: String = spec.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after)).collect();
    spec.contains(" ;; ") || ["%^", "%d", "%x", "%~", "%R", "%e "].iter().any(|mark| bare.contains(mark))
}

/// Compiles the format.
pub(super) fn compile(spec: &str) -> Result<Layout, SpecError> {
    let mut parts = spec.split(" ;; ");
    let format = parts.next().unwrap_or_default();
    let date = strftime(spec, parts.next(), "date", "%d/%b/%Y")?;
    let clock = strftime(spec, parts.next(), "time", "%H:%M:%S")?;
    let is_clf = !spec.contains(" ;; ");
    let (mut ops, mut bytes) = (Ops::default(), format.bytes().enumerate().peekable());
    while let Some((at, b)) = bytes.next() {
        if b == b'\\' && bytes.peek().is_some_and(|(_, b)| *b == b't') {
            bytes.next();
            ops.literal(b"\t");
            continue;
        }
        if b != b'%' {
            ops.literal(&[b]);
            continue;
        }
        if is_clf && format.as_bytes()[at..].starts_with(CLF_TIME) {
            ops.field(at, "%d:%t %^", Some(Field::new(Slot::Time { start: false }, 5)))?;
            bytes.by_ref().take(CLF_TIME.len() - 1).for_each(drop);
            continue;
        }
        let specifier = bytes.next().map_or(0, |(_, b)| b);
        let name = format!("%{}", char::from(specifier));
        match specifier {
            b'%' => ops.literal(b"%"),
            b'~' => ops.0.push(Op::Blanks),
            b'h' => {
                // `%h{, "}` names what parts a list of addresses.
                if bytes.peek().is_some_and(|(_, b)| *b == b'{') {
                    bytes.by_ref().find(|(_, b)| *b == b'}');
                }
                ops.field(at, &name, Some(Field::new(Slot::Client(Pick::First), 5)))?;
            }
            _ => ops.field(at, &name, field(specifier, &date, &clock, is_clf).ok_or_else(|| unknown(at, &name))?)?,
        }
    }
    ops.finish(Escape::None, format)
}

/// How people write the time of the Common Log Format.
const CLF_TIME: &[u8] = b"%d:%t %^";

/// What a specifier means: `None` for none, `Some(None)` for one that is passed over.
fn field(specifier: u8, date: &Arc<Strftime>, clock: &Arc<Strftime>, is_clf: bool) -> Option<Option<Field>> {
    let moment = |pattern: &Arc<Strftime>| Slot::Pattern { pattern: pattern.clone(), start: false };
    let slot = match specifier {
        b'd' => moment(date),
        b't' => moment(clock),
        b'x' if is_clf => Slot::Time { start: false },
        b'x' => moment(date),
        b'v' => Slot::VirtualHost,
        b'e' => Slot::User,
        b'r' => Slot::Request,
        b'm' => Slot::Method,
        b'U' => Slot::Target,
        b'q' => Slot::Query,
        b'H' => Slot::Protocol,
        b's' => Slot::Status,
        b'b' => Slot::ClfBytes,
        b'u' => Slot::Agent,
        b'L' => Slot::Duration(Unit::Millis),
        b'D' => Slot::Duration(Unit::Micros),
        b'T' => Slot::Duration(Unit::Seconds),
        b'n' => Slot::Duration(Unit::Nanos),
        b'^' | b'R' | b'c' | b'C' | b'K' | b'k' | b'M' | b'S' => return Some(None),
        _ => return None,
    };
    Some(Some(Field::new(slot, 5)))
}

fn strftime(spec: &str, given: Option<&str>, what: &str, default: &str) -> Result<Arc<Strftime>, SpecError> {
    let pattern = given.map_or(default, str::trim);
    Strftime::compile(pattern).map(Arc::new).map_err(|at| {
        let start = given.map_or(0, |g| g.as_ptr() as usize - spec.as_ptr() as usize + g.len() - g.trim_start().len());
        let hint = "use strftime's directives, such as %d/%b/%Y and %H:%M:%S";
        SpecError::new(start + at, format!("`{pattern}` is no {what} format"), hint)
    })
}

fn unknown(at: usize, name: &str) -> SpecError {
    let hint = "use %x %t %d %v %e %h %r %m %U %q %H %s %b %R %u %D %T %L %n %^ %~, or Apache's directives";
    SpecError::new(at, format!("`{name}` is no specifier"), hint)
}
