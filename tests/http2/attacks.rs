//! Hostile clients, each with the bound that holds against it: requests that reach a backend, or that the connection
//! ends.

use std::time::{Duration, Instant};

use forebay::error::Reason;

use crate::proxy;
use crate::support::frames::{
    ACK, CONTINUATION, END_HEADERS, END_STREAM, Frame, Framed, HEADERS, PING, PREFACE, SETTINGS,
    all, block, data, frame, get, headers, ping, post, priority, request, reset, settings, string,
    window_update,
};
use crate::support::{Origin, Proxy, Service, Setup, Wire, eventually};

/// Frames that no connection bears at once.
const FLOOD: usize = 20_000;

/// A daemon in front of a backend that answers.
fn stage() -> (Proxy, Service) {
    let service = Service::echo();
    (proxy(Setup { workers: 4, ..Setup::default() }, &[service.address()]), service)
}

/// Sends `frames` again and again until the daemon has had enough; the code of its GOAWAY.
#[track_caller]
fn flood(proxy: &Proxy, mut frames: impl FnMut(u32) -> Vec<u8>) -> &'static str {
    let mut client = Framed::connect(proxy.address());
    for n in 0..FLOOD as u32 {
        if client.wire.try_send(frames(n)).is_err() {
            break;
        }
    }
    client.wire.finish();
    let code = client.goaway();
    // Others are served as ever.
    assert_eq!(Framed::connect(proxy.address()).get(1, "/").status(), 200);
    code
}

#[track_caller]
fn calms(frames: impl FnMut(u32) -> Vec<u8>) {
    let (proxy, _service) = stage();
    assert_eq!(flood(&proxy, frames), "ENHANCE_YOUR_CALM");
    proxy.counted(Reason::H2Flood, 1);
}

#[test]
fn a_flood_of_pings_ends_the_connection() {
    calms(|n| ping(u64::from(n).to_be_bytes()).bytes());
}

#[test]
fn a_flood_of_answers_to_pings_that_were_never_sent_ends_it() {
    calms(|_| frame(PING, ACK, 0, [0; 8]).bytes());
}

#[test]
fn a_flood_of_settings_ends_it() {
    calms(|n| settings(&[(4, n)]).bytes());
}

#[test]
fn a_flood_of_priorities_ends_it() {
    calms(|n| priority(2 * n + 1, 0).bytes());
}

#[test]
fn a_flood_of_window_updates_ends_it() {
    calms(|_| window_update(0, 1).bytes());
}

#[test]
fn a_flood_of_frames_that_nobody_knows_ends_it() {
    calms(|_| frame(0xab, 0xff, 0, [1; 100]).bytes());
}

#[test]
fn a_flood_of_empty_data_ends_it() {
    let (proxy, _service) = stage();
    let mut begun = false;
    let frames = |_| match std::mem::replace(&mut begun, true) {
        false => post(1, "/").bytes(),
        true => data(1, 0, "").bytes(),
    };
    assert_eq!(flood(&proxy, frames), "ENHANCE_YOUR_CALM");
    proxy.counted(Reason::H2Flood, 1);
}

#[test]
fn a_flood_of_padded_data_without_data_ends_it() {
    let (proxy, _service) = stage();
    let mut begun = false;
    let frames = |_| match std::mem::replace(&mut begun, true) {
        false => post(1, "/").bytes(),
        true => data(1, 8, [&[9_u8][..], &[0; 9]].concat()).bytes(),
    };
    assert_eq!(flood(&proxy, frames), "ENHANCE_YOUR_CALM");
}

#[test]
fn rapid_reset_in_one_write_reaches_no_backend() {
    let (proxy, service) = stage();
    let mut client = Framed::connect(proxy.address());
    let frames: Vec<Frame> =
        (0..5000).flat_map(|n| [get(2 * n + 1, "/rapid"), reset(2 * n + 1, 8)]).collect();
    let _ = client.wire.try_send(all(&frames));
    client.wire.finish();
    assert_eq!(client.goaway(), "ENHANCE_YOUR_CALM");
    proxy.counted(Reason::H2Flood, 1);
    assert!(service.n_requests() <= 20, "{} requests reached it", service.n_requests());
}

#[test]
fn rapid_reset_at_leisure_reaches_a_backend_only_so_often() {
    let origin = Origin::bind();
    let proxy = proxy(Setup::default(), &[origin.address()]);
    let mut client = Framed::connect(proxy.address());
    let began = Instant::now();
    let mut n_reached = 0;
    'rounds: for round in 0..500 {
        let streams = [1, 3, 5, 7].map(|n| 8 * round + n);
        if !streams.iter().all(|stream| client.try_send(&get(*stream, "/rapid"))) {
            break;
        }
        // Each one gets as far as it can.
        let mut backends = Vec::new();
        while backends.len() < streams.len() {
            match origin.try_accept() {
                Some(backend) => backends.push(backend),
                None if client.wire.has_news_within(Duration::from_millis(1)) && !client.read() => {
                    break 'rounds;
                }
                None => {}
            }
        }
        n_reached += backends.len();
        for backend in &mut backends {
            backend.head();
        }
        if !streams.iter().all(|stream| client.try_send(&reset(*stream, 8))) {
            break;
        }
        for backend in &mut backends {
            backend.closed();
        }
    }
    assert_eq!(client.goaway(), "ENHANCE_YOUR_CALM");
    // Some are free, and a few more come with time.
    let n_max = 260 + 25 * (began.elapsed().as_secs() as usize + 1);
    assert!((200..=n_max).contains(&n_reached), "{n_reached} of {n_max} requests reached it");
    eventually("none in flight", || proxy.upstream().members[0].backend.in_flight() == 0);
}

/// Ways to have us reset a stream.
fn provocations(stream: u32) -> [Vec<Frame>; 4] {
    [
        // A window that is too large.
        vec![get(stream, "/"), window_update(stream, 0x7fff_ffff)],
        // A stream that depends on itself.
        vec![get(stream, "/"), priority(stream, stream)],
        // Data that is more than was announced.
        vec![
            headers(stream, 0, &[&request("POST", "/")[..], &[("content-length", "1")]].concat()),
            data(stream, END_STREAM, "more"),
        ],
        // A head that is malformed.
        vec![headers(
            stream,
            END_STREAM,
            &[&request("GET", "/")[..], &[("connection", "x")]].concat(),
        )],
    ]
}

#[test]
fn made_you_reset_reaches_a_backend_only_so_often() {
    for kind in 0..4 {
        let (proxy, service) = stage();
        let mut client = Framed::connect(proxy.address());
        for n in 0..2000 {
            let frames = &provocations(2 * n + 1)[kind];
            let sent = client.wire.try_send(all(frames));
            if sent.is_err() || (n % 10 == 0 && !client.read()) {
                break;
            }
        }
        client.wire.finish();
        assert_eq!(client.goaway(), "ENHANCE_YOUR_CALM", "{:?}", provocations(1)[kind]);
        assert!(service.n_requests() <= 300, "{} requests reached it", service.n_requests());
        eventually("none in flight", || proxy.upstream().members[0].backend.in_flight() == 0);
    }
}

#[test]
fn streams_beyond_the_limit_are_refused_and_asking_on_ends_the_connection() {
    let origin = Origin::bind();
    let setup = Setup { listener: "", ..Setup::default() };
    let text = setup.text(&[origin.address()]).replace(
        "bind = \"127.0.0.1:0\"",
        "bind = \"127.0.0.1:0\"\nhttp = { h2c = true, h2_max_streams = 3 }",
    );
    let proxy = Proxy::from_text(&text);
    let mut client = Framed::connect(proxy.address());
    let frames: Vec<Frame> = (0..5).map(|n| get(2 * n + 1, "/")).collect();
    client.wire.send(all(&frames));
    assert_eq!(client.answer(7).end, Some("REFUSED_STREAM"));
    assert_eq!(client.answer(9).end, Some("REFUSED_STREAM"));
    let _held: Vec<Wire> = (0..3).map(|_| origin.accept()).collect();
    for n in 5..FLOOD as u32 {
        if !client.try_send(&get(2 * n + 1, "/")) {
            break;
        }
    }
    client.wire.finish();
    assert_eq!(client.goaway(), "ENHANCE_YOUR_CALM");
    assert!(origin.try_accept().is_none(), "more than three reached it");
}

#[test]
fn a_header_block_that_goes_on_for_ever_ends_the_connection() {
    let (proxy, service) = stage();
    let first = frame(HEADERS, END_STREAM, 1, block(&request("GET", "/"))).bytes();
    let mut begun = false;
    let frames = |_| match std::mem::replace(&mut begun, true) {
        false => first.clone(),
        true => frame(CONTINUATION, 0, 1, block(&[("x", "y")])).bytes(),
    };
    assert_eq!(flood(&proxy, frames), "ENHANCE_YOUR_CALM");
    proxy.counted(Reason::H2Flood, 1);
    assert_eq!(service.n_requests(), 1, "the one of others");
}

#[test]
fn a_header_block_of_nothing_that_goes_on_for_ever_ends_it_too() {
    let (proxy, _service) = stage();
    let mut begun = false;
    let frames = |_| match std::mem::replace(&mut begun, true) {
        false => frame(HEADERS, END_STREAM, 1, []).bytes(),
        true => frame(CONTINUATION, 0, 1, []).bytes(),
    };
    assert_eq!(flood(&proxy, frames), "ENHANCE_YOUR_CALM");
}

/// A head with one field of nearly the whole table and `n` references to it: a byte each, 4 KB each where it is
/// unfolded.
fn bomb(n: usize) -> Frame {
    let mut bomb = block(&request("GET", "/"));
    bomb.push(0x40);
    string(b"x-bomb", &mut bomb);
    string(&[b'a'; 4000], &mut bomb);
    bomb.resize(bomb.len() + n, 0x80 | 62);
    frame(HEADERS, END_STREAM | END_HEADERS, 1, bomb)
}

#[test]
fn a_bomb_of_references_to_one_long_field_is_defused() {
    let (proxy, service) = stage();
    let mut client = Framed::connect(proxy.address());
    client.send(bomb(8000));
    client.wire.finish();
    assert_eq!(client.goaway(), "ENHANCE_YOUR_CALM");
    assert_eq!(service.n_requests(), 0);
    proxy.counted(Reason::H2Flood, 1);
}

#[test]
fn a_smaller_bomb_is_431() {
    let (proxy, service) = stage();
    let mut client = Framed::connect(proxy.address());
    client.send(bomb(20));
    assert_eq!(client.answer(1).status(), 431);
    assert_eq!(client.get(3, "/").status(), 200, "the connection is good");
    assert_eq!(service.n_requests(), 1);
}

#[test]
fn a_client_that_grants_no_window_gets_its_streams_reset() {
    let big = |_: &crate::support::Message| {
        [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec(), vec![b'x'; 100_000]]
            .concat()
    };
    let service = Service::start(big);
    let setup = Setup { timeouts: "send_idle = \"200ms\"", ..Setup::default() };
    let proxy = proxy(setup, &[service.address()]);
    let mut client = Framed::connect_with(proxy.address(), &[(4, 0)]);
    let frames: Vec<Frame> = (0..20).map(|n| get(2 * n + 1, "/")).collect();
    client.wire.send(all(&frames));
    for n in 0..20 {
        let answer = client.answer(2 * n + 1);
        assert_eq!((answer.status(), answer.body.len()), (200, 0));
        assert_eq!(answer.end, Some("INTERNAL_ERROR"));
    }
    proxy.counted(Reason::ClientStalled, 20);
    eventually("none in flight", || proxy.upstream().members[0].backend.in_flight() == 0);
}

#[test]
fn a_client_that_grants_no_window_for_a_short_answer_does_not_keep_it_either() {
    let service = Service::echo();
    let setup = Setup { timeouts: "send_idle = \"200ms\"", ..Setup::default() };
    let proxy = proxy(setup, &[service.address()]);
    let mut client = Framed::connect_with(proxy.address(), &[(4, 0)]);
    client.send(get(1, "/short"));
    let answer = client.answer(1);
    assert_eq!((answer.status(), answer.body.len()), (200, 0));
    assert_ne!(answer.end, Some("END_STREAM"));
    proxy.counted(Reason::ClientStalled, 1);
}

#[test]
fn a_client_that_reads_nothing_at_all_is_let_go() {
    let big = |_: &crate::support::Message| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n".to_vec();
        [head, vec![b'x'; 8_000_000]].concat()
    };
    let service = Service::start(big);
    let setup = Setup { timeouts: "send_idle = \"200ms\"", ..Setup::default() };
    let proxy = proxy(setup, &[service.address()]);
    let mut wire = Wire::connect_narrow(proxy.address(), 4096);
    let frames: Vec<Frame> = (0..20).map(|n| get(2 * n + 1, "/")).collect();
    let greeting = [PREFACE, &settings(&[(4, 0x7fff_ffff)]).bytes()].concat();
    wire.send([greeting, window_update(0, 0x7fff_0000).bytes(), all(&frames)].concat());
    proxy.counted(Reason::ClientStalled, 20);
    eventually("none in flight", || proxy.upstream().members[0].backend.in_flight() == 0);
}

#[test]
fn a_window_that_opens_byte_by_byte_is_served() {
    let service = Service::echo();
    let proxy = proxy(Setup::default(), &[service.address()]);
    let mut client = Framed::connect_with(proxy.address(), &[(4, 0)]);
    let path = format!("/{}", "x".repeat(99));
    client.send(get(1, &path));
    for n in 0..100 {
        client.send(window_update(1, 1));
        client.until("one byte more", |client| client.seen(1).body.len() > n);
    }
    assert_eq!(client.answer(1).text(), path);
}

#[test]
fn a_preface_that_trickles_is_cut_off_in_time() {
    let service = Service::echo();
    for h1 in [true, false] {
        let listener =
            format!("http = {{ h1 = {h1}, h2c = true }}\ntimeouts = {{ header = \"300ms\" }}");
        let setup = Setup { listener: &listener, ..Setup::default() };
        let proxy = Proxy::with(setup, &[service.address()]);
        for n in [1, 10, PREFACE.len() - 1, PREFACE.len()] {
            let mut wire = Wire::connect(proxy.address());
            wire.send(&PREFACE[..n]);
            assert!(wire.is_closed(), "{n} bytes of the preface keep a connection");
        }
        // All of it, and half of a frame.
        let mut wire = Wire::connect(proxy.address());
        wire.send([PREFACE, &settings(&[]).bytes()[..5]].concat());
        assert!(wire.is_closed());
    }
    assert_eq!(service.n_connections(), 0);
}

#[test]
fn whoever_sends_something_else_first_is_sent_away() {
    let (proxy, service) = stage();
    for first in [ping([0; 8]), get(1, "/"), frame(SETTINGS, ACK, 0, []), window_update(0, 1)] {
        let mut client = Framed::over(proxy.connect());
        client.wire.send([PREFACE, &first.bytes()].concat());
        assert_eq!(client.goaway(), "PROTOCOL_ERROR", "{first:?}");
    }
    assert_eq!(service.n_requests(), 0);
}

#[test]
fn small_data_frames_that_nobody_reads_are_bounded() {
    let origin = Origin::bind();
    let proxy = proxy(Setup::default(), &[origin.address()]);
    let mut client = Framed::connect(proxy.address());
    // The backend takes nothing: 100 streams with frames of one byte until the budget is used up.
    let heads: Vec<Frame> = (0..100).map(|n| post(2 * n + 1, "/")).collect();
    client.wire.send(all(&heads));
    let _held: Vec<Wire> = (0..100).map(|_| origin.accept()).collect();
    let bytes: Vec<u8> = (0..100).flat_map(|n| data(2 * n + 1, 0, "x").bytes()).collect();
    let mut n_rounds = 0;
    while n_rounds < 30_000 && client.wire.try_send(&bytes).is_ok() {
        n_rounds += 1;
    }
    // Either each was passed on, which costs the backend's socket and not us, or the connection was ended.
    if n_rounds < 30_000 {
        assert_eq!(client.goaway(), "ENHANCE_YOUR_CALM");
    }
}

#[test]
fn clients_that_mean_well_are_never_taken_for_a_flood() {
    let (proxy, service) = stage();
    let mut client = Framed::connect(proxy.address());
    // Calls as gRPC clients make them: a ping and two window updates for each answer, one in ten cancelled.
    for n in 0..3000_u32 {
        let stream = 2 * n + 1;
        client.wire.send(all(&[post(stream, "/call"), data(stream, END_STREAM, "message")]));
        match n % 10 {
            0 => client.send(reset(stream, 8)),
            _ => assert_eq!(client.answer(stream).status(), 200),
        }
        let pings = [ping(u64::from(n).to_be_bytes()), window_update(0, 5)];
        client.wire.send(all(&pings));
    }
    client.round_trip();
    assert_eq!(client.last_goaway(), None);
    assert!(service.n_requests() >= 2700);
    proxy.counted(Reason::H2Flood, 0);
}
