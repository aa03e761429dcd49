//! What is learnt from answers: failures in a row, and their share in a sliding window. Fed by `permit`; it says when
//! the breaker is to open.
//!
//! Successes are counted where the request is counted anyway; here something is written by failures alone, and by the
//! first success after one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

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
    /// Bodies that broke off, since the last whole one: the heads before them were successes.
    n_cut: AtomicU32,
    /// All, ever.
    n_failed: AtomicU64,
    /// Of those the ones that were no answers.
    n_unanswered: AtomicU64,
    window: Mutex<Window>,
}

/// Tries and how many of them failed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    n: f64,
    n_failed: f64,
}

/// A stretch of time as long as the window that runs, and what was counted in the one before: of that as much is
/// believed to be in the window as the window covers of it.
#[derive(Debug, Default)]
struct Window {
    /// When the one that runs began, in nanoseconds.
    began: u64,
    /// What had been counted then.
    at_begin: Counts,
    before: Counts,
}

impl Sensor {
    /// Whether a success has anything to clear.
    #[inline]
    pub(super) fn is_clear(&self) -> bool {
        self.n_failures.load(Relaxed) == 0
    }

    /// A success: what was in a row is not any more.
    pub(super) fn forget(&self) {
        self.n_failures.store(0, Relaxed);
        self.n_unconnected.store(0, Relaxed);
    }

    /// Another state: whatever was before `now` does not count.
    pub(super) fn begin_anew(&self, n_answered: u64, now: u64) {
        self.forget();
        self.body_ended();
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        *window =
            Window { began: now, at_begin: self.counts(n_answered), before: Counts::default() };
    }

    /// Lets time pass.
    pub(super) fn roll(&self, n_answered: u64, passive: &Passive, now: u64) {
        if let Ok(mut window) = self.window.try_lock() {
            window.roll(self.counts(n_answered), nanos(passive), now);
        }
    }

    /// The body of an answer was whole.
    #[inline]
    pub(super) fn body_ended(&self) {
        if self.n_cut.load(Relaxed) != 0 {
            self.n_cut.store(0, Relaxed);
        }
    }

    /// The body of an answer, which was counted as one, broke off. What is to be done about it.
    pub(super) fn body_broke_off(
        &self,
        n_answered: u64,
        passive: &Passive,
        now: u64,
    ) -> Option<Trip> {
        self.n_cut.fetch_add(1, Relaxed);
        self.n_failed.fetch_add(1, Relaxed);
        self.judged(n_answered, passive, now)
    }

    /// A failure that counts: by a signal, or a status. What is to be done about it.
    pub(super) fn failed(
        &self,
        signal: Option<Signal>,
        n_answered: u64,
        passive: &Passive,
        now: u64,
    ) -> Option<Trip> {
        self.n_failures.fetch_add(1, Relaxed);
        let n_unconnected = match signal {
            Some(Signal::Connect) => self.n_unconnected.fetch_add(1, Relaxed).saturating_add(1),
            _ => {
                self.n_unconnected.store(0, Relaxed);
                0
            }
        };
        self.n_failed.fetch_add(1, Relaxed);
        if signal.is_some() {
            self.n_unanswered.fetch_add(1, Relaxed);
        }
        let most = passive.failures.unwrap_or(u32::MAX);
        if n_unconnected >= most {
            return Some(Trip::hard(Cause::Connect));
        }
        self.judged(n_answered, passive, now)
    }

    /// What is to be done about one more failure that is not about connecting.
    fn judged(&self, n_answered: u64, passive: &Passive, now: u64) -> Option<Trip> {
        let n_in_a_row = self.n_failures.load(Relaxed).saturating_add(self.n_cut.load(Relaxed));
        if n_in_a_row >= passive.failures.unwrap_or(u32::MAX) {
            return Some(Trip::soft(Cause::Failures));
        }
        let fails = self.fails_too_often(n_answered, passive, now);
        fails.then_some(Trip::soft(Cause::ErrorRatio))
    }

    fn fails_too_often(&self, n_answered: u64, passive: &Passive, now: u64) -> bool {
        let Some(most) = passive.error_ratio else { return false };
        // Who finds another one looking leaves it to that one: failures wait for nobody.
        let Ok(mut window) = self.window.try_lock() else { return false };
        let counts = window.roll(self.counts(n_answered), nanos(passive), now);
        counts.n + 1e-6 >= f64::from(passive.min_requests)
            && counts.n_failed + 1e-6 >= counts.n * most
    }

    fn counts(&self, n_answered: u64) -> Counts {
        let n = n_answered.saturating_add(self.n_unanswered.load(Relaxed));
        Counts { n: n as f64, n_failed: self.n_failed.load(Relaxed) as f64 }
    }
}

fn nanos(passive: &Passive) -> u64 {
    u64::try_from(passive.window.as_nanos()).unwrap_or(u64::MAX).max(1)
}

impl Window {
    /// What was counted in the window of this length that ends `now`.
    fn roll(&mut self, counts: Counts, length: u64, now: u64) -> Counts {
        let elapsed = now.saturating_sub(self.began);
        let since = counts.less(self.at_begin);
        if elapsed < length {
            let left = 1.0 - elapsed as f64 / length as f64;
            return since.plus(self.before.times(left));
        }
        // Where nobody looked for longer it is taken to have come evenly.
        self.before = since.times(length as f64 / elapsed as f64);
        let is_late = elapsed >= length.saturating_mul(2);
        self.began = if is_late { now } else { self.began + length };
        self.at_begin = counts;
        let left = 1.0 - (now - self.began) as f64 / length as f64;
        self.before.times(left)
    }
}

impl Counts {
    fn less(self, other: Counts) -> Counts {
        Counts { n: self.n - other.n, n_failed: self.n_failed - other.n_failed }
    }

    fn plus(self, other: Counts) -> Counts {
        Counts { n: self.n + other.n, n_failed: self.n_failed + other.n_failed }
    }

    fn times(self, factor: f64) -> Counts {
        Counts { n: self.n * factor, n_failed: self.n_failed * factor }
    }
}
