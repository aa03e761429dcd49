//! The same backend for the same client network: a ring without options of its own. The masks are part of the
//! key's source ([`crate::config::KeySource::ClientIp`]).

use super::Plan;
use super::ring_hash::RingHash;

pub(super) fn build(plan: &Plan<'_>) -> RingHash {
    RingHash::build(plan)
}
