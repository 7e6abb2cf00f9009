//! Lines that runtimes wrote, and the laws of unwrapping.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// What is given, what is left of the raw lines, and what is given at the end.
fn unwrapped(wrapping: Wrapping, raw: &str) -> (String, &str, String) {
    let mut out = Vec::new();
    let left = &raw[wrapping.unwrap(raw.as_bytes(), &mut out)..];
    let mut end = Vec::new();
    wrapping.unwrap_all(left.as_bytes(), &mut end);
    (String::from_utf8(out).unwrap(), left, String::from_utf8(end).unwrap())
}

#[test]
fn docker_entries() {
    let entry = |log: &str| format!(r#"{{"log":{log},"stream":"stdout","time":"2021-12-08T14:02:43.5Z"}}"#);
    for (line, want) in [
        (entry(r#""GET / 200\n""#), "GET / 200\n"),
        (entry(r#""\"GET \/a?b=\u003cc\u003e\" 200\r\n""#), "\"GET /a?b=<c>\" 200\r\n"),
        (entry(r#""\n""#), "\n"),
        (entry(r#""a\nb\n""#), "a\nb\n"),
        (
            r#"{ "time" : "2021-12-08T14:02:43.5Z", "attrs":{"tag":"x}y"},"n":1, "stream":"stderr", "log":"é\u00e9\n" }"#
                .into(),
            "éé\n",
        ),
        (r#"{"log":"x\n","stream":"stdout","time":"2021-12-08T14:02:43Z"}"#.to_owned() + "\r", "x\n"),
        // Not wrapped, or broken: as they are.
        ("GET / 200".into(), "GET / 200\n"),
        (String::new(), "\n"),
        (r#"{"method":"GET","status":200}"#.into(), "{\"method\":\"GET\",\"status\":200}\n"),
        (r#"{"log":"x\n","stream":"file","time":"-"}"#.into(), "{\"log\":\"x\\n\",\"stream\":\"file\",\"time\":\"-\"}\n"),
        (r#"{"log":"GET / 2"#.into(), "{\"log\":\"GET / 2\n"),
        (r#"{"log":"GET","stream":"stdout","ti"#.into(), "{\"log\":\"GET\",\"stream\":\"stdout\",\"ti\n"),
    ] {
        assert_eq!(unwrapped(Wrapping::Docker, &(line.clone() + "\n")), (want.into(), "", String::new()), "{line}");
    }
}

#[test]
fn cri_entries() {
    for (line, want) in [
        ("2021-12-08T14:02:43.587782192Z stdout F GET / 200", "GET / 200\n"),
        ("2021-12-08T14:02:43.587782192+01:00 stderr F:x a  b ", "a  b \n"),
        ("2021-12-08T14:02:43Z stdout F ", "\n"),
        ("2021-12-08T14:02:43Z stdout F", "\n"),
        ("2021-12-08T14:02:43Z stdout Full GET", "2021-12-08T14:02:43Z stdout Full GET\n"),
        ("2021-12-08T14:02:43Z stdin F GET", "2021-12-08T14:02:43Z stdin F GET\n"),
        ("GET / 200", "GET / 200\n"),
        ("", "\n"),
    ] {
        assert_eq!(unwrapped(Wrapping::Cri, &format!("{line}\n")), (want.into(), "", String::new()), "{line}");
    }
}

#[test]
fn parts_are_joined_and_wait_for_the_last_one() {
    let docker = |log: &str, stream: &str| json!({"log": log, "stream": stream, "time": "t"}).to_string() + "\n";
    let cri = |tag: &str, text: &str, stream: &str| format!("2021-12-08T14:02:43Z {stream} {tag} {text}\n");
    let [a, b, other] = [docker("GET /", "stdout"), docker("a 200\n", "stdout"), docker("oops\n", "stderr")];
    let [p, f, x] = [cri("P", "GET /", "stdout"), cri("F", "a 200", "stdout"), cri("F", "oops", "stderr")];
    for (wrapping, [a, b, other]) in [(Wrapping::Docker, [a, b, other]), (Wrapping::Cri, [p, f, x])] {
        let given = |raw: &str| {
            let (given, left, end) = unwrapped(wrapping, raw);
            (given, left.len(), end)
        };
        assert_eq!(given(&[&*a, &b].concat()), ("GET /a 200\n".into(), 0, String::new()));
        assert_eq!(given(&[&*a, &other, &b].concat()), ("oops\nGET /a 200\n".into(), 0, String::new()));
        let open = [&*other, &a, &other].concat();
        let left = a.len() + other.len();
        assert_eq!(given(&open), ("oops\n".into(), left, "oops\nGET /\n".into()));
        // A line that is being written, too.
        let cut = [&*other, &other[..9]].concat();
        assert_eq!(given(&cut), ("oops\n".into(), 9, format!("{}\n", &other[..9])));
    }
}

#[test]
fn a_line_that_never_ends_counts_as_too_long() {
    let part = json!({"log": "x".repeat(16 << 10), "stream": "stdout", "time": "t"}).to_string() + "\n";
    let (mut raw, mut out) = (String::new(), Vec::new());
    while Wrapping::Docker.unwrap(raw.as_bytes(), &mut out) == 0 {
        assert!(out.is_empty());
        raw += &part;
    }
    assert!(raw.len() <= budget::WRAPPED_BYTES + part.len());
    assert_eq!(out.len(), budget::LINE_BYTES + 2);
}

#[test]
fn wrapping_is_told_by_most_lines() {
    let docker = r#"{"log":"x\n","stream":"stdout","time":"t"}"#;
    let cri = "2021-12-08T14:02:43Z stdout P x";
    let json = r#"{"time":"t","method":"GET","uri":"/","status":200}"#;
    for (lines, want) in [
        (&[docker, docker, ""][..], Some(Wrapping::Docker)),
        (&[docker, docker, &docker[..20]], Some(Wrapping::Docker)),
        (&[cri, "2021-12-08T14:02:43Z stdout F y", "start of a container", ""], Some(Wrapping::Cri)),
        (&[cri, docker], None),
        (&[json, json], None),
        (&["", ""], None),
        (&[], None),
    ] {
        let bytes: Vec<&[u8]> = lines.iter().map(|l| l.as_bytes()).collect();
        assert_eq!(Wrapping::detect(&bytes), want, "{lines:?}");
    }
}

/// A part of a line: its text, the stream, and whether the line goes on.
fn parts() -> impl Strategy<Value = Vec<(String, usize, bool)>> {
    let text = prop_oneof!["[ -~]{0,30}", "\\PC{0,10}", Just("\"\\/\t\r\u{1}é😀".to_owned())];
    prop::collection::vec((text, 0..2_usize, any::<bool>()), 0..30)
}

/// The lines in the order of their ends; those that have none last.
fn joined(parts: &[(String, usize, bool)]) -> String {
    let (mut open, mut is_open, mut all) = ([String::new(), String::new()], [false; 2], String::new());
    for (text, stream, goes_on) in parts {
        open[*stream] += text;
        is_open[*stream] = *goes_on;
        if !goes_on {
            all = all + &std::mem::take(&mut open[*stream]) + "\n";
        }
    }
    for (text, is_open) in open.iter().zip(is_open) {
        if is_open {
            all = all + text + "\n";
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_same_lines_come_out_however_they_are_cut(parts in parts(), sizes in prop::collection::vec(1..200_usize, 1..20)) {
        let docker = parts.iter().map(|(text, stream, goes_on)| {
            let log = if *goes_on { text.clone() } else { format!("{text}\n") };
            let stream = if *stream == 0 { "stdout" } else { "stderr" };
            json!({"log": log, "stream": stream, "time": "2021-12-08T14:02:43Z"}).to_string() + "\n"
        });
        let cri = parts.iter().map(|(text, stream, goes_on)| {
            let stream = if *stream == 0 { "stdout" } else { "stderr" };
            let tag = if *goes_on { 'P' } else { 'F' };
            format!("2021-12-08T14:02:43.587782192Z {stream} {tag} {text}\n")
        });
        for (wrapping, raw) in [(Wrapping::Docker, docker.collect::<String>()), (Wrapping::Cri, cri.collect())] {
            let raw = raw.as_bytes();
            let (mut out, mut at, mut end) = (Vec::new(), 0, 0);
            for size in sizes.iter().cycle().take(raw.len()) {
                end = (end + size).min(raw.len());
                at += wrapping.unwrap(&raw[at..end], &mut out);
            }
            wrapping.unwrap_all(&raw[at..], &mut out);
            let (out, want) = (String::from_utf8(out).unwrap(), joined(&parts));
            prop_assert_eq!(out, want, "{}", wrapping.name());
        }
    }
}
