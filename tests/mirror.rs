//! Mirrored requests: what the copy is, when there is none, and that the original never notices.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

mod support;

use std::net::SocketAddr;

use forebay::metrics::{Counter, WorkerCounters};
use support::{Message, Origin, Proxy, Service, Wire, eventually, refused_address};

/// Copies under way at once, by one worker.
const COPIES_MAX: usize = 128;

/// Bytes of a body that is copied.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// `app` in front, copies to `copy`; `route` and `copy` are more lines of these two tables.
fn text(app: SocketAddr, copy: SocketAddr, route: &str, upstream: &str) -> String {
    format!(
        "[global]\nworkers = 1\nshutdown_grace = \"2s\"\n\
         [[listener]]\nname = \"main\"\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"all\"\nupstream = \"app\"\n{route}\n\
         [upstream.app]\nbackends = [\"{app}\"]\n\
         [upstream.copy]\nbackends = [\"{copy}\"]\n{upstream}\n"
    )
}

const ALL: &str = "mirror = { upstream = \"copy\" }";

fn mirroring(app: &Service, copy: SocketAddr) -> Proxy {
    Proxy::from_text(&text(app.address(), copy, ALL, ""))
}

fn count(proxy: &Proxy, counter: impl Fn(&WorkerCounters) -> &Counter) -> u64 {
    proxy.daemon().metrics().sum(counter)
}

fn requests(service: &Service, n: usize) -> Vec<Message> {
    eventually(&format!("{n} requests"), || service.n_requests() >= n);
    let requests: Vec<Message> =
        service.records().into_iter().flat_map(|record| record.requests).collect();
    assert_eq!(requests.len(), n, "too many");
    requests
}

#[test]
fn the_copy_is_the_request_as_the_backend_got_it() {
    for (head, body, bytes) in [
        ("GET /a?b=c HTTP/1.1\r\nHost: x.test\r\nX-A: 1\r\nCookie: a=b\r\n", "", ""),
        ("HEAD / HTTP/1.1\r\nHost: x.test\r\n", "", ""),
        ("POST /p HTTP/1.1\r\nHost: x.test\r\nContent-Length: 5\r\n", "hello", "hello"),
        ("POST /p HTTP/1.1\r\nHost: x.test\r\nContent-Length: 0\r\n", "", ""),
        ("DELETE /p HTTP/1.0\r\nHost: x.test\r\n", "", ""),
        (
            "PUT /p HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n",
            "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\n\r\n",
            "hello",
        ),
        ("PUT /p HTTP/1.1\r\nHost: x.test\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", ""),
    ] {
        let (app, copy) = (Service::echo(), Service::echo());
        let proxy = mirroring(&app, copy.address());
        let mut client = proxy.connect();
        client.send(format!("{head}\r\n{body}"));
        client.response_to(head.split(' ').next().expect("a method"));
        let (original, copied) = (requests(&app, 1).remove(0), requests(&copy, 1).remove(0));
        assert_eq!((&copied.line, &copied.fields), (&original.line, &original.fields), "{head}");
        assert_eq!(copied.framing, original.framing, "{head}");
        assert_eq!((copied.text(), original.text()), (bytes.to_owned(), bytes.to_owned()));
        assert_eq!(count(&proxy, |worker| &worker.mirrors), 1);
    }
}

#[test]
fn a_body_that_comes_in_pieces_is_copied_whole_once_the_original_is_out() {
    let (app, copy) = (Origin::bind(), Origin::bind());
    let proxy = Proxy::from_text(&text(app.address(), copy.address(), ALL, ""));
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
    let mut backend = app.accept();
    assert!(backend.head().to_ascii_lowercase().contains("expect: 100-continue"));
    backend.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.response().status(), 100);
    client.send("first");
    backend.until(b"first");
    assert!(copy.try_accept().is_none(), "the copy is sent after the original");
    client.send("last");
    backend.until(b"last");
    let copied = copy.accept().request();
    assert_eq!(copied.text(), "firstlast");
    assert_eq!(copied.field("expect"), None, "the whole body is there already");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().status(), 200);
}

#[test]
fn the_mirrors_own_host_rule_holds_for_the_copy() {
    for (upstream, expected) in
        [("", "x.test"), ("host = \"backend\"", ""), ("host = \"copy.test\"", "copy.test")]
    {
        let (app, copy) = (Service::echo(), Service::echo());
        let address = copy.address().to_string();
        let expected = if expected.is_empty() { &address } else { expected };
        let proxy = Proxy::from_text(&text(app.address(), copy.address(), ALL, upstream));
        let mut client = proxy.connect();
        client.send("GET / HTTP/1.1\r\nHost: x.test\r\n\r\n");
        client.response();
        assert_eq!(requests(&copy, 1)[0].field("host"), Some(expected), "{upstream}");
        assert_eq!(requests(&app, 1)[0].field("host"), Some("x.test"));
    }
}

#[test]
fn a_mirror_that_never_answers_slows_nobody_and_holds_neither_reload_nor_stop() {
    let (app, copy) = (Service::echo(), Origin::bind());
    let text = text(app.address(), copy.address(), ALL, "");
    let proxy = Proxy::from_file(&text);
    let mut client = proxy.connect();
    let mut silent = Vec::new();
    for i in 0..20 {
        let target = format!("/{i}");
        assert_eq!(client.get(&target).text(), target);
        let mut wire = copy.accept();
        assert_eq!(wire.request().target(), target, "it has it, and says nothing");
        silent.push(wire);
    }
    proxy.rewrite(&text.replace(ALL, "").replace("[upstream.copy]", "[upstream.other]"));
    proxy.reload().expect("it reloads");
    assert_eq!(client.get("/after").text(), "/after");
    assert!(silent.iter_mut().all(|wire| !wire.has_news()), "a copy outlives a reload");
    assert_eq!(count(&proxy, |worker| &worker.mirrors), 20);
    // Within its grace, which is far shorter than what the copies still had.
    proxy.stop();
    silent.iter_mut().for_each(Wire::closed);
}

#[test]
fn bodies_are_copied_up_to_the_bound_and_longer_ones_dropped_and_counted() {
    let (app, copy) = (Service::echo(), Service::echo());
    let proxy = mirroring(&app, copy.address());
    let mut client = proxy.connect();
    let (mut n_sent, mut n_copied) = (0, 0);
    for (n_bytes, fits) in [(BODY_BYTES_MAX, true), (BODY_BYTES_MAX + 1, false), (1 << 20, false)] {
        let body = "x".repeat(n_bytes);
        for request in [
            format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {n_bytes}\r\n\r\n{body}"),
            format!(
                "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {n_bytes:x}\r\n{body}\r\n0\r\n\r\n"
            ),
        ] {
            client.send(request);
            assert_eq!(client.response().status(), 200);
            n_sent += 1;
            n_copied += usize::from(fits);
            let original = requests(&app, n_sent).pop().expect("one");
            assert_eq!(original.body.len(), n_bytes);
            let copies = requests(&copy, n_copied);
            assert!(copies.iter().all(|copied| copied.body.len() == BODY_BYTES_MAX));
        }
    }
    assert_eq!(count(&proxy, |worker| &worker.mirrors), 2);
    assert_eq!(count(&proxy, |worker| &worker.mirrors_dropped), 4);
}

#[test]
fn copies_at_once_are_bounded_and_those_beyond_dropped_and_counted() {
    let (app, copy) = (Service::echo(), Origin::bind());
    let proxy = mirroring(&app, copy.address());
    let mut client = proxy.connect();
    let mut silent = Vec::new();
    for i in 0..COPIES_MAX + 3 {
        let target = format!("/{i}");
        assert_eq!(client.get(&target).text(), target);
        if i < COPIES_MAX {
            silent.push(copy.accept());
        }
    }
    assert_eq!(count(&proxy, |worker| &worker.mirrors), COPIES_MAX as u64);
    assert_eq!(count(&proxy, |worker| &worker.mirrors_dropped), 3);
    // One that ends makes room.
    silent[0].request();
    silent[0].send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    silent[0].closed();
    eventually("another copy", || {
        client.get("/again");
        count(&proxy, |worker| &worker.mirrors) == COPIES_MAX as u64 + 1
    });
}

#[test]
fn a_mirrors_connection_is_kept_whatever_comes_before_and_in_its_answer() {
    let app = Service::echo();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
    ] {
        let copy = Service::start(move |_| answer.as_bytes().to_vec());
        let proxy = mirroring(&app, copy.address());
        let mut client = proxy.connect();
        eventually("a connection was used twice", || {
            client.get("/");
            copy.n_requests() > copy.n_connections() && copy.n_connections() > 0
        });
        assert_eq!(count(&proxy, |worker| &worker.mirrors_failed), 0, "{answer}");
    }
}

#[test]
fn what_goes_wrong_with_a_copy_is_counted_and_nobody_told() {
    let app = Service::echo();
    for answer in [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nX\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    ] {
        let copy = Service::start(move |_| answer.as_bytes().to_vec());
        let proxy = mirroring(&app, copy.address());
        assert_eq!(proxy.connect().get("/x").text(), "/x");
        eventually(answer, || count(&proxy, |worker| &worker.mirrors_failed) == 1);
    }
    let refused = refused_address();
    let proxy = mirroring(&app, refused.address());
    assert_eq!(proxy.connect().get("/x").text(), "/x");
    eventually("refused", || count(&proxy, |worker| &worker.mirrors_failed) == 1);
    assert_eq!(count(&proxy, |worker| &worker.mirrors), 1);
}

#[test]
fn a_mirror_that_stops_in_the_middle_fails_by_its_own_upstreams_timeouts() {
    for (answer, timeouts) in [
        ("", "timeouts = { first_byte = \"50ms\" }"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhe",
            "timeouts = { response_idle = \"50ms\" }",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nhe", "timeouts = { total = \"50ms\" }"),
    ] {
        let (app, copy) = (Service::echo(), Origin::bind());
        let proxy = Proxy::from_text(&text(app.address(), copy.address(), ALL, timeouts));
        assert_eq!(proxy.connect().get("/x").text(), "/x");
        let mut wire = copy.accept();
        wire.request();
        wire.send(answer);
        wire.closed();
        eventually(timeouts, || count(&proxy, |worker| &worker.mirrors_failed) == 1);
    }
}

#[test]
fn what_is_not_a_whole_request_is_not_copied() {
    let (app, copy) = (Origin::bind(), Service::echo());
    let proxy = Proxy::from_text(&text(app.address(), copy.address(), ALL, ""));
    let mut upgrading = proxy.connect();
    upgrading.send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\n");
    let mut backend = app.accept();
    backend.head();
    backend.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: w\r\n\r\n");
    assert_eq!(upgrading.response().status(), 101);
    // Of this one the client never sends the end.
    let mut leaving = proxy.connect();
    leaving.send("POST /left HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
    let mut backend = app.accept();
    backend.until(b"half");
    drop(leaving);
    backend.closed();
    let mut client = proxy.connect();
    client.send("GET /whole HTTP/1.1\r\nHost: x\r\n\r\n");
    app.accept().request();
    assert_eq!(requests(&copy, 1)[0].target(), "/whole");
    assert_eq!(count(&proxy, |worker| &worker.mirrors), 1);
    drop(upgrading);
}

#[test]
fn only_the_share_of_requests_that_was_asked_for_is_copied() {
    const N: u64 = 600;
    let half = "mirror = { upstream = \"copy\", percent = 50.0 }";
    let (app, copy) = (Service::echo(), Service::echo());
    let proxy = Proxy::from_text(&text(app.address(), copy.address(), half, ""));
    let mut client = proxy.connect();
    (0..N).for_each(|_| drop(client.get("/")));
    let n_copied =
        count(&proxy, |worker| &worker.mirrors) + count(&proxy, |worker| &worker.mirrors_dropped);
    // Eight standard deviations to each side.
    assert!((N / 2).abs_diff(n_copied) < 98, "{n_copied} of {N}");
}
