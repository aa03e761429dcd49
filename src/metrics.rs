//! Counters: one block a worker, written by that worker alone and summed by whoever reads, so that
//! counting costs a load and a store and never moves a cache line between cores.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use crate::error::Reason;

/// A counter with a single writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker may call this: it is a load and a store, not a read-modify-write.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// The present value, from any thread.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Everything one worker counts.
#[derive(Debug)]
pub struct WorkerCounters {
    /// Client connections accepted or taken over from another worker.
    pub connections: Counter,
    /// Of these, those that spoke HTTP/2.
    pub h2_connections: Counter,
    /// Requests on them that were taken up.
    pub h2_streams: Counter,
    /// Requests answered or given up, by the hundred of the status; index 0 is "no status was sent".
    pub responses: [Counter; 6],
    /// Exchanges that ended early, by [`Reason`].
    pub reasons: [Counter; Reason::ALL.len()],
    /// TLS handshakes with clients that came to an end.
    pub tls_handshakes: Counter,
    /// Of these, those that went on with an earlier session.
    pub tls_resumed: Counter,
    /// TLS handshakes with clients that failed; those who left are not among them.
    pub tls_failed: Counter,
    /// Bytes read from clients as request bodies and tunnel data.
    pub bytes_in: Counter,
    /// Bytes written to clients as response bodies and tunnel data.
    pub bytes_out: Counter,
    /// Connections opened to backends.
    pub upstream_connects: Counter,
    /// Exchanges that used an idle connection from the pool.
    pub upstream_reuses: Counter,
    /// Tries after the first one.
    pub retries: Counter,
    /// Of these, those that raced a backend found stalled.
    pub races: Counter,
    /// Further tries that the retry budget had nothing left for.
    pub retries_refused: Counter,
    /// Requests that lined up for a place at a backend.
    pub queued: Counter,
    /// Requests copied to a mirror.
    pub mirrors: Counter,
    /// Of these, those that were not sent or not answered to the end.
    pub mirrors_failed: Counter,
    /// Requests that were not copied: the body too long, or too many copies on their way.
    pub mirrors_dropped: Counter,
}

impl Default for WorkerCounters {
    fn default() -> Self {
        WorkerCounters {
            connections: Counter::default(),
            h2_connections: Counter::default(),
            h2_streams: Counter::default(),
            responses: Default::default(),
            reasons: std::array::from_fn(|_| Counter::default()),
            tls_handshakes: Counter::default(),
            tls_resumed: Counter::default(),
            tls_failed: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            upstream_connects: Counter::default(),
            upstream_reuses: Counter::default(),
            retries: Counter::default(),
            races: Counter::default(),
            retries_refused: Counter::default(),
            queued: Counter::default(),
            mirrors: Counter::default(),
            mirrors_failed: Counter::default(),
            mirrors_dropped: Counter::default(),
        }
    }
}

/// The blocks of all workers.
#[derive(Debug)]
pub struct Metrics {
    /// One block a worker, by worker index.
    pub workers: Box<[CachePadded<WorkerCounters>]>,
    /// What the control thread counts.
    pub control: ControlCounters,
}

/// What the control thread counts, and it alone.
#[derive(Debug, Default)]
pub struct ControlCounters {
    /// Certificates and authorities that were replaced because their files had changed.
    pub certificates_renewed: Counter,
    /// Changed files that were not good enough to be used.
    pub certificates_refused: Counter,
    /// Times that a certificate was told to end soon, or to have ended.
    pub certificates_expiring: Counter,
}

impl Metrics {
    /// Zeroed blocks for `n_workers` workers.
    pub fn new(n_workers: usize) -> Self {
        let workers = (0..n_workers).map(|_| CachePadded::default()).collect();
        Metrics { workers, control: ControlCounters::default() }
    }

    /// The sum of one counter over all workers.
    pub fn sum(&self, counter: impl Fn(&WorkerCounters) -> &Counter) -> u64 {
        self.workers.iter().map(|worker| counter(worker).value()).sum()
    }
}

/// Says at most once a minute that something may be told again, over all threads.
#[derive(Debug, Default)]
pub struct Seldom {
    /// Whole minutes since the beginning of time, as the last teller saw it, plus 1; 0: never told.
    minute: AtomicU64,
}

impl Seldom {
    /// Whether it may be told now; `since` is the time since any fixed moment.
    pub fn may_tell(&self, since: std::time::Duration) -> bool {
        let minute = since.as_secs() / 60 + 1;
        let told = self.minute.load(Relaxed);
        told < minute && self.minute.compare_exchange(told, minute, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_told_seldom_is_told_once_a_minute() {
        let seldom = Seldom::default();
        let told = |seconds| seldom.may_tell(Duration::from_secs(seconds));
        assert!(told(5));
        assert!(!told(5) && !told(59));
        assert!(told(60));
        assert!(!told(61));
        assert!(told(6000));
        // A clock that goes back has nothing told twice.
        assert!(!told(5));
    }
}
