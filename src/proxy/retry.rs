//! Whether a request may be tried again after what became of a try, and where. Pure: called by `again`, which knows
//! what happened, finds another backend and asks the budget.

use std::time::Duration;

use crate::config::{Backoff, Retry, Signal};
use crate::error::Reason;
use crate::message::RequestHead;
use crate::rng::Rng;

/// Backends that may refuse a request before the client is told, as long as nothing of it was sent.
pub const REFUSALS_MAX: u32 = 3;

/// What a request is, as far as sending it again goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nature {
    /// By its method or its idempotency header, the policy lets it be sent again.
    pub(super) repeatable: bool,
    /// The same after a backend kept silent, which may still be at work on it.
    pub(super) repeatable_in_silence: bool,
    /// Its method is idempotent by RFC 9110, section 9.2.2.
    pub(super) idempotent: bool,
}

impl Nature {
    pub(super) fn of(head: &RequestHead, policy: &Retry) -> Self {
        let method = head.method();
        let keyed = policy.idempotency_header.as_ref();
        let keyed = keyed.is_some_and(|name| head.fields.named(name.as_bytes()).is_some());
        let listed = policy.methods.iter().any(|listed| listed.as_bytes() == method);
        let safe = matches!(method, b"GET" | b"HEAD" | b"OPTIONS");
        Nature {
            repeatable: listed || keyed,
            repeatable_in_silence: (listed && safe) || keyed,
            idempotent: safe || matches!(method, b"PUT" | b"DELETE"),
        }
    }
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The backend failed it.
    Failed(Signal),
    /// The backend answered.
    Answered(u16),
    /// Nothing that another try could mend.
    Final,
}

impl End {
    pub(super) fn of(reason: Reason) -> Self {
        match signal_of(reason) {
            // It has begun to answer, so that it is not a connection that ended before.
            Some(_) if reason == Reason::UpstreamProtocol => End::Final,
            Some(signal) => End::Failed(signal),
            None => End::Final,
        }
    }
}

/// What a failed try says about its backend; `None`: nothing.
pub(super) fn signal_of(reason: Reason) -> Option<Signal> {
    match reason {
        Reason::ConnectFailed | Reason::ConnectTimeout | Reason::TlsFailed => Some(Signal::Connect),
        Reason::UpstreamReset | Reason::UpstreamProtocol => Some(Signal::Reset),
        Reason::RefusedStream => Some(Signal::RefusedStream),
        Reason::FirstByteTimeout => Some(Signal::Timeout),
        Reason::Stalled => Some(Signal::Stalled),
        _ => None,
    }
}

/// Where a try's connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It lay idle in the pool.
    Pool,
    /// It was made for this try.
    New,
}

/// One try, when it is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) end: End,
    /// `None`: there was no connection.
    pub(super) origin: Option<Origin>,
    /// Not one byte of the request was written.
    pub(super) unsent: bool,
    /// Not one byte of a response was read.
    pub(super) unanswered: bool,
    /// What was taken from the client so far can be sent again from memory.
    pub(super) replayable: bool,
    /// Something of a response has reached the client, or may have.
    pub(super) replied: bool,
}

/// What the tries before have used up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SoFar {
    /// Tries of which nothing was sent.
    pub(super) n_refusals: u32,
    /// Further tries under the budget.
    pub(super) n_retries: u32,
    /// A dead idle connection was replaced.
    pub(super) replaced: bool,
}

/// What may be tried next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// On a backend not tried yet, at no cost; where there is none, as `Elsewhere` if that is `true`.
    Free(bool),
    /// On another backend, under the budget.
    Elsewhere,
    /// An idle connection turned out dead: on a new one to the same backend.
    SameOnNewConnection,
}

/// What may be tried after `last`.
pub(super) fn decide(policy: &Retry, nature: Nature, last: &Try, so_far: SoFar) -> Again {
    if last.replied || !last.replayable {
        return Again::Never;
    }
    let left = so_far.n_retries < policy.attempts;
    let allowed = match last.end {
        End::Final => return Again::Never,
        End::Answered(status) => nature.repeatable && policy.on.statuses.contains(status),
        End::Failed(Signal::Reset) if is_dead_idle(nature, last, so_far) => {
            return Again::SameOnNewConnection;
        }
        // The backend has nothing against the request, only against the connection.
        End::Failed(Signal::RefusedStream)
            if last.origin == Some(Origin::Pool) && !so_far.replaced =>
        {
            return Again::SameOnNewConnection;
        }
        End::Failed(signal @ (Signal::Timeout | Signal::Stalled)) => {
            nature.repeatable_in_silence && policy.on.contains(signal)
        }
        // Nothing was begun with: any method, and no budget.
        End::Failed(signal) if last.unsent => {
            let refused = so_far.n_refusals + 1 >= REFUSALS_MAX;
            return match policy.on.contains(signal) && policy.attempts > 0 && !refused {
                true => Again::Free(left),
                false => Again::Never,
            };
        }
        End::Failed(signal) => nature.repeatable && policy.on.contains(signal),
    };
    if allowed && left { Again::Elsewhere } else { Again::Never }
}

/// A connection from the pool that ends before it answers was most likely closed while idle. That is no try of the
/// backend: what was not sent, or may be sent twice, goes to it once more.
fn is_dead_idle(nature: Nature, last: &Try, so_far: SoFar) -> bool {
    last.origin == Some(Origin::Pool)
        && last.unanswered
        && !so_far.replaced
        && (last.unsent || nature.idempotent || nature.repeatable)
}

/// The pause before the nth further try, from 1 on: anything between zero and a bound that doubles.
pub(super) fn pause(backoff: Backoff, nth: u32, random: &mut Rng) -> Duration {
    let doubled = backoff.base.saturating_mul(1 << nth.saturating_sub(1).min(20));
    let part = random.next_u64() as f64 / u64::MAX as f64;
    doubled.min(backoff.max).mul_f64(part)
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
