//! Sticky sessions: who comes back finds its backend, for as long as that can be used.

use std::net::SocketAddr;

use crate::support::{Message, Proxy, Service, Wire, refused_address};
use crate::with_upstream;

const KEY: &str = "a key for these tests only";

/// An upstream with sticky sessions; the key stands in a file of this directory.
fn text(dir: &tempfile::TempDir, backends: &[String]) -> String {
    let key = dir.path().join("sticky.key");
    std::fs::write(&key, KEY).expect("written");
    with_upstream(&format!(
        "backends = [{}]\nsticky = {{ cookie = \"FOREBAY\", key = {{ file = \"{}\" }} }}",
        backends.join(", "),
        key.display()
    ))
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn plain(addresses: &[SocketAddr]) -> Vec<String> {
    addresses.iter().map(|address| format!("\"{address}\"")).collect()
}

fn ask(client: &mut Wire, cookies: &str) -> Message {
    client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nCookie: {cookies}\r\n\r\n"));
    client.response()
}

/// `NAME=VALUE` of the cookie that an answer sets.
fn set(answer: &Message) -> Option<String> {
    let value = answer.field("set-cookie")?;
    assert!(value.ends_with("; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"), "{value}");
    value.split(';').next().map(str::to_owned)
}

#[test]
fn a_client_stays_on_its_backend_over_connections_reloads_and_restarts() {
    let services = [Service::named("a"), Service::named("b"), Service::named("c")];
    let addresses = services.each_ref().map(Service::address);
    let dir = directory();
    let text = text(&dir, &plain(&addresses));
    let proxy = Proxy::from_file(&text);
    let answer = proxy.connect().get("/");
    let (name, cookie) = (answer.text(), set(&answer).expect("a cookie"));
    assert!(addresses.iter().all(|address| !cookie.contains(&address.port().to_string())));
    let stays = |proxy: &Proxy| {
        for _ in 0..6 {
            let answer = ask(&mut proxy.connect(), &format!("theme=dark; {cookie}"));
            assert_eq!((answer.text(), set(&answer)), (name.clone(), None));
        }
    };
    stays(&proxy);
    proxy.reload().expect("the same file");
    stays(&proxy);
    proxy.stop();
    stays(&Proxy::from_text(&text));
    let asked = services.iter().flat_map(Service::records).flat_map(|record| record.requests);
    let cookies: Vec<String> =
        asked.filter_map(|request| request.field("cookie").map(str::to_owned)).collect();
    assert_eq!(cookies, vec![format!("theme=dark; {cookie}"); 18], "backends see all cookies");
}

#[test]
fn when_its_backend_is_gone_or_refuses_the_client_moves_and_stays_there() {
    let (kept, other, refused) =
        (Service::named("kept"), Service::named("other"), refused_address());
    let dir = directory();
    let proxy = Proxy::from_file(&text(&dir, &plain(&[kept.address()])));
    let cookie = set(&proxy.connect().get("/")).expect("a cookie");
    proxy.rewrite(&text(&dir, &plain(&[other.address()])));
    proxy.reload().expect("a good file");
    let answer = ask(&mut proxy.connect(), &cookie);
    let moved = set(&answer).expect("another cookie");
    assert_eq!(answer.text(), "other");
    assert_ne!(moved, cookie);
    // A retry that ends elsewhere moves it, too; here each backend is met in turn.
    proxy.rewrite(&text(&dir, &plain(&[refused.address(), other.address()])));
    proxy.reload().expect("a good file");
    for _ in 0..4 {
        let answer = proxy.connect().get("/");
        assert_eq!((answer.text().as_str(), set(&answer)), ("other", Some(moved.clone())));
    }
}

#[test]
fn a_drained_backend_keeps_its_clients_and_gets_no_new_ones() {
    let (drained, other) = (Service::named("drained"), Service::named("other"));
    let dir = directory();
    let proxy = Proxy::from_file(&text(&dir, &plain(&[drained.address()])));
    let cookie = set(&proxy.connect().get("/")).expect("a cookie");
    proxy.rewrite(&text(
        &dir,
        &[
            format!("{{ address = \"{}\", weight = 0 }}", drained.address()),
            format!("\"{}\"", other.address()),
        ],
    ));
    proxy.reload().expect("a good file");
    for _ in 0..4 {
        assert_eq!(ask(&mut proxy.connect(), &cookie).text(), "drained");
        assert_eq!(proxy.connect().get("/").text(), "other");
    }
}

#[test]
fn errors_and_304s_of_the_backend_carry_the_cookie_and_answers_of_our_own_do_not() {
    for answer in ["304 Not Modified", "500 Internal Server Error\r\nContent-Length: 0"] {
        let service = Service::start(move |_| format!("HTTP/1.1 {answer}\r\n\r\n").into_bytes());
        let proxy = Proxy::from_text(&text(&directory(), &plain(&[service.address()])));
        let answer = proxy.connect().get("/");
        assert!(set(&answer).is_some(), "{}", answer.status());
        assert_eq!(answer.values("set-cookie").len(), 1);
    }
    let refused = refused_address();
    let proxy = Proxy::from_text(&text(&directory(), &plain(&[refused.address()])));
    let answer = proxy.connect().get("/");
    assert_eq!((answer.status(), answer.field("set-cookie")), (502, None));
}
