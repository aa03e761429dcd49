//! The members of an upstream: live state, and what the operator wrote about each. Made by `snapshot`.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::Backend;
use crate::hash::stable;

/// Who is asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tier {
    /// As long as one of them is eligible.
    #[default]
    Primary,
    /// While none of them is.
    Backup,
}

/// A backend in one snapshot: the live state and what the operator wrote about it.
#[derive(Clone, Debug)]
pub struct Member {
    /// The live state.
    pub backend: Arc<Backend>,
    /// The host name or address as configured, with its port: what `host = "backend"` sends.
    pub authority: Box<str>,
    /// A hash of what was configured, the same on every machine: what strategies that hash know it by.
    pub identity: u64,
    /// 0 (no new requests) to 1000.
    pub weight: u32,
    /// Exchanges at once; [`Member::UNLIMITED`] is no bound.
    pub max_connections: u32,
    /// Primary or backup.
    pub tier: Tier,
    /// How long it gets more and more after it came back; `None`: all at once.
    pub slow_start: Option<Duration>,
}

impl Member {
    /// No bound on exchanges at once.
    pub const UNLIMITED: u32 = u32::MAX;

    /// A primary of weight 1 without a bound, known by its address.
    pub fn new(backend: Arc<Backend>, authority: impl Into<Box<str>>) -> Self {
        let identity = stable(backend.label.as_bytes());
        Member {
            backend,
            authority: authority.into(),
            identity,
            weight: 1,
            max_connections: Self::UNLIMITED,
            tier: Tier::Primary,
            slow_start: None,
        }
    }

    /// The weight that holds now, with the slow start's share in it; at least 1. One unit of configured weight
    /// is [`Backend::SHARE_FULL`].
    #[inline]
    pub fn effective_weight(&self) -> u64 {
        (u64::from(self.weight) * u64::from(self.backend.share())).max(1)
    }

    /// Whether it has as many exchanges as it may have.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.max_connections != Self::UNLIMITED && self.backend.in_flight() >= self.max_connections
    }
}

/// All members of an upstream, in file order; what holds for all of them is looked at once.
#[derive(Clone, Debug, Default)]
pub struct Members {
    list: Box<[Member]>,
    /// One of them is a backup.
    pub(super) has_backups: bool,
    /// None is a backup, drained or bounded.
    pub(super) all_plain: bool,
    /// With nobody sound, those are used that could be connected to.
    pub(super) fails_open: bool,
}

impl Members {
    /// The same, and with nobody sound those are used that could be connected to.
    #[must_use]
    pub fn failing_open(self, fails_open: bool) -> Self {
        Members { fails_open, ..self }
    }
}

impl From<Vec<Member>> for Members {
    fn from(list: Vec<Member>) -> Self {
        let is_backup = |member: &Member| member.tier == Tier::Backup;
        let is_plain = |member: &Member| {
            !is_backup(member) && member.weight > 0 && member.max_connections == Member::UNLIMITED
        };
        Members {
            has_backups: list.iter().any(is_backup),
            all_plain: list.iter().all(is_plain),
            fails_open: false,
            list: list.into(),
        }
    }
}

impl Deref for Members {
    type Target = [Member];

    fn deref(&self) -> &[Member] {
        &self.list
    }
}

impl<'a> IntoIterator for &'a Members {
    type Item = &'a Member;
    type IntoIter = std::slice::Iter<'a, Member>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}
