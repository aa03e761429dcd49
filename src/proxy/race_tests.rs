//! Races, by hand: the backend is declared stalled, and the test plays both.

use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use super::*;
use crate::backend::{Address, Backend};
use crate::net::Stream;
use crate::proxy::stage::Stage;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// One worker in front of a backend that will be found stalled, and others.
struct Track {
    stage: Stage,
    hung: TcpListener,
    other: TcpListener,
    third: Option<TcpListener>,
}

impl Track {
    fn new(upstream: &str) -> Track {
        Track::on(upstream, None)
    }

    fn of_three(upstream: &str) -> Track {
        Track::on(upstream, Some(bound()))
    }

    fn on(upstream: &str, third: Option<TcpListener>) -> Track {
        let (hung, other) = (bound(), bound());
        let address = |it: &TcpListener| it.local_addr().expect("an address").to_string();
        let backends: Vec<_> = [&hung, &other].into_iter().chain(&third).map(address).collect();
        let rest =
            format!("[upstream.u]\nbalance = \"first\"\nbackends = {backends:?}\n{upstream}\n");
        let stage = Stage::with_route("upstream = \"u\"", &rest, Arc::new([]));
        Track { stage, hung, other, third }
    }

    /// A client's request at the first backend, which is then found stalled.
    async fn sent(&self, client: &mut UnixStream, request: &str) -> TcpStream {
        client.write_all(request.as_bytes()).await.expect("open");
        let at_hung = accept(&self.hung).await;
        self.finds_stalled(0);
        at_hung
    }

    fn finds_stalled(&self, which: usize) {
        let snapshot = self.stage.current.load_full();
        let upstream = &snapshot.upstreams[0];
        let backend = &upstream.members[which].backend;
        backend.found_stalled(&upstream.care);
        assert!(backend.is_stalled());
        self.stage.worker.wake_all();
    }

    /// Runs `script` with a client while its connection is served; then everything is over.
    async fn run(self, script: impl AsyncFnOnce(&Track, &mut UnixStream)) {
        let (serving, mut client) = self.stage.serve();
        let playing = async {
            script(&self, &mut client).await;
            drop(client);
        };
        tokio::join!(serving, playing);
        let snapshot = self.stage.current.load_full();
        for member in &snapshot.upstreams[0].members {
            assert_eq!(member.backend.in_flight(), 0, "a permit was left over");
        }
    }

    fn races(&self) -> u64 {
        self.stage.metrics.sum(|worker| &worker.races)
    }
}

fn bound() -> TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    listener.set_nonblocking(true).expect("a socket");
    TcpListener::from_std(listener).expect("a runtime")
}

/// The next connection, with a request on it.
async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.expect("a connection");
    read_request(&mut stream).await;
    stream
}

async fn read_request(stream: &mut TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut bytes).await.expect("open") > 0, "it ended");
    }
}

async fn answer(stream: &mut TcpStream, body: &str) {
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{body}");
    stream.write_all(text.as_bytes()).await.expect("open");
}

/// What the client gets: the last byte of an answer whose body is one byte long.
async fn body(client: &mut UnixStream) -> char {
    let mut bytes = Vec::new();
    let end = loop {
        assert!(client.read_buf(&mut bytes).await.expect("open") > 0, "it ended");
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
    };
    while bytes.len() == end {
        client.read_buf(&mut bytes).await.expect("open");
    }
    assert_eq!(bytes.len(), end + 1, "{}", bytes.escape_ascii());
    bytes[end].into()
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    !matches!(stream.read(&mut [0]).await, Ok(1..))
}

fn reset(stream: TcpStream) {
    stream.set_zero_linger().expect("a socket");
}

#[tokio::test]
async fn the_second_try_wins_and_the_first_is_closed() {
    let track = Track::new("");
    track
        .run(async |track, client| {
            let mut first = track.sent(client, GET).await;
            let mut second = accept(&track.other).await;
            answer(&mut second, "2").await;
            assert_eq!(body(client).await, '2');
            assert!(is_closed(&mut first).await);
            assert_eq!(track.races(), 1);
            // The connection that won serves on.
            client.write_all(GET.as_bytes()).await.expect("open");
            read_request(&mut second).await;
            answer(&mut second, "3").await;
            assert_eq!(body(client).await, '3');
        })
        .await;
}

#[tokio::test]
async fn the_first_try_wins_after_all_and_the_second_is_closed() {
    let track = Track::new("");
    track
        .run(async |track, client| {
            let mut first = track.sent(client, GET).await;
            let mut second = accept(&track.other).await;
            // In two pieces, the second after a part of the other's.
            first.write_all(b"HTTP/1.1 200 OK\r\nContent-").await.expect("open");
            second.write_all(b"HTTP/1.1 200").await.expect("open");
            tokio::task::yield_now().await;
            first.write_all(b"Length: 1\r\n\r\n1").await.expect("open");
            assert_eq!(body(client).await, '1');
            assert!(is_closed(&mut second).await);
            client.write_all(GET.as_bytes()).await.expect("open");
            // An answer ends the stall, so that the first connection may be the one that is used.
            let mut next = accept_or_same(track, first).await;
            answer(&mut next, "4").await;
            assert_eq!(body(client).await, '4');
        })
        .await;
}

/// The next request, on `open` or on a new connection to the other backend.
async fn accept_or_same(track: &Track, open: TcpStream) -> TcpStream {
    tokio::select! {
        readable = open.readable() => {
            readable.expect("open");
            let mut open = open;
            read_request(&mut open).await;
            open
        }
        accepted = accept(&track.other) => accepted,
    }
}

#[tokio::test]
async fn where_the_second_is_found_stalled_too_a_third_is_asked_and_two_are_waited_for() {
    for answers in [1, 2] {
        let track = Track::of_three("");
        track
            .run(async |track, client| {
                let mut first = track.sent(client, GET).await;
                let mut second = accept(&track.other).await;
                track.finds_stalled(1);
                let mut third = accept(track.third.as_ref().expect("three")).await;
                assert!(is_closed(&mut first).await);
                let of_both = [&mut second, &mut third];
                answer(of_both[answers - 1], &answers.to_string()).await;
                assert_eq!(body(client).await.to_string(), answers.to_string());
                assert_eq!(track.races(), 2);
            })
            .await;
    }
}

#[tokio::test]
async fn whoever_has_begun_to_answer_is_not_let_go_for_a_third() {
    let track = Track::of_three("");
    track
        .run(async |track, client| {
            let mut first = track.sent(client, GET).await;
            let mut second = accept(&track.other).await;
            first.write_all(b"HTTP/1.1 200 OK\r\nContent-").await.expect("open");
            // The part is read before the rest is looked at.
            track.stage.worker.wake_all();
            tokio::task::yield_now().await;
            track.finds_stalled(1);
            tokio::task::yield_now().await;
            first.write_all(b"Length: 1\r\n\r\n1").await.expect("open");
            assert_eq!(body(client).await, '1');
            assert!(is_closed(&mut second).await);
            assert_eq!(track.races(), 1);
        })
        .await;
}

#[tokio::test]
async fn when_all_others_failed_the_first_is_waited_for() {
    let track = Track::new("retry = { backoff = { base = \"0ms\" } }");
    track
        .run(async |track, client| {
            let mut first = track.sent(client, GET).await;
            reset(accept(&track.other).await);
            reset(accept(&track.other).await);
            answer(&mut first, "1").await;
            assert_eq!(body(client).await, '1');
        })
        .await;
}

#[tokio::test]
async fn an_answer_in_the_pause_is_taken() {
    let track = Track::new("retry = { backoff = { base = \"60s\", max = \"60s\" }, attempts = 5 }");
    track
        .run(async |track, client| {
            let mut first = track.sent(client, GET).await;
            reset(accept(&track.other).await);
            answer(&mut first, "1").await;
            assert_eq!(body(client).await, '1');
        })
        .await;
}

#[tokio::test]
async fn the_first_try_that_fails_leaves_the_second_alone() {
    let track = Track::new("");
    track
        .run(async |track, client| {
            let first = track.sent(client, GET).await;
            let mut second = accept(&track.other).await;
            reset(first);
            tokio::task::yield_now().await;
            answer(&mut second, "2").await;
            assert_eq!(body(client).await, '2');
        })
        .await;
}

#[tokio::test]
async fn what_must_not_be_sent_twice_and_what_nobody_pays_for_is_not_raced() {
    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    for (request, upstream) in [
        (post, ""),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", ""),
        (GET, "retry = { attempts = 0 }"),
        (GET, "retry = { on = [\"connect\"] }"),
        (GET, "budget = { ratio = 0.0, min_per_second = 0 }"),
    ] {
        let track = Track::new(upstream);
        track
            .run(async |track, client| {
                let mut first = track.sent(client, request).await;
                tokio::task::yield_now().await;
                answer(&mut first, "1").await;
                assert_eq!(body(client).await, '1', "{upstream}");
                assert_eq!(track.races(), 0, "{upstream}");
            })
            .await;
    }
}

#[tokio::test]
async fn a_stall_that_ends_in_nothing_is_called_so() {
    let upstream = "retry = { attempts = 0 }\ntimeouts = { first_byte = \"50ms\" }";
    let track = Track::new(upstream);
    track
        .run(async |track, client| {
            let _first = track.sent(client, GET).await;
            let mut bytes = Vec::new();
            while !bytes.windows(7).any(|found| found == b"stalled") {
                assert!(client.read_buf(&mut bytes).await.expect("open") > 0, "it ended");
            }
            assert!(bytes.starts_with(b"HTTP/1.1 504 "));
        })
        .await;
}

#[tokio::test]
async fn the_log_is_told_how_long_connecting_to_the_winner_took() {
    let ms = Duration::from_millis;
    let (ours, _theirs) = UnixStream::pair().expect("a pair");
    let connection = pool::Connection::new(Stream::from(ours), Instant::now());
    let backend = Arc::new(Backend::new(1, Address::Unix("/1".into())));
    let mut exchange = Exchange::default();
    exchange.record.connect = Some(ms(3));
    let parked = Parked::new(&mut exchange, connection, Permit::acquire(&backend));
    exchange.record.connect = Some(ms(9));
    drop(parked.unpark(&mut exchange));
    assert_eq!(exchange.record.connect, Some(ms(3)));
}
