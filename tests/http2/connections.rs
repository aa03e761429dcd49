//! Connections: how they begin, how they end, and what both mean for their streams.

use std::time::Duration;

use forebay::error::Reason;

use crate::proxy;
use crate::support::frames::{
    ACK, END_STREAM, Framed, PING, PREFACE, SETTINGS, all, data, frame, get, headers, ping, post,
    request, settings,
};
use crate::support::{DEADLINE, Origin, Proxy, Service, Setup, Wire, eventually};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_listener_may_speak_both_versions_or_either() {
    let service = Service::echo();
    for (http, speaks_1, speaks_2) in [
        ("http = { h2c = true }", true, true),
        ("http = { h1 = false, h2c = true }", false, true),
        ("", true, false),
    ] {
        let setup = Setup { listener: http, ..Setup::default() };
        let proxy = Proxy::with(setup, &[service.address()]);
        let mut one = proxy.connect();
        one.send("GET /one HTTP/1.1\r\nHost: test\r\n\r\n");
        match speaks_1 {
            true => {
                assert_eq!(one.response().text(), "/one");
                // What comes later is no preface.
                one.send(PREFACE);
                assert_eq!(one.response().status(), 400);
            }
            false => assert!(one.is_closed() && !one.received().starts_with(b"HTTP/1")),
        }
        let mut two = proxy.connect();
        match speaks_2 {
            true => assert_eq!(Framed::connect(proxy.address()).get(1, "/two").text(), "/two"),
            false => {
                two.send([PREFACE, &settings(&[]).bytes()].concat());
                assert_eq!(two.response().status(), 400);
            }
        }
    }
}

#[test]
fn a_preface_may_come_byte_by_byte_and_what_only_begins_like_one_is_http_1() {
    let service = Service::echo();
    let proxy = proxy(Setup::default(), &[service.address()]);
    let mut client = Framed::over(proxy.connect());
    for byte in [PREFACE, &settings(&[]).bytes(), &get(1, "/slow").bytes()].concat() {
        client.wire.send([byte]);
    }
    assert_eq!(client.answer(1).text(), "/slow");
    let mut wire = proxy.connect();
    wire.send("PRI");
    wire.send("NT /x HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(wire.response().text(), "/x");
}

#[test]
fn the_servers_settings_say_what_it_bears() {
    let service = Service::echo();
    let setup =
        Setup { listener: "limits = { header = \"8KiB\", headers = 10 }", ..Setup::default() };
    let proxy = proxy(setup, &[service.address()]);
    let client = Framed::connect(proxy.address());
    let settings = client.others.iter().find(|frame| frame.kind == SETTINGS && frame.flags == 0);
    let payload = &settings.expect("settings").payload;
    let mut values: Vec<(u16, u32)> = payload
        .chunks(6)
        .map(|setting| {
            let (id, value) = setting.split_at(2);
            let id = u16::from_be_bytes(id.try_into().expect("two bytes"));
            (id, u32::from_be_bytes(value.try_into().expect("four bytes")))
        })
        .collect();
    values.sort_unstable();
    assert_eq!(values, [(3, 100), (4, 256 * 1024), (6, 8192 + 10 * 32)]);
}

#[test]
fn limits_of_the_head_are_answered_on_the_stream() {
    let service = Service::echo();
    let setup = Setup {
        listener: "limits = { header = \"8KiB\", headers = 10, uri = \"1KiB\", body = \"10B\" }",
        ..Setup::default()
    };
    let proxy = proxy(setup, &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    let long = format!("/{}", "a".repeat(1024));
    assert_eq!(client.get(1, &long).status(), 414);
    let with = |field: (&'static str, &str), n: usize| {
        let mut fields = request("GET", "/").map(|(name, value)| (name, value.to_owned())).to_vec();
        fields.extend((0..n).map(|_| (field.0, field.1.to_owned())));
        fields
    };
    let send = |client: &mut Framed, stream: u32, fields: &[(&str, String)]| {
        let fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.send(headers(stream, END_STREAM, &fields));
        client.answer(stream)
    };
    assert_eq!(send(&mut client, 3, &with(("x", "y"), 11)).status(), 431);
    let answer = send(&mut client, 5, &with(("x", &"y".repeat(8190)), 1));
    assert_eq!(answer.status(), 431);
    assert!(answer.text().contains("header_limit"), "ours, which says why");
    // Longer than what was announced: no different, and the connection goes on.
    assert_eq!(send(&mut client, 7, &with(("x", &"y".repeat(9000)), 1)).status(), 431);
    // Pieces of cookies are one field in the end.
    assert_eq!(send(&mut client, 9, &with(("cookie", "a=b"), 60)).status(), 200);
    client.wire.send(all(&[post(11, "/"), data(11, END_STREAM, "more than ten")]));
    assert_eq!(client.answer(11).status(), 413);
    proxy.counted(Reason::HeaderLimit, 3);
    proxy.counted(Reason::UriLimit, 1);
    assert_eq!(service.n_requests(), 1);
}

#[test]
fn an_idle_connection_is_told_goodbye_in_time() {
    let service = Service::echo();
    let setup = Setup { listener: "timeouts = { keepalive = \"300ms\" }", ..Setup::default() };
    let proxy = proxy(setup, &[service.address()]);
    // One that answers pings, as it should, and one that does not.
    for answers in [true, false] {
        let mut client = Framed::connect(proxy.address());
        assert_eq!(client.get(1, "/").status(), 200);
        let n_before = client.others.len();
        client.until("a goodbye", |client| client.last_goaway().is_some());
        client.until("a ping", |client| {
            client.others[n_before..].iter().any(|frame| frame.kind == PING)
        });
        let asked = client.others.iter().rev().find(|frame| frame.kind == PING).cloned();
        if answers {
            client.send(frame(PING, ACK, 0, asked.expect("a ping").payload));
        }
        assert_eq!(client.goaway(), "NO_ERROR");
        let goaways = client.others.iter().filter(|frame| frame.kind == 7);
        let last: Vec<u8> = goaways.map(|frame| frame.payload[3]).collect();
        assert_eq!(last, [255, 1], "first any stream, then those that were served");
    }
}

#[test]
fn pings_alone_do_not_keep_a_connection() {
    let service = Service::echo();
    let setup = Setup { listener: "timeouts = { keepalive = \"300ms\" }", ..Setup::default() };
    let proxy = proxy(setup, &[service.address()]);
    let mut client = Framed::connect(proxy.address());
    let end = std::time::Instant::now() + DEADLINE;
    while client.last_goaway().is_none() && client.try_send(&ping([1; 8])) {
        client.listen(Duration::from_millis(20));
        assert!(std::time::Instant::now() < end, "it stays for ever");
    }
}

#[test]
fn a_stream_that_takes_its_time_keeps_the_connection() {
    let origin = Origin::bind();
    let setup = Setup { listener: "timeouts = { keepalive = \"100ms\" }", ..Setup::default() };
    let proxy = proxy(setup, &[origin.address()]);
    let mut client = Framed::connect(proxy.address());
    client.send(get(1, "/"));
    let mut backend = origin.accept();
    backend.head();
    client.listen(Duration::from_millis(400));
    assert_eq!(client.last_goaway(), None);
    backend.send(OK);
    assert_eq!(client.answer(1).text(), "ok");
}

#[test]
fn streams_in_flight_finish_when_the_daemon_stops() {
    let origin = Origin::bind();
    let proxy = proxy(Setup { workers: 4, ..Setup::default() }, &[origin.address()]);
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[get(1, "/one"), post(3, "/two")]));
    let (mut one, mut two) = (origin.accept(), origin.accept());
    if one.head().starts_with("POST") {
        two.head();
        std::mem::swap(&mut one, &mut two);
    } else {
        two.head();
    }
    proxy.daemon().stop_gracefully();
    client.until("a goodbye", |client| client.last_goaway() == Some("NO_ERROR"));
    one.send(OK);
    assert_eq!(client.answer(1).text(), "ok");
    client.send(data(3, END_STREAM, "late"));
    two.until(b"late\r\n0\r\n\r\n");
    two.send(OK);
    assert_eq!(client.answer(3).text(), "ok");
    assert_eq!(client.goaway(), "NO_ERROR");
}

#[test]
fn connections_of_a_listener_that_goes_finish_and_go() {
    let origin = Origin::bind();
    let listener = |name: &str| {
        format!(
            "[[listener]]\nname = \"{name}\"\nbind = \"127.0.0.1:0\"\nhttp = {{ h2c = true }}\n"
        )
    };
    let rest = format!(
        "[[route]]\nname = \"all\"\nupstream = \"app\"\n[upstream.app]\nbackends = [\"{}\"]\n",
        origin.address()
    );
    let proxy = Proxy::from_file(&[listener("stays"), listener("goes"), rest.clone()].concat());
    let address = |name: &str| proxy.address_of(name).expect("a listener");
    let mut stays = Framed::connect(address("stays"));
    let (mut goes, mut idle) = (Framed::connect(address("goes")), Framed::connect(address("goes")));
    goes.send(get(1, "/"));
    let mut backend = origin.accept();
    backend.head();
    proxy.rewrite(&[listener("stays"), rest].concat());
    proxy.reload().expect("a good configuration");
    assert_eq!(idle.goaway(), "NO_ERROR");
    goes.until("a goodbye", |client| client.last_goaway().is_some());
    backend.send(OK);
    assert_eq!(goes.answer(1).text(), "ok");
    assert_eq!(goes.goaway(), "NO_ERROR");
    stays.round_trip();
    assert_eq!(stays.last_goaway(), None);
}

#[test]
fn one_connection_too_many_is_answered_429() {
    let service = Service::echo();
    let setup = Setup { listener: "limits = { per_ip = 1 }", ..Setup::default() };
    let proxy = proxy(setup, &[service.address()]);
    let mut first = Framed::connect(proxy.address());
    assert_eq!(first.get(1, "/").status(), 200);
    let mut second = Framed::over(proxy.connect());
    second.wire.send([PREFACE, &settings(&[]).bytes(), &get(1, "/").bytes()].concat());
    assert_eq!(second.answer(1).status(), 429);
    assert_eq!(second.goaway(), "NO_ERROR");
    assert_eq!(first.get(3, "/").status(), 200);
    assert_eq!(service.n_requests(), 2);
}

#[test]
fn a_client_that_leaves_without_a_word_leaves_nothing_behind() {
    let origin = Origin::bind();
    let setup = Setup { workers: 4, upstream: "max_pending = 64", ..Setup::default() };
    let proxy = proxy(setup, &[origin.address()]);
    let in_flight = || proxy.upstream().members[0].backend.in_flight();
    for resets in [false, true] {
        let mut client = Framed::connect(proxy.address());
        let uploads: Vec<_> =
            (0..10).flat_map(|n| [post(2 * n + 1, "/up"), data(2 * n + 1, 0, "some")]).collect();
        client.wire.send(all(&uploads));
        let mut backends: Vec<Wire> = (0..10).map(|_| origin.accept()).collect();
        backends.iter_mut().for_each(|backend| drop(backend.until(b"some\r\n")));
        assert_eq!(in_flight(), 10);
        match resets {
            true => client.wire.reset(),
            false => drop(client),
        }
        backends.iter_mut().for_each(Wire::closed);
        eventually("none in flight", || in_flight() == 0);
    }
    proxy.counted(Reason::ClientGone, 20);
    // All places are free again.
    let mut client = Framed::connect(proxy.address());
    client.send(get(1, "/"));
    let mut backend = origin.accept();
    backend.head();
    backend.send(OK);
    assert_eq!(client.answer(1).status(), 200);
}

#[test]
fn requests_wait_in_the_queue_and_leave_it_when_they_are_cancelled() {
    let origin = Origin::bind();
    let text = Setup { upstream: "queue = { max = 10, timeout = \"5s\" }", ..Setup::default() }
        .text(&[origin.address()])
        .replace(
            &format!("\"{}\", ", origin.address()),
            &format!("{{ address = \"{}\", max_connections = 1 }}", origin.address()),
        )
        .replace("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:0\"\nhttp = { h2c = true }");
    let proxy = Proxy::from_text(&text);
    let mut client = Framed::connect(proxy.address());
    client.send(get(1, "/first"));
    let mut backend = origin.accept();
    backend.head();
    client.wire.send(all(&[post(3, "/cancelled"), get(5, "/second")]));
    eventually("two wait", || proxy.upstream().queue.n_waiting() == 2);
    client.send(crate::support::frames::reset(3, 8));
    eventually("one waits", || proxy.upstream().queue.n_waiting() == 1);
    backend.send(OK);
    assert_eq!(client.answer(1).text(), "ok");
    assert!(backend.head().starts_with("GET /second "));
    backend.send(OK);
    assert_eq!(client.answer(5).text(), "ok");
}

#[test]
fn a_client_that_says_goodbye_gets_its_answers() {
    let origin = Origin::bind();
    let proxy = proxy(Setup::default(), &[origin.address()]);
    let mut client = Framed::connect(proxy.address());
    client.wire.send(all(&[get(1, "/"), frame(7, 0, 0, [0; 8])]));
    let mut backend = origin.accept();
    backend.head();
    backend.send(OK);
    assert_eq!(client.answer(1).text(), "ok");
    assert_eq!(client.goaway(), "NO_ERROR");
}
