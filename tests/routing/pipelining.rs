//! Requests in a row over routes that do different things.

use super::{backend, proxy};

const ROUTES: &str = r#"
    [[route]]
    name = "hello"
    match = { path = "/hello" }
    respond = { body = "hello" }
    [[route]]
    name = "old"
    match = { path = "/old" }
    redirect = "/new"
    [[route]]
    name = "rest"
    match = { path_prefix = "/api" }
    upstream = "a"
"#;

#[test]
fn responses_come_in_the_order_of_their_requests_whoever_answers() {
    let a = backend("a");
    let proxy = proxy(ROUTES, &[("a", &a)]);
    let mut client = proxy.connect();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let post = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nGET /x HT")
    };
    let chunked = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nGET \r\n0\r\n\r\n"
        )
    };
    let all = [
        get("/hello"),
        get("/api/1"),
        get("/old"),
        post("/hello"),
        get("/nowhere"),
        chunked("/old"),
        post("/api/2"),
        chunked("/hello"),
        post("/nowhere"),
        get("/api/3"),
    ];
    client.send(all.concat());
    for expected in
        ["hello", "/api/1", "308", "hello", "404", "308", "/api/2", "hello", "404", "/api/3"]
    {
        let response = client.response();
        match expected.parse::<u16>() {
            Ok(status) => assert_eq!(response.status(), status),
            Err(_) => assert!(response.text().contains(expected), "{expected}: {response:?}"),
        }
    }
}
