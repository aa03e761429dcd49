//! What backends and clients are told of a connection through TLS.

use crate::certificates;
use crate::support::{Message, Pki, Proxy, Service, TlsWire};
use std::sync::Arc;

#[test]
fn backends_are_told_that_the_client_came_by_tls_and_cookies_stay_there() {
    let pki = Pki::new();
    pki.issue("shop", &["shop.example"]);
    pki.issue("alice", &[]);
    let service = Service::echo();
    let ca = pki.path("ca.pem").display().to_string();
    let text = format!(
        "[global]\nworkers = 4\nforwarded = true\n\
         [[listener]]\nbind = \"127.0.0.1:0\"\n[listener.tls]\n{}\n\
         client_auth = {{ ca = \"{ca}\", mode = \"optional\" }}\n\
         [[route]]\nfilters = [\"who\"]\nupstream = \"app\"\n\
         [filter.who.headers.request]\n\
         set = {{ x-who = \"{{client_cert_subject}}\", x-print = \"{{client_cert_fingerprint}}\" }}\n\
         [upstream.app]\nbackends = [\"{}\"]\nsticky = {{ cookie = \"STAY\" }}\n",
        certificates(&pki, &["shop"]),
        service.address()
    );
    let proxy = Proxy::from_text(&text);
    let config = Arc::new(pki.client(Some("alice")));
    let mut wire = TlsWire::connect(proxy.address(), &config, "shop.example").expect("a session");
    wire.send(
        "GET /a HTTP/1.1\r\nHost: shop.example\r\nX-Forwarded-Proto: http\r\n\
         X-Who: CN=mallory\r\n\r\n",
    );
    let answer = wire.response();
    assert_eq!(answer.status(), 200);
    let cookie = answer.field("set-cookie").expect("a cookie");
    assert!(cookie.starts_with("STAY=") && cookie.ends_with("; Secure"), "{cookie}");
    drop(wire);
    proxy.stop();
    let got: Vec<Message> = service.finish().into_iter().flat_map(|it| it.requests).collect();
    assert_eq!(got[0].field("x-forwarded-proto"), Some("https"));
    assert_eq!(got[0].field("x-who"), Some("CN=alice"));
    assert_eq!(got[0].field("x-print").map(str::len), Some(64));
    let forwarded = got[0].field("forwarded").expect("it is asked for");
    assert!(forwarded.ends_with(";proto=https"), "{forwarded}");
}
