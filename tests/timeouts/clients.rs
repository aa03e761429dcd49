//! Clients that are slow, silent or stuck.

use std::time::{Duration, Instant};

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Service, Setup, Wire};
use crate::{check, check_closed};

fn proxy_with(timeouts: &str, origin: &Origin) -> Proxy {
    Proxy::with(Setup { timeouts, ..Setup::default() }, &[origin.address()])
}

#[test]
fn a_head_that_does_not_end_is_a_408() {
    let origin = Origin::bind();
    let proxy = proxy_with("header = \"150ms\"", &origin);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: te");
    check_closed(&mut client, 408, "header_timeout");
    proxy.counted(Reason::HeaderTimeout, 1);
    assert!(origin.try_accept().is_none());
}

#[test]
fn a_head_that_trickles_in_is_a_408_all_the_same() {
    let origin = Origin::bind();
    let proxy = proxy_with("header = \"300ms\"", &origin);
    let mut client = proxy.connect();
    let start = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nX: ");
    while !client.has_news_within(Duration::from_millis(20)) {
        assert!(start.elapsed() < crate::support::DEADLINE, "each byte bought more time");
        let _ = client.try_send("x");
    }
    check_closed(&mut client, 408, "header_timeout");
}

#[test]
fn a_connection_that_never_says_anything_is_closed() {
    let origin = Origin::bind();
    let proxy = proxy_with("header = \"150ms\"\nkeepalive = \"300ms\"", &origin);
    let mut client = proxy.connect();
    assert!(client.is_closed());
    assert!(client.received().is_empty(), "an answer that nobody asked for");
    assert_eq!(proxy.count(Reason::HeaderTimeout), 0);
}

#[test]
fn the_second_head_on_a_connection_has_its_own_time() {
    let service = Service::echo();
    let setup = Setup { timeouts: "header = \"150ms\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    client.get("/1");
    // Longer idle than a head may take: the clock starts with its first byte.
    assert!(!client.has_news_within(Duration::from_millis(300)));
    client.get("/2");
    client.send("GET /3 HT");
    check_closed(&mut client, 408, "header_timeout");
}

#[test]
fn an_idle_connection_is_closed_in_silence() {
    let service = Service::echo();
    let setup = Setup { timeouts: "keepalive = \"150ms\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    client.get("/1");
    client.closed();
    assert!(Reason::ALL.iter().all(|reason| proxy.count(*reason) == 0));
}

#[test]
fn a_body_that_stalls_is_a_408_and_never_complete_for_the_backend() {
    for framing in
        ["Content-Length: 10\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"]
    {
        let origin = Origin::bind();
        let proxy = proxy_with("body_idle = \"150ms\"", &origin);
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{framing}"));
        let mut backend = origin.accept();
        let fault = backend.try_request().expect_err("no complete request");
        assert!(fault.contains("cut short"), "{fault}");
        check_closed(&mut client, 408, "body_timeout");
        proxy.counted(Reason::BodyTimeout, 1);
    }
}

#[test]
fn body_idle_is_no_total() {
    let origin = Origin::bind();
    let proxy = proxy_with("body_idle = \"300ms\"\nfirst_byte = \"300ms\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n");
    for _ in 0..10 {
        assert!(!client.has_news_within(Duration::from_millis(60)), "cut while it went on");
        client.send("x");
    }
    let mut backend = origin.accept();
    assert_eq!(backend.request().body, b"xxxxxxxxxx");
    backend.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.response().status(), 204);
}

#[test]
fn a_body_that_stalls_after_the_response_has_begun_is_still_the_clients_fault() {
    let origin = Origin::bind();
    let proxy = proxy_with("body_idle = \"150ms\"\nresponse_idle = \"5m\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello");
    let mut backend = origin.accept();
    backend.head();
    backend.exactly(5);
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    client.until(b"hello");
    assert!(client.is_closed());
    backend.closed();
    proxy.counted(Reason::BodyTimeout, 1);
}

#[test]
fn a_slow_backend_is_not_the_clients_fault() {
    let origin = Origin::bind();
    let proxy =
        proxy_with("header = \"100ms\"\nbody_idle = \"100ms\"\nkeepalive = \"100ms\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
    let mut backend = origin.accept();
    backend.request();
    assert!(!client.has_news_within(Duration::from_millis(400)), "a client that waits was closed");
    backend.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.response().status(), 204);
}

#[test]
fn a_client_that_stops_reading_is_closed() {
    let origin = Origin::bind();
    let proxy = proxy_with("send_idle = \"200ms\"", &origin);
    let mut client = Wire::connect_narrow(proxy.address(), 64 * 1024);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
    while backend.try_send([b'x'; 64 * 1024]).is_ok() {}
    proxy.counted(Reason::ClientStalled, 1);
    assert!(client.is_closed());
}

#[test]
fn a_client_that_sends_on_for_ever_after_its_answer_is_cut_and_keeps_nobody_waiting() {
    let service = Service::echo();
    let setup = Setup { listener: "limits = { body = \"1KiB\" }", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000000\r\n\r\n");
    check(&client.response(), 413, "body_limit");
    std::thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let start = Instant::now();
            while client.try_send([b'x'; 256 * 1024]).is_ok() {
                assert!(start.elapsed() < crate::support::DEADLINE, "never cut");
            }
        });
        // The only worker has time for others meanwhile.
        while !sender.is_finished() {
            assert_eq!(proxy.connect().get("/").status(), 200);
        }
    });
}

#[test]
fn a_malformed_request_is_answered_before_any_timeout() {
    let origin = Origin::bind();
    let proxy = proxy_with("header = \"5m\"", &origin);
    let mut client = proxy.connect();
    client.send("GET / HTTP/9.9\r\n");
    check(&client.response(), 400, "bad_request");
}
