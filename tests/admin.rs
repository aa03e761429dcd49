//! The admin socket of a whole daemon: where it is and for whom, what it tells, and reloads over it.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use forebay::config::Source;
use forebay::server::{Daemon, Options, StartError};
use serde_json::Value;
use support::{DEADLINE, Origin, Proxy, Service, Setup, eventually};

/// A backend that no test here asks.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// A folder, and the socket in it.
struct Place {
    folder: tempfile::TempDir,
    socket: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("admin.sock");
    Place { folder, socket }
}

impl Place {
    fn text(&self, backends: &[SocketAddr]) -> String {
        with_socket(Some(&self.socket), backends)
    }
}

fn with_socket(socket: Option<&Path>, backends: &[SocketAddr]) -> String {
    let admin = socket.map(|socket| format!("[admin]\nsocket = \"{}\"\n", socket.display()));
    Setup { more: &admin.unwrap_or_default(), ..Setup::default() }.text(backends)
}

/// Status and body of the answer to `line`.
fn ask(socket: &Path, line: &str) -> (u16, Value) {
    let stream = UnixStream::connect(socket).expect("the admin socket accepts");
    on(stream, line)
}

fn on(mut stream: UnixStream, line: &str) -> (u16, Value) {
    stream.set_read_timeout(Some(DEADLINE)).expect("a read timeout");
    write!(stream, "{line} HTTP/1.1\r\nhost: x\r\n\r\n").expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), serde_json::from_str(body).expect("JSON"))
}

fn status(socket: &Path) -> Value {
    let (status, body) = ask(socket, "GET /v1/status");
    assert_eq!(status, 200, "{body}");
    body
}

fn start(text: &str) -> Result<Daemon, StartError> {
    let source = Source::Text { name: "test.toml".into(), text: text.into() };
    Daemon::start(source, Options::default())
}

#[test]
fn the_socket_is_for_its_user_alone_and_goes_with_the_daemon() {
    let place = place();
    let proxy = Proxy::from_text(&place.text(&[NOBODY]));
    let mode = fs::symlink_metadata(&place.socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    status(&place.socket);
    proxy.stop();
    assert!(!place.socket.exists(), "the socket was left behind");
}

#[test]
fn a_stale_file_is_replaced_and_a_live_socket_is_an_error_that_says_so() {
    let place = place();
    drop(UnixListener::bind(&place.socket).expect("bound"));
    let text = place.text(&[NOBODY]);
    let proxy = Proxy::from_text(&text);
    let pid = status(&place.socket)["pid"].clone();
    assert_eq!(pid, std::process::id());

    let error = start(&text).expect_err("two daemons on one socket").to_string();
    let path = place.socket.display().to_string();
    assert!(error.contains("admin.socket") && error.contains(&path), "{error}");
    assert!(error.contains("answers on that socket"), "{error}");
    status(&place.socket);
    proxy.stop();
}

#[test]
fn a_missing_folder_is_an_error_with_the_path() {
    let place = place();
    let socket = place.folder.path().join("missing/admin.sock");
    let error = start(&with_socket(Some(&socket), &[NOBODY])).expect_err("no folder");
    let error = error.to_string();
    assert!(error.contains("missing/admin.sock"), "{error}");
    assert!(error.contains("create its directory"), "{error}");
}

#[test]
fn the_status_tells_of_listeners_connections_and_requests_under_way() {
    let place = place();
    let backend = Origin::bind();
    let proxy = Proxy::from_text(&place.text(&[backend.address(), NOBODY]));
    let before = status(&place.socket);
    assert_eq!(before["connections"], 0);
    assert_eq!(before["listeners"][0]["name"], "main");
    assert_eq!(before["listeners"][0]["bind"], "127.0.0.1:0");
    assert_eq!(before["listeners"][0]["bound"], proxy.address().to_string());
    let app = &before["upstreams"][0];
    assert_eq!((&app["name"], &app["strategy"]), (&"app".into(), &"round_robin".into()));
    assert_eq!(app["backends"].as_array().map(Vec::len), Some(2));
    for one in app["backends"].as_array().expect("a list") {
        assert_eq!((&one["state"], &one["cause"]), (&"up".into(), &"start".into()), "{one}");
        assert!(one["since_seconds"].as_f64().is_some_and(|s| (0.0..60.0).contains(&s)), "{one}");
    }

    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut wire = backend.accept();
    wire.request();
    let during = status(&place.socket);
    assert_eq!(during["connections"], 1);
    let address = backend.address().to_string();
    let backends = during["upstreams"][0]["backends"].as_array().expect("a list");
    let busy = backends.iter().find(|one| one["address"] == *address).expect("it is listed");
    assert_eq!(busy["in_flight"], 1);
    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().text(), "ok");
}

#[test]
fn a_reload_over_the_socket_tells_what_came_of_it() {
    let place = place();
    let (first, second) = (Service::named("first"), Service::named("second"));
    let proxy = Proxy::from_file(&place.text(&[first.address()]));
    assert_eq!(proxy.connect().get("/").text(), "first");

    proxy.rewrite(&place.text(&[second.address()]));
    let (code, body) = ask(&place.socket, "POST /v1/reload");
    assert_eq!((code, &body["outcome"], &body["generation"]), (200, &"good".into(), &2.into()));
    assert_eq!(proxy.connect().get("/").text(), "second");

    proxy.rewrite(&place.text(&[second.address()]).replace("backends", "backneds"));
    let (code, body) = ask(&place.socket, "POST /v1/reload");
    assert_eq!((code, &body["outcome"], &body["generation"]), (422, &"problems".into(), &2.into()));
    assert!(body["problems"].to_string().contains("backneds"), "{body}");
    assert!(body["rendered"].as_str().is_some_and(|text| text.contains("forebay.toml")), "{body}");
    assert_eq!(proxy.connect().get("/").text(), "second");
    assert_eq!(status(&place.socket)["generation"], 2);
}

#[test]
fn a_reload_moves_closes_and_opens_the_socket() {
    let place = place();
    let other = place.folder.path().join("other.sock");
    let backends = [NOBODY];
    let proxy = Proxy::from_file(&place.text(&backends));

    let open = UnixStream::connect(&place.socket).expect("connected before the move");
    proxy.rewrite(&with_socket(Some(&other), &backends));
    let (code, body) = ask(&place.socket, "POST /v1/reload");
    assert_eq!(code, 200, "who asked for the move is answered: {body}");
    assert!(!place.socket.exists(), "the old file is gone");
    assert_eq!(status(&other)["generation"], 2);
    let mode = fs::symlink_metadata(&other).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    drop(open);

    proxy.rewrite(&with_socket(None, &backends));
    proxy.reload().expect("no admin socket is fine");
    assert!(!other.exists(), "nobody wants it any more");

    proxy.rewrite(&place.text(&backends));
    proxy.reload().expect("and back");
    assert_eq!(status(&place.socket)["generation"], 4);
}

#[test]
fn a_socket_that_cannot_be_opened_refuses_the_reload_and_the_old_one_stays() {
    let place = place();
    let taken = place.folder.path().join("taken.sock");
    let _owner = UnixListener::bind(&taken).expect("bound");
    let backends = [NOBODY];
    let proxy = Proxy::from_file(&place.text(&backends));
    proxy.rewrite(&with_socket(Some(&taken), &backends));
    let (code, body) = ask(&place.socket, "POST /v1/reload");
    assert_eq!((code, &body["outcome"]), (500, &"failed".into()));
    let error = body["error"].as_str().expect("a text");
    assert!(error.contains("admin.socket") && error.contains("taken.sock"), "{error}");
    assert_eq!(status(&place.socket)["generation"], 1);
}

#[test]
fn a_file_that_somebody_took_away_comes_back_with_the_next_reload() {
    let place = place();
    let proxy = Proxy::from_file(&place.text(&[NOBODY]));
    fs::remove_file(&place.socket).expect("removed");
    proxy.reload().expect("the same file");
    assert_eq!(status(&place.socket)["generation"], 2);
    let before = fs::symlink_metadata(&place.socket).expect("there").modified().expect("a time");
    proxy.reload().expect("the same file");
    let after = fs::symlink_metadata(&place.socket).expect("there").modified().expect("a time");
    assert_eq!(before, after, "a socket that is in its place stays");
}

#[test]
fn clients_that_hold_the_socket_hold_up_nothing() {
    let place = place();
    let service = Service::named("app");
    let proxy = Proxy::from_file(&place.text(&[service.address()]));
    let _idle: Vec<UnixStream> =
        (0..80).map(|_| UnixStream::connect(&place.socket).expect("the system takes it")).collect();
    proxy.reload().expect("the controller is free");
    assert_eq!(proxy.connect().get("/").text(), "app");
    proxy.stop();
    assert!(!place.socket.exists());
}

/// The backend of the upstream, once it is in `state` and its change is counted, which come one after the other.
fn backend_in(socket: &Path, state: &str) -> Value {
    let mut found = Value::Null;
    eventually(&format!("a backend is {state}"), || {
        if status(socket)["upstreams"][0]["changes"] == serde_json::json!({}) {
            return false;
        }
        let status = status(socket);
        let backends = status["upstreams"][0]["backends"].as_array().expect("a list").iter();
        found = backends
            .into_iter()
            .find(|one| {
                one["state"] == state
                    && (one["check"].is_null() || one["check"]["passed"].is_boolean())
            })
            .cloned()
            .unwrap_or_default();
        !found.is_null()
    });
    found
}

#[test]
fn a_backend_that_its_checks_take_out_is_seen_with_what_they_say() {
    let place = place();
    let answers = |status: &'static str| {
        Service::start(move |_| format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into())
    };
    let (good, bad) = (answers("200 OK"), answers("503 Service Unavailable"));
    let text = Setup {
        upstream: "health = { path = \"/up\", interval = \"1s\", timeout = \"500ms\", fall = 1 }",
        more: &format!("[admin]\nsocket = \"{}\"\n", place.socket.display()),
        ..Setup::default()
    };
    let proxy = Proxy::with(text, &[good.address(), bad.address()]);
    let down = backend_in(&place.socket, "down");
    assert_eq!(down["address"], bad.address().to_string());
    assert_eq!(
        (&down["cause"], &down["check"]["passed"]),
        (&"checks_failed".into(), &false.into())
    );
    let result = down["check"]["result"].as_str().expect("a text");
    assert!(result.contains("503"), "{result}");
    assert!(down["check"]["next_seconds"].is_number() && down["check"]["at"].is_string(), "{down}");
    assert_eq!(down["ejections"], 0, "requests had no part in it");
    let up = backend_in(&place.socket, "up");
    assert_eq!(up["address"], good.address().to_string());
    let app = &status(&place.socket)["upstreams"][0];
    assert_eq!((&app["checked"], &app["changes"]["checks_failed"]), (&true.into(), &1.into()));
    proxy.stop();
}

#[test]
fn a_backend_whose_breaker_opens_is_seen_with_when_it_is_tried_again() {
    let place = place();
    let good = Service::named("good");
    let bad = Service::start(|_| b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n".to_vec());
    let text = Setup {
        upstream: "passive = { failures = 1 }\nbreaker = { open = \"1m\" }",
        more: &format!("[admin]\nsocket = \"{}\"\n", place.socket.display()),
        ..Setup::default()
    };
    let proxy = Proxy::with(text, &[good.address(), bad.address()]);
    let mut client = proxy.connect();
    // Round robin starts anywhere: two requests meet both.
    client.get("/");
    client.get("/");
    let open = backend_in(&place.socket, "open");
    assert_eq!(open["address"], bad.address().to_string());
    assert_eq!((&open["cause"], &open["ejections"]), (&"failures".into(), &1.into()));
    let retry = open["retry_seconds"].as_f64().expect("a number");
    assert!((1.0..=120.0).contains(&retry), "{open}");
    proxy.stop();
}
