//! Several backends: in turn, and around those that refuse.

use std::collections::BTreeMap;

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Service, Setup, Wire, refused_address};

#[test]
fn three_backends_are_served_in_turn() {
    let services = [Service::named("a"), Service::named("b"), Service::named("c")];
    let proxy = Proxy::to(&services.each_ref().map(Service::address));
    let mut client = proxy.connect();
    let names: Vec<String> = (0..9).map(|_| client.get("/").text()).collect();
    let mut counts = BTreeMap::new();
    for name in &names {
        *counts.entry(name.as_str()).or_insert(0) += 1;
    }
    assert_eq!(counts, BTreeMap::from([("a", 3), ("b", 3), ("c", 3)]));
    assert_eq!(names[..3], names[3..6]);
    assert_eq!(names[3..6], names[6..]);
}

#[test]
fn a_backend_that_refuses_costs_no_error_while_there_is_another() {
    let (refused, service) = (refused_address(), Service::named("alive"));
    let proxy = Proxy::to(&[refused.address(), service.address()]);
    let mut client = proxy.connect();
    for _ in 0..6 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text().as_str()), (200, "alive"));
    }
}

#[test]
fn a_body_goes_whole_to_the_second_backend_when_the_first_refuses() {
    let (refused, service) = (refused_address(), Service::echo());
    let proxy = Proxy::to(&[refused.address(), service.address()]);
    let mut client = proxy.connect();
    for _ in 0..2 {
        client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(client.response().status(), 200);
        client.send(
            "POST /b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        );
        assert_eq!(client.response().status(), 200);
        client.send(
            "POST /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;a=b\r\nhel\r\n2;c\r\nlo\r\n0\r\nX-Sum: 5\r\n\r\n",
        );
        assert_eq!(client.response().status(), 200);
    }
    let records = service.records();
    let bodies: Vec<&[u8]> =
        records.iter().flat_map(|r| &r.requests).map(|request| request.body.as_slice()).collect();
    assert_eq!(bodies, [b"hello"; 6]);
}

#[test]
fn when_all_backends_refuse_the_client_gets_502() {
    let refused = [refused_address(), refused_address()];
    let proxy = Proxy::to(&refused.each_ref().map(|refused| refused.address()));
    let mut client = proxy.connect();
    let answer = client.get("/");
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("connect_failed"), "{}", answer.text());
    proxy.counted(Reason::ConnectFailed, 1);
    // The connection is as good as before.
    assert_eq!(client.get("/").status(), 502);
}

#[test]
fn after_three_refusals_the_client_is_told() {
    let refused: Vec<_> = (0..5).map(|_| refused_address()).collect();
    let addresses: Vec<_> = refused.iter().map(|refused| refused.address()).collect();
    let proxy = Proxy::to(&addresses);
    assert_eq!(proxy.connect().get("/").status(), 502);
    assert_eq!(proxy.daemon().metrics().sum(|worker| &worker.retries), 2);
    proxy.counted(Reason::ConnectFailed, 1);
}

/// The names that answer `n` requests, by how often.
fn tally(
    client: &mut Wire,
    n: usize,
    request: impl Fn(usize) -> String,
) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for n in 0..n {
        client.send(request(n));
        *counts.entry(client.response().text()).or_insert(0) += 1;
    }
    counts
}

fn plain(_: usize) -> String {
    "GET / HTTP/1.1\r\nHost: test\r\n\r\n".to_owned()
}

fn counts(expected: &[(&str, usize)]) -> BTreeMap<String, usize> {
    expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

/// A configuration with this `[upstream.app]`.
fn with_upstream(upstream: &str) -> String {
    format!(
        "[global]\nworkers = 1\nshutdown_grace = \"2s\"\n[[listener]]\nname = \"main\"\n\
         bind = \"127.0.0.1:0\"\n[[route]]\nupstream = \"app\"\n[upstream.app]\n{upstream}\n"
    )
}

#[test]
fn every_strategy_serves_and_avoids_a_backend_that_refuses() {
    let (a, b, refused) = (Service::named("a"), Service::named("b"), refused_address());
    for name in forebay::config::BALANCES {
        let upstream = format!("balance = \"{name}\"");
        let setup = Setup { upstream: &upstream, ..Setup::default() };
        let proxy = Proxy::with(setup, &[a.address(), refused.address(), b.address()]);
        let mut client = proxy.connect();
        let counts = tally(&mut client, 12, plain);
        assert_eq!(counts.values().sum::<usize>(), 12, "{name}");
        assert!(counts.keys().all(|name| name == "a" || name == "b"), "{name}: {counts:?}");
    }
}

#[test]
fn weights_interleave_and_a_weight_of_0_gets_nothing() {
    let services = [Service::named("a"), Service::named("b"), Service::named("c")];
    let [a, b, c] = services.each_ref().map(Service::address);
    let proxy = Proxy::from_text(&with_upstream(&format!(
        "backends = [{{ address = \"{a}\", weight = 3 }}, \"{b}\", {{ address = \"{c}\", weight = 0 }}]"
    )));
    let mut client = proxy.connect();
    assert_eq!(tally(&mut client, 40, plain), counts(&[("a", 30), ("b", 10)]));
}

#[test]
fn a_backup_answers_only_while_no_primary_can() {
    let (refused, backup) = (refused_address(), Service::named("backup"));
    let primary = Service::named("primary");
    let text = |address| {
        with_upstream(&format!(
            "backends = [{{ address = \"{}\", backup = true }}, \"{address}\"]",
            backup.address()
        ))
    };
    let proxy = Proxy::from_text(&text(refused.address()));
    assert_eq!(tally(&mut proxy.connect(), 3, plain), counts(&[("backup", 3)]));
    let proxy = Proxy::from_text(&text(primary.address()));
    assert_eq!(tally(&mut proxy.connect(), 3, plain), counts(&[("primary", 3)]));
}

#[test]
fn a_full_backend_is_passed_over_and_when_all_are_full_the_client_gets_503() {
    let (held, other) = (Origin::bind(), Origin::bind());
    let proxy = Proxy::from_text(&with_upstream(&format!(
        "balance = \"first\"\nbackends = [{{ address = \"{}\", max_connections = 1 }}, \
         {{ address = \"{}\", max_connections = 1 }}]",
        held.address(),
        other.address()
    )));
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (mut first, mut second, mut third) = (proxy.connect(), proxy.connect(), proxy.connect());
    first.send(plain(0));
    let mut at_held = held.accept();
    at_held.request();
    second.send(plain(0));
    let mut at_other = other.accept();
    at_other.request();
    assert_eq!(third.get("/").status(), 503);
    proxy.counted(Reason::NoBackend, 1);
    at_held.send(ok);
    assert_eq!(first.response().text(), "ok");
    third.send(plain(0));
    at_held.request();
    at_held.send(ok);
    assert_eq!(third.response().text(), "ok", "the place is free again");
    at_other.send(ok);
    assert_eq!(second.response().text(), "ok");
}

#[test]
fn a_key_stays_on_its_backend_across_connections_reloads_and_restarts() {
    let services = [Service::named("a"), Service::named("b"), Service::named("c")];
    let [a, b, c] = services.each_ref().map(Service::address);
    for strategy in ["ring_hash", "maglev"] {
        let upstream = |backends: &[std::net::SocketAddr]| {
            with_upstream(&format!(
                "balance = {{ strategy = \"{strategy}\", key = \"header:x-user\" }}\nbackends = {:?}",
                backends.iter().map(ToString::to_string).collect::<Vec<_>>()
            ))
        };
        let of_users = |proxy: &Proxy| -> Vec<String> {
            let mut client = proxy.connect();
            let mut ask = |user| {
                client.send(format!("GET / HTTP/1.1\r\nHost: test\r\nX-User: u{user}\r\n\r\n"));
                client.response().text()
            };
            (0..30).map(&mut ask).collect()
        };
        let proxy = Proxy::from_file(&upstream(&[a, b, c]));
        let before = of_users(&proxy);
        assert!(["a", "b", "c"].iter().all(|name| before.iter().any(|to| to == name)));
        proxy.rewrite(&upstream(&[c, a, b]));
        proxy.reload().expect("a good file");
        assert_eq!(of_users(&proxy), before, "{strategy}: the order does not matter");
        proxy.stop();
        let proxy = Proxy::from_file(&upstream(&[b, c, a]));
        assert_eq!(of_users(&proxy), before, "{strategy}");
        let keyless = tally(&mut proxy.connect(), 6, plain);
        assert_eq!(keyless, counts(&[("a", 2), ("b", 2), ("c", 2)]), "the fallback is round robin");
    }
}

#[test]
fn peak_ewma_leaves_a_backend_that_fails_fast() {
    let bad = Service::start(|_| {
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nbad".to_vec()
    });
    let good = Service::named("good");
    let setup = Setup { upstream: "balance = \"peak_ewma\"", ..Setup::default() };
    let proxy = Proxy::with(setup, &[bad.address(), good.address()]);
    let counts = tally(&mut proxy.connect(), 200, plain);
    assert!(counts["good"] >= 150, "{counts:?}");
}
