//! The handshake's time, how many there may be at once, and how connections end.

use std::io::Read;
use std::sync::Arc;

use crate::names::s_client;
use crate::support::{DEADLINE, Pki, TlsWire, Wire, eventually};
use crate::{certificates, proxy};

#[test]
fn versions_are_those_that_are_written() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let both = proxy(&certificates(&pki, &["shop"]), "");
    let newer = proxy(&format!("min_version = \"1.3\"\n{}", certificates(&pki, &["shop"])), "");
    for (proxy, version, works) in [
        (&both, "-tls1_3", true),
        (&both, "-tls1_2", true),
        (&newer, "-tls1_3", true),
        (&newer, "-tls1_2", false),
    ] {
        let out = s_client(&proxy.address().to_string(), &["-servername", "shop.example", version]);
        assert_eq!(out.contains("Server certificate"), works, "{version}: {out}");
    }
}

#[test]
fn the_hybrid_key_exchange_is_preferred() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let client = Arc::new(pki.client(None));
    let wire = TlsWire::connect(proxy.address(), &client, "shop.example").expect("a session");
    let group = wire.stream.conn.negotiated_key_exchange_group().expect("one was agreed on");
    assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);
}

#[test]
fn a_handshake_that_takes_too_long_is_ended() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy =
        proxy(&certificates(&pki, &["shop"]), "[listener.timeouts]\ntls_handshake = \"200ms\"");
    let mut silent = Wire::connect(proxy.address());
    silent.closed();
    let mut slow = Wire::connect(proxy.address());
    // The beginning of a ClientHello, and never the rest.
    slow.send(b"\x16\x03\x01\x02\x00\x01");
    slow.closed();
    eventually("the one that had begun is counted", || {
        proxy.daemon().metrics().sum(|worker| &worker.tls_failed) == 1
    });
    let client = Arc::new(pki.client(None));
    let mut wire = TlsWire::connect(proxy.address(), &client, "shop.example").expect("a session");
    assert_eq!(wire.get("shop.example", "/").status(), 200);
}

#[test]
fn a_stop_does_not_wait_for_those_who_never_shake_hands() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let mut silent = Wire::connect(proxy.address());
    let mut begun = Wire::connect(proxy.address());
    begun.send(b"\x16\x03\x01\x02\x00\x01");
    eventually("both are accepted", || {
        proxy.daemon().metrics().sum(|worker| &worker.connections) == 2
    });
    proxy.daemon().stop_gracefully();
    silent.closed();
    begun.closed();
}

#[test]
fn a_connection_ends_with_a_word() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let client = Arc::new(pki.client(None));
    let mut wire = TlsWire::connect(proxy.address(), &client, "shop.example").expect("a session");
    wire.send("GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
    let mut all = Vec::new();
    // Without close_notify this is an error.
    wire.stream.read_to_end(&mut all).expect("the end is told");
    assert!(all.ends_with(b"hello"));
}

#[test]
fn who_comes_when_all_places_for_handshakes_are_taken_waits_for_one() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let text =
        crate::text(&certificates(&pki, &["shop"]), "").replace("workers = 4", "workers = 1");
    let proxy = crate::support::Proxy::from_text(&text);
    let n_max = forebay::proxy::HANDSHAKES_MAX;
    let mut slow: Vec<Wire> = (0..n_max).map(|_| Wire::connect(proxy.address())).collect();
    slow.iter_mut().for_each(|wire| wire.send(b"\x16\x03\x01\x02\x00\x01"));
    eventually("all are at it", || {
        proxy.daemon().metrics().sum(|worker| &worker.connections) == n_max as u64
    });
    // Silent ones take no place, and those whose handshake is over have given theirs back.
    let client = Arc::new(pki.client(None));
    let (address, config) = (proxy.address(), Arc::clone(&client));
    let (done, outcome) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let wire = TlsWire::connect(address, &config, "shop.example");
        done.send(wire.map(drop)).expect("somebody waits");
    });
    let early = outcome.recv_timeout(std::time::Duration::from_millis(300));
    assert!(early.is_err(), "it did not wait: {early:?}");
    drop(slow.pop());
    outcome.recv_timeout(DEADLINE).expect("it gets the place").expect("a session");
    thread.join().expect("it ends");
}
