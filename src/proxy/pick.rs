//! What the proxy asks an upstream's strategy, and what it tells it: a place at a backend for a request or its
//! copy, and what became of it. Called by `forward` and `mirror`.

use std::time::Instant;

use super::exchange::Exchange;
use super::hold::Hold;
use super::worker::Worker;
use crate::backend::{Outcome, Permit, Tried};
use crate::balance::{Hint, key_of};
use crate::error::{Fault, Reason};
use crate::snapshot::Upstream;

/// A place at a backend of the request's upstream that was not tried yet; `None` if no one is eligible.
pub(super) fn pick(worker: &Worker, exchange: &Exchange) -> Option<Permit> {
    let upstream = exchange.hold.as_ref()?.upstream()?;
    let first_try = exchange.record.attempts == 0;
    let now = exchange.record.started.filter(|_| first_try).unwrap_or_else(Instant::now);
    from(upstream, worker, exchange, &exchange.tried, now)
}

/// A place at a backend of `upstream` for a copy of the request.
pub(super) fn pick_for_copy(
    upstream: &Upstream,
    worker: &Worker,
    exchange: &Exchange,
) -> Option<Permit> {
    let now = exchange.record.started.unwrap_or_else(Instant::now);
    from(upstream, worker, exchange, &Tried::default(), now)
}

fn from(
    upstream: &Upstream,
    worker: &Worker,
    exchange: &Exchange,
    tried: &Tried,
    now: Instant,
) -> Option<Permit> {
    let request = &exchange.request;
    let key = upstream.balancer.key_source();
    let key = key.and_then(|source| key_of(source, &request.head, request.client));
    let random = &mut worker.rng.borrow_mut();
    let hint = &mut Hint { worker: worker.index, now, key, random };
    upstream.balancer.take(&upstream.members, tried, hint)
}

/// Tells the strategy, where it wants to know, what became of a try: a status, or why there was none. What is not
/// the backend's fault says nothing about it.
pub(super) fn settle(permit: &Permit, exchange: &Exchange, became: Result<u16, Reason>) {
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    if upstream.is_none_or(|upstream| !upstream.balancer.learns())
        || became.is_err_and(|reason| reason.fault() != Fault::Backend)
    {
        return;
    }
    let outcome = match became {
        Ok(..500) => Outcome::Success,
        Ok(_) | Err(_) => Outcome::Failure,
    };
    let now = Instant::now();
    let latency = exchange.wait.sent.map(|sent| now.saturating_duration_since(sent));
    permit.settle(outcome, latency.unwrap_or_default(), now);
}
