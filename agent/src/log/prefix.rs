//! What transports put before a line that they hand on in one piece: syslog, docker compose. What container runtimes put
//! around lines is taken off before (`wrap.rs`).
//!
//! In: a line. Out: how many bytes of it are a prefix.
//!
//! | prefix | from |
//! |---|---|
//! | `<190>Oct  1 12:00:00 host nginx[7]: `, `<190>1 2003-10-11T22:14:15.003Z host app 7 id - ` | syslog as sent |
//! | `Oct  1 12:00:00 host nginx[7]: ` | syslog as written to files |
//! | `web-1  \| ` | docker compose |

use super::{scan, syslog, time};

/// Bytes of the prefix; 0 where there is none.
pub(super) fn len(line: &[u8]) -> usize {
    if line.first() == Some(&b'<') {
        return syslog::header_len(line);
    }
    bsd(line).or_else(|| compose(line)).unwrap_or(0)
}

/// `Oct  1 12:00:00 host tag: `; the time may be ISO, too.
fn bsd(line: &[u8]) -> Option<usize> {
    let is_old = line.len() > 16
        && line[3] == b' '
        && line[6] == b' '
        && line[15] == b' '
        && line[..3].iter().all(u8::is_ascii_alphabetic)
        && time::clock_time(&line[7..15]).is_some();
    let host = if is_old {
        16
    } else {
        let end = scan::find(line, 0, b' ').filter(|end| *end >= 19)?;
        time::iso(&line[..end])?;
        end + 1
    };
    let tag = scan::find(line, host, b' ')? + 1;
    let end = scan::find(line, tag, b' ')?;
    (line[end - 1] == b':' && end > tag + 1).then_some(end + 1)
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
            ("2021-12-08T14:02:43+00:00 host nginx: 1.2.3.4 - -", "1.2.3.4 - -"),
            ("web-1  | 1.2.3.4 - -", "1.2.3.4 - -"),
            ("1.2.3.4 - - [x] \"GET /a|b\"", "1.2.3.4 - - [x] \"GET /a|b\""),
            ("2015-05-13T23:39:43.945958Z my-lb 1.2.3.4:5", "2015-05-13T23:39:43.945958Z my-lb 1.2.3.4:5"),
            ("<190>1.2.3.4 - -", "1.2.3.4 - -"),
            ("<999>1.2.3.4 - -", "<999>1.2.3.4 - -"),
            ("", ""),
        ] {
            assert_eq!(&line[len(line.as_bytes())..], want, "{line}");
        }
    }
}
