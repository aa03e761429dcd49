//! Checks of the whole daemon, seen at the backends' standing: names whose addresses change, ports that nobody
//! listens on.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use super::tests::{backend, text, until};
use super::*;
use crate::backend::{Cause, State};

/// A backend that answers 204 while it `is_well`, and 503 else. It ends with the test's process.
fn patient(is_well: &Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let is_well = Arc::clone(is_well);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let is_well = Arc::clone(&is_well);
            thread::spawn(move || {
                while stream.read(&mut [0; 1024]).is_ok_and(|n| n > 0) {
                    let head = match is_well.load(SeqCst) {
                        true => "HTTP/1.1 204 No Content\r\n\r\n",
                        false => "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
                    };
                    let _ = stream.write_all(head.as_bytes());
                }
            });
        }
    });
    address
}

fn configuration(backends: &str, health: &str) -> Source {
    text(format!(
        "[global]\nworkers = 1\n[[listener]]\nname = \"a\"\nbind = \"127.0.0.1:0\"\n\
         [[route]]\nupstream = \"app\"\n[upstream.app]\nbackends = [{backends}]\n\
         health = {{ {health} }}\n"
    ))
}

#[test]
fn an_address_that_a_name_gets_waits_for_a_pass_and_the_others_keep_their_state() {
    let (fine, wellness) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (first, second) = (patient(&fine), patient(&wellness));
    let is_known = Arc::new(AtomicBool::new(false));
    let knows = Arc::clone(&is_known);
    let names = format!("\"one.test:{}\", \"two.test:{}\"", first.port(), second.port());
    let health = "interval = \"50ms\", timeout = \"1s\", fall = 100";
    let mut settings = Settings::new(configuration(&names, health));
    settings.lookup = Arc::new(move |name| match &*name.host {
        "two.test" if !knows.load(SeqCst) => Err(io::Error::other("no such name")),
        _ => Ok(vec![SocketAddr::from(([127, 0, 0, 1], name.port))]),
    });
    let daemon = Daemon::launch(settings, net::accept).expect("started");
    let known = backend(&daemon, &first.to_string()).expect("the first name's");
    assert_eq!(known.standing().state, State::Up, "all are up at a start");
    is_known.store(true, SeqCst);
    until("the second name to join", || backend(&daemon, &second.to_string()).is_some());
    let joiner = backend(&daemon, &second.to_string()).expect("it has joined");
    assert_eq!(joiner.standing().state, State::Unproven);
    wellness.store(true, SeqCst);
    until("a first pass", || joiner.standing().state == State::Up);
    assert_eq!(joiner.standing().cause, Cause::ChecksPassed);
    let same = backend(&daemon, &first.to_string()).expect("still there");
    assert!(Arc::ptr_eq(&known, &same) && same.standing().state == State::Up);
}

#[test]
fn a_port_that_nobody_listens_on_is_down_for_a_check_that_only_connects() {
    let fine = Arc::new(AtomicBool::new(true));
    let live = patient(&fine);
    let dead = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = dead.local_addr().expect("an address");
    let backends = format!("\"{live}\", \"{address}\"");
    let health = "kind = \"tcp\", interval = \"50ms\", fall = 2, rise = 1";
    let source = configuration(&backends, health);
    let daemon = Daemon::start(source, Options::default()).expect("started");
    let at = |address: SocketAddr| backend(&daemon, &address.to_string()).expect("a backend");
    assert_eq!(at(address).standing().state, State::Up);
    drop(dead);
    until("it is down", || at(address).standing().state == State::Down);
    assert_eq!(at(address).standing().cause, Cause::ChecksFailed);
    assert_eq!(at(live).standing().state, State::Up);
    let _back = TcpListener::bind(address).expect("the port is free again");
    until("it is back", || at(address).standing().state == State::Up);
}
