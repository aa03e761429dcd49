//! What one data-plane thread owns.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::metrics::Metrics;
use crate::snapshot::{Snapshot, SocketId};

/// One data-plane thread's state. Never leaves its thread.
#[derive(Debug)]
pub struct Worker {
    /// Its index, below the number of workers.
    pub index: usize,
    n_connections: Cell<usize>,
}

impl Worker {
    /// A worker that reads `snapshot` and counts into `metrics.workers[index]`.
    pub fn new(
        index: usize,
        _snapshot: Arc<ArcSwap<Snapshot>>,
        _metrics: Arc<Metrics>,
    ) -> Rc<Self> {
        Rc::new(Worker { index, n_connections: Cell::new(0) })
    }

    /// Client connections open now.
    pub fn open_connections(&self) -> usize {
        self.n_connections.get()
    }

    /// Housekeeping, to be called about once a second: idle upstream connections, pools of retired
    /// backends, log lines older than a second.
    pub fn tick(&self) {}

    /// Starts a graceful stop: idle client connections close now, busy ones after their exchange.
    pub fn drain(&self) {}
}

/// A worker's view of one listening socket, shared by the connections accepted on it.
#[derive(Debug)]
pub struct Gate {
    /// The socket.
    pub socket: SocketId,
    /// The last snapshot that had this socket, once a reload removed it.
    retired: RefCell<Option<Arc<Snapshot>>>,
}

impl Gate {
    /// A gate in service.
    pub fn new(socket: SocketId) -> Rc<Self> {
        Rc::new(Gate { socket, retired: RefCell::new(None) })
    }

    /// Takes the gate out of service: its idle connections close now, busy ones after their exchange,
    /// which still finds its listener in `last`.
    pub fn retire(&self, _worker: &Worker, last: Arc<Snapshot>) {
        *self.retired.borrow_mut() = Some(last);
    }
}
