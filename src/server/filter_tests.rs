//! The seam of filters through the whole daemon: one that waits, answers, wraps bodies and remembers
//! (`filter::proof`), with raw bytes from the client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use super::tests::{address, text, until};
use super::*;
use crate::error::Reason;
use crate::filter::proof::N_DROPPED;

/// A backend that sends each request back as the body, and closes. It ends with the test's process.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let request = read_request(&mut stream);
            let head = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                request.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), &request].concat());
        }
    });
    address
}

/// A head, and a body whose length it says.
fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    let _ = stream.read_exact(&mut body);
    bytes.extend_from_slice(&body);
    bytes
}

fn daemon() -> Daemon {
    let backend = echo();
    let filter = |name: &str| {
        format!(
            "[filter.{name}]\nheaders = {{ request = {{ set = {{ x-proof = \"{name}\" }} }} }}\n"
        )
    };
    let config = format!(
        "[global]\nworkers = 1\n[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n{}{}\
         [[route]]\nname = \"all\"\nfilters = [\"one\", \"two\"]\nupstream = \"app\"\n\
         [[route]]\nname = \"own\"\nmatch = {{ path = \"/own\" }}\nfilters = [\"one\", \"two\"]\n\
         respond = {{ body = \"own\" }}\n\
         [[route]]\nname = \"brief\"\nmatch = {{ path = \"/brief\" }}\nfilters = [\"two\"]\n\
         upstream = \"app\"\ntimeouts = {{ total = \"50ms\" }}\n\
         [upstream.app]\nbackends = [\"{backend}\"]\n",
        filter("one"),
        filter("two"),
    );
    Daemon::start(text(config), Options::default()).expect("started")
}

fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(address(daemon, "a")).expect("connected");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    stream
}

fn get(path: &str, told: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-Do: {told}\r\n\r\n")
}

/// The request that ends the connection.
fn last(path: &str, told: &str) -> String {
    get(path, told).replace("Host", "Connection: close\r\nHost")
}

/// All that comes for `request`, which ends the connection.
fn ask(daemon: &Daemon, request: &str) -> String {
    let mut stream = connect(daemon);
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the end");
    answer
}

fn counted(daemon: &Daemon, reason: Reason) -> u64 {
    daemon.metrics().sum(|worker| &worker.reasons[reason as usize])
}

#[test]
fn a_filter_that_waits_goes_on_with_the_head_and_its_memory() {
    let daemon = daemon();
    for (told, n_marks) in [("one wait", 1), ("two wait", 1), ("one twice", 2), ("none", 0)] {
        let answer = ask(&daemon, &last("/", told));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(answer.matches("x-waited: yes").count(), n_marks, "{answer}");
        let order = answer.find("x-slot: two saw all").zip(answer.find("x-slot: one saw all"));
        assert!(order.is_some_and(|(two, one)| two < one), "{answer}");
    }
}

#[test]
fn a_filter_answers_at_once_or_late_and_only_those_before_it_see_the_answer() {
    let daemon = daemon();
    for (told, n_before) in
        [("one respond", 0), ("two respond", 1), ("one late", 0), ("two late", 1)]
    {
        let answer = ask(&daemon, &last("/", told));
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        assert!(
            answer.ends_with("\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"),
            "{answer}"
        );
        assert!(answer.contains("\r\nx-own: yesx-injected: yes\r\n"), "{answer}");
        assert_eq!(answer.matches("x-slot: one").count(), n_before, "{told}: {answer}");
        assert!(!answer.contains("x-slot: two"), "{answer}");
    }
}

#[test]
fn a_body_is_wrapped_whoever_answers() {
    let daemon = daemon();
    let own = ask(&daemon, &last("/own", "one wrap"));
    assert!(own.ends_with("content-length: 10\r\nconnection: close\r\n\r\nOWNTHE END"), "{own}");
    let passed = ask(&daemon, &last("/", "two wrap"));
    assert!(passed.contains("transfer-encoding: chunked") && passed.contains("GET / HTTP/1.1"));
    assert!(passed.contains("X-DO: TWO WRAP") && passed.contains("THE END"), "{passed}");
    let head = ask(&daemon, &last("/own", "one wrap").replace("GET", "HEAD"));
    assert!(head.ends_with("content-length: 10\r\nconnection: close\r\n\r\n"), "{head}");
}

#[test]
fn requests_behind_one_that_waits_are_answered_in_order() {
    let daemon = daemon();
    let all = [get("/own", "one wait"), get("/own", "two late"), last("/own", "none")].concat();
    let answers = ask(&daemon, &all);
    let statuses: Vec<&str> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, start)| &answers[at + start.len()..][..3])
        .collect();
    assert_eq!(statuses, ["200", "403", "200"], "{answers}");
}

#[test]
fn a_body_that_comes_while_a_filter_waits_is_still_a_body() {
    let daemon = daemon();
    let mut stream = connect(&daemon);
    let head =
        last("/", "two twice").replace("GET", "POST").replace("Host", "Content-Length: 25\r\nHost");
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(b"GET /own HTTP/1.1\r\nHo: x\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the end");
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 1, "{answer}");
    assert!(answer.ends_with("GET /own HTTP/1.1\r\nHo: x\n"), "{answer}");
    assert_eq!(answer.matches("x-waited: yes").count(), 2, "{answer}");
}

#[test]
fn a_filter_that_never_decides_ends_with_the_time_or_the_client() {
    let daemon = daemon();
    let answer = ask(&daemon, &last("/brief", "two never"));
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("total_timeout"), "{answer}");
    let answer = ask(&daemon, &last("/", "two never"));
    assert!(answer.starts_with("HTTP/1.1 504") && answer.contains("filter_timeout"), "{answer}");
    assert_eq!(N_DROPPED.load(SeqCst), 2);
    let mut stream = connect(&daemon);
    stream.write_all(get("/own", "one never").as_bytes()).expect("sent");
    drop(stream);
    until("the client is seen to have gone", || counted(&daemon, Reason::ClientGone) >= 1);
    until("its filter is dropped", || N_DROPPED.load(SeqCst) >= 3);
}
