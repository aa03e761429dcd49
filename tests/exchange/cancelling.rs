//! A client that leaves takes its request along: nobody works for nobody.

use std::time::{Duration, Instant};

use forebay::error::Reason;

use crate::support::{BlackHole, Origin, Proxy, Setup, Wire};

/// The contract: within a second.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);

/// A client and a backend connection in the middle of an exchange, and how the client leaves.
fn leaves(start: impl Fn(&mut Wire, &Origin) -> Wire, leave: impl Fn(Wire) -> Option<Wire>) {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    let mut backend = start(&mut client, &origin);
    let left = Instant::now();
    let _half_open = leave(client);
    assert!(backend.is_closed(), "the request was not cancelled");
    let took = left.elapsed();
    assert!(took < CANCELLED_WITHIN, "cancelled after {took:?}");
    proxy.counted(Reason::ClientGone, 1);
}

fn waiting_for_a_head(client: &mut Wire, origin: &Origin) -> Wire {
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend
}

fn in_the_middle_of_a_download(client: &mut Wire, origin: &Origin) -> Wire {
    let mut backend = waiting_for_a_head(client, origin);
    backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    client.until(b"hello");
    backend
}

fn in_the_middle_of_an_upload(client: &mut Wire, origin: &Origin) -> Wire {
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nfirst");
    let mut backend = origin.accept();
    backend.head();
    backend.until(b"first");
    backend
}

fn after_an_upload(client: &mut Wire, origin: &Origin) -> Wire {
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend
}

fn by_reset(client: Wire) -> Option<Wire> {
    client.reset();
    None
}

fn by_closing(client: Wire) -> Option<Wire> {
    drop(client);
    None
}

fn by_ending_its_direction(mut client: Wire) -> Option<Wire> {
    client.finish();
    Some(client)
}

#[test]
fn a_client_that_closes_while_waiting_cancels_its_request() {
    leaves(waiting_for_a_head, by_closing);
}

#[test]
fn a_client_that_resets_while_waiting_cancels_its_request() {
    leaves(waiting_for_a_head, by_reset);
}

#[test]
fn a_client_that_sends_fin_while_waiting_cancels_its_request() {
    leaves(waiting_for_a_head, by_ending_its_direction);
}

#[test]
fn a_client_that_resets_after_an_upload_cancels_its_request() {
    leaves(after_an_upload, by_reset);
}

#[test]
fn a_client_that_sends_fin_after_an_upload_cancels_its_request() {
    leaves(after_an_upload, by_ending_its_direction);
}

#[test]
fn a_client_that_resets_in_the_middle_of_a_download_ends_it() {
    leaves(in_the_middle_of_a_download, by_reset);
}

#[test]
fn a_client_that_closes_in_the_middle_of_an_upload_ends_it() {
    leaves(in_the_middle_of_an_upload, by_closing);
}

#[test]
fn a_client_that_resets_in_the_middle_of_an_upload_ends_it() {
    leaves(in_the_middle_of_an_upload, by_reset);
}

#[test]
fn an_upload_cut_short_never_looks_complete_to_the_backend() {
    for head in [
        "POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nfirst",
        "POST /up HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n",
    ] {
        let origin = Origin::bind();
        let proxy = Proxy::to(&[origin.address()]);
        let mut client = proxy.connect();
        client.send(head);
        let mut backend = origin.accept();
        let fault = std::thread::spawn(move || backend.try_request().expect_err("it is cut"));
        client.finish();
        let fault = fault.join().expect("the backend saw no complete request");
        assert!(fault.contains("cut short"), "{fault}");
        assert!(!fault.contains("\\r\\n0\\r\\n\\r\\n"), "{fault}");
    }
}

#[test]
fn a_client_that_leaves_while_its_backend_is_connected_to_cancels_that() {
    let hole = BlackHole::open();
    let setup = Setup { timeouts: "connect = \"1m\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[hole.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let other = proxy.connect().has_news_within(Duration::from_millis(100));
    assert!(!other, "nothing to be told");
    let left = Instant::now();
    client.reset();
    proxy.counted(Reason::ClientGone, 1);
    assert!(left.elapsed() < CANCELLED_WITHIN);
}

/// The proxy is not reading from the client, since the backend is not reading from it.
#[test]
fn a_client_that_resets_while_its_upload_is_held_back_ends_it() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 10000000000\r\n\r\n");
    let mut backend = origin.accept();
    backend.head();
    client.send_until_stalled(&[b'x'; 64 * 1024], Duration::from_millis(300));
    let left = Instant::now();
    client.reset();
    proxy.counted(Reason::ClientGone, 1);
    let took = left.elapsed();
    assert!(took < CANCELLED_WITHIN, "cancelled after {took:?}");
    assert!(backend.is_closed());
}

/// The proxy is not reading from the backend, since the client is not reading from it.
#[test]
fn a_client_that_resets_while_its_download_is_held_back_ends_it() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = Wire::connect_narrow(proxy.address(), 64 * 1024);
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
    backend.send_until_stalled(&[b'x'; 64 * 1024], Duration::from_millis(300));
    let left = Instant::now();
    client.reset();
    assert!(backend.is_closed());
    let took = left.elapsed();
    assert!(took < CANCELLED_WITHIN, "cancelled after {took:?}");
    proxy.counted(Reason::ClientGone, 1);
}

#[test]
fn a_client_that_leaves_between_requests_is_no_error() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    client.response();
    client.finish();
    client.closed();
    assert_eq!(proxy.count(Reason::ClientGone), 0);
    // The backend's connection serves the next client.
    let mut client = proxy.connect();
    client.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(backend.request().target(), "/next");
}
