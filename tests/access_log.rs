//! The access log as a collector reads it: one line for each request, true to what happened.

mod support;

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::frames::{self, Framed};
use support::{Origin, Proxy, Service, Setup, Wire, eventually, refused_address};

/// A proxy that logs to a file, and the file.
fn logging(
    format: &str,
    global: &str,
    backend: std::net::SocketAddr,
) -> (Proxy, tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("access.log");
    let more = format!("[log.access]\nto = \"{}\"\nformat = \"{format}\"\n", path.display());
    let proxy = Proxy::with(Setup { more: &more, global, ..Setup::default() }, &[backend]);
    (proxy, folder, path)
}

/// Waits for `n` lines.
#[track_caller]
fn lines(path: &Path, n: usize) -> Vec<String> {
    let mut lines = Vec::new();
    eventually("the lines are written", || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        lines = text.lines().map(str::to_owned).collect();
        lines.len() >= n
    });
    assert_eq!(lines.len(), n, "{lines:#?}");
    lines
}

#[track_caller]
fn objects(path: &Path, n: usize) -> Vec<Value> {
    let parse =
        |line: &String| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    lines(path, n).iter().map(parse).collect()
}

#[test]
fn a_served_request_is_told_with_everything_about_it() {
    let service = Service::echo();
    let (proxy, _folder, path) = logging("json", "", service.address());
    let mut client = proxy.connect();
    client.send(
        "POST /a?token=x HTTP/1.1\r\nHost: Shop.example:80\r\nUser-Agent: \"quoted\"\r\nX-Forwarded-For: 192.0.2.1\r\n\
         Authorization: secret\r\nCookie: secret\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(client.response().status(), 200);
    client.get("/second");
    let id = service.records()[0].requests[0].field("x-request-id").map(str::to_owned);
    let all = objects(&path, 2);
    let line = &all[0];
    for (key, value) in [
        ("client", Value::from("127.0.0.1")),
        ("method", "POST".into()),
        ("status", 200.into()),
        ("reason", Value::Null),
        ("request_id", id.into()),
        ("listener", "main".into()),
        ("route", "all".into()),
        ("upstream", "app".into()),
        ("backend", service.address().to_string().into()),
        ("attempts", 1.into()),
        ("bytes_in", 5.into()),
        ("bytes_out", 10.into()),
        ("proto", "HTTP/1.1".into()),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert!(
        line["host"].as_str().is_some_and(|host| host.eq_ignore_ascii_case("shop.example:80")
            || host.eq_ignore_ascii_case("shop.example")),
        "{line}"
    );
    let times = ["t_connect_ms", "t_first_ms", "t_total_ms"].map(|key| line[key].as_f64());
    let [Some(connect), Some(first), Some(total)] = times else { panic!("{line}") };
    assert!(connect <= first && first <= total && total < 10_000.0, "{line}");
    assert!(!line.to_string().contains("secret"), "a secret was logged: {line}");
    assert_eq!(all[1]["t_connect_ms"], Value::Null, "a kept connection costs no time to connect");
}

#[test]
fn failures_are_told_with_their_reasons() {
    let refused = refused_address();
    let (proxy, _folder, path) = logging("json", "", refused.address());
    assert_eq!(proxy.connect().get("/502").status(), 502);
    let mut client = proxy.connect();
    client.send("GET /x\"\\\x01 HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status(), 400);
    let mut client = proxy.connect();
    client.send("GET /a HTTP/1.1\r\nHost: \"<x>\r\n\r\n");
    assert_eq!(client.response().status(), 400);
    let all = objects(&path, 3);
    for line in &all {
        assert_eq!(line["client"], "127.0.0.1", "{line}");
        assert!(line["request_id"].as_str().is_some_and(|id| id.len() >= 16), "{line}");
    }
    assert_eq!((&all[0]["status"], &all[0]["reason"]), (&502.into(), &"connect_failed".into()));
    assert_eq!((&all[1]["status"], &all[1]["reason"]), (&400.into(), &"bad_request".into()));
    assert_eq!((&all[2]["status"], &all[2]["reason"]), (&400.into(), &"bad_request".into()));
}

#[test]
fn a_client_that_left_is_told_once_its_exchange_is_over() {
    let origin = Origin::bind();
    let (proxy, _folder, path) = logging("json", "", origin.address());
    let mut client = proxy.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut backend = origin.accept();
    backend.request();
    client.reset();
    backend.closed();
    let line = &objects(&path, 1)[0];
    assert_eq!((&line["status"], &line["reason"]), (&Value::Null, &"client_gone".into()), "{line}");
}

#[test]
fn what_came_of_an_upload_that_failed_is_told() {
    let origin = Origin::bind();
    let (proxy, _folder, path) = logging("json", "", origin.address());
    let mut client = proxy.connect();
    client.send("POST /up HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nfirst");
    let mut backend = origin.accept();
    backend.head();
    backend.until(b"first");
    drop(backend);
    assert_eq!(client.response().status(), 502);
    let line = &objects(&path, 1)[0];
    assert_eq!((&line["status"], &line["bytes_in"]), (&502.into(), &5.into()), "{line}");
}

#[test]
fn a_tunnel_is_told_at_its_end_with_its_bytes() {
    let origin = Origin::bind();
    let (proxy, _folder, path) = logging("json", "", origin.address());
    let mut client = proxy.connect();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    let mut backend = origin.accept();
    backend.head();
    backend.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    client.head();
    client.send("abc");
    backend.exactly(3);
    backend.send("defgh");
    client.exactly(5);
    client.finish();
    assert!(backend.is_closed());
    drop(backend);
    client.closed();
    let line = &objects(&path, 1)[0];
    assert_eq!(
        (&line["status"], &line["bytes_in"], &line["bytes_out"]),
        (&101.into(), &3.into(), &5.into()),
        "{line}"
    );
}

/// A daemon that gives exchanges no time when it stops.
fn ending(backend: std::net::SocketAddr, log: &Path, format: &str) -> Proxy {
    let more = format!("[log.access]\nto = \"{}\"\nformat = \"{format}\"\n", log.display());
    let setup =
        Setup { workers: 4, more: &more, listener: "http = { h2c = true }", ..Setup::default() };
    Proxy::from_text(&without_grace(&setup.text(&[backend])))
}

fn without_grace(text: &str) -> String {
    text.replace("shutdown_grace = \"2s\"", "shutdown_grace = \"10ms\"")
}

#[test]
fn what_is_cut_at_the_end_of_the_grace_is_told_with_what_there_was_of_it() {
    let origin = Origin::bind();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("access.log");
    let proxy = ending(origin.address(), &path, "json");
    let mut waiting = proxy.connect();
    waiting.send("GET /waiting HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut asked = origin.accept();
    asked.head();
    let mut reading = proxy.connect();
    reading.send("GET /reading HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut answering = origin.accept();
    answering.head();
    answering.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    reading.until(b"half");
    let mut sending = proxy.connect();
    sending.send("POST /sending HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhal");
    let mut taking = origin.accept();
    taking.head();
    taking.until(b"hal");
    let mut chatting = proxy.connect();
    chatting.send(
        "GET /tunnel HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    let mut upgraded = origin.accept();
    upgraded.head();
    upgraded.send(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    chatting.head();
    chatting.send("abc");
    upgraded.exactly(3);
    upgraded.send("de");
    chatting.exactly(2);
    let mut framed = Framed::connect(proxy.address());
    framed.send(frames::get(1, "/h2-waiting"));
    let mut h2_asked = origin.accept();
    h2_asked.head();
    framed.send(frames::get(3, "/h2-reading"));
    let mut h2_answering = origin.accept();
    h2_answering.head();
    h2_answering.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart");
    framed.until("a part of the body", |it| it.seen(3).text() == "part");
    // Nothing is under way here, and nothing is to be told.
    let _idle = proxy.connect();
    proxy.stop();
    let mut all = objects(&path, 6);
    all.sort_by_key(|line| line["path"].to_string());
    let told: Vec<_> = all
        .iter()
        .map(|line| {
            assert_eq!(line["reason"], "shutdown", "{line}");
            assert_eq!(line["backend"], origin.address().to_string(), "{line}");
            let n = |key: &str| line[key].as_u64().unwrap_or_default();
            let target = line["path"].as_str().unwrap_or_default();
            (target, n("status"), n("bytes_in"), n("bytes_out"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("/h2-reading", 200, 0, 4),
            ("/h2-waiting", 0, 0, 0),
            ("/reading", 200, 0, 4),
            ("/sending", 0, 3, 0),
            ("/tunnel", 101, 3, 2),
            ("/waiting", 0, 0, 0),
        ],
        "{all:#?}"
    );
}

#[test]
fn what_is_cut_in_a_queue_goes_nowhere_and_is_told_with_its_time_there() {
    let origin = Origin::bind();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("access.log");
    let more = format!("[log.access]\nto = \"{}\"\n", path.display());
    let setup =
        Setup { more: &more, upstream: "queue = { max = 10 }", workers: 1, ..Setup::default() };
    let address = format!("\"{}\"", origin.address());
    let text = without_grace(&setup.text(&[origin.address()]));
    let one_at_a_time = format!("{{ address = {address}, max_connections = 1 }}");
    let proxy = Proxy::from_text(&text.replace(&address, &one_at_a_time));
    let mut asking = proxy.connect();
    asking.send("GET /asked HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut asked = origin.accept();
    asked.head();
    let mut waiting = proxy.connect();
    waiting.send("GET /queued HTTP/1.1\r\nHost: test\r\n\r\n");
    eventually("it waits", || proxy.upstream().queue.n_waiting() == 1);
    proxy.stop();
    let mut all = objects(&path, 2);
    all.sort_by_key(|line| line["path"].to_string());
    assert!(all.iter().all(|line| line["reason"] == "shutdown"), "{all:#?}");
    assert_eq!(
        (&all[0]["backend"], all[0].get("t_queued_ms")),
        (&Value::from(origin.address().to_string()), None)
    );
    assert_eq!((&all[1]["backend"], &all[1]["attempts"]), (&Value::Null, &Value::from(0)));
    assert!(all[1]["t_queued_ms"].is_number(), "{}", all[1]);
}

#[test]
fn a_trusted_peers_client_is_the_one_that_is_logged() {
    let service = Service::echo();
    let (proxy, _folder, path) = logging(
        "json",
        "trusted_proxies = [\"127.0.0.1\", \"198.51.100.0/24\"]",
        service.address(),
    );
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 192.0.2.66, 203.0.113.7, 198.51.100.2\r\n\r\n");
    assert_eq!(client.response().status(), 200);
    let line = &objects(&path, 1)[0];
    assert_eq!(line["client"], "203.0.113.7", "the rightmost address that is not trusted");
    assert!(line["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1")), "{line}");
}

#[test]
fn combined_lines_have_their_nine_fields_whatever_a_client_sends() {
    let service = Service::echo();
    let (proxy, _folder, path) = logging("combined", "", service.address());
    let mut client = proxy.connect();
    client.send(
        b"GET /a\"b HTTP/1.1\r\nHost: test\r\nUser-Agent: x\" \\ \t\xff\r\nReferer: \"\r\n\r\n",
    );
    assert_eq!(client.response().status(), 200);
    let line = &lines(&path, 1)[0];
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    let bare = line.replace("\\\\", "").replace("\\\"", "");
    assert_eq!(bare.matches('"').count(), 6, "{line}");
    assert!(line.contains("\" 200 "), "{line}");
}

#[test]
fn a_stop_writes_what_was_not_written_yet() {
    let service = Service::echo();
    let (proxy, _folder, path) = logging("json", "", service.address());
    let mut client: Wire = proxy.connect();
    for _ in 0..50 {
        client.get("/");
    }
    drop(client);
    proxy.stop();
    let text = std::fs::read_to_string(&path).expect("the log");
    assert_eq!(text.lines().count(), 50);
}
