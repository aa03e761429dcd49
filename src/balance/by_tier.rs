//! Tables over the members that can be picked, one for the primaries and one for the backups: so that a table
//! never yields a member of the other tier, or one that is drained.

use crate::backend::{Candidates, Members, Tier};

/// A member as tables see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its index among all members.
    pub(super) index: u32,
    /// 1..=1000.
    pub(super) weight: u32,
    /// [`crate::backend::Member::identity`].
    pub(super) identity: u64,
}

/// One table for each tier.
#[derive(Debug)]
pub(super) struct ByTier<T> {
    primary: T,
    backup: T,
}

impl<T> ByTier<T> {
    /// Builds both tables, each from its members in file order, drained ones left out.
    pub(super) fn build(members: &Members, build: impl Fn(&[Entry]) -> T) -> Self {
        let of = |tier: Tier| {
            let all = (0..).zip(members);
            let ours = all.filter(|(_, member)| member.tier == tier && member.weight > 0);
            let entry = |(index, member): (u32, &crate::backend::Member)| Entry {
                index,
                weight: member.weight,
                identity: member.identity,
            };
            build(&ours.map(entry).collect::<Vec<_>>())
        };
        ByTier { primary: of(Tier::Primary), backup: of(Tier::Backup) }
    }

    /// The table of the tier that is asked.
    #[inline]
    pub(super) fn of(&self, candidates: Candidates<'_>) -> &T {
        match candidates.tier() {
            Tier::Primary => &self.primary,
            Tier::Backup => &self.backup,
        }
    }
}
