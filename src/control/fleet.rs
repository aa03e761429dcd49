//! The workers as the controller sees them: mailboxes, and two numbers.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::snapshot::{Snapshot, SocketId};

/// What a worker is told to do. Orders are carried out one after the other.
#[derive(Debug)]
pub enum Order {
    /// Accept on a listening socket. The snapshot that names it is in place already.
    Listen {
        /// Its identity.
        socket: SocketId,
        /// The socket: non-blocking, listening, this worker's own.
        listener: OwnedFd,
    },
    /// Change the length of a socket's accept queue.
    Backlog {
        /// Which socket.
        socket: SocketId,
        /// Connections.
        backlog: u32,
    },
    /// Accept what is in the socket's queue, close it, and let its connections end.
    Retire {
        /// Which socket.
        socket: SocketId,
        /// The last snapshot that has it.
        last: Arc<Snapshot>,
        /// Dropped when that is done, but for the connections that still finish.
        done: mpsc::Sender<()>,
    },
    /// The graceful stop: as `Retire` for every socket, and idle connections close.
    Drain {
        /// Dropped when no socket of this worker accepts any more.
        done: mpsc::Sender<()>,
    },
    /// Wake every connection: its exchange looks again at the backend that it waits for, which may be found
    /// stalled since.
    WakeAll,
    /// Close everything now and end the thread.
    Stop,
}

/// The data plane. Implemented by the server.
pub trait Fleet: Send + Sync {
    /// Number of workers; their indexes run below it.
    fn n_workers(&self) -> usize;

    /// The mailbox of a worker, bounded: a sender waits for room.
    fn mailbox(&self, worker: usize) -> &mpsc::Sender<Order>;

    /// Client connections open now, over all workers.
    fn open_connections(&self) -> usize;

    /// What is counted; the control thread's own block is written by it alone.
    fn metrics(&self) -> &Metrics;

    /// Applies `global.max_connections`; `None` is "auto".
    fn limit_connections(&self, written: Option<usize>);
}
