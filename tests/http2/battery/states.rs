//! RFC 9113, section 5: the states of streams, and section 8.1.1: lengths.

use super::Outcome::{Goaway, Ignored, Reset, Served};
use super::{Case, case};
use crate::support::frames::{
    END_STREAM, data, frame, get, headers, post, request, reset, window_update,
};

const PROTOCOL: &[&str] = &["PROTOCOL_ERROR"];
const CLOSED: &[&str] = &["STREAM_CLOSED", "PROTOCOL_ERROR"];

pub(super) fn cases() -> Vec<Case> {
    let with_length = |length: &'static str, flags: u8| {
        let fields = [&request("POST", "/good")[..], &[("content-length", length)]].concat();
        headers(1, flags, &fields)
    };
    vec![
        case("5.1 DATA on an idle stream", &[data(1, 0, "x")], Goaway(PROTOCOL)),
        case("5.1 DATA behind the end", &[get(1, "/good"), data(1, 0, "x")], Reset(1, CLOSED)),
        case("5.1 HEADERS behind the end", &[get(1, "/good"), get(1, "/good")], Goaway(CLOSED)),
        case(
            "5.1 DATA on a stream that the client reset",
            &[post(1, "/good"), reset(1, 8), data(1, 0, "x")],
            Reset(1, CLOSED),
        ),
        case(
            "5.1 HEADERS on a stream that the client reset",
            &[post(1, "/good"), reset(1, 8), headers(1, END_STREAM, &[("a", "b")])],
            Goaway(CLOSED),
        ),
        case(
            "5.1 WINDOW_UPDATE on a stream that the client reset is ignored",
            &[post(1, "/good"), reset(1, 8), window_update(1, 5)],
            Ignored,
        ),
        case(
            "5.1 RST_STREAM on a stream that the client reset is ignored",
            &[post(1, "/good"), reset(1, 8), reset(1, 8)],
            Ignored,
        ),
        case(
            "5.1 RST_STREAM behind the end",
            &[get(1, "/good"), reset(1, 8), get(3, "/good")],
            Served(3),
        ),
        case("5.1.1 streams of clients have odd numbers", &[get(2, "/")], Goaway(PROTOCOL)),
        case("5.1.1 numbers only grow", &[get(5, "/good"), get(3, "/")], Goaway(PROTOCOL)),
        case("5.1.1 numbers may be left out", &[get(999, "/good")], Served(999)),
        case(
            "5.1.1 a stream left out is closed",
            &[get(5, "/good"), data(3, 0, "x")],
            Reset(3, CLOSED),
        ),
        case(
            "5.4.2 an error on one stream leaves the others alone",
            &[
                headers(
                    1,
                    END_STREAM,
                    &[&request("GET", "/")[..], &[("connection", "x")]].concat(),
                ),
                get(3, "/good"),
            ],
            Served(3),
        ),
        case(
            "5.4.2 a head that is malformed keeps the table of the compression",
            &[
                headers(1, END_STREAM, &[&request("GET", "/")[..], &[("te", "gzip")]].concat()),
                get(3, "/good"),
            ],
            Served(3),
        ),
        // 8.1
        case(
            "8.1 trailers end the stream",
            &[post(1, "/good"), data(1, 0, "x"), headers(1, END_STREAM, &[("x-sum", "1")])],
            Served(1),
        ),
        case(
            "8.1 trailers that do not end it",
            &[post(1, "/"), data(1, 0, "x"), headers(1, 0, &[("x-sum", "1")])],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1 pseudo-fields in trailers",
            &[post(1, "/good"), data(1, 0, "x"), headers(1, END_STREAM, &[(":path", "/x")])],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1 trailers without data",
            &[post(1, "/good"), headers(1, END_STREAM, &[("x-sum", "1")])],
            Served(1),
        ),
        case(
            "8.1 a request ended by empty DATA",
            &[post(1, "/good"), data(1, END_STREAM, "")],
            Served(1),
        ),
        case(
            "8.1 trailers behind trailers",
            &[
                post(1, "/good"),
                headers(1, END_STREAM, &[("x-sum", "1")]),
                headers(1, END_STREAM, &[("x-sum", "2")]),
            ],
            Goaway(CLOSED),
        ),
        case(
            "8.1 DATA behind trailers",
            &[post(1, "/good"), headers(1, END_STREAM, &[("x-sum", "1")]), data(1, 0, "x")],
            Reset(1, CLOSED),
        ),
        case(
            "8.2.1 trailers with a name in upper case",
            &[post(1, "/good"), headers(1, END_STREAM, &[("X-Sum", "1")])],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.2.2 trailers with a field of a connection",
            &[post(1, "/good"), headers(1, END_STREAM, &[("transfer-encoding", "chunked")])],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1 trailers of no field",
            &[post(1, "/good"), headers(1, END_STREAM, &[])],
            Served(1),
        ),
        case(
            "8.1 a body where nobody expects one",
            &[headers(1, 0, &request("GET", "/good")), data(1, END_STREAM, "x")],
            Served(1),
        ),
        // 8.1.1
        case(
            "8.1.1 trailers behind a length that is right",
            &[with_length("2", 0), data(1, 0, "ok"), headers(1, END_STREAM, &[("x-sum", "1")])],
            Served(1),
        ),
        case(
            "8.1.1 padding is no part of the length",
            &[with_length("1", 0), frame(0, 8 | END_STREAM, 1, [3, b'x', 0, 0, 0])],
            Served(1),
        ),
        case(
            "8.1.1 a list of lengths",
            &[with_length("2, 2", 0), data(1, END_STREAM, "ok")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 a length that is right",
            &[with_length("2", 0), data(1, END_STREAM, "ok")],
            Served(1),
        ),
        case(
            "8.1.1 less than announced",
            &[with_length("3", 0), data(1, END_STREAM, "ok")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 more than announced",
            &[with_length("1", 0), data(1, END_STREAM, "ok")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 more than announced, in pieces",
            &[with_length("3", 0), data(1, 0, "ok"), data(1, END_STREAM, "ok")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 less than announced before trailers",
            &[with_length("3", 0), data(1, 0, "ok"), headers(1, END_STREAM, &[("x-sum", "1")])],
            Reset(1, PROTOCOL),
        ),
        case("8.1.1 a length and no body", &[with_length("3", END_STREAM)], Reset(1, PROTOCOL)),
        case("8.1.1 a length of 0 and no body", &[with_length("0", END_STREAM)], Served(1)),
        case(
            "8.1.1 a length of 0 and an empty body",
            &[with_length("0", 0), data(1, END_STREAM, "")],
            Served(1),
        ),
        case(
            "8.1.1 a length that is none",
            &[with_length("1x", 0), data(1, END_STREAM, "o")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 a negative length",
            &[with_length("-1", 0), data(1, END_STREAM, "")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 a length with a sign",
            &[with_length("+1", 0), data(1, END_STREAM, "o")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 an empty length",
            &[with_length("", 0), data(1, END_STREAM, "")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 a length beyond all numbers",
            &[with_length("99999999999999999999999", 0), data(1, END_STREAM, "o")],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.1.1 two lengths that differ",
            &[
                headers(
                    1,
                    0,
                    &[
                        &request("POST", "/")[..],
                        &[("content-length", "1"), ("content-length", "2")],
                    ]
                    .concat(),
                ),
                data(1, END_STREAM, "ok"),
            ],
            Reset(1, PROTOCOL),
        ),
        case(
            "8.4 a client sends no promises of pushes on streams",
            &[frame(5, 4, 1, [0, 0, 0, 2])],
            Goaway(PROTOCOL),
        ),
    ]
}
