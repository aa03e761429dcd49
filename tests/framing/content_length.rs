//! Lengths: one, plain decimal, or refused.

use crate::case::{Case, bad, pass, run, want};

#[test]
fn content_length_is_one_plain_number_or_refused() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        pass(
            "a length and that many bytes",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
            want("POST /a HTTP/1.1").length("hello").has("host", "test"),
        ),
        pass(
            "a length of zero",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
            want("POST /a HTTP/1.1").length(""),
        ),
        pass(
            "a POST without any framing has no body",
            b"POST /a HTTP/1.1\r\nHost: test\r\n\r\n",
            want("POST /a HTTP/1.1"),
        ),
        pass(
            "a GET may have a body",
            b"GET /a HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc",
            want("GET /a HTTP/1.1").length("abc"),
        ),
        pass(
            "blanks around the length are no part of it",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: \t 5 \t\r\n\r\nhello",
            want("POST /a HTTP/1.1").length("hello").has("content-length", "5"),
        ),
        pass(
            "no blank before the length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nCONTENT-LENGTH:5\r\n\r\nhello",
            want("POST /a HTTP/1.1").length("hello"),
        ),
        pass(
            "a body that looks like a request is a body",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 38\r\n\r\n\
              GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n",
            want("POST /a HTTP/1.1").length("GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"),
        ),
    ];
    cases.extend(refused());
    cases
}

fn refused() -> Vec<Case> {
    vec![
        bad(
            "two lengths that differ",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        ),
        bad(
            "two lengths that agree",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        ),
        bad(
            "two lengths in one field that agree",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5,5\r\n\r\nhello",
        ),
        bad(
            "two lengths in one field that differ",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5, 6\r\n\r\nhello!",
        ),
        bad(
            "a length with a plus sign",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: +5\r\n\r\nhello",
        ),
        bad(
            "a negative length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\nhello",
        ),
        bad(
            "a hexadecimal length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 0x5\r\n\r\nhello",
        ),
        bad(
            "hexadecimal digits in a length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: a\r\n\r\nhellohello",
        ),
        bad(
            "an empty length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length:\r\n\r\nhello",
        ),
        bad(
            "a blank length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length:  \t \r\n\r\nhello",
        ),
        bad(
            "a blank inside the length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1 0\r\n\r\nhellohello",
        ),
        bad(
            "a fraction for a length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5.0\r\n\r\nhello",
        ),
        bad(
            "an exponent in the length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1e1\r\n\r\nhellohello",
        ),
        bad(
            "an underscore in the length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 1_0\r\n\r\nhellohello",
        ),
        bad(
            "a quoted length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: \"5\"\r\n\r\nhello",
        ),
        bad(
            "a length with a parameter",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5;a=b\r\n\r\nhello",
        ),
        bad(
            "a length of 2^64",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 18446744073709551616\r\n\r\nhello",
        ),
        bad(
            "a length of 2^64 + 5",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 18446744073709551621\r\n\r\nhello",
        ),
        bad(
            "a length of thirty digits",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 999999999999999999999999999999\r\n\r\n",
        ),
        bad(
            "a vertical tab behind the length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\x0b\r\n\r\nhello",
        ),
        bad(
            "a non-breaking space behind the length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\xa0\r\n\r\nhello",
        ),
        bad(
            "digits that are not ASCII",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: \xef\xbc\x95\r\n\r\nhello",
        ),
        bad(
            "a space before the colon of the length",
            b"POST /a HTTP/1.1\r\nHost: test\r\nContent-Length : 5\r\n\r\nhello",
        ),
        bad(
            "a bad length on a GET",
            b"GET /a HTTP/1.1\r\nHost: test\r\nContent-Length: x\r\n\r\n",
        ),
    ]
}
