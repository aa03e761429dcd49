//! Header fields: a token, a colon, a value without control bytes, CR LF; no folding.

use crate::case::{Case, bad, pass, run, want};

#[test]
fn fields_are_strict_or_refused() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let mut cases = good();
    cases.extend(lines());
    cases.extend(names());
    cases.extend(values());
    cases
}

fn good() -> Vec<Case> {
    let get = || want("GET /a HTTP/1.1");
    vec![
        pass(
            "a name of every token character",
            b"GET /a HTTP/1.1\r\nHost: test\r\nA0!#$%&'*+-.^_`|~: v\r\n\r\n",
            get().has("a0!#$%&'*+-.^_`|~", "v"),
        ),
        pass(
            "an empty value",
            b"GET /a HTTP/1.1\r\nHost: test\r\nX-Empty:\r\nX-Blank:  \t\r\n\r\n",
            get().has("x-empty", "").has("x-blank", ""),
        ),
        pass(
            "a tab inside a value",
            b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\tb c\r\n\r\n",
            get().has("x", "a\tb c"),
        ),
        pass(
            "a value beyond ASCII",
            b"GET /a HTTP/1.1\r\nHost: test\r\nX: caf\xc3\xa9 \xff\r\n\r\n",
            get().has("x", "caf\u{c3}\u{a9} \u{ff}"),
        ),
        pass(
            "colons and commas in a value",
            b"GET /a HTTP/1.1\r\nHost: test\r\nX: a:b, c: d;\"e\"\r\n\r\n",
            get().has("x", "a:b, c: d;\"e\""),
        ),
        pass(
            "one field twice stays two fields in order",
            b"GET /a HTTP/1.1\r\nHost: test\r\nCookie: a=1\r\nX: y\r\nCookie: b=2\r\n\r\n",
            get().has("x", "y"),
        ),
    ]
}

fn lines() -> Vec<Case> {
    vec![
        bad("obs-fold with a space", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\r\n b\r\n\r\n"),
        bad("obs-fold with a tab", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\r\n\tb\r\n\r\n"),
        bad(
            "obs-fold right behind the request line",
            b"GET /a HTTP/1.1\r\n X: a\r\nHost: test\r\n\r\n",
        ),
        bad("a line of one space", b"GET /a HTTP/1.1\r\nHost: test\r\n \r\n\r\n"),
        bad("obs-fold of the Host", b"GET /a HTTP/1.1\r\nHost:\r\n test\r\n\r\n"),
        bad("a field that ends with a bare LF", b"GET /a HTTP/1.1\r\nHost: test\nX: a\r\n\r\n"),
        bad("a head of bare LFs", b"GET /a HTTP/1.1\nHost: test\n\n"),
        bad("a head that ends with a bare LF", b"GET /a HTTP/1.1\r\nHost: test\r\n\n"),
        bad("a head that ends with LF CR LF", b"GET /a HTTP/1.1\r\nHost: test\n\r\n"),
        bad("a field that ends with a bare CR", b"GET /a HTTP/1.1\r\nHost: test\rX: a\r\n\r\n"),
        bad("a field that ends with CR CR LF", b"GET /a HTTP/1.1\r\nHost: test\r\r\n\r\n"),
        bad("a field without a colon", b"GET /a HTTP/1.1\r\nHost: test\r\nnonsense\r\n\r\n"),
        bad(
            "a second request line among the fields",
            b"GET /a HTTP/1.1\r\nHost: test\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        ),
        bad(
            "a bare CR instead of the empty line",
            b"GET /a HTTP/1.1\r\nHost: test\r\n\rX: y\r\n\r\n",
        ),
    ]
}

fn names() -> Vec<Case> {
    vec![
        bad("a space before the colon", b"GET /a HTTP/1.1\r\nHost: test\r\nX : a\r\n\r\n"),
        bad("a tab before the colon", b"GET /a HTTP/1.1\r\nHost: test\r\nX\t: a\r\n\r\n"),
        bad("an empty name", b"GET /a HTTP/1.1\r\nHost: test\r\n: a\r\n\r\n"),
        bad("a space inside a name", b"GET /a HTTP/1.1\r\nHost: test\r\nX Y: a\r\n\r\n"),
        bad("a NUL inside a name", b"GET /a HTTP/1.1\r\nHost: test\r\nX\0Y: a\r\n\r\n"),
        bad("a control byte inside a name", b"GET /a HTTP/1.1\r\nHost: test\r\nX\x01: a\r\n\r\n"),
        bad("a DEL inside a name", b"GET /a HTTP/1.1\r\nHost: test\r\nX\x7f: a\r\n\r\n"),
        bad("a name beyond ASCII", b"GET /a HTTP/1.1\r\nHost: test\r\nX\xc3\xa9: a\r\n\r\n"),
        bad("a bare CR inside a name", b"GET /a HTTP/1.1\r\nHost: test\r\nX\rY: a\r\n\r\n"),
        bad("parentheses in a name", b"GET /a HTTP/1.1\r\nHost: test\r\nX(Y): a\r\n\r\n"),
        bad("brackets in a name", b"GET /a HTTP/1.1\r\nHost: test\r\n[X]: a\r\n\r\n"),
        bad("a slash in a name", b"GET /a HTTP/1.1\r\nHost: test\r\nX/Y: a\r\n\r\n"),
        bad("quotes around a name", b"GET /a HTTP/1.1\r\nHost: test\r\n\"X\": a\r\n\r\n"),
    ]
}

fn values() -> Vec<Case> {
    vec![
        bad("a NUL in a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\0b\r\n\r\n"),
        bad("a NUL before the end of a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\0\r\n\r\n"),
        bad("a control byte in a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\x01b\r\n\r\n"),
        bad("a backspace in a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\x08b\r\n\r\n"),
        bad("an escape in a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: \x1b[31m\r\n\r\n"),
        bad("a DEL in a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\x7fb\r\n\r\n"),
        bad("a bare CR in a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\rb\r\n\r\n"),
        bad("a bare CR at the start of a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX:\ra\r\n\r\n"),
        bad("a vertical tab in a value", b"GET /a HTTP/1.1\r\nHost: test\r\nX: a\x0bb\r\n\r\n"),
    ]
}
