//! The better of two backends at random by the time to be expected: how long it takes to answer, times one
//! and what is in flight for its weight (Finagle's and linkerd's "peak EWMA"; see [`crate::backend::Latency`]).
//!
//! Both are drawn by weight, which decides where they are equally fast. A backend that nothing is known of gets
//! one request at a time until it has answered. Failures count as slow answers.

use std::time::Instant;

use super::by_tier::{ByTier, Entry};
use super::sampler::Sampler;
use super::{Balancer, Hint, Plan};
use crate::backend::{Backend, Candidates, Member};

/// What a backend costs that has not answered yet and is busy, in seconds: more than any that has answered.
const UNKNOWN: f32 = 1e6;

/// The latency-aware strategy.
#[derive(Debug)]
pub(super) struct PeakEwma {
    tables: ByTier<Table>,
}

#[derive(Debug)]
struct Table {
    sampler: Sampler,
    /// The mean weight, as [`Member::effective_weight`] has it.
    mean_weight: f32,
}

impl PeakEwma {
    pub(super) fn build(plan: &Plan<'_>) -> Self {
        let build = |entries: &[Entry]| {
            let total: f32 = entries.iter().map(|entry| entry.weight as f32).sum();
            let mean_weight = total / entries.len().max(1) as f32 * Backend::SHARE_FULL as f32;
            Table { sampler: Sampler::build(entries), mean_weight }
        };
        PeakEwma { tables: ByTier::build(plan.members, build) }
    }
}

impl Balancer for PeakEwma {
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        let table = self.tables.of(candidates);
        let (first, second) = table.sampler.draw_two(candidates, hint.random)?;
        let better = table.cost(second, hint.now) < table.cost(first, hint.now);
        Some(if better { second } else { first })
    }

    fn learns(&self) -> bool {
        true
    }
}

impl Table {
    #[inline]
    fn cost(&self, member: &Member, now: Instant) -> f32 {
        let in_flight = member.backend.in_flight();
        let load = in_flight as f32 * self.mean_weight / member.effective_weight() as f32;
        let seconds = match member.backend.latency().estimate(now) {
            Some(seconds) => seconds,
            None if in_flight == 0 => 0.0,
            None => UNKNOWN,
        };
        seconds * (1.0 + load)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::Bench;
    use crate::backend::Outcome;

    #[test]
    fn a_backend_that_nothing_is_known_of_gets_one_request_until_it_has_answered() {
        let mut bench = Bench::new("peak_ewma", &[1, 1], 1);
        let first = bench.take().expect("a place");
        let other = bench.take().expect("a place");
        assert_ne!(first.backend().id, other.backend().id);
        other.settle(Outcome::Success, Duration::from_millis(500), bench.now);
        let third = bench.take().expect("a place");
        assert_eq!(third.backend().id, other.backend().id, "the one that answers");
    }

    #[test]
    fn the_faster_one_is_preferred() {
        let mut bench = Bench::new("peak_ewma", &[1, 1], 1);
        for (index, millis) in [(0, 10), (1, 50)] {
            let latency = Duration::from_millis(millis);
            bench.members[index].backend.latency().observe(Outcome::Success, latency, bench.now);
        }
        let fast = bench.picks(1000).iter().filter(|id| **id == 0).count();
        assert!(fast > 950, "{fast}");
    }
}
