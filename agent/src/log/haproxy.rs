//! HAProxy's HTTP log.
//!
//! ```text
//! <prefix> client:port [date] frontend backend/server TR/Tw/Tc/Tr/Ta status bytes
//!     req_cookie res_cookie flags conns/... queues/... {headers} {headers} "request"
//! ```
//!
//! In: a line, with or without a syslog prefix. Out: a record. TCP records (three times), start-up messages and
//! handshake failures are foreign. Times are milliseconds; -1 stands for a phase that was not reached, and a leading
//! `+` for one that is not over (`logasap`). Source: HAProxy configuration manual, 8.2.3 and 8.4.

use pitot_model::Reason;

use super::{
    Skip,
    number::{self, Unit},
    record::{Record, Text},
    request::{self, Pick},
    scan, time,
};

/// Parses one line.
pub(super) fn parse<'a>(line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
    let (open, close) = date(line).ok_or(foreign(0))?;
    let before = line[..open].trim_ascii_end();
    let client = before.iter().rposition(|b| *b == b' ').map_or(before, |blank| &before[blank + 1..]);
    if client.is_empty() {
        return Err(foreign(0));
    }
    out.client = Text::plain(request::address(client, Pick::First));
    out.time = time::clf(&line[open + 1..close]);
    out.time_is_start = true;

    let mut words = Words { line, at: close + 1 };
    let frontend = words.next("frontend")?;
    if frontend.ends_with(b":") {
        return Err(foreign(close));
    }
    let backend = words.next("backend")?;
    let at = words.at;
    times(words.next("duration")?, at, out)?;
    let at = words.at;
    out.status = match words.next("status")? {
        b"-1" | b"0" | b"-" => None,
        text => Some(number::status(text).ok_or(malformed("status", at))?),
    };
    let at = words.at;
    let bytes = words.next("bytes")?;
    out.response_bytes = Some(number::uint(bytes.strip_prefix(b"+").unwrap_or(bytes)).ok_or(malformed("bytes", at))?);
    let service = backend.split(|b| *b == b'/').next().unwrap_or_default();
    out.service = Text::plain(service);

    let start = scan::find(line, words.at, b'"').ok_or(cut("request", line))? + 1;
    // A request longer than the log's limit has no closing quote.
    let end = scan::quote(line, start).map_or(line.len(), |(end, _)| end);
    if let Some((method, target, protocol)) = request::split(Text::plain(&line[start..end])) {
        (out.method, out.target, out.protocol) = (method, target, protocol);
    }
    Ok(())
}

/// `TR/Tw/Tc/Tr/Ta`.
fn times(text: &[u8], at: usize, out: &mut Record<'_>) -> Result<(), Skip> {
    let mut parts = [None; 5];
    let mut n = 0;
    for part in text.split(|b| *b == b'/') {
        let digits = part.strip_prefix(b"+").or(part.strip_prefix(b"-")).unwrap_or(part);
        number::uint(digits).ok_or(malformed("duration", at))?;
        *parts.get_mut(n).ok_or(malformed("duration", at))? =
            number::micros(part.strip_prefix(b"+").unwrap_or(part), Unit::Millis);
        n += 1;
    }
    match n {
        5 => {}
        3 => return Err(foreign(at)),
        _ => return Err(malformed("duration", at)),
    }
    out.duration_us = parts[4];
    out.ttfb_us = parts[..4].iter().try_fold(0_u64, |sum, part| Some(sum + (*part)?));
    Ok(())
}

/// The bracketed date: its opening and closing bracket.
fn date(line: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    for _ in 0..8 {
        let open = scan::find(line, at, b'[')?;
        let close = scan::find(line, open, b']')?;
        if close - open > 20 && time::clf(&line[open + 1..close]).is_some() {
            return Some((open, close));
        }
        at = open + 1;
    }
    None
}

struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn next(&mut self, field: &'static str) -> Result<&'a [u8], Skip> {
        let start = scan::skip_blanks(self.line, self.at);
        let end = scan::find(self.line, start, b' ').unwrap_or(self.line.len());
        self.at = end;
        if start == end { Err(cut(field, self.line)) } else { Ok(&self.line[start..end]) }
    }
}

const fn foreign(at: usize) -> Skip {
    Skip { reason: Reason::LineForeign, field: "time", at }
}

const fn malformed(field: &'static str, at: usize) -> Skip {
    Skip { reason: Reason::LineMalformed, field, at }
}

const fn cut(field: &'static str, line: &[u8]) -> Skip {
    Skip { reason: Reason::LineCut, field, at: line.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_what_is_none() {
        let p = "Dec 10 12:01:46 host haproxy[19312]: ";
        let c = "127.0.0.1:35982 [10/Dec/2018:12:01:46.395] front~ back/srv";
        for (line, want) in [
            (
                format!(r#"{p}{c} 1/2/3/4/20 200 213 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1""#),
                Ok((Some(200), Some(20_000), Some(10_000), "/")),
            ),
            (
                format!(r#"{c} 0/-1/-1/-1/+7 503 +213 - - SC-- 1/1/0/0/0 0/0 {{a b|}} {{|}} "GET /foo HTTP/1.1""#),
                Ok((Some(503), Some(7_000), None, "/foo")),
            ),
            (format!(r#"{c} 0/-1/-1/-1/7 -1 0 - - CR-- 1/1/0/0/0 0/0 "<BADREQ>""#), Ok((None, Some(7_000), None, ""))),
            (
                format!(r#"{c} 1/2/3/4/20 200 213 - - ---- 1/1/0/0/0 0/0 "GET /very/long"#),
                Ok((Some(200), Some(20_000), Some(10_000), "/very/long")),
            ),
            (format!("{p}Proxy front started."), Err(Reason::LineForeign)),
            (
                format!("{p}1.1.1.1:5 [25/Feb/2019:16:20:10.111] front/1: SSL handshake failure"),
                Err(Reason::LineForeign),
            ),
            (format!("{c} -1/-1/1 212 SC 1/1/0/0/0 0/0"), Err(Reason::LineForeign)),
            (format!("{c} 1/2/3/4/20 200"), Err(Reason::LineCut)),
            (format!("{c} 1/2/x/4/20 200 1"), Err(Reason::LineMalformed)),
        ] {
            let mut out = Record::default();
            let got = parse(line.as_bytes(), &mut out);
            let target = std::str::from_utf8(out.target.raw).unwrap_or("?");
            let got = got.map(|()| (out.status, out.duration_us, out.ttfb_us, target)).map_err(|s| s.reason);
            assert_eq!(got, want, "{line}");
        }
    }
}
