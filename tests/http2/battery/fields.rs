//! RFC 9113, section 8: what heads of requests say.

use super::Outcome::{Refused, Reset, Served};
use super::{Case, Outcome, case};
use crate::support::frames::{END_STREAM, headers, request};

const PROTOCOL: &[&str] = &["PROTOCOL_ERROR"];

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "test");
const PATH: (&str, &str) = (":path", "/good");

fn head(name: &'static str, fields: &[(&str, &str)], outcome: Outcome) -> Case {
    case(name, &[headers(1, END_STREAM, fields)], outcome)
}

/// A good request with `field`.
fn field(name: &'static str, field: (&str, &str), outcome: Outcome) -> Case {
    head(name, &[&request("GET", "/good")[..], &[field]].concat(), outcome)
}

/// A request for `path`.
fn path(name: &'static str, path: &str, outcome: Outcome) -> Case {
    head(name, &[METHOD, SCHEME, AUTHORITY, (":path", path)], outcome)
}

/// A request to `authority`.
fn authority(name: &'static str, authority: &str, outcome: Outcome) -> Case {
    head(name, &[METHOD, SCHEME, (":authority", authority), PATH], outcome)
}

pub(super) fn cases() -> Vec<Case> {
    let reset = Reset(1, PROTOCOL);
    vec![
        // 8.2, 8.2.1
        field("8.2.1 a name in upper case", ("X-Upper", "a"), reset),
        field("8.2.1 a name with a space", ("x y", "a"), reset),
        field("8.2.1 a name with a colon", ("x:y", "a"), reset),
        field("8.2.1 an empty name", ("", "a"), reset),
        field("8.2.1 a name with a line end", ("x\r\ny", "a"), reset),
        field("8.2.1 a value with a line feed", ("x", "a\nb"), reset),
        field("8.2.1 a value with a carriage return", ("x", "a\rb"), reset),
        field("8.2.1 a value with a null byte", ("x", "a\0b"), reset),
        field("8.2.1 a value that is empty", ("x", ""), Served(1)),
        field("8.2.1 a value that begins with a space", ("x", " a"), reset),
        field("8.2.1 a value that ends with a tab", ("x", "a\t"), reset),
        field(
            "8.2.1 a value of all that may be seen",
            ("x", "!#$%&'*+-.^_`|~(),/:;<=>?@[\\]{}"),
            Served(1),
        ),
        field("8.2.1 a value with what is not ASCII", ("x", "\u{e9}"), Served(1)),
        field("8.2.1 a value with a control character", ("x", "a\u{1}b"), reset),
        field("8.2.1 a value with a DEL", ("x", "a\u{7f}b"), reset),
        field("8.2.1 a name that is not ASCII", ("x\u{e9}", "a"), reset),
        // 8.2.2
        field("8.2.2 connection", ("connection", "close"), reset),
        field("8.2.2 keep-alive", ("keep-alive", "timeout=5"), reset),
        field("8.2.2 proxy-connection", ("proxy-connection", "close"), reset),
        field("8.2.2 transfer-encoding", ("transfer-encoding", "chunked"), reset),
        field("8.2.2 upgrade", ("upgrade", "websocket"), reset),
        field("8.2.2 te: trailers", ("te", "trailers"), Served(1)),
        field("8.2.2 te that is more", ("te", "trailers, gzip"), reset),
        field("8.2.2 te that is something else", ("te", "gzip"), reset),
        field("8.2.2 te that is empty", ("te", ""), reset),
        // 8.3
        field("8.3 a pseudo-field that nobody knows", (":unknown", "a"), reset),
        field("8.3 a pseudo-field of responses", (":status", "200"), reset),
        field("8.3 a pseudo-field behind fields", (":path", "/twice"), reset),
        head(
            "8.3 pseudo-fields behind fields",
            &[("x", "y"), METHOD, SCHEME, AUTHORITY, PATH],
            reset,
        ),
        head("8.3 one in between", &[METHOD, SCHEME, ("x", "y"), AUTHORITY, PATH], reset),
        // 8.3.1
        head("8.3.1 no method", &[SCHEME, AUTHORITY, PATH], reset),
        head("8.3.1 no scheme", &[METHOD, AUTHORITY, PATH], reset),
        head("8.3.1 no path", &[METHOD, SCHEME, AUTHORITY], reset),
        head("8.3.1 two methods", &[METHOD, METHOD, SCHEME, AUTHORITY, PATH], reset),
        head("8.3.1 two schemes", &[METHOD, SCHEME, SCHEME, AUTHORITY, PATH], reset),
        head("8.3.1 two paths", &[METHOD, SCHEME, AUTHORITY, PATH, PATH], reset),
        head("8.3.1 two authorities", &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH], reset),
        head("8.3.1 no field at all", &[], reset),
        path("8.3.1 an empty path", "", reset),
        path("8.3.1 a path without a slash", "good", reset),
        path("8.3.1 an asterisk, but no OPTIONS", "*", Refused(1, 400)),
        path("8.3.1 a path that is a URL", "http://other/good", reset),
        path("8.3.1 a path with a fragment", "/good#x", reset),
        path("8.3.1 a path with a space", "/go od", reset),
        path("8.3.1 a path with a line end", "/good\r\nx: y", reset),
        path("8.3.1 a path with a null byte", "/good\0", reset),
        path("8.3.1 a query", "/good?a=b&c", Served(1)),
        path("8.3.1 dot segments", "/a/../good", Served(1)),
        path("8.3.1 an ambiguous path", "/%2e%2e%2fgood", Refused(1, 400)),
        head(
            "8.3.1 OPTIONS of the server",
            &[(":method", "OPTIONS"), SCHEME, AUTHORITY, (":path", "*")],
            Served(1),
        ),
        head(
            "8.3.1 a host in place of the authority",
            &[METHOD, SCHEME, PATH, ("host", "test")],
            Served(1),
        ),
        head("8.3.1 neither host nor authority", &[METHOD, SCHEME, PATH], Refused(1, 400)),
        field("8.3.1 a host that is the authority", ("host", "test"), Served(1)),
        field("8.3.1 a host that is the authority in capitals", ("host", "TEST"), Served(1)),
        field("8.3.1 a host that is not the authority", ("host", "other"), Refused(1, 400)),
        head(
            "8.3.1 two hosts",
            &[METHOD, SCHEME, PATH, ("host", "test"), ("host", "test")],
            Refused(1, 400),
        ),
        authority("8.3.1 an authority with a port", "test:8080", Served(1)),
        authority("8.3.1 an address", "[::1]:80", Served(1)),
        authority("8.3.1 an authority with a user", "user@test", Refused(1, 400)),
        authority("8.3.1 an authority with a path", "test/good", reset),
        authority("8.3.1 an authority with a space", "te st", reset),
        authority("8.3.1 a port that is none", "test:x", Refused(1, 400)),
        authority("8.3.1 an empty authority", "", reset),
        head("8.3.1 a method with a space", &[(":method", "GE T"), SCHEME, AUTHORITY, PATH], reset),
        head("8.3.1 an empty method", &[(":method", ""), SCHEME, AUTHORITY, PATH], reset),
        head(
            "8.3.1 a method of one's own",
            &[(":method", "PURGE"), SCHEME, AUTHORITY, PATH],
            Served(1),
        ),
        head("8.3.1 TRACE", &[(":method", "TRACE"), SCHEME, AUTHORITY, PATH], Refused(1, 405)),
        head(
            "8.3.1 a scheme that is none",
            &[METHOD, (":scheme", "ht tp"), AUTHORITY, PATH],
            reset,
        ),
        // 8.5
        head("8.5 CONNECT", &[(":method", "CONNECT"), (":authority", "test:80")], Refused(1, 405)),
        head("8.5 CONNECT with a path", &[(":method", "CONNECT"), SCHEME, AUTHORITY, PATH], reset),
        head(
            "RFC 8441: extended CONNECT was not offered",
            &[(":method", "CONNECT"), (":protocol", "websocket"), SCHEME, AUTHORITY, PATH],
            reset,
        ),
        // RFC 9110, section 10.1.1
        field("an expectation that nobody knows", ("expect", "more"), Refused(1, 417)),
        // Ours.
        field("a field of nearly 16 KiB", ("x", &"a".repeat(16_000)), Served(1)),
        path("a path of 16 KiB", &format!("/{}", "a".repeat(16_300)), Served(1)),
        head(
            "a hundred fields and one",
            &[&request("GET", "/")[..], &[("x", "y"); 101]].concat(),
            Refused(1, 431),
        ),
    ]
}
