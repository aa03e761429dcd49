//! A backend at random, by weight.

use super::by_tier::ByTier;
use super::sampler::Sampler;
use super::{Balancer, Hint, Plan};
use crate::backend::{Candidates, Member};

/// The random strategy.
#[derive(Debug)]
pub(super) struct Random {
    samplers: ByTier<Sampler>,
}

impl Random {
    pub(super) fn build(plan: &Plan<'_>) -> Self {
        Random { samplers: ByTier::build(plan.members, Sampler::build) }
    }
}

impl Balancer for Random {
    fn pick<'a>(&self, candidates: Candidates<'a>, hint: &mut Hint<'_>) -> Option<&'a Member> {
        self.samplers.of(candidates).draw(candidates, hint.random)
    }
}
