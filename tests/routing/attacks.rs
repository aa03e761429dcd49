//! Ways around a route: spellings of a path and a Host that another program might read differently.

use super::{ask, backend, proxy, text};
use crate::support::Proxy;

const ROUTES: &str = r#"
    [[route]]
    name = "admin"
    match = { path_prefix = "/admin" }
    respond = { status = 403, body = "forbidden" }
    [[route]]
    name = "api"
    match = { path_prefix = "/api" }
    upstream = "a"
    [[route]]
    name = "vault"
    hosts = ["vault.example"]
    respond = { status = 401, body = "who are you" }
"#;

/// The status of a request whose first line and Host are exactly these.
fn status(proxy: &Proxy, target: &str, host: &str) -> u16 {
    let mut client = proxy.connect();
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    client.response().status()
}

#[test]
fn no_spelling_of_a_path_gets_around_its_route() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    for (target, expected) in [
        ("/admin", 403),
        ("/api/../admin", 403),
        ("/api/./../admin/x", 403),
        ("/%61dmin", 403),
        ("/api/%2e%2e/admin", 400),
        ("/api/.%2E/admin", 400),
        ("/api%2f..%2fadmin", 400),
        ("/api/..%2fadmin", 400),
        ("/api/%5c../admin", 400),
        ("/api\\..\\admin", 400),
        ("/api/..;/admin", 400),
        ("/api/..;x=y/admin", 400),
        ("/api/%2e%2e;x/admin", 400),
        ("/../admin", 400),
        ("/api/%00", 400),
        ("/api#/../admin", 400),
        ("//admin", 404),
        ("/admin;x", 404),
        ("/Admin", 404),
        ("/api", 200),
        ("/api/x/../y", 200),
        ("/api//admin", 200),
    ] {
        assert_eq!(status(&proxy, target, "test"), expected, "{target}");
    }
    drop(proxy);
    let records = a.finish();
    let requests: Vec<String> =
        records.iter().flat_map(|record| &record.requests).map(|r| r.target().to_owned()).collect();
    let mut sorted = requests.clone();
    sorted.sort();
    assert_eq!(sorted, ["/api", "/api//admin", "/api/y"], "a backend gets what was matched");
}

#[test]
fn merged_slashes_are_matched_and_sent_as_one() {
    let a = backend("a");
    let routes = format!("path = {{ merge_slashes = true }}\n{ROUTES}");
    let proxy = proxy(&routes, &[("a", &a)]);
    for (target, expected) in
        [("//admin", 403), ("/api//../admin", 403), ("/api//x", 200), ("/%61dmin//", 403)]
    {
        assert_eq!(status(&proxy, target, "test"), expected, "{target}");
    }
}

#[test]
fn no_spelling_of_a_host_gets_around_its_route() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    for (host, expected) in [
        ("vault.example", 401),
        ("VAULT.example", 401),
        ("vault.example.", 401),
        ("vault.example:8080", 401),
        ("x@vault.example", 400),
        ("vault.example@x", 400),
        ("vault.example,x", 400),
        ("vault.example/x", 400),
        ("vault..example", 400),
        ("vault.example:x", 400),
        ("vault%2eexample", 400),
        ("[::1", 400),
        ("vault.example\tx", 400),
        ("notvault.example", 404),
    ] {
        assert_eq!(status(&proxy, "/", host), expected, "{host}");
    }
    // An absolute target's authority is the one that counts.
    assert_eq!(status(&proxy, "http://VAULT.example:80/", "test"), 401);
    assert_eq!(status(&proxy, "http://x@vault.example/", "test"), 400);
}

#[test]
fn what_a_client_says_of_those_before_it_opens_no_route() {
    let a = backend("a");
    let routes = r#"
        [[route]]
        name = "secure"
        match = { headers = { x-forwarded-proto = "https" } }
        respond = { status = 202 }
        [[route]]
        name = "rest"
        upstream = "a"
    "#;
    let said = |proxy: &Proxy| {
        ask(&mut proxy.connect(), "GET", "/", "x-forwarded-proto: https\r\n").status()
    };
    assert_eq!(said(&proxy(routes, &[("a", &a)])), 200, "nobody is trusted");
    let trusting = text(routes, &[("a", &a)]).replacen(
        "[global]",
        "[global]\ntrusted_proxies = [\"127.0.0.1\"]",
        1,
    );
    assert_eq!(said(&Proxy::from_text(&trusting)), 202);
}
