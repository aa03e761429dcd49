//! The task that asks, with real sockets: a stall of its thread, and its bound.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use tokio::sync::Notify;

use super::*;
use crate::backend::State;
use crate::config::{self, Source};
use crate::snapshot::{Names, Registry, Snapshot, compile};

/// A backend on a thread of its own, on every address of 127.0.0.0/8. It answers at once, unless it is told to wait.
struct Other {
    address: SocketAddr,
    mood: Arc<(Mutex<Mood>, Condvar)>,
    n_asked: Arc<AtomicUsize>,
    /// Told of each request.
    asked: Arc<Notify>,
}

/// What becomes of a request.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// It is answered.
    Answers,
    /// It is answered once the mood is another.
    Waits,
    /// It is never answered.
    Silent,
}

impl Other {
    fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mood = Arc::new((Mutex::new(mood), Condvar::new()));
        let other = Other { address, mood, n_asked: Arc::default(), asked: Arc::default() };
        let (mood, n_asked) = (Arc::clone(&other.mood), Arc::clone(&other.n_asked));
        let asked = Arc::clone(&other.asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mood, n_asked) = (Arc::clone(&mood), Arc::clone(&n_asked));
                let asked = Arc::clone(&asked);
                thread::spawn(move || {
                    serve(stream, &mood, || {
                        n_asked.fetch_add(1, SeqCst);
                        asked.notify_one();
                    })
                });
            }
        });
        other
    }

    fn feels(&self, mood: Mood) {
        *self.mood.0.lock().expect("it does not panic") = mood;
        self.mood.1.notify_all();
    }

    /// Waits for `condition`, which is looked at again with every request.
    async fn eventually(&self, what: &str, condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                self.asked.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(waited.is_ok(), "never happened: {what}");
    }
}

fn serve(mut stream: TcpStream, (mood, changed): &(Mutex<Mood>, Condvar), asked: impl Fn()) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
        let mood = mood.lock().expect("it does not panic");
        asked();
        let mood = changed.wait_while(mood, |mood| *mood == Mood::Waits);
        if *mood.expect("it does not panic") == Mood::Answers {
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
        }
    }
}

/// For checks under way.
const PLACES: usize = 100;

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
    let checks = Checks::with(64, PLACES);
    checks.book().adopt(&nothing, &snapshot, Instant::now());
    (checks, snapshot)
}

#[tokio::test]
async fn a_stall_of_the_control_thread_ejects_nobody_and_a_silent_backend_is_still_found() {
    let other = Other::start(Mood::Answers);
    let health = "interval = \"100ms\", timeout = \"200ms\", fall = 1";
    let (checks, snapshot) = checks_of(&other, 3, health);
    tokio::spawn(run(checks.clone()));
    let members = &snapshot.upstreams[0].members;
    let passed = |id| checks.of(id).is_some_and(|info| info.last.is_some_and(|last| last.0));
    other.eventually("all have passed", || members.iter().all(|it| passed(it.backend.id))).await;
    for _ in 0..3 {
        // In the middle of a check, for longer than it may take; the thread that asks is this one.
        other.feels(Mood::Waits);
        let n_asked = other.n_asked.load(SeqCst);
        other.eventually("a check is under way", || other.n_asked.load(SeqCst) > n_asked).await;
        other.feels(Mood::Answers);
        thread::sleep(Duration::from_millis(500));
        let n_asked = other.n_asked.load(SeqCst);
        other.eventually("more checks", || other.n_asked.load(SeqCst) > n_asked + 6).await;
        for member in members {
            assert_eq!(
                member.backend.standing().state,
                State::Up,
                "{:?}",
                checks.of(member.backend.id)
            );
        }
    }
    other.feels(Mood::Silent);
    let is_down = |it: &crate::backend::Member| it.backend.standing().state == State::Down;
    other.eventually("all are down", || members.iter().all(is_down)).await;
}

#[tokio::test]
async fn only_so_many_checks_are_under_way_at_once() {
    let other = Other::start(Mood::Silent);
    let n = PLACES + 44;
    let (checks, snapshot) = checks_of(&other, n, "timeout = \"60s\"");
    tokio::spawn(run(checks.clone()));
    other.eventually("so many were asked", || other.n_asked.load(SeqCst) == PLACES).await;
    let members = &snapshot.upstreams[0].members;
    let due = members.iter().filter_map(|it| checks.of(it.backend.id)).map(|info| info.next);
    let last_due = due.max().expect("there are checks");
    sleep_until((last_due + 4 * BEGIN_EVERY).into()).await;
    assert_eq!(other.n_asked.load(SeqCst), PLACES);
}
