//! What is read of connections that were made by hand.

mod graphql;
mod talk;

use proptest::prelude::*;

use super::*;
use crate::tcp::GapKind;
use talk::{BLOCK, CLIENT, END, Encoders, Lines, Piece, SERVER, Talk, frame, session};

const GET: &str = ":method=GET :scheme=http :authority=api :path=/a x-api-key=k1 user-agent=curl";

#[test]
fn requests_and_responses_pair_by_stream() {
    let mut e = Encoders::new();
    let talk = Talk::begin()
        .say(CLIENT, e.headers(CLIENT, END, 1, GET))
        .say(
            CLIENT,
            [e.headers(CLIENT, 0, 3, &GET.replace("GET", "POST")), frame(frame::DATA, END, 3, b"12345")].concat(),
        )
        .say(SERVER, e.headers(SERVER, 0, 3, ":status=100"))
        .say(SERVER, e.headers(SERVER, 0, 3, ":status=201 x-service-version=v2"))
        .say(SERVER, [e.headers(SERVER, 0, 1, ":status=200"), frame(frame::DATA, 0, 3, b"abc")].concat())
        .say(SERVER, [frame(frame::DATA, END, 1, b""), frame(frame::DATA, END | 0x8, 3, b"\x02de\0\0")].concat());
    assert_eq!(
        talk.read(),
        ["1 GET api/a 200 0+0 key=k1 agent=curl", "3 POST api/a 201 5+5 key=k1 agent=curl version=v2"]
    );
}

#[test]
fn of_what_is_repeated_the_first_counts() {
    for (fields, want) in [
        (":method=GET :path=/a :path=/b :authority=api", "head_lenient=1|1 GET api/a 200 0+0"),
        (":method=GET :path=/a :authority=a :authority=b", "head_lenient=1|1 GET a/a 200 0+0"),
        (":method=GET :method=PUT :path=/a", "head_lenient=1|1 GET /a 200 0+0"),
        (":method=GET :path=/a :authority=a host=b", "head_lenient=1|1 GET a/a 200 0+0"),
        (":method=GET :path=/a :authority=a host=A", "1 GET a/a 200 0+0"),
        (":method=GET :path=/a host=h host=i", "head_lenient=1|1 GET h/a 200 0+0"),
    ] {
        let mut e = Encoders::new();
        let talk = Talk::begin()
            .say(CLIENT, e.headers(CLIENT, END, 1, fields))
            .say(SERVER, e.headers(SERVER, END, 1, ":status=200"));
        assert_eq!(talk.read().join("|"), want, "{fields}");
    }
}

#[test]
fn a_header_that_is_repeated_from_the_table_leaves_room_for_the_host() {
    // The user agent goes into the table, and then its number comes 140 times.
    let agent = [&[0x7a, 0x7f, 0x80, 0x03][..], &[b'u'; 511]].concat();
    let block = [b"\x82\x04\x02/a", &agent[..], &[0xbe; 140], b"\x01\x03api"].concat();
    let mut e = Encoders::new();
    let talk = Talk::begin()
        .say(CLIENT, frame(frame::HEADERS, END | BLOCK, 1, &block))
        .say(SERVER, e.headers(SERVER, END, 1, ":status=200"));
    assert_eq!(talk.read(), [format!("1 GET api/a 200 0+0 agent={}", "u".repeat(511))]);
}

/// A bit of everything.
fn busy() -> Talk {
    let mut e = Encoders::new();
    let long = e.block(CLIENT, &format!(":method=PUT :authority=api :path=/{} content-type=x", "p".repeat(300)));
    let (first, rest) = long.split_at(100);
    let padded = [&[3, 0, 0, 0, 0, 7][..], &e.block(CLIENT, GET), &[0; 3]].concat();
    let promise = [&[0, 0, 0, 2][..], &e.block(SERVER, ":method=GET :authority=api :path=/style.css")].concat();
    Talk::begin()
        .say(CLIENT, [frame(frame::HEADERS, 0, 1, first), frame(frame::CONTINUATION, 0, 1, &rest[..9])].concat())
        .say(CLIENT, frame(frame::CONTINUATION, BLOCK, 1, &rest[9..]))
        .say(CLIENT, frame(frame::DATA, 0, 1, &[b'x'; 500]))
        .say(
            CLIENT,
            [frame(frame::PING, 0, 0, &[0; 8]), frame(frame::HEADERS, END | BLOCK | 0x28, 3, &padded)].concat(),
        )
        .say(SERVER, frame(frame::PUSH_PROMISE, BLOCK, 3, &promise))
        .say(CLIENT, [frame(frame::DATA, END, 1, b"yz"), e.headers(CLIENT, 0, 5, &format!("{GET} x-b=c"))].concat())
        .say(SERVER, e.headers(SERVER, 0, 2, ":status=200 server=s"))
        .say(SERVER, [e.headers(SERVER, 0, 3, ":status=200"), frame(frame::DATA, 0, 2, &[b'c'; 99])].concat())
        .say(
            SERVER,
            [frame(0x42, 0xff, 9, b"grease"), frame(frame::DATA, END, 2, b""), frame(frame::DATA, 0, 3, b"1")].concat(),
        )
        .say(SERVER, e.headers(SERVER, END, 3, "grpc-status=0"))
        .say(SERVER, e.headers(SERVER, END, 1, ":status=500"))
        .say(CLIENT, frame(frame::RST_STREAM, 0, 5, &[0, 0, 0, 8]))
}

const BUSY: [&str; 4] = [
    "2 GET api/style.css 200 0+99",
    "3 GET api/a 200 0+1 key=k1 agent=curl grpc=0",
    "1 PUT api/PATH 500 502+0",
    "5 GET api/a reset 0+0 key=k1 agent=curl unended",
];

fn busy_lines() -> Vec<String> {
    BUSY.iter().map(|line| line.replace("PATH", &"p".repeat(300))).collect()
}

#[test]
fn segments_may_end_anywhere() {
    for size in (1..40).chain([64, 512, usize::MAX]) {
        assert_eq!(busy().read_cut(&mut session(), size), busy_lines(), "{size}");
    }
}

#[test]
fn who_asks_shows_who_is_the_client() {
    let mut talk = busy();
    for (is_client, _) in &mut talk.said {
        *is_client = !*is_client;
    }
    assert_eq!(talk.read(), busy_lines());
    // Without a preface, too.
    let mut e = Encoders::new();
    let talk = Talk::default()
        .say(SERVER, e.headers(CLIENT, END, 1, GET))
        .say(CLIENT, e.headers(SERVER, END, 1, ":status=204"));
    assert_eq!(talk.read(), ["1 GET api/a 204 0+0 key=k1 agent=curl"]);
}

#[test]
fn joined_late_what_is_known_is_told_and_nothing_else() {
    let mut e = Encoders::new();
    // Before the capture. This encoder puts fields with new names into its table, and no others.
    e.headers(CLIENT, END, 1, GET);
    e.headers(SERVER, END, 1, ":status=200 x-service-version=v1");
    let talk = Talk::default()
        .say(CLIENT, e.headers(CLIENT, END, 3, GET))
        .say(SERVER, e.headers(SERVER, END, 3, ":status=200"))
        .say(CLIENT, e.headers(CLIENT, END, 5, &GET.replace("k1", "k2")))
        .say(SERVER, e.headers(SERVER, END, 5, ":status=200 x-service-version=v1"))
        // The path is not known; then neither is the method; then not the status.
        .say(CLIENT, frame(frame::HEADERS, END | BLOCK, 7, &[0x83, 0xc0, 0x86]))
        .say(SERVER, e.headers(SERVER, END, 7, ":status=429"))
        .say(CLIENT, frame(frame::HEADERS, END | BLOCK, 9, &[0xc0, 0x84, 0x86]))
        .say(SERVER, e.headers(SERVER, END, 9, ":status=200"))
        .say(CLIENT, e.headers(CLIENT, END, 11, ":method=GET :path=/b"))
        .say(SERVER, frame(frame::HEADERS, END | BLOCK, 11, &[0xc0]));
    assert_eq!(
        talk.read(),
        [
            "3 GET api/a 200 0+0 agent=curl damaged",
            "5 GET api/a 200 0+0 agent=curl damaged",
            "7 POST  429 0+0 damaged",
            "stream_undecodable=1",
            "stream_undecodable=1",
        ]
    );
}

#[test]
fn answers_without_their_requests_are_counted() {
    let mut e = Encoders::new();
    let talk = Talk::begin()
        .say(SERVER, [e.headers(SERVER, 0, 1, ":status=200"), frame(frame::DATA, END, 1, b"x")].concat())
        .say(CLIENT, e.headers(CLIENT, END, 3, GET))
        .say(SERVER, e.headers(SERVER, END, 3, ":status=200"))
        // Trailers of one that began before, and one that was captured before its request.
        .say(SERVER, e.headers(SERVER, END, 5, "grpc-status=0"))
        .say(SERVER, e.headers(SERVER, END, 7, ":status=404"))
        .say(CLIENT, e.headers(CLIENT, END, 7, GET));
    let want = [
        "3 GET api/a 200 0+0 key=k1 agent=curl",
        "response_unmatched=1",
        "7 GET api/a 404 0+0 key=k1 agent=curl",
        "response_unmatched=1",
    ];
    assert_eq!(talk.read(), want);
}

#[test]
fn gaps_cost_what_they_hide() {
    let head = |n: u32| frame(frame::DATA, END, 1, &vec![0; n as usize])[..9].to_vec();
    for (missed, kind, want) in [
        // Of a body of which the length is known, nothing.
        (1_000, GapKind::Unkept, &["1 GET api/a 200 0+1000 key=k1 agent=curl"][..]),
        // What the capture never saw damages it; its last byte is not known.
        (1_000, GapKind::Lost, &["body_gap=1", "1 GET api/a 200 0+1000 key=k1 agent=curl damaged unended"]),
        // Beyond it, nobody knows where frames begin, until a segment begins with some.
        (1_001, GapKind::Unkept, &["1 GET api/a 200 0+1000 key=k1 agent=curl", "framing_lost=1"]),
    ] {
        let mut e = Encoders::new();
        let talk = Talk::begin()
            .say(CLIENT, e.headers(CLIENT, END, 1, GET))
            .say(CLIENT, e.headers(CLIENT, END, 3, GET))
            .say(SERVER, [e.headers(SERVER, 0, 1, ":status=200"), head(1_000)].concat())
            .miss(SERVER, missed, kind)
            .say(SERVER, [e.headers(SERVER, 0, 3, ":status=204"), frame(frame::DATA, END, 3, b"")].concat());
        let damaged = if missed > 1_000 { " damaged" } else { "" };
        let want: Vec<_> = want.iter().map(|line| (*line).to_owned()).collect();
        let last = format!("3 GET api/a 204 0+0 key=k1 agent=curl{damaged}");
        assert_eq!(talk.read(), [want, vec![last]].concat(), "{missed} {kind:?}");
    }
}

#[test]
fn after_a_gap_the_body_of_an_open_stream_shows_the_way() {
    let mut e = Encoders::new();
    let talk = Talk::begin()
        .say(CLIENT, e.headers(CLIENT, END, 1, GET))
        .say(SERVER, e.headers(SERVER, 0, 1, ":status=200"))
        .miss(SERVER, 17, GapKind::Lost)
        .say(SERVER, b"lost in the middle of something".to_vec())
        .say(SERVER, frame(frame::DATA, END, 1, b"end"));
    assert_eq!(talk.read(), ["framing_lost=1", "1 GET api/a 200 0+3 key=k1 agent=curl damaged"]);
    // An answer that may have come in the gap is no timeout.
    let mut e = Encoders::new();
    let talk = Talk::begin().say(CLIENT, e.headers(CLIENT, END, 1, GET)).miss(SERVER, 17, GapKind::Lost);
    assert_eq!(talk.read(), ["framing_lost=1", "1 GET api/a truncated 0+0 key=k1 agent=curl damaged unended"]);
}

#[test]
fn how_streams_end() {
    let mut e = Encoders::new();
    let talk = Talk::begin()
        .say(
            CLIENT,
            (1..12).step_by(2).map(|id| e.headers(CLIENT, END, id, ":method=GET :path=/")).collect::<Vec<_>>().concat(),
        )
        .say(CLIENT, e.headers(CLIENT, 0, 13, ":method=POST :path=/"))
        // Refused by the server, given up by the client during the answer, answered before all was sent.
        .say(SERVER, frame(frame::RST_STREAM, 0, 1, &[0, 0, 0, 7]))
        .say(SERVER, [e.headers(SERVER, 0, 3, ":status=200"), frame(frame::DATA, 0, 3, b"ab")].concat())
        .say(CLIENT, frame(frame::RST_STREAM, 0, 3, &[0, 0, 0, 8]))
        .say(SERVER, [e.headers(SERVER, END, 13, ":status=413"), frame(frame::RST_STREAM, 0, 13, &[0; 4])].concat())
        // Late, and of a stream that is over.
        .say(SERVER, e.headers(SERVER, END, 3, "grpc-status=1"))
        .say(
            SERVER,
            [frame(frame::GOAWAY, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 0]), e.headers(SERVER, END, 5, ":status=200")].concat(),
        );
    let want = [
        "1 GET / reset 0+0 unended",
        "3 GET / 200 0+2 unended",
        "13 POST / 413 0+0",
        "9 GET / reset 0+0 unended",
        "11 GET / reset 0+0 unended",
        "5 GET / 200 0+0",
        "7 GET / truncated 0+0 unended",
    ];
    assert_eq!(talk.read(), want);
    let mut reset = session();
    reset.end(true, End::Reset);
    let want = [&want[..6], &["7 GET / reset 0+0 unended"]].concat();
    assert_eq!(talk.read_cut(&mut reset, usize::MAX), want);
}

#[test]
fn what_is_not_answered_in_time_is_a_timeout() {
    let (mut e, mut session, mut sink) = (Encoders::new(), session(), Lines::default());
    let start = Timestamp::from_secs(1_000);
    let after = |secs| start + std::time::Duration::from_secs(secs);
    let say = |session: &mut Session, sink: &mut Lines, is_client, bytes: &[u8], at, offset| {
        let chunk = Chunk { offset, bytes, at, acknowledged: None, begins_segment: true, may_wait: false };
        session.chunk(is_client, &chunk, sink);
    };
    let asked = [e.headers(CLIENT, END, 1, ":method=GET :path=/a"), e.headers(CLIENT, END, 3, ":method=GET :path=/b")];
    say(&mut session, &mut sink, CLIENT, &asked.concat(), start, 0);
    say(&mut session, &mut sink, SERVER, &e.headers(SERVER, 0, 3, ":status=200"), after(1), 0);
    session.tick(after(119), &mut sink);
    assert_eq!((sink.lines.len(), sink.requests), (0, 2));
    session.tick(after(500), &mut sink);
    assert_eq!((&sink.lines[..], sink.requests), (&["1 GET /a timeout 0+0 unended".to_owned()][..], 1));
}

#[test]
fn a_server_that_leaves_without_an_answer_breaks_the_connection() {
    for (is_client_first, want) in [
        (false, ["1 GET /a reset 0+0 unended", "3 GET /b 200 0+0 unended", "5 GET /c truncated 0+0 unended"]),
        (true, ["1 GET /a truncated 0+0 unended", "3 GET /b 200 0+0 unended", "5 GET /c truncated 0+0 unended"]),
    ] {
        let (mut e, mut session, mut sink) = (Encoders::new(), session(), Lines::default());
        let asked = [
            e.headers(CLIENT, END, 1, ":method=GET :path=/a"),
            e.headers(CLIENT, END, 3, ":method=GET :path=/b"),
            e.headers(CLIENT, 0, 5, ":method=GET :path=/c"),
        ];
        let at = Timestamp::from_secs(1_000);
        for (is_client, bytes) in [(CLIENT, asked.concat()), (SERVER, e.headers(SERVER, 0, 3, ":status=200"))] {
            let chunk =
                Chunk { offset: 9, bytes: &bytes, at, acknowledged: None, begins_segment: true, may_wait: false };
            session.chunk(is_client, &chunk, &mut sink);
        }
        session.end(is_client_first, End::Fin);
        session.end(!is_client_first, End::Fin);
        session.close(&mut sink);
        assert_eq!(sink.lines, want);
    }
}

fn message(n: u8) -> Vec<u8> {
    [&[0, 0, 0, 0, n][..], &vec![b'm'; n.into()]].concat()
}

#[test]
fn grpc_calls_have_a_status_and_may_be_streams() {
    let ask = ":method=POST :authority=api :path=/p.S/M content-type=application/grpc";
    let answer = ":status=200 content-type=application/grpc+proto";
    let mut e = Encoders::new();
    let call = |e: &mut Encoders<'_>, id, messages: &[u8]| {
        [e.headers(CLIENT, 0, id, ask), frame(frame::DATA, END, id, messages)].concat()
    };
    let talk = Talk::begin()
        .say(
            CLIENT,
            [call(&mut e, 1, &message(9)), call(&mut e, 3, &message(200)), call(&mut e, 5, &message(1))].concat(),
        )
        .say(CLIENT, call(&mut e, 7, &[message(1), message(0)].concat()))
        .say(SERVER, [e.headers(SERVER, 0, 1, answer), frame(frame::DATA, 0, 1, &message(3))].concat())
        .say(SERVER, e.headers(SERVER, END, 1, "grpc-status=0 grpc-message="))
        .say(SERVER, e.headers(SERVER, END, 3, &format!("{answer} grpc-status=14")))
        .say(
            SERVER,
            [e.headers(SERVER, 0, 5, answer), frame(frame::DATA, 0, 5, &[message(1), message(2)].concat())].concat(),
        )
        .say(SERVER, e.headers(SERVER, END, 5, "grpc-status=5"))
        .say(SERVER, [e.headers(SERVER, 0, 7, answer), frame(frame::DATA, END, 7, &message(1))].concat());
    let want = [
        "1 POST api/p.S/M 200 14+8 grpc=0",
        "3 POST api/p.S/M 200 205+0 grpc=14",
        "5 POST api/p.S/M 200 6+13 grpc=5 stream",
        "7 POST api/p.S/M 200 11+6 grpc stream",
    ];
    for size in [1, 7, 100, usize::MAX] {
        assert_eq!(talk.read_cut(&mut session(), size), want, "{size}");
    }
}

#[test]
fn events_tunnels_and_slow_answers_are_streams() {
    let mut e = Encoders::new();
    let mut talk = Talk::begin();
    for (id, ask) in [
        (1, ":method=GET :path=/events"),
        (3, ":method=CONNECT :authority=db:5432"),
        (5, ":method=CONNECT :protocol=websocket :scheme=http :authority=api :path=/ws"),
        (7, ":method=CONNECT :authority=db:1"),
    ] {
        talk = talk.say(CLIENT, e.headers(CLIENT, 0, id, ask));
    }
    for (id, answer) in
        [(1, ":status=200 content-type=text/event-stream"), (3, ":status=200"), (5, ":status=200"), (7, ":status=403")]
    {
        talk = talk.say(SERVER, [e.headers(SERVER, 0, id, answer), frame(frame::DATA, 0, id, b"x")].concat());
    }
    let want = [
        "1 GET /events 200 0+1 stream unended",
        "3 CONNECT db:5432db:5432 200 0+1 stream unended",
        "5 CONNECT api/ws 200 0+1 stream unended",
        "7 CONNECT db:1db:1 403 0+1 unended",
    ];
    assert_eq!(talk.read(), want);
}

#[test]
fn an_upgraded_request_is_answered_on_the_first_stream() {
    let (mut e, mut request) = (Encoders::new(), Request::default());
    request.set_method(b"GET");
    request.set_target(b"/up");
    let mut session = Session::upgraded(session().core.client, session().core.server, request);
    let mut sink = Lines { requests: 1, ..Lines::default() };
    let answer = [frame(frame::SETTINGS, 0, 0, &[]), e.headers(SERVER, END, 1, ":status=200")].concat();
    let at = Timestamp::from_secs(1);
    let chunk = Chunk { offset: 7, bytes: &answer, at, acknowledged: None, begins_segment: true, may_wait: false };
    session.chunk(SERVER, &chunk, &mut sink);
    assert_eq!((sink.lines, sink.requests), (vec!["1 GET /up 200 0+0".to_owned()], 0));
}

#[test]
fn blocks_without_end_are_given_up() {
    let mut e = Encoders::new();
    let mut talk = Talk::begin().say(CLIENT, frame(frame::HEADERS, END, 1, &e.block(CLIENT, GET)));
    for _ in 0..20 {
        talk = talk.say(CLIENT, frame(frame::CONTINUATION, 0, 1, &[0x0f, 0x7f].repeat(5_000)));
    }
    let talk = talk
        .say(CLIENT, frame(frame::CONTINUATION, BLOCK, 1, &[]))
        .say(CLIENT, e.headers(CLIENT, END, 3, ":method=GET :path=/b"))
        .say(SERVER, [e.headers(SERVER, END, 1, ":status=431"), e.headers(SERVER, END, 3, ":status=200")].concat());
    assert_eq!(talk.read(), ["head_too_long=1", "3 GET /b 200 0+0"]);
}

#[test]
fn open_streams_are_bounded() {
    let (mut e, mut session, mut sink) = (Encoders::new(), session(), Lines::default());
    let mut offset = 0;
    for id in 0..2_000 {
        let bytes = e.headers(CLIENT, END, id * 2 + 1, ":method=GET :path=/");
        let at = Timestamp::from_secs(1);
        let chunk = Chunk { offset, bytes: &bytes, at, acknowledged: None, begins_segment: true, may_wait: false };
        session.chunk(CLIENT, &chunk, &mut sink);
        offset += bytes.len() as u64;
        assert!(session.core.streams.len() <= 1_024);
    }
    assert_eq!((sink.lines.len(), sink.requests), (2_000 - 1_024, 1_024));
    assert!(sink.lines.iter().all(|line| line.contains("truncated")));
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(sizes in prop::collection::vec(1..200_usize, 1..60)) {
        let mut talk = Talk::default();
        let mut sizes = sizes.into_iter().cycle();
        for (is_client, piece) in busy().said {
            let Piece::Bytes(mut bytes) = piece else { continue };
            while !bytes.is_empty() {
                let n = sizes.next().unwrap_or(1).min(bytes.len());
                let rest = bytes.split_off(n);
                talk = talk.say(is_client, std::mem::replace(&mut bytes, rest));
            }
        }
        prop_assert_eq!(talk.read(), busy_lines());
    }

    /// Bytes changed, dropped, and gaps anywhere: it never panics, and what is in flight adds up in the end.
    #[test]
    fn nothing_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..12),
        size in 1..600_usize,
    ) {
        let mut talk = busy();
        for (piece, at, byte, what) in changes {
            let i = piece.index(talk.said.len());
            let is_client = talk.said[i].0;
            let Piece::Bytes(bytes) = &mut talk.said[i].1 else { continue };
            if bytes.is_empty() {
                continue;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => {
                    bytes.remove(at);
                }
                2 => talk.said[i] = (is_client, Piece::Gap(u64::from(byte) + 1, GapKind::Lost)),
                _ => {
                    let rest = bytes.split_off(at);
                    talk.said.insert(i + 1, (is_client, Piece::Gap(rest.len() as u64, GapKind::Unkept)));
                }
            }
        }
        talk.read_cut(&mut session(), size);
    }
}
