//! Frames of every link type and tunnel lead to the TCP segment in them; no bytes lead to a panic.
#![expect(clippy::unwrap_used, clippy::panic, reason = "test helpers")]

use etherparse::PacketBuilder;
use pitot_agent::decode::{Decoder, Frame, LinkType, Segment};
use pitot_model::{Reason, Timestamp};
use proptest::prelude::*;

const PAYLOAD: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// What stands before an IPv4 header, in hexadecimal. `L1` is Ethernet's addresses.
const BEFORE_IP: [(&str, u16, &str); 33] = [
    ("loopback, little-endian", 0, "02000000"),
    ("loopback, big-endian", 0, "00000002"),
    ("loopback, IPv6 of macOS", 108, "0000001e"),
    ("Ethernet", 1, "L1 0800"),
    ("VLAN", 1, "L1 8100 0064 0800"),
    ("QinQ", 1, "L1 88a8 0064 8100 0065 9100 0066 0800"),
    ("PPPoE", 1, "L1 8864 1100 0001 0050 0021"),
    ("MPLS", 1, "L1 8847 00010040 000101ff"),
    ("MPLS in VLAN", 1, "L1 8100 0064 8847 000101ff"),
    ("pseudo-wire with control word", 1, "L1 8847 000101ff 00000000 L1 0800"),
    ("pseudo-wire without", 1, "L1 8847 000101ff L1 0800"),
    ("SNAP", 1, "L1 0050 aaaa03 000000 0800"),
    ("LLC", 1, "L1 0050 060603"),
    ("raw", 101, ""),
    ("raw, OpenBSD", 12, ""),
    ("raw IPv4", 228, ""),
    ("cooked", 113, "0000 0001 0006 000000000000 0000 0800"),
    ("cooked with VLAN", 113, "0000 0001 0006 000000000000 0000 8100 0064 0800"),
    ("cooked v2", 276, "0800 0000 00000001 0001 00 06 0000000000000000"),
    ("PPP", 9, "ff03 0021"),
    ("PPP, compressed", 9, "21"),
    ("PPP with direction", 204, "00 ff03 0021"),
    ("serial, HDLC", 50, "0f00 0800"),
    ("HDLC", 104, "0f00 0800"),
    ("frame relay", 107, "1841 03 cc"),
    ("frame relay, Cisco's", 107, "1841 0800"),
    ("ARCnet, RFC 1051", 129, "be50 ab08 f0"),
    ("ARCnet, RFC 1201", 7, "be50 d4 00 0001"),
    ("802.11", 105, "0801 0000 000000000000 000000000000 000000000000 1000 aaaa03 000000 0800"),
    ("802.11 QoS", 105, "8801 0000 000000000000 000000000000 000000000000 1000 0000 aaaa03 000000 0800"),
    (
        "radiotap, padded header",
        127,
        "0000 0900 02000000 20 8801 0000 000000000000 000000000000 000000000000 1000 0000 0000 aaaa03 000000 0800",
    ),
    ("netfilter log", 239, "0200 0000 0800 0100 08000000 0500 0a00 00000000 2c00 0900"),
    ("pflog", 117, "1302 0000 00000000 00000000 00000000 00000000"),
];

/// What IPv4 holds before another frame or packet, by protocol. `U:` is a UDP header to that port.
const IN_IP: [(&str, u8, &str); 14] = [
    ("IP in IP", 4, ""),
    ("GRE", 47, "0000 0800"),
    ("GRE with checksum, key and number", 47, "b000 0800 00000000 00000001 00000002"),
    ("NVGRE", 47, "2000 6558 00000100 L1 0800"),
    ("PPTP", 47, "3081 880b 0000 0001 00000001 00000001 ff03 0021"),
    ("ERSPAN I", 47, "0000 88be L1 0800"),
    ("ERSPAN II", 47, "1000 88be 00000001 1000000000000000 L1 0800"),
    ("ERSPAN III", 47, "1000 22eb 00000001 200000000000000000000000 L1 8100 0001 0800"),
    ("VXLAN", 17, "U:12b5 0800 0000 00000100 L1 0800"),
    ("VXLAN with reserved bits", 17, "U:12b5 8f00 ffff 000001ff L1 0800"),
    ("GENEVE with an option", 17, "U:17c1 0100 6558 00000100 00000000 L1 0800"),
    ("Teredo", 17, "U:0dd8 0001 0000 0000000000000000 00 0000 000000000000 6"),
    ("GTP", 17, "U:0868 30ff 0050 00000001"),
    ("GTP with extension", 17, "U:0868 34ff 0050 00000001 0000 00 85 01 0000 00"),
];

#[test]
fn what_stands_before_ip_is_taken_off() {
    for (name, link, before) in BEFORE_IP {
        let frame = [hex(before), packet(PAYLOAD)].concat();
        expect_payload(name, link, &frame);
    }
}

#[test]
fn tunnels_are_looked_into() {
    for (name, protocol, before) in IN_IP {
        let (before, inner) = match before.strip_suffix('6') {
            Some(before) => (before, packet6(PAYLOAD)),
            None => (before, packet(PAYLOAD)),
        };
        let inside = [hex(before), inner].concat();
        expect_payload(name, 101, &ipv4(protocol, 0, 0, &inside));
    }
}

#[test]
fn the_length_is_that_of_the_ip_header() {
    let whole = packet(PAYLOAD);
    let padded = [&whole[..], &[0; 9]].concat();
    let mut no_length = whole.clone();
    no_length[2..4].fill(0);
    for (name, bytes, payload, payload_len) in [
        ("padding", &padded[..], PAYLOAD, PAYLOAD.len()),
        ("cut by the snap length", &whole[..45], &PAYLOAD[..5], PAYLOAD.len()),
        ("left to the network card", &no_length, PAYLOAD, PAYLOAD.len()),
    ] {
        let frame = Frame { wire_len: whole.len().max(bytes.len()) as u32, ..frame(101, bytes) };
        let mut decoder = Decoder::default();
        let segment = decoder.decode(&frame).unwrap().unwrap();
        assert_eq!((segment.payload, segment.payload_len as usize), (payload, payload_len), "{name}");
    }
}

#[test]
fn refusals_have_reasons() {
    let whole = packet(PAYLOAD);
    let short = ipv4(6, 0, 0, &[0; 10]);
    let endless = [hex("L1"), hex("8100 0001").repeat(200)].concat();
    for (name, link, bytes, reason) in [
        ("cut in the TCP header", 101, &whole[..30], Reason::PacketMalformed),
        ("TCP header beyond the IP length", 101, &short[..], Reason::PacketMalformed),
        ("UDP", 101, &ipv4(17, 0, 0, &hex("0035 0035 0008 0000")), Reason::PacketForeign),
        ("ARP", 1, &hex("L1 0806 00000000"), Reason::PacketForeign),
        ("tags without end", 1, &endless, Reason::PacketMalformed),
        ("private link type", 147, &whole, Reason::LinkUnknown),
        ("USB", 189, &whole, Reason::PacketForeign),
        ("nothing", 1, &[], Reason::PacketMalformed),
    ] {
        assert_eq!(Decoder::default().decode(&frame(link, bytes)).unwrap_err(), reason, "{name}");
    }
}

#[test]
fn fragments_are_put_together_in_any_order() {
    let whole = packet(PAYLOAD);
    let inside = &whole[20..];
    let parts = [(0, &inside[..16]), (2, &inside[16..24]), (3, &inside[24..])];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut decoder = Decoder::default();
        for (i, n) in order.into_iter().enumerate() {
            let (offset, bytes) = parts[n];
            let more = if n == 2 { 0 } else { 0x2000 };
            let part = ipv4(6, 7, more | offset, bytes);
            let segment = decoder.decode(&frame(101, &part)).unwrap();
            assert_eq!(segment.map(|s| s.payload), (i == 2).then_some(PAYLOAD), "{order:?}");
        }
        assert_eq!(decoder.finish(), 0);
    }
}

#[test]
fn fragments_without_the_rest_are_counted_and_bounded() {
    let mut decoder = Decoder::default();
    for id in 0..10_000 {
        let part = ipv4(6, id, 0x2000, &[0; 16]);
        assert!(decoder.decode(&frame(101, &part)).unwrap().is_none());
    }
    let given_up = decoder.take_lost_fragments();
    assert!(given_up > 9_000, "{given_up}");
    assert_eq!(given_up + decoder.finish(), 10_000);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(link in 0_u16..300, bytes: Vec<u8>, more in 0_u32..2000) {
        survive(link, &bytes, more);
    }

    #[test]
    fn any_damage_is_survived(
        which in 0..BEFORE_IP.len(),
        inner in 0..IN_IP.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut: prop::sample::Index,
    ) {
        let (_, link, before) = BEFORE_IP[which];
        let (_, protocol, tunnel) = IN_IP[inner];
        let inside = [hex(tunnel.trim_end_matches('6')), packet(PAYLOAD)].concat();
        let mut bytes = [hex(before), ipv4(protocol, 0, 0, &inside)].concat();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        survive(link, &bytes, 7);
    }
}

fn survive(link: u16, bytes: &[u8], more: u32) {
    let mut decoder = Decoder::default();
    let frame = Frame { wire_len: bytes.len() as u32 + more, ..frame(link, bytes) };
    if let Ok(Some(segment)) = decoder.decode(&frame) {
        assert!(segment.payload.len() <= segment.payload_len as usize);
    }
    decoder.finish();
}

fn expect_payload(name: &str, link: u16, bytes: &[u8]) {
    let mut decoder = Decoder::default();
    let segment: Option<Segment<'_>> = decoder.decode(&frame(link, bytes)).unwrap_or_else(|r| panic!("{name}: {r}"));
    let segment = segment.unwrap_or_else(|| panic!("{name}: kept as a fragment"));
    assert_eq!((segment.payload, segment.payload_len as usize), (PAYLOAD, PAYLOAD.len()), "{name}");
    assert_eq!((segment.source.port, segment.destination.port, segment.sequence), (40_000, 80, 1000), "{name}");
}

fn frame(link: u16, bytes: &[u8]) -> Frame<'_> {
    Frame { at: Timestamp::EPOCH, link: LinkType(link), bytes, wire_len: bytes.len() as u32 }
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(40_000, 80, 1000, 512);
    builder.write(&mut bytes, payload).unwrap();
    bytes
}

fn packet6(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp(40_000, 80, 1000, 512);
    builder.write(&mut bytes, payload).unwrap();
    bytes
}

fn ipv4(protocol: u8, id: u16, fragment: u16, inside: &[u8]) -> Vec<u8> {
    let len = (20 + inside.len()) as u16;
    let [mut head, addresses] = [vec![0x45, 0], vec![192, 0, 2, 1, 192, 0, 2, 2]];
    for field in [len, id, fragment] {
        head.extend(field.to_be_bytes());
    }
    head.extend([64, protocol, 0, 0]);
    [&head[..], &addresses, inside].concat()
}

fn hex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in text.split_whitespace() {
        match word {
            "L1" => bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]),
            _ if word.starts_with("U:") => bytes.extend(hex(&format!("d903{}00000000", &word[2..]))),
            _ => bytes.extend((0..word.len()).step_by(2).map(|i| u8::from_str_radix(&word[i..i + 2], 16).unwrap())),
        }
    }
    bytes
}
