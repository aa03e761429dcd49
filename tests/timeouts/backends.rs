//! Backends that are slow, silent or stuck.

use std::time::Duration;

use forebay::backend::State;
use forebay::error::Reason;

use crate::check;
use crate::support::{BlackHole, Origin, Proxy, Service, Setup, Wire};

fn proxy_with(timeouts: &str, origin: &Origin) -> Proxy {
    Proxy::with(Setup { timeouts, ..Setup::default() }, &[origin.address()])
}

const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

#[test]
fn a_backend_that_never_accepts_is_a_504() {
    let hole = BlackHole::open();
    let setup = Setup { timeouts: "connect = \"150ms\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[hole.address()]);
    let mut client = proxy.connect();
    check(&client.get("/"), 504, "connect_timeout");
    proxy.counted(Reason::ConnectTimeout, 1);
    // The connection to the client is as good as before.
    check(&client.get("/"), 504, "connect_timeout");
}

#[test]
fn a_backend_that_never_accepts_costs_no_error_while_there_is_another() {
    let (hole, service) = (BlackHole::open(), Service::named("alive"));
    let setup = Setup { timeouts: "connect = \"150ms\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[hole.address(), service.address()]);
    let mut client = proxy.connect();
    for _ in 0..4 {
        assert_eq!(client.get("/").text(), "alive");
    }
}

#[test]
fn a_backend_that_does_not_answer_is_a_504() {
    let origin = Origin::bind();
    let proxy = proxy_with("first_byte = \"150ms\"", &origin);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    check(&client.response(), 504, "first_byte_timeout");
    proxy.counted(Reason::FirstByteTimeout, 1);
    backend.closed();
    // The client's connection serves on, over a new one to the backend.
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.response().status(), 204);
}

#[test]
fn half_a_response_head_is_no_answer() {
    let origin = Origin::bind();
    let proxy = proxy_with("first_byte = \"150ms\"", &origin);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Le");
    check(&client.response(), 504, "first_byte_timeout");
}

#[test]
fn first_byte_runs_only_once_the_request_was_sent() {
    let origin = Origin::bind();
    let proxy = proxy_with("first_byte = \"200ms\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhell");
    let mut backend = origin.accept();
    backend.head();
    assert!(!client.has_news_within(Duration::from_millis(500)), "the client was still sending");
    client.send("o");
    assert_eq!(backend.exactly(5), b"hello");
    backend.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.response().status(), 204);
}

#[test]
fn a_backend_that_stops_reading_is_a_504() {
    let origin = Origin::bind();
    let proxy = proxy_with("send_idle = \"200ms\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000000\r\n\r\n");
    let mut backend = origin.accept();
    backend.head();
    while !client.has_news() && client.try_send([b'x'; 64 * 1024]).is_ok() {}
    check(&client.response(), 504, "first_byte_timeout");
    proxy.counted(Reason::FirstByteTimeout, 1);
}

#[test]
fn a_body_that_stalls_counts_against_its_backend_but_not_the_silence_of_an_event_stream() {
    let (origin, other) = (Origin::bind(), Service::named("other"));
    let setup = Setup {
        timeouts: "response_idle = \"100ms\"\ntunnel_idle = \"100ms\"",
        upstream: "balance = \"first\"\npassive = { failures = 3 }",
        ..Setup::default()
    };
    let proxy = Proxy::with(setup, &[origin.address(), other.address()]);
    let stalls = |content_type: &str| {
        let mut client = proxy.connect();
        client.send(GET);
        let mut backend = origin.accept();
        backend.request();
        backend.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: 100\r\n\r\nhello"
        ));
        assert!(client.try_response_to("GET").is_err());
        backend.closed();
    };
    let state = || proxy.standing(origin.address()).map(|standing| standing.state);
    (0..4).for_each(|_| stalls("text/event-stream"));
    proxy.counted(Reason::ResponseTimeout, 4);
    assert_eq!(state(), Some(State::Up));
    (0..3).for_each(|_| stalls("text/plain"));
    proxy.counted(Reason::ResponseTimeout, 7);
    assert_eq!(state(), Some(State::Open));
    assert_eq!(proxy.connect().get("/").text(), "other");
}

#[test]
fn a_response_that_stalls_is_cut() {
    for reply in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\n\r\nhello",
    ] {
        let origin = Origin::bind();
        let proxy = proxy_with("response_idle = \"150ms\"", &origin);
        let mut client = proxy.connect();
        client.send(GET);
        let mut backend = origin.accept();
        backend.request();
        backend.send(reply);
        let answer = client.try_response_to("GET");
        assert!(answer.is_err(), "passed on as complete: {answer:?}");
        assert!(client.is_closed());
        proxy.counted(Reason::ResponseTimeout, 1);
        backend.closed();
    }
}

#[test]
fn response_idle_is_no_total() {
    let origin = Origin::bind();
    let proxy = proxy_with("response_idle = \"300ms\"", &origin);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for _ in 0..10 {
        assert!(!backend.has_news_within(Duration::from_millis(60)), "cut while it went on");
        backend.send("x");
    }
    assert_eq!(client.response().text(), "xxxxxxxxxx");
}

#[test]
fn response_idle_does_not_run_while_the_client_is_sending() {
    let origin = Origin::bind();
    let proxy = proxy_with("response_idle = \"300ms\"", &origin);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n");
    let mut backend = origin.accept();
    backend.head();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    client.head();
    for _ in 0..10 {
        assert!(!client.has_news_within(Duration::from_millis(60)), "cut while it went on");
        client.send("x");
    }
    assert_eq!(backend.exactly(10), b"xxxxxxxxxx");
    backend.send("ok");
    assert_eq!(client.exactly(2), b"ok");
}

#[test]
fn a_client_that_reads_slowly_is_not_the_backends_fault() {
    const N: usize = 8 * 1024 * 1024;
    let service = Service::start(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {N}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; N]].concat()
    });
    let setup = Setup { timeouts: "response_idle = \"150ms\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = Wire::connect_narrow(proxy.address(), 16 * 1024);
    client.send(GET);
    let mut pause = proxy.connect();
    assert!(!pause.has_news_within(Duration::from_millis(500)), "a pause");
    assert_eq!(client.response().body.len(), N);
    assert_eq!(proxy.count(Reason::ResponseTimeout), 0);
}

#[test]
fn an_event_stream_may_be_silent_for_as_long_as_a_tunnel() {
    let origin = Origin::bind();
    let proxy = proxy_with("response_idle = \"100ms\"\ntunnel_idle = \"5s\"", &origin);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    backend.send(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
         Transfer-Encoding: chunked\r\n\r\n3\r\na\n\n\r\n",
    );
    client.until(b"a\n\n");
    assert!(!client.has_news_within(Duration::from_millis(400)), "an event stream was cut");
    backend.send("3\r\nb\n\n\r\n0\r\n\r\n");
    client.until(b"0\r\n\r\n");
}

#[test]
fn the_total_time_ends_a_wait_with_504() {
    let origin = Origin::bind();
    let proxy = proxy_with("total = \"150ms\"", &origin);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    check(&client.response(), 504, "total_timeout");
    proxy.counted(Reason::TotalTimeout, 1);
    backend.closed();
}

#[test]
fn the_total_time_cuts_a_response_that_has_begun() {
    let origin = Origin::bind();
    let proxy = proxy_with("total = \"300ms\"", &origin);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while !backend.has_news_within(Duration::from_millis(20)) {
        let _ = backend.try_send("1\r\nx\r\n");
    }
    assert!(client.try_response_to("GET").is_err(), "passed on as complete");
    proxy.counted(Reason::TotalTimeout, 1);
}

#[test]
fn the_total_time_starts_anew_with_each_request() {
    let origin = Origin::bind();
    let proxy = proxy_with("total = \"400ms\"", &origin);
    let mut client = proxy.connect();
    let mut backend = None;
    for _ in 0..4 {
        assert!(
            !client.has_news_within(Duration::from_millis(150)),
            "between requests no time runs"
        );
        client.send(GET);
        let backend = backend.get_or_insert_with(|| origin.accept());
        backend.request();
        backend.send("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(client.response().status(), 204);
    }
}

#[test]
fn an_upstreams_own_timeouts_stand_over_the_defaults() {
    let origin = Origin::bind();
    let setup = Setup {
        timeouts: "first_byte = \"5m\"",
        upstream: "timeouts = { first_byte = \"150ms\" }",
        ..Setup::default()
    };
    let proxy = Proxy::with(setup, &[origin.address()]);
    let mut client = proxy.connect();
    client.send(GET);
    let mut backend = origin.accept();
    backend.request();
    check(&client.response(), 504, "first_byte_timeout");
}
