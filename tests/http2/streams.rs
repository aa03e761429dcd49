//! Exchanges on streams: heads, bodies, trailers, interim responses, both ways.

use std::time::Duration;

use forebay::error::Reason;

use crate::proxy;
use crate::support::frames::{
    END_STREAM, Framed, all, data, get, headers, post, request, reset, window_update,
};
use crate::support::{Framing, Origin, Proxy, Service, Setup, Wire, eventually};

/// A client, the daemon and a backend that the test plays.
fn stage(setup: Setup<'_>) -> (Framed, Proxy, Origin) {
    let origin = Origin::bind();
    let proxy = proxy(setup, &[origin.address()]);
    let client = Framed::connect(proxy.address());
    (client, proxy, origin)
}

/// The answer that a client gets where the backend says `response`.
fn answered(method: &str, response: &str) -> crate::support::frames::Answer {
    let (mut client, _proxy, origin) = stage(Setup::default());
    client.send(headers(1, END_STREAM, &request(method, "/")));
    let mut backend = origin.accept();
    backend.head();
    backend.send(response);
    if !response.contains("Content-Length") && !response.contains("chunked") {
        backend.finish();
    }
    client.answer(1)
}

#[test]
fn a_request_becomes_http_1_and_its_answer_http_2() {
    let service = Service::echo();
    let proxy = proxy(Setup::default(), &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    let answer = client.get(1, "/a?b=c");
    assert_eq!((answer.status(), answer.text().as_str()), (200, "/a?b=c"));
    assert_eq!(answer.field("content-length"), Some("6"));
    assert_eq!(answer.end, Some("END_STREAM"));
    let request = service.records()[0].requests[0].clone();
    assert_eq!(request.line, "GET /a?b=c HTTP/1.1");
    assert_eq!(request.field("host"), Some("test"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.framing, Framing::None);
}

#[test]
fn a_body_of_unknown_length_is_chunked_with_its_trailers() {
    let (mut client, _proxy, origin) = stage(Setup::default());
    client.send(post(1, "/up"));
    client.send(data(1, 0, "first "));
    let mut backend = origin.accept();
    assert!(backend.head().starts_with("POST /up HTTP/1.1\r\n"));
    assert_eq!(backend.until(b"first \r\n"), "6\r\nfirst \r\n", "it is not held back");
    client.send(data(1, 0, "second"));
    client.send(headers(1, END_STREAM, &[("x-sum", "12")]));
    assert_eq!(backend.until(b"\r\n\r\n"), "6\r\nsecond\r\n0\r\nx-sum: 12\r\n\r\n");
    backend.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-md\r\n\r\n");
    backend.send("2\r\nok\r\n");
    client.until("the first chunk", |client| client.seen(1).body == b"ok");
    backend.send("3\r\n go\r\n0\r\nX-Md: 7\r\n\r\n");
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok go"));
    assert_eq!(answer.trailer("x-md"), Some("7"));
    assert_eq!(answer.field("transfer-encoding"), None);
    // The backend's connection is good for another one.
    client.send(get(3, "/again"));
    assert!(backend.head().starts_with("GET /again HTTP/1.1\r\n"));
    backend.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.answer(3).status(), 204);
}

#[test]
fn a_body_of_known_length_keeps_it() {
    let service = Service::echo();
    let proxy = proxy(Setup::default(), &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    let fields = [&request("POST", "/up")[..], &[("content-length", "5")]].concat();
    client.wire.send(all(&[headers(1, 0, &fields), data(1, 0, "he"), data(1, END_STREAM, "llo")]));
    assert_eq!(client.answer(1).status(), 200);
    let request = service.records()[0].requests[0].clone();
    assert_eq!((request.framing, request.body), (Framing::Length(5), b"hello".to_vec()));
}

#[test]
fn a_post_without_a_body_says_so() {
    let service = Service::echo();
    let proxy = proxy(Setup::default(), &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    client.send(headers(1, END_STREAM, &request("POST", "/")));
    assert_eq!(client.answer(1).status(), 200);
    client.wire.send(all(&[post(3, "/"), data(3, END_STREAM, "")]));
    assert_eq!(client.answer(3).status(), 200);
    let requests = &service.records()[0].requests;
    assert_eq!(requests[0].framing, Framing::Length(0));
    assert_eq!((requests[1].framing, requests[1].body.len()), (Framing::Chunked, 0));
}

#[test]
fn many_streams_at_once_are_not_mixed_up() {
    let service = Service::echo();
    let proxy = proxy(Setup { workers: 4, ..Setup::default() }, &[service.address()]);
    let mut clients: Vec<Framed> = (0..4).map(|_| Framed::connect(proxy.address())).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let frames: Vec<_> = (0..100).map(|i| get(2 * i + 1, &format!("/{n}/{i}"))).collect();
        client.wire.send(all(&frames));
    }
    for (n, client) in clients.iter_mut().enumerate() {
        for i in 0..100 {
            let answer = client.answer(2 * i + 1);
            assert_eq!((answer.status(), answer.text()), (200, format!("/{n}/{i}")));
        }
    }
    let metrics = proxy.daemon().metrics();
    assert_eq!(metrics.sum(|worker| &worker.connections), 4);
    assert_eq!(metrics.sum(|worker| &worker.h2_connections), 4);
    assert_eq!(metrics.sum(|worker| &worker.h2_streams), 400);
}

#[test]
fn heads_alone_are_answers_to_head_and_of_204_and_304() {
    let answer = answered("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n");
    assert_eq!((answer.status(), answer.field("content-length")), (200, Some("42")));
    assert_eq!((answer.body.len(), answer.end), (0, Some("END_STREAM")));
    let answer = answered("GET", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n");
    assert_eq!(
        (answer.status(), answer.field("x-a"), answer.end),
        (204, Some("b"), Some("END_STREAM"))
    );
    let answer =
        answered("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\nETag: \"x\"\r\n\r\n");
    assert_eq!((answer.status(), answer.field("content-length")), (304, Some("42")));
    assert_eq!(answer.end, Some("END_STREAM"));
    let answer = answered("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!((answer.status(), answer.field("content-length")), (200, Some("0")));
    assert_eq!(answer.end, Some("END_STREAM"));
}

#[test]
fn interim_responses_and_a_100_reach_the_client() {
    let (mut client, _proxy, origin) = stage(Setup::default());
    let fields =
        [&request("POST", "/up")[..], &[("expect", "100-continue"), ("content-length", "2")]];
    client.send(headers(1, 0, &fields.concat()));
    let mut backend = origin.accept();
    assert!(backend.head().contains("100-continue"));
    backend.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
    client.until("a 100", |client| client.seen(1).statuses().ends_with(&[100]));
    client.send(data(1, END_STREAM, "hi"));
    assert_eq!(backend.exactly(2), b"hi");
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let answer = client.answer(1);
    assert_eq!(answer.statuses(), [103, 100, 200]);
    assert_eq!(answer.heads[0][1], ("link".to_owned(), "</a.css>".to_owned()));
    assert_eq!(answer.text(), "ok");
}

#[test]
fn a_truncated_answer_is_reset_and_never_ended() {
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
    ] {
        let (mut client, proxy, origin) = stage(Setup::default());
        client.send(get(1, "/"));
        let mut backend = origin.accept();
        backend.head();
        backend.send(response);
        client.until("the half", |client| client.seen(1).body == b"half");
        drop(backend);
        let answer = client.answer(1);
        assert_eq!(answer.end, Some("INTERNAL_ERROR"), "{response:?}");
        proxy.counted(Reason::UpstreamTruncated, 1);
        client.round_trip();
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_ends_its_stream() {
    let answer = answered("GET", "HTTP/1.0 200 OK\r\n\r\nall of it");
    assert_eq!((answer.text().as_str(), answer.end), ("all of it", Some("END_STREAM")));
}

#[test]
fn a_connection_reset_under_an_answer_until_its_end_is_no_end() {
    let (mut client, _proxy, origin) = stage(Setup::default());
    client.send(get(1, "/"));
    let mut backend = origin.accept();
    backend.head();
    backend.send("HTTP/1.0 200 OK\r\n\r\nhalf");
    client.until("the half", |client| client.seen(1).body == b"half");
    backend.reset();
    assert_eq!(client.answer(1).end, Some("INTERNAL_ERROR"));
}

#[test]
fn what_concerns_the_backends_connection_is_not_passed_on() {
    let answer = answered(
        "GET",
        "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Drop\r\nKeep-Alive: timeout=5\r\nX-Drop: a\r\n\
         Proxy-Connection: close\r\nUpgrade: h2c\r\nX-Keep: b\r\nContent-Length: 0\r\n\r\n",
    );
    for gone in ["connection", "keep-alive", "x-drop", "proxy-connection", "upgrade"] {
        assert_eq!(answer.field(gone), None);
    }
    assert_eq!(answer.field("x-keep"), Some("b"));
}

#[test]
fn names_from_backends_come_in_lower_case_and_values_as_they_are() {
    let answer = answered(
        "GET",
        "HTTP/1.1 200 OK\r\nX-CASE: MiXed\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n",
    );
    let head = &answer.heads[0];
    let is = |name: &str, value: &str| head.contains(&(name.to_owned(), value.to_owned()));
    assert!(
        is("x-case", "MiXed") && is("set-cookie", "a=1") && is("set-cookie", "b=2"),
        "{head:?}"
    );
}

#[test]
fn cookies_that_come_in_pieces_are_joined() {
    let service = Service::echo();
    let proxy = proxy(Setup::default(), &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    let pieces = [("cookie", "a=1"), ("x-between", "y"), ("cookie", "b=2"), ("cookie", "c=3")];
    let fields = [&request("GET", "/")[..], &pieces].concat();
    client.send(headers(1, END_STREAM, &fields));
    assert_eq!(client.answer(1).status(), 200);
    assert_eq!(service.records()[0].requests[0].field("cookie"), Some("a=1; b=2; c=3"));
}

#[test]
fn te_trailers_reaches_the_backend() {
    let service = Service::echo();
    let proxy = proxy(Setup::default(), &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    let fields = [&request("GET", "/")[..], &[("te", "trailers")]].concat();
    client.send(headers(1, END_STREAM, &fields));
    assert_eq!(client.answer(1).status(), 200);
    assert_eq!(service.records()[0].requests[0].field("te"), Some("trailers"));
}

#[test]
fn a_cancelled_stream_ends_its_exchange_and_nothing_else() {
    let (mut client, proxy, origin) = stage(Setup::default());
    client.wire.send(all(&[get(1, "/slow"), get(3, "/also")]));
    let (mut one, mut other) = (origin.accept(), origin.accept());
    let heads = [one.head(), other.head()];
    if heads[0].starts_with("GET /also") {
        std::mem::swap(&mut one, &mut other);
    }
    let backend = || proxy.upstream().members[0].backend.in_flight();
    assert_eq!(backend(), 2);
    client.send(reset(1, 8));
    one.closed();
    eventually("one less in flight", || backend() == 1);
    proxy.counted(Reason::ClientGone, 1);
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer(3).text(), "ok");
    eventually("none in flight", || backend() == 0);
    // What was kept is the connection that came to its end.
    client.send(get(5, "/again"));
    other.head();
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer(5).text(), "ok");
}

#[test]
fn a_stream_cancelled_in_mid_body_either_way_lets_go_of_its_backend() {
    let (mut client, proxy, origin) = stage(Setup::default());
    client.wire.send(all(&[post(1, "/up"), data(1, 0, "some")]));
    let mut up = origin.accept();
    up.until(b"some\r\n");
    client.send(reset(1, 8));
    up.closed();
    client.send(get(3, "/down"));
    let mut down = origin.accept();
    down.head();
    down.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nsome");
    client.until("some", |client| client.seen(3).body == b"some");
    client.send(reset(3, 8));
    down.closed();
    eventually("none in flight", || proxy.upstream().members[0].backend.in_flight() == 0);
    proxy.counted(Reason::ClientGone, 2);
    client.round_trip();
}

#[test]
fn a_connection_that_closes_takes_its_streams_along() {
    let (mut client, proxy, origin) = stage(Setup { workers: 4, ..Setup::default() });
    let frames: Vec<_> = (0..50).map(|i| get(2 * i + 1, "/slow")).collect();
    client.wire.send(all(&frames));
    let mut backends: Vec<Wire> = (0..50).map(|_| origin.accept()).collect();
    backends.iter_mut().for_each(|backend| drop(backend.head()));
    assert_eq!(proxy.upstream().members[0].backend.in_flight(), 50);
    drop(client);
    backends.iter_mut().for_each(Wire::closed);
    eventually("none in flight", || proxy.upstream().members[0].backend.in_flight() == 0);
    proxy.counted(Reason::ClientGone, 50);
}

#[test]
fn an_answer_before_the_end_of_the_upload_ends_that() {
    let (mut client, _proxy, origin) = stage(Setup::default());
    client.wire.send(all(&[post(1, "/up"), data(1, 0, "some")]));
    let mut backend = origin.accept();
    backend.until(b"some\r\n");
    backend
        .send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.end), (413, Some("END_STREAM")));
    // Data that was on its way is no error.
    client.send(data(1, 0, "more"));
    client.round_trip();
    assert_eq!(client.last_goaway(), None);
}

#[test]
fn a_long_upload_flows_as_the_backend_takes_it() {
    let (mut client, _proxy, origin) = stage(Setup::default());
    let body: Vec<u8> = (0..1_500_000_u32).map(|i| i as u8).collect();
    client.send(post(1, "/up"));
    let mut backend = origin.accept().patient();
    let sent = body.clone();
    let mut other = client.wire.again();
    let sender = std::thread::spawn(move || {
        // As much as its windows allow from the beginning, which are known: 256 KiB on a stream.
        for piece in sent[..200_000].chunks(16_000) {
            other.send(data(1, 0, piece).bytes());
        }
    });
    backend.head();
    sender.join().expect("it sent all");
    let mut n_sent = 200_000;
    while n_sent < body.len() {
        let before = client.others.len();
        client.until("a window update", |client| {
            client.others[before..].iter().any(|frame| frame.kind == 8 && frame.stream == 1)
        });
        let updates =
            client.others[before..].iter().filter(|frame| frame.kind == 8 && frame.stream == 1);
        let n: u32 = updates
            .map(|frame| u32::from_be_bytes(frame.payload[..4].try_into().expect("four bytes")))
            .sum();
        let end = (n_sent + n as usize).min(body.len());
        for piece in body[n_sent..end].chunks(16_000) {
            client.send(data(1, 0, piece));
        }
        n_sent = end;
    }
    client.send(data(1, END_STREAM, ""));
    let mut received = Vec::new();
    loop {
        let line = backend.until(b"\r\n");
        let n = usize::from_str_radix(line.trim_end(), 16).expect("a chunk");
        received.extend_from_slice(&backend.exactly(n));
        backend.exactly(2);
        if n == 0 {
            break;
        }
    }
    assert!(received == body, "{} bytes of {}", received.len(), body.len());
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer(1).status(), 200);
}

#[test]
fn a_long_download_waits_for_the_clients_window() {
    let (mut client, _proxy, origin) = stage(Setup::default());
    client.send(get(1, "/down"));
    let mut backend = origin.accept();
    backend.head();
    let body: Vec<u8> = (0..300_000_u32).map(|i| (i * 7) as u8).collect();
    backend.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()));
    backend.send(&body);
    client.until("a window full", |client| client.n_data == 65_535);
    client.listen(Duration::from_millis(50));
    assert_eq!(client.n_data, 65_535, "more than the window");
    client.wire.send(all(&[window_update(0, 1 << 20), window_update(1, 1 << 20)]));
    let answer = client.answer(1);
    assert!(answer.body == body);
}

#[test]
fn answers_of_our_own_are_answers() {
    let (mut client, proxy, _origin) = stage(Setup {
        more: "[[route]]\nname = \"own\"\nhosts = [\"own.example\"]\nrespond = { status = 418, body = \"short\" }\n\
               [[route]]\nname = \"old\"\nhosts = [\"old.example\"]\nredirect = { to = \"https://new.example{path_and_query}\" }\n",
        ..Setup::default()
    });
    let with = |host: &'static str| {
        [(":method", "GET"), (":scheme", "http"), (":authority", host), (":path", "/p?q")]
    };
    client.send(headers(1, END_STREAM, &with("own.example")));
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.text().as_str()), (418, "short"));
    client.send(headers(3, END_STREAM, &with("old.example")));
    let answer = client.answer(3);
    assert_eq!(answer.field("location"), Some("https://new.example/p?q"));
    assert_eq!(answer.end, Some("END_STREAM"));
    client.send(headers(5, END_STREAM, &request("CONNECT", "/")[..1]));
    let _ = client.answer(5);
    proxy.counted(Reason::UpstreamReset, 0);
}

#[test]
fn an_upload_that_stalls_is_408_and_the_connection_goes_on() {
    let (mut client, proxy, origin) =
        stage(Setup { listener: "timeouts = { body_idle = \"200ms\" }", ..Setup::default() });
    client.wire.send(all(&[post(1, "/up"), data(1, 0, "some")]));
    let mut backend = origin.accept();
    backend.until(b"some\r\n");
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.end), (408, Some("END_STREAM")));
    backend.closed();
    proxy.counted(Reason::BodyTimeout, 1);
    client.round_trip();
    assert_eq!(client.last_goaway(), None);
}

#[test]
fn a_backend_that_says_nothing_is_504_on_its_stream_alone() {
    let (mut client, _proxy, origin) =
        stage(Setup { timeouts: "first_byte = \"300ms\"", ..Setup::default() });
    client.wire.send(all(&[get(1, "/silent"), get(3, "/good")]));
    let (mut one, mut other) = (origin.accept(), origin.accept());
    if one.head().starts_with("GET /good ") {
        std::mem::swap(&mut one, &mut other);
    } else {
        other.head();
    }
    other.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer(3).text(), "ok");
    assert_eq!(client.answer(1).status(), 504);
}
