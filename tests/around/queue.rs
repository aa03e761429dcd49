//! Requests that wait for a place: in order, bounded, in time, and nobody is forgotten.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::thread;

use forebay::error::Reason;

use crate::support::{Origin, Proxy, Service, Wire, eventually};
use crate::{OK, get, with_upstream};

fn bounded(address: SocketAddr, queue: &str) -> String {
    with_upstream(&format!(
        "backends = [{{ address = \"{address}\", max_connections = 1 }}]\nqueue = {queue}"
    ))
}

fn queued(proxy: &Proxy, n: u64) {
    eventually("it waits", || proxy.daemon().metrics().sum(|worker| &worker.queued) == n);
}

/// A client whose request is at the backend, and the backend's end of it.
fn busy(proxy: &Proxy, origin: &Origin) -> (Wire, Wire) {
    let mut client = proxy.connect();
    client.send(get("/busy"));
    let mut at_backend = origin.accept();
    at_backend.request();
    (client, at_backend)
}

/// The next request at the backend, on whichever connection it comes.
fn next(origin: &Origin, open: &mut Vec<Wire>) -> usize {
    let mut found = None;
    eventually("the next request", || {
        open.extend(origin.try_accept());
        found = (0..open.len()).find(|at| open[*at].has_news());
        found.is_some()
    });
    found.expect("it came")
}

#[test]
fn places_are_given_in_the_order_of_arrival_over_all_workers() {
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&bounded(origin.address(), "{ timeout = \"off\" }"));
    let (mut first, at_backend) = busy(&proxy, &origin);
    let mut waiting = Vec::new();
    for n in 0..8 {
        let mut client = proxy.connect();
        client.send(get(&format!("/{n}")));
        queued(&proxy, n + 1);
        waiting.push(client);
    }
    let mut open = vec![at_backend];
    open[0].send(OK);
    assert_eq!(first.response().text(), "ok");
    for (n, client) in waiting.iter_mut().enumerate() {
        let at = next(&origin, &mut open);
        assert_eq!(open[at].request().target(), format!("/{n}"));
        open[at].send(OK);
        assert_eq!(client.response().text(), "ok");
    }
}

#[test]
fn nobody_is_lost_and_no_bound_is_exceeded_under_load() {
    const CLIENTS: usize = 24;
    let services = [Service::named("a"), Service::named("b")];
    let [a, b] = services.each_ref().map(Service::address);
    let proxy = Proxy::from_text(&with_upstream(&format!(
        "balance = \"least_conn\"\nbackends = [{{ address = \"{a}\", max_connections = 1 }}, \
         {{ address = \"{b}\", max_connections = 2 }}]\nqueue = {{ timeout = \"off\" }}"
    )));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = proxy.connect();
                for _ in 0..25 {
                    assert_eq!(client.get("/").status(), 200);
                }
            });
        }
    });
    assert!(proxy.daemon().metrics().sum(|worker| &worker.queued) > 0, "nobody ever waited");
    let answered: usize = services.iter().map(Service::n_requests).sum();
    assert_eq!(answered, CLIENTS * 25);
}

#[test]
fn beyond_its_bound_the_queue_refuses_and_says_when_to_come_again() {
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&bounded(origin.address(), "{ max = 1, timeout = \"off\" }"));
    let (mut first, mut at_backend) = busy(&proxy, &origin);
    let mut second = proxy.connect();
    second.send(get("/second"));
    queued(&proxy, 1);
    let answer = proxy.connect().get("/third");
    assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("1")));
    assert!(answer.text().contains("queue_full"), "{}", answer.text());
    proxy.counted(Reason::QueueFull, 1);
    at_backend.send(OK);
    assert_eq!(first.response().text(), "ok");
    let mut open = vec![at_backend];
    let at = next(&origin, &mut open);
    open[at].request();
    open[at].send(OK);
    assert_eq!(second.response().text(), "ok");
}

#[test]
fn who_waits_too_long_is_told_so() {
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&bounded(origin.address(), "{ timeout = \"50ms\" }"));
    let (_first, _at_backend) = busy(&proxy, &origin);
    let answer = proxy.connect().get("/");
    assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("1")));
    assert!(answer.text().contains("queue_timeout"), "{}", answer.text());
    proxy.counted(Reason::QueueTimeout, 1);
}

#[test]
fn the_total_timeout_counts_the_wait() {
    let origin = Origin::bind();
    let text = bounded(origin.address(), "{ timeout = \"off\" }");
    let proxy = Proxy::from_text(&format!(
        "{text}[upstream.app.timeouts]\ntotal = \"200ms\"\nfirst_byte = \"off\"\n"
    ));
    let mut first = proxy.connect();
    first.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    let mut at_backend = origin.accept();
    at_backend.request();
    at_backend
        .send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
    first.head();
    // A tunnel has a place for as long as it is open.
    assert_eq!(proxy.connect().get("/").status(), 504);
    proxy.counted(Reason::TotalTimeout, 1);
}

#[test]
fn a_client_that_leaves_makes_room_and_its_place_goes_on() {
    let origin = Origin::bind();
    let proxy = Proxy::from_text(&bounded(origin.address(), "{ max = 2, timeout = \"off\" }"));
    let (mut first, at_backend) = busy(&proxy, &origin);
    let mut leaving = proxy.connect();
    leaving.send(get("/leaving"));
    queued(&proxy, 1);
    let mut staying = proxy.connect();
    staying.send(get("/staying"));
    queued(&proxy, 2);
    drop(leaving);
    proxy.counted(Reason::ClientGone, 1);
    let mut open = vec![at_backend];
    open[0].send(OK);
    assert_eq!(first.response().text(), "ok");
    let at = next(&origin, &mut open);
    assert_eq!(open[at].request().target(), "/staying");
    open[at].send(OK);
    assert_eq!(staying.response().text(), "ok");
}

#[test]
fn after_a_reload_those_who_wait_choose_from_the_new_members() {
    let (origin, new) = (Origin::bind(), Service::named("new"));
    let proxy = Proxy::from_file(&bounded(origin.address(), "{ timeout = \"off\" }"));
    let (mut first, mut at_backend) = busy(&proxy, &origin);
    let mut waiting: Vec<Wire> = (0..6).map(|_| proxy.connect()).collect();
    for (n, client) in waiting.iter_mut().enumerate() {
        client.send(get("/"));
        queued(&proxy, n as u64 + 1);
    }
    proxy.rewrite(&with_upstream(&format!("backends = [\"{}\"]", new.address())));
    proxy.reload().expect("a good file");
    let names: BTreeSet<String> =
        waiting.iter_mut().map(|client| client.response().text()).collect();
    assert_eq!(names, BTreeSet::from(["new".to_owned()]));
    at_backend.send(OK);
    assert_eq!(first.response().text(), "ok", "what was under way ends where it began");
}

#[test]
fn a_request_that_failed_at_the_only_backend_lines_up_again_behind_those_who_wait() {
    let origin = Origin::bind();
    let queue = "{ timeout = \"off\" }\nretry = { backoff = { base = \"0ms\", max = \"0ms\" } }";
    let proxy = Proxy::from_text(&bounded(origin.address(), queue));
    let (mut failing, at_backend) = busy(&proxy, &origin);
    let mut waiting = [proxy.connect(), proxy.connect()];
    for (n, client) in (1..).zip(&mut waiting) {
        client.send(get("/waits"));
        queued(&proxy, n);
    }
    at_backend.reset();
    let [second, third] = &mut waiting;
    for (client, target) in [(second, "/waits"), (third, "/waits"), (&mut failing, "/busy")] {
        let mut backend = origin.accept();
        assert_eq!(backend.request().target(), target);
        backend.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(client.response().text(), "ok");
    }
}
