//! Unix sockets on either side.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use crate::support::{DEADLINE, Proxy, Service};

fn text(listen: &str, backend: &str, global: &str) -> String {
    format!(
        "[global]\nworkers = 2\nshutdown_grace = \"2s\"\n{global}\n[[listener]]\nbind = \"{listen}\"\n\
         [[route]]\nupstream = \"app\"\n[upstream.app]\nbackends = [\"{backend}\"]\n"
    )
}

fn ask(path: &std::path::Path, request: &str, end: &str) -> String {
    let mut client = UnixStream::connect(path).expect("the socket accepts");
    client.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
    client.write_all(request.as_bytes()).expect("the request is taken");
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    while !got.ends_with(end.as_bytes()) {
        let n = client.read(&mut buffer).expect("an answer");
        assert!(n > 0, "closed after {}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8_lossy(&got).into_owned()
}

#[test]
fn clients_on_a_unix_socket_are_served_and_have_no_address() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("http.sock");
    let service = Service::echo();
    let proxy = Proxy::from_text(&text(
        &format!("unix:{}", path.display()),
        &service.address().to_string(),
        "",
    ));
    for _ in 0..4 {
        let request = "GET /a HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
        assert!(ask(&path, request, "\r\n\r\n/a").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    proxy.stop();
    for request in service.finish().iter().flat_map(|record| &record.requests) {
        assert_eq!(request.field("x-forwarded-for"), None);
        assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    }
    assert!(!path.exists(), "the socket was left behind");
}

#[test]
fn a_trusted_client_on_a_unix_socket_is_believed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("http.sock");
    let service = Service::echo();
    let listen = format!("unix:{}", path.display());
    let proxy = Proxy::from_text(&text(
        &listen,
        &service.address().to_string(),
        "trusted_proxies = [\"unix\"]",
    ));
    let request = "GET /a HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
    ask(&path, request, "\r\n\r\n/a");
    proxy.stop();
    let records = service.finish();
    assert_eq!(records[0].requests[0].field("x-forwarded-for"), Some("192.0.2.1"));
}

#[test]
fn a_backend_on_a_unix_socket_is_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).expect("a unix socket");
    let backend = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("a request");
            head.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("taken");
        String::from_utf8_lossy(&head).into_owned()
    });
    let proxy = Proxy::from_text(&text("127.0.0.1:0", &format!("unix:{}", path.display()), ""));
    assert_eq!(proxy.connect().get("/").text(), "ok");
    let head = backend.join().expect("the backend was asked");
    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
}
