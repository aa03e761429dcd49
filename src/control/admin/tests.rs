//! Requests on the admin socket without a daemon: what is answered, and that nobody can hold it up.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::super::event::Event;
use super::super::fleet::{Fleet, Order};
use super::super::health::Health;
use super::super::reload::{ReloadError, Reloaded};
use super::serve;
use super::site::{CONNECTIONS_MAX, Site};
use crate::config::{self, Report, Source};
use crate::metrics::Metrics;
use crate::snapshot::compile_offline;

/// A data plane that counts three connections, or falls over.
struct Nothing {
    mailbox: mpsc::Sender<Order>,
    falls_over: AtomicBool,
}

impl Fleet for Nothing {
    fn n_workers(&self) -> usize {
        2
    }

    fn mailbox(&self, _worker: usize) -> &mpsc::Sender<Order> {
        &self.mailbox
    }

    fn open_connections(&self) -> usize {
        assert!(!self.falls_over.load(Relaxed), "a fault that a test wants");
        3
    }

    fn metrics(&self) -> &Metrics {
        static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new(0));
        &METRICS
    }

    fn limit_connections(&self, _written: Option<usize>) {}
}

struct Scene {
    site: Arc<Site>,
    fleet: Arc<Nothing>,
    events: mpsc::Receiver<Event>,
}

const CONFIGURATION: &str = "\
[[listener]]
bind = \"127.0.0.1:0\"
[[route]]
upstream = \"app\"
[upstream.app]
balance = \"least_conn\"
queue = { max = 9 }
max_pending = 11
backends = [{ address = \"127.0.0.1:1\", weight = 7 }, { address = \"unix:/b.sock\", backup = true, max_connections = 5 }]
[upstream.more]
backends = [\"127.0.0.1:2\"]
[upstream.name]
backends = [\"does-not-resolve.test:80\"]
";

fn scene() -> Scene {
    let source = Source::Text { name: "a test".into(), text: CONFIGURATION.into() };
    let loaded = config::load(&source).expect("a good configuration");
    let snapshot = compile_offline(&loaded.config).expect("it compiles");
    let fleet =
        Arc::new(Nothing { mailbox: mpsc::channel(1).0, falls_over: AtomicBool::default() });
    let (sender, events) = mpsc::channel(2);
    let site = Site::new(
        &source,
        2,
        Arc::new(ArcSwap::from_pointee(snapshot)),
        Arc::new(Mutex::default()),
        Arc::clone(&fleet) as Arc<dyn Fleet>,
        sender,
        Health::new().checks,
    );
    Scene { site: Arc::new(site), fleet, events }
}

/// What is in a pipe until somebody reads; less than a status.
const PIPE_BYTES: usize = 1 << 10;

/// A connection to the site.
fn connect(scene: &Scene) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    tokio::spawn(serve::serve(theirs, Arc::clone(&scene.site)));
    ours
}

/// All that comes until the end.
async fn rest(stream: &mut DuplexStream) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.expect("read");
    String::from_utf8(bytes).expect("UTF-8")
}

/// Head and body of the answer to `line`.
async fn ask(scene: &Scene, line: &str) -> (String, Value) {
    let mut stream = connect(scene);
    let request = format!("{line} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let answer = rest(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn the_status_has_what_it_promises() {
    let scene = scene();
    let (head, body) = ask(&scene, "GET /v1/status").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(body["pid"], std::process::id());
    assert_eq!((&body["generation"], &body["workers"]), (&Value::from(1), &Value::from(2)));
    assert_eq!(body["connections"], 3);
    assert_eq!(body["configuration"], "a test");
    assert!(body["started"].as_str().is_some_and(|started| started.ends_with('Z')), "{body}");
    let names: Vec<_> =
        body["upstreams"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["app", "more", "name"]);
    let app = &body["upstreams"][0];
    assert_eq!((&app["strategy"], &app["checked"]), (&"least_conn".into(), &false.into()));
    assert_eq!(app["queue"], serde_json::json!({ "waiting": 0, "max": 9 }));
    assert_eq!(app["pending"], serde_json::json!({ "waiting": 0, "max": 11 }));
    assert_eq!(body["upstreams"][1]["pending"]["max"], Value::Null);
    assert_eq!(app["retries_left"], 30, "three a second for ten seconds");
    let [first, second] = &app["backends"].as_array().expect("a list")[..] else { panic!("{app}") };
    assert_eq!((&first["address"], &first["weight"]), (&"127.0.0.1:1".into(), &7.into()));
    assert_eq!((&first["tier"], &first["max_connections"]), (&"primary".into(), &Value::Null));
    assert_eq!((&first["state"], &first["in_flight"]), (&"up".into(), &0.into()));
    assert_eq!((&second["address"], &second["tier"]), (&"unix:/b.sock".into(), &"backup".into()));
    assert_eq!(second["max_connections"], 5);
    assert!(first["since_seconds"].is_number() && first["since"].is_string(), "{first}");
    assert!(first["cause"].is_string() && first["check"].is_null(), "{first}");
}

#[tokio::test]
async fn one_upstream_can_be_asked_for_and_a_wrong_name_is_told_the_right_ones() {
    let scene = scene();
    let (_, body) = ask(&scene, "GET /v1/status?upstream=more").await;
    assert_eq!(body["upstreams"].as_array().map(Vec::len), Some(1));
    assert_eq!(body["upstreams"][0]["name"], "more");
    let (head, body) = ask(&scene, "GET /v1/status?upstream=mroe").await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert_eq!(body["error"], "there is no upstream mroe; there are: app, more, name");
}

#[tokio::test]
async fn other_paths_and_methods_are_told_what_there_is() {
    let scene = scene();
    for path in ["/", "/v1", "/v1/status/", "/v2/status", "/status"] {
        let (head, body) = ask(&scene, &format!("GET {path}")).await;
        assert!(head.starts_with("HTTP/1.1 404"), "{path}: {head}");
        assert!(body["error"].as_str().is_some_and(|text| text.contains("/v1/status")), "{body}");
    }
    for (line, allowed) in [
        ("POST /v1/status", "allow: GET, HEAD"),
        ("GET /v1/reload", "allow: POST"),
        ("DELETE /v1/reload", "allow: POST"),
    ] {
        let (head, body) = ask(&scene, line).await;
        assert!(head.starts_with("HTTP/1.1 405") && head.contains(allowed), "{line}: {head}");
        assert!(body["error"].is_string(), "{body}");
    }
}

/// Answers the next request to reload.
async fn reload(outcome: Result<Reloaded, ReloadError>) -> (String, Value) {
    let mut scene = scene();
    let mut events = std::mem::replace(&mut scene.events, mpsc::channel(1).1);
    let controller = tokio::spawn(async move {
        let Some(Event::Reload(request)) = events.recv().await else { panic!("no reload") };
        request.reply.expect("somebody waits").send(outcome);
    });
    let answer = ask(&scene, "POST /v1/reload").await;
    controller.await.expect("the controller got it");
    answer
}

#[tokio::test]
async fn a_reload_is_asked_for_and_its_outcome_told() {
    let notes = vec!["restart for this".to_owned()];
    let good = Reloaded { generation: 5, warnings: Report::default(), notes };
    let (head, body) = reload(Ok(good)).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!((&body["outcome"], &body["generation"]), (&"good".into(), &5.into()));
    assert_eq!(body["notes"][0], "restart for this");

    let wrong = Source::Text { name: "t".into(), text: "nonsense = 1".into() };
    let error = ReloadError::from(config::load(&wrong).expect_err("nonsense"));
    let (head, body) = reload(Err(error)).await;
    assert!(head.starts_with("HTTP/1.1 422"), "{head}");
    assert_eq!((&body["outcome"], &body["generation"]), (&"problems".into(), &1.into()));
    assert!(body["problems"][0]["message"].is_string(), "{body}");
    assert!(body["rendered"].as_str().is_some_and(|text| text.contains("nonsense")), "{body}");

    let (head, body) = reload(Err(ReloadError::Io("no such thing".into()))).await;
    assert!(head.starts_with("HTTP/1.1 500"), "{head}");
    assert_eq!((&body["outcome"], &body["error"]), (&"failed".into(), &"no such thing".into()));
}

#[tokio::test]
async fn a_reload_that_nobody_can_take_is_refused_at_once() {
    let mut full = scene();
    for _ in 0..2 {
        full.site.events.try_send(Event::Tick).expect("room for two");
    }
    let (_, body) = ask(&full, "POST /v1/reload").await;
    assert!(body["error"].as_str().is_some_and(|text| text.contains("too much")), "{body}");
    full.events.close();
    let (_, body) = ask(&full, "POST /v1/reload").await;
    assert!(body["error"].as_str().is_some_and(|text| text.contains("stopping")), "{body}");
}

#[tokio::test]
async fn a_fault_while_answering_is_an_answer_and_the_next_one_is_right() {
    let scene = scene();
    scene.fleet.falls_over.store(true, Relaxed);
    let (head, body) = ask(&scene, "GET /v1/status").await;
    assert!(head.starts_with("HTTP/1.1 500") && body["error"].is_string(), "{head}");
    scene.fleet.falls_over.store(false, Relaxed);
    assert!(ask(&scene, "GET /v1/status").await.0.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let scene = scene();
    let mut stream = connect(&scene);
    let head = format!("GET /v1/status HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(20 << 10));
    // It may be closed before all of it is taken.
    let _ = stream.write_all(head.as_bytes()).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn one_request_a_connection() {
    let scene = scene();
    let mut stream = connect(&scene);
    let twice = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    stream.write_all(twice.as_bytes()).await.expect("sent");
    assert_eq!(rest(&mut stream).await.matches("HTTP/1.1 404").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_and_who_does_not_read_is_let_go_of() {
    let scene = scene();
    let began = tokio::time::Instant::now();
    let mut silent = connect(&scene);
    rest(&mut silent).await;
    assert!(began.elapsed() <= Duration::from_secs(11), "{:?}", began.elapsed());

    let mut slow = connect(&scene);
    slow.write_all(b"POST /v1/reload HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    // The controller never answers.
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 504"));

    let mut deaf = connect(&scene);
    let began = tokio::time::Instant::now();
    deaf.write_all(b"GET /v1/status HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    // More than the pipe holds, and nobody reads.
    tokio::time::sleep(Duration::from_secs(61)).await;
    let cut = rest(&mut deaf).await;
    assert!(cut.len() <= PIPE_BYTES, "{} bytes came", cut.len());
    assert!(began.elapsed() <= Duration::from_secs(62), "{:?}", began.elapsed());
}

#[tokio::test]
async fn beyond_the_bound_clients_wait_for_a_place() {
    let scene = scene();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("x.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    tokio::spawn(serve::accept(listener, Arc::clone(&scene.site)));
    let mut idle = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        idle.push(UnixStream::connect(&path).await.expect("connected"));
    }
    while scene.site.places.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let mut one_more = UnixStream::connect(&path).await.expect("it waits in the system's queue");
    one_more.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("sent");
    let mut byte = [0];
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(one_more.try_read(&mut byte).is_err(), "nobody serves it yet");
    idle.pop();
    let mut answer = String::new();
    one_more.read_to_string(&mut answer).await.expect("read");
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}
