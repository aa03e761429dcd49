//! Sessions that go on: on every worker, across reloads, and never past what a client had to show.

use std::sync::Arc;

use rustls::HandshakeKind;

use crate::support::{Pki, Proxy, TlsWire};
use crate::{certificates, proxy, text};

/// A request on a new connection; how the handshake went.
#[track_caller]
fn ask(proxy: &Proxy, config: &Arc<rustls::ClientConfig>, name: &str) -> HandshakeKind {
    let mut wire = TlsWire::connect(proxy.address(), config, name).expect("a session");
    assert_eq!(wire.get(name, "/").status(), 200);
    wire.kind()
}

#[test]
fn a_session_goes_on_at_every_worker_in_both_versions() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let client = Arc::new(pki.client_of(None, versions));
        assert_ne!(ask(&proxy, &client, "shop.example"), HandshakeKind::Resumed);
        // So many that no worker is left out.
        for _ in 0..40 {
            assert_eq!(ask(&proxy, &client, "shop.example"), HandshakeKind::Resumed);
        }
    }
    let resumed = proxy.daemon().metrics().sum(|worker| &worker.tls_resumed);
    assert_eq!(resumed, 80);
    let busy = proxy.daemon().metrics();
    let busy = busy.workers.iter().filter(|worker| worker.tls_resumed.value() > 0).count();
    assert!(busy >= 2, "only {busy} workers were asked");
}

#[test]
fn a_session_goes_on_after_a_reload_and_a_renewed_certificate() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let tls = certificates(&pki, &["shop"]);
    let proxy = proxy(&tls, "");
    let client = Arc::new(pki.client(None));
    assert_ne!(ask(&proxy, &client, "shop.example"), HandshakeKind::Resumed);
    proxy.reload().expect("a good configuration");
    assert_eq!(ask(&proxy, &client, "shop.example"), HandshakeKind::Resumed);
    // Something else of the listener changes.
    proxy.rewrite(&text(&tls, "[listener.timeouts]\nheader = \"9s\""));
    proxy.reload().expect("a good configuration");
    assert_eq!(ask(&proxy, &client, "shop.example"), HandshakeKind::Resumed);
    proxy.rewrite(&text(&format!("sni_host_check = false\n{tls}"), ""));
    proxy.reload().expect("a good configuration");
    assert_eq!(ask(&proxy, &client, "shop.example"), HandshakeKind::Resumed);
    pki.issue("shop", &["shop.example"]);
    proxy.reload().expect("a good configuration");
    assert_eq!(ask(&proxy, &client, "shop.example"), HandshakeKind::Resumed);
}

#[test]
fn a_session_does_not_go_on_for_another_name() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example", "other.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let address = proxy.address().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("session").display().to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        // A session is stored once its ticket came, which is with the response.
        let said = openssl(&address, &["-servername", "shop.example", version, "-sess_out", &file]);
        assert!(said.contains("New, "), "{said}");
        let said = openssl(&address, &["-servername", "shop.example", version, "-sess_in", &file]);
        assert!(said.contains("Reused, "), "{said}");
        let said = openssl(&address, &["-servername", "other.example", version, "-sess_in", &file]);
        assert!(!said.contains("Reused, "), "{said}");
    }
}

/// A request through `openssl s_client`, until the server closes.
fn openssl(address: &str, arguments: &[&str]) -> String {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", address, "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    let name = arguments[1];
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
    child.stdin.take().expect("piped").write_all(request.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("200 OK"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn a_ticket_never_bypasses_what_clients_have_to_show() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    pki.issue("alice", &[]);
    let other = Pki::new();
    let shown = certificates(&pki, &["shop"]);
    let auth = |pki: &Pki, mode: &str| {
        let ca = pki.path("ca.pem").display().to_string();
        format!("client_auth = {{ ca = \"{ca}\", mode = \"{mode}\" }}\n{shown}")
    };
    let refused = |proxy: &Proxy, config: &Arc<rustls::ClientConfig>| {
        let wire = TlsWire::connect(proxy.address(), config, "shop.example");
        wire.and_then(|mut wire| wire.try_get("shop.example", "/")).is_err()
    };
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let proxy = proxy(&shown, "");
        let stranger = Arc::new(pki.client_of(None, versions));
        ask(&proxy, &stranger, "shop.example");
        assert_eq!(ask(&proxy, &stranger, "shop.example"), HandshakeKind::Resumed);
        // From nothing to `optional`: not by a ticket. From there to `require`: not at all.
        proxy.rewrite(&text(&auth(&pki, "optional"), ""));
        proxy.reload().expect("a good configuration");
        assert_ne!(ask(&proxy, &stranger, "shop.example"), HandshakeKind::Resumed);
        assert_eq!(ask(&proxy, &stranger, "shop.example"), HandshakeKind::Resumed);
        proxy.rewrite(&text(&auth(&pki, "require"), ""));
        proxy.reload().expect("a good configuration");
        assert!(refused(&proxy, &stranger));
        let alice = Arc::new(pki.client_of(Some("alice"), versions));
        assert_ne!(ask(&proxy, &alice, "shop.example"), HandshakeKind::Resumed);
        // Resumed, she is still known.
        let mut wire =
            TlsWire::connect(proxy.address(), &alice, "shop.example").expect("a session");
        let answer = wire.get("shop.example", "/");
        assert_eq!(wire.kind(), HandshakeKind::Resumed);
        assert_eq!(answer.field("x-subject"), Some("CN=alice"));
        // Another authority: her ticket says nothing any more.
        proxy.rewrite(&text(&auth(&other, "require"), ""));
        proxy.reload().expect("a good configuration");
        assert!(refused(&proxy, &alice));
    }
}
