//! Response heads: how the body is delimited, whether the connection lives on, and the bounds.

use super::*;

fn parse(input: &[u8]) -> Result<Parsed<ResponseFacts>, Malformed> {
    parse_response(input, false, &mut ResponseHead::default())
}

fn facts_to(head_request: bool, text: &str) -> Result<ResponseFacts, Malformed> {
    match parse_response(text.as_bytes(), head_request, &mut ResponseHead::default())? {
        Parsed::Complete { facts, head_bytes } => {
            assert_eq!(head_bytes, text.len());
            Ok(facts)
        }
        Parsed::Partial => panic!("{text:?} is a whole head"),
    }
}

#[test]
fn the_body_is_delimited_by_status_then_method_then_fields() {
    use Framing::{Chunked, Length, None, UntilClose};
    for (status, fields, framing, to_head) in [
        (200, "", UntilClose, None),
        (200, "Content-Length: 5\r\n", Length(5), None),
        (200, "Transfer-Encoding: chunked\r\n", Chunked, None),
        (404, "Content-Length: 0\r\n", Length(0), None),
        (204, "", None, None),
        (204, "Content-Length: 5\r\n", None, None),
        (304, "Content-Length: 5\r\n", None, None),
        (304, "Transfer-Encoding: chunked\r\n", None, None),
        (100, "", None, None),
        (103, "Content-Length: 5\r\n", None, None),
        (999, "Content-Length: 5\r\n", Length(5), None),
    ] {
        let head = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        assert_eq!(facts_to(false, &head).map(|facts| facts.framing), Ok(framing), "{head:?}");
        assert_eq!(facts_to(true, &head).map(|facts| facts.framing), Ok(to_head), "{head:?}");
    }
}

#[test]
fn a_connection_lives_on_only_where_both_the_version_and_the_framing_allow_it() {
    for (head, lives) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\n\r\n", false),
        ("HTTP/1.1 204 X\r\n\r\n", true),
        ("HTTP/1.1 204 X\r\nConnection: x, Close\r\n\r\n", false),
        ("HTTP/1.0 204 X\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ("HTTP/1.0 204 X\r\nConnection: keep-alive, close\r\n\r\n", false),
    ] {
        assert_eq!(facts_to(false, head).map(|facts| facts.keep_alive), Ok(lives), "{head:?}");
    }
}

#[test]
fn a_malformed_head_is_refused() {
    for head in [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\n\r\n",
        "HTTP/1.1 200 OK\r\nA : 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n",
        "HTTP/1.1 099 X\r\n\r\n",
        "HTTP/1.1 20 X\r\n\r\n",
        "HTTP/1.1 2000 X\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert_eq!(parse(head.as_bytes()), Err(Malformed), "{head:?}");
    }
}

#[test]
fn a_status_line_is_written_as_it_came_but_for_its_version() {
    for (line, written) in [
        ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"),
        ("HTTP/1.0 404 Not  Here", "HTTP/1.1 404 Not  Here"),
        ("HTTP/1.1 299 ", "HTTP/1.1 299 "),
        ("HTTP/1.1 299", "HTTP/1.1 299 "),
    ] {
        let mut head = ResponseHead::default();
        let parsed = parse_response(format!("{line}\r\nA: b\r\n\r\n").as_bytes(), false, &mut head);
        assert!(matches!(parsed, Ok(Parsed::Complete { .. })), "{line}");
        let mut out = Vec::new();
        head.write_to(&mut out);
        assert_eq!(String::from_utf8_lossy(&out), format!("{written}\r\nA: b\r\n"));
    }
}

#[test]
fn a_head_is_bounded_in_bytes_and_in_fields() {
    let start = "HTTP/1.1 200 OK\r\nA: ";
    let of = |n: usize| format!("{start}{}\r\n\r\n", "v".repeat(n - start.len() - 4));
    assert!(matches!(parse(of(RESPONSE_HEAD_BYTES_MAX).as_bytes()), Ok(Parsed::Complete { .. })));
    assert_eq!(parse(of(RESPONSE_HEAD_BYTES_MAX + 1).as_bytes()), Err(Malformed));
    let endless = |n: usize| format!("{start}{}", "v".repeat(n - start.len()));
    assert_eq!(parse(endless(RESPONSE_HEAD_BYTES_MAX - 1).as_bytes()), Ok(Parsed::Partial));
    assert_eq!(parse(endless(RESPONSE_HEAD_BYTES_MAX).as_bytes()), Err(Malformed));
    let fields = |n: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: 1\r\n".repeat(n));
    assert!(matches!(parse(fields(RESPONSE_FIELDS_MAX).as_bytes()), Ok(Parsed::Complete { .. })));
    assert_eq!(parse(fields(RESPONSE_FIELDS_MAX + 1).as_bytes()), Err(Malformed));
}
