//! A backend that dies in mid-body is never passed on as complete.

use forebay::error::Reason;

use crate::support::{Framing, Origin, Proxy, Wire};

#[derive(Clone, Copy, Debug)]
enum Death {
    Fin,
    Reset,
}

fn die(backend: Wire, death: Death) {
    match death {
        Death::Fin => drop(backend),
        Death::Reset => backend.reset(),
    }
}

/// The client gets the beginning, then the connection ends, and the reason is counted.
fn is_cut(version: &str, reply: &str, death: Death) -> Vec<u8> {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(format!("GET / {version}\r\nHost: test\r\nConnection: keep-alive\r\n\r\n"));
    let mut backend = origin.accept();
    backend.request();
    backend.send(reply);
    client.until(b"hello");
    die(backend, death);
    assert!(client.is_closed(), "{death:?}: the client waits for more");
    proxy.counted(Reason::UpstreamTruncated, 1);
    client.received().to_vec()
}

#[test]
fn a_body_by_length_that_ends_early_is_cut() {
    for death in [Death::Fin, Death::Reset] {
        let reply = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
        let got = is_cut("HTTP/1.1", reply, death);
        let got = String::from_utf8_lossy(&got).to_ascii_lowercase();
        assert!(got.contains("content-length: 100\r\n"), "{got}");
        assert!(got.ends_with("\r\n\r\nhello"), "{got}");
    }
}

#[test]
fn a_chunked_body_without_its_last_chunk_is_cut() {
    for death in [Death::Fin, Death::Reset] {
        let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
        let got = is_cut("HTTP/1.1", reply, death);
        assert!(!got.windows(5).any(|bytes| bytes == b"\r\n0\r\n"), "a last chunk was made up");
    }
}

#[test]
fn a_chunk_that_ends_early_is_cut() {
    let reply = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhello";
    let got = is_cut("HTTP/1.1", reply, Death::Fin);
    assert!(!got.windows(5).any(|bytes| bytes == b"\r\n0\r\n"), "a last chunk was made up");
}

#[test]
fn a_body_until_close_that_ends_by_reset_is_cut() {
    let got = is_cut("HTTP/1.1", "HTTP/1.1 200 OK\r\n\r\nhello", Death::Reset);
    assert!(!got.windows(5).any(|bytes| bytes == b"\r\n0\r\n"), "a last chunk was made up");
}

/// An HTTP/1.0 client knows a body's end by the end of the connection alone: a cut must be a reset.
#[test]
fn a_cut_is_a_reset_where_an_ordinary_close_would_mean_complete() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.until(b"hello");
    drop(backend);
    assert!(client.is_reset(), "passed on as complete");
}

#[test]
fn a_body_until_close_that_ends_in_order_is_complete() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\n\r\nhello");
    drop(backend);
    let answer = client.response();
    assert_eq!((answer.framing, answer.text().as_str()), (Framing::Chunked, "hello"));
    assert_eq!(proxy.count(Reason::UpstreamTruncated), 0);
}

#[test]
fn a_body_until_close_that_the_end_of_the_process_cuts_is_a_reset_too() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\n\r\nhello");
    client.until(b"hello");
    proxy.daemon().stop_now();
    assert!(client.is_reset(), "passed on as complete");
}
