//! How many client connections there are: in all, on each worker, on each listening socket, from each peer.
//! The limits that are checked at accept, and the choice of the worker that gets a connection, rest on it.
//!
//! Touched when a connection is accepted and when it ends, never in between.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use tokio::sync::Notify;

use crate::hash::Map;
use crate::snapshot::SocketId;

/// The counts of the process.
#[derive(Debug)]
pub(super) struct Occupancy {
    all: Places,
    /// `max_connections`.
    max: AtomicUsize,
    /// Connections that each worker holds, or is about to be handed.
    workers: Box<[CachePadded<AtomicUsize>]>,
    sockets: Mutex<Map<SocketId, Arc<SocketShare>>>,
    /// Acceptors that wait for a place to become free.
    n_waiting: AtomicUsize,
    freed: Notify,
}

/// A count with a limit.
#[derive(Debug, Default)]
struct Places {
    taken: CachePadded<AtomicUsize>,
    /// Whether this episode of being full was told.
    told: AtomicBool,
}

impl Places {
    /// Takes a place if fewer than `max` are taken.
    fn take(&self, max: usize) -> bool {
        let before = self.taken.fetch_add(1, SeqCst);
        if before < max {
            // A tenth must be free again before being full is news.
            if before <= max / 10 * 9 && self.told.load(Relaxed) {
                self.told.store(false, Relaxed);
            }
            return true;
        }
        self.taken.fetch_sub(1, SeqCst);
        false
    }
}

/// The counts of one listening socket, over all workers.
#[derive(Debug, Default)]
pub(super) struct SocketShare {
    places: Places,
    /// Connections by TCP peer, while `limits.per_ip` is on. Never more entries than connections.
    peers: Mutex<Map<IpAddr, usize>>,
}

impl SocketShare {
    /// Counts a connection from `peer`; true if that makes more than `max`.
    fn count(&self, peer: IpAddr, max: usize) -> bool {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let n_connections = peers.entry(peer).or_insert(0);
        *n_connections += 1;
        *n_connections > max
    }

    fn discount(&self, peer: IpAddr) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        match peers.get_mut(&peer) {
            Some(n_connections) if *n_connections > 1 => *n_connections -= 1,
            _ => drop(peers.remove(&peer)),
        }
    }
}

/// Which limit stands in the way of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// `global.max_connections`.
    Process,
    /// `limits.connections` of the listener.
    Listener,
}

impl Occupancy {
    /// Nothing taken, no limit.
    pub(super) fn new(n_workers: usize) -> Self {
        Occupancy {
            all: Places::default(),
            max: AtomicUsize::new(usize::MAX),
            workers: (0..n_workers).map(|_| CachePadded::default()).collect(),
            sockets: Mutex::default(),
            n_waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    /// Connections open, or just being accepted.
    pub(super) fn total(&self) -> usize {
        self.all.taken.load(SeqCst)
    }

    /// Connections of each worker.
    pub(super) fn by_worker(&self) -> Vec<usize> {
        self.workers.iter().map(|worker| worker.load(Relaxed)).collect()
    }

    /// Sets the limit on [`total`](Self::total); returns the former. Connections beyond it stay.
    pub(super) fn set_max(&self, max: usize) -> usize {
        let before = self.max.swap(max, Relaxed);
        self.freed.notify_waiters();
        before
    }

    /// The counts of a socket, shared by the workers. Kept for as long as anybody holds them.
    pub(super) fn socket(&self, socket: SocketId) -> Arc<SocketShare> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        sockets.retain(|id, share| *id == socket || Arc::strong_count(share) > 1);
        Arc::clone(sockets.entry(socket).or_default())
    }

    /// Takes a place for one connection on `share`'s socket, or says which limit is reached.
    pub(super) fn reserve(
        self: &Arc<Self>,
        share: &Arc<SocketShare>,
        listener_max: Option<usize>,
    ) -> Result<Reservation, Full> {
        if !self.all.take(self.max.load(Relaxed)) {
            return Err(Full::Process);
        }
        if !share.places.take(listener_max.unwrap_or(usize::MAX)) {
            self.release();
            return Err(Full::Listener);
        }
        Ok(Reservation { occupancy: Arc::clone(self), share: Arc::clone(share) })
    }

    /// Whether reaching a limit is news: true once until a tenth of it is free again.
    pub(super) fn is_news(&self, share: &SocketShare, full: Full) -> bool {
        let places = match full {
            Full::Process => &self.all,
            Full::Listener => &share.places,
        };
        !places.told.swap(true, Relaxed)
    }

    /// Waits until a place may be free. It may be gone again; and since limits can change, this returns now
    /// and then in any case.
    pub(super) async fn room(&self, share: &SocketShare, listener_max: Option<usize>) {
        let _waiting = Waiting::new(&self.n_waiting);
        let mut freed = pin!(self.freed.notified());
        freed.as_mut().enable();
        // Looked at after enabling: a place freed in between is seen by one of the two.
        if !self.has_room(share, listener_max) {
            let _ = tokio::time::timeout(LIMITS_EVERY, freed).await;
        }
    }

    fn has_room(&self, share: &SocketShare, listener_max: Option<usize>) -> bool {
        self.total() < self.max.load(Relaxed)
            && share.places.taken.load(SeqCst) < listener_max.unwrap_or(usize::MAX)
    }

    /// The worker that a connection accepted by `own` is to live on: `own`, unless that would hold more than
    /// 1.25 × the mean and 2 besides; then the one that holds the fewest. (A larger constant would leave a
    /// few heavy connections, say sixteen on four workers, where the kernel's hash happened to put them.)
    pub(super) fn worker_for(&self, own: usize) -> usize {
        let n_workers = self.workers.len();
        let n_own = self.workers[own].load(Relaxed) + 1;
        if 4 * n_own * n_workers <= 5 * self.total() + 4 * SLACK * n_workers {
            return own;
        }
        let least = self.workers.iter().enumerate().min_by_key(|(_, held)| held.load(Relaxed));
        least.map_or(own, |(index, _)| index)
    }

    fn release(&self) {
        self.all.taken.fetch_sub(1, SeqCst);
        if self.n_waiting.load(SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }
}

/// Counts an acceptor as waiting for as long as it lives.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(n_waiting: &'a AtomicUsize) -> Self {
        n_waiting.fetch_add(1, SeqCst);
        Waiting(n_waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A place for a connection that is yet to be accepted. Dropping it gives the place back.
#[derive(Debug)]
pub(super) struct Reservation {
    occupancy: Arc<Occupancy>,
    share: Arc<SocketShare>,
}

impl Reservation {
    /// Gives the place to a connection that will live on `worker`.
    pub(super) fn occupy(self, worker: usize) -> Place {
        self.occupancy.workers[worker].fetch_add(1, Relaxed);
        Place { worker, peer: None, reservation: self }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.share.places.taken.fetch_sub(1, SeqCst);
        self.occupancy.release();
    }
}

/// The place of one open connection. Dropping it, with the connection, takes it out of every count.
#[derive(Debug)]
pub(super) struct Place {
    worker: usize,
    /// The peer it counts for, if it does.
    peer: Option<IpAddr>,
    reservation: Reservation,
}

impl Place {
    /// The worker it counts for.
    pub(super) fn worker(&self) -> usize {
        self.worker
    }

    /// Counts the connection for its peer; true if that makes more than `max` on this socket.
    pub(super) fn count_peer(&mut self, peer: IpAddr, max: usize) -> bool {
        debug_assert!(self.peer.is_none(), "a connection counts for one peer, once");
        self.peer = Some(peer);
        self.reservation.share.count(peer, max)
    }

    /// Counts the connection for another worker.
    pub(super) fn move_to(&mut self, worker: usize) {
        let workers = &self.reservation.occupancy.workers;
        workers[worker].fetch_add(1, Relaxed);
        workers[self.worker].fetch_sub(1, Relaxed);
        self.worker = worker;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.reservation.occupancy.workers[self.worker].fetch_sub(1, Relaxed);
        if let Some(peer) = self.peer {
            self.reservation.share.discount(peer);
        }
    }
}

/// Connections beyond 1.25 × the mean that a worker may hold before it hands one over.
const SLACK: usize = 2;

/// How long an acceptor at a limit waits at most before it looks again.
const LIMITS_EVERY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    fn place(occupancy: &Arc<Occupancy>, share: &Arc<SocketShare>, worker: usize) -> Place {
        occupancy.reserve(share, None).expect("room").occupy(worker)
    }

    #[test]
    fn limits_hold_exactly_and_a_dropped_place_is_free_again() {
        let occupancy = Arc::new(Occupancy::new(2));
        let (a, b) = (occupancy.socket(SocketId(1)), occupancy.socket(SocketId(2)));
        occupancy.set_max(3);
        let first = occupancy.reserve(&a, Some(2)).expect("room");
        let _second = occupancy.reserve(&a, Some(2)).expect("room");
        assert_eq!(occupancy.reserve(&a, Some(2)).expect_err("full"), Full::Listener);
        let _third = occupancy.reserve(&b, Some(2)).expect("room");
        assert_eq!(occupancy.reserve(&b, Some(2)).expect_err("full"), Full::Process);
        assert_eq!(occupancy.total(), 3);
        drop(first);
        occupancy.reserve(&a, Some(2)).expect("room again");
    }

    #[test]
    fn being_full_is_news_once_until_a_tenth_is_free_again() {
        let occupancy = Arc::new(Occupancy::new(1));
        let share = occupancy.socket(SocketId(1));
        occupancy.set_max(10);
        let mut places: Vec<Place> = (0..10).map(|_| place(&occupancy, &share, 0)).collect();
        assert!(occupancy.is_news(&share, Full::Process));
        assert!(!occupancy.is_news(&share, Full::Process));
        places.pop();
        places.push(place(&occupancy, &share, 0));
        assert!(occupancy.is_news(&share, Full::Process), "nine of ten taken was a tenth free");
        assert!(!occupancy.is_news(&share, Full::Process));
        assert!(occupancy.is_news(&share, Full::Listener), "an episode of its own");
    }

    #[test]
    fn peers_are_counted_per_socket_and_forgotten_with_their_last_connection() {
        let occupancy = Arc::new(Occupancy::new(1));
        let share = occupancy.socket(SocketId(1));
        let (x, y) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut places: Vec<Place> = (0..4).map(|_| place(&occupancy, &share, 0)).collect();
        assert!(!places[0].count_peer(x, 2));
        assert!(!places[1].count_peer(x, 2));
        assert!(places[2].count_peer(x, 2));
        assert!(!places[3].count_peer(y, 2));
        places.truncate(1);
        assert_eq!(share.peers.lock().expect("no panic").len(), 1);
        let mut again = place(&occupancy, &share, 0);
        assert!(!again.count_peer(x, 2));
        drop((places, again));
        assert!(share.peers.lock().expect("no panic").is_empty(), "bounded by the connections");
        assert_eq!((occupancy.total(), occupancy.by_worker()), (0, vec![0]));
    }

    #[test]
    fn a_worker_over_its_share_gives_to_the_one_that_holds_least() {
        let occupancy = Arc::new(Occupancy::new(4));
        let share = occupancy.socket(SocketId(1));
        let mut places = Vec::new();
        for _ in 0..16 {
            // The kernel's hash puts every connection on worker 2.
            let reserved = occupancy.reserve(&share, None).expect("room");
            places.push(reserved.occupy(occupancy.worker_for(2)));
        }
        let held = occupancy.by_worker();
        assert!(held.iter().all(|held| (1..=7).contains(held)), "{held:?}");
        places[0].move_to(3);
        assert_eq!(occupancy.by_worker().iter().sum::<usize>(), 16);
    }

    #[test]
    fn counts_of_a_socket_are_shared_and_go_with_their_last_holder() {
        let occupancy = Arc::new(Occupancy::new(1));
        let share = occupancy.socket(SocketId(1));
        assert!(Arc::ptr_eq(&share, &occupancy.socket(SocketId(1))));
        drop(share);
        let _other = occupancy.socket(SocketId(2));
        assert_eq!(occupancy.sockets.lock().expect("no panic").len(), 1);
    }
}
