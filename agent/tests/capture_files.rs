//! Capture files of every format and byte order give the same frames; damaged ones give what came before, and an error.

use std::io::{Cursor, Write};

use pitot_agent::io::{CaptureFile, SourceError, is_capture, is_capture_file};
use proptest::prelude::*;

/// Microseconds, link type, captured bytes, length on the wire.
type Told = (i64, u16, Vec<u8>, u32);

const AT_S: u32 = 1_700_000_000;
const AT_US: i64 = AT_S as i64 * 1_000_000 + 123_456;

#[test]
fn classic_files_of_every_kind_tell_the_same() {
    for (magic, fraction, n_extra) in
        [(0xa1b2_c3d4_u32, 123_456, 0), (0xa1b2_3c4d, 123_456_999, 0), (0xa1b2_cd34, 123_456, 8)]
    {
        for is_big in [false, true] {
            let bytes = [pcap_header(is_big, magic), record(is_big, fraction, 4, n_extra, b"abcd")].concat();
            assert!(is_capture(&bytes));
            let (told, end) = read(bytes);
            assert_eq!(told, [(AT_US, 1, b"abcd".to_vec(), 9)], "{magic:x} {is_big}");
            assert_eq!(end, None);
        }
    }
}

#[test]
fn pcapng_sections_have_their_own_byte_order_interfaces_and_clocks() {
    let mut bytes = Vec::new();
    for is_big in [false, true] {
        let ticks_us = (AT_US as u64).to_be_bytes();
        let ticks_ns = ((AT_US as u64) * 1000 + 999).to_be_bytes();
        let minute = if is_big { 60_i64.to_be_bytes() } else { 60_i64.to_le_bytes() };
        let word = |at: &[u8]| u32::from_be_bytes(at.try_into().unwrap());
        bytes.extend(section(is_big));
        bytes.extend(interface(is_big, 1, &[]));
        bytes.extend(interface(is_big, 113, &[(9, &[9])]));
        bytes.extend(interface(is_big, 101, &[(14, &minute)]));
        bytes.extend(block(is_big, 99, &[], b"unknown!"));
        bytes.extend(block(is_big, 6, &[0, word(&ticks_us[..4]), word(&ticks_us[4..]), 4, 9], b"abcd"));
        bytes.extend(block(is_big, 6, &[1, word(&ticks_ns[..4]), word(&ticks_ns[4..]), 3, 9], b"abc\0"));
        bytes.extend(block(is_big, 6, &[2, word(&ticks_us[..4]), word(&ticks_us[4..]), 4, 9], b"abcd"));
        bytes.extend(block(is_big, 3, &[5], b"abcde\0\0\0"));
        let id = if is_big { 1 << 16 } else { 1 };
        bytes.extend(block(is_big, 2, &[id, word(&ticks_ns[..4]), word(&ticks_ns[4..]), 4, 9], b"abcd"));
        // Of an interface that is not described.
        bytes.extend(block(is_big, 6, &[7, 0, 0, 4, 9], b"abcd"));
    }
    let file = CaptureFile::read_from("x".into(), Box::new(Cursor::new(bytes.clone()))).unwrap();
    assert_eq!(file.describe(), "pcapng, 3 interfaces");
    let (told, end) = read(bytes);
    let minute_later = AT_US + 60_000_000;
    let section = [
        (AT_US, 1, b"abcd".to_vec(), 9),
        (AT_US, 113, b"abc".to_vec(), 9),
        (minute_later, 101, b"abcd".to_vec(), 9),
        (minute_later, 1, b"abcde".to_vec(), 5),
        (AT_US, 113, b"abcd".to_vec(), 9),
    ];
    assert_eq!(told, [section.clone(), section].concat());
    assert_eq!(end, Some("2 skipped".into()));
}

#[test]
fn a_cut_file_gives_what_came_before_and_says_where() {
    let whole = [pcap_header(false, 0xa1b2_c3d4), record(false, 0, 4, 0, b"abcd"), record(false, 0, 4, 0, b"efgh")];
    let whole = whole.concat();
    for cut in [whole.len() - 1, whole.len() - 4, whole.len() - 7] {
        let (told, end) = read(whole[..cut].to_vec());
        assert_eq!(told.len(), 1);
        assert!(end.unwrap().contains("packet 2: the file ends in the middle of it"));
    }
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let classic = [pcap_header(false, 0xa1b2_c3d4), record(false, 0, u32::MAX, 0, b"abcd")].concat();
    assert!(read(classic).1.unwrap().contains("packet 1: it says to be 4294967295 bytes long"));
    let mut block = block(false, 6, &[0, 0, 0, 4, 9], b"abcd");
    block[4..8].copy_from_slice(&[0xff; 4]);
    let modern = [section(false), interface(false, 1, &[]), block].concat();
    assert!(read(modern).1.unwrap().contains("the file ends in the middle of it"));
}

#[test]
fn compressed_captures_are_told_from_logs() {
    let plain = [pcap_header(false, 0xa1b2_c3d4), record(false, 123_456, 4, 0, b"abcd")].concat();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).unwrap();
    let (gz, zst) = (gz.finish().unwrap(), zstd::encode_all(&plain[..], 1).unwrap());
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in [("a.pcap", plain), ("b.pcap.gz", gz), ("c", zst)] {
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        assert!(is_capture_file(&path).unwrap(), "{name}");
        let mut file = CaptureFile::open(&path).unwrap();
        assert_eq!(file.describe(), "pcap, Ethernet");
        assert_eq!(file.next().unwrap().unwrap().bytes, b"abcd");
    }
    let log = directory.path().join("access.log");
    std::fs::write(&log, "127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1\n").unwrap();
    assert!(!is_capture_file(&log).unwrap());
    assert!(matches!(CaptureFile::open(&log), Err(SourceError::NoCapture(_))));
    std::fs::write(&log, "").unwrap();
    assert!(matches!(CaptureFile::open(&log), Err(SourceError::Empty(_))));
}

proptest! {
    #[test]
    fn any_damage_is_survived(
        is_modern: bool,
        is_big: bool,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut: prop::sample::Index,
    ) {
        let mut bytes = if is_modern {
            let packets = [block(is_big, 6, &[0, 0, 1, 4, 9], b"abcd"), block(is_big, 3, &[4], b"abcd")].concat();
            [section(is_big), interface(is_big, 1, &[(9, &[6])]), packets.clone(), section(!is_big), packets].concat()
        } else {
            [pcap_header(is_big, 0xa1b2_c3d4), record(is_big, 0, 4, 0, b"abcd").repeat(3)].concat()
        };
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        read(bytes);
    }
}

/// All frames, and how it ended if not well.
fn read(bytes: Vec<u8>) -> (Vec<Told>, Option<String>) {
    let mut told = Vec::new();
    let mut file = match CaptureFile::read_from("x".into(), Box::new(Cursor::new(bytes))) {
        Ok(file) => file,
        Err(error) => return (told, Some(error.to_string())),
    };
    loop {
        match file.next() {
            Ok(Some(frame)) => {
                told.push((frame.at.as_micros(), frame.link.0, frame.bytes.to_vec(), frame.wire_len));
            }
            Ok(None) => break,
            Err(error) => return (told, Some(error.to_string())),
        }
    }
    let skipped = file.n_skipped();
    (told, (skipped > 0).then(|| format!("{skipped} skipped")))
}

fn pcap_header(is_big: bool, magic: u32) -> Vec<u8> {
    let version = if is_big { 0x0002_0004 } else { 0x0004_0002 };
    words(is_big, &[magic, version, 0, 0, 65_535, 1])
}

/// Nine bytes long on the wire.
fn record(is_big: bool, fraction: u32, len: u32, n_extra: usize, bytes: &[u8]) -> Vec<u8> {
    [words(is_big, &[AT_S, fraction, len, 9]), vec![0; n_extra], bytes.to_vec()].concat()
}

fn section(is_big: bool) -> Vec<u8> {
    let version = if is_big { 0x0001_0000 } else { 0x0000_0001 };
    block(is_big, 0x0a0d_0d0a, &[0x1a2b_3c4d, version, u32::MAX, u32::MAX], &[])
}

fn interface(is_big: bool, link: u16, options: &[(u16, &[u8])]) -> Vec<u8> {
    let two = |a: u16, b: u16| {
        let words = if is_big { [a.to_be_bytes(), b.to_be_bytes()] } else { [a.to_le_bytes(), b.to_le_bytes()] };
        words.concat()
    };
    let mut body = [two(link, 0), vec![0; 4]].concat();
    for (code, value) in options {
        body.extend(two(*code, value.len() as u16));
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    block(is_big, 1, &[], &body)
}

fn block(is_big: bool, kind: u32, fields: &[u32], bytes: &[u8]) -> Vec<u8> {
    let len = (12 + 4 * fields.len() + bytes.len()) as u32;
    [words(is_big, &[kind, len]), words(is_big, fields), bytes.to_vec(), words(is_big, &[len])].concat()
}

fn words(is_big: bool, words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|w| if is_big { w.to_be_bytes() } else { w.to_le_bytes() }).collect()
}
