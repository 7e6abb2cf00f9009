//! Syslog messages: where they end in a stream ([`Framing`]), and what stands before the text.
//!
//! In: one message. Out: its host, application and text, or whether its header breaks off or is none.
//!
//! | message | from |
//! |---|---|
//! | `<190>Oct  1 12:00:00 host nginx: text` | nginx, rsyslog (RFC 3164) |
//! | `<134>Oct  1 12:00:00 haproxy[7]: text` | HAProxy and libc, without the host |
//! | `<134>2021-12-08T14:02:43+01:00 host app[7]: text` | rsyslog's forwarding |
//! | `<134>1 2021-12-08T14:02:43Z host haproxy 7 - - text` | HAProxy, Envoy's sidecars, Docker (RFC 5424) |
//! | `<134>nginx: text`, `<134>text` | senders without a clock |
//! | `text` | HAProxy's `format raw`: all of it is text |
//!
//! RFC 3164 describes what senders do and demands nothing, so there only the priority can be wrong. After a time, a word
//! that looks like a tag (`nginx:`, `haproxy[7]:`) is the tag, and another one the host.

mod framing;

pub use framing::Framing;

use pitot_model::Reason;

use super::{scan, time};

/// A message without its header. What the sender does not tell is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Message<'a> {
    /// Name or address of the sender, as it calls itself.
    pub host: &'a [u8],
    /// Name of the program: the tag without the process, or the APP-NAME.
    pub app: &'a [u8],
    /// What it says, without newlines and NULs at its end.
    pub text: &'a [u8],
}

/// Why a message has no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// It ends within the header.
    Incomplete,
    /// The priority or a field of RFC 5424 is none.
    Invalid,
}

/// Bytes of the longest tag that is believed; RFC 3164 allows 32, but senders do not count.
const TAG_BYTES: usize = 64;

impl<'a> Message<'a> {
    /// Takes a message, as framed or as it came in a datagram, apart.
    pub fn parse(message: &'a [u8]) -> Result<Self, HeaderError> {
        let message = trimmed(message);
        let Some(at) = priority(message)? else { return Ok(Self { text: message, ..Self::default() }) };
        match ietf_version(message, at) {
            Some(at) => ietf(message, at),
            None => Ok(bsd(message, at)),
        }
    }
}

impl HeaderError {
    /// What the message counts as.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Incomplete => Reason::LineCut,
            Self::Invalid => Reason::LineMalformed,
        }
    }
}

/// Bytes of the header of a message in a file; 0 where it has none.
pub(super) fn header_len(line: &[u8]) -> usize {
    Message::parse(line).map_or(0, |message| trimmed(line).len() - message.text.len())
}

fn trimmed(message: &[u8]) -> &[u8] {
    let end = message.iter().rposition(|b| !matches!(b, b'\n' | b'\r' | 0)).map_or(0, |last| last + 1);
    &message[..end]
}

/// The position behind `<190>`; `None` where a message has no priority.
fn priority(message: &[u8]) -> Result<Option<usize>, HeaderError> {
    let Some(inner) = message.strip_prefix(b"<") else { return Ok(None) };
    let digits = inner.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let value = inner[..digits].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
    match inner.get(digits) {
        None if digits <= 3 => Err(HeaderError::Incomplete),
        Some(b'>') if (1..=3).contains(&digits) && value <= 191 => Ok(Some(digits + 2)),
        _ => Err(HeaderError::Invalid),
    }
}

/// The position behind the version of RFC 5424 and its blank.
fn ietf_version(message: &[u8], at: usize) -> Option<usize> {
    let rest = &message[at..];
    let digits = rest.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
    let is_version = matches!(rest.first(), Some(b'1'..=b'9')) && rest.get(digits) == Some(&b' ');
    let at = at + digits + 1;
    // A text may begin with a number, too, but hardly goes on with a time.
    let has_time = || {
        let word = &message[at..scan::find(message, at, b' ').unwrap_or(message.len())];
        let is_cut = at + word.len() == message.len() && word.iter().take(4).all(u8::is_ascii_digit);
        word == b"-" || word.get(4) == Some(&b'-') || is_cut
    };
    (is_version && has_time()).then_some(at)
}

/// `time host app process id [data] text`, as RFC 5424 writes it; `-` is nothing.
fn ietf(message: &[u8], mut at: usize) -> Result<Message<'_>, HeaderError> {
    let mut fields = [&message[..0]; 5];
    for field in &mut fields {
        let end = scan::find(message, at, b' ').ok_or(HeaderError::Incomplete)?;
        if end == at {
            return Err(HeaderError::Invalid);
        }
        *field = if end - at == 1 && message[at] == b'-' { &[] } else { &message[at..end] };
        at = end + 1;
    }
    let [moment, host, app, _, _] = fields;
    if !moment.is_empty() && time::iso(moment).is_none() {
        return Err(HeaderError::Invalid);
    }
    let end = structured_data(message, at)?;
    let text = match message.get(end) {
        None => &[],
        Some(b' ') => &message[end + 1..],
        Some(_) => return Err(HeaderError::Invalid),
    };
    Ok(Message { host, app, text: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text) })
}

/// The position behind `-` or `[id name="value"][id]`.
fn structured_data(message: &[u8], mut at: usize) -> Result<usize, HeaderError> {
    match message.get(at) {
        None => return Err(HeaderError::Incomplete),
        Some(b'-') => return Ok(at + 1),
        Some(b'[') => {}
        Some(_) => return Err(HeaderError::Invalid),
    }
    while message.get(at) == Some(&b'[') {
        at += 1;
        loop {
            match message.get(at).ok_or(HeaderError::Incomplete)? {
                b'"' => at = scan::quote(message, at + 1).ok_or(HeaderError::Incomplete)?.0,
                b'[' => return Err(HeaderError::Invalid),
                b']' => break,
                _ => {}
            }
            at += 1;
        }
        at += 1;
    }
    Ok(at)
}

/// `Oct  1 12:00:00 host tag: text`, as RFC 3164 describes it; anything may be missing.
fn bsd(message: &[u8], at: usize) -> Message<'_> {
    let Some(at) = bsd_time(message, at) else {
        let (app, text) = tag(message, at).unwrap_or((&[], &message[at..]));
        return Message { host: &[], app, text };
    };
    let (mut host, mut at) = (&message[..0], at);
    if tag(message, at).is_none() {
        let end = scan::find(message, at, b' ').unwrap_or(message.len());
        let is_host = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'%');
        if message[at..end].iter().all(is_host) {
            host = &message[at..end];
            at = scan::skip_blanks(message, end);
        }
    }
    let (app, text) = tag(message, at).unwrap_or((&[], &message[at..]));
    Message { host, app, text }
}

/// The position of the word behind the time: `Oct  1 12:00:00`, also with a year, fraction or colon; or ISO 8601.
fn bsd_time(message: &[u8], start: usize) -> Option<usize> {
    let word = |at: usize| {
        let at = scan::skip_blanks(message, at);
        let end = scan::find(message, at, b' ')?;
        Some((&message[at..end], end))
    };
    let (first, mut at) = word(start)?;
    if time::iso(first).is_none() {
        let (month, (day, end)) = (first, word(at)?);
        let is_number = |w: &[u8], most: usize| !w.is_empty() && w.len() <= most && w.iter().all(u8::is_ascii_digit);
        if month.len() != 3 || !month.iter().all(u8::is_ascii_alphabetic) || !is_number(day, 2) {
            return None;
        }
        let (mut clock, mut end) = word(end)?;
        if is_number(clock, 4) {
            (clock, end) = word(end)?;
        }
        time::clock_time(clock.get(..8)?)?;
        at = end;
    }
    Some(scan::skip_blanks(message, at))
}

/// `nginx: ` or `haproxy[7]: `: the name, and what is behind it.
fn tag(message: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    let rest = &message[at..];
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/' | b'@' | b'#' | b'+');
    let len = rest.iter().take(TAG_BYTES + 1).take_while(|b| is_name(b)).count();
    if len == 0 || len > TAG_BYTES {
        return None;
    }
    let (name, mut rest) = rest.split_at(len);
    let mut has_process = false;
    if let Some(inner) = rest.strip_prefix(b"[") {
        let end = inner.iter().take(TAG_BYTES).position(|b| *b == b']').filter(|end| *end > 0)?;
        if inner[..end].contains(&b' ') {
            return None;
        }
        (rest, has_process) = (&inner[end + 1..], true);
    }
    let behind = rest.strip_prefix(b":");
    // An address and a port is no tag.
    let is_end = matches!(behind.unwrap_or(rest).first(), None | Some(b' ' | b'{' | b'@'));
    if !(behind.is_some() && (is_end || has_process) || has_process && is_end) {
        return None;
    }
    let text = behind.unwrap_or(rest);
    Some((name, text.strip_prefix(b" ").unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Host, application and text, or the error.
    fn parts(message: &str) -> Result<[String; 3], HeaderError> {
        let Message { host, app, text } = Message::parse(message.as_bytes())?;
        Ok([host, app, text].map(|t| String::from_utf8_lossy(t).into_owned()))
    }

    #[test]
    fn what_senders_write() {
        const LINE: &str = r#"192.0.2.1 - - [01/Oct/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5"#;
        const PROXY: &str =
            r#"192.0.2.1:5000 [01/Oct/2026:12:00:00.123] web api/a1 0/0/1/2/3 200 5 - - ---- "GET / HTTP/1.1""#;
        const JSON: &str = r#"{"status": 200, "uri": "/"}"#;
        for (header, text, host, app) in [
            // nginx, also with `nohostname`
            ("<190>Oct  1 12:00:00 web-1 nginx: ", LINE, "web-1", "nginx"),
            ("<190>Oct  1 12:00:00 nginx: ", LINE, "", "nginx"),
            // HAProxy: `format local`, `rfc3164`, `rfc5424`, `short`, `raw`
            ("<134>Oct  1 12:00:00 haproxy[4711]: ", PROXY, "", "haproxy"),
            ("<134>Oct  1 12:00:00 lb.example haproxy[4711]: ", PROXY, "lb.example", "haproxy"),
            ("<134>1 2026-10-01T12:00:00+02:00 lb haproxy 4711 - - ", PROXY, "lb", "haproxy"),
            ("<134>", PROXY, "", ""),
            ("", PROXY, "", ""),
            // rsyslog: its forward, protocol 23 and traditional templates, the last without a colon behind the tag
            ("<134>2026-10-01T12:00:00.123456+00:00 web-1 apache[7]: ", LINE, "web-1", "apache"),
            (r#"<134>1 2026-10-01T12:00:00.123456+00:00 web-1 apache 7 - [m n="1"] "#, LINE, "web-1", "apache"),
            ("<134>Oct 11 12:00:00 10.0.0.9 ", "apache text", "10.0.0.9", ""),
            // Docker's log driver, and others with a BOM or several elements of data
            ("<30>Oct 11 12:00:00 3ecad7bc2d5d[812]: ", LINE, "", "3ecad7bc2d5d"),
            ("<30>1 2026-10-01T12:00:00Z host 3ecad7 812 3ecad7 - \u{feff}", LINE, "host", "3ecad7"),
            (r#"<30>1 - - - - - [a b="c\]\"d]"][e@1 f="["] "#, LINE, "", ""),
            ("<13>1 2026-10-01T12:00:00Z host app - - -", "", "host", "app"),
            // Deviations of RFC 3164
            ("<13>Oct 1 12:00:00 host app: ", LINE, "host", "app"),
            ("<13>Oct 11 2026 12:00:00: host app: ", LINE, "host", "app"),
            ("<13>Oct 11 12:00:00.123 host app[x-1]:", LINE, "host", "app"),
            ("<13>Oct 11 12:00:00 host ", JSON, "host", ""),
            ("<13>Oct 11 12:00:00 ", JSON, "", ""),
            ("<13>Oct 11 12:00:00 host app:", JSON, "host", "app"),
            ("<13>Oct 11 12:00:00 host ", PROXY, "host", ""),
            ("<13>app: ", LINE, "", "app"),
            ("<13>", LINE, "", ""),
            ("<13>", "1 of many", "", ""),
            ("", "", "", ""),
        ] {
            let want = Ok([host, app, text].map(str::to_owned));
            assert_eq!(parts(&format!("{header}{text}")), want, "{header}{text}");
            assert_eq!(parts(&format!("{header}{text}\r\n\0")), want, "{header}{text} with an end");
        }
    }

    #[test]
    fn a_header_that_breaks_off_is_incomplete() {
        let whole = r#"<134>1 2026-10-01T12:00:00Z host app 7 id [a b="c ] d"] text"#;
        let version = "<134>1 ".len();
        let data = whole.rfind(']').unwrap() + 1;
        for end in (1..5).chain(version..data) {
            assert_eq!(parts(&whole[..end]), Err(HeaderError::Incomplete), "{}", &whole[..end]);
        }
        for end in data..=whole.len() {
            assert_eq!(parts(&whole[..end]).unwrap()[2], whole.get(data + 1..end).unwrap_or_default());
        }
        assert_eq!(parts("<134>1 - host app 7 - [a][").unwrap_err().reason(), Reason::LineCut);
    }

    #[test]
    fn a_header_that_is_none_is_invalid() {
        for message in [
            "<192>x",
            "<1234>x",
            "<>x",
            "<a>x",
            "<1 x",
            "<134>1 2026-99-01T12:00:00Z host app 7 - - x",
            "<134>1 - host app  - - x",
            "<134>1 - host app 7 - x",
            "<134>1 - host app 7 - -x",
            "<134>1 - host app 7 - [a[b]] x",
        ] {
            assert_eq!(parts(message), Err(HeaderError::Invalid), "{message}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_by_the_rfc_is_read_back(
            priority in 0..=191_u8,
            host in "[a-z][a-z0-9.-]{0,20}",
            app in "[!-,.-~]{1,48}",
            values in prop::collection::vec("\\PC{0,20}", 0..3),
            text in "[!-~]\\PC{0,60}[!-~]",
        ) {
            let escaped = |v: &String| v.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
            let data: String = values.iter().map(|v| format!("[id@1 name=\"{}\"]", escaped(v))).collect();
            let data = if data.is_empty() { "-" } else { &data };
            let message = format!("<{priority}>1 2026-10-01T12:00:00.5Z {host} {app} - - {data} {text}");
            prop_assert_eq!(parts(&message), Ok([host, app, text]));
        }
    }
}
