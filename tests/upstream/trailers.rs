//! Trailers behind bodies whose length is known: legal in HTTP/2, and nothing that HTTP/1.1 can say.

use crate::support::frames::{
    END_STREAM, Framed, RST_STREAM, all, data, frame, headers, request, reset,
};
use crate::support::{Origin, Proxy};
use crate::with_upstream;

const OK: (&str, &str) = (":status", "200");

/// A proxy that speaks HTTP/2 both ways.
fn between(backend: &Origin, more: &str) -> Proxy {
    to(&format!("h2c://{}", backend.address()), more)
}

fn to(backend: &str, more: &str) -> Proxy {
    let text = with_upstream(format!("backends = [\"{backend}\"]\n{more}"));
    let text = text.replace("workers = 4", "workers = 1");
    Proxy::from_text(&text.replace("bind = ", "http = { h2c = true }\nbind = "))
}

/// The head of a request with a body of so many bytes.
fn post(stream: u32, length: &str) -> crate::support::frames::Frame {
    let fields = [&request("POST", "/")[..], &[("content-length", length), ("te", "trailers")]];
    headers(stream, 0, &fields.concat())
}

#[test]
fn they_pass_both_ways_between_peers_of_http_2() {
    let origin = Origin::bind();
    let proxy = between(&origin, "");
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[
        post(1, "5"),
        data(1, 0, "he"),
        data(1, 0, "llo"),
        // What frames and routes has no place there.
        headers(1, END_STREAM, &[("x-sum", "7"), ("host", "other"), ("content-length", "9")]),
    ]));
    let mut backend = Framed::accept(origin.accept());
    let got = backend.answer(1);
    assert_eq!((got.of_request("content-length"), got.text().as_str()), (Some("5"), "hello"));
    assert_eq!(got.heads.last(), Some(&vec![("x-sum".to_owned(), "7".to_owned())]), "{got:?}");
    backend.wire.send(all(&[
        headers(1, 0, &[OK, ("content-length", "4"), ("trailer", "x-md")]),
        data(1, 0, "so"),
    ]));
    client.until("a half", |client| client.seen(1).body == b"so");
    backend.send(data(1, 0, "me"));
    client.until("all data", |client| client.seen(1).body == b"some");
    assert_eq!(client.seen(1).end, None, "the trailers are still to come");
    backend.send(headers(1, END_STREAM, &[("x-md", "8"), ("transfer-encoding-like", "y")]));
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.field("content-length")), (200, Some("4")));
    assert_eq!((answer.trailer("x-md"), answer.end), (Some("8"), Some("END_STREAM")));
    // All of it in one write.
    client.wire.send(all(&[post(3, "2"), data(3, END_STREAM, "hi")]));
    backend.until("the request", |backend| backend.seen(3).end.is_some());
    backend.wire.send(all(&[
        headers(3, 0, &[OK, ("content-length", "2")]),
        data(3, 0, "ok"),
        headers(3, END_STREAM, &[("x-md", "9")]),
    ]));
    let answer = client.answer(3);
    assert_eq!((answer.text().as_str(), answer.trailer("x-md")), ("ok", Some("9")));
}

#[test]
fn the_end_alone_passes_as_well_and_nobody_is_reset() {
    let origin = Origin::bind();
    let proxy = between(&origin, "");
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[post(1, "2"), data(1, 0, "hi")]));
    let mut backend = Framed::accept(origin.accept());
    backend.until("the data", |backend| backend.seen(1).body == b"hi");
    assert_eq!(backend.seen(1).end, None);
    client.send(data(1, END_STREAM, ""));
    assert_eq!(backend.answer(1).end, Some("END_STREAM"));
    backend.wire.send(all(&[headers(1, 0, &[OK, ("content-length", "2")]), data(1, 0, "ok")]));
    client.until("the data", |client| client.seen(1).body == b"ok");
    backend.send(data(1, END_STREAM, ""));
    let answer = client.answer(1);
    assert_eq!((answer.end, answer.heads.len()), (Some("END_STREAM"), 1));
    // The next one comes on the same connection, and nothing was cancelled.
    client.wire.send(all(&[post(3, "0"), data(3, END_STREAM, "")]));
    assert_eq!(backend.answer(3).end, Some("END_STREAM"));
    assert!(!backend.has(RST_STREAM, 0), "{:?}", backend.others);
}

#[test]
fn they_stand_behind_a_length_of_nothing_too() {
    let origin = Origin::bind();
    let proxy = between(&origin, "");
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[post(1, "0"), headers(1, END_STREAM, &[("x-sum", "0")])]));
    let mut backend = Framed::accept(origin.accept());
    let got = backend.answer(1);
    assert_eq!((got.of_request("content-length"), got.trailer("x-sum")), (Some("0"), Some("0")));
    backend.send(headers(1, 0, &[OK, ("content-length", "0")]));
    client.until("a head", |client| client.seen(1).status() == 200);
    backend.send(headers(1, END_STREAM, &[("grpc-status", "0")]));
    let answer = client.answer(1);
    assert_eq!(
        (answer.field("content-length"), answer.trailer("grpc-status")),
        (Some("0"), Some("0"))
    );
}

#[test]
fn they_are_sent_again_with_their_request() {
    let (first, second) = (Origin::bind(), Origin::bind());
    let more = "balance = \"first\"\nretry = { attempts = 1, methods = [\"POST\"] }";
    let second_address = second.address();
    let proxy = to(&format!("h2c://{}\", \"h2c://{second_address}", first.address()), more);
    let mut client = Framed::connect(proxy.address());
    for (stream, body) in [(1, "hello"), (3, "")] {
        let body = if body.is_empty() { vec![] } else { vec![data(stream, 0, body)] };
        let length = body.first().map_or(0, |frame| frame.payload.len()).to_string();
        let end = headers(stream, END_STREAM, &[("x-sum", "7")]);
        client.wire.send(all(&[vec![post(stream, &length)], body, vec![end]].concat()));
        let mut one = Framed::accept(first.accept());
        assert_eq!(one.answer(1).trailer("x-sum"), Some("7"));
        one.send(reset(1, 2));
        let mut other = Framed::accept(second.accept());
        let got = other.answer(1);
        assert_eq!((got.body.len().to_string(), got.trailer("x-sum")), (length, Some("7")));
        other.send(headers(1, END_STREAM, &[OK]));
        assert_eq!(client.answer(stream).status(), 200);
        // Each round finds new connections.
        drop((one, other));
    }
}

#[test]
fn who_speaks_http_1_gets_the_length_and_none_of_them() {
    // To a client of HTTP/1.1, whose connection goes on.
    let origin = Origin::bind();
    let proxy = between(&origin, "");
    let mut client = proxy.connect();
    let get = "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n\r\n";
    client.send(get);
    let mut backend = Framed::accept(origin.accept());
    for stream in [1, 3] {
        backend.until("a request", |backend| backend.seen(stream).end.is_some());
        backend.wire.send(all(&[
            headers(stream, 0, &[OK, ("content-length", "2"), ("trailer", "x-md")]),
            data(stream, 0, "ok"),
            headers(stream, END_STREAM, &[("x-md", "8")]),
        ]));
        let answer = client.response();
        assert_eq!((answer.field("content-length"), answer.text().as_str()), (Some("2"), "ok"));
        assert!(answer.trailers.is_empty());
        if stream == 1 {
            client.send(get);
        }
    }
    // To a backend of HTTP/1.1.
    let origin = Origin::bind();
    let proxy = to(&origin.address().to_string(), "");
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[
        post(1, "2"),
        data(1, 0, "hi"),
        headers(1, END_STREAM, &[("x-sum", "7")]),
    ]));
    let mut backend = origin.accept();
    let got = backend.request();
    assert_eq!((got.body.as_slice(), got.trailers.len()), (&b"hi"[..], 0));
    backend.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.answer(1).text(), "ok");
    client.send(headers(3, END_STREAM, &request("GET", "/next")));
    assert!(backend.head().starts_with("GET /next HTTP/1.1\r\n"), "nothing stands in between");
}

#[test]
fn a_reset_in_their_place_is_no_end() {
    let origin = Origin::bind();
    let proxy = between(&origin, "");
    let mut client = Framed::connect(proxy.address());
    client.send(headers(1, END_STREAM, &request("GET", "/")));
    let mut backend = Framed::accept(origin.accept());
    backend.answer(1);
    backend.wire.send(all(&[headers(1, 0, &[OK, ("content-length", "2")]), data(1, 0, "ok")]));
    client.until("the data", |client| client.seen(1).body == b"ok");
    backend.send(reset(1, 2));
    assert_eq!(client.answer(1).end, Some("INTERNAL_ERROR"));
    // The same the other way: the backend is told that it does not have all.
    client.wire.send(all(&[post(3, "2"), data(3, 0, "hi")]));
    backend.until("the data", |backend| backend.seen(3).body == b"hi");
    client.send(frame(RST_STREAM, 0, 3, 8_u32.to_be_bytes()));
    assert_eq!(backend.answer(3).end, Some("CANCEL"));
}
