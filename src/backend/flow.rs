//! What moves with every request at a backend, on cache lines of its own. All counts only grow; what is owed, what
//! came within a time and what is a share are differences of them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::quantile::{Log, Quantile, log};

/// Requests sent since the last answer, and not answered, that are evidence of a stall. Each of them waits longer
/// than ten times the 95th percentile before it is one, so that fewer than one in twenty does so in the worst of
/// weathers that is none: together that is one in three million.
pub(super) const EVIDENCE: u64 = 5;

/// An answer is quick up to this, before anything is known of the upstream.
const QUICK: Duration = Duration::from_millis(5);

/// Counts of one backend, over all workers. Times are in nanoseconds from the backend's beginning.
#[derive(Debug)]
pub(super) struct Flow {
    /// Exchanges, tunnels and streams in use.
    pub(super) in_flight: AtomicU32,
    /// How long it takes to answer, but for one in twenty.
    p95: Quantile,
    /// Answers up to this are quick; written by the watch.
    quick: AtomicU32,
    /// Requests that were sent, ever.
    n_sent: AtomicU64,
    /// Those of them that were answered.
    n_answered: AtomicU64,
    /// Answers that were not quick.
    n_slow: AtomicU64,
    /// The slowest of them since nobody was suspected.
    slowest: AtomicU32,
    /// Requests that ended without an answer.
    n_lost: AtomicU64,
    /// How many had been sent when one was answered last.
    n_sent_before: AtomicU64,
    /// When that was.
    answered: AtomicU64,
    /// When the request was sent that made evidence of those sent since.
    evident: AtomicU64,
    /// Answers that the percentile forgot.
    n_forgotten: AtomicU64,
}

impl Default for Flow {
    fn default() -> Self {
        Flow {
            in_flight: AtomicU32::new(0),
            p95: Quantile::default(),
            quick: AtomicU32::new(log(QUICK.as_nanos() as u64)),
            n_sent: AtomicU64::new(0),
            n_answered: AtomicU64::new(0),
            n_slow: AtomicU64::new(0),
            slowest: AtomicU32::new(0),
            n_lost: AtomicU64::new(0),
            n_sent_before: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            evident: AtomicU64::new(0),
            n_forgotten: AtomicU64::new(0),
        }
    }
}

impl Flow {
    /// A request was sent; `now` is asked for the time if that is of interest.
    #[inline]
    pub(super) fn sent(&self, now: impl FnOnce() -> u64) {
        let n_sent = self.n_sent.fetch_add(1, Relaxed) + 1;
        // Who sends while another is answered may count for before or after: both are right.
        if n_sent.wrapping_sub(self.n_sent_before.load(Relaxed)) == EVIDENCE {
            self.evident.store(now(), Relaxed);
        }
    }

    /// A request was answered, after `latency`.
    #[inline]
    pub(super) fn answered(&self, now: u64, latency: Duration) {
        let n_before = self.n_answered.fetch_add(1, Relaxed);
        self.n_sent_before.store(self.n_sent.load(Relaxed), Relaxed);
        self.answered.store(now, Relaxed);
        let latency =
            latency.as_secs().wrapping_mul(1_000_000_000) + u64::from(latency.subsec_nanos());
        let sample = log(latency);
        self.p95.observe(sample, n_before.saturating_sub(self.n_forgotten.load(Relaxed)));
        if sample > self.quick.load(Relaxed) {
            self.n_slow.fetch_add(1, Relaxed);
            self.slowest.fetch_max(sample, Relaxed);
        }
    }

    /// A request ended without an answer.
    #[inline]
    pub(super) fn lost(&self) {
        self.n_lost.fetch_add(1, Relaxed);
    }

    /// Requests that had been sent when one was answered last.
    pub(super) fn n_sent_before(&self) -> u64 {
        self.n_sent_before.load(Relaxed)
    }

    /// Answers so far.
    pub(super) fn n_answered(&self) -> u64 {
        self.n_answered.load(Relaxed)
    }

    /// Quick answers so far.
    pub(super) fn n_quick(&self) -> u64 {
        self.n_answered().saturating_sub(self.n_slow.load(Relaxed))
    }

    /// Requests that wait for an answer.
    pub(super) fn n_owed(&self) -> u64 {
        let over = self.n_answered().saturating_add(self.n_lost.load(Relaxed));
        self.n_sent.load(Relaxed).saturating_sub(over)
    }

    /// Since when the requests sent since the last answer are enough to say something, if they are.
    pub(super) fn evident_since(&self) -> Option<u64> {
        let n_since = self.n_sent.load(Relaxed).saturating_sub(self.n_sent_before.load(Relaxed));
        let enough = n_since >= EVIDENCE && self.n_owed() >= EVIDENCE;
        enough.then(|| self.evident.load(Relaxed).max(self.answered.load(Relaxed)))
    }

    /// The slowest answer since [`Flow::forget_slowest`]; 0 if all were quick.
    pub(super) fn slowest(&self) -> Log {
        self.slowest.load(Relaxed)
    }

    /// Nobody is suspected.
    pub(super) fn forget_slowest(&self) {
        if self.slowest() != 0 {
            self.slowest.store(0, Relaxed);
        }
    }

    /// When it answered last, if it ever did.
    pub(super) fn last_answer(&self) -> Option<u64> {
        (self.n_answered() > 0).then(|| self.answered.load(Relaxed))
    }

    /// The 95th percentile and the number of answers it is of.
    pub(super) fn p95(&self) -> (Log, u64) {
        let n_known = self.n_answered().saturating_sub(self.n_forgotten.load(Relaxed));
        (self.p95.get(), n_known)
    }

    /// The percentile begins anew with the next answer.
    pub(super) fn forget(&self) {
        self.n_forgotten.store(self.n_answered(), Relaxed);
    }

    /// From here on answers up to this are quick.
    pub(super) fn set_quick(&self, quick: Log) {
        if self.quick.load(Relaxed) != quick {
            self.quick.store(quick, Relaxed);
        }
    }
}
