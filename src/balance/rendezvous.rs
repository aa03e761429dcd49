//! The member with the highest draw for a key, by weight (rendezvous hashing): what hashing strategies do when
//! their table does not soon lead to an eligible member. Looks at all of them.

use crate::backend::{Backend, Candidates, Member};
use crate::hash::mix;

/// The eligible member of `candidates` that `accept` lets pass and that draws highest for `key`.
#[cold]
pub(super) fn rendezvous<'a>(
    candidates: Candidates<'a>,
    key: u64,
    accept: impl Fn(&Member) -> bool,
) -> Option<&'a Member> {
    // An exponential variable of rate w is smallest with probability w in the sum of all.
    let draw = |member: &Member| {
        let uniform = ((mix(key ^ member.identity) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        -uniform.ln() / member.effective_weight() as f64
    };
    let accepted = candidates.iter().filter(|member| accept(member));
    let drawn = accepted.map(|member| (draw(member), member.identity, member));
    let least = drawn.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    least.map(|(_, _, member)| member)
}

/// Whether a slow start leaves `key` to others for now; the same keys come back first on every machine.
#[inline]
pub(super) fn leaves_to_others(member: &Member, key: u64) -> bool {
    let share = member.backend.share();
    share < Backend::SHARE_FULL
        && mix(member.identity ^ key.rotate_left(32)) as u32 % Backend::SHARE_FULL >= share
}
