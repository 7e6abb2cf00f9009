//! Envoy's default access log, and Istio's.
//!
//! ```text
//! [start] "method path protocol" status flags {Istio: details...} received sent duration upstream-time
//!     "forwarded-for" "agent" "request-id" "authority" "upstream" {Istio: cluster local downstream-local remote ...}
//! ```
//!
//! In: a line. Out: a record. What the versions of Istio put between the flags and the byte counts is passed over: the
//! counts are the first three numbers in a row. Durations are milliseconds. Records of TCP listeners (`"- - -" 0`) are
//! foreign. Source: Envoy, access logging, default format string; Istio, `accessLogFormat`.

use pitot_model::Reason;

use super::{
    Skip,
    number::{self, Unit},
    record::{Record, Text},
    request::{self, Pick},
    tail::{self, Kind, Token},
    time,
};

/// Tokens of a line that are looked at.
const TOKENS: usize = 24;

/// Parses one line.
pub(super) fn parse<'a>(line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
    let mut tokens = [None; TOKENS];
    let (mut at, mut n) = (0, 0);
    while let Some(token) = tail::next(line, at).filter(|_| n < TOKENS) {
        if token.kind == Kind::Open {
            return Err(Skip { reason: Reason::LineCut, field: "request", at: line.len() });
        }
        at = token.end;
        tokens[n] = Some(token);
        n += 1;
    }
    let tokens = &tokens[..n];
    let text = |i: usize| tokens.get(i).copied().flatten().map_or(&[][..], |t: Token<'a>| t.text);
    let is = |i: usize, kind| tokens.get(i).copied().flatten().is_some_and(|t| t.kind == kind);
    if !is(0, Kind::Bracketed) || !is(1, Kind::Quoted) {
        return Err(malformed("time", 0));
    }
    out.time = time::any(text(0));
    out.time_is_start = true;
    if out.time.is_none() {
        return Err(malformed("time", 0));
    }
    out.status = match text(2) {
        b"0" | b"-" => None,
        text => Some(number::status(text).ok_or(malformed("status", 0))?),
    };
    if let Some((method, target, protocol)) = request::split(Text::plain(text(1))) {
        (out.method, out.target, out.protocol) = (method, target, protocol);
    } else if out.status.is_none() {
        return Err(Skip { reason: Reason::LineForeign, field: "request", at: 0 });
    }
    let number = |i: usize| if is(i, Kind::Bare) { number::uint(text(i)) } else { None };
    let counts = (4..n).find(|i| (0..3).all(|k| number(i + k).is_some()));
    let counts = counts.ok_or(Skip { reason: Reason::LineCut, field: "bytes", at: line.len() })?;
    out.request_bytes = number(counts);
    out.response_bytes = number(counts + 1);
    out.duration_us = number::micros(text(counts + 2), Unit::Millis);
    let present = |raw: &'a [u8]| if raw == b"-" { Text::default() } else { Text::plain(raw) };
    out.client = Text::plain(request::address(text(counts + 4), Pick::First));
    if out.client.is_empty() && is(counts + 12, Kind::Bare) {
        out.client = Text::plain(request::address(text(counts + 12), Pick::First));
    }
    out.user_agent = present(text(counts + 5));
    out.trace_id = present(text(counts + 6));
    out.host = present(text(counts + 7));
    Ok(())
}

const fn malformed(field: &'static str, at: usize) -> Skip {
    Skip { reason: Reason::LineMalformed, field, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envoy_and_the_versions_of_istio() {
        let t = r#"[2019-03-06T09:31:27.360Z] "GET /a HTTP/2" 418"#;
        let end = r#""-" "curl" "id" "h:80" "1.1.1.1:80" c - 2.2.2.2:80 3.3.3.3:99 - -"#;
        for (line, want) in [
            (
                format!(r#"{t} - 1 135 5 4 "9.9.9.9" "curl" "id" "h:80" "1.1.1.1:80""#),
                Ok((Some(135), Some(5_000), "9.9.9.9")),
            ),
            (format!(r#"{t} - "-" 1 135 5 - {end}"#), Ok((Some(135), Some(5_000), "3.3.3.3"))),
            (format!(r#"{t} NR route_not_found - "-" 1 135 5 - {end}"#), Ok((Some(135), Some(5_000), "3.3.3.3"))),
            (
                r#"[2019-04-08T16:50:12.533Z] "- - -" 0 - 87 254 4 - "-" "-" "-" "-" "1.1.1.1:80""#.into(),
                Err(Reason::LineForeign),
            ),
            (format!("{t} - 1 13"), Err(Reason::LineCut)),
            ("[warning] something".into(), Err(Reason::LineMalformed)),
        ] {
            let mut out = Record::default();
            let got = parse(line.as_bytes(), &mut out).map_err(|s| s.reason);
            let client = std::str::from_utf8(out.client.raw).unwrap_or("?");
            assert_eq!(got.map(|()| (out.response_bytes, out.duration_us, client)), want, "{line}");
        }
    }
}
