//! Request heads: what is read out of good ones, why bad ones are refused, and every limit at its bound.

use super::*;

const LIMITS: HeadLimits = HeadLimits { header_bytes: 256, headers: 4, uri_bytes: 64 };

fn parse(input: &[u8]) -> Result<Parsed<RequestFacts>, Reason> {
    parse_request(input, &LIMITS, &mut RequestHead::default())
}

fn facts(fields: &str) -> Result<RequestFacts, Reason> {
    match parse(format!("POST / HTTP/1.1\r\n{fields}\r\n").as_bytes())? {
        Parsed::Complete { facts, .. } => Ok(facts),
        Parsed::Partial => panic!("{fields:?} is a whole head"),
    }
}

#[test]
fn a_head_is_complete_with_its_empty_line_and_what_follows_is_not_touched() {
    let input = b"\r\nGET /a?b HTTP/1.1\r\nHost: x\r\n\r\nGET /next";
    let mut head = RequestHead::default();
    let end = input.len() - "GET /next".len();
    for n in 0..end {
        assert_eq!(parse_request(&input[..n], &LIMITS, &mut head), Ok(Parsed::Partial), "{n}");
    }
    let Ok(Parsed::Complete { head_bytes, facts }) = parse_request(input, &LIMITS, &mut head)
    else {
        panic!("a whole head");
    };
    assert_eq!((head_bytes, facts.framing, facts.n_hosts), (end, Framing::None, 1));
    assert_eq!(
        (head.method(), head.target(), head.version),
        (&b"GET"[..], &b"/a?b"[..], Version::Http11)
    );
    let mut out = Vec::new();
    head.write_to(None, &mut out);
    assert_eq!(out, b"GET /a?b HTTP/1.1\r\nHost: x\r\n");
    head.set_target(&[b"/c", b"?d"]);
    out.clear();
    head.write_to(Some(b"y"), &mut out);
    assert_eq!(out, b"GET /c?d HTTP/1.1\r\nhost: y\r\n");
    assert_eq!(head.received_target(), b"/a?b");
}

#[test]
fn fields_say_how_the_message_is_framed_and_what_the_client_wants() {
    assert_eq!(facts("").map(|f| f.framing), Ok(Framing::None));
    assert_eq!(facts("Content-Length: 0\r\n").map(|f| f.framing), Ok(Framing::Length(0)));
    assert_eq!(
        facts("Content-Length: 9999999999999999999\r\n").map(|f| f.framing),
        Ok(Framing::Length(9_999_999_999_999_999_999))
    );
    assert_eq!(facts("transfer-encoding: Chunked\r\n").map(|f| f.framing), Ok(Framing::Chunked));
    assert_eq!(facts("Expect: 100-Continue\r\n").map(|f| f.expectation), Ok(Expectation::Continue));
    assert_eq!(facts("Expect: x\r\n").map(|f| f.expectation), Ok(Expectation::Unknown));
    assert_eq!(
        facts("Expect: x\r\nExpect: 100-continue\r\n").map(|f| f.expectation),
        Ok(Expectation::Unknown)
    );
    assert_eq!(facts("Host: a\r\nHost: b\r\n").map(|f| f.n_hosts), Ok(2));
    assert_eq!(facts("TE: gzip, Trailers;q=1\r\n").map(|f| f.te_trailers), Ok(true));
    assert_eq!(facts("TE: trailersx\r\n").map(|f| f.te_trailers), Ok(false));
    let connection = facts("Connection: close, X-A\r\nConnection: Upgrade,,keep-alive\r\n")
        .expect("good")
        .connection;
    assert!(connection.close && connection.keep_alive && connection.upgrade);
    assert!(connection.names_fields);
    assert!(!facts("Connection: keep-alive\r\n").expect("good").connection.names_fields);
}

#[test]
fn two_framings_or_one_that_reads_in_two_ways_are_refused() {
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: \r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        assert_eq!(facts(fields), Err(Reason::BadRequest), "{fields:?}");
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse(old), Err(Reason::BadRequest), "1.0 knows no codings");
}

#[test]
fn heads_that_are_not_exactly_a_head_are_refused() {
    for head in [
        &b"GET / HTTP/1.1\nHost: x\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: x\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /  HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1 \r\n\r\n",
        b" GET / HTTP/1.1\r\n\r\n",
        b"\nGET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.2\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET / http/1.1\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nA : 1\r\n\r\n",
        b"GET / HTTP/1.1\r\n A: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: 1\r\n 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: 1\rB: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: \x7f\r\n\r\n",
        b"GET / HTTP/1.1\r\n: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\r\n\r\n",
        b"G\x01T / HTTP/1.1\r\n\r\n",
        b"GET /\x01 HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(parse(head), Err(Reason::BadRequest), "{}", head.escape_ascii());
    }
}

#[test]
fn every_limit_holds_exactly_and_is_told_by_its_name() {
    let target = |n: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(n - 1));
    let fields = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: 1\r\n".repeat(n));
    let bytes = |n: usize| format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "v".repeat(n - 23));
    let too_long = |head: String| parse(head.as_bytes()).expect_err("over the limit");
    let passes = |head: String| matches!(parse(head.as_bytes()), Ok(Parsed::Complete { .. }));
    assert!(passes(target(LIMITS.uri_bytes)));
    assert_eq!(too_long(target(LIMITS.uri_bytes + 1)), Reason::UriLimit);
    assert!(passes(fields(LIMITS.headers)));
    assert_eq!(too_long(fields(LIMITS.headers + 1)), Reason::HeaderLimit);
    assert_eq!(bytes(LIMITS.header_bytes).len(), LIMITS.header_bytes);
    assert!(passes(bytes(LIMITS.header_bytes)));
    assert_eq!(too_long(bytes(LIMITS.header_bytes + 1)), Reason::HeaderLimit);
}

#[test]
fn what_is_too_long_already_need_not_come_to_its_end() {
    let head = |text: String| parse(text.as_bytes());
    assert_eq!(head(format!("GET /{}", "a".repeat(63))), Ok(Parsed::Partial));
    assert_eq!(head(format!("GET /{}", "a".repeat(64))), Err(Reason::UriLimit));
    let start = "GET / HTTP/1.1\r\nA: ";
    let with = |n: usize| head(format!("{start}{}", "v".repeat(n - start.len())));
    assert_eq!(with(LIMITS.header_bytes - 1), Ok(Parsed::Partial));
    assert_eq!(with(LIMITS.header_bytes), Err(Reason::HeaderLimit));
}

#[test]
fn more_fields_than_fit_the_stack_are_read_where_the_limit_allows_them() {
    let limits = HeadLimits { header_bytes: 1 << 20, headers: 1000, uri_bytes: 64 };
    let head = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: 1\r\n".repeat(n));
    let mut into = RequestHead::default();
    for n in [HEADERS_ON_STACK, HEADERS_ON_STACK + 1, 1000] {
        let parsed = parse_request(head(n).as_bytes(), &limits, &mut into);
        assert!(matches!(parsed, Ok(Parsed::Complete { .. })), "{n}");
        assert_eq!(into.fields.len(), n);
    }
    let parsed = parse_request(head(1001).as_bytes(), &limits, &mut into);
    assert_eq!(parsed, Err(Reason::HeaderLimit));
}
