//! Each backend in turn, exactly, per worker.
//!
//! Every worker keeps its own cursor on its own cache line, started at a different offset, so that no
//! atomic moves between cores and the workers together do not favour the first backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use super::{Balancer, Hint};
use crate::backend::{Backend, Candidates};

/// The round-robin strategy.
#[derive(Debug)]
pub struct RoundRobin {
    cursors: Box<[CachePadded<AtomicUsize>]>,
}

impl RoundRobin {
    /// One cursor for each of `n_workers` workers.
    pub fn new(n_workers: usize) -> Self {
        let cursors = (0..n_workers).map(|worker| CachePadded::new(AtomicUsize::new(worker)));
        RoundRobin { cursors: cursors.collect() }
    }
}

impl Balancer for RoundRobin {
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: Hint) -> Option<&'a Arc<Backend>> {
        let cursor = &self.cursors[hint.worker];
        let n_members = candidates.len();
        let mut index = cursor.load(Relaxed);
        for _ in 0..n_members {
            if index >= n_members {
                index %= n_members;
            }
            let picked = candidates.eligible(index);
            index += 1;
            if picked.is_some() {
                cursor.store(index, Relaxed);
                return picked;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Address, Member, Tried};

    fn members(n: u64) -> Vec<Member> {
        let member = |id| Member {
            backend: Arc::new(Backend::new(id, Address::Unix(format!("/{id}").into()))),
            authority: "x".into(),
        };
        (0..n).map(member).collect()
    }

    fn picks(
        balancer: &RoundRobin,
        members: &[Member],
        tried: &Tried,
        worker: usize,
        n: usize,
    ) -> Vec<u64> {
        (0..n)
            .filter_map(|_| balancer.pick(Candidates::new(members, tried), Hint { worker }))
            .map(|backend| backend.id)
            .collect()
    }

    #[test]
    fn each_worker_takes_every_backend_in_turn_from_its_own_offset() {
        let members = members(3);
        let balancer = RoundRobin::new(2);
        assert_eq!(picks(&balancer, &members, &Tried::default(), 0, 7), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(picks(&balancer, &members, &Tried::default(), 1, 4), [1, 2, 0, 1]);
    }

    #[test]
    fn a_tried_backend_is_skipped_and_none_is_left_when_all_were_tried() {
        let members = members(3);
        let balancer = RoundRobin::new(1);
        let mut tried = Tried::default();
        tried.insert(&members[1].backend);
        assert_eq!(picks(&balancer, &members, &tried, 0, 4), [0, 2, 0, 2]);
        tried.insert(&members[0].backend);
        tried.insert(&members[2].backend);
        assert!(picks(&balancer, &members, &tried, 0, 1).is_empty());
        assert!(picks(&balancer, &[], &Tried::default(), 0, 1).is_empty());
    }
}
