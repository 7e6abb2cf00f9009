//! Heads of HTTP/1 messages: the first line, and the headers that matter for where the message ends and who sent it.
//!
//! In: bytes that begin with a first line. Out: its parts, borrowed; or that it is not whole yet; or that it is none.
//! httparse reads what keeps to the RFC; what servers read though it does not, a tolerant reader does, and says so.

use std::mem::MaybeUninit;

use pitot_model::Protocol;

use super::{
    fields::Fields,
    limits,
    looks::{is_method, is_token},
};

/// What reading a head came to.
#[derive(Debug)]
pub(super) enum Parsed<T> {
    /// It is so many bytes long.
    Whole(T, usize),
    /// It does not end yet.
    Partial,
    /// It is none.
    Wrong,
}

/// The first line of a request, and how its headers were read.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestLine<'a> {
    pub(super) method: &'a [u8],
    pub(super) target: &'a [u8],
    pub(super) protocol: Protocol,
    /// Whether it took the tolerant reader.
    pub(super) is_lenient: bool,
}

/// The status line of a response, likewise.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatusLine {
    pub(super) status: u16,
    pub(super) is_lenient: bool,
}

/// Reads the head of a request; `visit` gets all headers in order.
pub(super) fn request<'a>(
    bytes: &'a [u8],
    fields: &mut Fields<'a>,
    mut visit: impl FnMut(&'a [u8], &'a [u8]),
) -> Parsed<RequestLine<'a>> {
    let mut headers = [const { MaybeUninit::uninit() }; limits::HEADERS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(httparse::Status::Complete(len)) => {
            let protocol = if request.version == Some(0) { Protocol::Http10 } else { Protocol::Http11 };
            for header in request.headers.iter() {
                if !fields.add(header.name.as_bytes(), header.value) {
                    visit(header.name.as_bytes(), header.value);
                }
            }
            let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
            let line =
                RequestLine { method: method.as_bytes(), target: target.as_bytes(), protocol, is_lenient: false };
            Parsed::Whole(line, len)
        }
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(_) => match end(bytes, 0) {
            None => Parsed::Partial,
            Some(len) => match request_line(first_line(&bytes[..len])) {
                None => Parsed::Wrong,
                Some(line) => {
                    loose_headers(&bytes[..len], fields, false, visit);
                    Parsed::Whole(line, len)
                }
            },
        },
    }
}

/// Reads the head of a response.
pub(super) fn response<'a>(bytes: &'a [u8], fields: &mut Fields<'a>) -> Parsed<StatusLine> {
    let mut headers = [const { MaybeUninit::uninit() }; limits::HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, bytes, &mut headers) {
        Ok(httparse::Status::Complete(len)) => {
            for header in response.headers.iter() {
                fields.add_answer(header.name.as_bytes(), header.value);
            }
            Parsed::Whole(StatusLine { status: response.code.unwrap_or_default(), is_lenient: false }, len)
        }
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(_) => match end(bytes, 0) {
            None => Parsed::Partial,
            Some(len) => match status_line(first_line(&bytes[..len])) {
                None => Parsed::Wrong,
                Some(line) => {
                    loose_headers(&bytes[..len], fields, true, |_, _| {});
                    Parsed::Whole(line, len)
                }
            },
        },
    }
}

/// Where a head ends: behind its first empty line. Looks at nothing before `from`.
pub(super) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..]).find_map(|n| match bytes[from + n + 1..] {
        [b'\n', ..] => Some(from + n + 2),
        [b'\r', b'\n', ..] => Some(from + n + 3),
        _ => None,
    })
}

/// Up to its end, which it need not have.
fn first_line(head: &[u8]) -> &[u8] {
    head[..memchr::memchr(b'\n', head).unwrap_or(head.len())].trim_ascii_end()
}

/// Method, target and version, where the target may hold blanks and the version be odd or missing.
pub(super) fn request_line(line: &[u8]) -> Option<RequestLine<'_>> {
    let blank = line.iter().position(|&b| b == b' ' || b == b'\t')?;
    let (method, rest) = (&line[..blank], line[blank..].trim_ascii());
    if !method.iter().all(|&b| is_token(b)) {
        return None;
    }
    let version_at = memchr::memrchr2(b' ', b'\t', &line[blank..]).map_or(0, |n| blank + n + 1);
    let version = &line[version_at..];
    let line = |target, protocol| Some(RequestLine { method, target, protocol, is_lenient: true });
    if version.len() > 5 && version[..5].eq_ignore_ascii_case(b"HTTP/") {
        let target = &line_part(rest, version.len());
        let protocol = match &version[5..] {
            [b'1', b'.', b'0', ..] => Protocol::Http10,
            [b'1', ..] => Protocol::Http11,
            [b'0', ..] => Protocol::Http09,
            _ => Protocol::Unknown,
        };
        return line(target, protocol);
    }
    is_method(method).then(|| line(rest, Protocol::Http09)).flatten()
}

/// Completes a request line that is cut behind its target; where that is cut, too, or in a status line, only ends it.
pub(super) fn complete_line(line: &mut Vec<u8>) {
    let blanks = |n| memchr::memchr_iter(b' ', line).nth(n);
    if let (Some(method), Some(target)) = (blanks(0), blanks(1))
        && is_method(&line[..method])
    {
        line.truncate(target);
        line.extend_from_slice(b" HTTP/1.1");
    }
    line.extend_from_slice(b"\r\n");
}

fn line_part(rest: &[u8], version_len: usize) -> &[u8] {
    rest[..rest.len().saturating_sub(version_len)].trim_ascii_end()
}

/// The code of a status line in any case, with any version, with or without a reason.
fn status_line(line: &[u8]) -> Option<StatusLine> {
    let blank = line.iter().position(|&b| b == b' ' || b == b'\t')?;
    let code = line[blank..].trim_ascii_start();
    let status = match *code {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', ..] => {
            u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
        }
        _ => return None,
    };
    Some(StatusLine { status, is_lenient: true })
}

/// Splits a head at its line ends, joins folded lines, and takes anything with a colon for a header.
fn loose_headers<'a>(
    head: &'a [u8],
    fields: &mut Fields<'a>,
    is_answer: bool,
    mut visit: impl FnMut(&'a [u8], &'a [u8]),
) {
    // Servers part ways over these, wherever they stand.
    fields.is_ambiguous |=
        head.iter().enumerate().any(|(i, &b)| b == 0 || b == b'\r' && head.get(i + 1) != Some(&b'\n'));
    let mut at = memchr::memchr(b'\n', head).map_or(head.len(), |n| n + 1);
    while at < head.len() {
        let start = at;
        loop {
            at += memchr::memchr(b'\n', &head[at..]).map_or(head.len() - at, |n| n + 1);
            if !matches!(head.get(at), Some(b' ' | b'\t')) {
                break;
            }
        }
        let line = &head[start..at];
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (written, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let name = written.trim_ascii();
        fields.is_odd = name.len() != written.len() || memchr::memchr(b'\n', value).is_some();
        if is_answer {
            fields.add_answer(name, value);
        } else if !fields.add(name, value) {
            visit(name, value);
        }
        fields.is_odd = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> String {
        let mut fields = Fields::default();
        let mut names = Vec::new();
        match request(head.as_bytes(), &mut fields, |name, _| names.push(String::from_utf8_lossy(name).into_owned())) {
            Parsed::Whole(line, len) => format!(
                "{} {} {} host={} length={:?}{}{}{} {}/{}",
                String::from_utf8_lossy(line.method),
                String::from_utf8_lossy(line.target),
                line.protocol.name(),
                String::from_utf8_lossy(fields.host),
                fields.length,
                if fields.is_chunked { " chunked" } else { "" },
                if line.is_lenient { " lenient" } else { "" },
                if fields.is_ambiguous { " ambiguous" } else { "" },
                len,
                head.len()
            ),
            Parsed::Partial => "partial".into(),
            Parsed::Wrong => "wrong".into(),
        }
    }

    #[test]
    fn heads_of_requests() {
        for (head, want) in [
            ("GET / HTTP/1.1\r\nHost: h\r\n\r\nrest", "GET / HTTP/1.1 host=h length=None 27/31"),
            ("GET / HTTP/1.0\n\n", "GET / HTTP/1.0 host= length=None 16/16"),
            ("GET / HTTP/1.1\r\nHost: h\r\n", "partial"),
            ("GET /a b c HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a b c HTTP/1.1 host=h length=None lenient 32/32"),
            ("get /a http/1.1\r\nhost : h\r\n\r\n", "get /a HTTP/1.1 host=h length=None lenient 29/29"),
            ("GET /a HTTP/1.0.8\r\n\r\n", "GET /a HTTP/1.0 host= length=None lenient 21/21"),
            ("GET /a\r\n\r\n", "GET /a HTTP/0.9 host= length=None lenient 10/10"),
            ("GET HTTP/1.1\r\n\r\n", "GET  HTTP/1.1 host= length=None lenient 16/16"),
            ("GET / HTTP/1.1\r\nX: a\r\n b\r\nHost: h\r\n\r\n", "GET / HTTP/1.1 host=h length=None lenient 37/37"),
            (
                "POST / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
                "POST / HTTP/1.1 host= length=Some(5) lenient ambiguous 39/39",
            ),
            ("POST / HTTP/1.1\r\nX: a\0b\r\n\r\n", "POST / HTTP/1.1 host= length=None lenient ambiguous 27/27"),
            ("{} / HTTP/1.1\r\n\r\n", "wrong"),
        ] {
            assert_eq!(read(head), want, "{head:?}");
        }
        let many = format!("GET / HTTP/1.1\r\n{}Host: h\r\n\r\n", "X: y\r\n".repeat(300));
        assert_eq!(read(&many), "GET / HTTP/1.1 host=h length=None lenient 1827/1827");
    }

    #[test]
    fn heads_of_responses() {
        for (head, want) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some((200, false))),
            ("HTTP/1.1 200\r\n\r\n", Some((200, false))),
            ("http/1.1 404 Not Found\r\nA: b\r\n\r\n", Some((404, true))),
            ("HTTP/1.1  503 x\r\n\r\n", Some((503, true))),
            ("ICY 200 OK\r\nicy-name: x\r\n\r\n", Some((200, true))),
            ("HTTP/1.1 x\r\n\r\n", None),
        ] {
            let got = match response(head.as_bytes(), &mut Fields::default()) {
                Parsed::Whole(line, len) => {
                    assert_eq!(len, head.len());
                    Some((line.status, line.is_lenient))
                }
                _ => None,
            };
            assert_eq!(got, want, "{head:?}");
        }
    }
}
