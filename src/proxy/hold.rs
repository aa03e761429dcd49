//! What an exchange keeps alive of the configuration it began under: the whole snapshot while it is
//! short, only its small policy once it streams or became a tunnel.

use std::sync::Arc;

use super::worker::Pinned;
use crate::admit::Place;
use crate::pool;
use crate::snapshot::{Listener, Policy, RouteEntry, Upstream};

/// A route of a pinned snapshot, or what is left of it.
#[derive(Debug)]
pub(super) enum Hold {
    /// No route was found (yet).
    Listener(Pinned, usize),
    /// The snapshot, with the listener's index and the request's place on it.
    Pinned {
        snapshot: Pinned,
        listener: usize,
        place: Place,
        /// Its upstream's index, looked up once; `None` where the route answers by itself.
        upstream: Option<usize>,
        /// Its upstream in a later snapshot, if that came while the request waited for a backend.
        moved: Option<(Pinned, usize)>,
    },
    /// The policy alone, and how connections to its upstream are kept, if it has one.
    Policy(Arc<Policy>, Option<pool::Policy>),
}

impl Hold {
    pub(super) fn listener(&self) -> Option<&Listener> {
        match self {
            Hold::Listener(snapshot, listener) | Hold::Pinned { snapshot, listener, .. } => {
                Some(&snapshot.listeners[*listener].1)
            }
            Hold::Policy(..) => None,
        }
    }

    pub(super) fn entry(&self) -> Option<&RouteEntry> {
        match self {
            Hold::Pinned { place, .. } => {
                self.listener().map(|listener| &listener.entries[place.entry])
            }
            Hold::Listener(..) | Hold::Policy(..) => None,
        }
    }

    fn policy_shared(&self) -> Option<&Arc<Policy>> {
        match self {
            Hold::Policy(policy, _) => Some(policy),
            Hold::Pinned { place, .. } => self.entry()?.policy(place.target),
            Hold::Listener(..) => None,
        }
    }

    pub(super) fn policy(&self) -> Option<&Policy> {
        self.policy_shared().map(|policy| &**policy)
    }

    #[inline]
    pub(super) fn upstream(&self) -> Option<&Upstream> {
        match self {
            Hold::Pinned { moved: Some((later, index)), .. } => Some(&*later.upstreams[*index]),
            Hold::Pinned { snapshot, upstream, .. } => {
                upstream.map(|upstream| &*snapshot.upstreams[upstream])
            }
            Hold::Listener(..) | Hold::Policy(..) => None,
        }
    }

    /// Turns to the upstream of the same name in `current`, if that is not the one at hand and has it.
    pub(super) fn move_to(&mut self, current: Pinned) {
        let Some(old) = self.upstream() else { return };
        let found = current.upstream_named(&old.name);
        let Some(index) = found.filter(|index| !std::ptr::eq(&*current.upstreams[*index], old))
        else {
            return;
        };
        if let Hold::Pinned { moved, .. } = self {
            *moved = Some((current, index));
        }
    }

    /// Where copies go, and which share of all requests.
    pub(super) fn mirror(&self) -> Option<(&Arc<Upstream>, u32)> {
        let Hold::Pinned { snapshot, .. } = self else { return None };
        let mirror = self.entry()?.mirror?;
        Some((&snapshot.upstreams[mirror.upstream], mirror.at_most))
    }

    /// How connections to this upstream are kept.
    pub(super) fn pool(&self) -> Option<pool::Policy> {
        match self {
            Hold::Policy(_, pool) => *pool,
            _ => self.upstream().map(|upstream| upstream.pool),
        }
    }

    /// Lets go of the snapshot, once a route was found.
    pub(super) fn unpin(&mut self) {
        if let (Hold::Pinned { .. }, Some(policy)) = (&*self, self.policy_shared()) {
            *self = Hold::Policy(Arc::clone(policy), self.pool());
        }
    }
}
