//! Apache's `LogFormat`: text with `%` directives.
//!
//! In: the format, bare or as the whole directive (`LogFormat "..." name`). Out: a pattern. Times are those of the
//! start of the request, as Apache logs them. Source: Apache HTTP Server, mod_log_config.

use std::sync::Arc;

use super::{super::Layout, Ops, SpecError};
use crate::log::{
    field::{Field, Slot},
    names,
    number::Unit,
    record::Escape,
    request::Pick,
    time::Strftime,
};

/// Compiles the format.
pub(super) fn compile(spec: &str) -> Result<Layout, SpecError> {
    let text = unwrap_directive(spec);
    let bytes = text.as_bytes();
    let (mut ops, mut at) = (Ops::default(), 0);
    while at < bytes.len() {
        let next = text[at..].find('%').map_or(bytes.len(), |n| at + n);
        ops.literal(&bytes[at..next]);
        if next == bytes.len() {
            break;
        }
        at = directive(&text, next, &mut ops)?;
    }
    ops.finish(Escape::None, &text)
}

/// Reads the directive at `at`; the position behind it.
fn directive(text: &str, at: usize, ops: &mut Ops) -> Result<usize, SpecError> {
    let bytes = text.as_bytes();
    let mut next = at + 1;
    // Conditions on the status (`%!200,304{...}i`) and the choice between first and last request (`%>s`).
    while bytes.get(next).is_some_and(|b| b.is_ascii_digit() || matches!(b, b'!' | b',' | b'<' | b'>')) {
        next += 1;
    }
    let mut argument = None;
    if bytes.get(next) == Some(&b'{') {
        let close = text[next..].find('}').ok_or_else(|| wrong(at, "an argument has no closing brace"))?;
        argument = Some(&text[next + 1..next + close]);
        next += close + 1;
    }
    let rest = text.get(next..).unwrap_or_default();
    let letter = rest.chars().next().ok_or_else(|| wrong(at, "the format ends inside a directive"))?;
    let end = next + letter.len_utf8();
    let name = &text[at..end];
    let f = |slot, rank| Some(Field::new(slot, rank));
    let field = match (letter, argument) {
        ('%', None) => {
            ops.literal(b"%");
            return Ok(end);
        }
        ('t', None) => {
            ops.literal(b"[");
            ops.field(at, name, f(Slot::Time { start: true }, 5))?;
            ops.literal(b"]");
            return Ok(end);
        }
        ('t', Some(pattern)) => f(time(pattern, at)?, 6),
        ('h' | 'a', None) => f(Slot::Client(Pick::First), 5),
        ('a', Some(_)) => f(Slot::Client(Pick::First), 4),
        ('u', None) => f(Slot::User, 5),
        ('r', None) => f(Slot::Request, 5),
        ('m', None) => f(Slot::Method, 5),
        ('U', None) => f(Slot::Target, 5),
        ('q', None) => {
            // The query follows the path without a separator: both are one field.
            return Ok(end);
        }
        ('H', None) => f(Slot::Protocol, 5),
        ('s', None) => f(Slot::Status, 5),
        ('b' | 'B', None) => f(Slot::ClfBytes, 6),
        ('O', None) => f(Slot::ClfBytes, 4),
        ('I', None) => f(Slot::RequestBytes, 5),
        ('v' | 'V', None) => f(Slot::VirtualHost, 4),
        ('D', None) => f(Slot::Duration(Unit::Micros), 6),
        ('T', None) => f(Slot::Duration(Unit::Seconds), 5),
        ('T', Some(unit)) => f(Slot::Duration(duration_unit(unit, at)?), 6),
        ('L', None) => f(Slot::Trace, 3),
        ('i', Some(header)) => names::request_header(header),
        ('o', Some(header)) => {
            names::response_header(header).or_else(|| names::nginx(header)).or_else(|| names::credential(header))
        }
        ('x', Some(variable)) => names::credential(variable),
        ('e' | 'n' | 'C', Some(variable)) => names::nginx(variable).or_else(|| names::credential(variable)),
        ('A' | 'f' | 'k' | 'l' | 'p' | 'P' | 'R' | 'S' | 'X' | 'c', _) | ('^', Some(_)) => None,
        _ => return Err(wrong(at, &format!("`{name}` is no directive"))),
    };
    let shown = argument.filter(|_| matches!(letter, 'i' | 'x' | 'e' | 'n' | 'o' | 'C')).unwrap_or(name);
    ops.field(at, shown, field)?;
    Ok(end)
}

fn time(pattern: &str, at: usize) -> Result<Slot, SpecError> {
    let start = !pattern.starts_with("end:");
    let pattern = pattern.trim_start_matches("begin:").trim_start_matches("end:");
    if matches!(pattern, "sec" | "msec" | "usec") {
        return Ok(Slot::Time { start });
    }
    match Strftime::compile(pattern) {
        Ok(pattern) => Ok(Slot::Pattern { pattern: Arc::new(pattern), start }),
        Err(_) => Err(wrong(at, &format!("`{pattern}` is no time format"))),
    }
}

fn duration_unit(unit: &str, at: usize) -> Result<Unit, SpecError> {
    match unit {
        "s" => Ok(Unit::Seconds),
        "ms" => Ok(Unit::Millis),
        "us" => Ok(Unit::Micros),
        _ => Err(wrong(at, &format!("`{unit}` is no unit of %T, use s, ms or us"))),
    }
}

fn wrong(at: usize, what: &str) -> SpecError {
    SpecError::new(at, what, "use Apache's directives, such as `%h %l %u %t \"%r\" %>s %b %{X-Api-Key}i %D`")
}

/// The format inside `LogFormat "..." name`, with its quotes unescaped.
fn unwrap_directive(spec: &str) -> String {
    let trimmed = spec.trim();
    let Some(body) = trimmed.strip_prefix("LogFormat") else { return trimmed.replace("\\\"", "\"") };
    let body = body.trim();
    let inner = match body.strip_prefix('"') {
        Some(inner) => {
            let mut escaped = false;
            let close = inner.find(|c| {
                let closes = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                closes
            });
            &inner[..close.unwrap_or(inner.len())]
        }
        None => body,
    };
    inner.replace("\\\"", "\"")
}
