//! The request line: method, one space, target, one space, a version that we speak.

use crate::case::{Case, bad, pass, run, want};

#[test]
fn request_lines_are_strict_or_refused() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        pass(
            "an empty line before the request",
            b"\r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n",
            want("GET /a HTTP/1.1"),
        ),
        pass(
            "a method of our own is passed on",
            b"PURGE /a HTTP/1.1\r\nHost: test\r\n\r\n",
            want("PURGE /a HTTP/1.1"),
        ),
        pass(
            "a method of every token character",
            b"M0!#$%&'*+-.^_`|~ /a HTTP/1.1\r\nHost: test\r\n\r\n",
            want("M0!#$%&'*+-.^_`|~ /a HTTP/1.1"),
        ),
        pass(
            "a method in lower case is another method",
            b"get /a HTTP/1.1\r\nHost: test\r\n\r\n",
            want("get /a HTTP/1.1"),
        ),
        pass("HEAD", b"HEAD /a HTTP/1.1\r\nHost: test\r\n\r\n", want("HEAD /a HTTP/1.1")),
        pass(
            "HTTP/1.0 is passed on as HTTP/1.1",
            b"GET /a HTTP/1.0\r\nHost: test\r\n\r\n",
            want("GET /a HTTP/1.1").has("host", "test"),
        ),
    ];
    cases.extend(versions());
    cases.extend(shapes());
    cases
}

fn versions() -> Vec<Case> {
    vec![
        bad("HTTP/0.9", b"GET /a\r\n"),
        bad("HTTP/0.9 with fields", b"GET /a\r\nHost: test\r\n\r\n"),
        bad("HTTP/1.2", b"GET /a HTTP/1.2\r\nHost: test\r\n\r\n"),
        bad("HTTP/1.10", b"GET /a HTTP/1.10\r\nHost: test\r\n\r\n"),
        bad("HTTP/2.0", b"GET /a HTTP/2.0\r\nHost: test\r\n\r\n"),
        bad("HTTP/3", b"GET /a HTTP/3\r\nHost: test\r\n\r\n"),
        bad("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        bad("a version in lower case", b"GET /a http/1.1\r\nHost: test\r\n\r\n"),
        bad("a version without a minor", b"GET /a HTTP/1\r\nHost: test\r\n\r\n"),
        bad("a version with a comma", b"GET /a HTTP/1,1\r\nHost: test\r\n\r\n"),
        bad("another protocol", b"GET /a ICAP/1.1\r\nHost: test\r\n\r\n"),
        bad("half a version", b"GET /a HTTP/\r\nHost: test\r\n\r\n"),
        bad("a version with leading zeros", b"GET /a HTTP/01.1\r\nHost: test\r\n\r\n"),
    ]
}

fn shapes() -> Vec<Case> {
    vec![
        bad("a request line that ends with a bare LF", b"GET /a HTTP/1.1\nHost: test\r\n\r\n"),
        bad("a request line that ends with a bare CR", b"GET /a HTTP/1.1\rHost: test\r\n\r\n"),
        bad("a request line that ends with CR CR LF", b"GET /a HTTP/1.1\r\r\nHost: test\r\n\r\n"),
        bad("a bare LF before the request", b"\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a bare CR before the request", b"\rGET /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a space before the method", b" GET /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("two spaces behind the method", b"GET  /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("two spaces behind the target", b"GET /a  HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a space behind the version", b"GET /a HTTP/1.1 \r\nHost: test\r\n\r\n"),
        bad("a tab behind the method", b"GET\t/a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a tab behind the target", b"GET /a\tHTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a form feed behind the method", b"GET\x0c/a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("no target", b"GET HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("no method", b"/a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a method that is no token", b"G(ET /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a method with a colon", b"GET: /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a NUL in the method", b"G\0ET /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a method beyond ASCII", b"G\xc3\x89T /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a byte order mark", b"\xef\xbb\xbfGET /a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a status line", b"HTTP/1.1 200 OK\r\nHost: test\r\n\r\n"),
        bad(
            "a PROXY header that nobody asked for",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /a HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
    ]
}
