//! Backends of HTTP/2 that take requests and answer none, among others that do: what holds for those of HTTP/1.1
//! (`tests/resilience`). The first-byte timeout is a minute, and a client waits for ten seconds at most: a request that
//! took the timeout, or waited for the connection's keep-alive to give up, would be a fault.

use std::net::SocketAddr;

use forebay::backend::{Cause, State};

use crate::h2_peer::H2Peer;
use crate::http2::n_in_flight;
use crate::peers::Peer;
use crate::support::{Crowd, Proxy, eventually};
use crate::with_upstream;

/// Requests that are a while: each client has had some, on every backend.
const WHILE: usize = 1000;

/// Four workers before `backends`.
fn before(backends: [SocketAddr; 3], breaker: &str) -> Proxy {
    let backends: Vec<String> = backends.iter().map(|it| format!("\"h2c://{it}\"")).collect();
    Proxy::from_text(&with_upstream(format!(
        "backends = [{}]\n[upstream.app.breaker]\n{breaker}",
        backends.join(", ")
    )))
}

/// A crowd that everything is well for so far.
fn crowd(proxy: &Proxy) -> Crowd {
    let crowd = Crowd::of_gets(proxy.address());
    crowd.goes_on_for(WHILE);
    crowd
}

fn state(proxy: &Proxy, address: SocketAddr) -> Option<(State, Cause)> {
    proxy.standing(address).map(|standing| (standing.state, standing.cause))
}

#[test]
fn one_that_answers_pings_and_no_requests_costs_no_error_and_is_left_alone() {
    let peers = [(); 3].map(|()| H2Peer::start(100));
    let addresses = peers.each_ref().map(|peer| peer.address);
    let proxy = before(addresses, "open = \"1h\"\nmax_open = \"1h\"");
    let crowd = crowd(&proxy);
    peers[0].hangs(true);
    eventually("it is found", || proxy.n_changes(Cause::Stalled) > 0);
    let n_requests = peers[0].n(|seen| &seen.n_requests);
    crowd.goes_on_for(2 * WHILE);
    let n_more = peers[0].n(|seen| &seen.n_requests) - n_requests;
    assert!(n_more <= 64, "it was asked {n_more} times all the same");
    crowd.finish().all_well();
    assert_eq!(state(&proxy, addresses[0]), Some((State::Open, Cause::Stalled)));
    let n_races = proxy.daemon().metrics().sum(|worker| &worker.races);
    // Each client once for each finding: on a machine that is busy enough another may look hung, too.
    let n_races_max = 64 * proxy.n_changes(Cause::Stalled);
    assert!((1..=n_races_max).contains(&n_races), "{n_races} races");
    // Who lost was cancelled, and nothing is left of it.
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}

#[test]
fn a_process_that_is_stopped_costs_no_error_and_comes_back_when_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("index.html"), "well").expect("a file");
    let peers = [(); 3].map(|()| Peer::nghttpd(None, folder.path(), &[]));
    let addresses = peers.each_ref().map(Peer::address);
    let proxy = before(addresses, "open = \"200ms\"\nmax_open = \"400ms\"");
    let crowd = crowd(&proxy);
    peers[0].pause();
    eventually("it is found", || proxy.n_changes(Cause::Stalled) > 0);
    crowd.goes_on_for(2 * WHILE);
    peers[0].resume();
    let is_up = || state(&proxy, addresses[0]).is_some_and(|(state, _)| state == State::Up);
    eventually("it is back", is_up);
    crowd.goes_on_for(WHILE);
    crowd.finish().all_well();
    assert!(is_up(), "it stays");
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}

#[test]
fn one_that_resets_every_stream_is_taken_out_and_costs_no_error() {
    let peers = [(); 3].map(|()| H2Peer::start(100));
    let addresses = peers.each_ref().map(|peer| peer.address);
    let proxy = before(addresses, "open = \"1h\"\nmax_open = \"1h\"");
    let crowd = crowd(&proxy);
    peers[0].resets(true);
    eventually("it is out", || {
        state(&proxy, addresses[0]).is_some_and(|(state, _)| state == State::Open)
    });
    crowd.goes_on_for(WHILE);
    crowd.finish().all_well();
}

#[test]
fn an_upstream_that_is_silent_as_a_whole_is_not_stalled() {
    let peers = [(); 3].map(|()| H2Peer::start(100));
    let proxy = before(peers.each_ref().map(|peer| peer.address), "");
    let crowd = Crowd::start(proxy.address(), Crowd::SIZE, |_, n| {
        let path = if n == 5 { "/wait" } else { "/" };
        (format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"), "GET")
    });
    let n_waiting =
        || proxy.upstream().members.iter().map(|it| it.backend.in_flight()).sum::<u32>();
    eventually("all wait", || n_waiting() == Crowd::SIZE as u32);
    peers.iter().for_each(|peer| peer.lets_go(Crowd::SIZE));
    crowd.goes_on_for(WHILE);
    crowd.finish().all_well();
    assert_eq!(proxy.n_changes(Cause::Stalled), 0);
}
