//! The only door to an upstream's members: what it does not yield cannot be picked.

use super::{Backend, Member, Members, Permit, Tier};

/// Backends already tried for one request, so that a retry goes elsewhere. Bounded: further tries than
/// [`Tried::MAX`] are not remembered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    ids: [u64; Tried::MAX],
    n_ids: u8,
}

impl Tried {
    /// How many are remembered.
    pub const MAX: usize = 8;

    /// Remembers `backend`.
    pub fn insert(&mut self, backend: &Backend) {
        if (self.n_ids as usize) < Self::MAX {
            self.ids[self.n_ids as usize] = backend.id;
            self.n_ids += 1;
        }
    }

    /// Whether `backend` was tried.
    pub fn contains(&self, backend: &Backend) -> bool {
        self.ids[..self.n_ids as usize].contains(&backend.id)
    }

    /// Whether nothing was tried yet.
    pub fn is_empty(&self) -> bool {
        self.n_ids == 0
    }
}

/// The members of an upstream as one request may use them: not drained, not full, not tried, available, of the
/// right tier.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    members: &'a Members,
    tried: &'a Tried,
    tier: Tier,
    ask: Ask,
}

/// Whose turn it is, by health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Those in service, and the half-open while one may try them.
    Sound,
    /// Those in service only: what is no client's request tries nobody.
    InService,
    /// New ones that no check has passed for, since nobody else is there.
    Unproven,
    /// Whoever could be connected to the last time: the upstream fails open.
    Anybody,
}

impl Ask {
    #[inline]
    fn admits(self, backend: &Backend) -> bool {
        match self {
            Ask::Sound => backend.is_available(),
            Ask::InService => backend.is_in_service(),
            Ask::Unproven => backend.is_new(),
            Ask::Anybody => backend.is_connectable(),
        }
    }

    /// The first whom anybody is there for, drained ones left out; `None` if there is nobody at all.
    #[cold]
    fn first_of(members: &Members) -> Option<Self> {
        let last = if members.fails_open { Some(Ask::Anybody) } else { None };
        let mut all = [Some(Ask::Sound), Some(Ask::Unproven), last].into_iter().flatten();
        all.find(|ask| {
            members.iter().any(|member| member.weight > 0 && ask.admits(&member.backend))
        })
    }
}

impl<'a> Candidates<'a> {
    /// A view of `members` without those in `tried`. Backups only if no primary is eligible.
    #[inline]
    pub fn new(members: &'a Members, tried: &'a Tried) -> Self {
        Self::of(members, tried, Ask::Sound)
    }

    /// Whom to ask where [`Candidates::new`] has nobody: new members that no check has passed for, then, where the
    /// upstream fails open, those whose last connect succeeded. `None` if somebody is sound, even if that one is full
    /// or tried, and if nobody is left.
    #[cold]
    pub fn last_resort(members: &'a Members, tried: &'a Tried) -> Option<Self> {
        let ask = Ask::first_of(members).filter(|ask| *ask != Ask::Sound)?;
        Some(Self::of(members, tried, ask))
    }

    /// As [`Candidates::new`], for a copy of a request, whose answer nobody looks at: it never takes the place of one
    /// that tries a half-open backend.
    pub fn for_copy(members: &'a Members, tried: &'a Tried) -> Self {
        Self::of(members, tried, Ask::InService)
    }

    /// Whether requests can go to nobody at all, by health.
    pub(super) fn has_nobody(members: &Members) -> bool {
        Ask::first_of(members).is_none()
    }

    #[inline]
    fn of(members: &'a Members, tried: &'a Tried, ask: Ask) -> Self {
        let mut candidates = Candidates { members, tried, tier: Tier::Primary, ask };
        if members.has_backups && !candidates.any() {
            candidates.tier = Tier::Backup;
        }
        candidates
    }

    /// Takes a place at `member`, which is one of these; `None` if it is full, or others were faster to try it.
    #[inline]
    pub fn acquire(&self, member: &Member) -> Option<Permit> {
        match self.ask {
            Ask::Sound => Permit::try_acquire(member),
            Ask::InService => Permit::try_acquire_in_service(member),
            Ask::Unproven | Ask::Anybody => Permit::try_acquire_anyway(member),
        }
    }

    /// The tier that is asked.
    #[inline]
    pub fn tier(&self) -> Tier {
        self.tier
    }

    /// Number of members, eligible or not: indexes run below it.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the upstream has no member at all.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether any member is eligible.
    pub fn any(&self) -> bool {
        self.iter().next().is_some()
    }

    /// Every eligible member, in file order.
    pub fn iter(self) -> impl Iterator<Item = &'a Member> {
        (0..self.members.len()).filter_map(move |index| self.eligible(index))
    }

    /// Whether, where no member was eligible, one would be if it had a place, in any tier: what a request may wait
    /// for. It is not asked whether that one is full: it may have a place again by now.
    pub fn any_gets_free(members: &Members, tried: &Tried) -> bool {
        let Some(ask) = Ask::first_of(members) else { return false };
        members.iter().any(|member| {
            member.max_connections != Member::UNLIMITED
                && member.weight > 0
                && ask.admits(&member.backend)
                && !tried.contains(&member.backend)
        })
    }

    /// The member at `index` for a client that is bound to it: drained or not, and of the backups only while they
    /// are asked.
    pub fn bound(&self, index: usize) -> Option<&'a Member> {
        let member = self.members.get(index)?;
        let tier = member.tier == Tier::Primary || self.tier == Tier::Backup;
        let usable = self.ask.admits(&member.backend);
        let fits = tier && usable && !member.is_full() && !self.tried.contains(&member.backend);
        fits.then_some(member)
    }

    /// The member at `index` if it is eligible for this request.
    #[inline]
    pub fn eligible(&self, index: usize) -> Option<&'a Member> {
        let member = self.members.get(index)?;
        if !self.members.all_plain
            && (member.tier != self.tier || member.weight == 0 || member.is_full())
        {
            return None;
        }
        if !self.ask.admits(&member.backend) {
            return None;
        }
        if !self.tried.is_empty() && self.tried.contains(&member.backend) {
            return None;
        }
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backend::Address;

    fn list(n: u64) -> Vec<Member> {
        let backend = |id| Arc::new(Backend::new(id, Address::Unix(format!("/{id}").into())));
        (0..n).map(|id| Member::new(backend(id), "x")).collect()
    }

    fn eligible(candidates: Candidates<'_>) -> Vec<u64> {
        candidates.iter().map(|member| member.backend.id).collect()
    }

    #[test]
    fn what_was_tried_is_not_yielded_up_to_the_bound() {
        let members = Members::from(list(Tried::MAX as u64 + 1));
        let mut tried = Tried::default();
        assert!(tried.is_empty() && !tried.contains(&members[0].backend), "id 0 is not a blank");
        members.iter().for_each(|member| tried.insert(&member.backend));
        let candidates = Candidates::new(&members, &tried);
        assert_eq!(eligible(candidates), [Tried::MAX as u64], "beyond the bound it is forgotten");
        assert!(candidates.eligible(candidates.len()).is_none() && !candidates.is_empty());
    }

    #[test]
    fn drained_full_and_unavailable_ones_are_not_yielded() {
        let mut list = list(4);
        list[0].weight = 0;
        list[1].max_connections = 1;
        let members = Members::from(list);
        let view = || Candidates::new(&members, &Tried::default()).iter().count();
        let tried = Tried::default();
        assert_eq!(eligible(Candidates::new(&members, &tried)), [1, 2, 3]);
        let permit = Permit::try_acquire(&members[1]).expect("a place");
        assert!(Permit::try_acquire(&members[1]).is_none());
        members[2].backend.set_available(false);
        assert_eq!(eligible(Candidates::new(&members, &tried)), [3]);
        drop(permit);
        members[2].backend.set_available(true);
        assert_eq!(view(), 3);
    }

    #[test]
    fn backups_are_yielded_only_while_no_primary_is_eligible() {
        let mut list = list(4);
        list[1].tier = Tier::Backup;
        list[3].tier = Tier::Backup;
        let members = Members::from(list);
        let tried = Tried::default();
        assert_eq!(eligible(Candidates::new(&members, &tried)), [0, 2]);
        members[0].backend.set_available(false);
        assert_eq!(eligible(Candidates::new(&members, &tried)), [2]);
        members[2].backend.set_available(false);
        assert_eq!(eligible(Candidates::new(&members, &tried)), [1, 3]);
        members[2].backend.set_available(true);
        assert_eq!(eligible(Candidates::new(&members, &tried)), [2]);
    }

    #[test]
    fn a_permit_counts_for_as_long_as_it_lives() {
        let members = list(1);
        let backend = &members[0].backend;
        let (first, second) = (Permit::acquire(backend), Permit::acquire(backend));
        assert_eq!((backend.in_flight(), first.backend().id), (2, 0));
        drop(first);
        assert_eq!(backend.in_flight(), 1);
        drop(second);
        assert_eq!(backend.in_flight(), 0);
    }

    #[test]
    fn the_share_scales_the_weight_and_never_to_nothing() {
        let mut list = list(1);
        list[0].weight = 10;
        let member = &list[0];
        assert_eq!(member.effective_weight(), 10 << 16);
        member.backend.set_share(0.5);
        assert_eq!(member.effective_weight(), 5 << 16);
        member.backend.set_share(-1.0);
        assert_eq!(member.effective_weight(), 1);
    }
}
