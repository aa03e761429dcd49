//! What clients notice of backends that die, hang, lie, slow down or flap: the whole daemon at 4 workers under the
//! constant load of 64 clients. Time is counted in requests, not waited for.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod dead;
mod falsely;
mod flapping;
mod hung;
mod lying;
mod names;
mod slow;

use std::net::SocketAddr;

use support::{Crowd, Moody, Process, Proxy, Setup};

/// Three backends.
fn three() -> [Moody; 3] {
    std::array::from_fn(|_| Moody::start())
}

/// The daemon before `backends`, with `more` tables of their upstream.
#[track_caller]
fn before(backends: &[SocketAddr], more: &str) -> Proxy {
    Proxy::with(Setup { workers: 4, more, ..Setup::default() }, backends)
}

/// As [`before`], of three.
#[track_caller]
fn before_three(backends: &[Moody; 3], more: &str) -> Proxy {
    before(&backends.each_ref().map(Moody::address), more)
}

/// A crowd that everything is well for so far.
fn crowd(proxy: &Proxy) -> Crowd {
    let crowd = Crowd::of_gets(proxy.address());
    crowd.goes_on_for(WHILE);
    crowd
}

/// Requests that are a while: each client has had some, on every backend.
const WHILE: usize = 1000;

/// Not a test: what [`Process::start`] runs.
#[test]
fn a_backend_process() {
    Process::be();
}
