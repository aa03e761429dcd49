//! Limits on how many connections there may be.

use std::time::Duration;

use forebay::error::Reason;

use crate::check;
use crate::support::{Proxy, Service, Setup, Wire, eventually};

#[test]
fn a_client_with_too_many_connections_gets_429_and_a_time_to_come_back() {
    let service = Service::echo();
    let setup = Setup { listener: "limits = { per_ip = 2 }", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut within = [proxy.connect(), proxy.connect()];
    for client in &mut within {
        assert_eq!(client.get("/").status(), 200);
    }
    let mut beyond = proxy.connect();
    let answer = beyond.get("/");
    check(&answer, 429, "rate_limited");
    let seconds = answer.field("retry-after").expect("a Retry-After");
    assert!(seconds.parse::<u32>().is_ok_and(|n| n > 0), "{seconds}");
    beyond.closed();
    proxy.counted(Reason::RateLimited, 1);
    // Those within the limit are unharmed, and a place that is given up can be taken.
    let [mut first, second] = within;
    assert_eq!(first.get("/").status(), 200);
    drop(second);
    eventually("the place is free", || proxy.connect().get("/").status() == 200);
}

#[test]
fn trusted_peers_are_exempt_from_the_limit_per_client() {
    let service = Service::echo();
    let setup = Setup {
        global: "trusted_proxies = [\"127.0.0.1\"]",
        listener: "limits = { per_ip = 1 }",
        ..Setup::default()
    };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut clients: Vec<Wire> = (0..4).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status(), 200);
    }
}

/// Beyond the limit a client waits to be accepted, or is told to come back; it is never served.
fn only_two_at_once(setup: Setup<'_>, service: &Service) {
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut within = [proxy.connect(), proxy.connect()];
    for client in &mut within {
        assert_eq!(client.get("/").status(), 200);
    }
    let mut beyond = proxy.connect();
    let _ = beyond.try_send("GET /beyond HTTP/1.1\r\nHost: test\r\n\r\n");
    let waits = !beyond.has_news_within(Duration::from_millis(300));
    assert_eq!(service.n_requests(), 2, "a connection beyond the limit was served");
    let [mut first, second] = within;
    assert_eq!(first.get("/").status(), 200);
    drop(second);
    if waits {
        assert_eq!(beyond.response().text(), "/beyond");
    } else {
        eventually("the place is free", || {
            let mut next = proxy.connect();
            next.try_send("GET / HTTP/1.1\r\nHost: test\r\n\r\n").is_ok()
                && next.try_response_to("GET").is_ok_and(|answer| answer.status() == 200)
        });
    }
}

#[test]
fn a_listener_serves_no_more_connections_than_its_limit() {
    let service = Service::echo();
    let setup = Setup { listener: "limits = { connections = 2 }", ..Setup::default() };
    only_two_at_once(setup, &service);
}

#[test]
fn the_process_serves_no_more_connections_than_its_limit() {
    let service = Service::echo();
    only_two_at_once(Setup { global: "max_connections = 2", ..Setup::default() }, &service);
}

#[test]
fn the_limits_hold_over_all_workers() {
    let service = Service::echo();
    let setup = Setup { workers: 3, global: "max_connections = 2", ..Setup::default() };
    only_two_at_once(setup, &service);
}
