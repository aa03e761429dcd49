//! Who the client is, as backends are told it.

use crate::support::{Message, Proxy, Service, Setup};

/// Sends `request` through a proxy with these lines of `[global]` and tells what the backend got.
fn through(global: &str, upstream: &str, request: &str) -> Message {
    let service = Service::echo();
    let setup = Setup { global, upstream, ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    client.send(request);
    let answer = client.response();
    assert_eq!(answer.status(), 200, "{answer:?} after {:?}", service.records());
    drop(client);
    proxy.stop();
    let requests: Vec<Message> = service.finish().into_iter().flat_map(|r| r.requests).collect();
    assert_eq!(requests.len(), 1);
    requests.into_iter().next().expect("one request")
}

const TRUSTING: &str = "trusted_proxies = [\"127.0.0.0/8\"]";

#[test]
fn an_untrusted_peer_cannot_say_who_it_is() {
    let got = through(
        "",
        "",
        "GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.1\r\nx-forwarded-for: 192.0.2.2\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Port: 443\r\n\
         X-Forwarded-Prefix: /evil\r\nX-Forwarded-Anything: evil\r\nForwarded: for=192.0.2.3\r\n\
         X-Real-IP: 192.0.2.4\r\nX-Request-Id: evil\r\n\r\n",
    );
    assert_eq!(got.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(got.field("x-forwarded-proto"), Some("http"));
    assert_eq!(got.field("x-forwarded-host"), Some("test"));
    assert_eq!(got.field("forwarded"), None);
    assert_eq!(got.field("x-forwarded-prefix"), None);
    assert_eq!(got.field("x-forwarded-anything"), None);
    assert_ne!(got.field("x-forwarded-port"), Some("443"));
    assert_ne!(got.field("x-real-ip"), Some("192.0.2.4"));
    assert_ne!(got.field("x-request-id"), Some("evil"));
}

#[test]
fn a_trusted_peer_is_believed_and_appended() {
    let got = through(
        TRUSTING,
        "",
        "GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 203.0.113.7, 198.51.100.2\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example\r\nX-Request-Id: abc-123\r\n\r\n",
    );
    assert_eq!(got.field("x-forwarded-for"), Some("203.0.113.7, 198.51.100.2, 127.0.0.1"));
    assert_eq!(got.field("x-forwarded-proto"), Some("https"));
    assert_eq!(got.field("x-forwarded-host"), Some("shop.example"));
    assert_eq!(got.field("x-request-id"), Some("abc-123"));
}

#[test]
fn several_fields_of_a_trusted_peer_are_read_as_one_list() {
    let got = through(
        TRUSTING,
        "",
        "GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 198.51.100.2\r\n\r\n",
    );
    let all = got.values("x-forwarded-for").join(", ");
    assert_eq!(all, "203.0.113.7, 198.51.100.2, 127.0.0.1");
}

#[test]
fn a_trusted_peer_that_says_nothing_is_the_client() {
    let got = through(TRUSTING, "", "GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(got.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(got.field("x-forwarded-proto"), Some("http"));
    assert_eq!(got.field("x-forwarded-host"), Some("test"));
}

#[test]
fn with_forwarded_as_the_source_the_other_header_is_removed() {
    let got = through(
        "trusted_proxies = [\"127.0.0.1\"]\nclient_ip_header = \"forwarded\"\nforwarded = true",
        "",
        "GET / HTTP/1.1\r\nHost: test\r\nForwarded: for=203.0.113.7\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
    );
    let x_forwarded_for = got.values("x-forwarded-for").join(", ");
    assert!(!x_forwarded_for.contains("192.0.2.1"), "{x_forwarded_for}");
    let forwarded = got.values("forwarded").join(", ");
    assert!(forwarded.starts_with("for=203.0.113.7"), "{forwarded}");
    assert!(forwarded.contains("for=127.0.0.1"), "{forwarded}");
}

#[test]
fn forwarded_is_emitted_when_it_is_wanted() {
    let got = through("forwarded = true", "", "GET / HTTP/1.1\r\nHost: test:81\r\n\r\n");
    let forwarded = got.field("forwarded").expect("a Forwarded field").to_ascii_lowercase();
    let mut parts: Vec<&str> = forwarded.split(';').map(str::trim).collect();
    parts.sort_unstable();
    assert_eq!(parts, ["for=127.0.0.1", "host=\"test:81\"", "proto=http"]);
}

#[test]
fn each_request_gets_an_id_of_its_own() {
    let service = Service::echo();
    let proxy = Proxy::to(&[service.address()]);
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.get("/");
    }
    let records = service.records();
    let ids: Vec<&str> = records
        .iter()
        .flat_map(|record| &record.requests)
        .map(|request| request.field("x-request-id").expect("a request id"))
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| id.len() >= 16), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
}

#[test]
fn the_request_id_travels_under_its_configured_name() {
    let service = Service::echo();
    let setup = Setup { more: "[telemetry]\nrequest_id = \"x-trace\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    proxy.connect().get("/");
    let request = &service.records()[0].requests[0];
    assert!(request.field("x-trace").is_some());
    assert!(request.field("x-request-id").is_none());
}

#[test]
fn the_host_is_the_clients_or_the_backends_or_a_literal() {
    let service = Service::echo();
    let address = service.address();
    drop(service);
    let request = "GET / HTTP/1.1\r\nHost: Shop.Example:8080\r\n\r\n";
    assert_eq!(through("", "", request).field("host"), Some("Shop.Example:8080"));
    let backend = through("", "host = \"backend\"", request);
    let host = backend.field("host").expect("a Host");
    assert!(host.starts_with("127.0.0.1:"), "{host} is not a backend's, as {address} is");
    assert_eq!(backend.field("x-forwarded-host"), Some("Shop.Example:8080"));
    let literal = through("", "host = \"api.internal\"", request);
    assert_eq!(literal.field("host"), Some("api.internal"));
}

#[test]
fn ordinary_fields_travel_in_order_and_untouched() {
    let got = through(
        "",
        "",
        "GET / HTTP/1.1\r\nHost: test\r\nAccept: */*\r\nCookie: a=1\r\nX-A:  b \r\nCookie: c=2\r\n\
         Authorization: Basic eHg=\r\nUser-Agent: x/1 (y; z)\r\nAccept-Encoding: gzip, br\r\n\r\n",
    );
    for (name, value) in [
        ("accept", "*/*"),
        ("x-a", "b"),
        ("authorization", "Basic eHg="),
        ("user-agent", "x/1 (y; z)"),
        ("accept-encoding", "gzip, br"),
    ] {
        assert_eq!(got.field(name), Some(value));
    }
    assert_eq!(got.values("cookie"), ["a=1", "c=2"]);
}
