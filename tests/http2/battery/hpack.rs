//! RFC 7541: header blocks.

use super::Outcome::{Goaway, Served};
use super::{Case, Outcome, case};
use crate::support::frames::{
    END_HEADERS, END_STREAM, HEADERS, block, frame, get, integer, request, string,
};

const COMPRESSION: &[&str] = &["COMPRESSION_ERROR", "PROTOCOL_ERROR"];

/// A good request whose block goes on with `more`.
fn more(name: &'static str, more: &[u8], outcome: Outcome) -> Case {
    let block = [block(&request("GET", "/good")), more.to_vec()].concat();
    case(name, &[frame(HEADERS, END_STREAM | END_HEADERS, 1, block)], outcome)
}

/// A block as it stands.
fn whole(name: &'static str, block: &[u8], outcome: Outcome) -> Case {
    case(name, &[frame(HEADERS, END_STREAM | END_HEADERS, 1, block)], outcome)
}

/// A literal of the representation that begins with `first`.
fn literal(first: u8, field: &str, value: &str) -> Vec<u8> {
    let mut out = vec![first];
    string(field.as_bytes(), &mut out);
    string(value.as_bytes(), &mut out);
    out
}

pub(super) fn cases() -> Vec<Case> {
    let bad = Goaway(COMPRESSION);
    // :method GET, :scheme http, :path /, :authority test
    let indexed = [0x82, 0x86, 0x84, 0x41, 4, b't', b'e', b's', b't'];
    let huffman_authority = [&[0x82, 0x86, 0x84, 0x41, 0x89][..], &HUFFMAN_EXAMPLE].concat();
    let mut long_integer = vec![0x40];
    integer(1000, 7, 0, &mut long_integer);
    long_integer.extend_from_slice(&[b'n'; 1000]);
    string(b"v", &mut long_integer);
    let to_the_newest = [literal(0x40, "x-new", "1"), vec![0x80 | 62]].concat();
    let evicted =
        [literal(0x40, "x-old", "1"), literal(0x40, "x-large", &"v".repeat(4050)), vec![0x80 | 63]]
            .concat();
    let too_large = [literal(0x40, "x-huge", &"v".repeat(4097)), vec![0x80 | 62]].concat();
    vec![
        whole("6.1 indexed fields", &indexed, Served(1)),
        whole("5.2 a string in Huffman's code", &huffman_authority, Served(1)),
        more("2.3.3 index 0", &[0x80], bad),
        more("2.3.3 an index beyond the tables", &[0x80 | 62], bad),
        more("2.3.3 an index far beyond the tables", &[0xff, 0xff, 0x7f], bad),
        more("2.3.3 a name beyond the tables", &[0x40 | 62, 1, b'x'], bad),
        more(
            "5.1 an integer without end",
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            bad,
        ),
        more("5.1 an integer that is cut off", &[0xff], bad),
        more("5.1 an integer of several bytes", &long_integer, Served(1)),
        more(
            "5.1 an integer of many bytes that say nothing",
            &[&[0xff][..], &[0x80; 20], &[0]].concat(),
            bad,
        ),
        more("5.1 a length that is cut off", &[0, 0x7f], bad),
        more("5.2 a string of no length in Huffman's code", &[0, 1, b'x', 0x80], Served(1)),
        more("5.2 a string in Huffman's code that is cut off", &[0, 0x85, 0x25, 0xa8], bad),
        more("5.2 padding of Huffman's code of just 8 bits", &[0, 0x82, 0x1f, 0xff, 0], bad),
        more("6.2 a name without a value", &[0x40, 1, b'x'], bad),
        more("6.2.1 a name from the static table", &[0x40 | 16, 1, b'x'], Served(1)),
        more("6.1 the last field of the static table", &[0x80 | 61], Served(1)),
        more(
            "6.2.1 a name from the dynamic table",
            &[literal(0x40, "x-new", "1"), vec![0x40 | 62, 1, b'2', 0x80 | 62]].concat(),
            Served(1),
        ),
        more(
            "4.1 a field as large as the table",
            &[literal(0x40, "x-full", &"v".repeat(4096 - 32 - 6)), vec![0x80 | 62]].concat(),
            Served(1),
        ),
        more("5.2 a string that is cut off", &[0x40, 10, b'x'], bad),
        more("5.2 a string longer than anything", &[0x40, 0x7f, 0xff, 0xff, 0xff, 0x7f], bad),
        more(
            "5.2 padding of Huffman's code longer than 7 bits",
            &[0, 0x83, 0x1c, 0xff, 0xff, 0],
            bad,
        ),
        more("5.2 padding of Huffman's code with zeros", &[0, 0x81, 0x00, 0], bad),
        more(
            "5.2 the end of Huffman's code in a string",
            &[0, 0x84, 0xff, 0xff, 0xff, 0xff, 0],
            bad,
        ),
        more("6.2.1 a literal that is kept", &to_the_newest, Served(1)),
        more("6.2.2 a literal that is not kept", &literal(0, "x-a", "b"), Served(1)),
        more(
            "6.2.2 a literal that is not kept cannot be named",
            &[literal(0, "x-a", "b"), vec![0xbe]].concat(),
            bad,
        ),
        more("6.2.3 a literal that is never kept", &literal(0x10, "x-a", "b"), Served(1)),
        more(
            "6.2.3 a literal that is never kept cannot be named",
            &[literal(0x10, "x-a", "b"), vec![0xbe]].concat(),
            bad,
        ),
        more("4.4 what was evicted cannot be named", &evicted, bad),
        more("4.4 what is larger than the table empties it", &too_large, bad),
        more("4.2 a change of size behind a field", &[0x20], bad),
        whole(
            "4.2 a change of size at the beginning",
            &[&[0x20][..], &indexed].concat(),
            Served(1),
        ),
        whole(
            "4.2 two changes of size at the beginning",
            &[&[0x20, 0x3f, 0xe1, 0x1f][..], &indexed].concat(),
            Served(1),
        ),
        whole(
            "6.3 a table larger than was offered",
            &[&[0x3f, 0xe2, 0x1f][..], &indexed].concat(),
            bad,
        ),
        whole(
            "4.3 a table of no size keeps nothing",
            &[&[0x20][..], &indexed, &literal(0x40, "x-a", "b"), &[0xbe]].concat(),
            bad,
        ),
        case(
            "2.3.2 the table lives from one block to the next",
            &[
                frame(
                    HEADERS,
                    5,
                    1,
                    [block(&request("GET", "/good")), literal(0x40, "x-a", "b")].concat(),
                ),
                frame(HEADERS, 5, 3, [block(&request("GET", "/good")), vec![0xbe]].concat()),
            ],
            Served(3),
        ),
        case(
            "4.3 what a smaller table had no room for is gone for good",
            &[
                frame(
                    HEADERS,
                    5,
                    1,
                    [block(&request("GET", "/good")), literal(0x40, "x-a", "b")].concat(),
                ),
                frame(
                    HEADERS,
                    5,
                    3,
                    [&[0x20, 0x3f, 0xe1, 0x1f][..], &block(&request("GET", "/good")), &[0xbe]]
                        .concat(),
                ),
            ],
            bad,
        ),
        case(
            "2.3.2 trailers share the table",
            &[
                frame(
                    HEADERS,
                    4,
                    1,
                    [block(&request("POST", "/good")), literal(0x40, "x-a", "b")].concat(),
                ),
                frame(HEADERS, 5, 1, [0xbe]),
            ],
            Served(1),
        ),
        case(
            "4.3 the table lives on when a head is malformed",
            &[
                frame(
                    HEADERS,
                    5,
                    1,
                    [block(&[("connection", "x")]), literal(0x40, "x-a", "b")].concat(),
                ),
                frame(HEADERS, 5, 3, [block(&request("GET", "/good")), vec![0xbe]].concat()),
                get(5, "/good"),
            ],
            Served(3),
        ),
        case(
            "4.3 an error of the compression is one of the connection",
            &[frame(HEADERS, 5, 1, [0x80]), get(3, "/")],
            Goaway(COMPRESSION),
        ),
    ]
}

/// `custom-value`, from appendix C.4.3.
const HUFFMAN_EXAMPLE: [u8; 9] = [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf];
