//! Limits on what a client may send.

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Service, Setup};
use crate::{check, check_closed};

fn limited(limits: &str, origin: &Origin) -> Proxy {
    let listener = format!("limits = {{ {limits} }}");
    Proxy::with(Setup { listener: &listener, ..Setup::default() }, &[origin.address()])
}

#[test]
fn a_body_announced_beyond_the_limit_is_refused_unread() {
    let origin = Origin::bind();
    let proxy = limited("body = \"1KiB\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1025\r\n\r\n");
    check(&client.response(), 413, "body_limit");
    proxy.counted(Reason::BodyLimit, 1);
    assert!(origin.try_accept().is_none(), "a backend was bothered");
}

#[test]
fn a_client_that_expects_100_is_told_at_once_that_its_body_is_too_large() {
    let origin = Origin::bind();
    let proxy = limited("body = \"1KiB\"", &origin);
    let mut client = proxy.connect();
    client.send(
        "POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 1025\r\n\r\n",
    );
    check(&client.response(), 413, "body_limit");
}

#[test]
fn a_body_at_the_limit_passes_in_either_framing() {
    let service = Service::echo();
    let setup = Setup { listener: "limits = { body = \"1KiB\" }", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    let body = "x".repeat(1024);
    client.send(format!("POST /l HTTP/1.1\r\nHost: test\r\nContent-Length: 1024\r\n\r\n{body}"));
    assert_eq!(client.response().text(), "/l");
    client.send(format!(
        "POST /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n{body}\r\n0\r\n\r\n"
    ));
    assert_eq!(client.response().text(), "/c");
}

#[test]
fn a_chunked_body_beyond_the_limit_is_refused_and_never_complete_for_the_backend() {
    let origin = Origin::bind();
    let proxy = limited("body = \"1KiB\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("200\r\n{}\r\n", "x".repeat(512));
    client.send(&chunk);
    let mut backend = origin.accept();
    backend.head();
    client.send(&chunk);
    client.send("1\r\nx\r\n0\r\n\r\n");
    check_closed(&mut client, 413, "body_limit");
    assert!(backend.is_closed());
    assert!(!backend.waiting().ends_with(b"0\r\n\r\n"), "the backend takes it for complete");
    proxy.counted(Reason::BodyLimit, 1);
}

#[test]
fn a_target_beyond_the_limit_is_a_414() {
    let origin = Origin::bind();
    let proxy = limited("uri = \"1KiB\"", &origin);
    let mut client = proxy.connect();
    client.send(format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(1024)));
    check_closed(&mut client, 414, "uri_limit");
    proxy.counted(Reason::UriLimit, 1);
}

#[test]
fn a_head_beyond_the_limit_is_a_431() {
    let origin = Origin::bind();
    let proxy = limited("header = \"2KiB\"", &origin);
    let mut client = proxy.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}\r\n\r\n", "a".repeat(2048)));
    check_closed(&mut client, 431, "header_limit");
    let mut client = proxy.connect();
    // Not even its end has to come.
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX: {}", "a".repeat(4096)));
    check_closed(&mut client, 431, "header_limit");
    proxy.counted(Reason::HeaderLimit, 2);
}

#[test]
fn more_fields_than_the_limit_are_a_431() {
    let origin = Origin::bind();
    let proxy = limited("headers = 3", &origin);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n");
    check_closed(&mut client, 431, "header_limit");
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nA: 1\r\nB: 2\r\n\r\n");
    origin.accept().request();
}

#[test]
fn more_fields_than_usual_pass_where_the_limit_says_so() {
    let service = Service::echo();
    let setup =
        Setup { listener: "limits = { headers = 500, header = \"256KiB\" }", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    let fields: String = (1..500).map(|i| format!("X-{i}: {}\r\n", "v".repeat(400))).collect();
    client.send(format!("GET /many HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
    assert_eq!(client.response().text(), "/many");
    client.send(format!("GET /more HTTP/1.1\r\nHost: test\r\nY: 1\r\n{fields}\r\n"));
    check_closed(&mut client, 431, "header_limit");
}
