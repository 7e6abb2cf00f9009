//! Captures that come through a pipe, as `ssh host tcpdump -w - | pitot replay -` sends them.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use crate::support::pitot;

#[test]
fn what_comes_through_a_pipe_is_printed_while_it_is_open() {
    let state = tempfile::tempdir().unwrap();
    let mut child = pitot(state.path())
        .args(["replay", "--json", "--port", "80", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let request = b"GET /v1/a HTTP/1.1\r\nHost: jane:hunter2@shop.example\r\n\r\n";
    pipe.write_all(&capture(request, b"HTTP/1.1 204 No Content\r\n\r\n")).unwrap();
    pipe.flush().unwrap();
    let mut line = String::new();
    // The pipe stays open: without a flush this waits for ever.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains(r#""host":"shop.example""#) && line.contains(r#""service":"shop.example""#), "{line}");
    drop(pipe);
    assert!(child.wait().unwrap().success());
}

/// A capture of bare IP: a request and its answer, each in one packet.
fn capture(request: &[u8], response: &[u8]) -> Vec<u8> {
    let mut bytes = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, 101].map(u32::to_be_bytes).concat();
    let (there, back) = ((40_000_u16, 80_u16), (80, 40_000));
    let (asked, answered) = (1_000_u32, 9_000_u32);
    let behind = asked + u32::try_from(request.len()).unwrap();
    for ((source, destination), sequence, acknowledged, payload) in
        [(there, asked, answered, request), (back, answered, behind, response)]
    {
        let len = u16::try_from(40 + payload.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend(len.to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 1]);
        packet.extend([source.to_be_bytes(), destination.to_be_bytes()].concat());
        packet.extend([sequence.to_be_bytes(), acknowledged.to_be_bytes()].concat());
        packet.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(payload);
        bytes.extend([1_700_000_000, 0, u32::from(len), u32::from(len)].map(u32::to_be_bytes).concat());
        bytes.extend(packet);
    }
    bytes
}
