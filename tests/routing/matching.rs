//! Conditions, their negations, priorities and listeners.

use super::{ask, backend, proxy, upstreams, who};
use crate::support::{Proxy, Wire};

const ROUTES: &str = r#"
    [[route]]
    name = "v2"
    match = { path_prefix = "/api", headers = { x-version = "v2" } }
    upstream = "a"
    [[route]]
    name = "not-mobile"
    match = { path = "/shop", cookies = { device = { not = { regex = "mobile|tablet" } } } }
    upstream = "a"
    [[route]]
    name = "writers"
    match = { path_prefix = "/api", methods = { not = ["GET", "HEAD"] } }
    upstream = "b"
    [[route]]
    name = "beta"
    match = { path_regex = "/item/[0-9]+", query = { beta = { present = true } } }
    upstream = "a"
    [[route]]
    name = "local"
    match = { path = "/local", client_ip = ["127.0.0.0/8"] }
    upstream = "a"
    [[route]]
    name = "far"
    match = { path = "/far", client_ip = { not = ["127.0.0.0/8"] } }
    upstream = "a"
    [[route]]
    name = "first"
    priority = 10
    match = { headers = { x-first = { present = true } } }
    upstream = "c"
    [[route]]
    name = "rest"
    upstream = "c"
"#;

#[test]
fn conditions_decide_and_what_fails_them_falls_through() {
    let (a, b, c) = (backend("a"), backend("b"), backend("c"));
    let proxy = proxy(ROUTES, &[("a", &a), ("b", &b), ("c", &c)]);
    let mut client = proxy.connect();
    for (method, target, fields, expected) in [
        ("GET", "/api", "X-Version: v2\r\n", "a"),
        ("GET", "/api/x", "x-version: v1\r\nX-VERSION: v2\r\n", "a"),
        ("GET", "/api", "X-Version: V2\r\n", "c"),
        ("GET", "/apix", "X-Version: v2\r\n", "c"),
        ("POST", "/api", "X-Version: v2\r\nContent-Length: 0\r\n", "a"),
        ("POST", "/api", "Content-Length: 0\r\n", "b"),
        ("GET", "/api", "", "c"),
        ("GET", "/shop", "", "a"),
        ("GET", "/shop", "Cookie: device=desktop\r\n", "a"),
        ("GET", "/shop", "Cookie: x=y; device=mobile\r\n", "c"),
        ("GET", "/item/7?x&b%65ta", "", "a"),
        ("GET", "/item/7x?beta=1", "", "c"),
        ("GET", "/item/7", "", "c"),
        ("GET", "/local", "", "a"),
        ("GET", "/far", "", "c"),
        ("GET", "/local", "X-First:\r\n", "c"),
    ] {
        assert_eq!(
            who(&mut client, method, target, fields),
            expected,
            "{method} {target} {fields}"
        );
    }
}

#[test]
fn a_route_with_listeners_exists_on_those_only() {
    let (a, b) = (backend("a"), backend("b"));
    let listener =
        |name: &str| format!("[[listener]]\nname = \"{name}\"\nbind = \"127.0.0.1:0\"\n");
    let proxy = Proxy::from_text(&format!(
        "{}{}{}[[route]]\nname = \"admin\"\nlisteners = [\"inner\"]\nmatch = {{ path_prefix = \"/admin\" }}\n\
         upstream = \"b\"\n[[route]]\nname = \"site\"\nlisteners = [\"web\", \"inner\"]\nupstream = \"a\"\n{}",
        listener("web"),
        listener("inner"),
        listener("none"),
        upstreams(&[("a", &a), ("b", &b)])
    ));
    let connect = |name: &str| Wire::connect(proxy.address_of(name).expect("a listener"));
    let (mut web, mut inner) = (connect("web"), connect("inner"));
    assert_eq!(who(&mut web, "GET", "/admin/x", ""), "a");
    assert_eq!(who(&mut inner, "GET", "/admin/x", ""), "b");
    assert_eq!(who(&mut inner, "GET", "/", ""), "a");
    assert_eq!(ask(&mut connect("none"), "GET", "/", "").status(), 404);
}

#[test]
fn the_client_that_a_trusted_peer_names_meets_conditions() {
    let (a, b) = (backend("a"), backend("b"));
    let routes = r#"
        [[route]]
        name = "office"
        match = { client_ip = ["203.0.113.0/24"] }
        upstream = "a"
        [[route]]
        name = "rest"
        upstream = "b"
    "#;
    let text = super::text(routes, &[("a", &a), ("b", &b)]);
    let trusting = text.replace("workers = 1", "workers = 1\ntrusted_proxies = [\"127.0.0.1\"]");
    for (text, expected) in [(&text, "b"), (&trusting, "a")] {
        let proxy = Proxy::from_text(text);
        let named = "X-Forwarded-For: 203.0.113.9\r\n";
        assert_eq!(who(&mut proxy.connect(), "GET", "/", named), expected);
    }
}
