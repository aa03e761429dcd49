//! Backends that speak HTTP/2 and mean harm, or answer in an order that is unusual: what they can make us hold and do
//! is bounded, and whoever can be served is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::JoinHandle;

use forebay::error::Reason;

use crate::http2::n_in_flight;
use crate::support::frames::{
    ACK, CONTINUATION, END_HEADERS, END_STREAM, Frame, Framed, HEADERS, PING, SETTINGS, all, block,
    data, frame, headers, ping, request, reset, settings, window_update,
};
use crate::support::{Origin, Proxy, Wire, eventually};
use crate::{get, with_upstream};

const OK: (&str, &str) = (":status", "200");

/// Frames of a flood that go out in one write.
const AT_ONCE: usize = 1000;

/// One worker, which answers `/own` by itself.
fn proxy(backend: SocketAddr, more: &str) -> Proxy {
    let text = with_upstream(format!("backends = [\"h2c://{backend}\"]\n{more}"));
    let own = "[[route]]\nname = \"own\"\nmatch = { path = \"/own\" }\nrespond = { status = 204 }\n[[route]]\nname = \"all\"\n";
    let text = text.replace("workers = 4", "workers = 1").replacen("[[route]]\n", own, 1);
    Proxy::from_text(&text.replace("bind = ", "http = { h2c = true }\nbind = "))
}

/// A client that waits for the answer on the backend's first stream.
fn asking(proxy: &Proxy, origin: &Origin, request: &str) -> (Wire, Framed) {
    let mut client = proxy.connect();
    client.send(request);
    let mut backend = Framed::accept(origin.accept());
    backend.until("a request", |backend| !backend.seen(1).heads.is_empty());
    (client, backend)
}

/// Sends `frames` again and again until the connection is ended, reading nothing.
fn flood(mut wire: Wire, frames: Vec<u8>, over: Arc<AtomicBool>) -> JoinHandle<()> {
    let bytes = frames.repeat(AT_ONCE);
    std::thread::spawn(move || {
        while wire.try_send(&bytes).is_ok() {}
        over.store(true, SeqCst);
    })
}

#[test]
fn floods_end_the_connection_and_nobody_else_waits_for_that() {
    let push = [&[0, 0, 0, 2][..], &block(&request("GET", "/"))].concat();
    let floods: [(&str, Vec<Frame>); 10] = [
        ("pings", vec![ping([1; 8])]),
        ("answers to pings", vec![frame(PING, ACK, 0, [2; 8])]),
        ("settings", vec![settings(&[(4, 70_000)])]),
        ("answers to settings", vec![frame(SETTINGS, ACK, 0, [])]),
        ("resets", vec![reset(1, 8)]),
        ("window updates", vec![window_update(0, 1)]),
        ("unknown frames", vec![frame(0xab, 0, 0, [0; 50])]),
        ("empty data", vec![headers(1, 0, &[OK]), data(1, 0, "")]),
        ("interim heads", vec![headers(1, 0, &[(":status", "103"), ("link", "</a>")])]),
        ("pushes", vec![frame(5, END_HEADERS, 1, push)]),
    ];
    for (what, frames) in floods {
        let origin = Origin::bind();
        let proxy = proxy(origin.address(), "retry = { attempts = 0 }");
        let (mut client, backend) = asking(&proxy, &origin, &get("/"));
        let mut own = proxy.connect();
        let over = Arc::new(AtomicBool::new(false));
        let (first, rest) = frames.split_at(frames.len() - 1);
        let mut wire = backend.wire;
        wire.send(all(first));
        let flood = flood(wire, all(rest), Arc::clone(&over));
        for _ in 0..10 {
            own.send(get("/own"));
            assert_eq!(own.response().status(), 204, "{what}");
        }
        eventually(what, || over.load(SeqCst));
        flood.join().expect("it ends");
        match first.is_empty() {
            true => {
                let statuses = std::iter::repeat_with(|| client.response().status());
                assert_eq!(statuses.take(40).find(|status| *status >= 200), Some(502), "{what}");
            }
            false => assert!(!client.rest().ends_with(b"0\r\n\r\n"), "{what}"),
        }
        eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
    }
}

#[test]
fn who_sends_without_a_pause_what_is_allowed_leaves_others_their_turn() {
    let origin = Origin::bind();
    let proxy = proxy(origin.address(), "");
    let (client, backend) = asking(&proxy, &origin, &get("/"));
    // Data of a stream that was given up: read, credited, and of no use to anybody.
    let mut wire = backend.wire;
    wire.send(all(&[headers(1, 0, &[OK])]));
    client.reset();
    let over = Arc::new(AtomicBool::new(false));
    let again = wire.again();
    let flood = flood(again, data(1, 0, vec![0; 16_384]).bytes(), Arc::clone(&over));
    let mut own = proxy.connect();
    for _ in 0..100 {
        own.send(get("/own"));
        assert_eq!(own.response().status(), 204);
    }
    drop(wire);
    drop(proxy);
    flood.join().expect("it ends with the daemon at the latest");
}

#[test]
fn a_head_beyond_all_bounds_is_no_answer() {
    let (short, long) = ("x".repeat(8_000), "x".repeat(16_000));
    let huge = block(&[OK, ("a", &long), ("b", &long), ("c", &long), ("d", &long), ("e", &long)]);
    let many = block(&[&[OK][..], &vec![("x", short.as_str()); 20]].concat());
    for block in [huge, many] {
        let origin = Origin::bind();
        let proxy = proxy(origin.address(), "retry = { attempts = 0 }");
        let (mut client, mut backend) = asking(&proxy, &origin, &get("/"));
        let mut frames: Vec<Frame> =
            block.chunks(16_384).map(|piece| frame(CONTINUATION, 0, 1, piece)).collect();
        let n = frames.len();
        (frames[0].kind, frames[0].flags) = (HEADERS, END_STREAM);
        frames[n - 1].flags |= END_HEADERS;
        // What is behind the bound need not be taken any more.
        let _ = backend.wire.try_send(all(&frames));
        let answer = client.response();
        assert_eq!(answer.status(), 502);
        eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
    }
}

#[test]
fn a_head_that_goes_on_for_ever_ends_the_connection() {
    let origin = Origin::bind();
    let proxy = proxy(origin.address(), "retry = { attempts = 0 }");
    for more in [block(&[("x", "y")]), Vec::new()] {
        let (mut client, backend) = asking(&proxy, &origin, &get("/"));
        let mut wire = backend.wire;
        wire.send(frame(HEADERS, 0, 1, block(&[OK])).bytes());
        let over = Arc::new(AtomicBool::new(false));
        let flood = flood(wire, frame(CONTINUATION, 0, 1, more).bytes(), Arc::clone(&over));
        assert_eq!(client.response().status(), 502);
        eventually("it is over", || over.load(SeqCst));
        flood.join().expect("it ends");
    }
}

#[test]
fn more_interim_answers_than_anybody_needs_are_an_error() {
    let origin = Origin::bind();
    let proxy = proxy(origin.address(), "retry = { attempts = 0 }");
    let mut client = Framed::connect(proxy.address());
    client.send(headers(1, END_STREAM, &request("GET", "/")));
    let mut backend = Framed::accept(origin.accept());
    backend.until("a request", |backend| backend.seen(1).end.is_some());
    let hint = headers(1, 0, &[(":status", "103"), ("link", "</a>")]);
    backend.wire.send(all(&vec![hint; 33]));
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.statuses().len()), (502, 33));
    backend.until("a reset", |backend| backend.has_reset(1, "CANCEL"));
    // The connection is as good as it was.
    client.send(headers(3, END_STREAM, &request("GET", "/")));
    backend.until("a request", |backend| backend.seen(3).end.is_some());
    backend.send(headers(3, END_STREAM, &[OK]));
    assert_eq!(client.answer(3).status(), 200);
}

#[test]
fn who_grants_no_window_is_waited_for_only_so_long() {
    let origin = Origin::bind();
    let more =
        "timeouts = { send_idle = \"200ms\", connect = \"200ms\" }\nretry = { attempts = 0 }";
    let proxy = proxy(origin.address(), more);
    let mut client = proxy.connect();
    // The first one makes its settings known.
    client.send(get("/"));
    let mut backend = Framed::accept_with(origin.accept(), &[(3, 100), (4, 0)]);
    backend.answer(1);
    backend.send(headers(1, END_STREAM, &[OK]));
    assert_eq!(client.response().status(), 200);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    let answer = client.response();
    assert_eq!(answer.status(), 504);
    assert!(answer.text().contains("first_byte_timeout"), "{}", answer.text());
    assert_eq!((backend.answer(3).end, backend.seen(3).body.len()), (Some("CANCEL"), 0));
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}

#[test]
fn connections_that_allow_no_stream_are_bounded_and_waited_for_only_so_long() {
    let origin = Origin::bind();
    let proxy =
        proxy(origin.address(), "timeouts = { connect = \"500ms\" }\nretry = { attempts = 0 }");
    let n_max = forebay::pool::TRUNKS_MAX;
    let mut clients: Vec<Wire> = (0..n_max + 4).map(|_| proxy.connect()).collect();
    // The first request on a connection goes out before anything is known of it.
    let mut backends: Vec<Framed> = Vec::new();
    for client in &mut clients[..n_max] {
        client.send(get("/"));
        let mut backend = Framed::accept_with(origin.accept(), &[(3, 0)]);
        backend.answer(1);
        backends.push(backend);
    }
    for client in &mut clients[n_max..] {
        client.send(get("/"));
        let answer = client.response();
        assert!(answer.text().contains("connect_timeout"), "{}", answer.text());
    }
    assert!(origin.try_accept().is_none(), "another connection");
    // One may be had as soon as it is allowed.
    clients[n_max].send(get("/"));
    backends[0].wire.send(all(&[headers(1, END_STREAM, &[OK]), settings(&[(3, 1)])]));
    assert_eq!(clients[0].response().status(), 200);
    backends[0].answer(3);
    backends[0].send(headers(3, END_STREAM, &[OK]));
    assert_eq!(clients[n_max].response().status(), 200);
    drop(clients);
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}

#[test]
fn data_beyond_the_window_is_not_held_and_ends_its_stream() {
    let origin = Origin::bind();
    let proxy = proxy(origin.address(), "");
    let (mut client, mut backend) = asking(&proxy, &origin, &get("/"));
    backend.send(headers(1, 0, &[OK]));
    client.until(b"\r\n\r\n");
    // The client takes nothing: what the kernel has no room for stays in the window, and there is an end to that.
    let flood = flood(backend.wire.again(), data(1, 0, vec![b'x'; 16_384]).bytes(), Arc::default());
    backend.until("a reset", |backend| backend.has_reset(1, "FLOW_CONTROL_ERROR"));
    assert!(!client.rest().ends_with(b"0\r\n\r\n"));
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
    drop(proxy);
    flood.join().expect("it ends with the daemon at the latest");
}

#[test]
fn an_answer_before_the_end_of_the_request_arrives_whatever_becomes_of_that() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhello";
    let too_large = [(":status", "413"), ("content-length", "2")];
    let done = |end: Option<Frame>| {
        let head = headers(1, 0, &too_large);
        [vec![head, data(1, END_STREAM, "no")], end.into_iter().collect()].concat()
    };
    for frames in [
        // It says all, and waits; or has heard enough, in the words of RFC 9113, section 8.1; or in others.
        done(None),
        done(Some(reset(1, 0))),
        done(Some(reset(1, 8))),
        [done(None), vec![reset(1, 0)], vec![ping([3; 8])]].concat(),
    ] {
        for in_one in [true, false] {
            let origin = Origin::bind();
            let proxy = proxy(origin.address(), "");
            let (mut client, mut backend) = asking(&proxy, &origin, post);
            backend.until("the beginning", |backend| backend.seen(1).body == b"hello");
            match in_one {
                true => backend.wire.send(all(&frames)),
                false => frames.iter().for_each(|frame| {
                    let _ = backend.try_send(frame);
                    backend.round_trip();
                }),
            }
            let answer = client.response();
            assert_eq!((answer.status(), answer.text().as_str()), (413, "no"), "{frames:?}");
            eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
            proxy.counted(Reason::UpstreamReset, 0);
        }
    }
}

#[test]
fn a_client_of_http_2_gets_an_early_answer_as_well() {
    let origin = Origin::bind();
    let proxy = proxy(origin.address(), "");
    let mut client = Framed::connect(proxy.address());
    for stream in [1, 3] {
        client
            .wire
            .send(all(&[headers(stream, 0, &request("POST", "/")), data(stream, 0, "hello")]));
    }
    let mut backend = Framed::accept(origin.accept());
    for stream in [1, 3] {
        backend.until("a beginning", |backend| backend.seen(stream).body == b"hello");
        let no = [headers(stream, 0, &[(":status", "413")]), data(stream, END_STREAM, "no")];
        backend.wire.send(all(&[&no[..], &[reset(stream, 0)]].concat()));
        let answer = client.answer(stream);
        assert_eq!((answer.status(), answer.text().as_str()), (413, "no"));
        assert_eq!(answer.end, Some("END_STREAM"));
        // The rest is on its way still, and no error.
        client.send(data(stream, END_STREAM, "more"));
        client.round_trip();
    }
}

#[test]
fn a_reset_without_an_end_is_none_whatever_it_says() {
    let origin = Origin::bind();
    let proxy = proxy(origin.address(), "");
    let (mut client, mut backend) = asking(&proxy, &origin, &get("/"));
    backend.wire.send(all(&[headers(1, 0, &[OK]), data(1, 0, "half")]));
    client.until(b"half\r\n");
    backend.send(reset(1, 0));
    client.closed();
    assert!(!client.received().ends_with(b"0\r\n\r\n"));
    proxy.counted(Reason::UpstreamTruncated, 1);
}
