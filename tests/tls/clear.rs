//! Those who speak the wrong language: plain HTTP on a port of TLS, TLS on a port of plain HTTP.

use std::process::Command;
use std::sync::Arc;

use forebay::error::Reason;

use crate::support::{Pki, Proxy, TlsWire, Wire, eventually};
use crate::{certificates, proxy};

#[test]
fn plain_http_on_a_tls_port_gets_a_clear_400_and_the_end() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nx-long: {}\r\n\r\n", "x".repeat(20_000));
    let requests = ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", &long, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
    for request in requests {
        let mut wire = Wire::connect(proxy.address());
        let _ = wire.try_send(request);
        let answer = wire.response();
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.field("connection"), Some("close"));
        assert!(answer.text().contains("speaks TLS"), "{answer:?}");
        wire.closed();
    }
    proxy.counted(Reason::BadRequest, 3);
    let failed = proxy.daemon().metrics().sum(|worker| &worker.tls_failed);
    assert_eq!(failed, 3);
}

#[test]
fn tls_on_a_plain_port_is_closed() {
    let pki = Pki::new();
    let proxy = Proxy::from_text(
        "[global]\nworkers = 4\n[[listener]]\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nrespond = { body = \"hello\" }\n",
    );
    let client = Arc::new(pki.client(None));
    for _ in 0..3 {
        assert!(TlsWire::connect(proxy.address(), &client, "shop.example").is_err());
    }
    // Nobody was answered.
    assert_eq!(proxy.count(Reason::BadRequest), 0);
    assert_eq!(Wire::connect(proxy.address()).get("/").status(), 200);
}

#[test]
fn curl_is_served_in_every_version_and_sees_the_end() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    let proxy = proxy(&certificates(&pki, &["shop"]), "");
    let port = proxy.address().port();
    for version in ["1.2", "1.3"] {
        let output = Command::new("curl")
            .args(["-sS", "-D", "-", "--http1.1", "--cacert"])
            .arg(pki.path("ca.pem"))
            .args(["--tls-max", version, "--connect-to"])
            .arg(format!("shop.example:{port}:127.0.0.1:{port}"))
            .arg(format!("https://shop.example:{port}/"))
            .output()
            .expect("curl is installed");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{version}: {output:?}");
        assert!(text.contains("hello") && text.contains("x-scheme: https"), "{text}");
    }
    eventually("both handshakes are counted", || {
        proxy.daemon().metrics().sum(|worker| &worker.tls_handshakes) == 2
    });
}

#[test]
fn http2_is_agreed_on_where_both_speak_it() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    for (http, offered, spoken) in [
        ("", "--http2", "2"),
        ("", "--http1.1", "1.1"),
        ("http = { h2 = false }", "--http2", "1.1"),
        ("http = { h1 = false }", "--http2", "2"),
    ] {
        let text = crate::text(&certificates(&pki, &["shop"]), "");
        let text = text.replace("[listener.tls]", &format!("{http}\n[listener.tls]"));
        let proxy = Proxy::from_text(&text);
        let port = proxy.address().port();
        let output = Command::new("curl")
            .args(["-sS", "-w", "version %{http_version}", offered, "--cacert"])
            .arg(pki.path("ca.pem"))
            .arg("--connect-to")
            .arg(format!("shop.example:{port}:127.0.0.1:{port}"))
            .arg(format!("https://shop.example:{port}/"))
            .output()
            .expect("curl is installed");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said, format!("helloversion {spoken}"), "{http} {offered}: {output:?}");
    }
}
