//! The headers filter in both directions, in order, on what backends and routes answer.

use super::{ask, backend, proxy};

const ROUTES: &str = r#"
    [filter.mark]
    headers = { request = { remove = ["x-debug"], set = { x-env = "prod", x-client = "{client_ip} {host} {path}" }, add = { x-many = "2" } }, response = { remove = ["x-server"], set = { x-twice = "once", x-via = "{upstream} {route} {listener}" }, add = { set-cookie = "a=b" } } }
    [filter.inner]
    headers = { request = { set = { x-env = "{method}" } }, response = { set = { x-via = "inner" } } }
    [[route]]
    name = "marked"
    match = { path_prefix = "/marked" }
    filters = ["mark"]
    upstream = "a"
    [[route]]
    name = "both"
    match = { path_prefix = "/both" }
    filters = ["mark", "inner"]
    upstream = "a"
    [[route]]
    name = "own"
    match = { path_prefix = "/own" }
    filters = ["mark", "inner"]
    respond = { body = "own", headers = { x-twice = "a" } }
    [[route]]
    name = "plain"
    upstream = "a"
"#;

#[test]
fn requests_are_edited_for_the_backend() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let fields =
        "Host: Shop.example:80\r\nX-Debug: 1\r\nX-ENV: dev\r\nx-env: test\r\nX-Many: 1\r\n";
    let got = ask(&mut client, "GET", "/marked/x?y", fields).text();
    assert!(!got.contains("x-debug") && !got.contains("dev"), "{got}");
    assert_eq!(got.matches("x-env: ").count(), 1, "{got}");
    assert!(got.contains("x-env: prod\n"), "{got}");
    assert!(got.contains("x-client: 127.0.0.1 shop.example /marked/x\n"), "{got}");
    assert!(got.contains("x-many: 1\n") && got.contains("x-many: 2\n"), "{got}");
    let plain = ask(&mut client, "GET", "/", fields).text();
    assert!(plain.contains("x-debug: 1\n") && !plain.contains("prod"), "{plain}");
}

#[test]
fn responses_are_edited_for_the_client() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let answer = client.get("/marked");
    assert_eq!((answer.field("x-server"), answer.field("x-twice")), (None, Some("once")));
    assert_eq!(answer.field("x-via"), Some("a marked main"));
    assert_eq!(answer.field("set-cookie"), Some("a=b"));
    let plain = client.get("/");
    assert_eq!(plain.values("x-twice"), ["a", "b"]);
}

#[test]
fn filters_see_requests_in_order_and_responses_in_reverse() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let answer = client.get("/both");
    assert!(answer.text().contains("x-env: GET\n"), "{}", answer.text());
    assert_eq!(answer.field("x-via"), Some("a both main"), "the first has the last word");
}

#[test]
fn an_answer_of_the_route_passes_its_filters_and_an_error_of_ours_does_not() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let answer = client.get("/own");
    assert_eq!((answer.text().as_str(), answer.field("x-twice")), ("own", Some("once")));
    assert_eq!(answer.field("x-via"), Some("own main"), "there is no upstream");
    let refused = ask(&mut client, "GET", "/own/%2f", "");
    assert_eq!((refused.status(), refused.field("x-via")), (400, None));
}
