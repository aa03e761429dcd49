//! Active checks of a whole daemon: backends that fail them get no requests, backends that pass them do.

mod support;

use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use support::{Message, Origin, Proxy, Service, Setup, Wire, eventually, refused_address};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready";

/// Often enough for a test, and patient enough for a busy machine.
const QUICK: &str =
    "health = { path = \"/up\", interval = \"50ms\", timeout = \"1s\", rise = 2, fall = 2 }";

/// A backend whose requests are answered with its name, and checks with what a test says.
struct Patient {
    service: Service,
    answer: Arc<Mutex<Vec<u8>>>,
    n_checks: Arc<AtomicUsize>,
}

impl Patient {
    fn named(name: &'static str) -> Self {
        let answer = Arc::new(Mutex::new(OK.as_bytes().to_vec()));
        let n_checks = Arc::new(AtomicUsize::new(0));
        let (checked, counter) = (Arc::clone(&answer), Arc::clone(&n_checks));
        let service = Service::start(move |request: &Message| {
            if request.target() == "/up" {
                counter.fetch_add(1, SeqCst);
                return checked.lock().unwrap_or_else(PoisonError::into_inner).clone();
            }
            let length = name.len();
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}").into_bytes()
        });
        Patient { service, answer, n_checks }
    }

    /// What checks are answered from now on; nothing closes the connection.
    fn says(&self, answer: impl AsRef<[u8]>) {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer.as_ref().to_vec();
    }

    fn n_checks(&self) -> usize {
        self.n_checks.load(SeqCst)
    }
}

/// Whoever answers the next 12 requests, each name once.
fn who_answers(proxy: &Proxy) -> Vec<String> {
    let mut client = proxy.connect();
    let mut names: Vec<String> = (0..12).map(|_| client.get("/").text()).collect();
    names.sort();
    names.dedup();
    names
}

#[track_caller]
fn served_by(proxy: &Proxy, names: &[&str]) {
    eventually(&format!("served by {names:?}"), || who_answers(proxy) == names);
}

#[test]
fn whatever_is_not_the_expected_answer_takes_a_backend_out_until_it_passes_again() {
    let endless = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        format!("1000\r\n{}\r\n", "ready".repeat(0x1000 / 5 + 1).split_at(0x1000).0)
            .repeat(600)
            .into_bytes(),
    ];
    let too_long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let flood = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(100);
    let table: [(&str, &[u8]); 9] = [
        ("404", b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nready"),
        ("503", b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nready"),
        ("another body", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nmaybe"),
        ("garbage", b"220 mail.test ESMTP\r\n"),
        ("closed", b""),
        ("cut short", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nready"),
        ("an endless body", &endless.concat()),
        ("a long head", too_long.as_bytes()),
        ("interim heads", flood.as_bytes()),
    ];
    let (sound, sick) = (Patient::named("sound"), Patient::named("sick"));
    let health = QUICK
        .replace("1s", "300ms")
        .replace("path", "expect = { status = 200, body_contains = \"ready\" }, path");
    let setup = Setup { upstream: &health, ..Setup::default() };
    let proxy = Proxy::with(setup, &[sound.service.address(), sick.service.address()]);
    served_by(&proxy, &["sick", "sound"]);
    for (what, answer) in table {
        sick.says(answer);
        eventually(&format!("{what} is a failure"), || who_answers(&proxy) == ["sound"]);
        sick.says(OK);
        served_by(&proxy, &["sick", "sound"]);
    }
}

#[test]
fn a_backend_is_down_after_fall_failures_and_not_before() {
    let (sound, sick) = (Patient::named("sound"), Patient::named("sick"));
    let health = QUICK.replace("fall = 2", "fall = 5");
    let setup = Setup { upstream: &health, ..Setup::default() };
    let proxy = Proxy::with(setup, &[sound.service.address(), sick.service.address()]);
    eventually("a first pass", || sick.n_checks() > 0);
    sick.says("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let passed = sick.n_checks();
    while sick.n_checks() < passed + 3 {
        let answered_by = who_answers(&proxy);
        // Looked at before and after: a check may have ended meanwhile.
        if sick.n_checks() < passed + 4 {
            assert_eq!(answered_by, ["sick", "sound"]);
        }
    }
    served_by(&proxy, &["sound"]);
    assert!(sick.n_checks() >= passed + 5);
}

#[test]
fn one_connection_serves_many_checks_and_one_that_the_backend_closed_is_no_failure() {
    let sound = Patient::named("sound");
    let closing = Patient::named("closing");
    closing.says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    let setup = Setup { upstream: &QUICK.replace("fall = 2", "fall = 1"), ..Setup::default() };
    let backends = [sound.service.address(), closing.service.address()];
    let proxy = Proxy::with(setup, &backends);
    eventually("ten checks each", || sound.n_checks() >= 10 && closing.n_checks() >= 10);
    assert_eq!(sound.service.n_connections(), 1, "checks opened connections that they need not");
    assert_eq!(who_answers(&proxy), ["closing", "sound"]);
}

#[test]
fn a_kept_connection_that_dies_without_a_word_fails_no_check() {
    let origin = Origin::bind();
    let setup = Setup { upstream: &QUICK.replace("fall = 2", "fall = 1"), ..Setup::default() };
    let proxy = Proxy::with(setup, &[origin.address(), refused_address().address()]);
    let check = |wire: &mut Wire| {
        let request = wire.request();
        assert_eq!(request.target(), "/up", "a request of a client was sent here");
        assert_eq!(request.field("user-agent"), Some("forebay-health"));
    };
    for _ in 0..3 {
        let mut wire = origin.accept();
        check(&mut wire);
        wire.send(OK);
        // It reads the next check, but never answers it.
        check(&mut wire);
        wire.reset();
    }
    let mut wire = origin.accept();
    check(&mut wire);
    wire.send(OK);
    check(&mut wire);
    drop(proxy);
}

#[test]
fn a_unix_socket_is_checked_through_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let (heard, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().flatten() {
            let heard = heard.clone();
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    let _ = heard.send(String::from_utf8_lossy(&buffer[..n]).into_owned());
                    let _ = stream.write_all(OK.as_bytes());
                }
            });
        }
    });
    let text = Setup { upstream: QUICK, ..Setup::default() }.text(&[]);
    let backend = format!("backends = [\"unix:{}\"]", path.display());
    let _proxy = Proxy::from_text(&text.replace("backends = []", &backend));
    let request = hears.recv_timeout(Duration::from_secs(10)).expect("a check");
    assert!(request.starts_with("GET /up HTTP/1.1\r\nhost: localhost\r\n"), "{request}");
}

#[test]
fn a_port_of_its_own_says_how_the_backend_is() {
    let (sound, side) = (Patient::named("sound"), Patient::named("side"));
    let health = QUICK.replace("path", &format!("port = {}, path", side.service.address().port()));
    let setup = Setup { upstream: &health, ..Setup::default() };
    let proxy = Proxy::with(setup, &[sound.service.address()]);
    eventually("the other port was asked", || side.n_checks() > 3);
    assert_eq!(sound.n_checks(), 0);
    assert_eq!(who_answers(&proxy), ["sound"]);
}

/// The configuration with these backends and checks.
fn text(backends: &[&Patient], health: &str) -> String {
    let addresses: Vec<_> = backends.iter().map(|it| it.service.address()).collect();
    Setup { upstream: health, ..Setup::default() }.text(&addresses)
}

#[test]
fn who_joins_gets_requests_after_a_first_pass_and_the_others_stay_as_they_are() {
    let (sound, sick) = (Patient::named("sound"), Patient::named("sick"));
    sick.says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::from_file(&text(&[&sound, &sick], QUICK));
    served_by(&proxy, &["sound"]);
    let joiner = Patient::named("joiner");
    joiner.says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let patient = QUICK.replace("fall = 2", "fall = 100");
    proxy.rewrite(&text(&[&sound, &sick, &joiner], &patient));
    proxy.reload().expect("a good file");
    assert_eq!(who_answers(&proxy), ["sound"], "at once: one is down, one is unproven");
    eventually("the new one was asked", || joiner.n_checks() > 3);
    assert_eq!(who_answers(&proxy), ["sound"]);
    joiner.says(OK);
    served_by(&proxy, &["joiner", "sound"]);
    sick.says(OK);
    served_by(&proxy, &["joiner", "sick", "sound"]);
}

#[test]
fn new_members_that_are_alone_get_requests_at_once() {
    let (old, new) = (Patient::named("old"), Patient::named("new"));
    let proxy = Proxy::from_file(&text(&[&old], QUICK));
    assert_eq!(who_answers(&proxy), ["old"]);
    new.says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    proxy.rewrite(&text(&[&new], &QUICK.replace("fall = 2", "fall = 100")));
    proxy.reload().expect("a good file");
    assert_eq!(who_answers(&proxy), ["new"], "nobody else could answer");
}

#[test]
fn checks_that_a_reload_switches_off_leave_nobody_out() {
    let (sound, sick) = (Patient::named("sound"), Patient::named("sick"));
    sick.says("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let proxy = Proxy::from_file(&text(&[&sound, &sick], QUICK));
    served_by(&proxy, &["sound"]);
    proxy.rewrite(&text(&[&sound, &sick], ""));
    proxy.reload().expect("a good file");
    assert_eq!(who_answers(&proxy), ["sick", "sound"]);
    let n_checks = sick.n_checks();
    assert!(who_answers(&proxy).len() == 2 && sick.n_checks() <= n_checks + 1, "asked still");
}

#[test]
fn a_start_asks_everybody_within_a_second_however_long_the_interval() {
    let (first, second) = (Patient::named("first"), Patient::named("second"));
    let health = QUICK.replace("50ms", "1h");
    let setup = Setup { upstream: &health, ..Setup::default() };
    let _proxy = Proxy::with(setup, &[first.service.address(), second.service.address()]);
    eventually("both were asked", || first.n_checks() == 1 && second.n_checks() == 1);
}
