//! Lines of another kind that stand in access logs: error logs, start-up messages, stack traces.
//!
//! In: a line that no layout could read. Out: whether it is one of these, told from how it begins.

use super::{scan, time};

/// Whether the line is no access record and was not meant to be one. In a table (`is_table`) records begin with dates.
#[cold]
pub(super) fn is_foreign(line: &[u8], is_table: bool) -> bool {
    let line = line.trim_ascii_start();
    let bracketed = line.strip_prefix(b"[").unwrap_or(line);
    !is_table && is_dated(bracketed)
        || is_named_day(bracketed)
        || is_glog(line)
        || is_level(bracketed)
        || is_trace(line)
}

/// `2022/01/24 16:33:06 [error]`, `2000-09-07 14:07:41,508 [main] INFO`, `28-Nov-2018 20:51:29.344 INFO`.
fn is_dated(line: &[u8]) -> bool {
    let iso = line.len() > 19 && time::iso(&line[..19]).is_some();
    let day_first = line.len() > 20
        && line[2] == b'-'
        && line[6] == b'-'
        && line[..2].iter().chain(&line[7..11]).all(u8::is_ascii_digit);
    (iso || day_first) && !line.windows(2).any(|w| w == b"\" ") || iso && has_level(line)
}

/// `[Thu Oct 13 12:24:49.880562 2022] [auth_basic:error]`.
fn is_named_day(line: &[u8]) -> bool {
    const DAYS: [&[u8]; 7] = [b"Mon ", b"Tue ", b"Wed ", b"Thu ", b"Fri ", b"Sat ", b"Sun "];
    DAYS.iter().any(|day| line.starts_with(day))
}

/// `I1221 13:00:58.488494       7 controller.go:202]`.
fn is_glog(line: &[u8]) -> bool {
    matches!(line, [b'I' | b'W' | b'E' | b'F', a, b, c, d, b' ', ..] if [a, b, c, d].iter().all(|x| x.is_ascii_digit()))
}

/// `DEBUG: ...`, `[warn] ...`, `time="..." level=info`.
fn is_level(line: &[u8]) -> bool {
    let word = line.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let level = LEVELS.iter().any(|l| l.eq_ignore_ascii_case(&line[..word]));
    level && !matches!(line.get(word), Some(b'.' | b'-' | b'_'))
        || line.starts_with(b"time=\"")
        || line.starts_with(b"level=")
}

/// A stack trace goes on.
fn is_trace(line: &[u8]) -> bool {
    [&b"at "[..], b"Traceback (", b"File \"", b"Caused by:", b"goroutine ", b"panic:"]
        .iter()
        .any(|p| line.starts_with(p))
}

/// A level in brackets or in capitals behind the date.
fn has_level(line: &[u8]) -> bool {
    let end = scan::find(line, line.len().min(60), b' ').unwrap_or(line.len());
    line[19..end]
        .split(|b| matches!(b, b' ' | b'[' | b']' | b':'))
        .any(|word| LEVELS.iter().any(|l| l.eq_ignore_ascii_case(word)))
}

const LEVELS: [&[u8]; 13] = [
    b"emerg", b"alert", b"crit", b"error", b"err", b"warn", b"warning", b"notice", b"info", b"debug", b"trace",
    b"fatal", b"severe",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_logs_are_told_from_broken_records() {
        for (line, want) in [
            (
                r#"2022/01/24 16:33:06 [error] 334#334: *338 user "toto": mismatch, request: "GET / HTTP/1.1", host: "x""#,
                true,
            ),
            ("[Thu Oct 13 12:24:49.880562 2022] [auth_basic:error] [pid 10] x", true),
            ("2000-09-07 14:07:41,508 [main] INFO  MyApp - Entering application.", true),
            ("28-Nov-2018 20:51:29.344 INFO [main] Server startup in 1335 ms", true),
            ("I1221 13:00:58.488494       7 controller.go:202] Initial sync", true),
            ("DEBUG: CrowdsecBouncerTraefikPlugin: x", true),
            ("[warn] x", true),
            ("\tat java.lang.Thread.run", true),
            ("[2018-06-22 09:33:24 +0000] [17] [INFO] Booting worker with pid: 17", true),
            (r#"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] "GET /v1/us"#, false),
            (r#"info.example.com 1.2.3.4 - - garbage"#, false),
            ("what is this", false),
            ("", false),
        ] {
            assert_eq!(is_foreign(line.as_bytes(), false), want, "{line}");
        }
    }
}
