//! What a matched route does, compiled: read by `admit` and `proxy`, made by [`super::entries`].

use std::sync::Arc;

use super::Policy;
use crate::config::{Redirect, Respond, SplitBy};
use crate::filter::{Filter, Rewrite};

/// What a matched route does on one listener.
#[derive(Clone, Debug)]
pub struct RouteEntry {
    /// Where the request goes, or what it gets at once.
    pub action: Action,
    /// The route's filters, in order, shared by every route and listener that names them.
    pub filters: Arc<[Arc<dyn Filter>]>,
    /// What is rewritten before a backend gets it.
    pub rewrite: Option<Arc<Rewrite>>,
    /// Where copies go.
    pub mirror: Option<Mirror>,
    /// Bytes of a request body: the route's, else the listener's; `None` is off.
    pub body_bytes_max: Option<u64>,
}

/// Where a request goes, or what it gets at once.
#[derive(Clone, Debug)]
pub enum Action {
    /// To one upstream.
    Forward(Target),
    /// To one of several.
    Split(Arc<Split>),
    /// It is answered here.
    Answer {
        /// With what.
        own: Arc<Own>,
        /// What is known of the exchange; names no upstream.
        policy: Arc<Policy>,
    },
}

/// An upstream that a route sends to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Index into [`super::Snapshot::upstreams`].
    pub upstream: usize,
    /// What must live as long as the exchange or tunnel does.
    pub policy: Arc<Policy>,
}

/// A compiled `split`.
#[derive(Debug)]
pub struct Split {
    /// At least one.
    pub targets: Vec<Target>,
    /// The sum of the weights up to and with each target, never falling; the last is their sum, above 0.
    pub until: Vec<u64>,
    /// What decides.
    pub by: SplitBy,
    /// What the deciding value is hashed with, from the route's name: no two routes choose alike.
    pub salt: u64,
}

/// An answer that a route gives by itself.
#[derive(Debug)]
pub enum Own {
    /// `redirect`.
    Redirect(Redirect),
    /// `respond`.
    Respond(Respond),
}

/// A compiled `mirror`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Index into [`super::Snapshot::upstreams`].
    pub upstream: usize,
    /// A request is copied when a random 32-bit number is at most this; `u32::MAX` copies everything.
    pub at_most: u32,
}

impl RouteEntry {
    /// The target that was chosen; `None` where the route answers by itself.
    #[inline]
    pub fn target(&self, chosen: usize) -> Option<&Target> {
        match &self.action {
            Action::Forward(target) => Some(target),
            Action::Split(split) => split.targets.get(chosen),
            Action::Answer { .. } => None,
        }
    }

    /// The policy that holds with the target that was chosen.
    #[inline]
    pub fn policy(&self, chosen: usize) -> Option<&Arc<Policy>> {
        match &self.action {
            Action::Answer { policy, .. } => Some(policy),
            _ => self.target(chosen).map(|target| &target.policy),
        }
    }
}
