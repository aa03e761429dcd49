//! A route's own limit and timeouts, over the listener's and the upstream's.

use super::{backend, proxy};
use crate::support::{Origin, Proxy};
use forebay::error::Reason;

const ROUTES: &str = r#"
    limits = { body = "10B" }
    [[route]]
    name = "large"
    match = { path = "/large" }
    limits = { body = "20B" }
    upstream = "a"
    [[route]]
    name = "off"
    match = { path = "/off" }
    limits = { body = "off" }
    upstream = "a"
    [[route]]
    name = "small"
    match = { path = "/small" }
    limits = { body = "5B" }
    upstream = "a"
    [[route]]
    name = "rest"
    upstream = "a"
"#;

#[test]
fn the_route_says_how_long_a_body_may_be() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    for (path, most) in [("/large", 20), ("/small", 5), ("/", 10)] {
        for (n, expected) in [(most, 200), (most + 1, 413)] {
            let body = "x".repeat(n);
            let mut client = proxy.connect();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {n}\r\n\r\n{body}"
            ));
            assert_eq!(client.response().status(), expected, "{n} to {path}");
            let mut client = proxy.connect();
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{n:x}\r\n{body}\r\n0\r\n\r\n"
            ));
            assert_eq!(client.response().status(), expected, "{n} in chunks to {path}");
        }
    }
    let mut client = proxy.connect();
    let body = "x".repeat(100_000);
    client
        .send(format!("POST /off HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\n{body}"));
    assert_eq!(client.response().status(), 200);
    proxy.counted(Reason::BodyLimit, 6);
}

#[test]
fn the_route_says_how_long_a_backend_may_take() {
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"quick\"\nmatch = {{ path = \"/quick\" }}\nupstream = \"a\"\n\
         timeouts = {{ first_byte = \"50ms\" }}\n\
         [[route]]\nname = \"rest\"\nupstream = \"a\"\n\
         [upstream.a]\nbackends = [\"{}\"]\ntimeouts = {{ first_byte = \"1h\" }}\n",
        origin.address()
    ));
    let (mut patient, mut quick) = (proxy.connect(), proxy.connect());
    patient.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut slow = origin.accept();
    slow.request();
    quick.send("GET /quick HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(quick.response().status(), 504);
    slow.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(patient.response().status(), 200);
    proxy.counted(Reason::FirstByteTimeout, 1);
}
