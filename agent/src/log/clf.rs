//! The Common Log Format and its many children.
//!
//! ```text
//! [vhost[:port]] client[, client]* ident user [time] "request" status bytes  tail...
//! ```
//!
//! In: a line. Out: a record. The head is found by its brackets and quotes, so that users with blanks in their names,
//! virtual hosts and lists of forwarded addresses need no format of their own. What the tail means is fixed when the
//! format is made ("referer, agent", then perhaps times and keys). Source: Apache, mod_log_config; nginx, `combined`.

use pitot_model::{Evidence, Reason};

use super::{
    Skip,
    field::{Field, Sink, Slot},
    number::{self, Unit},
    prefix,
    record::{Record, Text},
    request::{self, Pick},
    scan,
    tail::{self, Class, Kind},
    time,
};
use crate::enrich::BY_CHOICE;

/// A log of this family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clf {
    pub(super) tail: Vec<Extra>,
    /// Whether lines with another tail are refused, since another format may know them.
    pub(super) strict: bool,
    /// Whether the time is that of the start of the request.
    pub(super) start: bool,
    /// The field of the head that names the consumer, where one was chosen.
    pub(super) chosen: Option<(Head, Evidence)>,
}

/// One field of the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Extra {
    pub(super) name: String,
    pub(super) class: Class,
    pub(super) field: Field,
}

/// A field of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Client,
    User,
    Host,
}

impl Clf {
    /// Parses one line.
    #[inline]
    pub(super) fn parse<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        let at = head(line, out)?;
        out.time_is_start = self.start;
        if !self.tail.is_empty() {
            self.tail(line, at, out)?;
        } else if self.strict && at < line.len() {
            return Err(malformed("tail", at));
        }
        if let Some((head, evidence)) = self.chosen {
            let text = match head {
                Head::Client => out.client,
                Head::User => out.user,
                Head::Host => out.host,
            };
            if !text.is_empty() {
                (out.consumer, out.evidence, out.way) = (text, evidence, BY_CHOICE);
            }
        }
        Ok(())
    }

    #[inline]
    fn tail<'a>(&self, line: &'a [u8], mut at: usize, out: &mut Record<'a>) -> Result<(), Skip> {
        let mut sink = Sink::new(out);
        for extra in &self.tail {
            if let Some(end) = usual(extra, line, at, &mut sink) {
                at = end;
                continue;
            }
            let Some(token) = tail::next(line, at) else {
                if self.strict {
                    return Err(extra.field.cut(at));
                }
                break;
            };
            if token.kind == Kind::Open {
                return Err(extra.field.cut(line.len()));
            }
            if token.fits(&extra.class) {
                if extra.field.slot != Slot::Skip {
                    sink.put(&extra.field, Text::plain(value(&extra.class, token.text)));
                }
            } else if self.strict {
                return Err(malformed("tail", token.at));
            }
            at = token.end;
        }
        sink.finish();
        Ok(())
    }
}

/// The usual cases, without going through a token: quoted texts, and numbers with nothing odd about them.
#[inline]
fn usual<'a>(extra: &Extra, line: &'a [u8], at: usize, sink: &mut Sink<'a, '_>) -> Option<usize> {
    let [b' ', rest @ ..] = line.get(at..)? else { return None };
    match extra.class {
        Class::Quoted if rest.starts_with(b"\"") => {
            let slot = &extra.field.slot;
            if rest.starts_with(b"\"-\" ") && matches!(slot, Slot::Skip) {
                return Some(at + 4);
            }
            let end = tail::closing_quote(line, at + 2, matches!(slot, Slot::Agent))?;
            let text = &line[at + 2..end];
            match slot {
                Slot::Skip => {}
                Slot::Agent => sink.out.user_agent = absent_if_dash(text),
                _ => {
                    sink.put(&extra.field, Text::plain(text));
                }
            }
            Some(end + 1)
        }
        Class::Decimal => {
            if let (Slot::Duration(Unit::Seconds) | Slot::DurationSum(Unit::Seconds), Some((us, len))) =
                (&extra.field.slot, number::plain_seconds(rest))
            {
                sink.put_duration(&extra.field, us);
                return Some(at + 1 + len);
            }
            rest.starts_with(b"- ").then_some(at + 2)
        }
        _ => None,
    }
}

#[inline]
fn absent_if_dash(text: &[u8]) -> Text<'_> {
    if text == b"-" { Text::default() } else { Text::plain(text) }
}

/// What a pair holds, without its name and quotes; other tokens are their value.
#[inline]
fn value<'a>(class: &Class, text: &'a [u8]) -> &'a [u8] {
    let Class::Pair(name) = class else { return text };
    let text = text.get(name.len() + 1..).unwrap_or_default();
    text.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(text)
}

/// Reads up to the bytes sent; the position behind them.
#[inline]
pub(super) fn head<'a>(line: &'a [u8], out: &mut Record<'a>) -> Result<usize, Skip> {
    let open = if let Some(space) = plain_client(line) {
        out.client = Text::plain(&line[..space]);
        space + 5
    } else if let space = scan::find(line, 0, b' ').ok_or(malformed("client", 0))?
        && line[space..].starts_with(NOBODY)
    {
        out.client = Text::plain(request::address(&line[..space], Pick::First));
        space + 5
    } else {
        let open = bracket(line).ok_or_else(|| no_bracket(line))?;
        if prefix::len(line) > 0 {
            return Err(malformed("client", 0));
        }
        names(&line[..open], out)?;
        open
    };
    let close = if line.get(open + 27) == Some(&b']') {
        out.time = line[open + 1..].first_chunk().and_then(|text| out.minute.clf(text));
        open + 27
    } else {
        let close = scan::find(line, open, b']').ok_or(cut("time", line))?;
        out.time = time::any(&line[open + 1..close]);
        close
    };
    let start = match line.get(close + 1..).unwrap_or_default() {
        [b' ', b'"', ..] => close + 3,
        // API Gateway's sample format has no blank there.
        [b'"', ..] => close + 2,
        [] | [b' '] => return Err(cut("request", line)),
        _ => return Err(malformed("request", close + 1)),
    };
    let end = request_end(line, start)?;
    if let Some((method, target, protocol)) = request::split(Text::plain(&line[start..end])) {
        (out.method, out.target, out.protocol) = (method, target, protocol);
    }
    status_and_bytes(line, end + 1, out)
}

/// Between a client and the time where neither ident nor user is known.
const NOBODY: &[u8] = b" - - [";

/// The length of an IPv4 address that stands before [`NOBODY`].
#[inline]
fn plain_client(line: &[u8]) -> Option<usize> {
    let len = scan::digits_and_dots(line).filter(|len| *len > 0)?;
    line[len..].starts_with(NOBODY).then_some(len)
}

/// Reads ` 200 5`; the position behind it.
#[inline]
fn status_and_bytes(line: &[u8], at: usize, out: &mut Record<'_>) -> Result<usize, Skip> {
    if let Some([b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', rest @ ..]) = line.get(at..)
        && let Some((bytes, len)) = number::digits(rest)
        && matches!(rest.get(len), None | Some(b' '))
    {
        out.status = Some(u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'));
        out.response_bytes = Some(bytes);
        return Ok(at + 5 + len);
    }
    odd_status_and_bytes(line, at + 1, out)
}

fn odd_status_and_bytes(line: &[u8], start: usize, out: &mut Record<'_>) -> Result<usize, Skip> {
    let (status, at) = word(line, start);
    out.status = match status {
        [] => return Err(cut("status", line)),
        b"-" | b"0" | b"000" => None,
        _ => Some(number::status(status).ok_or(malformed("status", start))?),
    };
    let (bytes, at) = match word(line, at + 1) {
        ([], _) => return Err(cut("bytes", line)),
        (b"-", end) => (0, end),
        (text, end) => (number::uint(text).ok_or(malformed("bytes", at + 1))?, end),
    };
    out.response_bytes = Some(bytes);
    Ok(at)
}

/// The bracket that opens the time.
fn bracket(line: &[u8]) -> Option<usize> {
    let mut at = 0;
    for _ in 0..8 {
        let open = scan::find(line, at, b'[')?;
        let inner = line.get(open + 1..).unwrap_or_default();
        let like_clf = inner.len() >= 20 && time::clf(&inner[..20]).is_some();
        if like_clf || inner.starts_with(b"-]") {
            return Some(open);
        }
        let close = scan::find(line, open, b']')?;
        if time::any(&line[open + 1..close]).is_some() {
            return Some(open);
        }
        at = open + 1;
    }
    None
}

#[cold]
fn no_bracket(line: &[u8]) -> Skip {
    let first = line.split(|b| *b == b' ').next().unwrap_or_default();
    let ends_early = !line.contains(&b'"') && line.len() < 100 && request::is_address(first);
    if ends_early { cut("time", line) } else { malformed("time", 0) }
}

/// Client, user and virtual host, from what stands before the time.
fn names<'a>(text: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
    let text = scan::trim(text);
    let mut at = 0;
    let mut word = || {
        let token = tail::next(text, at)?;
        at = token.end;
        Some((token.text, token.end))
    };
    let (Some((first, first_end)), Some((second, second_end))) = (word(), word()) else {
        return Err(malformed("client", 0));
    };
    let third = word();
    let plain = |raw| Text::plain(raw);
    let address = |raw| plain(request::address(raw, Pick::First));
    let is_host = |text: &[u8]| text.contains(&b'.') && !request::is_address(text);
    let names_end = third.is_some_and(|(_, end)| end == text.len());
    if request::is_address(first) && is_host(second) {
        // Some hosters write the virtual host second.
        out.client = address(first);
        out.host = plain(request::without_port(second));
        out.user = user(text[second_end..].trim_ascii_start().strip_prefix(b"-").unwrap_or_default());
    } else if second == b"-" || names_end && !request::is_address(second) {
        out.client = address(first);
        out.user = user(&text[second_end..]);
    } else {
        out.host = plain(request::without_port(first));
        out.client = address(second);
        let rest = text.get(first_end..).unwrap_or_default();
        out.user = match memchr::memmem::find(rest, b" - ") {
            Some(dash) => user(&rest[dash + 3..]),
            None => Text::default(),
        };
    }
    Ok(())
}

/// A user, whose name may hold blanks; nothing where the last word is `-`.
fn user(text: &[u8]) -> Text<'_> {
    let text = scan::trim(text);
    if text == b"-" || text.ends_with(b" -") || text == b"\"\"" { Text::default() } else { Text::plain(text) }
}

/// The quote that closes the request: not escaped, and a status behind it. Servers that escape nothing are met with
/// the first quote that has a whole status behind it.
#[inline]
fn request_end(line: &[u8], start: usize) -> Result<usize, Skip> {
    let mut at = start;
    while let Some((quote, _)) = scan::far_quote(line, at) {
        match line.get(quote + 1..quote + 3) {
            Some([b' ', b'0'..=b'9' | b'-']) => return Ok(quote),
            None => return Err(cut("status", line)),
            _ => at = quote + 1,
        }
    }
    unescaped_end(line, start)
}

#[cold]
fn unescaped_end(line: &[u8], start: usize) -> Result<usize, Skip> {
    let rest = &line[start..];
    let mut quotes = memchr::memchr_iter(b'"', rest).peekable();
    if quotes.peek().is_none() {
        return Err(cut("request", line));
    }
    let closes = |at: &usize| matches!(rest.get(at + 1..at + 5), Some([b' ', a, b, c]) if [a, b, c].iter().all(|d| d.is_ascii_digit()));
    quotes.find(closes).map(|at| start + at).ok_or(malformed("request", start))
}

/// The text up to the next blank, and where that is.
#[inline]
fn word(line: &[u8], at: usize) -> (&[u8], usize) {
    let rest = line.get(at..).unwrap_or_default();
    let len = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
    (&rest[..len], at + len)
}

const fn malformed(field: &'static str, at: usize) -> Skip {
    Skip { reason: Reason::LineMalformed, field, at }
}

const fn cut(field: &'static str, line: &[u8]) -> Skip {
    Skip { reason: Reason::LineCut, field, at: line.len() }
}

#[cfg(test)]
mod tests {
    use pitot_model::Protocol;

    use super::*;

    fn parse(line: &str) -> Result<String, Skip> {
        let mut out = Record::default();
        head(line.as_bytes(), &mut out)?;
        let show = |t: Text<'_>| String::from_utf8_lossy(t.raw).into_owned();
        let protocol = if out.protocol == Protocol::Unknown { "?" } else { out.protocol.name() };
        Ok(format!(
            "{}|{}|{}|{} {} {protocol}|{:?}|{:?}",
            show(out.host),
            show(out.client),
            show(out.user),
            show(out.method),
            show(out.target),
            out.status.unwrap_or(0),
            out.response_bytes.unwrap_or(0),
        ))
    }

    #[test]
    fn heads() {
        let t = "[10/Oct/2000:13:55:36 -0700]";
        for (line, want) in [
            (format!(r#"1.2.3.4 - - {t} "GET / HTTP/1.1" 200 5"#), "|1.2.3.4||GET / HTTP/1.1|200|5"),
            (format!(r#"1.2.3.4 - bob {t} "GET / HTTP/1.1" 200 -"#), "|1.2.3.4|bob|GET / HTTP/1.1|200|0"),
            (format!(r#"1.2.3.4 id bob {t} "GET / HTTP/1.1" 200 5"#), "|1.2.3.4|bob|GET / HTTP/1.1|200|5"),
            (format!(r#"1.2.3.4 - John Doe {t} "GET / HTTP/1.1" 200 5"#), "|1.2.3.4|John Doe|GET / HTTP/1.1|200|5"),
            (format!(r#"a.org:80 1.2.3.4 - - {t} "GET / HTTP/1.1" 200 5"#), "a.org|1.2.3.4||GET / HTTP/1.1|200|5"),
            (
                format!(r#"a.org 10.0.0.2, 1.1.1.1 - - {t} "GET / HTTP/1.1" 200 5"#),
                "a.org|1.1.1.1||GET / HTTP/1.1|200|5",
            ),
            (format!(r#"a.org "10.0.0.2, 1.1.1.1" 10.1.1.1 - - {t} "" 400 0"#), "a.org|1.1.1.1||  ?|400|0"),
            (format!(r#"1.2.3.4 a.org - bob {t} "GET / HTTP/1.1" 200 5"#), "a.org|1.2.3.4|bob|GET / HTTP/1.1|200|5"),
            (format!(r#"1.2.3.4 localhost - - {t} "GET / HTTP/1.1" 200 5"#), "1.2.3.4|localhost||GET / HTTP/1.1|200|5"),
            (format!(r#"a.org unix: - - {t} "hello" 400 0"#), "a.org|unix:||  ?|400|0"),
            (format!(r#"a.org 1.2.3.4 - req7 - {t} "-" 400 0"#), "a.org|1.2.3.4||  ?|400|0"),
            (format!(r#"1.1.1.1 - [1.1.1.1] - - {t} "GET /a HTTP/1.0" 200 5 "-""#), "|1.1.1.1||GET /a HTTP/1.0|200|5"),
            (format!(r#"::1 - - {t} "GET /a"b c HTTP/1.0" 200 5"#), r#"|::1||GET /a"b c HTTP/1.0|200|5"#),
            (format!(r#"::1 - - {t} "GET /a\" HTTP/1.0" 200 5"#), r#"|::1||GET /a\" HTTP/1.0|200|5"#),
            (format!(r#"::1 - - {t} "GET /a\" 200 5"#), r#"|::1||GET /a\ ?|200|5"#),
            (format!(r#"::1 - - {t} "GET /" 000 5"#), "|::1||GET / ?|0|5"),
        ] {
            assert_eq!(parse(&line).as_deref(), Ok(want), "{line}");
        }
    }

    #[test]
    fn what_does_not_fit_says_where() {
        for (line, reason, field) in [
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /v1/us"#, Reason::LineCut, "request"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1""#, Reason::LineCut, "status"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200"#, Reason::LineCut, "bytes"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:5"#, Reason::LineCut, "time"),
            (r#"1.2.3.4 - -"#, Reason::LineCut, "time"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" ok 5"#, Reason::LineMalformed, "request"),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 x"#, Reason::LineMalformed, "bytes"),
            (r#"hello world"#, Reason::LineMalformed, "time"),
            (r#"[10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 5"#, Reason::LineMalformed, "client"),
        ] {
            let skip = parse(line).err().map(|s| (s.reason, s.field));
            assert_eq!(skip, Some((reason, field)), "{line}");
        }
    }
}
