//! Bodies that are sent a second time: whole, as framed, up to the bound and not a byte beyond.

use crate::support::{Origin, Service, Wire};
use crate::{AT_ONCE, OK, proxy};

const BOUND: usize = 5000;

fn retry() -> String {
    format!("{AT_ONCE}, body_buffer = \"{BOUND}B\"")
}

/// `body` in chunks of 1000, and how many bytes it is on the wire.
fn chunked(n_bytes: usize) -> Vec<u8> {
    let body = pattern(n_bytes);
    let mut wire = Vec::new();
    for chunk in body.chunks(1000) {
        wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        wire.extend_from_slice(chunk);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

fn pattern(n: usize) -> Vec<u8> {
    (0..n).map(|i| b'a' + (i % 23) as u8).collect()
}

/// Sends `head` and `body` in `n_pieces`, each read by the backend before the next, then has the backend die.
fn sent_in_pieces(origin: &Origin, client: &mut Wire, head: &str, body: &[u8], n_pieces: usize) {
    client.send(head);
    let mut backend = origin.accept();
    backend.head();
    for piece in body.chunks(body.len().div_ceil(n_pieces)) {
        client.send(piece);
        backend.exactly(piece.len());
    }
    backend.reset();
}

#[test]
fn a_counted_body_is_kept_up_to_the_bound() {
    for (n_bytes, status) in [(BOUND - 1, 200), (BOUND, 200), (BOUND + 1, 502)] {
        for n_pieces in [1, 3] {
            let (dying, other) = (Origin::bind(), Service::echo());
            let proxy = proxy(&retry(), &[dying.address(), other.address()]);
            let mut client = proxy.connect();
            let head =
                format!("PUT /a HTTP/1.1\r\nHost: test\r\nContent-Length: {n_bytes}\r\n\r\n");
            sent_in_pieces(&dying, &mut client, &head, &pattern(n_bytes), n_pieces);
            assert_eq!(client.response().status(), status, "{n_bytes} in {n_pieces}");
            if status == 200 {
                assert!(other.records()[0].requests[0].body == pattern(n_bytes), "{n_bytes}");
            } else {
                assert_eq!(other.n_connections(), 0);
            }
        }
    }
}

#[test]
fn a_body_that_came_with_its_head_is_held_to_the_same_bound() {
    for (n_bytes, status) in [(BOUND, 200), (BOUND + 1, 502)] {
        let (dying, other) = (Origin::bind(), Service::echo());
        let proxy = proxy(&retry(), &[dying.address(), other.address()]);
        let mut client = proxy.connect();
        let head = format!("PUT /a HTTP/1.1\r\nHost: test\r\nContent-Length: {n_bytes}\r\n\r\n");
        client.send([head.as_bytes(), &pattern(n_bytes)].concat());
        crate::reset_one(&dying);
        assert_eq!(client.response().status(), status, "{n_bytes}");
    }
}

#[test]
fn a_chunked_body_counts_as_it_is_framed() {
    let n_bytes = BOUND - 6 * 5 - 12;
    let fitting = chunked(n_bytes);
    let bound = fitting.len();
    for (bound, status) in [(bound, 200), (bound - 1, 502)] {
        for n_pieces in [1, 4] {
            let (dying, other) = (Origin::bind(), Service::echo());
            let retry = format!("{AT_ONCE}, body_buffer = \"{bound}B\"");
            let proxy = proxy(&retry, &[dying.address(), other.address()]);
            let mut client = proxy.connect();
            let head = "PUT /a HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n";
            sent_in_pieces(&dying, &mut client, head, &fitting, n_pieces);
            assert_eq!(client.response().status(), status, "{bound} in {n_pieces}");
            if status == 200 {
                assert!(other.records()[0].requests[0].body == pattern(n_bytes));
            }
        }
    }
}

#[test]
fn a_body_that_is_still_coming_goes_on_behind_what_was_kept() {
    let (dying, staying) = (Origin::bind(), Origin::bind());
    let proxy = proxy(&retry(), &[dying.address(), staying.address()]);
    let mut client = proxy.connect();
    client.send("PUT /a HTTP/1.1\r\nHost: test\r\nContent-Length: 15\r\n\r\nfirst");
    let mut backend = dying.accept();
    backend.until(b"first");
    backend.reset();
    let mut backend = staying.accept();
    backend.until(b"first");
    client.send("secondthird");
    let received = backend.exactly(10);
    assert_eq!(received, b"secondthir");
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
    // What was behind the body is the beginning of the next request.
    client.send("");
}

#[test]
fn who_waits_for_a_100_is_asked_for_its_body_by_the_next_backend() {
    let (dying, staying) = (Origin::bind(), Origin::bind());
    let proxy = proxy(&retry(), &[dying.address(), staying.address()]);
    let mut client = proxy.connect();
    client
        .send("PUT /a HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let mut backend = dying.accept();
    backend.head();
    backend.reset();
    let mut backend = staying.accept();
    assert!(backend.head().to_ascii_lowercase().contains("expect: 100-continue"));
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
    client.send("hello");
    assert_eq!(backend.exactly(5), b"hello");
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn once_the_client_has_its_100_nothing_is_tried_again() {
    let (dying, other) = (Origin::bind(), Service::named("other"));
    let proxy = proxy(&retry(), &[dying.address(), other.address()]);
    let mut client = proxy.connect();
    client
        .send("PUT /a HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let mut backend = dying.accept();
    backend.head();
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
    client.send("hello");
    backend.exactly(5);
    backend.reset();
    assert_eq!(client.response().status(), 502);
    assert_eq!(other.n_connections(), 0);
}
