//! What a worker keeps, and what it lets go of.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::Duration;

use super::*;
use crate::config::{self, Source};
use crate::net::Stream;
use crate::pool::{Connection, Key, Policy};
use crate::snapshot::{Names, Registry, compile};

/// Snapshot number `generation` with these backends, adopting from `registry`.
fn snapshot(backends: &str, registry: &Registry, generation: u64) -> (Arc<Snapshot>, Registry) {
    let text = format!(
        "listener = [{{ bind = \"127.0.0.1:0\" }}]\nroute = [{{ upstream = \"u\" }}]\n\
         [upstream.u]\nbackends = [{backends}]\n"
    );
    let config = config::load(&Source::Text { name: "test".into(), text }).expect("good").config;
    let draft = compile(&config, &Names::default(), registry, generation, 1).expect("compiled");
    (Arc::new(draft.snapshot), draft.registry)
}

fn worker(snapshot: Arc<Snapshot>) -> (Rc<Worker>, Arc<ArcSwap<Snapshot>>) {
    let current = Arc::new(ArcSwap::new(snapshot));
    (Worker::new(0, Arc::clone(&current), Arc::new(Metrics::new(1)), 4), current)
}

fn id_of(snapshot: &Snapshot, index: usize) -> u64 {
    snapshot.upstreams[0].members[index].backend.id
}

fn connection() -> (Connection, StdUnixStream) {
    let (ours, theirs) = StdUnixStream::pair().expect("a pair");
    ours.set_nonblocking(true).expect("a mode");
    let stream = tokio::net::UnixStream::from_std(ours).expect("a runtime");
    (Connection::new(Stream::from(stream), Instant::now()), theirs)
}

#[tokio::test]
async fn connections_to_a_removed_backend_go_even_those_that_come_back_after_the_reload() {
    const POLICY: Policy =
        Policy { max_idle: 8, idle: None, max_age: Some(Duration::MAX), max_requests: None };
    let (first, registry) = snapshot("\"10.0.0.1:80\", \"10.0.0.2:80\"", &Registry::default(), 1);
    let (kept, removed) = (id_of(&first, 0), id_of(&first, 1));
    let (worker, current) = worker(first);
    let mut peers = Vec::new();
    let mut put = |backend| {
        let (connection, peer) = connection();
        worker.pool.put(backend, connection, POLICY, Instant::now());
        peers.push(peer);
    };
    put(kept);
    put(removed);
    worker.tick();
    assert_eq!(worker.pool.len(), 2);
    current.store(snapshot("\"10.0.0.1:80\"", &registry, 2).0);
    worker.tick();
    assert_eq!(worker.pool.len(), 1, "the removed backend's is closed");
    // An exchange that was in flight during the reload ends only now.
    put(removed);
    worker.tick();
    assert_eq!(worker.pool.len(), 1, "nobody will ever take it out");
    assert!(worker.pool.take(Key::new(kept, None), Instant::now()).is_some());
}

#[test]
fn a_stored_snapshot_is_seen_at_the_next_pin_and_the_old_one_let_go_of() {
    let (first, registry) = snapshot("\"10.0.0.1:80\"", &Registry::default(), 1);
    let watcher = Arc::downgrade(&first);
    let (worker, current) = worker(first);
    let exchange = worker.pin();
    current.store(snapshot("\"10.0.0.1:80\"", &registry, 2).0);
    assert_eq!((worker.pin().generation, exchange.generation), (2, 1));
    drop(exchange);
    assert_eq!(watcher.strong_count(), 0);
}

#[test]
fn spare_exchanges_are_bounded_and_lent_empty() {
    let (worker, _current) = worker(snapshot("\"10.0.0.1:80\"", &Registry::default(), 1).0);
    let mut lent: Vec<_> = (0..=SPARE_EXCHANGES_MAX).map(|_| worker.take_exchange()).collect();
    for exchange in &mut lent {
        exchange.request.scratch.extend_from_slice(b"left over");
        exchange.record.status = 200;
        exchange.hold = Some(super::super::hold::Hold::Listener(worker.pin(), 0));
    }
    lent.into_iter().for_each(|exchange| worker.put_exchange(exchange));
    assert_eq!(worker.spare.borrow().len(), SPARE_EXCHANGES_MAX);
    let again = worker.take_exchange();
    assert!(again.request.scratch.is_empty() && again.record.status == 0 && again.hold.is_none());
}

#[test]
fn slots_of_closed_connections_are_used_again_and_a_drain_wakes_the_open_ones() {
    struct Woken(std::sync::atomic::AtomicUsize);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let (worker, _current) = worker(snapshot("\"10.0.0.1:80\"", &Registry::default(), 1).0);
    let woken = Arc::new(Woken(Default::default()));
    let slots: Vec<u32> =
        (0..3).map(|_| worker.register(Waker::from(Arc::clone(&woken)), false)).collect();
    worker.unregister(slots[1], false);
    assert_eq!(worker.open_connections(), 2);
    worker.drain();
    assert!(worker.is_draining());
    assert_eq!(woken.0.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(worker.register(Waker::noop().clone(), false), slots[1]);
}
