//! Bytes that nobody would write: no format panics on them, and what comes out lies inside of what went in.

use pitot_agent::log::{Format, Record, Text};
use proptest::prelude::*;

/// Text made of the pieces that formats are made of, broken anywhere.
fn almost_a_line() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"1.2.3.4"[..],
        b" - - ",
        b"[10/Oct/2000:13:55:36 -0700]",
        b" \"GET / HTTP/1.1\" ",
        b"200 5 ",
        b"\"",
        b"\\",
        b"\\\"",
        b"[",
        b"]",
        b"{",
        b"}",
        b":",
        b",",
        b" : ",
        b" ",
        b"\t",
        b"-",
        b"0.012",
        b"\"status\":200,",
        b"\"request\":{\"uri\":\"/\\u00e9\"",
        b"2018-07-02T22:23:00.186641Z ",
        b"1/2/3/4/5 ",
        b"#Fields: date time c-ip cs-method cs-uri-stem sc-status",
        b"<190>1 ",
        b"web | ",
        b"99999999999999999999999",
        b"\x16\x03\xff",
        b"\xc3\xa9",
    ]);
    let junk = prop::collection::vec(any::<u8>(), 0..40);
    let part = prop_oneof![4 => piece.prop_map(<[u8]>::to_vec), 1 => junk];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn inside(line: &[u8], text: Text<'_>) -> bool {
    text.is_empty() || line.as_ptr_range().contains(&text.raw.as_ptr()) && text.raw.len() <= line.len()
}

fn read(format: &Format, line: &[u8]) {
    let mut out = Record::default();
    match format.parse(line, &mut out) {
        Ok(()) => {
            let texts = [out.client, out.user, out.consumer, out.method, out.target, out.query, out.host, out.service];
            assert!(texts.iter().chain(&[out.trace_id, out.user_agent]).all(|t| inside(line, *t)));
            assert!(texts.iter().all(|t| t.decode(&mut Vec::new()).len() <= t.raw.len()));
        }
        Err(skip) => assert!(skip.at <= line.len() && out.status.is_none()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn no_named_format_panics(line in almost_a_line()) {
        for (name, _) in Format::names() {
            read(&Format::named(name).expect(name), &line);
        }
    }

    #[test]
    fn no_sample_makes_detection_panic(lines in prop::collection::vec(almost_a_line(), 0..6)) {
        let sample: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
        if let Some(format) = Format::detect(&sample) {
            for line in &sample {
                read(&format, line);
                let _ = format.fields_header(line);
            }
            let _ = (format.describe(), format.with_consumer("http_x_api_key"));
        }
    }

    #[test]
    fn no_specification_panics(
        spec in prop_oneof![
            "[$%{}a-z ;:'\"\\[\\]>^~é]{0,40}",
            "(%[a-zA-Z^~>]|\\$[a-z_]{1,12}|%\\{[a-zA-Z%-]{0,6}\\}[a-z]|[ \"\\[\\]:|-]){0,16}",
            any::<String>(),
        ],
        line in almost_a_line(),
    ) {
        match Format::compile(&spec) {
            Ok(format) => read(&format, &line),
            Err(error) => prop_assert!(error.at <= spec.len().max(1 << 14), "{error}"),
        }
    }
}
