//! The filter language as queries. In: a parsed filter. Out: a query that finds the anomalies which match it.
//!
//! Ranges go through the inverted index: those of tantivy 0.27 over columns overflow under nested exclusions, where they
//! are asked to seek backwards (`RangeDocSet`). The property test of the index shows it.

use std::ops::Bound;

use pitot_model::{
    Status, Timestamp, budget,
    filter::{Compare, Expr, FilterError, StatusTest, Term, Test},
};
use tantivy::{
    Term as Token,
    query::{AllQuery, BooleanQuery, EmptyQuery, InvertedIndexRangeQuery, Occur, Query, RegexQuery, TermQuery},
    schema::{Field, IndexRecordOption},
};

use super::schema::{Fields, folded, words};

/// The query of a filter whose fields were checked before.
pub(crate) fn lower(expr: &Expr, fields: &Fields) -> Result<Box<dyn Query>, FilterError> {
    let all = |es: &[Expr], occur: Occur| -> Result<Box<dyn Query>, FilterError> {
        let parts: Result<Vec<_>, _> = es.iter().map(|e| Ok((occur, lower(e, fields)?))).collect();
        Ok(Box::new(BooleanQuery::new(parts?)))
    };
    Ok(match expr {
        Expr::All => Box::new(AllQuery),
        Expr::And(es) => return all(es, Occur::Must),
        Expr::Or(es) => return all(es, Occur::Should),
        // A query of exclusions alone finds nothing: something must be there to exclude from.
        Expr::Not(e) => {
            Box::new(BooleanQuery::new(vec![(Occur::Must, Box::new(AllQuery)), (Occur::MustNot, lower(e, fields)?)]))
        }
        Expr::Term(t) => return term(t, fields),
    })
}

/// Anomalies of which some part lies in the range: they start before `to`, and end after `from` or are open.
pub(crate) fn overlap(fields: &Fields, from: Option<Timestamp>, to: Option<Timestamp>) -> Option<Box<dyn Query>> {
    let token = |field, t: Timestamp| Token::from_field_i64(field, t.as_micros());
    let ends = from.map(|t| InvertedIndexRangeQuery::new(Bound::Excluded(token(fields.end, t)), Bound::Unbounded));
    let starts = to.map(|t| InvertedIndexRangeQuery::new(Bound::Unbounded, Bound::Excluded(token(fields.start, t))));
    let parts: Vec<_> =
        [ends, starts].into_iter().flatten().map(|q| (Occur::Must, Box::new(q) as Box<dyn Query>)).collect();
    (!parts.is_empty()).then(|| Box::new(BooleanQuery::new(parts)) as Box<dyn Query>)
}

fn term(term: &Term, fields: &Fields) -> Result<Box<dyn Query>, FilterError> {
    match &term.test {
        Test::Name(name, glob) => match fields.name(*name) {
            Some(field) => matches(field, glob, term.at),
            None => Ok(Box::new(EmptyQuery)),
        },
        Test::Status(test) => Ok(status(fields.status, *test)),
        Test::Number(_, compare) => Ok(number(fields.start, compare)),
        Test::Text(text) => Ok(all_words(fields.text, text)),
    }
}

fn exact(token: Token) -> Box<dyn Query> {
    Box::new(TermQuery::new(token, IndexRecordOption::Basic))
}

/// A whole name, or a part of it with `*`.
fn matches(field: Field, glob: &str, at: usize) -> Result<Box<dyn Query>, FilterError> {
    let (mut pattern, mut name, mut is_exact) = (String::from("="), String::new(), true);
    let mut chars = glob.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '*' => {
                pattern.push_str("(?s:.)*");
                is_exact = false;
                continue;
            }
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        };
        name.push(c);
        c.to_lowercase().for_each(|c| escape(c, &mut pattern));
    }
    if is_exact {
        return Ok(exact(Token::from_field_text(field, &folded(&name))));
    }
    let too_long = || FilterError {
        at,
        message: "name with `*` is too long to search for; shorten it or leave the `*` out".to_owned(),
    };
    // No name is longer; what tantivy refuses beyond that is an automaton of more than a thousand states.
    if glob.len() > budget::NAME_BYTES {
        return Err(too_long());
    }
    Ok(Box::new(RegexQuery::from_pattern(&pattern, field).map_err(|_| too_long())?))
}

fn escape(c: char, pattern: &mut String) {
    if r"\.+*?()|[]{}^$#&-~/".contains(c) {
        pattern.push('\\');
    }
    pattern.push(c);
}

fn status(field: Field, test: StatusTest) -> Box<dyn Query> {
    let range = |low: u64, high: u64| -> Box<dyn Query> {
        if low > high {
            return Box::new(EmptyQuery);
        }
        let token = |n| Token::from_field_u64(field, n);
        Box::new(InvertedIndexRangeQuery::new(Bound::Included(token(low)), Bound::Included(token(high))))
    };
    match test {
        StatusTest::Class(class) => {
            let http = range(u64::from(class) * 100, u64::from(class) * 100 + 99);
            let grpc = Status::all_grpc().filter(|s| s.class() == class);
            let grpc = grpc.map(|s| exact(Token::from_field_u64(field, u64::from(s.as_wire()))));
            Box::new(BooleanQuery::union(std::iter::once(http).chain(grpc).collect()))
        }
        // gRPC codes and what ended without a status have numbers beyond 999, and 0.
        StatusTest::Range(low, high) => range(u64::from(low).max(1), u64::from(high).min(999)),
        StatusTest::Ended(status) => exact(Token::from_field_u64(field, u64::from(status.as_wire()))),
    }
}

fn number(field: Field, c: &Compare) -> Box<dyn Query> {
    let bound = |x: Option<f64>, is_open: bool| match x {
        None => Bound::Unbounded,
        Some(x) if is_open => Bound::Excluded(Token::from_field_i64(field, x as i64)),
        Some(x) => Bound::Included(Token::from_field_i64(field, x as i64)),
    };
    let (low, high) = (bound(c.low, c.low_open), bound(c.high, c.high_open));
    if low == Bound::Unbounded && high == Bound::Unbounded {
        return Box::new(AllQuery);
    }
    Box::new(InvertedIndexRangeQuery::new(low, high))
}

/// All words must appear; text without a word is in nothing.
fn all_words(field: Field, text: &str) -> Box<dyn Query> {
    let mut analyzer = words();
    let mut stream = analyzer.token_stream(text);
    let mut parts = Vec::new();
    while let Some(token) = stream.next() {
        parts.push((Occur::Must, exact(Token::from_field_text(field, &token.text))));
    }
    if parts.is_empty() { Box::new(EmptyQuery) } else { Box::new(BooleanQuery::new(parts)) }
}
