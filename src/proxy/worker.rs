//! What one data-plane thread owns: everything here is touched by that thread alone, without a lock.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};
use tokio::sync::Semaphore;

use super::exchange::Exchange;
use super::handshake;
use super::log_lines::LogLines;
use super::mirror::Places;
use super::stream::Berths;
use crate::hash::Set;
use crate::metrics::{Metrics, WorkerCounters};
use crate::pool::{self, Pool};
use crate::relay::{Buffers, Pipes, Resources};
use crate::rng::Rng;
use crate::snapshot::{Snapshot, SocketId};

/// How often the operator is told that clients flood a listener, by each worker.
const FLOOD_TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Finished exchanges kept for their memory: as many as a few connections of HTTP/2 have at once, some 5 KiB each.
const SPARE_EXCHANGES_MAX: usize = 1024;

/// A snapshot held by exchanges of this worker: cloning it moves no shared cache line.
pub(super) type Pinned = Rc<Arc<Snapshot>>;

/// The snapshot as this worker last saw it.
struct Current {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    pinned: Pinned,
}

/// One data-plane thread's state. Never leaves its thread.
pub struct Worker {
    /// Its index, below the number of workers.
    pub index: usize,
    snapshot: RefCell<Current>,
    metrics: Arc<Metrics>,
    buffers: Buffers,
    pipes: Pipes,
    /// Idle connections to backends.
    pub(super) pool: Pool,
    pub(super) rng: RefCell<Rng>,
    /// Room for copies of requests.
    pub(super) mirrors: Places,
    #[expect(clippy::vec_box, reason = "the boxes are what is lent; an exchange is never moved")]
    spare: RefCell<Vec<Box<Exchange>>>,
    pub(super) log: RefCell<LogLines>,
    /// Room for TLS handshakes.
    pub(super) handshakes: Semaphore,
    wakers: RefCell<Wakers>,
    /// Tasks that serve streams and wait for the next one.
    pub(super) berths: Berths,
    draining: Cell<bool>,
    /// The process ends now.
    cut: Cell<bool>,
    in_service: RefCell<InService>,
}

/// The backends that a snapshot names, as connections to them are known.
#[derive(Default)]
struct InService {
    generation: u64,
    keys: Set<pool::Key>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("index", &self.index).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that reads `snapshot`, counts into `metrics.workers[index]` and opens at most `n_pipes_max`
    /// pipes.
    pub fn new(
        index: usize,
        snapshot: Arc<ArcSwap<Snapshot>>,
        metrics: Arc<Metrics>,
        n_pipes_max: usize,
    ) -> Rc<Self> {
        let current = Rc::new(snapshot.load_full());
        Rc::new(Worker {
            index,
            snapshot: RefCell::new(Current { cache: Cache::new(snapshot), pinned: current }),
            metrics,
            buffers: Buffers::default(),
            pipes: Pipes::new(n_pipes_max),
            pool: Pool::default(),
            rng: RefCell::new(Rng::from_entropy()),
            mirrors: Places::default(),
            spare: RefCell::default(),
            log: RefCell::default(),
            handshakes: handshake::places(),
            wakers: RefCell::default(),
            berths: Berths::default(),
            draining: Cell::new(false),
            cut: Cell::new(false),
            in_service: RefCell::default(),
        })
    }

    /// Client connections open now.
    pub fn open_connections(&self) -> usize {
        let wakers = self.wakers.borrow();
        wakers.slots.len() - wakers.free.len() - wakers.n_streams
    }

    /// Housekeeping, to be called about once a second: idle upstream connections, pools of retired
    /// backends, log lines older than a second. Lets go of a retired snapshot, too.
    pub fn tick(&self) {
        let pinned = self.pin();
        let mut in_service = self.in_service.borrow_mut();
        if in_service.generation != pinned.generation {
            let keys = pinned.upstreams.iter().flat_map(|upstream| upstream.pool_keys()).collect();
            *in_service = InService { generation: pinned.generation, keys };
        }
        // Not only after a reload: an exchange that began before it may have kept its connection since.
        self.pool.retain(&in_service.keys);
        self.pool.sweep(Instant::now());
        self.berths.thin_out();
        self.flush_log();
    }

    /// Hands over whatever log lines are buffered.
    pub fn flush_log(&self) {
        self.log.borrow_mut().flush();
    }

    /// Starts a graceful stop: idle client connections close once no request can be on its way, busy ones after their exchange.
    pub fn drain(&self) {
        self.draining.set(true);
        self.wake_all();
    }

    /// Whether a graceful stop has begun.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Ends every exchange where it is: each is counted and logged when its task has had its next turn.
    pub fn cut(&self) {
        self.cut.set(true);
        self.wake_all();
    }

    /// Whether the process ends now.
    #[inline]
    pub(super) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// The present snapshot.
    #[inline]
    pub(super) fn pin(&self) -> Pinned {
        let mut guard = self.snapshot.borrow_mut();
        let Current { cache, pinned } = &mut *guard;
        let current = cache.load();
        if !Arc::ptr_eq(current, pinned) {
            *pinned = Rc::new(Arc::clone(current));
        }
        Rc::clone(pinned)
    }

    #[inline]
    pub(super) fn counters(&self) -> &WorkerCounters {
        &self.metrics.workers[self.index]
    }

    #[inline]
    pub(super) fn resources(&self) -> Resources<'_> {
        Resources { buffers: &self.buffers, pipes: &self.pipes }
    }

    #[inline]
    pub(super) fn take_exchange(&self) -> Box<Exchange> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    #[inline]
    pub(super) fn put_exchange(&self, mut exchange: Box<Exchange>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_EXCHANGES_MAX {
            exchange.clear(self.resources());
            spare.push(exchange);
        }
    }

    /// Registers the task of a connection, or of a stream on one; it is woken when something concerns all of them.
    pub(super) fn register(&self, waker: Waker, is_stream: bool) -> u32 {
        let mut wakers = self.wakers.borrow_mut();
        wakers.n_streams += usize::from(is_stream);
        match wakers.free.pop() {
            Some(slot) => {
                wakers.slots[slot as usize] = Some(waker);
                slot
            }
            None => {
                wakers.slots.push(Some(waker));
                (wakers.slots.len() - 1) as u32
            }
        }
    }

    pub(super) fn unregister(&self, slot: u32, is_stream: bool) {
        let mut wakers = self.wakers.borrow_mut();
        wakers.n_streams -= usize::from(is_stream);
        wakers.slots[slot as usize] = None;
        wakers.free.push(slot);
    }

    /// Has every connection look again at what it waits for: something outside of it has changed.
    pub fn wake_all(&self) {
        let wakers: Vec<Waker> = self.wakers.borrow().slots.iter().flatten().cloned().collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// One waker per open connection, and one per stream on those that carry many.
#[derive(Default)]
struct Wakers {
    slots: Vec<Option<Waker>>,
    free: Vec<u32>,
    /// How many of them are streams.
    n_streams: usize,
}

/// A worker's view of one listening socket, shared by the connections accepted on it.
#[derive(Debug)]
pub struct Gate {
    /// The socket.
    pub socket: SocketId,
    /// The last snapshot that had this socket, once a reload removed it.
    retired: RefCell<Option<Arc<Snapshot>>>,
    /// When the operator was last told of a flood.
    told_flood: Cell<Option<Instant>>,
}

impl Gate {
    /// A gate in service.
    pub fn new(socket: SocketId) -> Rc<Self> {
        Rc::new(Gate { socket, retired: RefCell::new(None), told_flood: Cell::new(None) })
    }

    /// Whether the operator is to be told of a flood again.
    pub(super) fn may_tell_flood(&self, now: Instant) -> bool {
        let recently = |told: Instant| now.saturating_duration_since(told) < FLOOD_TOLD_AGAIN;
        let may = !self.told_flood.get().is_some_and(recently);
        if may {
            self.told_flood.set(Some(now));
        }
        may
    }

    /// Takes the gate out of service: its idle connections close soon, busy ones after their exchange.
    /// A request that is already on its way still finds its listener in `last`.
    pub fn retire(&self, worker: &Worker, last: Arc<Snapshot>) {
        *self.retired.borrow_mut() = Some(last);
        worker.wake_all();
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.borrow().is_some()
    }

    /// The snapshot a request on this gate is served from, and the listener's index in it.
    pub(super) fn pin(&self, worker: &Worker) -> Option<(Pinned, usize)> {
        let find = |snapshot: &Snapshot| {
            snapshot.listeners.iter().position(|(socket, _)| *socket == self.socket)
        };
        let pinned = worker.pin();
        if let Some(listener) = find(&pinned) {
            return Some((pinned, listener));
        }
        let last = Rc::new(self.retired.borrow().clone()?);
        find(&last).map(|listener| (last, listener))
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
