//! Answers of our own: short, plain, with the reason and the request id.

use forebay::error::Reason;

use crate::support::{Message, Origin, Proxy, Service, Setup, refused_address};

/// The contract of every answer that the proxy makes itself.
fn check(answer: &Message, status: u16, reason: &str) {
    assert_eq!(answer.status(), status, "{answer:?}");
    let kind = answer.field("content-type").expect("a content type");
    assert!(kind.starts_with("text/plain"), "{kind}");
    let status_field = answer.field("proxy-status").expect("a Proxy-Status");
    assert!(status_field.contains(reason), "{status_field}");
    let text = answer.text();
    assert!(text.contains(reason) && text.len() < 1000, "{text}");
    let id = text.lines().find_map(|line| line.strip_prefix("request id: "));
    assert!(id.is_some_and(|id| id.len() >= 16), "{text}");
}

#[test]
fn an_answer_names_its_reason_and_the_request() {
    let refused = refused_address();
    let proxy = Proxy::to(&[refused.address()]);
    let mut client = proxy.connect();
    check(&client.get("/"), 502, "connect_failed");
    check(&client.get("/"), 502, "connect_failed");
}

#[test]
fn an_answer_to_head_has_no_body() {
    let refused = refused_address();
    let proxy = Proxy::to(&[refused.address()]);
    let mut client = proxy.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
    let answer = client.response_to("HEAD");
    assert_eq!(answer.status(), 502);
    assert!(answer.field("proxy-status").expect("a Proxy-Status").contains("connect_failed"));
    // The next response begins right behind the head.
    assert_eq!(client.get("/").status(), 502);
}

#[test]
fn the_request_id_of_a_trusted_peer_stands_in_the_answer() {
    let refused = refused_address();
    let setup = Setup { global: "trusted_proxies = [\"127.0.0.1\"]", ..Setup::default() };
    let proxy = Proxy::with(setup, &[refused.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nX-Request-Id: abc-123-def-456-ghi\r\n\r\n");
    let answer = client.response();
    check(&answer, 502, "connect_failed");
    assert!(answer.text().contains("abc-123-def-456-ghi"), "{}", answer.text());
}

#[test]
fn a_request_that_no_route_matches_is_a_404() {
    let service = Service::echo();
    let proxy = Proxy::from_text(&format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\nhosts = [\"shop.example\"]\n\
         match = {{ path_prefix = \"/api\" }}\nupstream = \"app\"\n\
         [upstream.app]\nbackends = [\"{}\"]\n",
        service.address()
    ));
    let mut client = proxy.connect();
    check(&client.get("/api"), 404, "no_route");
    client.send("GET /other HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    check(&client.response(), 404, "no_route");
    client.send("GET /apix HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    check(&client.response(), 404, "no_route");
    for host in ["shop.example", "SHOP.example:80", "shop.example."] {
        client.send(format!("GET /api/x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response().text(), "/api/x", "{host}");
    }
    proxy.counted(Reason::NoRoute, 3);
}

#[test]
fn a_request_with_a_body_that_no_route_matches_leaves_the_connection_in_step() {
    let service = Service::echo();
    let proxy = Proxy::from_text(&format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\nmatch = {{ path_prefix = \"/api\" }}\n\
         upstream = \"app\"\n[upstream.app]\nbackends = [\"{}\"]\n",
        service.address()
    ));
    let mut client = proxy.connect();
    client.send("POST /other HTTP/1.1\r\nHost: test\r\nContent-Length: 39\r\n\r\n");
    client.send("GET /api/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    check(&client.response(), 404, "no_route");
    // Either the body was read as a body, or the connection was closed; it was never a request.
    if client.try_send("GET /api/next HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
        && let Ok(next) = client.try_response_to("GET")
    {
        assert_eq!(next.text(), "/api/next");
    }
    drop(client);
    proxy.stop();
    let records = service.finish();
    assert!(records.iter().flat_map(|r| &r.requests).all(|r| !r.target().contains("smuggled")));
}

#[test]
fn malformed_requests_are_counted_and_answered_in_form() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    check(&client.response(), 400, "bad_request");
    client.closed();
    let mut client = proxy.connect();
    client.send("GET /%2f HTTP/1.1\r\nHost: a\r\n\r\n");
    check(&client.response(), 400, "bad_path");
    let mut client = proxy.connect();
    client.send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
    check(&client.response(), 405, "method_refused");
    // Not even the head could be read.
    let mut client = proxy.connect();
    client.send("GET / HTTP/9.9\r\n\r\n");
    check(&client.response(), 400, "bad_request");
    proxy.counted(Reason::BadRequest, 2);
    proxy.counted(Reason::BadPath, 1);
    proxy.counted(Reason::MethodRefused, 1);
    assert!(origin.try_accept().is_none(), "a backend was bothered");
}
