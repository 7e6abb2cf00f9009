//! Formats that the user writes down.
//!
//! In: a name, an nginx `log_format`, an Apache `LogFormat`, Envoy's command operators, or GoAccess specifiers. Out: a
//! layout, or an error that says where and what would be accepted.

mod apache;
mod envoy;
mod goaccess;
mod nginx;

use super::{
    Layout,
    field::Field,
    pattern::{Op, Pattern},
    record::Escape,
};

pub(super) use nginx::compile as nginx;

/// Bytes of the longest specification.
const SPEC_BYTES: usize = 16 << 10;

/// A specification that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read log format at position {at}: {what}; {hint}")]
pub struct SpecError {
    /// Byte position in the specification, from 0.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
    /// What would be accepted.
    pub hint: String,
}

impl SpecError {
    fn new(at: usize, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { at, what: what.into(), hint: hint.into() }
    }
}

/// Compiles a specification that is not a name.
pub(super) fn compile(spec: &str) -> Result<Layout, SpecError> {
    if spec.len() > SPEC_BYTES {
        return Err(SpecError::new(SPEC_BYTES, "too long", format!("use at most {SPEC_BYTES} bytes")));
    }
    let has_variable = spec.as_bytes().windows(2).any(|w| w[0] == b'$' && (w[1].is_ascii_lowercase() || w[1] == b'{'));
    if envoy::is_it(spec) {
        envoy::compile(spec)
    } else if goaccess::is_it(spec) {
        goaccess::compile(spec)
    } else if has_variable {
        nginx::compile(spec)
    } else if spec.contains('%') {
        apache::compile(spec)
    } else {
        let names: Vec<_> = super::named::NAMES.iter().map(|(name, _)| *name).collect();
        let hint = format!("use one of {}, or a log_format with $variables or %directives", names.join(", "));
        let shown: String = spec.chars().take(40).collect();
        Err(SpecError::new(0, format!("`{shown}` is no known name and holds no fields"), hint))
    }
}

/// Collects steps; literals beside each other become one.
#[derive(Default)]
struct Ops(Vec<Op>);

impl Ops {
    fn literal(&mut self, text: &[u8]) {
        match self.0.last_mut() {
            Some(Op::Literal(last)) => *last = [last, text].concat().into(),
            _ if text.is_empty() => {}
            _ => self.0.push(Op::Literal(text.into())),
        }
    }

    /// Adds a field at position `at` of the specification.
    fn field(&mut self, at: usize, name: &str, field: Option<Field>) -> Result<(), SpecError> {
        if let Some(Op::Field { name: last, .. }) = self.0.last() {
            let what = format!("nothing stands between `{last}` and `{name}`");
            return Err(SpecError::new(at, what, "put a blank or another separator between the two"));
        }
        self.0.push(Op::Field { name: name.to_owned(), field: field.unwrap_or(Field::SKIP) });
        Ok(())
    }

    fn finish(mut self, escape: Escape, spec: &str) -> Result<Layout, SpecError> {
        while let Some(Op::Literal(text)) = self.0.last_mut() {
            if text.trim_ascii_end().len() == text.len() {
                break;
            }
            *text = text.trim_ascii_end().into();
            if text.is_empty() {
                self.0.pop();
            }
        }
        let has = |names: &[&str]| {
            self.0.iter().any(|op| matches!(op, Op::Field { field, .. } if names.contains(&field.slot.name())))
        };
        if !has(&["request", "method", "target", "status"]) {
            let hint = "a format needs at least the request or the status";
            return Err(SpecError::new(spec.len(), "neither request nor status is among the fields", hint));
        }
        Ok(Layout::Pattern(Pattern { ops: self.0, escape }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_where_and_what_to_do() {
        for (spec, at, what) in [
            ("combinde", 0, "no known name"),
            ("$remote_addr$status", 12, "nothing stands between"),
            ("$remote_addr ${status", 13, "no closing brace"),
            ("%h %l %u %t \"%r\" %>s %", 21, "ends"),
            ("%h %!", 3, "directive"),
            ("%h %{Foo", 3, "brace"),
            ("%h %^[%d:%t %^] %j", 16, "specifier"),
            ("$time_local $remote_addr", 24, "neither request nor status"),
            ("%h %^[%d:%t %^] \"%r\" %s ;; %!", 27, "date"),
            ("[%START_TIME%] %NOPE", 15, "%"),
        ] {
            let error = compile(spec).expect_err(spec);
            assert_eq!(error.at, at, "{spec}: {error}");
            assert!(error.to_string().contains(what), "{spec}: {error}");
        }
    }
}
