//! Requests tried on whole configurations.

use std::time::Duration;

use super::*;
use crate::admit::tests::load;
use crate::route::Rank;
use crate::snapshot::compile_offline;

const SHOP: &str = r#"
    route = [
        { name = "api", hosts = ["shop.example"], match = { path_prefix = "/api" }, filters = ["mark"],
          upstream = "api", rewrite = { strip_prefix = "/api", host = "api.internal" },
          limits = { body = "1KiB" }, timeouts = { total = "7s" } },
        { name = "canary", match = { path_prefix = "/canary" }, split_by = "cookie:user",
          split = [{ upstream = "api", weight = 3 }, { upstream = "site", weight = 1 }, { upstream = "named", weight = 0 }] },
        { name = "old", match = { path = "/old" }, redirect = "https://new.example{path}?{query}" },
        { name = "hello", match = { path = "/hello" }, filters = ["mark"],
          respond = { body = "hi", headers = { x-from = "{client_ip}" } } },
        { name = "inner", listeners = ["inner"], match = { path_prefix = "/inner" }, upstream = "named" },
        { name = "site", upstream = "site", match = { methods = ["GET"] } },
    ]
    [[listener]]
    name = "web"
    bind = "127.0.0.1:80"
    timeouts = { first_byte = "9s" }
    [[listener]]
    name = "inner"
    bind = ["127.0.0.1:8081", "unix:/x.sock"]
    limits = { body = "10B" }
    [[listener]]
    name = "inner-too"
    bind = "127.0.0.2:8081"
    [global]
    trusted_proxies = ["10.0.0.0/8"]
    [filter.mark]
    headers = { request = { set = { x-route = "{route}" } }, response = { add = { x-seen = "{upstream}!" } } }
    [upstream.api]
    backends = ["10.0.0.1:80"]
    timeouts = { connect = "1s" }
    [upstream.site]
    backends = ["10.0.0.2:80"]
    [upstream.named]
    backends = ["app.internal:8080"]
    host = "backend"
"#;

fn ask(method: &str, url: &str, headers: &[(&str, &str)]) -> TestRequest {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    TestRequest { method: method.into(), url: url.into(), headers, from: None, listener: None }
}

fn outcome(request: &TestRequest) -> Outcome {
    let config = load(SHOP);
    let snapshot = compile_offline(&config).expect("compiled");
    run(&snapshot, &config, request).expect("a request")
}

fn head(outcome: &Outcome) -> String {
    text(outcome.head.as_deref().expect("a head"))
}

fn upstreams(outcome: &Outcome) -> Vec<&str> {
    outcome.targets.iter().map(|target| target.upstream.as_str()).collect()
}

#[test]
fn a_request_is_shown_as_a_backend_gets_it() {
    let mut request = ask("GET", "http://SHOP.example/api/./cart?x=1", &[("X-Route", "forged")]);
    request.from = Some("203.0.113.7".parse().expect("an address"));
    let outcome = outcome(&request);
    assert_eq!((&outcome.listener[..], outcome.route.as_deref()), ("web", Some("api")));
    assert_eq!((&outcome.host[..], &outcome.path[..]), ("shop.example", "/api/cart"));
    assert_eq!(
        (upstreams(&outcome), &outcome.filters[..]),
        (vec!["api"], &["mark".to_owned()][..])
    );
    let head = head(&outcome);
    assert!(head.starts_with("GET /cart?x=1 HTTP/1.1\r\nhost: api.internal\r\n"), "{head}");
    assert!(head.contains("\r\nx-forwarded-for: 203.0.113.7\r\n"), "{head}");
    assert!(head.contains("\r\nx-route: api\r\n") && !head.contains("forged"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(outcome.backend_path.as_deref(), Some("/cart?x=1"));
    assert_eq!(
        outcome.to_string(),
        "on listener `web` the request takes route `api` and goes to `api` as `/cart?x=1`"
    );
}

#[test]
fn the_client_of_a_trusted_peer_is_whom_it_names() {
    let mut request = ask("GET", "http://x/", &[("x-forwarded-for", "198.51.100.9")]);
    request.from = Some("10.1.2.3".parse().expect("an address"));
    assert_eq!(outcome(&request).client.map(|ip| ip.to_string()).as_deref(), Some("198.51.100.9"));
}

#[test]
fn a_listener_is_found_by_name_or_port_and_what_is_unclear_lists_them() {
    let config = load(SHOP);
    let snapshot = compile_offline(&config).expect("compiled");
    let on = |url: &str, listener: Option<&str>| {
        let request = TestRequest { listener: listener.map(str::to_owned), ..ask("GET", url, &[]) };
        match run(&snapshot, &config, &request) {
            Ok(outcome) => outcome.listener,
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(on("http://x/", None), "web");
    assert_eq!(on("https://x:80/", None), "web");
    assert_eq!(on("http://x:8081/", Some("inner")), "inner");
    let none = on("https://x/", None);
    assert!(none.starts_with("no listener has port 443; say which"), "{none}");
    assert!(none.contains("\"inner\" (127.0.0.1:8081, unix:/x.sock)"), "{none}");
    let several = on("http://x:8081/", None);
    assert!(several.starts_with("several listeners have port 8081"), "{several}");
    assert!(!several.contains("\"web\""), "{several}");
    assert!(
        on("http://x/", Some("nobody")).starts_with("there is no listener \"nobody\"; there are")
    );
    assert!(on("ftp://x/", None).contains("must be http or https"));
    assert!(on("/path", None).contains("write http://host"));
    assert!(on("http://x/a b", None).contains("write it as %20"));
}

#[test]
fn what_the_parser_and_the_path_refuse_is_refused_here() {
    use Reason::{BadPath, BadRequest, BodyLimit, MethodRefused, NoRoute};
    for (method, url, headers, reason, route) in [
        ("GET", "http://shop.example/api/%2e%2e/admin", &[][..], BadPath, None),
        ("GET", "http://user@shop.example/", &[], BadRequest, None),
        ("GET", "http://shop.example/", &[("content-length", "x")], BadRequest, None),
        ("GET", "http://x/", &[("bad name", "x")], BadRequest, None),
        ("CONNECT", "http://shop.example/", &[], MethodRefused, None),
        ("POST", "http://x/elsewhere", &[], NoRoute, None),
        ("POST", "http://shop.example/api", &[("content-length", "1025")], BodyLimit, Some("api")),
    ] {
        let outcome = outcome(&ask(method, url, headers));
        let came = (outcome.refused, outcome.route.as_deref());
        assert_eq!(came, (Some(reason), route), "{method} {url}");
        assert!(outcome.head.is_none() && outcome.answer.is_none());
    }
    let refused = outcome(&ask("POST", "http://x/elsewhere", &[])).to_string();
    assert_eq!(refused, "on listener `web` the request is refused: 404 no_route");
}

#[test]
fn answers_are_shown_as_filters_leave_them() {
    let answer = |url: &str| outcome(&ask("GET", url, &[])).answer.expect("an answer");
    let Answered { status, headers, body } = answer("http://x/old?a=b");
    assert_eq!((status, &body[..]), (308, &b""[..]));
    assert_eq!(headers, [("location".to_owned(), "https://new.example/old?a=b".to_owned())]);
    let Answered { status, headers, body } = answer("http://x/hello");
    assert_eq!((status, &body[..]), (200, &b"hi"[..]));
    let value =
        |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
    assert_eq!((value("x-from"), value("x-seen")), (Some("127.0.0.1"), Some("!")));
    assert_eq!(value("content-type"), Some("text/plain; charset=utf-8"));
}

#[test]
fn a_split_shows_its_shares_unless_a_value_decides() {
    let open = outcome(&ask("GET", "http://x/canary", &[]));
    let mut shares: Vec<(&str, f64)> =
        open.targets.iter().map(|target| (target.upstream.as_str(), target.percent)).collect();
    shares.sort_by_key(|(name, _)| *name);
    assert_eq!(shares, [("api", 75.0), ("site", 25.0)], "what weighs nothing is left out");
    let decided = |cookie: &str| outcome(&ask("GET", "http://x/canary", &[("cookie", cookie)]));
    for user in 0..20 {
        let cookie = format!("a=b; user=\"u{user}\"");
        let (once, again) = (decided(&cookie), decided(&format!("user=u{user}; z")));
        assert_eq!((upstreams(&once).len(), once.targets[0].percent), (1, 100.0));
        assert_eq!(upstreams(&once), upstreams(&again));
    }
}

#[test]
fn an_explanation_says_who_lost_why_and_where_timeouts_come_from() {
    let config = load(SHOP);
    let snapshot = compile_offline(&config).expect("compiled");
    let request = ask("GET", "http://shop.example/api", &[]);
    let explained = explain(&snapshot, &config, &request).expect("a request");
    let by_name: Vec<(&str, &Verdict)> = explained
        .verdicts
        .iter()
        .map(|(index, verdict)| (config.routes[*index].name.as_str(), verdict))
        .collect();
    assert_eq!(by_name[0], ("api", &Verdict::Wins));
    assert_eq!(by_name[1], ("site", &Verdict::Outranked { by: Rank::Host }));
    assert_eq!(by_name.len(), 5);
    let elsewhere: Vec<&str> =
        explained.elsewhere.iter().map(|index| config.routes[*index].name.as_str()).collect();
    assert_eq!(elsewhere, ["inner"]);
    let levels: Vec<(&str, Option<Duration>, Level)> = explained
        .timeouts
        .iter()
        .map(|timeout| (timeout.key, timeout.value, timeout.level))
        .collect();
    let seconds = |n| Some(Duration::from_secs(n));
    assert_eq!(
        levels,
        [
            ("connect", seconds(1), Level::Upstream),
            ("first_byte", seconds(9), Level::Listener),
            ("response_idle", seconds(60), Level::BuiltIn),
            ("send_idle", seconds(60), Level::BuiltIn),
            ("total", seconds(7), Level::Route),
            ("tunnel_idle", seconds(3600), Level::BuiltIn),
        ]
    );
    assert!(explained.timeouts[0].place.as_deref().is_some_and(|place| place.contains(':')));
}

#[test]
fn a_name_that_is_not_resolved_still_has_its_authority() {
    let request =
        TestRequest { listener: Some("inner".into()), ..ask("GET", "http://x/inner", &[]) };
    let head = head(&outcome(&request));
    assert!(head.starts_with("GET /inner HTTP/1.1\r\nhost: app.internal:8080\r\n"), "{head}");
}

#[test]
fn expectations_that_are_not_met_are_told_at_their_test() {
    let tests = r#"
        [[test]]
        request = "GET http://shop.example/api/x"
        expect = { route = "api", upstream = "api", path = "/x" }
        [[test]]
        request = "GET http://x/hello"
        expect = { route = "hello", status = 200 }
        [[test]]
        request = "POST http://x/elsewhere"
        expect = { route = "none", status = 404 }
        [[test]]
        request = "GET http://x/canary"
        expect = { upstream = "site" }
        [[test]]
        request = "GET http://x/"
        expect = { route = "api", upstream = "api", status = 200, path = "/y" }
        [[test]]
        request = "GET http://x:8081/"
        expect = { status = 404 }
    "#;
    let config = load(&format!("{SHOP}{tests}"));
    let snapshot = compile_offline(&config).expect("compiled");
    let findings = run_all(&snapshot, &config);
    let places: Vec<&str> = findings.iter().map(|finding| finding.place.as_str()).collect();
    assert_eq!(places, ["test.4", "test.5"]);
    assert_eq!(
        findings[0].message,
        "this test fails: route `api` was expected and it was `site`; upstream `api` was expected and it was \
         `site`; status `200` was expected and it was none; path `/y` was expected and it was `/`"
    );
    let help = findings[0].help.as_deref().expect("help");
    assert_eq!(help, "on listener `web` the request takes route `site` and goes to `site` as `/`");
    assert!(findings[1].message.contains("several listeners have port 8081"));
}

#[test]
fn the_scheme_says_which_listeners_are_meant_and_the_host_whom_the_client_asked_for() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config");
    let written = format!(
        r#"
        route = [
            {{ name = "to-https", listeners = ["web"], redirect = "https://{{host}}{{path}}" }},
            {{ name = "site", respond = {{ headers = {{ x-scheme = "{{scheme}}" }} }} }},
        ]
        [[listener]]
        name = "web"
        bind = "127.0.0.1:8080"
        [[listener]]
        name = "tls"
        bind = "127.0.0.1:8443"
        tls = {{ certificates = {{ cert = "{folder}/shop.crt", key = "{folder}/shop.key" }} }}
        "#
    );
    let config = load(&written);
    let snapshot = compile_offline(&config).expect("compiled");
    let tried = |request: TestRequest| run(&snapshot, &config, &request);
    let on = |url: &str| tried(ask("GET", url, &[])).map(|outcome| outcome.listener);
    // No port is written and no other listener speaks that: the system in front may map it.
    for (url, listener) in [
        ("http://shop.example/", "web"),
        ("https://shop.example/", "tls"),
        ("https://shop.example:8443/", "tls"),
        ("http://shop.example:8080/", "web"),
    ] {
        assert_eq!(on(url).as_deref(), Ok(listener), "{url}");
    }
    let refused = on("https://shop.example:8080/").expect_err("the port is not its").to_string();
    assert!(refused.starts_with("no listener with TLS has port 8080; say which"), "{refused}");
    let outcome = tried(ask("GET", "https://shop.example/", &[])).expect("a request");
    let answer = outcome.answer.expect("an answer");
    assert!(answer.headers.contains(&("x-scheme".into(), "https".into())), "{answer:?}");
    let other = tried(ask("GET", "https://shop.example/", &[("host", "other.example")]));
    assert_eq!(other.expect("a request").refused, Some(Reason::Misdirected));
    let covered = tried(ask("GET", "https://shop.example/", &[("host", "a.shop.example")]));
    assert_eq!(covered.expect("a request").refused, None);
}
