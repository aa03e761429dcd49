//! The daemon in this process, driven as its callers drive it: real sockets on port 0, real threads. What
//! happens inside a connection is the proxy's to test.

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::backend::Backend;
use crate::config::Bind;
use crate::net::Accepted;
use crate::snapshot::Snapshot;

/// Looks again and again until `done`, for five seconds at most.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !done() {
        assert!(Instant::now() < deadline, "still waiting for: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// A configuration with the given `[global]` lines, listeners and backends.
fn toml(global: &str, listeners: &str, backends: &str) -> String {
    format!(
        "[global]\n{global}\n{listeners}\n[[route]]\nupstream = \"app\"\n\n\
         [upstream.app]\nbackends = [{backends}]\n"
    )
}

fn listener(name: &str, bind: &str) -> String {
    format!("[[listener]]\nname = \"{name}\"\nbind = \"{bind}\"\n")
}

const LOCAL: &str = "127.0.0.1:0";
const BACKEND: &str = "\"127.0.0.1:9\"";

fn text(text: String) -> Source {
    Source::Text { name: "test".into(), text }
}

fn start(source: Source) -> Daemon {
    Daemon::start(source, Options::default()).expect("started")
}

fn address(daemon: &Daemon, listener: &str) -> SocketAddr {
    let bound = daemon.bound();
    match bound.iter().find(|bound| bound.listener == listener).map(|bound| &bound.bind) {
        Some(Bind::Tcp(address)) => *address,
        other => panic!("no tcp listener {listener}: {other:?}"),
    }
}

fn connect(address: SocketAddr, n: usize) -> Vec<TcpStream> {
    (0..n).map(|_| TcpStream::connect(address).expect("connected")).collect()
}

fn open(daemon: &Daemon) -> usize {
    daemon.worker_connections().iter().sum()
}

fn accepted(daemon: &Daemon) -> u64 {
    daemon.metrics().sum(|worker| &worker.connections)
}

fn current(daemon: &Daemon) -> Arc<Snapshot> {
    daemon.house.snapshot.load_full()
}

fn backend(daemon: &Daemon, label: &str) -> Option<Arc<Backend>> {
    let snapshot = current(daemon);
    let mut members = snapshot.upstreams.iter().flat_map(|upstream| &upstream.members);
    members.find(|member| &*member.backend.label == label).map(|member| Arc::clone(&member.backend))
}

#[test]
fn sixteen_connections_on_four_workers_are_shared_out() {
    let daemon = start(text(toml("workers = 4", &listener("a", LOCAL), BACKEND)));
    let clients = connect(address(&daemon, "a"), 16);
    until("16 connections", || accepted(&daemon) == 16);
    let held = daemon.worker_connections();
    assert_eq!(held.iter().sum::<usize>(), 16);
    assert!(held.iter().all(|held| *held <= 7), "{held:?}");
    drop(clients);
    until("no connection", || open(&daemon) == 0);
}

#[test]
fn a_port_in_use_is_an_error_and_nothing_runs() {
    let taken = TcpListener::bind(LOCAL).expect("bound");
    let bind = taken.local_addr().expect("an address").to_string();
    let source = text(toml("workers = 1", &listener("a", &bind), BACKEND));
    let error = Daemon::start(source, Options::default()).expect_err("in use");
    assert_eq!(error.exit_code(), 2);
    let message = error.to_string();
    assert!(message.contains(&bind) && message.contains("stop it"), "{message}");
}

#[test]
fn problems_in_the_configuration_are_an_error_of_their_own() {
    let source = text(toml("workers = 0\nnonsense = 1", &listener("a", LOCAL), BACKEND));
    let error = Daemon::start(source, Options::default()).expect_err("problems");
    let StartError::Problems(report) = &error else { panic!("not {error}") };
    assert_eq!((report.problems().len(), error.exit_code()), (2, 1), "{error}");
}

#[test]
fn unix_sockets_serve_replace_stale_files_and_leave_none() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("http.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    let bind = format!("unix:{}", path.display());
    let daemon = start(text(toml("workers = 2", &listener("a", &bind), BACKEND)));
    let client = UnixStream::connect(&path).expect("connected");
    until("one connection", || open(&daemon) == 1);
    let again = text(toml("workers = 1", &listener("a", &bind), BACKEND));
    Daemon::start(again, Options::default()).expect_err("a live socket is not replaced");
    UnixStream::connect(&path).expect("the first daemon still answers");
    drop(client);
    daemon.stop_gracefully();
    daemon.wait();
    assert!(!path.exists());
}

#[test]
fn a_reload_keeps_backends_and_sockets_by_identity_and_drops_what_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("forebay.toml");
    let write = |listeners: &str, backends: &str| {
        fs::write(&file, toml("workers = 2", listeners, backends)).expect("written");
    };
    let (a, b) = (listener("a", LOCAL), listener("b", "127.0.0.2:0"));
    write(&(a.clone() + &b), r#""127.0.0.1:1", "127.0.0.1:2""#);
    let daemon = start(Source::File(file.clone()));
    let (address_a, address_b) = (address(&daemon, "a"), address(&daemon, "b"));
    let kept = backend(&daemon, "127.0.0.1:2").expect("a backend");
    let gone = Arc::downgrade(&backend(&daemon, "127.0.0.1:1").expect("a backend"));
    let first = Arc::downgrade(&current(&daemon));

    let renamed = listener("renamed", LOCAL);
    write(&(renamed + &listener("c", "127.0.0.3:0")), r#""127.0.0.1:2", "127.0.0.1:3""#);
    let reloaded = daemon.reload().expect("reloaded");
    assert_eq!(reloaded.generation, 2);
    assert_eq!(address(&daemon, "renamed"), address_a, "a socket is known by its address");
    assert!(Arc::ptr_eq(&kept, &backend(&daemon, "127.0.0.1:2").expect("a backend")));
    assert!(backend(&daemon, "127.0.0.1:1").is_none());
    let clients = [address_a, address(&daemon, "c")].map(|to| connect(to, 1));
    until("two connections", || open(&daemon) == 2);
    until("the retired port to close", || TcpStream::connect(address_b).is_err());
    until("the old snapshot to be dropped", || first.strong_count() == 0);
    until("the old backend to be dropped", || gone.strong_count() == 0);
    drop(clients);
}

#[test]
fn a_refused_reload_changes_nothing_and_tells_every_problem() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("forebay.toml");
    let good = toml("workers = 1", &listener("a", LOCAL), BACKEND);
    fs::write(&file, &good).expect("written");
    let daemon = start(Source::File(file.clone()));
    let (before, bound) = (current(&daemon), daemon.bound());
    let untouched = || Arc::ptr_eq(&before, &current(&daemon)) && bound == daemon.bound();

    fs::write(&file, toml("nonsense = 1\nworkers = 0", &listener("a", LOCAL), BACKEND)).expect("written");
    let ReloadError::Problems(report) = daemon.reload().expect_err("problems") else {
        panic!("not problems")
    };
    assert_eq!(report.problems().len(), 2, "{report}");
    assert!(untouched());

    // One new listener could be bound, the other not: neither stays.
    let holder = TcpListener::bind(LOCAL).expect("bound");
    let taken = holder.local_addr().expect("an address").to_string();
    let free = TcpListener::bind(LOCAL).expect("bound").local_addr().expect("an address").to_string();
    let listeners = listener("a", LOCAL) + &listener("free", &free) + &listener("taken", &taken);
    fs::write(&file, toml("", &listeners, BACKEND)).expect("written");
    match daemon.reload() {
        Err(ReloadError::Io(message)) => assert!(message.contains(&taken), "{message}"),
        other => panic!("expected a bind error, not {other:?}"),
    }
    assert!(untouched());
    TcpListener::bind(&free).expect("the other one was let go of");

    fs::remove_file(&file).expect("removed");
    assert!(matches!(daemon.reload(), Err(ReloadError::Io(_))));
    assert!(untouched());
    fs::write(&file, &good).expect("written");
    assert_eq!(daemon.reload().expect("good again").generation, 2);
}
