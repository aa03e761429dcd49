//! Expectations and interim responses: the backend decides, the proxy passes on.

use crate::support::{Origin, Proxy};

const EXPECTING: &str =
    "POST /up HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";

#[test]
fn the_backends_100_brings_the_body() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(EXPECTING);
    let mut backend = origin.accept();
    let head = backend.head().to_ascii_lowercase();
    assert!(head.contains("expect: 100-continue\r\n"), "{head}");
    assert!(!client.has_news(), "the proxy answered in the backend's place");
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
    client.send("hello");
    assert_eq!(backend.exactly(5), b"hello");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
    // Nothing went out of step: the connection serves on.
    client.send(EXPECTING);
    assert!(backend.head().starts_with("POST /up"));
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
}

#[test]
fn a_final_answer_instead_of_100_reaches_the_client_without_the_body() {
    for status in ["417 Expectation Failed", "401 Unauthorized", "200 OK"] {
        let origin = Origin::bind();
        let proxy = Proxy::to(&[origin.address()]);
        let mut client = proxy.connect();
        client.send(EXPECTING);
        let mut backend = origin.accept();
        backend.head();
        backend.send(format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nno"));
        let answer = client.response();
        assert_eq!(answer.line, format!("HTTP/1.1 {status}"));
        assert_eq!(answer.text(), "no");
        assert!(backend.waiting().is_empty());
    }
}

#[test]
fn a_client_that_does_not_wait_for_100_is_served_as_well() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(format!("{EXPECTING}hello"));
    let mut backend = origin.accept();
    backend.head();
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
    assert_eq!(backend.exactly(5), b"hello");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn a_chunked_body_waits_for_100_too() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("PUT /up HTTP/1.1\r\nHost: test\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut backend = origin.accept();
    backend.head();
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
    client.send("5\r\nhello\r\n0\r\n\r\n");
    backend.until(b"0\r\n\r\n");
    backend.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.response().status(), 204);
}

#[test]
fn early_hints_reach_the_client_one_by_one_before_the_answer() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    for link in ["</a.css>", "</b.js>"] {
        backend.send(format!("HTTP/1.1 103 Early Hints\r\nLink: {link}\r\n\r\n"));
        let hint = client.response();
        assert_eq!((hint.status(), hint.field("link")), (103, Some(link)));
    }
    backend.send("HTTP/1.1 102 Processing\r\n\r\n");
    assert_eq!(client.response().status(), 102);
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
    client.send("GET /again HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(backend.request().target(), "/again");
}

#[test]
fn interim_and_final_responses_in_one_write_are_told_apart() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
         HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!(client.response().status(), 103);
    assert_eq!(client.response().status(), 103);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn an_interim_response_has_no_body_whatever_it_claims() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 103 Early Hints\r\nContent-Length: 41\r\n\r\n");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    // Refusing it is as good as passing it on without its length.
    let first = client.response();
    if first.status() != 502 {
        assert_eq!(first.status(), 103);
        assert_eq!(client.response().text(), "ok");
    }
}

#[test]
fn a_flood_of_interim_responses_ends() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    // Two threads, since a proxy that passed them all on would wait for the client.
    let flood = std::thread::spawn(move || {
        for _ in 0..10_000 {
            if backend.try_send("HTTP/1.1 102 Processing\r\n\r\n").is_err() {
                return true;
            }
        }
        backend.is_closed()
    });
    let mut n_interim = 0;
    let answer = loop {
        match client.try_response_to("GET") {
            Ok(answer) if answer.status() == 102 => n_interim += 1,
            other => break other,
        }
    };
    assert!(n_interim < 1000, "{n_interim} were passed on");
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 502);
    }
    assert!(flood.join().expect("the flood ends in order"), "the backend is still connected");
}

#[test]
fn an_http_1_0_client_gets_no_interim_response() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let answer = client.response();
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
}

#[test]
fn a_client_whose_expectation_was_not_met_is_told_that_the_connection_closes() {
    for answer in [
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ] {
        let origin = Origin::bind();
        let proxy = Proxy::to(&[origin.address()]);
        let mut client = proxy.connect();
        client.send(
            "PUT /a HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        );
        let mut backend = origin.accept();
        backend.head();
        backend.send(answer);
        // Without a word it would send its next request here, where nobody reads any more.
        assert_eq!(client.response().field("connection"), Some("close"), "{answer}");
        client.closed();
    }
}

#[test]
fn a_client_whose_expectation_was_met_keeps_its_connection() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client
        .send("PUT /a HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let mut backend = origin.accept();
    backend.head();
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
    client.send("hello");
    assert_eq!(backend.exactly(5), b"hello");
    backend.send("HTTP/1.1 307 Temporary Redirect\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().field("connection"), None);
    client.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(backend.request().target(), "/next");
}
