//! Tokens to an expression, by recursive descent. In: the filter's text. Out: [`Expr`] or the place of the error.

use super::{
    Compare, Expr, Field, FilterError, Kind, StatusTest, Term, Test,
    lex::{Token, tokens},
};
use crate::{Status, Timestamp, budget, parse_duration};

/// Parses a filter; blank text matches everything.
pub fn parse(text: &str) -> Result<Expr, FilterError> {
    if text.chars().count() > budget::FILTER_CHARS {
        let message = format!("filter is longer than {} characters", budget::FILTER_CHARS);
        return Err(FilterError { at: budget::FILTER_CHARS, message });
    }
    let mut p = Parser { tokens: tokens(text)?, next: 0, end: text.chars().count() };
    if p.tokens.is_empty() {
        return Ok(Expr::All);
    }
    let expr = p.or(0)?;
    match p.peek() {
        None => Ok(expr),
        Some(_) => Err(p.error("unexpected `)`")),
    }
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, t)| t)
    }

    fn take(&mut self) -> Option<(usize, Token)> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(at, _)| *at)
    }

    fn error(&self, message: impl Into<String>) -> FilterError {
        FilterError { at: self.at(), message: message.into() }
    }

    fn or(&mut self, depth: usize) -> Result<Expr, FilterError> {
        if depth > budget::FILTER_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        let mut all = vec![self.and(depth)?];
        while self.peek() == Some(&Token::Or) {
            self.next += 1;
            all.push(self.and(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) })
    }

    fn and(&mut self, depth: usize) -> Result<Expr, FilterError> {
        let mut all = vec![self.not(depth)?];
        loop {
            match self.peek() {
                None | Some(Token::Or | Token::Close) => break,
                Some(Token::And) => self.next += 1,
                Some(_) => {}
            }
            all.push(self.not(depth)?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn not(&mut self, depth: usize) -> Result<Expr, FilterError> {
        if depth > budget::FILTER_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        let here = self.error("a condition is missing");
        match self.take() {
            Some((_, Token::Not | Token::Minus)) => Ok(Expr::Not(Box::new(self.not(depth + 1)?))),
            Some((at, Token::Open)) => {
                let inner = self.or(depth + 1)?;
                match self.take() {
                    Some((_, Token::Close)) => Ok(inner),
                    _ => Err(FilterError { at, message: "`(` is not closed".into() }),
                }
            }
            Some((at, Token::Word(text))) => Ok(Expr::Term(Term { test: Test::Text(text), at })),
            // No glob, so that here a backslash stands only for what follows it.
            Some((at, Token::Quoted(text))) => Ok(Expr::Term(Term { test: Test::Text(text.replace(r"\\", r"\")), at })),
            Some((at, Token::Field(name))) => self.field(at, &name),
            _ => Err(here),
        }
    }

    fn field(&mut self, at: usize, name: &str) -> Result<Expr, FilterError> {
        let Some(field) = Field::from_name(name) else {
            let names: Vec<_> = Field::ALL.iter().map(|f| f.name()).collect();
            return Err(FilterError { at, message: format!("unknown field `{name}`; use {}", names.join(", ")) });
        };
        let value_at = self.at();
        let missing = FilterError { at: value_at, message: format!("`{name}:` needs a value") };
        let (text, is_quoted) = match self.take() {
            Some((_, Token::Word(text))) => (text, false),
            Some((_, Token::Quoted(text))) => (text, true),
            _ => return Err(missing),
        };
        let wrong =
            |accepted: &str| FilterError { at: value_at, message: format!("`{text}` is no {name}; use {accepted}") };
        let test = match field.kind() {
            Kind::Name if is_quoted || !text.is_empty() => Some(Test::Name(field, text.clone())),
            Kind::Name => None,
            Kind::Status => status(&text).map(Test::Status),
            Kind::Duration => {
                let us = |t: &str| parse_duration(t).map(|d| d.as_micros() as f64).filter(|us| *us < EXACT);
                compare(&text, us).map(|c| Test::Number(field, c))
            }
            Kind::Bytes => compare(&text, bytes).map(|c| Test::Number(field, c)),
            Kind::Time => {
                let time = |t: &str| t.parse::<Timestamp>().ok().map(|t| t.as_micros() as f64);
                compare(&text, time).map(|c| Test::Number(field, c))
            }
        };
        let accepted = match field.kind() {
            Kind::Name => "a name, or a part of it with `*`",
            Kind::Status => {
                "a code (503), a class (5xx), a range (500..504, >=500), a gRPC code (grpc-unavailable), or reset, timeout, \
                 truncated, none"
            }
            Kind::Duration => "a duration with its unit (>250ms, 1.5s, 100ms..1s)",
            Kind::Bytes => "a number of bytes (>512, >=1mb, 1kb..1mb)",
            Kind::Time => "RFC 3339 (>2026-01-12T08:30:00Z), a date, or seconds since the epoch",
        };
        let test = test.ok_or_else(|| wrong(accepted))?;
        Ok(Expr::Term(Term { test, at }))
    }
}

/// Whole numbers below are exact as floating point; as microseconds they are 285 years.
const EXACT: f64 = (1u64 << f64::MANTISSA_DIGITS) as f64;

fn status(text: &str) -> Option<StatusTest> {
    let lower = text.to_ascii_lowercase();
    if let Some(class) = lower.strip_suffix("xx") {
        return class.parse().ok().filter(|c| (1..=9).contains(c)).map(StatusTest::Class);
    }
    if let Ok(ended) = lower.parse::<Status>()
        && ended.http().is_none()
    {
        return Some(StatusTest::Ended(ended));
    }
    let range = compare(&lower, |t| t.parse::<u16>().ok().filter(|c| *c < 1000).map(f64::from))?;
    let low = range.low.map_or(1, |l| l as u16 + u16::from(range.low_open));
    let high = range.high.map_or(999, |h| (h as u16).saturating_sub(u16::from(range.high_open)));
    Some(StatusTest::Range(low, high))
}

fn compare(text: &str, value: impl Fn(&str) -> Option<f64>) -> Option<Compare> {
    let mut c = Compare { low: None, high: None, low_open: false, high_open: false };
    if let Some(rest) = text.strip_prefix(">=") {
        c.low = Some(value(rest)?);
    } else if let Some(rest) = text.strip_prefix("<=") {
        c.high = Some(value(rest)?);
    } else if let Some(rest) = text.strip_prefix('>') {
        (c.low, c.low_open) = (Some(value(rest)?), true);
    } else if let Some(rest) = text.strip_prefix('<') {
        (c.high, c.high_open) = (Some(value(rest)?), true);
    } else if let Some((low, high)) = text.split_once("..") {
        (c.low, c.high) = (Some(value(low)?), Some(value(high)?));
    } else {
        let exact = value(text)?;
        (c.low, c.high) = (Some(exact), Some(exact));
    }
    Some(c)
}

fn bytes(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(split);
    let scale = match unit {
        "" | "b" => 1.0,
        "kb" | "k" => 1e3,
        "mb" | "m" => 1e6,
        "gb" | "g" => 1e9,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => return None,
    };
    number.parse::<f64>().ok().map(|n| n * scale).filter(|n| n.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_typed_is_what_is_meant() {
        for (text, want) in [
            ("", ""),
            ("service:checkout status:5xx", "service:checkout status:5xx"),
            ("route:\"POST /v1/orders\"", "route:\"POST /v1/orders\""),
            ("a OR b c", "\"a\" OR \"b\" \"c\""),
            ("(a OR b) (c OR d e)", "(\"a\" OR \"b\") (\"c\" OR \"d\" \"e\")"),
            ("(a OR b) AND c", "(\"a\" OR \"b\") \"c\""),
            ("-method:GET", "-method:GET"),
            ("NOT (a OR b)", "-(\"a\" OR \"b\")"),
            ("- - -a", "---\"a\""),
            ("duration:>250ms", "duration:>250000us"),
            ("duration:1ms..2s", "duration:1000us..2000000us"),
            ("status:>=500", "status:500..999"),
            ("status:503", "status:503"),
            ("status:RESET", "status:reset"),
            ("status:grpc-data-loss", "status:grpc-data-loss"),
            ("latency:<=1s", "duration:<=1000000us"),
            ("bytes:>1kb", "bytes:>1000"),
            ("time:>2026-01-12", "time:>2026-01-12T00:00:00Z"),
            ("consumer:acme*", "consumer:acme*"),
            ("consumer:-", "consumer:-"),
            ("http.route:/a:b", "route:/a:b"),
            (r"\", r#""\\""#),
            (r#""a \\ \"b""#, r#""a \\ \"b""#),
        ] {
            let expr = parse(text).unwrap_or_else(|e| unreachable!("{text}: {e}"));
            assert_eq!(expr.to_string(), want, "{text}");
            assert_eq!(parse(want).map(|e| e.to_string()).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn errors_say_where_and_what_instead() {
        for (text, at, part) in [
            ("status:abc", 7, "a code (503)"),
            ("service:a colour:red", 10, "unknown field `colour`; use service"),
            ("duration:>250", 9, "with its unit"),
            ("(a OR b", 0, "`(` is not closed"),
            ("a )", 2, "unexpected `)`"),
            ("a OR", 4, "a condition is missing"),
            ("route:", 6, "needs a value"),
            ("é \"open", 2, "quote is not closed"),
            ("time:>soon", 5, "RFC 3339"),
            ("duration:>7777777777776250ms", 9, "a duration with its unit"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.at, at, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
        assert!(parse(&"(".repeat(1000)).is_err());
        assert!(parse(&"-".repeat(1000)).is_err());
        assert!(parse(&"a".repeat(5000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_parses_or_says_why(text in ".{0,80}") {
            if let Err(e) = parse(&text) {
                prop_assert!(e.at <= text.chars().count());
            }
        }

        #[test]
        fn shown_filters_parse_to_themselves(text in "(-?(service|route|consumer|method):[a-z/*]{1,4}|status:[1-5]xx|OR|AND|duration:>[0-9]ms|word)( (-?(service|route):[a-z*]{1,3}|OR|status:5xx|x)){0,4}") {
            if let Ok(expr) = parse(&text) {
                let shown = expr.to_string();
                prop_assert_eq!(parse(&shown).map(|e| e.to_string()), Ok(shown));
            }
        }
    }
}
