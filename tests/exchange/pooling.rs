//! Connections to backends: kept, reused, and replaced without the client noticing.

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Service, Setup, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// One exchange on a new backend connection, which then lies in the pool.
fn warm(origin: &Origin, client: &mut Wire) -> Wire {
    client.send("GET /warm HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
    backend
}

#[test]
fn requests_of_one_client_share_one_backend_connection() {
    let service = Service::echo();
    let proxy = Proxy::to(&[service.address()]);
    let mut client = proxy.connect();
    for i in 0..20 {
        let target = format!("/{i}");
        assert_eq!(client.get(&target).text(), target);
    }
    assert_eq!(service.n_connections(), 1);
    assert_eq!(proxy.daemon().metrics().sum(|worker| &worker.upstream_connects), 1);
    assert_eq!(proxy.daemon().metrics().sum(|worker| &worker.upstream_reuses), 19);
}

#[test]
fn clients_one_after_another_share_one_backend_connection() {
    let service = Service::echo();
    let proxy = Proxy::to(&[service.address()]);
    for i in 0..5 {
        let target = format!("/{i}");
        let mut client = proxy.connect();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
        assert_eq!(client.response().text(), target);
        client.closed();
    }
    assert_eq!(service.n_connections(), 1);
}

#[test]
fn an_idle_connection_that_the_backend_closed_costs_no_error() {
    for request in [
        "GET /next HTTP/1.1\r\nHost: test\r\n\r\n",
        "POST /next HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
        "POST /next HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let origin = Origin::bind();
        let proxy = Proxy::to(&[origin.address()]);
        let mut client = proxy.connect();
        drop(warm(&origin, &mut client));
        client.send(request);
        let mut backend = origin.accept();
        assert_eq!(backend.request().target(), "/next");
        backend.send(OK);
        assert_eq!(client.response().text(), "ok");
    }
}

#[test]
fn an_idle_connection_that_the_backend_reset_costs_no_error() {
    for request in [
        "GET /next HTTP/1.1\r\nHost: test\r\n\r\n",
        "POST /next HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let origin = Origin::bind();
        let proxy = Proxy::to(&[origin.address()]);
        let mut client = proxy.connect();
        warm(&origin, &mut client).reset();
        client.send(request);
        let mut backend = origin.accept();
        assert_eq!(backend.request().target(), "/next");
        backend.send(OK);
        assert_eq!(client.response().text(), "ok");
    }
}

#[test]
fn a_get_that_met_a_closing_connection_is_sent_again() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    let mut dying = warm(&origin, &mut client);
    client.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
    // The backend's timer ran out while the request was on its way.
    assert_eq!(dying.request().target(), "/next");
    drop(dying);
    let mut backend = origin.accept();
    assert_eq!(backend.request().target(), "/next");
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
    assert_eq!(proxy.count(Reason::UpstreamReset), 0);
}

#[test]
fn a_get_that_met_a_resetting_connection_is_sent_again() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    let mut dying = warm(&origin, &mut client);
    client.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
    dying.head();
    dying.reset();
    let mut backend = origin.accept();
    assert_eq!(backend.request().target(), "/next");
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn a_put_that_met_a_resetting_connection_is_sent_again_with_its_whole_body() {
    for body in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let origin = Origin::bind();
        let proxy = Proxy::to(&[origin.address()]);
        let mut client = proxy.connect();
        let mut dying = warm(&origin, &mut client);
        client.send(format!("PUT /next HTTP/1.1\r\nHost: test\r\n{body}"));
        dying.head();
        dying.reset();
        let mut backend = origin.accept();
        let request = backend.request();
        assert_eq!((request.target(), request.body.as_slice()), ("/next", &b"hello"[..]));
        backend.send(OK);
        assert_eq!(client.response().text(), "ok");
        // Nothing was left over that could be taken for a request.
        client.send("GET /last HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(backend.request().target(), "/last");
    }
}

#[test]
fn a_put_whose_body_came_in_parts_is_sent_again_whole() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    let mut dying = warm(&origin, &mut client);
    client.send("PUT /next HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nfirst");
    dying.head();
    dying.until(b"first");
    client.send("-last");
    dying.until(b"-last");
    dying.reset();
    let mut backend = origin.accept();
    let request = backend.request();
    assert_eq!((request.target(), request.body.as_slice()), ("/next", &b"first-last"[..]));
    backend.send(OK);
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn a_post_that_a_backend_has_read_is_never_sent_twice() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    let mut dying = warm(&origin, &mut client);
    client.send("POST /pay HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(dying.request().target(), "/pay");
    drop(dying);
    let answer = client.response();
    assert_eq!(answer.status(), 502);
    assert!(answer.text().contains("upstream_reset"), "{}", answer.text());
    assert!(origin.try_accept().is_none(), "the request was sent twice");
}

#[test]
fn a_fresh_connection_that_closes_without_an_answer_is_a_502() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    for reset in [false, true] {
        let mut client = proxy.connect();
        client.send("POST /a HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello");
        let mut backend = origin.accept();
        backend.request();
        if reset {
            backend.reset();
        } else {
            drop(backend);
        }
        let answer = client.response();
        assert_eq!(answer.status(), 502);
        assert!(answer.text().contains("upstream_reset"), "{}", answer.text());
    }
    proxy.counted(Reason::UpstreamReset, 2);
}

#[test]
fn a_connection_whose_request_was_not_read_to_its_end_is_not_reused() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nfirst");
    let mut first = origin.accept();
    first.head();
    first.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    assert_eq!(client.response().status(), 403);
    let mut other = proxy.connect();
    other.send("GET /other HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(origin.accept().request().target(), "/other");
    assert!(!String::from_utf8_lossy(first.received()).contains("/other"));
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    let origin = Origin::bind();
    let setup = Setup { upstream: "pool = { idle = \"100ms\" }", ..Setup::default() };
    let proxy = Proxy::with(setup, &[origin.address()]);
    let mut client = proxy.connect();
    let mut backend = warm(&origin, &mut client);
    backend.closed();
}

#[test]
fn a_connection_serves_at_most_max_requests() {
    let service = Service::echo();
    let setup = Setup { upstream: "pool = { max_requests = 2 }", ..Setup::default() };
    let proxy = Proxy::with(setup, &[service.address()]);
    let mut client = proxy.connect();
    for _ in 0..6 {
        assert_eq!(client.get("/a").text(), "/a");
    }
    assert_eq!(service.n_connections(), 3);
}

#[test]
fn no_more_than_max_idle_connections_are_kept() {
    let origin = Origin::bind();
    let setup = Setup { upstream: "pool = { max_idle = 1 }", ..Setup::default() };
    let proxy = Proxy::with(setup, &[origin.address()]);
    let mut clients = [proxy.connect(), proxy.connect()];
    let mut backends = Vec::new();
    for client in &mut clients {
        client.send("GET /a HTTP/1.1\r\nHost: test\r\n\r\n");
        let mut backend = origin.accept();
        backend.request();
        backends.push(backend);
    }
    for (client, backend) in clients.iter_mut().zip(&mut backends) {
        backend.send(OK);
        assert_eq!(client.response().text(), "ok");
    }
    // Which of the two goes is the pool's affair; one does, at once, and the other serves the next.
    crate::support::eventually("one connection is closed", || {
        backends.iter_mut().any(Wire::has_news)
    });
    clients[0].send("GET /b HTTP/1.1\r\nHost: test\r\n\r\n");
    crate::support::eventually("the other serves on", || backends.iter_mut().all(Wire::has_news));
    let n_served =
        backends.iter_mut().filter_map(|backend| backend.try_request().ok().flatten()).count();
    assert_eq!(n_served, 1);
    assert!(origin.try_accept().is_none());
}

#[test]
fn a_put_whose_body_has_not_begun_is_sent_again_too() {
    for expect in ["", "Expect: 100-continue\r\n"] {
        let origin = Origin::bind();
        let proxy = Proxy::to(&[origin.address()]);
        let mut client = proxy.connect();
        let mut dying = warm(&origin, &mut client);
        client.send(format!(
            "PUT /next HTTP/1.1\r\nHost: test\r\n{expect}Content-Length: 100000\r\n\r\n"
        ));
        dying.head();
        drop(dying);
        let mut backend = origin.accept();
        assert!(backend.head().starts_with("PUT /next "));
        backend.send("HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(client.response().status(), 100);
        let body = vec![b'x'; 100_000];
        client.send(&body);
        assert!(backend.exactly(body.len()) == body, "the body was changed on its way");
        backend.send(OK);
        assert_eq!(client.response().text(), "ok");
        assert_eq!(proxy.count(Reason::UpstreamReset), 0);
    }
}

#[test]
fn a_put_whose_body_has_begun_is_not() {
    let origin = Origin::bind();
    let proxy = Proxy::to(&[origin.address()]);
    let mut client = proxy.connect();
    let mut dying = warm(&origin, &mut client);
    client.send("PUT /next HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\n\r\nfirst");
    dying.head();
    dying.until(b"first");
    drop(dying);
    assert_eq!(client.response().status(), 502);
    assert!(origin.try_accept().is_none(), "half a body was sent again");
}

#[test]
fn a_get_that_met_a_backend_going_down_is_answered_by_another() {
    let (going, staying) = (Origin::bind(), Service::named("staying"));
    let proxy = Proxy::to(&[going.address(), staying.address()]);
    let mut client = proxy.connect();
    let mut idle = warm(&going, &mut client);
    assert_eq!(client.get("/in-turn").text(), "staying");
    client.send("GET /next HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(idle.request().target(), "/next");
    // It closes what is open first, and what had still come to its socket goes down with it.
    drop(idle);
    going.accept().reset();
    assert_eq!(client.response().text(), "staying");
    assert_eq!(proxy.count(Reason::UpstreamReset), 0);
    assert!(going.try_accept().is_none(), "the same backend was asked a third time");
}
