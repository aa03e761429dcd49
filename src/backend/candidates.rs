//! The only door to an upstream's members: what it does not yield cannot be picked.

use std::sync::Arc;

use super::{Backend, Member};

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

/// The members of an upstream as one request may use them.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    members: &'a [Member],
    tried: &'a Tried,
}

impl<'a> Candidates<'a> {
    /// A view of `members` without those in `tried`.
    pub fn new(members: &'a [Member], tried: &'a Tried) -> Self {
        Candidates { members, tried }
    }

    /// Number of members, eligible or not: indexes run below it.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether the upstream has no member at all.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The backend at `index` if it is eligible for this request.
    #[inline]
    pub fn eligible(&self, index: usize) -> Option<&'a Arc<Backend>> {
        let backend = &self.members.get(index)?.backend;
        if !self.tried.is_empty() && self.tried.contains(backend) {
            return None;
        }
        Some(backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Address, Permit};

    fn members(n: u64) -> Vec<Member> {
        let member = |id| Member {
            backend: Arc::new(Backend::new(id, Address::Unix(format!("/{id}").into()))),
            authority: "x".into(),
        };
        (0..n).map(member).collect()
    }

    #[test]
    fn what_was_tried_is_not_yielded_up_to_the_bound() {
        let members = members(Tried::MAX as u64 + 1);
        let mut tried = Tried::default();
        assert!(tried.is_empty() && !tried.contains(&members[0].backend), "id 0 is not a blank");
        members.iter().for_each(|member| tried.insert(&member.backend));
        let candidates = Candidates::new(&members, &tried);
        let eligible: Vec<usize> =
            (0..=candidates.len()).filter(|index| candidates.eligible(*index).is_some()).collect();
        assert_eq!(eligible, [Tried::MAX], "beyond the bound it is not remembered");
        assert!(!candidates.is_empty());
    }

    #[test]
    fn a_permit_counts_for_as_long_as_it_lives() {
        let members = members(1);
        let backend = &members[0].backend;
        let (first, second) = (Permit::acquire(backend), Permit::acquire(backend));
        assert_eq!((backend.in_flight(), first.backend().id), (2, 0));
        drop(first);
        assert_eq!(backend.in_flight(), 1);
        drop(second);
        assert_eq!(backend.in_flight(), 0);
    }
}
