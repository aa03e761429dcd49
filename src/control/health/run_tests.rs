//! The task that asks, with real sockets: a stall of its thread, and its bound.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use super::*;
use crate::backend::State;
use crate::config::{self, Source};
use crate::snapshot::{Names, Registry, Snapshot, compile};

/// A backend on a thread of its own, on every address of 127.0.0.0/8: it answers 50 ms after a request, unless it
/// is silent.
struct Other {
    address: SocketAddr,
    is_silent: Arc<AtomicBool>,
    n_asked: Arc<AtomicUsize>,
}

impl Other {
    fn start() -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (is_silent, n_asked) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let other = Other { address, is_silent, n_asked };
        let (is_silent, n_asked) = (Arc::clone(&other.is_silent), Arc::clone(&other.n_asked));
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (is_silent, n_asked) = (Arc::clone(&is_silent), Arc::clone(&n_asked));
                thread::spawn(move || {
                    let mut buffer = [0; 1024];
                    while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                        n_asked.fetch_add(1, SeqCst);
                        thread::sleep(Duration::from_millis(50));
                        if !is_silent.load(SeqCst) {
                            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
                        }
                    }
                });
            }
        });
        other
    }
}

/// The checks of `n` backends, all of them `other`, with the options `health`.
fn checks_of(other: &Other, n: usize, health: &str) -> (Checks, Snapshot) {
    let compiled = |lines: &str, generation| {
        let text = format!("listener = [{{ name = \"a\", bind = \"127.0.0.1:0\" }}]\n{lines}");
        let source = Source::Text { name: "test".into(), text };
        let config = config::load(&source).unwrap_or_else(|error| panic!("{error:?}")).config;
        let (names, registry) = (Names::default(), Registry::default());
        compile(&config, &names, &registry, generation, 1).expect("compiled").snapshot
    };
    let port = other.address.port();
    let backend = |n: usize| format!("\"127.1.{}.{}:{port}\"", n / 200, n % 200 + 1);
    let list: Vec<String> = (0..n).map(backend).collect();
    let nothing = compiled("route = [{ name = \"r\", respond = { status = 204 } }]", 0);
    let lines = format!(
        "route = [{{ name = \"r\", upstream = \"u\" }}]\n[upstream.u]\nbackends = [{}]\nhealth = {{ {health} }}",
        list.join(", ")
    );
    let snapshot = compiled(&lines, 1);
    let checks = Checks::new();
    checks.book().adopt(&nothing, &snapshot, Instant::now());
    (checks, snapshot)
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_stall_of_the_control_thread_ejects_nobody_and_a_silent_backend_is_still_found() {
    let other = Other::start();
    let health = "interval = \"100ms\", timeout = \"200ms\", fall = 1";
    let (checks, snapshot) = checks_of(&other, 3, health);
    tokio::spawn(run(checks.clone()));
    let members = &snapshot.upstreams[0].members;
    let passed = |id| checks.of(id).is_some_and(|info| info.last.is_some_and(|last| last.0));
    eventually("all have passed", || members.iter().all(|it| passed(it.backend.id))).await;
    for _ in 0..3 {
        // In the middle of a check, for longer than it may take; the thread that asks is this one.
        let n_asked = other.n_asked.load(SeqCst);
        eventually("a check is under way", || other.n_asked.load(SeqCst) > n_asked).await;
        thread::sleep(Duration::from_millis(500));
        let n_asked = other.n_asked.load(SeqCst);
        eventually("more checks", || other.n_asked.load(SeqCst) > n_asked + 6).await;
        for member in members {
            assert_eq!(
                member.backend.standing().state,
                State::Up,
                "{:?}",
                checks.of(member.backend.id)
            );
        }
    }
    other.is_silent.store(true, SeqCst);
    let is_down = |it: &crate::backend::Member| it.backend.standing().state == State::Down;
    eventually("all are down", || members.iter().all(is_down)).await;
}

#[tokio::test]
async fn only_so_many_checks_are_under_way_at_once() {
    let other = Other::start();
    other.is_silent.store(true, SeqCst);
    let n = UNDER_WAY_MAX + 44;
    let (checks, _snapshot) = checks_of(&other, n, "timeout = \"60s\"");
    tokio::spawn(run(checks.clone()));
    eventually("so many were asked", || other.n_asked.load(SeqCst) == UNDER_WAY_MAX).await;
    // Each first check is due within a second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(other.n_asked.load(SeqCst), UNDER_WAY_MAX);
}
