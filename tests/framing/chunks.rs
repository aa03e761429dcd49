//! Chunked bodies. A fault behind the head may be met when the head was passed on already: then the
//! client gets its 400 and the backend a request that never completes.

use crate::case::{Case, Want, abort, pass, run, want};

const HEAD: &str = "POST /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn chunks_are_strict_or_the_request_is_cut() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let mut cases = good();
    cases.extend(sizes());
    cases.extend(ends());
    cases.extend(extensions());
    cases.extend(trailers());
    cases
}

fn body(chunks: impl AsRef<[u8]>) -> Vec<u8> {
    [HEAD.as_bytes(), chunks.as_ref()].concat()
}

fn post() -> Want {
    want("POST /a HTTP/1.1")
}

fn good() -> Vec<Case> {
    vec![
        pass("several chunks", body("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), post().chunked("abcde")),
        pass(
            "sizes in both cases of hexadecimal",
            body("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
            post().chunked("01234567890123456789"),
        ),
        pass(
            "a size with leading zeros",
            body("0005\r\nhello\r\n0\r\n\r\n"),
            post().chunked("hello"),
        ),
        pass(
            "a last chunk of several zeros",
            body("5\r\nhello\r\n000\r\n\r\n"),
            post().chunked("hello"),
        ),
        pass(
            "chunk data with line ends and sizes in it",
            body("10\r\n0\r\n\r\nGET / HTTP\r\r\n0\r\n\r\n"),
            post().chunked("0\r\n\r\nGET / HTTP\r"),
        ),
        pass(
            "an extension is taken off",
            body("5;a=b\r\nhello\r\n0;c\r\n\r\n"),
            post().chunked("hello"),
        ),
        pass(
            "a quoted extension is taken off",
            body("5;a=\"b;c\"\r\nhello\r\n0\r\n\r\n"),
            post().chunked("hello"),
        ),
    ]
}

fn sizes() -> Vec<Case> {
    vec![
        abort("a size that is no number", body("g\r\nhello\r\n0\r\n\r\n")),
        abort("an empty size", body("\r\nhello\r\n0\r\n\r\n")),
        abort("a size that starts with an extension", body(";a=b\r\nhello\r\n0\r\n\r\n")),
        abort("a negative size", body("-5\r\nhello\r\n0\r\n\r\n")),
        abort("a size with a plus sign", body("+5\r\nhello\r\n0\r\n\r\n")),
        abort("a size with 0x", body("0x5\r\nhello\r\n0\r\n\r\n")),
        abort("a size with an h", body("5h\r\nhello\r\n0\r\n\r\n")),
        abort("a size behind a space", body(" 5\r\nhello\r\n0\r\n\r\n")),
        abort("a size behind a tab", body("\t5\r\nhello\r\n0\r\n\r\n")),
        abort("a size with a space inside", body("1 0\r\n0123456789abcdef\r\n0\r\n\r\n")),
        abort("a size before a vertical tab", body("5\x0b\r\nhello\r\n0\r\n\r\n")),
        abort("a size with an underscore", body("1_0\r\n0123456789abcdef\r\n0\r\n\r\n")),
        abort("a size of 2^64", body("10000000000000000\r\nhello\r\n0\r\n\r\n")),
        abort("a size of 2^64 + 5", body("10000000000000005\r\nhello\r\n0\r\n\r\n")),
        abort("a size of twenty digits", body("fffffffffffffffffff5\r\nhello\r\n0\r\n\r\n")),
        abort("a size with a NUL", body("5\0\r\nhello\r\n0\r\n\r\n")),
        abort("a size that is not ASCII", body(b"\xef\xbc\x95\r\nhello\r\n0\r\n\r\n")),
        abort(
            "a last size of minus zero",
            body("-0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"),
        ),
    ]
}

fn ends() -> Vec<Case> {
    vec![
        abort("a size line that ends with a bare LF", body("5\nhello\r\n0\r\n\r\n")),
        abort("a size line that ends with a bare CR", body("5\rhello\r\n0\r\n\r\n")),
        abort("a size line that ends with CR CR LF", body("5\r\r\nhello\r\n0\r\n\r\n")),
        abort("data that ends with a bare LF", body("5\r\nhello\n0\r\n\r\n")),
        abort("data that ends with a bare CR", body("5\r\nhello\r0\r\n\r\n")),
        abort("data without an end", body("5\r\nhello0\r\n\r\n")),
        abort("data longer than its size", body("5\r\nhello!\r\n0\r\n\r\n")),
        abort("data that ends with two bytes other than CR LF", body("5\r\nhelloXX0\r\n\r\n")),
        abort("a last chunk line that ends with a bare LF", body("5\r\nhello\r\n0\n\r\n")),
        abort("a final line that is a bare LF", body("5\r\nhello\r\n0\r\n\n")),
        abort("a final line that is a bare CR", body("5\r\nhello\r\n0\r\n\rX")),
    ]
}

fn extensions() -> Vec<Case> {
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(64 * 1024));
    let many =
        "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=bbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\nx\r\n".repeat(4096);
    vec![
        abort("a bare LF in an extension", body("5;a=b\nhello\r\n0\r\n\r\n")),
        abort("a bare CR in an extension", body("5;a\r=b\r\nhello\r\n0\r\n\r\n")),
        abort("a NUL in an extension", body("5;a\0=b\r\nhello\r\n0\r\n\r\n")),
        abort("a control byte in an extension", body("5;a=\x01\r\nhello\r\n0\r\n\r\n")),
        abort("a line end in a quoted extension", body("5;a=\"\nhello\r\n0\r\n\r\n")),
        abort("an extension of 64 KiB", body(long)),
        abort("extensions of 64 bytes on each of 4096 chunks", body(many + "0\r\n\r\n")),
    ]
}

fn trailers() -> Vec<Case> {
    let long = format!("0\r\nX-Long: {}\r\n\r\n", "a".repeat(64 * 1024));
    let many = format!("0\r\n{}\r\n", "X: y\r\n".repeat(1000));
    vec![
        pass(
            "trailers are passed on",
            body("5\r\nhello\r\n0\r\nX-Check: abc\r\nX-More: d\r\n\r\n"),
            post().chunked("hello").trailer("x-check", "abc").trailer("x-more", "d"),
        ),
        pass(
            "framing fields in trailers are dropped",
            body(
                "5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\
                 X-Check: abc\r\n\r\n",
            ),
            post().chunked("hello").trailer("x-check", "abc"),
        ),
        pass(
            "routing fields in trailers are dropped",
            body(
                "5\r\nhello\r\n0\r\nHost: other\r\nX-Forwarded-For: 192.0.2.1\r\n\
                 Connection: close\r\nX-Check: abc\r\n\r\n",
            ),
            post().chunked("hello").trailer("x-check", "abc").has("host", "test"),
        ),
        abort("a trailer without a colon", body("5\r\nhello\r\n0\r\nnonsense\r\n\r\n")),
        abort("a trailer with a space before its colon", body("5\r\nhello\r\n0\r\nX : y\r\n\r\n")),
        abort("a folded trailer", body("5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n")),
        abort("a trailer that ends with a bare LF", body("5\r\nhello\r\n0\r\nX: y\n\r\n")),
        abort("a trailer with a bare CR", body("5\r\nhello\r\n0\r\nX: y\rz\r\n\r\n")),
        abort("a trailer with a NUL", body("5\r\nhello\r\n0\r\nX: y\0\r\n\r\n")),
        abort("a trailer without a name", body("5\r\nhello\r\n0\r\n: y\r\n\r\n")),
        abort(
            "a request in the place of trailers",
            body("5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"),
        ),
        abort("a trailer of 64 KiB", body(long)),
        abort("a thousand trailers", body(many)),
    ]
}
