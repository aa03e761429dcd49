//! A bound on the requests of an upstream that wait for a response head, over all workers. Counted only where the
//! operator wrote one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use super::Cohort;

/// How many wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(CachePadded<AtomicU32>);

/// One request that waits; it no longer does when this is dropped.
#[derive(Debug)]
pub struct Pending {
    cohort: Arc<Cohort>,
}

impl Pending {
    /// One more that waits; `None` if `max` do already.
    pub fn begin(cohort: &Arc<Cohort>, max: u32) -> Option<Pending> {
        let more = |n: u32| (n < max).then(|| n + 1);
        cohort.pending.0.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Pending { cohort: Arc::clone(cohort) })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.cohort.pending.0.fetch_sub(1, Relaxed);
    }
}

impl Cohort {
    /// Requests that wait for a response head now, where that is bounded.
    pub fn n_pending(&self) -> u32 {
        self.pending.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_whoever_ends_makes_room() {
        let cohort = Arc::new(Cohort::new("u".into(), 1));
        let mut waiting: Vec<Pending> = (0..5).map_while(|_| Pending::begin(&cohort, 3)).collect();
        assert_eq!((waiting.len(), cohort.n_pending()), (3, 3));
        waiting.pop();
        assert_eq!(cohort.n_pending(), 2);
        assert!(Pending::begin(&cohort, 3).is_some());
        drop(waiting);
        assert_eq!(cohort.n_pending(), 0);
        assert!(Pending::begin(&cohort, 0).is_none(), "a bound of zero lets nobody in");
    }
}
