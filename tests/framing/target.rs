//! The request target: origin form, absolute form, the asterisk; nothing ambiguous.

use crate::case::{Case, answer, bad, pass, run, want};

#[test]
fn targets_are_unambiguous_or_refused() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let mut cases = origin_form();
    cases.extend(absolute_form());
    cases.extend(other_forms());
    cases.extend(bytes());
    cases.extend(ambiguous_paths());
    cases
}

fn origin_form() -> Vec<Case> {
    vec![
        pass("the root", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", want("GET / HTTP/1.1")),
        pass(
            "a query stays as it is",
            b"GET /a?b=c&d=%2f%5c%00../..;\\x?y HTTP/1.1\r\nHost: test\r\n\r\n",
            want("GET /a?b=c&d=%2f%5c%00../..;\\x?y HTTP/1.1"),
        ),
        pass(
            "escapes that hide nothing stay as they are",
            b"GET /caf%C3%A9/%20/%3F%25x HTTP/1.1\r\nHost: test\r\n\r\n",
            want("GET /caf%C3%A9/%20/%3F%25x HTTP/1.1"),
        ),
        pass(
            "dots that are no segments stay",
            b"GET /.well-known/a..b/...//c. HTTP/1.1\r\nHost: test\r\n\r\n",
            want("GET /.well-known/a..b/...//c. HTTP/1.1"),
        ),
        // Not what RFC 3986 allows, but what people type and nothing that could be read in two ways.
        pass(
            "bytes beyond ASCII stay as they are",
            b"GET /caf\xc3\xa9 HTTP/1.1\r\nHost: test\r\n\r\n",
            want("GET /caf\u{c3}\u{a9} HTTP/1.1"),
        ),
        pass(
            "dot segments are removed",
            b"GET /a/./b/../c?d=/../e HTTP/1.1\r\nHost: test\r\n\r\n",
            want("GET /a/c?d=/../e HTTP/1.1"),
        ),
        pass(
            "parameters in a path stay",
            b"GET /a;b=c/d HTTP/1.1\r\nHost: test\r\n\r\n",
            want("GET /a;b=c/d HTTP/1.1"),
        ),
    ]
}

fn absolute_form() -> Vec<Case> {
    vec![
        pass(
            "absolute form: the target's authority is the Host",
            b"GET http://b.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n",
            want("GET /x?y HTTP/1.1").has("host", "b.example"),
        ),
        pass(
            "absolute form that agrees with the Host",
            b"GET http://a.example:81/x HTTP/1.1\r\nHost: a.example:81\r\n\r\n",
            want("GET /x HTTP/1.1").has("host", "a.example:81"),
        ),
        pass(
            "absolute form without a path",
            b"GET http://b.example HTTP/1.1\r\nHost: b.example\r\n\r\n",
            want("GET / HTTP/1.1").has("host", "b.example"),
        ),
        pass(
            "absolute form with a query and no path",
            b"GET http://b.example?x=/y HTTP/1.1\r\nHost: b.example\r\n\r\n",
            want("GET /?x=/y HTTP/1.1").has("host", "b.example"),
        ),
        pass(
            "absolute form with a scheme in capitals",
            b"GET HTTP://b.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n",
            want("GET /x HTTP/1.1").has("host", "b.example"),
        ),
        pass(
            "absolute form in HTTP/1.0 without a Host",
            b"GET http://b.example/x HTTP/1.0\r\n\r\n",
            want("GET /x HTTP/1.1").has("host", "b.example"),
        ),
        bad(
            "absolute form with a user",
            b"GET http://u@b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
        ),
        bad("absolute form without a host", b"GET http:///x HTTP/1.1\r\nHost: b.example\r\n\r\n"),
        bad("absolute form with a bad port", b"GET http://b:99999/ HTTP/1.1\r\nHost: b\r\n\r\n"),
        bad(
            "absolute form with another scheme",
            b"GET ftp://b.example/x HTTP/1.1\r\nHost: b\r\n\r\n",
        ),
        bad("absolute form without slashes", b"GET http:b.example/x HTTP/1.1\r\nHost: b\r\n\r\n"),
        bad("absolute form without a Host field", b"GET http://b.example/x HTTP/1.1\r\n\r\n"),
        bad(
            "absolute form with two Hosts",
            b"GET http://b/x HTTP/1.1\r\nHost: b\r\nHost: c\r\n\r\n",
        ),
        bad("absolute form with a malformed Host", b"GET http://b/x HTTP/1.1\r\nHost: b/c\r\n\r\n"),
        bad(
            "absolute form with a backslash in its host",
            b"GET http://b\\c/x HTTP/1.1\r\nHost: b\r\n\r\n",
        ),
    ]
}

fn other_forms() -> Vec<Case> {
    vec![
        pass("OPTIONS *", b"OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n", want("OPTIONS * HTTP/1.1")),
        bad("GET *", b"GET * HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("OPTIONS with an asterisk and more", b"OPTIONS *a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("authority form in a GET", b"GET test:80 HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a target without a slash", b"GET a HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a target that is a query", b"GET ?a HTTP/1.1\r\nHost: test\r\n\r\n"),
        answer(
            "CONNECT",
            b"CONNECT test:443 HTTP/1.1\r\nHost: test:443\r\n\r\n",
            405,
            "method_refused",
        ),
        answer("TRACE", b"TRACE /a HTTP/1.1\r\nHost: test\r\n\r\n", 405, "method_refused"),
    ]
}

fn bytes() -> Vec<Case> {
    vec![
        bad("a NUL in the target", b"GET /a\0b HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a control byte in the target", b"GET /a\x01b HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a DEL in the target", b"GET /a\x7fb HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a space in the target", b"GET /a b HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a tab in the target", b"GET /a\tb HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a bare CR in the target", b"GET /a\rb HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a bare LF in the target", b"GET /a\nb HTTP/1.1\r\nHost: test\r\n\r\n"),
        bad("a fragment in the target", b"GET /a#b HTTP/1.1\r\nHost: test\r\n\r\n"),
    ]
}

fn ambiguous_paths() -> Vec<Case> {
    let path = |name, sends: &'static [u8]| answer(name, sends, 400, "bad_path");
    vec![
        path("an encoded slash", b"GET /a%2fb HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("an encoded slash in capitals", b"GET /a%2Fb HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("an encoded backslash", b"GET /a%5cb HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("an encoded NUL", b"GET /a%00b HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("a backslash in the path", b"GET /a\\b HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("an encoded dot segment", b"GET /a/%2e%2e/b HTTP/1.1\r\nHost: test\r\n\r\n"),
        path(
            "an encoded dot segment in capitals",
            b"GET /a/%2E%2E/b HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
        path("half an encoded dot segment", b"GET /a/.%2e/b HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("the other half", b"GET /a/%2e./b HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("an encoded dot segment at the end", b"GET /a/%2e%2e HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("an encoded single dot", b"GET /a/%2e/b HTTP/1.1\r\nHost: test\r\n\r\n"),
        path("a dot segment with a parameter", b"GET /a/..;/b HTTP/1.1\r\nHost: test\r\n\r\n"),
        path(
            "a dot segment with an encoded parameter",
            b"GET /a/..%3b/b HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
        path(
            "a dot segment with a parameter's value",
            b"GET /a/..;x=y/b HTTP/1.1\r\nHost: test\r\n\r\n",
        ),
    ]
}
