//! What a call of gRPC is to the proxy, byte by byte: over HTTP/1.1, where everything can be seen.

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Setup, refused_address};

fn call(more: &str) -> String {
    format!(
        "POST /test.Service/Unary HTTP/1.1\r\nHost: test\r\nContent-Type: application/grpc+proto\r\n\
         TE: trailers\r\n{more}Content-Length: 5\r\n\r\n\0\0\0\0\0"
    )
}

fn proxy(timeouts: &str, backend: std::net::SocketAddr) -> Proxy {
    Proxy::with(Setup { timeouts, ..Setup::default() }, &[backend])
}

#[test]
fn a_refusal_is_a_status_of_grpc_in_a_head_of_its_own() {
    let refused = refused_address();
    let proxy = proxy("", refused.address());
    let mut client = proxy.connect();
    client.send(call(""));
    let answer = client.response();
    assert_eq!((answer.status(), answer.body.len()), (200, 0));
    assert_eq!(answer.field("content-type"), Some("application/grpc"));
    assert_eq!(answer.field("grpc-status"), Some("14"));
    let message = answer.field("grpc-message").expect("a message");
    assert!(message.contains("reason: connect_failed; request id: "), "{message}");
    proxy.counted(Reason::ConnectFailed, 1);
    // Others on the same connection are answered as ever.
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.response().status(), 502);
}

#[test]
fn the_time_that_the_client_gives_is_sent_on_and_holds() {
    let origin = Origin::bind();
    let proxy = proxy("total = \"60s\"", origin.address());
    let mut client = proxy.connect();
    client.send(call("grpc-timeout: 150m\r\n"));
    let mut backend = origin.accept();
    let request = backend.request();
    assert_eq!(request.field("grpc-timeout"), Some("150m"));
    assert_eq!(request.field("te"), Some("trailers"));
    let answer = client.response();
    assert_eq!((answer.status(), answer.field("grpc-status")), (200, Some("4")));
    backend.closed();
    proxy.counted(Reason::TotalTimeout, 1);
}

#[test]
fn the_shorter_of_two_times_holds() {
    let origin = Origin::bind();
    let proxy = proxy("total = \"100ms\"", origin.address());
    let mut client = proxy.connect();
    client.send(call("grpc-timeout: 1H\r\n"));
    let _backend = origin.accept();
    assert_eq!(client.response().field("grpc-status"), Some("4"));
}

#[test]
fn a_time_that_cannot_be_read_is_the_backends_to_judge() {
    let origin = Origin::bind();
    let proxy = proxy("", origin.address());
    let mut client = proxy.connect();
    client.send(call("grpc-timeout: soon\r\n"));
    let mut backend = origin.accept();
    assert_eq!(backend.request().field("grpc-timeout"), Some("soon"));
    backend.send("HTTP/1.1 200 OK\r\ngrpc-status: 0\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().field("grpc-status"), Some("0"));
}
