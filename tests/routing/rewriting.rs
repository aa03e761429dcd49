//! What a backend is asked for after a rewrite.

use super::{ask, backend, proxy};

const ROUTES: &str = r#"
    [[route]]
    name = "api"
    match = { path_prefix = "/api" }
    rewrite = { strip_prefix = "/api", add_prefix = "/v1" }
    upstream = "a"
    [[route]]
    name = "strip"
    match = { path_prefix = "/strip" }
    rewrite = { strip_prefix = "/strip" }
    upstream = "a"
    [[route]]
    name = "regex"
    match = { path_prefix = "/item" }
    rewrite = { regex = { from = "^/item/(\\d+)$", to = "/show?id=$1" } }
    upstream = "a"
    [[route]]
    name = "host"
    match = { path_prefix = "/host" }
    rewrite = { host = "{listener}.internal" }
    upstream = "a"
    [[route]]
    name = "rest"
    upstream = "a"
"#;

#[test]
fn a_backend_is_asked_for_the_rewritten_path() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    for (target, expected) in [
        ("/api/cart?x=/api", "/v1/cart?x=/api"),
        ("/api", "/v1"),
        ("/%61pi/%7euser", "/v1/%7euser"),
        ("/api/./x", "/v1/x"),
        ("/strip", "/"),
        ("/strip?q", "/?q"),
        ("/item/42?x=y", "/show?id=42&x=y"),
        ("/item/x", "/item/x"),
        ("http://other/api/x", "/v1/x"),
        ("/x", "/x"),
    ] {
        let got = ask(&mut client, "GET", target, "").text();
        let line = got.lines().nth(1).unwrap_or_default();
        assert_eq!(line, format!("GET {expected} HTTP/1.1"), "{target}");
    }
}

#[test]
fn a_backend_sees_the_rewritten_host_and_is_told_the_one_asked_for() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let got = ask(&mut proxy.connect(), "GET", "/host", "Host: shop.example\r\n").text();
    assert!(got.contains("\nhost: main.internal\n"), "{got}");
    assert_eq!(got.matches("\nhost: ").count(), 1, "{got}");
    assert!(got.contains("x-forwarded-host: shop.example\n"), "{got}");
}

#[test]
fn a_rewrite_that_would_lead_out_of_its_directory_is_refused() {
    let a = backend("a");
    let routes = r#"
        path = { merge_slashes = true, forward = "original" }
        [[route]]
        name = "files"
        match = { path_prefix = "/files" }
        rewrite = { regex = { from = "^/files/f-(.*)$", to = "/data/$1" } }
        upstream = "a"
        [[route]]
        name = "app"
        match = { path_prefix = "/app" }
        rewrite = { strip_prefix = "/app", add_prefix = "/public" }
        upstream = "a"
    "#;
    let proxy = proxy(routes, &[("a", &a)]);
    let mut client = proxy.connect();
    for (target, expected) in [
        ("/files/f-..", None),
        ("/files/f-../x", None),
        ("/files/f-x", Some("/data/x")),
        ("/%66iles/f-x", Some("/data/x")),
        ("/x/../files//f-x", Some("/data/x")),
        ("//app/x", Some("/public/x")),
        ("/app/../app//x", Some("/public//x")),
    ] {
        let got = ask(&mut client, "GET", target, "");
        assert_eq!(got.status(), if expected.is_some() { 200 } else { 400 }, "{target}");
        let Some(expected) = expected else { continue };
        let got = got.text();
        let line = got.lines().nth(1).unwrap_or_default();
        assert_eq!(line, format!("GET {expected} HTTP/1.1"), "{target}");
    }
}
