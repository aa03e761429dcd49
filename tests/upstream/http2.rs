//! HTTP/2 to backends: heads, bodies, trailers and interim answers translated; streams refused, cancelled, broken off.

use std::time::Duration;

use forebay::backend::State;
use forebay::error::Reason;

use crate::certificates::Authority;
use crate::h2_peer::H2Peer;
use crate::peers::Peer;
use crate::support::{Crowd, Framing, Proxy, eventually};
use crate::{ask, get, with_upstream};

/// A proxy in front of `peer`, with `more` in its upstream.
pub fn proxy_to(peer: &H2Peer, more: &str) -> Proxy {
    Proxy::from_text(&text(peer, more))
}

fn text(peer: &H2Peer, more: &str) -> String {
    with_upstream(format!("backends = [\"h2c://{}\"]\n{more}", peer.address))
}

/// The same with one worker: it alone has connections.
pub fn alone(peer: &H2Peer, more: &str) -> Proxy {
    Proxy::from_text(&text(peer, more).replace("workers = 4", "workers = 1"))
}

pub fn n_in_flight(proxy: &Proxy) -> u32 {
    proxy.upstream().members.iter().map(|member| member.backend.in_flight()).sum()
}

#[test]
fn nghttpd_serves_through_tls_by_alpn_in_the_clear_and_by_prior_knowledge() {
    let authority = Authority::new();
    let pair = authority.signs(&["localhost"]);
    let folder = tempfile::tempdir().expect("a folder");
    let large = "0123456789abcdef".repeat(1 << 16);
    std::fs::write(folder.path().join("large"), &large).expect("a file");
    let secure = Peer::nghttpd(Some(&pair), folder.path(), &[]);
    let clear = Peer::nghttpd(None, folder.path(), &[]);
    let tls = format!("tls = {{ ca = {:?} }}", authority.file());
    let (secure, clear) = (secure.address().port(), clear.address());
    for upstream in [
        format!("backends = [\"https://localhost:{secure}\"]\n{tls}"),
        format!("backends = [\"https://localhost:{secure}\"]\n{tls}\nprotocol = \"http2\""),
        format!("backends = [\"h2c://{clear}\"]"),
        format!("backends = [\"{clear}\"]\nprotocol = \"http2\""),
    ] {
        let proxy = Proxy::from_text(&with_upstream(&upstream));
        let mut client = proxy.connect();
        for _ in 0..3 {
            client.send(get("/large"));
            let answer = client.response();
            assert_eq!((answer.status(), answer.text() == large), (200, true), "{upstream}");
            assert!(answer.field("server").is_some_and(|it| it.contains("nghttp")), "{upstream}");
        }
        client.send("HEAD /large HTTP/1.1\r\nHost: a\r\n\r\n");
        let head = client.response_to("HEAD");
        assert_eq!((head.status(), head.field("content-length")), (200, Some("1048576")));
        client.send(get("/none"));
        assert_eq!(client.response().status(), 404);
        client.send(format!(
            "POST /e HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{large}",
            large.len()
        ));
        assert_eq!(client.response().text(), large, "{upstream}");
    }
}

#[test]
fn a_backend_that_does_not_agree_on_http2_fails_only_where_it_has_to() {
    let authority = Authority::new();
    let peer = Peer::python(&authority.signs(&["127.0.0.1"]), None, "http/1.1");
    let backend = format!(
        "backends = [\"https://{}\"]\ntls = {{ ca = {:?} }}\n",
        peer.address(),
        authority.file()
    );
    let proxy = Proxy::from_text(&with_upstream(format!("{backend}protocol = \"http2\"")));
    assert_eq!(ask(&proxy, "/").status(), 502);
    proxy.counted(Reason::TlsFailed, 1);
    let proxy = Proxy::from_text(&with_upstream(&backend));
    let crowd = Crowd::of_gets(proxy.address());
    crowd.goes_on_for(500);
    crowd.finish().all_well();
    // What HTTP/2 cannot carry goes over HTTP/1.1, though the backend would rather not.
    let peer = Peer::python(&authority.signs(&["127.0.0.1"]), None, "h2,http/1.1");
    let proxy = Proxy::from_text(&with_upstream(format!(
        "backends = [\"https://{}\"]\ntls = {{ ca = {:?} }}\n",
        peer.address(),
        authority.file()
    )));
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    assert!(client.response().text().contains("\"alpn\": \"http/1.1\""));
}

#[test]
fn heads_say_the_same_in_both_versions() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    let mut client = proxy.connect();
    client.send(
        "GET /a?b=c%20d HTTP/1.1\r\nHost: Shop.test:81\r\nCookie: a=1; b=2\r\nTE: trailers, deflate\r\n\
         Connection: keep-alive, x-mine\r\nKeep-Alive: 5\r\nX-Mine: 1\r\nX-Case: Kept\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert_eq!(client.response().status(), 200);
    let expected = [
        (":method", Some("GET")),
        (":scheme", Some("http")),
        (":authority", Some("Shop.test:81")),
        (":path", Some("/a?b=c%20d")),
        ("host", None),
        ("cookie", Some("a=1; b=2")),
        ("te", Some("trailers")),
        ("connection", None),
        ("keep-alive", None),
        ("x-mine", None),
        ("x-case", Some("Kept")),
        ("upgrade", None),
        ("http2-settings", None),
        ("x-forwarded-proto", Some("http")),
    ];
    for (name, value) in expected {
        assert_eq!(peer.field(name).as_deref(), value, "{name}");
    }
    for (target, path) in [
        ("/a\"b{c}|d\\e^f`g<h>", None),
        ("/a[b]'(c)!$&*+,;=:@~", Some("/a[b]'(c)!$&*+,;=:@~")),
        ("/?", Some("/?")),
        ("/%zz", None),
    ] {
        client = proxy.connect();
        client.send(get(target));
        let status = client.response().status();
        match path {
            Some(path) => assert_eq!((status, peer.field(":path").as_deref()), (200, Some(path))),
            None => assert!(status == 200 || status == 400, "{target}: {status}"),
        }
    }
    client = proxy.connect();
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    assert_eq!(
        (peer.field(":path").as_deref(), peer.field(":method").as_deref()),
        (Some("*"), Some("OPTIONS"))
    );
    client.send("GET /x HTTP/1.0\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    assert_eq!(peer.field(":authority"), Some(peer.address.to_string()));
    for (host, authority) in [("backend", peer.address.to_string()), ("b.test", "b.test".into())] {
        let proxy = alone(&peer, &format!("host = \"{host}\""));
        assert_eq!(ask(&proxy, "/").status(), 200);
        assert_eq!(peer.field(":authority"), Some(authority));
    }
}

#[test]
fn answers_keep_their_statuses_cookies_lengths_and_interim_heads() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    let mut client = proxy.connect();
    for status in [204, 304, 404, 503] {
        client.send(get(&format!("/status/{status}")));
        let answer = client.response();
        assert_eq!((answer.status(), answer.values("set-cookie")), (status, vec!["a=1", "b=2"]));
    }
    client.send("HEAD /known/5 HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.response_to("HEAD");
    assert_eq!((head.status(), head.field("content-length")), (200, Some("5")));
    client.send(get("/known/5"));
    let answer = client.response();
    assert_eq!((answer.framing, answer.text().as_str()), (Framing::Length(5), "xxxxx"));
    client.send(get("/known/0"));
    assert_eq!(client.response().text(), "");
    client.send(get("/give/100000"));
    let answer = client.response();
    assert_eq!((answer.framing, answer.text().len()), (Framing::Chunked, 100_000));
    client.send(get("/interim"));
    let interim = client.response();
    assert_eq!((interim.status(), interim.field("link")), (103, Some("</a>; rel=preload")));
    assert_eq!(client.response().status(), 200);
    client.send(
        "POST /continue HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    assert_eq!(client.response().status(), 100);
    client.send("hi");
    assert_eq!(client.response().text(), "hi");
    assert_eq!(peer.n(|seen| &seen.n_connections), 1);
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    let mut client = proxy.connect();
    client.send(
        "POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n\
         3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
    let answer = client.response();
    assert_eq!(answer.text(), "7");
    assert_eq!(*peer.seen.last_body.lock().expect("a lock"), b"abcdefg");
    assert!(
        answer.trailers.iter().any(|(name, value)| name == "x-sum" && value == "7"),
        "{answer:?}"
    );
    client.send("POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.response().text(), "0");
    // What is large goes through in pieces, on one connection.
    let body = "0123456789".repeat(400_000);
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut reader = client.again();
    let sent = body.clone();
    let sending = std::thread::spawn(move || {
        for piece in sent.as_bytes().chunks(70_001) {
            client.send(format!("{:x}\r\n", piece.len()));
            client.send(piece);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        client
    });
    assert_eq!(reader.response().text(), body);
    drop(sending.join().expect("a sender"));
    assert_eq!(peer.n(|seen| &seen.n_connections), 1);
}

#[test]
fn a_client_that_leaves_cancels_its_stream_and_nothing_else() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    assert_eq!(ask(&proxy, "/").status(), 200);
    for path in ["/hang", "/give/100000000", "/stuck"] {
        let before = peer.n(|seen| &seen.n_cancelled);
        let mut clients: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
        for client in &mut clients {
            client.send(format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789"
            ));
        }
        eventually("all are under way", || n_in_flight(&proxy) == 20);
        clients.into_iter().for_each(|client| client.reset());
        eventually("all were cancelled", || peer.n(|seen| &seen.n_cancelled) == before + 20);
        eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
    }
    assert_eq!(ask(&proxy, "/known/5").text(), "xxxxx");
    assert_eq!(peer.n(|seen| &seen.n_connections), 1, "the connection stayed good");
}

#[test]
fn a_connection_that_goes_away_finishes_what_was_begun_and_new_requests_find_another() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    let mut clients: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(get("/wait")));
    eventually("all are there", || peer.n(|seen| &seen.n_requests) == 10);
    peer.go_away();
    eventually("another one is in use", || {
        assert_eq!(ask(&proxy, "/").status(), 200);
        peer.n(|seen| &seen.n_connections) == 2
    });
    peer.lets_go(10);
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status(), 200));
    assert_eq!(peer.n(|seen| &seen.n_cancelled), 0);
    // A crowd notices nothing of connections that end all the time.
    let crowd = Crowd::of_gets(proxy.address());
    for _ in 0..20 {
        crowd.goes_on_for(100);
        peer.go_away();
    }
    crowd.finish().all_well();
}

#[test]
fn a_refused_stream_is_tried_again_at_no_cost_even_a_post() {
    let peer = H2Peer::start(100);
    let other = H2Peer::start(100);
    let text = with_upstream(format!(
        "backends = [\"h2c://{}\", \"h2c://{}\"]\nbalance = \"first\"\nbudget = {{ ratio = 0.0, min_per_second = 0 }}",
        peer.address, other.address
    ));
    let proxy = Proxy::from_text(&text);
    let mut client = proxy.connect();
    client.send("POST /refuse/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    // The other one refuses its first as well; the answer is that of nobody.
    assert_eq!(client.response().status(), 502);
    client.send("POST /refuse/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.response().status(), 200);
    proxy.counted(Reason::RefusedStream, 1);
    client.send("POST /reset HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(client.response().status(), 502);
    proxy.counted(Reason::UpstreamReset, 1);
}

#[test]
fn a_response_that_breaks_off_is_never_completed() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    let mut client = proxy.connect();
    client.send(get("/cut"));
    client.until(b"a part\r\n");
    peer.lets_go(1);
    client.closed();
    assert!(!client.received().ends_with(b"0\r\n\r\n"));
    proxy.counted(Reason::UpstreamTruncated, 1);
    assert_eq!(ask(&proxy, "/").status(), 200);
    assert_eq!(peer.n(|seen| &seen.n_connections), 1);
}

#[test]
fn whoever_reads_slowly_holds_up_the_other_side_and_nobody_else() {
    const HUGE: usize = 1 << 30;
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    let mut slow = proxy.connect();
    slow.send(get(&format!("/give/{HUGE}")));
    eventually("it began", || peer.n(|seen| &seen.n_given) > 0);
    let mut before = 0;
    eventually("the backend is held up", || {
        std::thread::park_timeout(Duration::from_millis(100));
        let now = peer.n(|seen| &seen.n_given);
        std::mem::replace(&mut before, now) == now
    });
    // What the kernel keeps for a client that does not read, and one window.
    assert!(before < 16 << 20, "{before} bytes were taken for a client that reads nothing");
    assert_eq!(ask(&proxy, "/give/1000000").text().len(), 1_000_000, "others are served meanwhile");
    let mut client = proxy.connect();
    client.send(format!("POST /stuck HTTP/1.1\r\nHost: a\r\nContent-Length: {HUGE}\r\n\r\n"));
    let n_sent = client.send_until_stalled(&[b'x'; 65_536], Duration::from_millis(300));
    assert!(n_sent < 16 << 20, "{n_sent} bytes were taken for a backend that reads nothing");
    assert_eq!(ask(&proxy, "/").status(), 200);
    assert_eq!(peer.n(|seen| &seen.n_connections), 1);
}

#[test]
fn a_backend_that_dies_is_an_error_for_whoever_waits_and_is_found_again() {
    let peer = H2Peer::start(100);
    let second = H2Peer::start(100);
    // Through something that can be cut.
    let (address, cut) = crate::relay::to(peer.address);
    let proxy = Proxy::from_text(&with_upstream(format!(
        "backends = [\"h2c://{address}\"]\nretry = {{ attempts = 0 }}"
    )));
    let mut clients: Vec<_> = (0..10).map(|_| proxy.connect()).collect();
    clients.iter_mut().for_each(|client| {
        client.send("POST /hang HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    });
    eventually("all are there", || peer.n(|seen| &seen.n_requests) == 10);
    cut.cut();
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status(), 502));
    proxy.counted(Reason::UpstreamReset, 10);
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
    assert_eq!(ask(&proxy, "/").status(), 200, "on a new connection");
    drop(second);
}

#[test]
fn copies_go_to_mirrors_in_their_version() {
    let (peer, mirror) = (H2Peer::start(100), H2Peer::start(100));
    let text = text(&peer, "")
        .replace("upstream = \"app\"\n", "upstream = \"app\"\nmirror = { upstream = \"copy\" }\n");
    let proxy = Proxy::from_text(&format!(
        "{text}[upstream.copy]\nbackends = [\"h2c://{}\"]\n",
        mirror.address
    ));
    let mut client = proxy.connect();
    for nth in 1..=20 {
        client.send("POST /take HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(client.response().text(), "5");
        eventually("the copy arrived", || mirror.n(|seen| &seen.n_taken) == 5 * nth);
    }
    assert_eq!(*mirror.seen.last_body.lock().expect("a lock"), b"hello");
    let metrics = proxy.daemon().metrics();
    eventually("all copies ended well", || metrics.sum(|worker| &worker.mirrors) == 20);
    assert_eq!(metrics.sum(|worker| &worker.mirrors_failed), 0);
}

#[test]
fn checks_ask_over_what_requests_go_over() {
    let peer = H2Peer::start(100);
    for (kind, passes) in [
        (
            "health = { path = \"/known/5\", expect = { body_contains = \"xxxxx\" }, interval = \"20ms\" }",
            true,
        ),
        ("health = { path = \"/status/503\", interval = \"20ms\" }", false),
        (
            "health = { path = \"/known/5\", expect = { body_contains = \"y\" }, interval = \"20ms\" }",
            false,
        ),
        ("health = { path = \"/reset\", interval = \"20ms\" }", false),
        ("health = { kind = \"grpc\", interval = \"20ms\" }", false),
    ] {
        let proxy = proxy_to(&peer, kind);
        let state = |wanted| {
            proxy.standing(peer.address).is_some_and(|now| (now.state == State::Up) == wanted)
        };
        let n_before = peer.n(|seen| &seen.n_requests);
        eventually("checks were made", || peer.n(|seen| &seen.n_requests) >= n_before + 4);
        eventually(&format!("{kind}: passes {passes}"), || state(passes));
    }
}

#[test]
fn http2_from_end_to_end_by_curl() {
    let peer = H2Peer::start(100);
    let text = text(&peer, "")
        .replace("bind = \"127.0.0.1:0\"", "bind = \"127.0.0.1:0\"\nhttp = { h2c = true }");
    let proxy = Proxy::from_text(&text);
    let folder = tempfile::tempdir().expect("a folder");
    let body = "0123456789".repeat(1_000_000);
    let file = folder.path().join("body");
    std::fs::write(&file, &body).expect("a file");
    let curl = |version: &str, path: &str, more: &[&str]| {
        let url = format!("http://{}{path}", proxy.address());
        let output = std::process::Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", version, &url])
            .args(["--write-out", " %{http_code} %{http_version}"])
            .args(more)
            .output()
            .expect("curl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for (version, shown) in [("--http2-prior-knowledge", "2"), ("--http1.1", "1.1")] {
        assert_eq!(curl(version, "/known/5", &[]), format!("xxxxx 200 {shown}"));
        assert_eq!(curl(version, "/status/404", &["--head"]).split(' ').next_back(), Some(shown));
        let data = format!("@{}", file.display());
        let upload = ["--data-binary", &data, "--header", "expect:"];
        assert_eq!(curl(version, "/take", &upload), format!("10000000 200 {shown}"));
        let echoed = curl(version, "/echo", &upload);
        assert_eq!(echoed.strip_suffix(&format!(" 200 {shown}")), Some(&*body));
    }
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}
