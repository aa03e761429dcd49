//! The right to use a backend for one exchange, and what became of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use super::{Backend, Care, Member};
use crate::config::Signal;

/// What became of a request at a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered as it should.
    Success,
    /// It did not answer, or with a 5xx.
    Failure,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// The backend answered with this status, and how long it asked to be left alone.
    Answered(u16, Option<Duration>),
    /// It did not.
    Failed(Signal),
}

/// What is learnt from a try.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// What became of it.
    pub became: Became,
    /// From the request fully sent to the response head, or to the failure.
    pub latency: Duration,
    /// When it was known.
    pub now: Instant,
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

    /// The request was sent at `now`, at least in part: from here on the backend owes an answer.
    #[inline]
    pub fn sent(&mut self, _now: Instant) {}

    /// Says what became of it, as [`Care`] wants it to be looked at. The place is kept until the permit is dropped;
    /// only the first verdict counts.
    #[inline]
    pub fn judge(&mut self, verdict: &Verdict, care: &Care) {
        if care.learns {
            let outcome = match verdict.became {
                Became::Answered(..500, _) => Outcome::Success,
                Became::Answered(..) | Became::Failed(_) => Outcome::Failure,
            };
            self.backend.latency.observe(outcome, verdict.latency, verdict.now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Sequentially consistent with who lines up, see `queue`: it sees the place, or is seen.
        self.backend.in_flight.fetch_sub(1, SeqCst);
        self.backend.queue.place_freed();
    }
}
