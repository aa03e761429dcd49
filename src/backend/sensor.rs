//! What is learnt from answers: failures in a row, and their share in a sliding window. Fed by `permit`; it says when
//! the breaker is to open.
//!
//! Successes are counted where the request is counted anyway; here something is written by failures alone, and by the
//! first success after one.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::change::Trip;
use super::standing::Cause;
use crate::config::{Passive, Signal};

/// Failures of one backend.
#[derive(Debug, Default)]
pub(super) struct Sensor {
    /// In a row.
    n_failures: AtomicU32,
    /// Of those the last so many were connections that could not be made.
    n_unconnected: AtomicU32,
}

impl Sensor {
    /// Whether a success has anything to clear.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.n_failures.load(Relaxed) == 0
    }

    /// A success, or another state: what was in a row is not any more.
    pub(super) fn forget(&self) {
        self.n_failures.store(0, Relaxed);
        self.n_unconnected.store(0, Relaxed);
    }

    /// A failure that counts: by a signal, or a status. What is to be done about it.
    pub(super) fn failed(&self, signal: Option<Signal>, passive: &Passive) -> Option<Trip> {
        let n_failures = self.n_failures.fetch_add(1, Relaxed).saturating_add(1);
        let n_unconnected = match signal {
            Some(Signal::Connect) => self.n_unconnected.fetch_add(1, Relaxed).saturating_add(1),
            _ => {
                self.n_unconnected.store(0, Relaxed);
                0
            }
        };
        let most = passive.failures.unwrap_or(u32::MAX);
        if n_unconnected >= most {
            return Some(Trip::hard(Cause::Connect));
        }
        (n_failures >= most).then_some(Trip::soft(Cause::Failures))
    }
}
