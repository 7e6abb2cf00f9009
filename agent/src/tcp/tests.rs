//! Tables of segments and what an application is told of them.

use pitot_model::Reason;

use super::{
    Limits,
    connection::Connection,
    flow::Flow,
    slots::Slots,
    toy::{Toy, play},
    tracker::Slot,
};

/// A handshake; the client's stream starts at 100, the server's at 500.
const HELLO: &str = "> S 99\n< S 499 @100\n> 100 @500\n";

fn check(rows: &[(&str, &str, &str)]) {
    for (name, script, want) in rows {
        let (notes, _) = play(&script.replace("HELLO", HELLO), Limits::default());
        assert_eq!(notes.lines.join(" | "), *want, "{name}");
    }
}

#[test]
fn streams_in_order() {
    check(&[
        (
            "a request and its answer",
            "HELLO
             > 100:ask @500
             < 500:answer @103
             > F 103 @506
             < F 506 @104
             > 104 @507",
            "> ask @0 | < answer @3 | > Fin | < Fin | close Ended",
        ),
        ("retransmission", "HELLO\n> 100:abc\n> 100:xyz\n> 103:d", "> abc | > d"),
        ("retransmission with other bounds", "HELLO\n> 100:abc\n> 99:_xyzd\n> 102:zde", "> abc | > …d | > …e"),
        ("keep-alive probes", "HELLO\n> 100:abc\n> 102\n> 102:x\n> 103:d", "> abc | > d"),
        ("keep-alive probe before all", "HELLO\n> 99:x\n> 100:abc", "> abc"),
        ("zero-window probe", "HELLO\n> 100:abc\n> 103:d\n> 103:def", "> abc | > d | > …ef"),
        ("sequence numbers wrap", "> S 4294967293\n> 4294967294:abcd\n> 2:e", "> abcd | > e"),
        ("SYN with data", "> S 99:early\n< S 499 @105\n> 105:more", "> early | > more"),
        ("SYN with data, data not taken", "> S 99:early\n< S 499 @100\n> 100:earlymore", "> early | > …more"),
        ("FIN with data", "HELLO\n> F 100:abc\n< F 500:de @104", "> abc | > Fin | < de @3 | < Fin | close Ended"),
        ("half close", "HELLO\n> F 100\n< 500:a @101\n< F 501:b", "> Fin | < a @0 | < b | < Fin | close Ended"),
        ("FIN again", "HELLO\n> F 100\n> F 100\n< F 500\n< F 500", "> Fin | < Fin | close Ended"),
        ("nothing comes after FIN", "HELLO\n> F 100:abc\n> 103:no", "> abc | > Fin"),
        ("FIN inside of what was seen", "HELLO\n> 100:abc\n> F 101\n> 103:d", "> abc | > d"),
        ("cut by the capture", "HELLO\n> 100:abc len=9\n> 109:d\n> 110 len=5", "> abc | > .6 | > d | > .5"),
        ("cut where it was seen before", "HELLO\n> 100:abc\n> 101:b len=4\n> 105:z", "> abc | > .2 | > z"),
    ]);
}

#[test]
fn handshakes() {
    check(&[
        (
            "duplicates",
            "> S 99\n> S 99\n< S 499 @100\n< S 499 @100\n> S 99\n> 100:a @500\nend",
            "> a @0 | close EndOfCapture",
        ),
        ("SYN-ACK alone", "< S 499 @100\n> 100:a @500\nend", "> a @0 | close EndOfCapture"),
        (
            "of two SYN-ACKs the acknowledged one counts",
            "> S 99\n< S 499 @100\n< S 1999999999 @100\n> 100:a @500\n< 500:b\nend",
            "> a @0 | < b | close EndOfCapture",
        ),
        (
            "of two SYN-ACKs the other one",
            "> S 99\n< S 1999999999 @100\n< S 499 @100\n> 100:a @2000000000\n< 2000000000:b\nend",
            "> a @0 | < b | close EndOfCapture",
        ),
        (
            "both open at once",
            "> S 99\n< S 499\n> S 99 @500\n< S 499 @100\n> 100:a @500\nend",
            "> a @0 | close EndOfCapture",
        ),
        ("SYN captured after data", "> 100:abc\n> S 99\n> 103:d\nend", "> abc | > d | close EndOfCapture (joined)"),
        (
            "another SYN",
            "HELLO\n> 100:a\n> S 5000\n< S 7000 @5001\n> 5001:b @7001\nend",
            "> a | close Replaced | > b @0 | close EndOfCapture",
        ),
        ("refused", "> S 99\n< R 0 @100\nend", "< Reset | close Ended"),
        (
            "ports of the dead",
            "HELLO\n> F 100\n< F 500\n> S 99\n> S 777\n> 778:a\nend",
            "> Fin | < Fin | close Ended | close Replaced | > a | close EndOfCapture",
        ),
    ]);
}

#[test]
fn resets() {
    check(&[
        ("in order", "HELLO\n> 100:abc\n< R 500", "> abc | < Reset | close Ended"),
        ("in the window", "HELLO\n< R 60000", "< Reset | close Ended"),
        ("outside", "HELLO\n> 100:a\n< R 90000000 @101\n< R 400\n> 101:b", "> a | > b"),
        ("before what was acknowledged", "HELLO\n> 100:abc\n< 500 @103\n> R 102\n> 103:d", "> abc | > d"),
        ("after the own end", "HELLO\n> F 100:abc\n> R 104", "> abc | > Fin | close Ended"),
        (
            "not believed by the peer",
            "HELLO\n> R 100\n> 100:ab @500\n< 500:cd @102",
            "> Reset | close Ended | > ab @0 | < cd @2",
        ),
        (
            "not believed by the peer, later",
            "HELLO\n> 100:ab\n< R 500\n> 102:no\n< 500:de @102\n> 102:f @502\n> F 103\n< F 502",
            "> ab | < Reset | close Ended | < de @2 | > f @2 | > Fin | < Fin | close Ended (joined)",
        ),
        (
            "ahead, and the peer goes on",
            "HELLO\n> 100:ab\n< R 550\n> 102:cd @500\n< 500:ef @104",
            "> ab | < Reset | close Ended | > cd @0 | < ef @4",
        ),
        (
            "ahead, and its sender goes on",
            "HELLO\n> 100:ab\n< R 30500\n< 500:ef @102\n> 102:cd @502",
            "> ab | < Reset | close Ended | < ef @2 | > cd @2",
        ),
        (
            "ahead, and its sender goes on behind what was lost",
            "HELLO\n> 100:ab\n< R 550\n< 550:ef @102\ntick +5100\nend",
            "> ab | < Reset | close Ended | < ~50 | < ef @2 | close EndOfCapture (joined)",
        ),
        ("after an end that was not seen", "HELLO\n> 100:abc\n< R 501\n> 103:on\nend", "> abc | < Reset | close Ended"),
        ("tells what waited", "HELLO\n> 101:b\n> R 102", "> ~1 | > b | > Reset | close Ended"),
    ]);
}

#[test]
fn nothing_but_payload_begins_a_connection() {
    check(&[
        ("acknowledgement", "> 100 @500\n< 500 @100\nend", ""),
        ("end", "> F 100 @500\n> R 100\nend", ""),
        ("keep-alive probe", "> 100:x @500\nend", ""),
        (
            "late copies of a closed connection",
            "HELLO\n> 100:abc\n> F 103\n< F 500:de\n> 100:abc\n< F 500:de\n> 104 @503\n< R 503\n> 102:c\n> F 103\nend",
            "> abc | > Fin | < de | < Fin | close Ended",
        ),
        (
            "data on its way to a reset connection",
            "HELLO\n> 100:abc\n> R 103\n< 500:on @103\n< 502:the\n< 505:way\nend",
            "> abc | > Reset | close Ended",
        ),
        (
            "a connection that began unseen",
            "HELLO\n> 100:abc\n> F 103\n< F 500\n> 90000:new @70000\nend",
            "> abc | > Fin | < Fin | close Ended | > new @0 | close EndOfCapture (joined)",
        ),
    ]);
}

#[test]
fn capture_that_joins_later() {
    check(&[
        (
            "client first",
            "> 100:ab @500\n< 500:cd @102\n> 102:e @502\nend",
            "> ab @0 | < cd @2 | > e @2 | close EndOfCapture (joined)",
        ),
        (
            "server first",
            "< 500:cd @102\n> 102:e @502\nend",
            "> cd @0 | < e @2 | close EndOfCapture (joined) by server",
        ),
        (
            "what comes before the acknowledged",
            "< 500:cd @102\n> 99:abc @500\n> 102:d @502\nend",
            "> cd @0 | < abc @0 | < d @2 | close EndOfCapture (joined) by server",
        ),
        (
            "keep-alive probe before the acknowledged",
            "< 500:cd @102\n> 101:x @502\n> 102:d @502\nend",
            "> cd @0 | < d @2 | close EndOfCapture (joined) by server",
        ),
        (
            "one side only",
            "< 500:ab @102\n< 502:cd @110\n< 504:ef @110 +201\n< 506:gh @120\nend",
            "> ab @0 | > cd @8 | < ~8 | > ef @8 | > gh @18 | < ~10 | close EndOfCapture (joined) by server",
        ),
    ]);
}

#[test]
fn out_of_order() {
    check(&[
        ("swapped", "HELLO\n> 103:d\n> 100:abc\n> 104:e", "> abc | > d | > e"),
        ("reversed", "HELLO\n> 102:c\n> 101:b\n> 100:a", "> a | > b | > c"),
        ("first copy wins", "HELLO\n> 102:c\n> 101:bXd\n> 100:aYZ", "> a | > b | > c | > …d"),
        ("swapped, acknowledged before", "HELLO\n< 500 @105\n> 103:de\n> 100:abc", "> abc | > de"),
        ("FIN first", "HELLO\n> F 103\n> 100:abc", "> abc | > Fin"),
        ("FIN first, with data", "HELLO\n> F 103:d\n> 100:abc", "> abc | > d | > Fin"),
        ("cut by the capture", "HELLO\n> 103:d len=3\n> 100:abc", "> abc | > d | > .2"),
        ("not needed", "HELLO\n> 100:S1\n> 104:cdef\n> 108:ghijKL\n> 102:ab", "> S1 | > ab | > .8 | > …KL"),
    ]);
}

#[test]
fn holes_are_given_up_when_the_peer_has_the_bytes() {
    check(&[
        ("not at once", "HELLO\n> 102:c\n< 500 @103\n> 103:d @500 +19", ""),
        ("after a little", "HELLO\n> 102:c\n< 500 @103\n> 103:d +21", "> ~2 | > c | > d"),
        ("by the clock", "HELLO\n> 102:c\n< 500 @103\ntick +21", "> ~2 | > c"),
        ("with nothing after them", "HELLO\n< 500:x @103\ntick +190\ntick +11\n> 103:d", "< x @3 | > ~3 | > d"),
        ("before the peer says more", "HELLO\n< 500:x @103\n< 501:y @103 +21", "< x @3 | > ~3 | < y @3"),
        ("only those the peer has", "HELLO\n> 104:e\n< 500 @102\n< 500 +21\n> 102:cd", "> ~2 | > cd | > e"),
        ("not without acknowledgement", "HELLO\n> 102:c\ntick +4900\n> 100:ab", "> ab | > c"),
        ("after long", "HELLO\n> 102:c\ntick +5100", "> ~2 | > c"),
        (
            "lost FIN",
            "HELLO\n> 100:ab\n< 500:cd @103\n< F 502 @103\ntick +201",
            "> ab | < cd @3 | < Fin | > Fin | close Ended",
        ),
        (
            "lost FIN, noticed at the end",
            "HELLO\n> 100:ab\n< 500:cd @103\ntick +201\nend",
            "> ab | < cd @3 | > Fin | close EndOfCapture",
        ),
        (
            "lost byte, more behind it",
            "HELLO\n> 100:ab\n< 500:cd @103\ntick +201\n< 502:e @103\n> 103:d @503\ntick +1\n> 104:e",
            "> ab | < cd @3 | < e @3 | > ~1 | > d @3 | > e",
        ),
        (
            "lost byte, its loss told before answers",
            "HELLO\n> 100:ab\n< 500:Wait @103\ntick +201\n> 103:d @504\ntick +21",
            "> ab | < wait | < Wait @3 | > ~1 | > d @4",
        ),
        (
            "each hole has its time",
            "HELLO\n> 101:b\n< 500 @102\n> 103:d +15\n< 500 @104\n> 100:a +3\ntick +4\n> 102:c",
            "> a | > b | > c | > d",
        ),
        (
            "at the end",
            "HELLO\n> 101:b\n> F 104\n< 502:x\nend",
            "> ~1 | > b | > ~2 | < ~2 | < x | > Fin | close EndOfCapture",
        ),
    ]);
}

#[test]
fn many_segments_outrun_patience() {
    let more: String = (0..300).map(|i| format!("> {}:x\n", 102 + i)).collect();
    let (notes, _) = play(&format!("{HELLO}> 101:b\n< 500 @102\n{more}"), Limits::default());
    assert_eq!(notes.lines[..2], ["> ~1", "> b"]);
    assert_eq!(notes.lines.len(), 302);
}

#[test]
fn answers_wait_for_what_they_acknowledge() {
    check(&[
        (
            "until it comes",
            "HELLO\n< 500:Wait @103\n< 504:more @103\n> 100:ask",
            "< wait | > ask | < Wait @3 | < more @3",
        ),
        ("until it is lost", "HELLO\n< 500:Wait @103\ntick +201", "< wait | > ~3 | < Wait @3"),
        (
            "until it is lost in part",
            "HELLO\n< 500:Wait @106\n> 100:ask\ntick +201",
            "< wait | > ask | < wait | > ~3 | < Wait @6",
        ),
        ("not when it was read", "HELLO\n> 100:ask\n< 500:Wait @103", "> ask | < Wait @3"),
        ("not when nothing is known", "HELLO\n< 500:Wait", "< Wait"),
        ("not after its end", "HELLO\n> F 100\n< 500:Wait @101", "> Fin | < Wait @0"),
        (
            "not beyond the end",
            "HELLO\n< F 500:Wait @103\nend",
            "< wait | > ~3 | < Wait @3 | < Fin | close EndOfCapture",
        ),
        ("both ways", "HELLO\n> 100:Wa @502\n< 500:Wb @102", "> wait | < Wb @2 | > Wa @2"),
    ]);
}

#[test]
fn done_is_skipped_but_ends() {
    check(&[
        ("FIN", "HELLO\n> 100:Done\n< 500:x\n> 104:y\n> F 900\n< F 501", "> Done | > Fin | < Fin | close Ended"),
        ("RST", "HELLO\n> 100:Done\n> 104:yyy\n> R 107", "> Done | > Reset | close Ended"),
        ("with late bytes", "HELLO\n> 104:x\n> 100:Done\n> 105:y\nend", "> Done | close EndOfCapture"),
    ]);
}

#[test]
fn garbage_is_dropped_unless_it_repeats() {
    check(&[
        ("once", "HELLO\n> 100:abc\n> 1000000000:x\n> 103:d", "> abc | > d"),
        (
            "twice",
            "HELLO\n> 100:abc\n> 1000000000:x\n> 1000000001:yz\n> 1000000003:!",
            "> abc | > ~999999898 | > yz | > !",
        ),
        (
            "behind",
            "HELLO\n> 100:abc\n> 3000000000:x\n> 3000000001:yz\n> 3000000003:!",
            "> abc | > ~2999999898 | > yz | > !",
        ),
        ("acknowledged once", "HELLO\n< 500:a @1000000000\ntick +999\n> 100:b", "< a | > b"),
        (
            "acknowledged all the time",
            "HELLO\n< 500:a @0\n< 501:b @0\n< 502:c @0\ntick +999\n> 100:d",
            "< a @-100 | < b @-100 | < c @-100 | > d",
        ),
    ]);
    for script in ["> 100:abc\n> 1000000000:x", "> F 100:abc\n> 103:no\n> F 103"] {
        let (notes, _) = play(&format!("{HELLO}{script}"), Limits::default());
        assert_eq!(notes.counts, [(Reason::SegmentDropped, 1)], "{script}");
    }
}

#[test]
fn silent_connections_are_forgotten() {
    check(&[
        ("silence", "HELLO\n> 100:a\ntick +599999\n> 101:b\ntick +599999\ntick +1", "> a | > b | close Idle"),
        (
            "a leap that the next tick takes back",
            "HELLO\n> 100:a\ntick +1000\ntick +99999999\ntick +-99999998\n> 101:b\ntick +1000\nend",
            "> a | > b | close EndOfCapture",
        ),
        (
            "time that goes on for one packet only",
            "HELLO\n> 100:a\n> 7:bc port=9 +99999999\n> 101:d +-99999999\ntick +599999\n> 102:e\ntick +599999\ntick +600000\ntick +1",
            "> a | > bc | > d | > e | close Idle (joined) | close Idle",
        ),
    ]);
}

#[test]
fn only_who_speaks_and_is_listened_to_hears_the_clock() {
    for (script, want) in
        [("HELLO", 0), ("HELLO\n> 100:a", 1), ("HELLO\n> 100:Done", 0), ("HELLO\n> 100:a\n> R 101", 0)]
    {
        let (notes, _) = play(&format!("{}\ntick +1000", script.replace("HELLO", HELLO)), Limits::default());
        assert_eq!(notes.ticks, want, "{script}");
    }
}

#[test]
fn silence_is_time_that_passes_though_there_was_no_tick() {
    for (script, want) in [
        ("> 100:a @500\n< 500:b @101 +200000", 1),
        ("> 100:a @500\n< 500 @101\n< 500:b @101 +200000\n> 101:c", 1),
        ("> 100:a @500\n< 500:b @101 +999", 0),
        ("> 100:a @500\n< 500 @101 +200000", 0),
        ("> 100:a @500 +-200000\n< 500:b @101 +200000", 0),
    ] {
        let (notes, _) = play(&format!("{HELLO}{script}"), Limits::default());
        assert_eq!(notes.ticks, want, "{script}");
    }
}

#[test]
fn full_table_forgets_the_least_first() {
    let limits = Limits { connections: 3, ..Limits::default() };
    let (notes, tracker) = play(
        "> S 99 port=1
         > 100:busy port=2
         > 100:talk port=3
         > 100:more port=4
         > 104:news port=2
         > 100:last port=5
         > 104:gone port=3
         end",
        limits,
    );
    let want = "> busy | > talk | close Evicted | > more | > news | close Evicted (joined) | > last | \
                close Evicted (joined) | > gone | close EndOfCapture (joined) | close EndOfCapture (joined) | \
                close EndOfCapture (joined)";
    assert_eq!(notes.lines.join(" | "), want);
    assert_eq!(notes.counts, [(Reason::ConnectionEvicted, 1); 3]);
    assert_eq!((tracker.connections(), tracker.buffered_bytes()), (0, 0));
}

#[test]
fn full_buffers_give_up_the_oldest_hole() {
    let limits = Limits { flow_bytes: 2_000, bytes: 3_000, ..Limits::default() };
    let kib = "x".repeat(1_000);
    let mut script = format!("{HELLO}> 101:a{kib}\n> 1103:b{kib}\n");
    for port in [2, 3] {
        script += &format!("> S 99 port={port}\n> 101:{port}{kib} port={port}\n");
    }
    let (notes, tracker) = play(&script, limits);
    let short: Vec<String> = notes.lines.iter().map(|l| l.chars().take(4).collect()).collect();
    assert_eq!(short, ["> ~1", "> ax", "> ~1", "> bx"]);
    assert!(tracker.buffered_bytes() <= 3_000);
}

#[test]
fn too_much_held_forgets_who_holds_much_first() {
    let limits = Limits { heap_bytes: 20_000, ..Limits::default() };
    let (notes, tracker) = play(
        "> 100:H9 port=1
         > 100:H5 port=2
         > 100:idle port=3
         > 100:H9 port=4
         > 102:news port=2
         > 100:H6 port=5
         > 100:H6 port=6
         > 100:H8 port=7",
        limits,
    );
    // Ports 1 and 4, who hold much; then the longest silent, though port 3 holds nothing.
    let want = "> H9 | > H5 | > idle | > H9 | close Evicted (joined) | > news | > H6 | > H6 | \
                close Evicted (joined) | > H8 | close Evicted (joined) | close Evicted (joined)";
    assert_eq!(notes.lines.join(" | "), want);
    assert_eq!(notes.counts, [(Reason::ConnectionEvicted, 1); 4]);
    assert_eq!((tracker.connections(), tracker.buffered_bytes()), (3, 20_000));
}

#[test]
fn sizes() {
    assert_eq!(size_of::<Flow>(), 40);
    assert!(size_of::<Connection<Box<u8>>>() <= 160, "{}", size_of::<Connection<Box<u8>>>());
    const { assert!(Slots::<Slot<Option<Box<Toy>>>>::SLOT_BYTES <= 200) };
}
