//! What transports put before a line: syslog, docker compose, the Kubernetes container runtime.
//!
//! In: a line. Out: how many bytes of it are a prefix.
//!
//! | prefix | from |
//! |---|---|
//! | `<190>Oct  1 12:00:00 host nginx[7]: ` | RFC 3164 |
//! | `<190>1 2003-10-11T22:14:15.003Z host app 7 id - ` | RFC 5424 |
//! | `2021-12-08T14:02:43.587Z stdout F ` | CRI |
//! | `web-1  \| ` | docker compose |

use super::{scan, time};

/// Bytes of the prefix; 0 where there is none.
pub(super) fn len(line: &[u8]) -> usize {
    let start = priority(line);
    bsd(line, start)
        .or_else(|| ietf(line, start).filter(|_| start > 0))
        .or_else(|| cri(line))
        .or_else(|| compose(line))
        .unwrap_or(0)
}

/// `<190>`.
fn priority(line: &[u8]) -> usize {
    let Some(inner) = line.strip_prefix(b"<") else { return 0 };
    let digits = inner.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
    if digits > 0 && inner.get(digits) == Some(&b'>') { digits + 2 } else { 0 }
}

/// `Oct  1 12:00:00 host tag: `; the time may be ISO, too.
fn bsd(line: &[u8], at: usize) -> Option<usize> {
    let rest = line.get(at..)?;
    let is_old = rest.len() > 16
        && rest[3] == b' '
        && rest[6] == b' '
        && rest[15] == b' '
        && rest[..3].iter().all(u8::is_ascii_alphabetic)
        && time::clock_time(&rest[7..15]).is_some();
    let host = if is_old {
        at + 16
    } else {
        let end = scan::find(line, at, b' ').filter(|end| *end >= at + 19)?;
        time::iso(&line[at..end])?;
        end + 1
    };
    let tag = scan::find(line, host, b' ')? + 1;
    let end = scan::find(line, tag, b' ')?;
    (line[end - 1] == b':' && end > tag + 1).then_some(end + 1)
}

/// `1 time host app pid id data `, of which the data may be a bracketed list.
fn ietf(line: &[u8], at: usize) -> Option<usize> {
    let mut at = at + line.get(at..)?.starts_with(b"1 ").then_some(2)?;
    for _ in 0..5 {
        at = scan::find(line, at, b' ')? + 1;
    }
    if line.get(at) == Some(&b'[') {
        at = scan::find(line, at, b']')?;
    }
    let end = scan::find(line, at, b' ')? + 1;
    Some(end + if line[end..].starts_with(b"\xef\xbb\xbf") { 3 } else { 0 })
}

/// `time stdout F `.
fn cri(line: &[u8]) -> Option<usize> {
    let end = scan::find(line, 0, b' ').filter(|end| *end >= 19)?;
    time::iso(&line[..end])?;
    let rest = &line[end..];
    let mark = [&b" stdout F "[..], b" stderr F "].into_iter().find(|mark| rest.starts_with(mark))?;
    Some(end + mark.len())
}

/// `web-1  | `.
fn compose(line: &[u8]) -> Option<usize> {
    let bar = scan::find(line, 0, b'|').filter(|bar| *bar > 1 && *bar <= 64)?;
    let name = line[..bar].trim_ascii_end();
    let is_name = name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    (is_name && line[bar - 1] == b' ' && line.get(bar + 1) == Some(&b' ')).then_some(bar + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (line, want) in [
            ("Oct  1 12:00:00 host nginx: 1.2.3.4 - -", "1.2.3.4 - -"),
            ("<190>Oct 11 12:00:00 host nginx[7]: 1.2.3.4 - -", "1.2.3.4 - -"),
            ("<190>1 2003-10-11T22:14:15.003Z host app 7 id - 1.2.3.4 - -", "1.2.3.4 - -"),
            ("<190>1 2003-10-11T22:14:15.003Z host app 7 id [a b=\"c\"] 1.2.3.4 - -", "1.2.3.4 - -"),
            ("2021-12-08T14:02:43.587782192Z stdout F 1.2.3.4 - -", "1.2.3.4 - -"),
            ("2021-12-08T14:02:43+00:00 host nginx: 1.2.3.4 - -", "1.2.3.4 - -"),
            ("web-1  | 1.2.3.4 - -", "1.2.3.4 - -"),
            ("1.2.3.4 - - [x] \"GET /a|b\"", "1.2.3.4 - - [x] \"GET /a|b\""),
            ("2015-05-13T23:39:43.945958Z my-lb 1.2.3.4:5", "2015-05-13T23:39:43.945958Z my-lb 1.2.3.4:5"),
            ("", ""),
        ] {
            assert_eq!(&line[len(line.as_bytes())..], want, "{line}");
        }
    }
}
