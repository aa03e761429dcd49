//! Upgrades: once the backend says 101, bytes flow both ways and mean nothing to the proxy.

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Setup, Wire};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\n\
                         Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                         Sec-WebSocket-Version: 13\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A tunnel and its two ends.
fn tunnel(origin: &Origin, proxy: &Proxy) -> (Wire, Wire) {
    let mut client = proxy.connect();
    client.send(HANDSHAKE);
    let mut backend = origin.accept();
    let head = backend.head().to_ascii_lowercase();
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    backend.send(SWITCHING);
    let answer = client.head().to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 101 switching protocols\r\n"), "{answer}");
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(answer.contains("\r\nconnection: upgrade\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{answer}"
    );
    (client, backend)
}

#[test]
fn bytes_flow_both_ways_through_an_upgraded_connection() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let (mut client, mut backend) = tunnel(&origin, &proxy);
    for i in 0..3_u8 {
        client.send([0x81, 0x01, i, 0, b'\r', b'\n']);
        assert_eq!(backend.exactly(6), [0x81, 0x01, i, 0, b'\r', b'\n']);
        backend.send([0xff, i]);
        assert_eq!(client.exactly(2), [0xff, i]);
    }
}

#[test]
fn bytes_sent_along_with_the_handshake_are_not_lost() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(format!("{HANDSHAKE}early"));
    let mut backend = origin.accept();
    backend.head();
    backend.send(format!("{SWITCHING}prompt"));
    client.head();
    assert_eq!(client.exactly(6), b"prompt");
    assert_eq!(backend.exactly(5), b"early");
}

#[test]
fn bytes_before_the_101_stay_away_from_a_backend_that_does_not_switch() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(format!("{HANDSHAKE}GET /next HTTP/1.1\r\nHost: test\r\n\r\n"));
    let mut backend = origin.accept();
    backend.head();
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(client.response().text(), "no");
    // They were a request, and are served as one.
    let request = backend.request();
    assert_eq!(request.target(), "/next");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    assert_eq!(client.response().text(), "yes");
}

#[test]
fn a_megabyte_flows_both_ways_at_once() {
    const N: usize = 1024 * 1024;
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let (mut client, mut backend) = tunnel(&origin, &proxy);
    let echo = std::thread::spawn(move || {
        let mut n = 0;
        while n < N {
            let bytes = backend.exactly(4096);
            n += bytes.len();
            backend.send(bytes);
        }
        backend
    });
    let sent: Vec<u8> = (0..N).map(|i| (i % 253) as u8).collect();
    for (i, piece) in sent.chunks(4096).enumerate() {
        client.send(piece);
        assert!(client.exactly(4096) == piece, "piece {i} was changed");
    }
    drop(echo.join().expect("the backend echoed it all"));
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let (mut client, mut backend) = tunnel(&origin, &proxy);
    client.send("last words");
    client.finish();
    assert_eq!(backend.rest(), b"last words");
    backend.send("still here");
    assert_eq!(client.exactly(10), b"still here");
    drop(backend);
    client.closed();
}

#[test]
fn the_end_of_the_backends_direction_leaves_the_clients_open() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let (mut client, mut backend) = tunnel(&origin, &proxy);
    backend.send("bye");
    backend.finish();
    assert_eq!(client.rest(), b"bye");
    client.send("still here");
    assert_eq!(backend.exactly(10), b"still here");
    drop(client);
    backend.closed();
}

#[test]
fn a_reset_of_one_end_ends_the_other() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let (client, mut backend) = tunnel(&origin, &proxy);
    client.reset();
    backend.closed();
    let (mut client, backend) = tunnel(&origin, &proxy);
    backend.reset();
    client.closed();
}

#[test]
fn a_refused_upgrade_is_an_ordinary_response() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(HANDSHAKE);
    let mut backend = origin.accept();
    backend.head();
    backend.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(client.response().status(), 403);
    client.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(backend.request().target(), "/next");
}

#[test]
fn a_silent_tunnel_is_closed_after_its_idle_time() {
    let origin = Origin::bind();
    let setup = Setup { timeouts: "tunnel_idle = \"200ms\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[origin.address()]);
    let (mut client, mut backend) = tunnel(&origin, &proxy);
    client.closed();
    backend.closed();
    proxy.counted(Reason::TunnelIdle, 1);
}

#[test]
fn a_tunnel_has_no_timeout_but_its_own() {
    let origin = Origin::bind();
    let timeouts = "response_idle = \"100ms\"\nfirst_byte = \"100ms\"\nbody_idle = \"100ms\"\n\
                    keepalive = \"100ms\"\nheader = \"100ms\"\ntunnel_idle = \"600ms\"";
    let proxy = Proxy::with(Setup { timeouts, ..Setup::default() }, &[origin.address()]);
    let start = std::time::Instant::now();
    let (mut client, mut backend) = tunnel(&origin, &proxy);
    client.closed();
    backend.closed();
    let lived = start.elapsed();
    assert!(lived >= std::time::Duration::from_millis(500), "closed after {lived:?}");
    proxy.counted(Reason::TunnelIdle, 1);
}

#[test]
fn a_101_keeps_its_upgrade_when_its_connection_names_other_fields_too() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send(HANDSHAKE);
    let mut backend = origin.accept();
    backend.head();
    backend.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nX-Hop: 1\r\n\
         Upgrade: websocket\r\n\r\n",
    );
    let answer = client.head().to_ascii_lowercase();
    assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
    assert!(!answer.contains("x-hop"), "{answer}");
}
