//! RFC 9113, sections 3 to 6: the frames themselves.

use super::Outcome::{Goaway, Ignored, Reset, Served};
use super::{Case, case};
use crate::support::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, WITH_PRIORITY, block, data, frame, get,
    headers, ping, post, priority, request, reset, settings, window_update,
};

const PROTOCOL: &[&str] = &["PROTOCOL_ERROR"];
const SIZE: &[&str] = &["FRAME_SIZE_ERROR", "PROTOCOL_ERROR"];
const FLOW: &[&str] = &["FLOW_CONTROL_ERROR"];

pub(super) fn cases() -> Vec<Case> {
    let good = || block(&request("GET", "/good"));
    let priority_and = |on: u32| [&on.to_be_bytes()[..], &[15], &good()].concat();
    let post_headers = post(1, "/");
    let long = vec![0; 16_385];
    vec![
        // 4.1
        case("4.1 an unknown kind is ignored", &[frame(0x77, 0xff, 0, [1, 2, 3])], Ignored),
        case("4.1 an unknown kind on a stream is ignored", &[frame(0x77, 0, 5, [])], Ignored),
        case("4.1 unknown flags are ignored", &[frame(PING, 0xfe, 0, [0; 8])], Ignored),
        case("4.1 the reserved bit is ignored", &[frame(PING, 0, 1 << 31, [0; 8])], Ignored),
        case(
            "4.1 the reserved bit of a request is ignored",
            &[frame(HEADERS, 5, 1 << 31 | 1, good())],
            Served(1),
        ),
        // 4.2
        case(
            "4.2 an unknown frame of just the size allowed",
            &[frame(0x77, 0, 0, vec![0; 16_384])],
            Ignored,
        ),
        case(
            "4.2 DATA longer than allowed",
            &[post_headers.clone(), data(1, 0, long.clone())],
            Goaway(SIZE),
        ),
        case(
            "4.2 HEADERS longer than allowed",
            &[frame(HEADERS, 5, 1, long.clone())],
            Goaway(SIZE),
        ),
        case(
            "4.2 an unknown frame longer than allowed",
            &[frame(0x77, 0, 0, long.clone())],
            Goaway(SIZE),
        ),
        case(
            "4.2 DATA of just the size allowed",
            &[post(1, "/good"), data(1, END_STREAM, vec![0; 16_384])],
            Served(1),
        ),
        // 4.3
        case(
            "4.3 another frame amid a header block",
            &[frame(HEADERS, END_STREAM, 1, good()), ping([0; 8])],
            Goaway(PROTOCOL),
        ),
        case(
            "4.3 an unknown frame amid a header block",
            &[frame(HEADERS, END_STREAM, 1, good()), frame(0x77, 0, 1, [])],
            Goaway(PROTOCOL),
        ),
        case(
            "4.3 a header block of another stream amid one",
            &[frame(HEADERS, END_STREAM, 1, good()), get(3, "/")],
            Goaway(PROTOCOL),
        ),
        case(
            "4.3 CONTINUATION of another stream",
            &[frame(HEADERS, END_STREAM, 1, good()), frame(CONTINUATION, END_HEADERS, 3, [])],
            Goaway(PROTOCOL),
        ),
        case(
            "4.3 DATA amid a header block",
            &[post(1, "/"), frame(HEADERS, END_STREAM, 3, good()), data(1, 0, "x")],
            Goaway(PROTOCOL),
        ),
        case(
            "4.3 SETTINGS amid a header block",
            &[frame(HEADERS, END_STREAM, 1, good()), settings(&[])],
            Goaway(PROTOCOL),
        ),
        // 6.1
        case("6.1 DATA on stream 0", &[data(0, 0, "x")], Goaway(PROTOCOL)),
        case(
            "6.1 padding as long as the payload",
            &[post_headers.clone(), frame(DATA, PADDED, 1, [3, 0, 0])],
            Goaway(PROTOCOL),
        ),
        case(
            "6.1 padded DATA without a length",
            &[post_headers.clone(), frame(DATA, PADDED, 1, [])],
            Goaway(SIZE),
        ),
        case(
            "6.1 padded DATA",
            &[post(1, "/good"), frame(DATA, PADDED | END_STREAM, 1, [2, b'x', 0, 0])],
            Served(1),
        ),
        case(
            "6.1 DATA that is padding and nothing else",
            &[post(1, "/good"), frame(DATA, PADDED | END_STREAM, 1, [2, 0, 0])],
            Served(1),
        ),
        case(
            "6.1 padding of no length",
            &[post(1, "/good"), frame(DATA, PADDED | END_STREAM, 1, [0, b'x'])],
            Served(1),
        ),
        case("6.1 DATA on an even stream", &[data(2, 0, "x")], Goaway(PROTOCOL)),
        // 6.2
        case(
            "6.2 HEADERS on stream 0",
            &[headers(0, END_STREAM, &request("GET", "/"))],
            Goaway(PROTOCOL),
        ),
        case(
            "6.2 padding longer than a header block",
            &[frame(HEADERS, 5 | PADDED, 1, [&[200][..], &good()].concat())],
            Goaway(PROTOCOL),
        ),
        case(
            "6.2 padded HEADERS",
            &[frame(HEADERS, 5 | PADDED, 1, [&[3][..], &good(), &[0; 3]].concat())],
            Served(1),
        ),
        case(
            "6.2 HEADERS with a priority",
            &[frame(HEADERS, 5 | WITH_PRIORITY, 1, priority_and(0))],
            Served(1),
        ),
        case(
            "6.2 HEADERS too short for a priority",
            &[frame(HEADERS, 5 | WITH_PRIORITY, 1, [0, 0])],
            Goaway(SIZE),
        ),
        case(
            "5.3.1 HEADERS of a stream that depends on itself",
            &[frame(HEADERS, 5 | WITH_PRIORITY, 1, priority_and(1))],
            Reset(1, PROTOCOL),
        ),
        case(
            "6.2 padded HEADERS with a priority",
            &[frame(
                HEADERS,
                5 | PADDED | WITH_PRIORITY,
                1,
                [&[2][..], &priority_and(0), &[0; 2]].concat(),
            )],
            Served(1),
        ),
        case(
            "6.2 padded HEADERS without a length",
            &[frame(HEADERS, 5 | PADDED, 1, [])],
            Goaway(SIZE),
        ),
        case(
            "6.2 padding that leaves no room for a priority",
            &[frame(HEADERS, 5 | PADDED | WITH_PRIORITY, 1, [2, 0, 0, 0, 0, 0, 0])],
            Goaway(SIZE),
        ),
        case(
            "5.3.1 PRIORITY of an open stream that depends on itself",
            &[post(1, "/"), priority(1, 1)],
            Reset(1, PROTOCOL),
        ),
        // 6.3
        case("6.3 PRIORITY that is too long", &[frame(PRIORITY, 0, 1, [0; 6])], Reset(1, SIZE)),
        case(
            "6.3 PRIORITY of a stream that ended is ignored",
            &[get(1, "/good"), priority(1, 0)],
            Served(1),
        ),
        case("6.3 PRIORITY on stream 0", &[priority(0, 1)], Goaway(PROTOCOL)),
        case("6.3 PRIORITY of a wrong size", &[frame(PRIORITY, 0, 1, [0; 4])], Reset(1, SIZE)),
        case("6.3 PRIORITY of an idle stream is ignored", &[priority(7, 0)], Ignored),
        // 6.4
        case("6.4 RST_STREAM on stream 0", &[reset(0, 8)], Goaway(PROTOCOL)),
        case("6.4 RST_STREAM of an idle stream", &[reset(1, 8)], Goaway(PROTOCOL)),
        case(
            "6.4 RST_STREAM of a wrong size",
            &[post_headers.clone(), frame(RST_STREAM, 0, 1, [0; 3])],
            Goaway(SIZE),
        ),
        case(
            "6.4 RST_STREAM that is too long",
            &[post_headers.clone(), frame(RST_STREAM, 0, 1, [0; 5])],
            Goaway(SIZE),
        ),
        case(
            "6.4 RST_STREAM with a code that nobody knows",
            &[post(1, "/good"), reset(1, 0xdead_beef), get(3, "/good")],
            Served(3),
        ),
        // 6.5
        case("6.5 SETTINGS that say nothing", &[settings(&[])], Ignored),
        case(
            "6.5 an answer to SETTINGS never sent is ignored",
            &[frame(SETTINGS, ACK, 0, []), frame(SETTINGS, ACK, 0, [])],
            Ignored,
        ),
        case(
            "6.5.2 all settings at the ends of what is allowed",
            &[
                settings(&[(1, 0), (2, 0), (3, 0), (4, 0x7fff_ffff), (5, 16_384), (6, 0)]),
                settings(&[
                    (1, u32::MAX),
                    (2, 1),
                    (3, u32::MAX),
                    (5, (1 << 24) - 1),
                    (6, u32::MAX),
                ]),
            ],
            Ignored,
        ),
        case(
            "6.5.3 the last of two values holds",
            &[settings(&[(4, 0), (4, 70_000)]), get(1, "/good")],
            Served(1),
        ),
        case(
            "6.9.2 a window that settings make overflow",
            &[
                post_headers.clone(),
                window_update(1, 0x7fff_ffff - 65_535),
                settings(&[(4, 65_536)]),
            ],
            Goaway(FLOW),
        ),
        case(
            "6.9.2 a window that is as large as any may be",
            &[post(1, "/good"), window_update(1, 0x7fff_ffff - 65_535), data(1, END_STREAM, "x")],
            Served(1),
        ),
        case("6.5 SETTINGS on a stream", &[frame(SETTINGS, 0, 1, [])], Goaway(PROTOCOL)),
        case(
            "6.5 an answer to SETTINGS with a payload",
            &[frame(SETTINGS, ACK, 0, [0; 6])],
            Goaway(SIZE),
        ),
        case("6.5 SETTINGS of a wrong size", &[frame(SETTINGS, 0, 0, [0; 5])], Goaway(SIZE)),
        case("6.5.2 ENABLE_PUSH that is neither 0 nor 1", &[settings(&[(2, 2)])], Goaway(PROTOCOL)),
        case(
            "6.5.2 a window that is too large",
            &[settings(&[(4, 1 << 31)])],
            Goaway(&["FLOW_CONTROL_ERROR", "PROTOCOL_ERROR"]),
        ),
        case("6.5.2 frames that are too small", &[settings(&[(5, 16_383)])], Goaway(PROTOCOL)),
        case("6.5.2 frames that are too large", &[settings(&[(5, 1 << 24)])], Goaway(PROTOCOL)),
        case("6.5.2 an unknown setting is ignored", &[settings(&[(0x99, 7)])], Ignored),
        case(
            "6.5.3 settings come one after the other",
            &[settings(&[(4, 100)]), settings(&[(4, 70_000)])],
            Ignored,
        ),
        // 6.6
        case(
            "6.6 a client does not push",
            &[frame(PUSH_PROMISE, END_HEADERS, 1, [&[0, 0, 0, 2][..], &good()].concat())],
            Goaway(PROTOCOL),
        ),
        // 6.7
        case("6.7 PING on a stream", &[frame(PING, 0, 1, [0; 8])], Goaway(PROTOCOL)),
        case("6.7 PING of a wrong size", &[frame(PING, 0, 0, [0; 7])], Goaway(SIZE)),
        case(
            "6.7 an answer to a PING never sent is ignored",
            &[frame(PING, ACK, 0, [7; 8])],
            Ignored,
        ),
        case("6.7 PING that is too long", &[frame(PING, 0, 0, [0; 9])], Goaway(SIZE)),
        case(
            "6.7 an answer to a PING of a wrong size",
            &[frame(PING, ACK, 0, [0; 4])],
            Goaway(SIZE),
        ),
        // 6.8
        case("6.8 GOAWAY of no size", &[frame(GOAWAY, 0, 0, [])], Goaway(SIZE)),
        case(
            "6.8 GOAWAY with words and a code that nobody knows",
            &[frame(GOAWAY, 0, 0, [&[0, 0, 0, 0, 0xde, 0xad, 0xbe, 0xef][..], b"bye"].concat())],
            Goaway(&["NO_ERROR"]),
        ),
        case("6.8 GOAWAY on a stream", &[frame(GOAWAY, 0, 1, [0; 8])], Goaway(PROTOCOL)),
        case("6.8 GOAWAY of a wrong size", &[frame(GOAWAY, 0, 0, [0; 7])], Goaway(SIZE)),
        // 6.9
        case("6.9 no window update on the connection", &[window_update(0, 0)], Goaway(PROTOCOL)),
        case(
            "6.9 no window update on a stream",
            &[post_headers.clone(), window_update(1, 0)],
            Reset(1, PROTOCOL),
        ),
        case(
            "6.9 WINDOW_UPDATE of a wrong size",
            &[frame(WINDOW_UPDATE, 0, 0, [0; 3])],
            Goaway(SIZE),
        ),
        case(
            "6.9 WINDOW_UPDATE that is too long",
            &[frame(WINDOW_UPDATE, 0, 0, [0, 0, 0, 1, 0])],
            Goaway(SIZE),
        ),
        case(
            "6.9 no window update but the reserved bit",
            &[window_update(0, 1 << 31)],
            Goaway(PROTOCOL),
        ),
        case(
            "6.9 WINDOW_UPDATE on a stream that ended",
            &[get(1, "/good"), window_update(1, 5)],
            Served(1),
        ),
        case("6.9 WINDOW_UPDATE of an idle stream", &[window_update(1, 1)], Goaway(PROTOCOL)),
        case(
            "6.9.1 the connection's window overflows",
            &[window_update(0, 0x7fff_ffff)],
            Goaway(FLOW),
        ),
        case(
            "6.9.1 a stream's window overflows",
            &[post_headers, window_update(1, 0x7fff_ffff)],
            Reset(1, FLOW),
        ),
        // 6.10
        case(
            "6.10 CONTINUATION without HEADERS",
            &[frame(CONTINUATION, 4, 1, good())],
            Goaway(PROTOCOL),
        ),
        case(
            "6.10 CONTINUATION on stream 0",
            &[frame(HEADERS, END_STREAM, 1, good()), frame(CONTINUATION, 4, 0, [])],
            Goaway(PROTOCOL),
        ),
        case(
            "6.10 CONTINUATION after the end of the block",
            &[get(1, "/good"), frame(CONTINUATION, 4, 1, [])],
            Goaway(PROTOCOL),
        ),
        case(
            "6.10 CONTINUATION after DATA",
            &[post(1, "/"), data(1, 0, "x"), frame(CONTINUATION, 4, 1, good())],
            Goaway(PROTOCOL),
        ),
        case(
            "6.10 a head in several frames",
            &[
                frame(HEADERS, END_STREAM, 1, &good()[..10]),
                frame(CONTINUATION, 0, 1, &good()[10..20]),
                frame(CONTINUATION, END_HEADERS, 1, &good()[20..]),
            ],
            Served(1),
        ),
        case(
            "6.10 a head that ends with an empty frame",
            &[frame(HEADERS, END_STREAM, 1, good()), frame(CONTINUATION, END_HEADERS, 1, [])],
            Served(1),
        ),
    ]
}
