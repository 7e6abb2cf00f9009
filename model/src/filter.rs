//! The one filter language: `service:checkout status:5xx consumer:acme* duration:>250ms -method:GET (a OR b) "free text"`.
//!
//! In: what a person typed. Out: an [`Expr`] that cells, anomalies and transactions are matched against, and that the
//! collector lowers to tantivy queries and later to SQL. Terms side by side are all required; `OR`, `AND`, `NOT` (upper
//! case), `-` and parentheses do what people expect. Errors carry the position and what would be accepted.
//!
//! ```text
//! query  = or ;  or = and { "OR" and } ;  and = not { ["AND"] not } ;  not = ("NOT" | "-") not | "(" or ")" | term
//! term   = field ":" value | text        value = [">" | ">=" | "<" | "<="] word | low ".." high | "quoted" | glob*
//! ```

mod eval;
mod lex;
mod parse;

use std::{fmt, time::Duration};

pub use eval::{Facts, glob_matches};
pub use parse::parse;

use crate::Timestamp;

/// A parsed filter.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Expr {
    /// Matches everything; the empty filter.
    #[default]
    All,
    /// All of them.
    And(Vec<Self>),
    /// At least one of them.
    Or(Vec<Self>),
    /// Not this one.
    Not(Box<Self>),
    /// One condition.
    Term(Term),
}

/// One condition, and where it stands in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What is asked.
    pub test: Test,
    /// Byte offset of its first character.
    pub at: usize,
}

/// What one condition asks.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// A name equals the text, or matches it where it holds `*`; letter case does not matter.
    Name(Field, String),
    /// A status: one code or a class.
    Status(StatusTest),
    /// A number compares with a bound.
    Number(Field, Compare),
    /// Words that appear anywhere.
    Text(String),
}

/// Which statuses match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusTest {
    /// A class: 5 for `5xx`.
    Class(u8),
    /// From one code to another, both included; `503` is `503..=503`.
    Range(u16, u16),
    /// A gRPC code, or how it ended without a status: `grpc-unavailable`, `reset`, `timeout`, `truncated`, `none`.
    Ended(crate::Status),
}

/// Bounds of a number, in the field's base unit (microseconds, bytes, seconds since the epoch as microseconds).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compare {
    /// Least value that matches, inclusive unless `low_open`.
    pub low: Option<f64>,
    /// Greatest value that matches, inclusive unless `high_open`.
    pub high: Option<f64>,
    /// `>` and not `>=`.
    pub low_open: bool,
    /// `<` and not `<=`.
    pub high_open: bool,
}

impl Compare {
    /// Whether the value lies within the bounds.
    pub fn holds(&self, x: f64) -> bool {
        let low = self.low.is_none_or(|l| if self.low_open { x > l } else { x >= l });
        let high = self.high.is_none_or(|h| if self.high_open { x < h } else { x <= h });
        low && high
    }
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal $(| $alias:literal)* , $kind:ident;)+) => {
        /// What can be asked about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Field { $($(#[doc = $doc])+ $variant,)+ }

        impl Field {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name to type.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One line for people.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// How its values are written.
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ }
            }

            /// From what was typed; OpenTelemetry's names work as well.
            pub fn from_name(name: &str) -> Option<Self> {
                match name.to_ascii_lowercase().as_str() {
                    $($name $(| $alias)* => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

fields! {
    /// Service that answered
    Service = "service" | "service.name", Name;
    /// Version of the service
    Version = "version" | "service.version", Name;
    /// Instance of the service
    Instance = "instance" | "service.instance.id", Name;
    /// Path template, alone or behind its method
    Route = "route" | "http.route", Name;
    /// Request method
    Method = "method" | "http.request.method", Name;
    /// Version of the API, as the route tells: v1 in /v1/users
    Api = "api" | "api.version", Name;
    /// Path of one transaction
    Path = "path" | "url.path", Name;
    /// Who calls
    Consumer = "consumer", Name;
    /// How the consumer was told: key, token, certificate, name, user, address
    Evidence = "evidence", Name;
    /// Group of the consumer: a tier, bots, health
    Group = "group", Name;
    /// Status code, class (5xx), gRPC code (grpc-unavailable) or reset, timeout
    Status = "status" | "http.response.status_code", Status;
    /// Duration: >250ms
    Duration = "duration" | "latency", Duration;
    /// Bytes of the response: >1mb
    Bytes = "bytes" | "size", Bytes;
    /// Kind of an anomaly: rate, errors, latency, new_consumer ...
    Kind = "kind", Name;
    /// Severity of an anomaly: info, warning, critical
    Severity = "severity", Name;
    /// State of an anomaly: open, resolved
    State = "state", Name;
    /// Identifier of an anomaly
    Id = "id", Name;
    /// Trace id of a transaction
    Trace = "trace" | "trace_id", Name;
    /// Time: >2026-01-12T08:00:00Z
    Time = "time" | "start", Time;
}

/// How the values of a field are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text, with `*` for any.
    Name,
    /// `503`, `5xx`, `500..504`, `>=500`, `grpc-unavailable`, `reset`.
    Status,
    /// `250ms`, `>1.5s`, `100ms..1s`.
    Duration,
    /// `512`, `>1mb`.
    Bytes,
    /// RFC 3339, date or seconds.
    Time,
}

/// What is wrong with a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {})", at + 1)]
pub struct FilterError {
    /// Index of the character, counted in characters from 0.
    pub at: usize,
    /// What is wrong and what would be accepted.
    pub message: String,
}

impl FilterError {
    /// The filter with a caret below the place; two lines.
    pub fn pointing(&self, filter: &str) -> String {
        format!("{filter}\n{:>width$}", '^', width = self.at + 1)
    }
}

impl Expr {
    /// Whether every transaction matches.
    pub fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Both must match.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, e) | (e, Self::All) => e,
            (Self::And(mut a), Self::And(b)) => {
                a.extend(b);
                Self::And(a)
            }
            (Self::And(mut a), e) => {
                a.push(e);
                Self::And(a)
            }
            (a, b) => Self::And(vec![a, b]),
        }
    }

    /// A condition that a name is exactly this text.
    pub fn is(field: Field, text: &str) -> Self {
        let text = text.replace('\\', r"\\").replace('*', r"\*");
        Self::Term(Term { test: Test::Name(field, text), at: 0 })
    }

    /// All conditions in it.
    pub fn terms(&self) -> Vec<&Term> {
        match self {
            Self::All => Vec::new(),
            Self::Term(t) => vec![t],
            Self::Not(e) => e.terms(),
            Self::And(es) | Self::Or(es) => es.iter().flat_map(Self::terms).collect(),
        }
    }

    /// The fields that it asks about; free text asks about none.
    pub fn fields(&self) -> Vec<Field> {
        self.terms().into_iter().filter_map(|t| t.test.field()).collect()
    }

    /// Refuses conditions that cannot be answered from what is asked: `what` is its name, for the message.
    pub fn only(&self, allowed: &[Field], text: bool, what: &str) -> Result<(), FilterError> {
        for term in self.terms() {
            let wrong = match term.test.field() {
                None if text => continue,
                None => "free text".to_owned(),
                Some(f) if allowed.contains(&f) => continue,
                Some(f) => format!("`{}:`", f.name()),
            };
            let names: Vec<_> = allowed.iter().map(|f| f.name()).collect();
            let message = format!("{wrong} cannot be asked of {what}; use {}", names.join(", "));
            return Err(FilterError { at: term.at, message });
        }
        Ok(())
    }
}

impl Test {
    /// The field asked about; `None` for free text.
    pub fn field(&self) -> Option<Field> {
        match self {
            Self::Name(f, _) | Self::Number(f, _) => Some(*f),
            Self::Status(_) => Some(Field::Status),
            Self::Text(_) => None,
        }
    }
}

/// The filter as text that parses to the same expression.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, es: &[Self], word: &str| {
            for (i, e) in es.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { word })?;
                match (self, e) {
                    // Binds more tightly by itself; parentheses count as nesting, which has a limit.
                    (Self::Or(_), Self::And(_)) => write!(f, "{e}")?,
                    (_, Self::Or(_) | Self::And(_)) => write!(f, "({e})")?,
                    _ => write!(f, "{e}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::All => Ok(()),
            Self::And(es) => list(f, es, " "),
            Self::Or(es) => list(f, es, " OR "),
            Self::Not(e) => match **e {
                Self::Term(_) | Self::Not(_) => write!(f, "-{e}"),
                _ => write!(f, "-({e})"),
            },
            Self::Term(t) => write!(f, "{}", t.test),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(field, text) => write!(f, "{}:{}", field.name(), Quoted(text)),
            Self::Text(text) => write!(f, "\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")),
            Self::Status(StatusTest::Class(c)) => write!(f, "status:{c}xx"),
            Self::Status(StatusTest::Range(a, b)) if a == b => write!(f, "status:{a}"),
            Self::Status(StatusTest::Range(a, b)) => write!(f, "status:{a}..{b}"),
            Self::Status(StatusTest::Ended(s)) => write!(f, "status:{s}"),
            Self::Number(field, c) => {
                let show = |x: f64| match field.kind() {
                    Kind::Duration => format!("{}us", Duration::from_micros(x as u64).as_micros()),
                    Kind::Time => Timestamp::from_micros(x as i64).to_string(),
                    _ => format!("{x}"),
                };
                match (c.low, c.high) {
                    (Some(l), Some(h)) => write!(f, "{}:{}..{}", field.name(), show(l), show(h)),
                    (Some(l), None) => write!(f, "{}:>{}{}", field.name(), if c.low_open { "" } else { "=" }, show(l)),
                    (None, Some(h)) => write!(f, "{}:<{}{}", field.name(), if c.high_open { "" } else { "=" }, show(h)),
                    (None, None) => Ok(()),
                }
            }
        }
    }
}

/// A value, in quotes where it needs them. Backslashes before `*` and themselves are part of the glob.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() || self.0.contains(|c: char| c.is_whitespace() || "\"()".contains(c)) {
            write!(f, "\"{}\"", self.0.replace('"', "\\\""))
        } else {
            f.write_str(self.0)
        }
    }
}
