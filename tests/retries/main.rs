//! Requests that are tried again, and those that must not be: a raw client, the whole daemon at four workers, and
//! backends that the test plays.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod budget;
mod conditions;
mod pending;
mod statuses;

use std::net::SocketAddr;

use forebay::metrics::{Counter, WorkerCounters};
use support::{Origin, Proxy, Setup, Wire};

/// A whole answer.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A whole request.
pub const GET: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// No pauses, and no breaker in the way: what is tried is up to the policy alone.
const PLAIN: &str = "passive = false\n";

/// A daemon of four workers in front of `backends`, which are asked in this order by each worker's first request,
/// with these members of `retry`.
#[track_caller]
pub fn proxy(retry: &str, backends: &[SocketAddr]) -> Proxy {
    with(&format!("retry = {{ {retry} }}"), backends)
}

/// The same with whole lines of the upstream.
#[track_caller]
pub fn with(upstream: &str, backends: &[SocketAddr]) -> Proxy {
    let upstream = format!("balance = \"first\"\n{PLAIN}{upstream}");
    let setup = Setup { workers: 4, upstream: &upstream, ..Setup::default() };
    Proxy::with(setup, backends)
}

/// No pause.
pub const AT_ONCE: &str = "backoff = { base = \"0ms\", max = \"0ms\" }";

/// Takes a request on a new connection and resets it.
#[track_caller]
pub fn reset_one(origin: &Origin) {
    let mut backend = origin.accept();
    backend.request();
    backend.reset();
}

/// Takes a request on a new connection and answers it.
#[track_caller]
pub fn answer_one(origin: &Origin, answer: &str) -> Wire {
    let mut backend = origin.accept();
    backend.request();
    backend.send(answer);
    backend
}

/// A counter of all workers.
pub fn sum(proxy: &Proxy, counter: impl Fn(&WorkerCounters) -> &Counter) -> u64 {
    proxy.daemon().metrics().sum(counter)
}
