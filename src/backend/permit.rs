//! The right to use a backend for one exchange, and what became of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::{Backend, Member};

/// What became of a request at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered as it should.
    Success,
    /// It did not answer, or with a 5xx.
    Failure,
}

/// The right to use a backend for one exchange; in-flight is counted for as long as it lives. Dropped without
/// [`Permit::settle`] it was aborted: nothing is learnt from it.
#[derive(Debug)]
pub struct Permit {
    backend: Arc<Backend>,
}

impl Permit {
    /// Takes a place at `backend`, whatever its bound.
    pub fn acquire(backend: &Arc<Backend>) -> Self {
        backend.in_flight.fetch_add(1, Relaxed);
        Permit { backend: Arc::clone(backend) }
    }

    /// Takes a place at `member`; `None` if it is full.
    #[inline]
    pub fn try_acquire(member: &Member) -> Option<Self> {
        let in_flight = &member.backend.in_flight;
        if member.max_connections == Member::UNLIMITED {
            in_flight.fetch_add(1, Relaxed);
        } else {
            let more = |n: u32| (n < member.max_connections).then(|| n + 1);
            in_flight.fetch_update(Relaxed, Relaxed, more).ok()?;
        }
        Some(Permit { backend: Arc::clone(&member.backend) })
    }

    /// The backend to use.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Says what became of it: the answer, or the failure, came at `now`, `latency` after the request. The place
    /// is kept until the permit is dropped. Only of use where the strategy learns.
    #[inline]
    pub fn settle(&self, outcome: Outcome, latency: Duration, now: Instant) {
        self.backend.latency.observe(outcome, latency, now);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.backend.in_flight.fetch_sub(1, Relaxed);
    }
}
