//! The daemon in this process, driven as its callers drive it: real sockets on port 0, real threads. What
//! happens inside a connection is the proxy's to test.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::backend::Backend;
use crate::config::Bind;
use crate::snapshot::Snapshot;

/// Looks again and again until `done`, for five seconds at most.
pub(super) fn until(what: &str, mut done: impl FnMut() -> bool) {
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

pub(super) fn text(text: String) -> Source {
    Source::Text { name: "test".into(), text }
}

fn start(source: Source) -> Daemon {
    Daemon::start(source, Options::default()).expect("started")
}

pub(super) fn address(daemon: &Daemon, listener: &str) -> SocketAddr {
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

pub(super) fn current(daemon: &Daemon) -> Arc<Snapshot> {
    daemon.house.snapshot.load_full()
}

pub(super) fn backend(daemon: &Daemon, label: &str) -> Option<Arc<Backend>> {
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

    fs::write(&file, toml("nonsense = 1\nworkers = 0", &listener("a", LOCAL), BACKEND))
        .expect("written");
    let ReloadError::Problems(report) = daemon.reload().expect_err("problems") else {
        panic!("not problems")
    };
    assert_eq!(report.problems().len(), 2, "{report}");
    assert!(untouched());

    // One new listener could be bound, the other not: neither stays.
    let holder = TcpListener::bind(LOCAL).expect("bound");
    let taken = holder.local_addr().expect("an address").to_string();
    let free =
        TcpListener::bind(LOCAL).expect("bound").local_addr().expect("an address").to_string();
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

#[test]
fn reloads_asked_for_at_once_all_get_an_answer() {
    let daemon = start(text(toml("workers = 1", &listener("a", LOCAL), BACKEND)));
    let generations: Vec<u64> = thread::scope(|scope| {
        let reload = || daemon.reload().expect("reloaded").generation;
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(reload)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let last = current(&daemon).generation;
    assert!(generations.contains(&last) && generations.iter().all(|at| (2..=last).contains(at)));
    assert!(last <= 9, "no more reloads than were asked for: {last}");
}

#[test]
fn a_changed_number_of_workers_is_told_and_not_applied() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("forebay.toml");
    fs::write(&file, toml("workers = 1", &listener("a", LOCAL), BACKEND)).expect("written");
    let daemon = start(Source::File(file.clone()));
    fs::write(&file, toml("workers = 3", &listener("a", LOCAL), BACKEND)).expect("written");
    let notes = daemon.reload().expect("reloaded").notes;
    assert!(notes.len() == 1 && notes[0].contains("restart"), "{notes:?}");
    assert_eq!(daemon.worker_connections().len(), 1);
    assert!(daemon.reload().expect("reloaded").generation == 3);
}

#[test]
fn connections_beyond_the_process_limit_wait_until_one_ends() {
    let global = "workers = 2\nmax_connections = 2";
    let daemon = start(text(toml(global, &listener("a", LOCAL), BACKEND)));
    let mut clients = connect(address(&daemon, "a"), 4);
    until("two connections", || accepted(&daemon) == 2);
    assert_eq!(open(&daemon), 2);
    // Which two were accepted is not known: ending three ends at least one of them.
    clients.truncate(1);
    until("all were accepted in turn", || accepted(&daemon) == 4);
    until("one is left", || open(&daemon) == 1);
}

#[test]
fn a_listener_limit_holds_for_that_listener_and_changes_with_a_reload() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("forebay.toml");
    let write = |limit: &str| {
        let a = listener("a", LOCAL) + &format!("limits = {{ connections = {limit} }}\n");
        let both = a + &listener("b", "127.0.0.2:0");
        fs::write(&file, toml("workers = 2", &both, BACKEND)).expect("written");
    };
    write("1");
    let daemon = start(Source::File(file.clone()));
    let limited = connect(address(&daemon, "a"), 3);
    let free = connect(address(&daemon, "b"), 3);
    until("1 + 3 connections", || accepted(&daemon) == 4);
    assert_eq!(open(&daemon), 4);
    write("\"off\"");
    daemon.reload().expect("reloaded");
    until("3 + 3 connections", || open(&daemon) == 6);
    drop((limited, free));
}

static N_REFUSED: AtomicU32 = AtomicU32::new(0);
static EXHAUSTED: AtomicBool = AtomicBool::new(true);

/// As if the process had no descriptor left, for as long as [`EXHAUSTED`] says so.
fn accept_exhausted(listener: &std::os::fd::OwnedFd) -> io::Result<net::Accepted> {
    if EXHAUSTED.load(SeqCst) {
        N_REFUSED.fetch_add(1, SeqCst);
        return Err(rustix::io::Errno::MFILE.into());
    }
    net::accept(listener)
}

#[test]
fn running_out_of_descriptors_pauses_accepting_and_loses_nobody() {
    let source = text(toml("workers = 1", &listener("a", LOCAL), BACKEND));
    let daemon = Daemon::launch(Settings::new(source), accept_exhausted).expect("started");
    let began = Instant::now();
    let clients = connect(address(&daemon, "a"), 3);
    until("three pauses", || N_REFUSED.load(SeqCst) >= 3);
    // 100 ms, then 200: a busy loop would have come here a thousand times sooner.
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    assert_eq!(open(&daemon), 0);
    EXHAUSTED.store(false, SeqCst);
    until("all are accepted", || accepted(&daemon) == 3);
    drop(clients);
}

#[test]
fn a_name_that_does_not_resolve_at_start_joins_later_and_stays_when_it_fails_again() {
    let working = Arc::new(AtomicBool::new(false));
    let works = Arc::clone(&working);
    let source = text(toml("workers = 1", &listener("a", LOCAL), "\"app.test:80\""));
    let mut settings = Settings::new(source);
    settings.lookup = Arc::new(move |name| match works.load(SeqCst) {
        true => Ok(vec![SocketAddr::from(([10, 0, 0, 1], name.port))]),
        false => Err(io::Error::other("no such name")),
    });
    let daemon = Daemon::launch(settings, net::accept).expect("started all the same");
    assert!(current(&daemon).upstreams[0].members.is_empty());
    working.store(true, SeqCst);
    until("the name to join", || backend(&daemon, "10.0.0.1:80").is_some());
    let snapshot = current(&daemon);
    assert_eq!(&*snapshot.upstreams[0].members[0].authority, "app.test:80");
    let joined = backend(&daemon, "10.0.0.1:80").expect("a backend");
    working.store(false, SeqCst);
    daemon.reload().expect("reloaded");
    let kept = backend(&daemon, "10.0.0.1:80").expect("the last good set stays");
    assert!(Arc::ptr_eq(&joined, &kept));
}

#[test]
fn a_changed_file_is_reloaded_when_watched_and_a_bad_one_does_not_end_the_watch() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("forebay.toml");
    let save = |backends: &str| {
        // As editors do: a new file renamed over the old one.
        let beside = directory.path().join(".forebay.toml.new");
        fs::write(&beside, toml("workers = 1", &listener("a", LOCAL), backends)).expect("written");
        fs::rename(&beside, &file).expect("renamed");
    };
    save(BACKEND);
    let options = Options { watch: true, ..Options::default() };
    let daemon = Daemon::start(Source::File(file.clone()), options).expect("started");
    save("nonsense");
    save("\"127.0.0.1:1\"");
    until("the first change", || backend(&daemon, "127.0.0.1:1").is_some());
    save("nonsense");
    save("\"127.0.0.1:2\"");
    until("the second change", || backend(&daemon, "127.0.0.1:2").is_some());
}

#[test]
fn stopping_at_once_closes_every_connection_and_counts_them() {
    let daemon = start(text(toml("workers = 2", &listener("a", LOCAL), BACKEND)));
    let to = address(&daemon, "a");
    let mut clients = connect(to, 5);
    until("five connections", || accepted(&daemon) == 5);
    daemon.stop_now();
    let totals = daemon.wait();
    assert_eq!((totals.connections, totals.cut), (5, 5));
    for client in &mut clients {
        client.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        // The end of the stream or a reset; both mean closed.
        assert!(!matches!(client.read(&mut [0; 1]), Ok(1..)));
    }
    TcpStream::connect(to).expect_err("nobody listens any more");
}

#[test]
fn a_graceful_stop_without_connections_is_immediate_and_dropping_stops_too() {
    let daemon = start(text(toml("workers = 2", &listener("a", LOCAL), BACKEND)));
    let to = address(&daemon, "a");
    let began = Instant::now();
    daemon.stop_gracefully();
    assert!(matches!(daemon.reload(), Err(ReloadError::Io(_))));
    assert_eq!(daemon.wait().cut, 0);
    assert!(began.elapsed() < Duration::from_secs(5));
    TcpStream::connect(to).expect_err("nobody listens any more");

    let dropped = start(text(toml("workers = 2", &listener("a", LOCAL), BACKEND)));
    let to = address(&dropped, "a");
    drop(dropped);
    TcpStream::connect(to).expect_err("nobody listens any more");
}

fn ask(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").expect("written");
}

/// The first line of the response.
fn status(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("a response");
    line
}

#[test]
fn a_request_in_flight_outlives_its_listener_and_an_idle_connection_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("forebay.toml");
    let origin = TcpListener::bind(LOCAL).expect("bound");
    let backends = format!("\"{}\"", origin.local_addr().expect("an address"));
    let (kept, removed) = (listener("kept", LOCAL), listener("removed", "127.0.0.2:0"));
    fs::write(&file, toml("workers = 2", &(kept.clone() + &removed), &backends)).expect("written");
    let daemon = start(Source::File(file.clone()));
    let mut clients = connect(address(&daemon, "removed"), 2);
    let mut elsewhere = connect(address(&daemon, "kept"), 1).remove(0);
    ask(&mut clients[0]);
    let (mut exchange, _) = origin.accept().expect("the request arrives");
    fs::write(&file, toml("workers = 2", &kept, &backends)).expect("written");
    daemon.reload().expect("reloaded");
    clients[1].set_read_timeout(Some(Duration::from_secs(5))).expect("set");
    assert_eq!(clients[1].read(&mut [0]).expect("the end"), 0, "the idle connection was closed");
    let no_content = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    exchange.write_all(no_content).expect("written");
    assert!(status(&mut clients[0]).contains("204"));
    until("the connection that was busy to close", || open(&daemon) == 1);
    // The other listener's connection is idle too, and was left alone.
    ask(&mut elsewhere);
    let (mut exchange, _) = origin.accept().expect("the request arrives");
    exchange.write_all(no_content).expect("written");
    assert!(status(&mut elsewhere).contains("204"));
}

#[test]
fn one_peer_too_many_is_answered_429_unless_it_is_trusted() {
    for (trusted, expected) in [("", "429"), ("trusted_proxies = [\"127.0.0.0/8\"]\n", "502")] {
        let limited = listener("a", LOCAL) + "limits = { per_ip = 2 }\n";
        // Nobody listens at the backend's port, so whatever is admitted is answered 502.
        let global = format!("{trusted}workers = 2");
        let daemon = start(text(toml(&global, &limited, "\"127.0.0.1:1\"")));
        let mut clients = connect(address(&daemon, "a"), 2);
        until("two connections", || open(&daemon) == 2);
        let mut third = connect(address(&daemon, "a"), 1).remove(0);
        ask(&mut third);
        let line = status(&mut third);
        assert!(line.contains(expected), "{line}");
        ask(&mut clients[0]);
        assert!(status(&mut clients[0]).contains("502"), "those within the limit are served");
    }
}
