//! What gaps leave of the messages around them, as scripts of what both sides say.

use super::*;

#[test]
fn gaps_cost_what_they_hide_and_nothing_else() {
    let get = |n: u32| c(&format!("GET /{n} HTTP/1.1\r\n\r\n"));
    let (request, response) = (18, OK.len() as u64);
    for (steps, exchanges, reasons) in [
        // A body.
        (
            vec![get(1), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), LostS(7), get(2), s(OK)],
            "GET /1 200 0/9 of which 0/2 open damaged\nGET /2 200 0/2\n",
            "body_gap=1",
        ),
        (
            vec![get(1), s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"), CutS(7), get(2), s(OK)],
            "GET /1 200 0/9\nGET /2 200 0/2\n",
            "",
        ),
        // A whole response, and a whole request.
        (
            vec![get(1), LostS(response), get(2), s(OK)],
            "GET /1 Status(1003) 0/0 damaged\nGET /2 200 0/2\n",
            "head_lost=1",
        ),
        (
            vec![get(1), s(OK), LostC(request), s(OK), get(3), s(OK)],
            "GET /1 200 0/2\nGET /3 200 0/2\n",
            "head_lost=1 response_unmatched=1",
        ),
        (
            vec![LostC(request), get(2), s("HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n"), s(OK), get(3), s(OK)],
            "GET /2 200 0/2\nGET /3 200 0/2\n",
            "head_lost=1 response_unmatched=1",
        ),
        // One of two that were sent at once: the last answers are those of the last requests.
        (
            vec![get(1), LostC(request), get(3), s(OK), s(OK), s(OK), get(4), s(OK)],
            "GET /1 200 0/2\nGET /3 200 0/2\nGET /4 200 0/2\n",
            "head_lost=1 response_unmatched=1",
        ),
        // The same, read before the answers to the first two, which waited for the gap.
        (
            vec![
                get(1),
                LostC(request),
                Ahead(b"GET /3 HTTP/1.1\r\n\r\n".to_vec(), 2 * response),
                s(OK),
                s(OK),
                get(4),
                s(OK),
                s(OK),
            ],
            "GET /1 200 0/2\nGET /3 200 0/2\nGET /4 200 0/2\n",
            "head_lost=1 response_unmatched=1",
        ),
        // One that was sent with the next, while the rest of a body was awaited.
        (
            vec![
                get(1),
                s("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab"),
                LostC(request),
                Ahead(b"GET /3 HTTP/1.1\r\n\r\n".to_vec(), 7),
                LostS(7),
                s("HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n"),
                s(OK),
                get(4),
                s(OK),
            ],
            "GET /1 200 0/9 of which 0/2 open damaged\nGET /3 200 0/2\nGET /4 200 0/2\n",
            "head_lost=1 response_unmatched=1 body_gap=1",
        ),
        (
            vec![get(1), get(2), LostS(response), s(OK), get(3), s(OK)],
            "GET /1 Status(1003) 0/0 damaged\nGET /2 200 0/2\nGET /3 200 0/2\n",
            "head_lost=1",
        ),
        (
            vec![get(1), get(2), LostS(response), s(&format!("rest{OK}")), get(3), s(OK)],
            "GET /1 Status(1003) 0/0 damaged\nGET /2 200 0/2\nGET /3 200 0/2\n",
            "head_lost=1",
        ),
        (vec![get(1), LostS(response)], "GET /1 Status(1003) 0/0 damaged\n", "head_lost=1"),
        // A response and the next request, or what else may have been lost: whose the response is that comes then.
        (
            vec![get(1), LostC(request), LostS(response), s(&format!("rest{OK}")), get(3), s(OK)],
            "GET /1 200 0/2 damaged\nGET /3 200 0/2\n",
            "head_lost=2",
        ),
        // A part of a head: what came before it is read.
        (
            vec![get(1), s("HTTP/1.1 404 Not Found\r\nServer: x"), CutS(100), get(2), s(OK)],
            "GET /1 404 0/0 open damaged\nGET /2 200 0/2\n",
            "body_gap=1",
        ),
        (
            vec![c("GET /images/a.gif HTT"), LostC(90), s(OK), get(2), s(OK)],
            "GET /images/a.gif 200 0/2 damaged\nGET /2 200 0/2\n",
            "body_gap=1",
        ),
        // Framing.
        (
            vec![
                get(1),
                s("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab"),
                LostS(30),
                s("rest"),
                get(2),
                s(OK),
            ],
            "GET /1 200 0/4 of which 0/2 open damaged\nGET /2 200 0/2\n",
            "body_gap=1 framing_lost=1",
        ),
    ] {
        let (text, counts) = run(&steps);
        assert_eq!((text.as_str(), counts.as_str()), (exchanges, reasons), "{steps:?}");
    }
}
