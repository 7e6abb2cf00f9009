//! JSON logs: one object in a line, read in one pass.
//!
//! In: a line, with or without a short prefix (docker compose, syslog). Out: a record. Only known keys are looked at;
//! the rest is passed over. Of arrays the first element counts. This is tolerant where logs are: escapes that JSON does
//! not know (nginx without `escape=json`), numbers in quotes, and anything behind the object are fine. Objects that
//! hold no request (start-up messages, other loggers) are foreign.

use std::sync::Arc;

use pitot_model::Reason;

use super::{
    Skip,
    field::{Field, Sink, Slot},
    keys::{Keys, ROOT},
    record::{Escape, Record, Text},
    scan, time,
};

/// Objects inside objects that are looked into.
const DEPTH: u32 = 8;

/// Bytes of the longest prefix before the object.
const PREFIX_BYTES: usize = 256;

/// A JSON log.
#[derive(Debug, Clone)]
pub(super) struct Json {
    keys: Arc<Keys>,
    /// The keys of the first line seen, in their order: logs repeat it, so the next key need not be looked up.
    order: Arc<[Expected]>,
}

/// A key as a line writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    /// From the quote before the key to the first byte of its value.
    text: Box<[u8]>,
    node: Option<u16>,
    /// That of the node.
    field: Option<Field>,
}

/// Keys whose order is remembered.
const EXPECTED: usize = 64;

impl Json {
    /// A log with these keys.
    pub(super) fn new(keys: Arc<Keys>) -> Self {
        Self { keys, order: Arc::new([]) }
    }

    /// The same log, expecting the keys in the order of this line.
    pub(super) fn in_order_of(&self, line: &[u8]) -> Self {
        let mut order = Vec::new();
        let mut at = line.iter().position(|b| *b == b'{').map_or(line.len(), |at| at + 1);
        while order.len() < EXPECTED {
            at = blanks(line, at);
            let start = at;
            let Some((end, _)) = line.get(at).filter(|b| **b == b'"').and_then(|_| scan::quote(line, at + 1)) else {
                break;
            };
            let value = blanks(line, blanks(line, end + 1) + 1);
            let node = self.keys.find(ROOT, &line[start + 1..end]);
            let field = node.and_then(|n| self.keys.field(n)).cloned();
            order.push(Expected { text: line[start..value.min(line.len())].into(), node, field });
            let mut out = Record::default();
            let Ok(next) = self.value(line, value, None, DEPTH, &mut Sink::new(&mut out)) else { break };
            at = blanks(line, next);
            if line.get(at) != Some(&b',') {
                break;
            }
            at += 1;
        }
        Self { keys: self.keys.clone(), order: order.into() }
    }

    /// Makes a key mean something else.
    pub(super) fn insert(&mut self, path: &str, field: Field) {
        Arc::make_mut(&mut self.keys).insert(path, field);
        self.order = Arc::new([]);
    }

    /// What a path means.
    pub(super) fn field(&self, path: &str) -> Option<&Field> {
        self.keys.get(path)
    }

    /// Keys whose values are variables of nginx under another name.
    pub(super) fn variables(&self) -> &[(String, String)] {
        self.keys.variables()
    }

    /// The same log, in which these paths mean something else.
    pub(super) fn with(&self, fields: Vec<(String, Field)>) -> Self {
        let mut keys = Keys::clone(&self.keys);
        for (path, field) in fields {
            keys.insert(&path, field);
        }
        let again = |expected: &Expected| {
            let end = scan::quote(&expected.text, 1).map_or(expected.text.len(), |(end, _)| end);
            let node = keys.find(ROOT, expected.text.get(1..end).unwrap_or_default());
            Expected { text: expected.text.clone(), node, field: node.and_then(|n| keys.field(n)).cloned() }
        };
        Self { order: self.order.iter().map(again).collect(), keys: Arc::new(keys) }
    }

    /// Parses one line.
    #[inline]
    pub(super) fn parse<'a>(&self, line: &'a [u8], out: &mut Record<'a>) -> Result<(), Skip> {
        let start = if line.first() == Some(&b'{') { 0 } else { object_after_prefix(line)? };
        let mut sink = Sink::new(out);
        let at = self.expected(line, start + 1, &mut sink)?;
        self.object(line, at, ROOT, DEPTH, &mut sink)?;
        let is_access = !sink.is_foreign;
        sink.finish();
        if start > 0 && out.time.is_none() {
            out.time = time_before(&line[..start]);
        }
        let asked = !out.method.is_empty() || !out.target.is_empty();
        let access = is_access
            && if out.status.is_some() { asked || !out.client.is_empty() } else { asked && !out.method.is_empty() };
        if access { Ok(()) } else { Err(foreign(start)) }
    }

    /// Reads the keys that come as expected; the position behind the last of them.
    #[inline]
    fn expected<'a>(&self, line: &'a [u8], mut at: usize, sink: &mut Sink<'a, '_>) -> Result<usize, Skip> {
        for expected in self.order.iter() {
            let rest = line.get(at..).unwrap_or_default();
            if !rest.starts_with(&expected.text) {
                // Another may be left out here, and be the next one.
                continue;
            }
            let start = at + expected.text.len();
            at = match scalar(line, start) {
                Some((text, end)) => {
                    if let Some(field) = &expected.field {
                        sink.put(field, text);
                    }
                    end
                }
                None => self.value(line, blanks(line, start), expected.node, DEPTH, sink)?,
            };
            match line.get(at..at + 2) {
                Some([b',', b' ']) => at += 2,
                Some([b',', _]) => at += 1,
                _ => break,
            }
        }
        Ok(at)
    }

    /// Reads an object whose first byte inside is at `at`; the position behind it.
    fn object<'a>(
        &self,
        line: &'a [u8],
        mut at: usize,
        node: u16,
        depth: u32,
        sink: &mut Sink<'a, '_>,
    ) -> Result<usize, Skip> {
        loop {
            at = blanks(line, at);
            match line.get(at) {
                Some(b'"') => {}
                Some(b',') => {
                    at += 1;
                    continue;
                }
                Some(b'}') => return Ok(at + 1),
                other => return Err(wrong(other, line, at)),
            }
            let (end, _) = scan::quote(line, at + 1).ok_or(cut(line))?;
            let child = self.keys.find(node, &line[at + 1..end]);
            at = blanks(line, end + 1);
            if line.get(at) != Some(&b':') {
                return Err(wrong(line.get(at), line, at));
            }
            at = self.value(line, blanks(line, at + 1), child, depth, sink)?;
        }
    }

    /// Reads the value at `at`; the position behind it.
    #[inline]
    fn value<'a>(
        &self,
        line: &'a [u8],
        at: usize,
        node: Option<u16>,
        depth: u32,
        sink: &mut Sink<'a, '_>,
    ) -> Result<usize, Skip> {
        match line.get(at) {
            Some(b'"') => {
                let (end, escaped) = scan::quote(line, at + 1).ok_or(cut(line))?;
                let escape = if escaped { Escape::Json } else { Escape::None };
                self.put(node, Text { raw: &line[at + 1..end], escape }, sink);
                Ok(end + 1)
            }
            Some(b'{') => match node {
                Some(node) if depth > 0 && self.keys.has_children(node) => {
                    self.object(line, at + 1, node, depth - 1, sink)
                }
                _ => container(line, at),
            },
            Some(b'[') => {
                let end = container(line, at)?;
                let first = blanks(line, at + 1);
                if node.is_some() && depth > 0 && line.get(first) != Some(&b']') {
                    self.value(line, first, node, depth - 1, sink)?;
                }
                Ok(end)
            }
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
                let len = line[at..].iter().position(|b| matches!(b, b',' | b'}' | b']' | b' ' | b'\t'));
                let end = at + len.ok_or(cut(line))?;
                let raw = &line[at..end];
                if !matches!(raw, b"null" | b"true" | b"false") {
                    self.put(node, Text::plain(raw), sink);
                }
                Ok(end)
            }
            other => Err(wrong(other, line, at)),
        }
    }

    #[inline]
    fn put<'a>(&self, node: Option<u16>, text: Text<'a>, sink: &mut Sink<'a, '_>) {
        if let Some(field) = node.and_then(|n| self.keys.field(n)) {
            // A key may mean something else in this log (`"status":"ok"`): then it is not ours.
            sink.put(field, text);
        }
    }
}

/// A string or a number, and where it ends; `None` for all else, and for what is cut.
#[inline]
fn scalar(line: &[u8], at: usize) -> Option<(Text<'_>, usize)> {
    match line.get(at)? {
        b'"' => {
            let (end, escaped) = scan::quote(line, at + 1)?;
            let escape = if escaped { Escape::Json } else { Escape::None };
            Some((Text { raw: &line[at + 1..end], escape }, end + 1))
        }
        b'0'..=b'9' => {
            let rest = &line[at..];
            let len = rest.iter().position(|b| !matches!(b, b'-'..=b'9'))?;
            let ends = matches!(rest[len], b',' | b'}' | b' ');
            ends.then(|| (Text::plain(&rest[..len]), at + len))
        }
        _ => None,
    }
}

/// Compares the tables by identity: two formats over the same keys are the same.
impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &other.keys) && self.order == other.order
    }
}

/// Passes over an array or object that begins at `at`; the position behind it.
pub(super) fn container(line: &[u8], mut at: usize) -> Result<usize, Skip> {
    let mut depth = 0_usize;
    while let Some(b) = line.get(at) {
        match b {
            b'"' => at = scan::quote(line, at + 1).ok_or(cut(line))?.0,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return Ok(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Err(cut(line))
}

#[cold]
fn object_after_prefix(line: &[u8]) -> Result<usize, Skip> {
    let at = scan::find(line, 0, b'{').filter(|at| *at <= PREFIX_BYTES).ok_or(foreign(0))?;
    let inside = blanks(line, at + 1);
    if matches!(line.get(inside), Some(b'"' | b'}')) { Ok(at) } else { Err(foreign(0)) }
}

/// Caddy's console encoder writes the time, the level and the logger before the object, parted by tabs.
#[cold]
fn time_before(prefix: &[u8]) -> Option<pitot_model::Timestamp> {
    time::iso(prefix.split(|b| *b == b'\t').next()?)
}

#[inline]
fn blanks(line: &[u8], at: usize) -> usize {
    if matches!(line.get(at), Some(b' ' | b'\t')) { scan::skip_blanks(line, at) } else { at }
}

#[cold]
fn wrong(found: Option<&u8>, line: &[u8], at: usize) -> Skip {
    if found.is_none() { cut(line) } else { Skip { reason: Reason::LineMalformed, field: "json", at } }
}

const fn cut(line: &[u8]) -> Skip {
    Skip { reason: Reason::LineCut, field: "json", at: line.len() }
}

const fn foreign(at: usize) -> Skip {
    Skip { reason: Reason::LineForeign, field: Slot::Request.name(), at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<String, Reason> {
        let mut out = Record::default();
        let json = Json::new(Keys::known());
        let plain = json.parse(line.as_bytes(), &mut out).map_err(|s| s.reason);
        let mut again = Record::default();
        assert_eq!(json.in_order_of(line.as_bytes()).parse(line.as_bytes(), &mut again).map_err(|s| s.reason), plain);
        assert_eq!((again.target, again.status, again.consumer), (out.target, out.status, out.consumer));
        plain?;
        let show = |t: Text<'_>| String::from_utf8_lossy(t.decode(&mut Vec::new())).into_owned();
        let us = out.duration_us.map_or("-".into(), |us| us.to_string());
        let (consumer, evidence) = (show(out.consumer), out.evidence.name());
        Ok(format!("{} {} {} {us} {consumer} {evidence}", show(out.method), show(out.target), out.status.unwrap_or(0)))
    }

    #[test]
    fn records_of_many_kinds() {
        for (line, want) in [
            (
                r#"{"request":{"method":"GET","uri":"/a","headers":{"Authorization":["REDACTED"]}},"status":200}"#,
                "GET /a 200 -  none",
            ),
            (
                r#"{"method":"GET","uri":"/a","status":200,"request_time":0.012,"consumer":"acme"}"#,
                "GET /a 200 12000 acme name",
            ),
            (
                r#"{ "request": "GET /a HTTP/1.1", "status": "200", "api_key": "k", "consumer": "acme" }"#,
                "GET /a 200 - k key",
            ),
            (
                r#"{"request":{"method":"GET","uri":"\/a","headers":{"X-Api-Key":["k1","k2"]}},"status":200,"duration":0.5}"#,
                "GET /a 200 500000 k1 key",
            ),
            (
                r#"{"RequestMethod":"GET","RequestPath":"/a","DownstreamStatus":200,"Duration":1500}"#,
                "GET /a 200 2  none",
            ),
            (
                r#"{"http":{"request":{"method":"GET"},"response":{"status_code":200}},"url":{"path":"/a"}}"#,
                "GET /a 200 -  none",
            ),
            (r#"{"http.request.method":"GET","url.path":"/a","http.response.status_code":200}"#, "GET /a 200 -  none"),
            (
                r#"x | {"method":"GET","path":"/a","status":200,"x":[{"status":500}],"y":{"uri":"/b"}}"#,
                "GET /a 200 -  none",
            ),
            (r#"{"method":"","uri":"\\x16\\x03","status":400,"remote_addr":"::1"}"#, "  400 -  none"),
            (
                r#"{"method":"GET","uri":"/a","status":200,"consumer":"-","user":null,"ok":true} x"#,
                "GET /a 200 -  none",
            ),
        ] {
            assert_eq!(parse(line).as_deref(), Ok(want), "{line}");
        }
    }

    #[test]
    fn what_is_no_record() {
        for (line, want) in [
            (r#"{"level":"info","msg":"server running"}"#, Reason::LineForeign),
            (r#"{"logger":"http.log.error","request":{"method":"GET","uri":"/"},"status":502}"#, Reason::LineForeign),
            ("DEBUG: nothing", Reason::LineForeign),
            (r#"{"method":"GE"#, Reason::LineCut),
            (r#"{"method":"GET","status":20"#, Reason::LineCut),
            (r#"{"method" "GET"}"#, Reason::LineMalformed),
            (r#"{"method":GET}"#, Reason::LineMalformed),
            ("{}", Reason::LineForeign),
        ] {
            assert_eq!(parse(line), Err(want), "{line}");
        }
    }

    #[test]
    fn deep_nesting_is_passed_over() {
        let line = format!(
            r#"{{"request":{}{},"method":"GET","uri":"/a","status":200}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert_eq!(parse(&line).as_deref(), Ok("GET /a 200 -  none"));
    }
}
