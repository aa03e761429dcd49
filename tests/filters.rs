//! Filters and rewrites as an operator writes them, through the whole daemon.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

mod support;

use std::net::SocketAddr;

use support::{Message, Origin, Proxy, Service, Setup, refused_address};

/// `app` behind one listener; `route` are more lines of its route, `more` more tables.
fn text(app: SocketAddr, route: &str, more: &str) -> String {
    format!(
        "[global]\nworkers = 1\nshutdown_grace = \"2s\"\n\
         [[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"all\"\nupstream = \"app\"\n{route}\n\
         [upstream.app]\nbackends = [\"{app}\"]\n{more}\n"
    )
}

/// What the backend got for `request`, and the client for that.
fn exchange(route: &str, more: &str, request: &str, reply: &str) -> (Message, Message, SocketAddr) {
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&text(origin.address(), route, more));
    let mut client = proxy.connect();
    client.send(request);
    let mut backend = origin.accept();
    let got = backend.request();
    backend.send(reply);
    let response = client.response_to(request.split(' ').next().expect("a method"));
    (got, response, origin.address())
}

const OK: &str =
    "HTTP/1.1 200 OK\r\nServer: s\r\nX-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn fields_are_edited_both_ways_in_the_order_of_the_filters_and_back() {
    let filters = "
        [filter.first.headers.request]
        remove = [\"x-debug\", \"x-forwarded-host\"]
        set = { x-env = \"prod\", x-who = \"{client_ip} {scheme}\" }
        add = { x-seen = \"first {path}\" }
        [filter.first.headers.response]
        remove = [\"server\"]
        set = { x-order = \"first\", x-from = \"{backend} {upstream} {route} {listener}\" }
        [filter.second.headers.request]
        set = { x-env = \"test\" }
        add = { x-seen = \"second {query}\" }
        [filter.second.headers.response]
        set = { x-order = \"second\", x-twice = \"{method} {host}\" }";
    let request = "GET /a%20b?c=d HTTP/1.1\r\nHost: Shop.Example:80\r\nX-Debug: 1\r\nx-debug: 2\r\n\
                   X-Env: mine\r\nX-Seen: client\r\n\r\n";
    let (got, response, backend) =
        exchange("filters = [\"first\", \"second\"]", filters, request, OK);
    assert_eq!((got.field("x-debug"), got.field("x-forwarded-host")), (None, None));
    assert_eq!(got.field("x-env"), Some("test"));
    assert_eq!(got.field("x-who"), Some("127.0.0.1 http"));
    assert_eq!(got.values("x-seen"), ["client", "first /a%20b", "second c=d"]);
    assert_eq!(got.field("host"), Some("Shop.Example:80"), "rendering it changes nothing");

    assert_eq!(response.field("server"), None);
    assert_eq!(response.field("x-order"), Some("first"), "the first filter has the last word");
    assert_eq!(response.field("x-twice"), Some("GET shop.example"));
    assert_eq!(response.field("x-from"), Some(&*format!("{backend} app all main")));
    assert_eq!(response.text(), "ok");
}

#[test]
fn responses_without_a_body_are_edited_too_and_our_own_errors_are_not() {
    let filter = "[filter.f.headers.response]\nset = { x-f = \"1\" }";
    let route = "filters = [\"f\"]";
    for (request, reply) in [
        ("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\n",
        ),
    ] {
        let (_, response, _) = exchange(route, filter, request, reply);
        assert_eq!(response.field("x-f"), Some("1"), "{reply}");
    }
    let refused = refused_address();
    let proxy = Proxy::from_text(&text(refused.address(), route, filter));
    let response = proxy.connect().get("/");
    assert_eq!((response.status(), response.field("x-f")), (502, None));
}

#[test]
fn the_target_and_the_host_are_rewritten_on_the_way_only() {
    for (rewrite, target, sent, host) in [
        ("strip_prefix = \"/api\"", "/api/x?y=1", "/x?y=1", "x.test"),
        ("strip_prefix = \"/api\"", "/api", "/", "x.test"),
        ("strip_prefix = \"/api\"", "/%61pi/%41", "/%41", "x.test"),
        ("strip_prefix = \"/api\"", "/apix", "/apix", "x.test"),
        ("strip_prefix = \"/api\"", "/api/../admin", "/admin", "x.test"),
        ("strip_prefix = \"/api\", add_prefix = \"/v1\"", "/api", "/v1", "x.test"),
        ("add_prefix = \"/v1\"", "/?q", "/v1/?q", "x.test"),
        ("regex = { from = \"^/a/([0-9]+)$\", to = \"/b/$1\" }", "/a/7?q", "/b/7?q", "x.test"),
        ("regex = { from = \"^/a/([0-9]+)$\", to = \"/b/$1\" }", "/a/x", "/a/x", "x.test"),
        ("host = \"api.internal:81\"", "/x", "/x", "api.internal:81"),
        ("host = \"{host}.internal\"", "/x", "/x", "x.test.internal"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: X.test\r\n\r\n");
        let route = format!("rewrite = {{ {rewrite} }}");
        let (got, response, _) = exchange(&route, "", &request, OK);
        assert_eq!(got.target(), sent, "{rewrite}");
        let host = if host == "x.test" { "X.test" } else { host };
        assert_eq!(got.field("host"), Some(host), "{rewrite}");
        assert_eq!(got.field("x-forwarded-host"), Some("X.test"), "the client's stays known");
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn a_rewritten_host_goes_before_what_the_upstream_says() {
    let service = Service::echo();
    let more = "[[route]]\nname = \"own\"\nmatch = { path = \"/own\" }\nupstream = \"app\"\n\
                rewrite = { host = \"route.test\" }";
    let setup = Setup { upstream: "host = \"upstream.test\"", more, ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    client.get("/own");
    client.get("/other");
    let requests = &service.records()[0].requests;
    assert_eq!(requests[0].field("host"), Some("route.test"));
    assert_eq!(requests[1].field("host"), Some("upstream.test"));
}

#[test]
fn a_filter_reads_what_was_received_and_the_rewrite_comes_behind_it() {
    let filter = "[filter.f.headers.request]\nset = { x-path = \"{path_and_query}\" }\n\
                  [filter.f.headers.response]\nset = { x-path = \"{path_and_query}\" }";
    let route = "filters = [\"f\"]\nrewrite = { strip_prefix = \"/api\" }";
    let request = "GET http://x.test/api/y?z HTTP/1.1\r\nHost: x.test\r\n\r\n";
    let (got, response, _) = exchange(route, filter, request, OK);
    assert_eq!(got.target(), "/y?z");
    assert_eq!(got.field("x-path"), Some("/api/y?z"));
    assert_eq!(response.field("x-path"), Some("/api/y?z"));
}

#[test]
fn a_redirects_and_an_own_answers_fields_are_edited_as_well() {
    let more = "[[route]]\nname = \"r\"\nmatch = { path = \"/r\" }\nredirect = \"https://{host}{path_and_query}\"\n\
                filters = [\"f\"]\n\
                [[route]]\nname = \"o\"\nmatch = { path = \"/o\" }\nrespond = { body = \"own\" }\nfilters = [\"f\"]\n\
                [filter.f.headers.response]\nremove = [\"content-type\"]\nset = { x-f = \"[{backend}] {route}\" }";
    let service = Service::echo();
    let proxy = Proxy::with(Setup { more, ..Setup::default() }, &[service.address()]);
    let mut client = proxy.connect();
    let redirect = client.get("/r?q");
    assert_eq!(redirect.field("location"), Some("https://test/r?q"));
    assert_eq!(redirect.field("x-f"), Some("[] r"));
    let own = client.get("/o");
    assert_eq!((own.text(), own.field("x-f")), ("own".to_owned(), Some("[] o")));
    assert_eq!(own.field("content-type"), None);
    assert_eq!(service.n_requests(), 0);
}
