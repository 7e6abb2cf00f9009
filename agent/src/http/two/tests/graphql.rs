//! Calls of GraphQL and gRPC over HTTP/2, as far as bodies matter.

use super::*;

const ASK: &str = ":method=POST :authority=api :path=/graphql content-type=application/json";
const ANSWER: &str = ":status=200 content-type=application/json";
const BODY: &[u8] = br#"{"operationName":"B","query":"query A { a } mutation B { b }"}"#;
const ERRORS: &[u8] = br#"{"data":null,"errors":[{"message":"no"}]}"#;

/// A body in frames of so many bytes, padded.
fn data(stream: u32, body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, piece) in body.chunks(size).enumerate() {
        let is_last = (i + 1) * size >= body.len();
        let padded = [&[2][..], piece, &[0; 2]].concat();
        out.extend(frame(frame::DATA, 0x8 | if is_last { END } else { 0 }, stream, &padded));
    }
    out
}

#[test]
fn graphql_is_read_across_frames_of_several_streams() {
    let mut e = Encoders::new();
    let other = br#"{"query":"{ me }"}"#;
    let talk = Talk::begin()
        .say(CLIENT, [e.headers(CLIENT, 0, 1, ASK), e.headers(CLIENT, 0, 3, ASK)].concat())
        .say(CLIENT, [frame(frame::DATA, 0, 1, &BODY[..30]), data(3, other, 5), data(1, &BODY[30..], 9)].concat())
        .say(SERVER, [e.headers(SERVER, 0, 1, ANSWER), e.headers(SERVER, 0, 3, ANSWER)].concat())
        .say(
            SERVER,
            [frame(frame::DATA, 0, 1, &ERRORS[..20]), data(3, b"{\"data\":1}", 3), data(1, &ERRORS[20..], 4)].concat(),
        );
    let (asked, answered) = (BODY.len(), ERRORS.len());
    let want = [
        format!("3 POST api/graphql 200 {}+10 graphql=query.me", other.len()),
        format!("1 POST api/graphql 200 {asked}+{answered} graphql=mutation:B!"),
    ];
    for size in [1, 2, 7, 100, usize::MAX] {
        assert_eq!(talk.read_cut(&mut session(), size), want, "{size}");
    }
}

#[test]
fn graphql_is_not_read_where_it_cannot_be() {
    for (ask, answer, want) in [
        (ASK.to_owned(), format!("{ANSWER} content-encoding=gzip"), " graphql=mutation:B"),
        (format!("{ASK} content-encoding=br"), ANSWER.to_owned(), " graphql=!"),
        (ASK.replace("/graphql", "/v1"), ANSWER.to_owned(), ""),
        (ASK.replace("/json", "/grpc"), ANSWER.to_owned(), " grpc stream"),
        (ASK.replace("/json", "/xml"), ANSWER.to_owned(), ""),
        (ASK.to_owned(), ANSWER.replace("200", "500"), " graphql=mutation:B"),
        (ASK.to_owned(), ANSWER.replace("application/json", "text/event-stream"), " graphql=mutation:B stream"),
    ] {
        let mut e = Encoders::new();
        let talk = Talk::begin()
            .say(CLIENT, [e.headers(CLIENT, 0, 1, &ask), data(1, BODY, 20)].concat())
            .say(SERVER, [e.headers(SERVER, 0, 1, &answer), data(1, ERRORS, 20)].concat());
        let lines = talk.read();
        let (_, got) = lines[0].split_once(&format!("+{}", ERRORS.len())).unwrap();
        // What a body of JSON comes to as messages of gRPC does not matter.
        assert_eq!(got, if ask.contains("grpc") { " grpc" } else { want }, "{ask} {answer}");
    }
}

#[test]
fn graphql_behind_a_gap_is_not_known() {
    let mut e = Encoders::new();
    let whole = data(1, BODY, 4_000);
    let talk = Talk::begin()
        .say(CLIENT, [e.headers(CLIENT, 0, 1, ASK), whole[..40].to_vec()].concat())
        .miss(CLIENT, (whole.len() - 40) as u64, GapKind::Unkept)
        .say(SERVER, [e.headers(SERVER, 0, 1, ANSWER), data(1, ERRORS, 99)].concat());
    assert_eq!(talk.read(), [format!("1 POST api/graphql 200 {}+{} graphql=operation:B!", BODY.len(), ERRORS.len())]);
}

#[test]
fn grpc_calls_tell_their_status_in_trailers_alone_and_with_bodies_that_are_compressed() {
    let ask = ":method=POST :authority=api :path=/p.S/M content-type=application/grpc grpc-encoding=gzip";
    let answer = ":status=200 content-type=application/grpc grpc-encoding=gzip";
    let compressed = [&[1, 0, 0, 0, 3][..], b"\x1f\x8b\x08"].concat();
    let mut e = Encoders::new();
    let talk = Talk::begin()
        .say(CLIENT, [e.headers(CLIENT, 0, 1, ask), frame(frame::DATA, END, 1, &compressed)].concat())
        .say(SERVER, e.headers(SERVER, END, 1, &format!("{answer} grpc-status=7")))
        .say(CLIENT, [e.headers(CLIENT, 0, 3, ask), frame(frame::DATA, END, 3, &compressed)].concat())
        .say(SERVER, [e.headers(SERVER, 0, 3, answer), frame(frame::DATA, 0, 3, &compressed)].concat())
        .say(SERVER, e.headers(SERVER, END, 3, "grpc-status=0"))
        // A stream of requests that the client gives up, and gRPC-Web, which has its status in the body.
        .say(CLIENT, [e.headers(CLIENT, 0, 5, ask), frame(frame::DATA, 0, 5, &compressed.repeat(2))].concat())
        .say(CLIENT, frame(frame::RST_STREAM, 0, 5, &[0, 0, 0, 8]))
        .say(
            CLIENT,
            [e.headers(CLIENT, 0, 7, &ask.replace("/grpc", "/grpc-web")), frame(frame::DATA, END, 7, &compressed)]
                .concat(),
        )
        .say(SERVER, e.headers(SERVER, 0, 7, &answer.replace("/grpc", "/grpc-web")))
        .say(
            SERVER,
            [frame(frame::DATA, 0, 7, &compressed), frame(frame::DATA, END, 7, b"\x80\0\0\0\x0dgrpc-status:0")]
                .concat(),
        );
    for size in [1, 6, usize::MAX] {
        assert_eq!(
            talk.read_cut(&mut session(), size),
            [
                "1 POST api/p.S/M 200 8+0 grpc=7",
                "3 POST api/p.S/M 200 8+8 grpc=0",
                "5 POST api/p.S/M reset 16+0 grpc stream unended",
                "7 POST api/p.S/M 200 8+26 grpc",
            ],
            "{size}"
        );
    }
}
