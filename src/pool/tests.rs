//! Which idle connection is taken, which are closed, and how many are kept.

use std::future::poll_fn;
use std::io::Write as _;
use std::os::unix::net::UnixStream as Peer;

use super::*;

const KEEP_ALL: Policy = Policy { max_idle: 8, idle: None, max_age: None, max_requests: None };

const BACKEND: u64 = 7;

const KEY: Key = Key { backend: BACKEND, transport: 0 };

/// A connection that can be told by its number of requests, and its other end.
fn connection(n_requests: u64, opened: Instant) -> (Connection, Peer) {
    let (ours, theirs) = Peer::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a mode");
    let stream = Stream::from(tokio::net::UnixStream::from_std(ours).expect("a runtime"));
    (Connection { stream, opened, n_requests }, theirs)
}

/// A pool with connections 0, 1, 2 … put in that order, `policy` at each.
fn pool_of(n: u64, policy: Policy, now: Instant) -> (Pool, Vec<Peer>) {
    let pool = Pool::default();
    let put = |i| {
        let (connection, peer) = connection(i, now);
        pool.put(BACKEND, connection, policy, now);
        peer
    };
    let peers = (0..n).map(put).collect();
    (pool, peers)
}

fn taken(pool: &Pool, now: Instant) -> Vec<u64> {
    std::iter::from_fn(|| pool.take(KEY, now)).map(|connection| connection.n_requests).collect()
}

#[tokio::test]
async fn the_one_used_last_is_taken_first() {
    let now = Instant::now();
    let (pool, _peers) = pool_of(3, KEEP_ALL, now);
    assert!(pool.take(Key::new(BACKEND + 1, None), now).is_none(), "another backend's");
    assert_eq!(taken(&pool, now), [2, 1, 0]);
    assert!(pool.is_empty());
}

#[tokio::test]
async fn beyond_max_idle_the_oldest_makes_room() {
    let now = Instant::now();
    let (pool, mut peers) = pool_of(5, Policy { max_idle: 3, ..KEEP_ALL }, now);
    assert_eq!(pool.len(), 3);
    assert!(peers[1].write_all(b"x").is_err(), "the oldest are closed");
    assert_eq!(taken(&pool, now), [4, 3, 2]);
    let (pool, _peers) = pool_of(2, Policy { max_idle: 0, ..KEEP_ALL }, now);
    assert!(pool.is_empty(), "0 keeps none");
}

#[tokio::test]
async fn a_smaller_max_idle_holds_from_the_next_one_on() {
    let now = Instant::now();
    let (pool, _peers) = pool_of(5, KEEP_ALL, now);
    let (connection, _peer) = connection(9, now);
    pool.put(BACKEND, connection, Policy { max_idle: 2, ..KEEP_ALL }, now);
    assert_eq!(taken(&pool, now), [9, 4]);
}

#[tokio::test]
async fn idle_time_and_age_end_at_their_bounds() {
    let now = Instant::now();
    let ms = Duration::from_millis;
    for policy in
        [Policy { idle: Some(ms(10)), ..KEEP_ALL }, Policy { max_age: Some(ms(10)), ..KEEP_ALL }]
    {
        let (pool, _peers) = pool_of(2, policy, now);
        assert!(pool.take(KEY, now + ms(9)).is_some(), "{policy:?}");
        assert!(pool.take(KEY, now + ms(10)).is_none(), "{policy:?}");
        let (pool, _peers) = pool_of(2, policy, now);
        pool.sweep(now + ms(9));
        assert_eq!(pool.len(), 2, "{policy:?}");
        pool.sweep(now + ms(10));
        assert!(pool.is_empty() && pool.stacks.borrow().is_empty(), "{policy:?}");
    }
}

#[tokio::test]
async fn a_connection_is_not_kept_beyond_its_requests_or_its_age() {
    let now = Instant::now();
    let policy =
        Policy { max_age: Some(Duration::from_secs(1)), max_requests: Some(3), ..KEEP_ALL };
    let (pool, _peers) = pool_of(5, policy, now);
    assert_eq!(taken(&pool, now), [2, 1, 0], "3 and 4 requests are enough");
    let (old, _peer) = connection(0, now);
    pool.put(BACKEND, old, policy, now + Duration::from_secs(1));
    assert!(pool.is_empty());
}

#[tokio::test]
async fn what_the_backend_closed_or_spoke_on_unasked_is_never_taken() {
    let now = Instant::now();
    let pool = Pool::default();
    let (good, _peer) = connection(1, now);
    pool.put(BACKEND, good, KEEP_ALL, now);
    let (spoken_on, mut peer) = connection(2, now);
    peer.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").expect("sent");
    let (closed, gone) = connection(3, now);
    drop(gone);
    for connection in [spoken_on, closed] {
        poll_fn(|cx| connection.stream.poll_readable(cx)).await.expect("readable");
        pool.put(BACKEND, connection, KEEP_ALL, now);
    }
    assert_eq!(taken(&pool, now), [1]);
}

#[tokio::test]
async fn a_sweep_closes_what_the_backend_closed_and_keeps_the_rest() {
    let now = Instant::now();
    let pool = Pool::default();
    let (good, _peer) = connection(1, now);
    let (closed, gone) = connection(2, now);
    drop(gone);
    poll_fn(|cx| closed.stream.poll_readable(cx)).await.expect("readable");
    pool.put(BACKEND, closed, KEEP_ALL, now);
    pool.put(BACKEND, good, KEEP_ALL, now);
    pool.sweep(now);
    assert_eq!(taken(&pool, now), [1]);
}

#[tokio::test]
async fn only_backends_in_service_keep_theirs() {
    let now = Instant::now();
    let (pool, _peers) = pool_of(2, KEEP_ALL, now);
    let (other, _peer) = connection(0, now);
    pool.put(BACKEND + 1, other, KEEP_ALL, now);
    pool.retain(&[KEY].into_iter().collect());
    assert_eq!(pool.len(), 2);
    assert!(pool.take(Key::new(BACKEND + 1, None), now).is_none());
}

#[test]
fn a_pool_is_shared_out_with_at_least_one_for_each_worker() {
    let share = |max_idle, n_workers| {
        let pool = config::Pool { max_idle, ..config::Pool::default() };
        Policy::share(&pool, n_workers).max_idle
    };
    assert_eq!(share(128, 4), 32);
    assert_eq!(share(127, 4), 31);
    assert_eq!(share(3, 4), 1);
    assert_eq!(share(0, 4), 0);
}
