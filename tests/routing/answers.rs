//! Redirects and responses without a backend.

use super::{ask, backend, proxy};
use crate::support::{Framing, Proxy};

const ROUTES: &str = r#"
    [[route]]
    name = "old"
    match = { path_prefix = "/old" }
    redirect = { to = "https://{host}{path_and_query}", status = 301 }
    [[route]]
    name = "same"
    match = { path_prefix = "/" , headers = { x-same = { present = true } } }
    redirect = { to = "{path_and_query}", status = 302 }
    [[route]]
    name = "hello"
    match = { path = "/hello" }
    respond = { body = "hello\n", headers = { x-route = "{route}", x-asked = "{method} {path}" } }
    [[route]]
    name = "empty"
    match = { path = "/empty" }
    respond = { status = 204 }
    [[route]]
    name = "gone"
    match = { path = "/gone" }
    respond = { status = 410, body = "gone" }
    [[route]]
    name = "rest"
    upstream = "a"
"#;

#[test]
fn a_redirect_says_where_and_keeps_the_connection() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let answer = ask(&mut client, "GET", "/old/x?y=z&q=%20", "Host: Shop.Example:8080\r\n");
    assert_eq!(answer.line, "HTTP/1.1 301 Moved Permanently");
    assert_eq!(answer.field("location"), Some("https://shop.example/old/x?y=z&q=%20"));
    assert_eq!((answer.framing, answer.field("connection")), (Framing::Length(0), None));
    let absolute = ask(&mut client, "GET", "http://other.example/old", "");
    assert_eq!(absolute.field("location"), Some("https://other.example/old"));
    assert_eq!(client.get("/x").status(), 200);
}

#[test]
fn a_path_of_slashes_does_not_lead_elsewhere() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    for target in ["//evil.example/x", "///evil.example/x", "////evil.example/x"] {
        let answer = ask(&mut client, "GET", target, "X-Same: 1\r\n");
        assert_eq!((answer.status(), answer.field("location")), (302, Some("/evil.example/x")));
    }
    assert_eq!(ask(&mut client, "GET", "/\\evil.example", "X-Same: 1\r\n").status(), 400);
}

#[test]
fn a_response_has_its_body_headers_and_templates() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let answer = client.get("/hello");
    assert_eq!((answer.line.as_str(), answer.text().as_str()), ("HTTP/1.1 200 OK", "hello\n"));
    assert_eq!(answer.field("x-route"), Some("hello"));
    assert_eq!(answer.field("x-asked"), Some("GET /hello"));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.field("content-length"), Some("6"));
    let gone = client.get("/gone");
    assert_eq!((gone.line.as_str(), gone.text().as_str()), ("HTTP/1.1 410 Gone", "gone"));
    assert_eq!(a.n_requests(), 0);
}

#[test]
fn head_and_204_have_no_body_and_the_connection_goes_on() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let head = ask(&mut client, "HEAD", "/hello", "");
    assert_eq!((head.status(), head.field("content-length")), (200, Some("6")));
    let empty = client.get("/empty");
    assert_eq!((empty.line.as_str(), empty.framing), ("HTTP/1.1 204 No Content", Framing::None));
    assert_eq!((empty.field("content-length"), empty.field("content-type")), (None, None));
    assert_eq!(client.get("/hello").text(), "hello\n");
}

#[test]
fn an_old_client_is_told_whether_its_connection_stays() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    client.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(client.response().field("connection"), Some("keep-alive"));
    client.send("GET /hello HTTP/1.0\r\n\r\n");
    let last = client.response();
    assert_eq!((last.field("connection"), last.text().as_str()), (Some("close"), "hello\n"));
    client.closed();
}

#[test]
fn a_request_body_that_has_come_leaves_the_connection_in_step_and_one_that_has_not_ends_it() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    for target in ["/hello", "/old", "/empty"] {
        let mut client = proxy.connect();
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n12345"
        ));
        assert!(client.response().status() < 400);
        assert_eq!(client.get("/hello").text(), "hello\n", "behind {target}");

        let mut client = proxy.connect();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: 39\r\n\r\n"));
        let answer = client.response();
        assert!(answer.status() < 400);
        assert_eq!(answer.field("connection"), Some("close"));
        let _ = client.try_send("GET /x/smuggled HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(client.is_closed());
    }
    drop(proxy);
    assert!(a.finish().is_empty(), "the backend was asked");
}

#[test]
fn a_large_file_is_sent_whole_to_a_slow_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let page: String = (0..100_000).map(|n| format!("{n:07}\n")).collect();
    std::fs::write(folder.path().join("page.html"), &page).expect("written");
    let config = format!(
        "[[listener]]\nbind = \"127.0.0.1:0\"\n[[route]]\nname = \"page\"\n\
         respond = {{ body = {{ file = \"{}/page.html\" }} }}\n",
        folder.path().display()
    );
    let proxy = Proxy::from_text(&config);
    let mut client = crate::support::Wire::connect_narrow(proxy.address(), 4096);
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!(answer.field("content-type"), Some("text/html; charset=utf-8"));
        assert!(answer.text() == page, "{} bytes", answer.body.len());
    }
    assert!(ask(&mut client, "HEAD", "/", "").body.is_empty());
}

#[test]
fn what_is_logged_names_the_route_and_no_upstream() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("access.log");
    let a = backend("a");
    let more = format!("[log]\naccess = {{ to = \"{}\" }}\n", log.display());
    let proxy = Proxy::from_text(&(super::text(ROUTES, &[("a", &a)]) + &more));
    let mut client = proxy.connect();
    assert_eq!(client.get("/hello").status(), 200);
    assert_eq!(client.get("/old").status(), 301);
    proxy.stop();
    let lines = std::fs::read_to_string(log).expect("a log");
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for (line, route, status, bytes) in [(&lines[0], "hello", 200, 6), (&lines[1], "old", 301, 0)] {
        assert_eq!((&line["route"], &line["status"]), (&route.into(), &status.into()), "{line}");
        assert_eq!((&line["bytes_out"], &line["attempts"]), (&bytes.into(), &0.into()), "{line}");
        assert!(line["upstream"].is_null() && line["reason"].is_null(), "{line}");
        assert!(line["backend"].is_null(), "{line}");
    }
}

#[test]
fn a_redirect_to_the_host_asked_for_needs_one() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    for head in ["GET /old HTTP/1.0\r\n\r\n", "GET /old HTTP/1.1\r\nHost:\r\n\r\n"] {
        let mut client = proxy.connect();
        client.send(head);
        assert_eq!(client.response().status(), 400, "{head:?}");
    }
}
