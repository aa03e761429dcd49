//! What moves with every request at a backend, on cache lines of its own.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Counts of one backend, over all workers.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Exchanges, tunnels and streams in use.
    pub(super) in_flight: AtomicU32,
    /// Requests that were sent, ever.
    n_sent: AtomicU64,
    /// Those of them that were answered.
    n_answered: AtomicU64,
    /// Those of them that ended without an answer.
    n_lost: AtomicU64,
}

impl Flow {
    /// A request was sent.
    #[inline]
    pub(super) fn sent(&self) {
        self.n_sent.fetch_add(1, Relaxed);
    }

    /// A request was answered.
    #[inline]
    pub(super) fn answered(&self) {
        self.n_answered.fetch_add(1, Relaxed);
    }

    /// A request ended without an answer.
    #[inline]
    pub(super) fn lost(&self) {
        self.n_lost.fetch_add(1, Relaxed);
    }
}
