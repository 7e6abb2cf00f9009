//! Access logs: their lines and their formats.

use pitot_agent::{
    budget,
    log::{
        Format, Record, Wrapping,
        syslog::{Framing, Message},
    },
};

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

/// Lines of container runtimes: nothing is lost or given twice, wherever they are cut.
pub(crate) fn wrapped(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(budget::WRAPPED_BYTES)];
    Wrapping::detect(&bytes.split(|b| *b == b'\n').collect::<Vec<_>>());
    for wrapping in [Wrapping::Docker, Wrapping::Cri] {
        let (mut whole, mut pieces, mut at) = (Vec::new(), Vec::new(), 0);
        wrapping.unwrap_all(bytes, &mut whole);
        assert!(whole.is_empty() || whole.ends_with(b"\n"), "a line without an end");
        assert!(whole.len() <= bytes.len() + 1, "unwrapping made a log longer");
        for cut in [bytes.len() / 3, bytes.len() / 2, bytes.len()] {
            let before = pieces.len();
            let n = wrapping.unwrap(&bytes[at..cut.max(at)], &mut pieces);
            assert!(n > 0 || pieces.len() == before, "lines out of nothing");
            at += n;
        }
        wrapping.unwrap_all(&bytes[at..], &mut pieces);
        assert_eq!(whole, pieces, "the lines depend on where they are cut");
    }
}

/// A stream of syslog messages: they do not depend on where it is cut, and each is taken apart.
pub(crate) fn syslog(bytes: &[u8]) {
    let messages = |size: usize| {
        let (mut framing, mut all) = (Framing::default(), Vec::new());
        let mut each = |message: &[u8]| all.push(message.to_vec());
        bytes.chunks(size).for_each(|piece| framing.push(piece, &mut each));
        let is_cut = framing.finish(&mut each);
        (all, is_cut)
    };
    let (whole, is_cut) = messages(bytes.len().max(1));
    assert!(whole.iter().map(Vec::len).sum::<usize>() <= bytes.len(), "messages longer than the stream");
    assert_eq!(messages(1), (whole.clone(), is_cut), "messages depend on where the stream is cut");
    for message in whole.iter().map(Vec::as_slice).chain([bytes]) {
        if let Ok(Message { host, app, text }) = Message::parse(message) {
            assert!(host.len() + app.len() + text.len() <= message.len(), "parts longer than their message");
            assert!(!text.ends_with(b"\n"), "a text that ends with a newline");
        }
    }
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
