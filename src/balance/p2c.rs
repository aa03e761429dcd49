//! The better of two backends at random: nearly as even as looking at all, at the cost of two
//! (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001).
//!
//! Both are drawn by weight, and compared by what is in flight for their weight. Where that is equal (all idle)
//! the first one is taken, so that weights hold exactly without load, too.

use super::by_tier::ByTier;
use super::least_conn::is_less;
use super::sampler::Sampler;
use super::{Balancer, Hint, Plan};
use crate::backend::{Candidates, Member};

/// The two-choices strategy.
#[derive(Debug)]
pub(super) struct P2c {
    samplers: ByTier<Sampler>,
}

impl P2c {
    pub(super) fn build(plan: &Plan<'_>) -> Self {
        P2c { samplers: ByTier::build(plan.members, Sampler::build) }
    }
}

impl Balancer for P2c {
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        let (first, second) = self.samplers.of(candidates).draw_two(candidates, hint.random)?;
        let (ours, theirs) = (first.backend.in_flight(), second.backend.in_flight());
        Some(if is_less(second, theirs, first, ours) { second } else { first })
    }
}
