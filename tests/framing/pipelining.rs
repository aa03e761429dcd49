//! Several requests in one write: answered in order, each framed by its own rules, and nothing that
//! stands behind a refusal is ever read.

use crate::case::{Case, Outcome, pass_all, pass_then_bad, run, want};

#[test]
fn pipelined_requests_are_told_apart() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    vec![
        pass_all(
            "two requests",
            b"GET /1 HTTP/1.1\r\nHost: test\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("GET /1 HTTP/1.1"), want("GET /2 HTTP/1.1")],
        ),
        pass_all(
            "a body by length and a request behind it",
            b"POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello\
              GET /2 HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("POST /1 HTTP/1.1").length("hello"), want("GET /2 HTTP/1.1")],
        ),
        pass_all(
            "a body in chunks and a request behind it",
            b"POST /1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("POST /1 HTTP/1.1").chunked("hello"), want("GET /2 HTTP/1.1")],
        ),
        pass_all(
            "trailers and a request behind them",
            b"POST /1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n",
            [
                want("POST /1 HTTP/1.1").chunked("hello").trailer("x", "y"),
                want("GET /2 HTTP/1.1"),
            ],
        ),
        pass_all(
            "an empty line between two requests",
            b"GET /1 HTTP/1.1\r\nHost: test\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("GET /1 HTTP/1.1"), want("GET /2 HTTP/1.1")],
        ),
        pass_all(
            "HEAD and then GET",
            b"HEAD /1 HTTP/1.1\r\nHost: test\r\n\r\nGET /2 HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("HEAD /1 HTTP/1.1"), want("GET /2 HTTP/1.1")],
        ),
        pass_all(
            "nothing behind Connection: close is served",
            b"GET /1 HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n\
              GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("GET /1 HTTP/1.1")],
        ),
        pass_all(
            "nothing behind HTTP/1.0 is served",
            b"GET /1 HTTP/1.0\r\nHost: test\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("GET /1 HTTP/1.1")],
        ),
        pass_then_bad(
            "garbage behind a good request",
            b"GET /1 HTTP/1.1\r\nHost: test\r\n\r\n\x00\x01garbage\r\n\r\n",
            [want("GET /1 HTTP/1.1")],
        ),
        pass_then_bad(
            "a body longer than its length is no request",
            b"POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello world\r\n\r\n",
            [want("POST /1 HTTP/1.1").length("hello")],
        ),
        pass_then_bad(
            "a malformed request and a good one behind it",
            b"GET /1 HTTP/1.1\r\nHost: test\r\n\r\nGET /2 HTTP/1.1\r\n\r\n\
              GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("GET /1 HTTP/1.1")],
        ),
        pass_then_bad(
            "the second request's framing conflicts",
            b"GET /1 HTTP/1.1\r\nHost: test\r\n\r\n\
              POST /2 HTTP/1.1\r\nHost: test\r\nContent-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n\
              0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
            [want("GET /1 HTTP/1.1")],
        ),
        Case {
            name: "nothing behind a refusal is served",
            sends: b"GET /1 HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n".into(),
            outcome: Outcome::Refuse(400, "bad_request"),
        },
        Case {
            name: "nothing behind a bad chunk is served",
            sends: b"POST /1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
                     x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
                .into(),
            outcome: Outcome::Abort(400, "bad_request"),
        },
        pass_all(
            "fifty requests",
            b"GET /n HTTP/1.1\r\nHost: test\r\n\r\n".repeat(50),
            vec![want("GET /n HTTP/1.1"); 50],
        ),
    ]
}
