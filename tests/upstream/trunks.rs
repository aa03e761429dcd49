//! HTTP/2 to backends: how many connections there are, which streams share them, when they end.

use std::time::{Duration, Instant};

use crate::h2_peer::H2Peer;
use crate::http2::{alone, n_in_flight, proxy_to};
use crate::support::{Crowd, Proxy, eventually};
use crate::{ask, get, with_upstream};

#[test]
fn one_dials_for_all_and_streams_share_a_connection() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "");
    let mut clients: Vec<_> = (0..60).map(|_| proxy.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(get("/wait")));
    eventually("all are there at once", || peer.n(|seen| &seen.n_at_once_max) == 60);
    peer.lets_go(60);
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status(), 200));
    assert_eq!(peer.n(|seen| &seen.n_connections), 1);
    let metrics = proxy.daemon().metrics();
    assert_eq!(metrics.sum(|worker| &worker.upstream_connects), 1);
    assert_eq!(metrics.sum(|worker| &worker.upstream_reuses), 59);
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}

#[test]
fn a_peer_that_allows_one_stream_at_a_time_serves_a_thousand_requests() {
    let peer = H2Peer::start(1);
    let proxy = proxy_to(&peer, "");
    let crowd = Crowd::of_gets(proxy.address());
    crowd.goes_on_for(1000);
    crowd.finish().all_well();
    assert_eq!(peer.n(|seen| &seen.n_at_once_max), 1);
    assert!(peer.n(|seen| &seen.n_connections) <= 4 * forebay::pool::TRUNKS_MAX);
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}

#[test]
fn bounds_on_connections_count_streams_and_queues_wait_for_them() {
    let peer = H2Peer::start(100);
    let upstream = format!(
        "backends = [{{ address = \"h2c://{}\", max_connections = 3 }}]\nqueue = {{ max = 100 }}",
        peer.address
    );
    let proxy = Proxy::from_text(&with_upstream(upstream));
    let mut clients: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(get("/wait")));
    for n in 1..=20 {
        eventually("the next ones are there", || {
            peer.n(|seen| &seen.n_requests) == (n + 2).min(20)
        });
        peer.lets_go(1);
    }
    clients.iter_mut().for_each(|client| assert_eq!(client.response().status(), 200));
    assert!(peer.n(|seen| &seen.n_at_once_max) <= 3);
}

#[test]
fn connections_end_with_their_age_their_requests_and_their_backend() {
    let peer = H2Peer::start(100);
    let proxy = alone(&peer, "pool = { max_requests = 3 }");
    for _ in 0..9 {
        assert_eq!(ask(&proxy, "/").status(), 200);
    }
    assert_eq!(peer.n(|seen| &seen.n_connections), 3);
    let proxy = alone(&peer, "pool = { max_idle = 0 }");
    for _ in 0..3 {
        assert_eq!(ask(&proxy, "/").status(), 200);
    }
    assert_eq!(peer.n(|seen| &seen.n_connections), 6);
    let proxy = alone(&peer, "pool = { max_age = \"1ms\" }");
    for _ in 0..3 {
        let mut client = proxy.connect();
        client.send(get("/wait"));
        let sent = Instant::now();
        eventually("it is old", || sent.elapsed() > Duration::from_millis(5));
        peer.lets_go(1);
        assert_eq!(client.response().status(), 200);
    }
    assert_eq!(peer.n(|seen| &seen.n_connections), 9);
}

#[test]
fn beyond_the_bound_on_streams_another_connection_is_made() {
    let peer = H2Peer::start(1000);
    let proxy = alone(&peer, "");
    let n_clients = forebay::http2::STREAMS_MAX + 20;
    let mut clients: Vec<_> = (0..n_clients).map(|_| proxy.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(get("/hang")));
    eventually("all are under way", || peer.n(|seen| &seen.n_requests) == n_clients);
    assert_eq!(peer.n(|seen| &seen.n_at_once_max), forebay::http2::STREAMS_MAX);
    assert_eq!(peer.n(|seen| &seen.n_connections), 2);
    drop(clients);
    eventually("nothing is in flight", || n_in_flight(&proxy) == 0);
}
