//! Access logs: their lines and their formats.

use pitot_agent::log::{Format, Record};

/// Any lines: the format is detected, then every line is parsed in it and in the named formats.
pub(crate) fn lines(bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
    let detected = Format::detect(&lines);
    let named = NAMED.iter().filter_map(|name| Format::named(name));
    for format in detected.into_iter().chain(named) {
        for line in &lines {
            parse(&format, line);
        }
    }
}

/// Any format, and a line that it may fit: the first line of the bytes is the format, the others are parsed in it.
pub(crate) fn format(bytes: &[u8]) {
    let mut lines = bytes.split(|&b| b == b'\n');
    let Some(Ok(spec)) = lines.next().map(str::from_utf8) else { return };
    let Ok(format) = Format::compile(spec) else { return };
    assert!(!format.describe().is_empty(), "a format without a name");
    lines.for_each(|line| parse(&format, line));
}

/// A record borrows from its line only, and a line that is skipped says where it failed.
fn parse(format: &Format, line: &[u8]) {
    let mut record = Record::default();
    match format.parse(line, &mut record) {
        Ok(()) => {
            let mut scratch = Vec::new();
            for text in [record.method, record.target, record.host, record.client, record.consumer, record.user] {
                assert!(text.raw.len() <= line.len(), "a text longer than its line");
                assert!(text.decode(&mut scratch).len() <= text.raw.len(), "decoding made a text longer");
            }
        }
        Err(skip) => assert!(skip.at <= line.len(), "failed behind the end of the line"),
    }
}

const NAMED: [&str; 8] = ["combined", "common", "json", "haproxy", "envoy", "alb", "w3c", "traefik"];
