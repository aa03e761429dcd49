//! Certificates of clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use crate::support::{Pki, Proxy, TlsWire};
use crate::{certificates, proxy, text};

fn asking(pki: &Pki, clients: &Pki, mode: &str) -> Proxy {
    let ca = clients.path("ca.pem").display().to_string();
    let tls = format!(
        "client_auth = {{ ca = \"{ca}\", mode = \"{mode}\" }}\n{}",
        certificates(pki, &["shop"])
    );
    proxy(&tls, "")
}

/// The status, or that there was no answer.
fn ask(proxy: &Proxy, config: rustls::ClientConfig) -> Option<(u16, String, String)> {
    let mut wire = TlsWire::connect(proxy.address(), &Arc::new(config), "shop.example").ok()?;
    let answer = wire.try_get("shop.example", "/").ok()?;
    let field = |name: &str| answer.field(name).unwrap_or_default().to_owned();
    Some((answer.status(), field("x-subject"), field("x-fingerprint")))
}

#[test]
fn a_required_certificate_has_to_be_there_and_good() {
    let (pki, strangers) = (Pki::new(), Pki::new());
    pki.issue("shop", &["shop.example"]);
    pki.issue("alice", &[]);
    strangers.issue("mallory", &[]);
    let proxy = asking(&pki, &pki, "require");
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let (status, subject, fingerprint) =
            ask(&proxy, pki.client_of(Some("alice"), versions)).expect("an answer");
        assert_eq!((status, subject.as_str()), (200, "CN=alice"));
        assert_eq!(fingerprint.len(), 64);
        assert_eq!(ask(&proxy, pki.client_of(None, versions)), None);
        // Mallory trusts the server, but nobody here vouches for Mallory.
        std::fs::copy(strangers.path("mallory.crt"), pki.path("mallory.crt")).expect("copied");
        std::fs::copy(strangers.path("mallory.key"), pki.path("mallory.key")).expect("copied");
        assert_eq!(ask(&proxy, pki.client_of(Some("mallory"), versions)), None);
    }
}

#[test]
fn a_client_that_is_refused_while_it_still_sends_is_told_why() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = asking(&pki, &pki, "require");
    let name = "shop.example".try_into().expect("a name");
    let config = Arc::new(pki.client_of(None, &[&rustls::version::TLS13]));
    let mut client = rustls::ClientConnection::new(config, name).expect("a client");
    let mut socket = TcpStream::connect(proxy.address()).expect("connected");
    client.write_tls(&mut socket).expect("sent");
    while client.is_handshaking() {
        assert_ne!(client.read_tls(&mut socket).expect("an answer"), 0);
        client.process_new_packets().expect("a handshake");
    }
    // In TLS 1.3 that is over for the client before anybody looks at what it does not show: it sends its request.
    client.writer().write_all(&[b'x'; 40_000]).expect("room");
    let mut flight = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut flight).expect("room");
    }
    socket.write_all(&flight).expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the end, and no reset");
    client.read_tls(&mut answer.as_slice()).expect("a record");
    let why = client.process_new_packets().expect_err("it is refused");
    let told = rustls::AlertDescription::CertificateRequired;
    assert_eq!(why, rustls::Error::AlertReceived(told));
}

#[test]
fn an_optional_certificate_may_be_missing_but_not_bad() {
    let (pki, strangers) = (Pki::new(), Pki::new());
    pki.issue("shop", &["shop.example"]);
    pki.issue("alice", &[]);
    strangers.issue("mallory", &[]);
    let proxy = asking(&pki, &pki, "optional");
    let (status, subject, _) = ask(&proxy, pki.client(Some("alice"))).expect("an answer");
    assert_eq!((status, subject.as_str()), (200, "CN=alice"));
    let (status, subject, fingerprint) = ask(&proxy, pki.client(None)).expect("an answer");
    assert_eq!((status, subject.as_str(), fingerprint.as_str()), (200, "", ""));
    std::fs::copy(strangers.path("mallory.crt"), pki.path("mallory.crt")).expect("copied");
    std::fs::copy(strangers.path("mallory.key"), pki.path("mallory.key")).expect("copied");
    assert_eq!(ask(&proxy, pki.client(Some("mallory"))), None);
}

#[test]
fn a_clients_certificate_that_has_expired_is_refused() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    pki.issue_as("late", &[], &crate::support::PKCS_ECDSA_P256_SHA256, |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    for mode in ["require", "optional"] {
        let proxy = asking(&pki, &pki, mode);
        assert_eq!(ask(&proxy, pki.client(Some("late"))), None);
    }
}

#[test]
fn a_connection_from_before_clients_had_to_show_a_certificate_is_served_no_more() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    pki.issue("alice", &[]);
    let ca = pki.path("ca.pem").display().to_string();
    let with = |mode: &str| {
        let asks = format!("client_auth = {{ ca = \"{ca}\", mode = \"{mode}\" }}\n");
        text(&format!("{asks}{}", certificates(&pki, &["shop"])), "")
    };
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let connect = |client: Option<&str>| {
        let config = Arc::new(pki.client(client));
        TlsWire::connect(proxy.address(), &config, "shop.example").expect("a session")
    };
    let mut before = connect(None);
    assert_eq!(before.get("shop.example", "/").status(), 200);
    proxy.rewrite(&with("require"));
    proxy.reload().expect("a good configuration");
    let answer = before.get("shop.example", "/");
    assert_eq!((answer.status(), answer.field("connection")), (421, Some("close")));
    assert_eq!(before.try_get("shop.example", "/").ok().map(|_| ()), None);
    // Whoever has shown one need not do so again, until somebody else is to vouch for it.
    let mut alice = connect(Some("alice"));
    assert_eq!(alice.get("shop.example", "/").status(), 200);
    for mode in ["optional", "require"] {
        proxy.rewrite(&with(mode));
        proxy.reload().expect("a good configuration");
        assert_eq!(alice.get("shop.example", "/").status(), 200, "{mode}");
    }
    std::fs::write(pki.path("ca.pem"), std::fs::read(Pki::new().path("ca.pem")).expect("a file"))
        .expect("a file");
    proxy.reload().expect("a good configuration");
    assert_eq!(alice.get("shop.example", "/").status(), 421);
}
