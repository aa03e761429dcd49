//! The first eligible backend in file order: one is filled up to its `max_connections` before the next is used.

use super::{Balancer, Hint};
use crate::backend::{Candidates, Member};

/// The filling strategy.
#[derive(Debug)]
pub(super) struct First;

impl Balancer for First {
    fn pick<'a>(&self, candidates: Candidates<'a>, _: &mut Hint<'_>) -> Option<&'a Member> {
        candidates.iter().next()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, members_with};

    #[test]
    fn a_backend_is_filled_before_the_next_is_used() {
        let members = members_with(&[1, 1, 1], |list| {
            list[0].max_connections = 2;
            list[1].max_connections = 1;
        });
        let mut bench = Bench::over("first", members, 1);
        let permits: Vec<_> = (0..5).filter_map(|_| bench.take()).collect();
        let ids: Vec<u64> = permits.iter().map(|permit| permit.backend().id).collect();
        assert_eq!(ids, [0, 0, 1, 2, 2]);
        drop(permits);
        assert_eq!(bench.picks(2), [0, 0]);
    }
}
