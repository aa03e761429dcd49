//! Handshakes of clients that fail: counted for each listener, told once a minute with how many there were.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::metrics::Seldom;

/// Those of one listener, of all workers.
#[derive(Debug, Default)]
pub(super) struct Failures {
    n: AtomicU64,
    /// How many there were when it was last told.
    n_told: AtomicU64,
    seldom: Seldom,
}

impl Failures {
    /// Counts one. If the operator is to be told now: how many there were since the last time. `since` is the time
    /// since any fixed moment.
    pub(super) fn add(&self, since: Duration) -> Option<u64> {
        let n = self.n.fetch_add(1, Relaxed) + 1;
        self.seldom.may_tell(since).then(|| n.saturating_sub(self.n_told.swap(n, Relaxed)))
    }

    /// How many there were.
    pub(super) fn n(&self) -> u64 {
        self.n.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_once_a_minute_with_all_that_came_since() {
        let failures = Failures::default();
        let add = |seconds| failures.add(Duration::from_secs(seconds));
        assert_eq!(add(10), Some(1));
        assert_eq!((add(11), add(59)), (None, None));
        assert_eq!(add(60), Some(3));
        assert_eq!(add(61), None);
        assert_eq!(add(6000), Some(2));
        assert_eq!(failures.n(), 6);
    }
}
