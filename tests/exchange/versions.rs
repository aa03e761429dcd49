//! HTTP/1.0 and 1.1 on either side, fields of the connection, trailers.

use crate::support::{Framing, Message, Origin, Proxy, Wire, show};

/// One request of a client and one reply of a backend; the client's connection afterwards.
fn exchange(request: &str, reply: &str, backend_closes: bool) -> (Wire, Proxy, Origin) {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(request);
    let mut backend = origin.accept();
    backend.request();
    backend.send(reply);
    if backend_closes {
        backend.finish();
    }
    // The reply is in the kernel's hands; a connection that stays open must not be dropped before the
    // client has it all, so the backend's end lives on in a thread until the proxy closes it.
    std::thread::spawn(move || backend.patient().is_closed());
    (client, proxy, origin)
}

const CHUNKED_REPLY: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Sum: 9\r\n\r\n";

#[test]
fn an_http_1_0_client_gets_no_chunks_but_the_end_of_the_connection() {
    let (mut client, _proxy, _origin) =
        exchange("GET / HTTP/1.0\r\nHost: test\r\n\r\n", CHUNKED_REPLY, false);
    let answer = client.response();
    assert_eq!((answer.framing, answer.text().as_str()), (Framing::Close, "hello"));
    client.closed();
}

#[test]
fn an_http_1_0_client_that_asks_for_keep_alive_gets_it_when_the_length_is_known() {
    let request = "GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n";
    let (mut client, _proxy, _origin) =
        exchange(request, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
    let answer = client.response();
    assert_eq!(answer.text(), "hello");
    let connection = answer.field("connection").map(str::to_ascii_lowercase);
    assert_eq!(connection.as_deref(), Some("keep-alive"));
    client.send("GET /bad HTTP/1.0\r\nHost: a b\r\n\r\n");
    assert_eq!(client.response().status(), 400, "the connection serves a second request");
}

#[test]
fn an_http_1_0_client_that_asks_for_keep_alive_gets_no_chunks_either() {
    let request = "GET / HTTP/1.0\r\nHost: test\r\nConnection: keep-alive\r\n\r\n";
    let (mut client, _proxy, _origin) = exchange(request, CHUNKED_REPLY, false);
    let answer = client.response();
    assert_eq!((answer.framing, answer.text().as_str()), (Framing::Close, "hello"));
    assert_ne!(
        answer.field("connection").map(str::to_ascii_lowercase).as_deref(),
        Some("keep-alive")
    );
    client.closed();
}

#[test]
fn an_http_1_0_client_that_asks_for_nothing_is_closed() {
    let (mut client, _proxy, _origin) = exchange(
        "GET / HTTP/1.0\r\nHost: test\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        false,
    );
    assert_eq!(client.response().text(), "hello");
    client.closed();
}

#[test]
fn a_client_that_says_close_is_told_so_and_closed() {
    let (mut client, _proxy, _origin) = exchange(
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: Close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        false,
    );
    let answer = client.response();
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.field("connection").map(str::to_ascii_lowercase).as_deref(), Some("close"));
    client.closed();
}

#[test]
fn a_backend_that_closes_does_not_close_the_client() {
    for reply in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let (mut client, _proxy, origin) =
            exchange("GET / HTTP/1.1\r\nHost: test\r\n\r\n", reply, true);
        let answer = client.response();
        assert_eq!(answer.text(), "hello");
        assert_eq!(answer.field("connection"), None, "{reply}");
        client.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(origin.accept().request().target(), "/next");
    }
}

#[test]
fn trailers_of_a_response_reach_the_client() {
    let (mut client, _proxy, _origin) =
        exchange("GET / HTTP/1.1\r\nHost: test\r\nTE: trailers\r\n\r\n", CHUNKED_REPLY, false);
    let answer = client.response();
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "9".to_owned())]);
}

#[test]
fn framing_fields_in_a_responses_trailers_do_not_reach_the_client() {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\
                 Content-Length: 3\r\nX-Sum: 9\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (mut client, _proxy, _origin) =
        exchange("GET / HTTP/1.1\r\nHost: test\r\n\r\n", reply, false);
    let answer = client.response();
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "9".to_owned())]);
}

#[test]
fn fields_of_the_backends_connection_do_not_reach_the_client() {
    let reply = "HTTP/1.1 200 OK\r\nConnection: X-Drop, keep-alive\r\nKeep-Alive: timeout=5\r\n\
                 Proxy-Connection: keep-alive\r\nX-Drop: a\r\nX-Keep: b\r\nUpgrade: h2c\r\n\
                 Server: backend/1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\n\r\nhello";
    let (mut client, _proxy, _origin) =
        exchange("GET / HTTP/1.1\r\nHost: test\r\n\r\n", reply, false);
    let answer = client.response();
    for name in ["keep-alive", "proxy-connection", "x-drop", "connection", "upgrade"] {
        assert_eq!(answer.field(name), None, "{name}");
    }
    assert_eq!(answer.field("x-keep"), Some("b"));
    assert_eq!(answer.field("server"), Some("backend/1"));
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.text(), "hello");
}

#[test]
fn a_response_to_head_keeps_the_length_and_has_no_body() {
    let (mut client, _proxy, _origin) = exchange(
        "HEAD / HTTP/1.1\r\nHost: test\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
        false,
    );
    let answer: Message = client.response_to("HEAD");
    assert_eq!(answer.field("content-length"), Some("12345"));
    assert!(client.waiting().is_empty(), "{}", show(client.waiting()));
    client.send("GET /bad HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status(), 400, "nothing stood in the way of the next response");
}

#[test]
fn a_reason_phrase_travels_unchanged() {
    let (mut client, _proxy, _origin) = exchange(
        "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        "HTTP/1.1 299 Rather Fine\r\nContent-Length: 0\r\n\r\n",
        false,
    );
    assert_eq!(client.response().line, "HTTP/1.1 299 Rather Fine");
}
