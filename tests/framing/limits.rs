//! Over-long everything: at the limit it passes, one beyond it is refused.

use crate::case::{Case, Want, pass, refuse, run, want};

const URI_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 100;
const HEAD_MAX: usize = 32 * 1024;

#[test]
fn over_long_heads_are_refused_and_those_at_the_limit_pass() {
    run(&cases());
}

pub fn cases() -> Vec<Case> {
    let uri = |name, sends: Vec<u8>| refuse(name, sends, 414, "uri_limit");
    let head = |name, sends: Vec<u8>| refuse(name, sends, 431, "header_limit");
    vec![
        pass("a target of 16 KiB", target(URI_MAX), target_at_the_limit()),
        uri("a target of 16 KiB and a byte", target(URI_MAX + 1)),
        uri("a target of 20 KiB", target(20 * 1024)),
        uri("a target of 64 KiB", target(64 * 1024)),
        pass("a hundred fields", fields(FIELDS_MAX), want("GET /a HTTP/1.1").has("host", "test")),
        head("a hundred fields and one", fields(FIELDS_MAX + 1)),
        head("a thousand fields", fields(1000)),
        pass("a head of 32 KiB", head_of(HEAD_MAX), want("GET /a HTTP/1.1").has("host", "test")),
        head("a head of 32 KiB and a byte", head_of(HEAD_MAX + 1)),
        head("a head of 64 KiB", head_of(64 * 1024)),
        head("a field name of 40 KiB", {
            let name = "n".repeat(40 * 1024);
            format!("GET /a HTTP/1.1\r\nHost: test\r\n{name}: v\r\n\r\n").into_bytes()
        }),
        refuse(
            "a method of 40 KiB",
            [vec![b'M'; 40 * 1024], b" /a HTTP/1.1\r\nHost: test\r\n\r\n".to_vec()].concat(),
            431,
            "header_limit",
        ),
        refuse(
            "40 KiB of empty lines",
            [b"\r\n".repeat(20 * 1024), b"GET /a HTTP/1.1\r\nHost: test\r\n\r\n".to_vec()].concat(),
            400,
            "bad_request",
        ),
    ]
}

fn target(n_bytes: usize) -> Vec<u8> {
    let path = "a".repeat(n_bytes - 1);
    format!("GET /{path} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes()
}

fn target_at_the_limit() -> Want {
    let path = "a".repeat(URI_MAX - 1);
    want(Box::leak(format!("GET /{path} HTTP/1.1").into_boxed_str()))
}

/// A head of exactly `n` fields, the Host among them.
fn fields(n: usize) -> Vec<u8> {
    let fields: String = (1..n).map(|i| format!("X-{i}: {i}\r\n")).collect();
    format!("GET /a HTTP/1.1\r\nHost: test\r\n{fields}\r\n").into_bytes()
}

/// A head of exactly `n_bytes`, the empty line included.
fn head_of(n_bytes: usize) -> Vec<u8> {
    let frame = b"GET /a HTTP/1.1\r\nHost: test\r\nX: \r\n\r\n".len();
    let value = "v".repeat(n_bytes - frame);
    format!("GET /a HTTP/1.1\r\nHost: test\r\nX: {value}\r\n\r\n").into_bytes()
}
