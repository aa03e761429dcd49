//! What the proxy asks an upstream's strategy, and what it tells it: a place at a backend for a request or its
//! copy, and what became of it. Called by `forward` and `mirror`.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::exchange::Exchange;
use super::hold::Hold;
use super::queue;
use super::retry::signal_of;
use super::retry_after;
use super::worker::Worker;
use crate::backend::{Backend, Became, Candidates, Permit, Tried, Verdict};
use crate::balance::{Hint, key_of};
use crate::config::Signal;
use crate::error::Reason;
use crate::snapshot::Upstream;

/// A place at a backend of the request's upstream that was not tried yet; `None` if no one is eligible, or others
/// wait for one.
pub(super) fn pick(worker: &Worker, exchange: &Exchange) -> Option<Permit> {
    let upstream = exchange.hold.as_ref()?.upstream()?;
    match upstream.queueing.is_some() && upstream.queue.n_waiting() > 0 {
        true => None,
        false => pick_anyway(worker, exchange),
    }
}

/// As [`pick`], whoever waits.
pub(super) fn pick_anyway(worker: &Worker, exchange: &Exchange) -> Option<Permit> {
    let upstream = exchange.hold.as_ref()?.upstream()?;
    let first_try = exchange.record.attempts == 0 && !exchange.record.queued;
    let now = exchange.record.started.filter(|_| first_try).unwrap_or_else(Instant::now);
    if let Some(sticky) = &upstream.sticky {
        let stayed = sticky.take(&upstream.members, &exchange.tried, &exchange.request.head);
        if stayed.is_some() {
            return stayed;
        }
    }
    ask(upstream, worker, exchange, now, |hint| {
        upstream.balancer.take(&upstream.members, &exchange.tried, hint)
    })
}

/// Has the client of a response from `backend` stay there, where the upstream says so and it does not already.
pub(super) fn stick(exchange: &mut Exchange, backend: &Backend) {
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    let Some(upstream) = upstream.filter(|upstream| upstream.sticky.is_some()) else { return };
    let index = upstream.members.iter().position(|member| member.backend.id == backend.id);
    if let (Some(sticky), Some(index)) = (&upstream.sticky, index) {
        let secure = exchange.request.session.is_some();
        sticky.set(index, &exchange.request.head, &mut exchange.response, secure);
    }
}

/// A place at a backend of `upstream` for a copy of the request.
pub(super) fn pick_for_copy(
    upstream: &Upstream,
    worker: &Worker,
    exchange: &Exchange,
) -> Option<Permit> {
    // A copy does not take a place that somebody waits for.
    if upstream.queue.n_waiting() > 0 {
        return None;
    }
    let now = exchange.record.started.unwrap_or_else(Instant::now);
    ask(upstream, worker, exchange, now, |hint| {
        upstream.balancer.take_for_copy(&upstream.members, hint)
    })
}

/// Takes a place as `take` does, which is told all that a strategy may look at.
fn ask(
    upstream: &Upstream,
    worker: &Worker,
    exchange: &Exchange,
    now: Instant,
    take: impl FnOnce(&mut Hint<'_>) -> Option<Permit>,
) -> Option<Permit> {
    let request = &exchange.request;
    let key = upstream.balancer.key_source();
    let key = key.and_then(|source| key_of(source, &request.head, request.client));
    let random = &mut worker.rng.borrow_mut();
    take(&mut Hint { worker: worker.index, now, key, random })
}

/// A place for a further try after one at `last`: at a backend not tried yet, else at any but that one, else, where
/// `same` allows it, there again.
pub(super) fn pick_again(
    worker: &Worker,
    exchange: &mut Exchange,
    last: &Backend,
    same: bool,
) -> Option<Permit> {
    let found = pick(worker, exchange);
    if found.is_some() {
        return found;
    }
    exchange.tried = only(last);
    let found = pick(worker, exchange);
    if found.is_some() || !same {
        return found;
    }
    exchange.tried = Tried::default();
    pick(worker, exchange)
}

/// Whether a backend other than `last` is eligible now.
pub(super) fn is_another(exchange: &Exchange, last: &Backend) -> bool {
    is_eligible(exchange, &only(last))
}

/// Whether any backend is eligible now, or may be waited for.
pub(super) fn is_any(exchange: &Exchange) -> bool {
    is_eligible(exchange, &Tried::default()) || queue::may_wait(exchange)
}

fn is_eligible(exchange: &Exchange, tried: &Tried) -> bool {
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    upstream.is_some_and(|upstream| {
        let members = &upstream.members;
        Candidates::new(members, tried).any()
            || Candidates::last_resort(members, tried).is_some_and(|left| left.any())
    })
}

/// Remembers that `backend` was tried, and if there are too many of them, only that.
pub(super) fn mark_tried(exchange: &mut Exchange, backend: &Backend) {
    exchange.tried.insert(backend);
    if !exchange.tried.contains(backend) {
        exchange.tried = only(backend);
    }
}

fn only(backend: &Backend) -> Tried {
    let mut tried = Tried::default();
    tried.insert(backend);
    tried
}

/// Takes what a further try costs from the upstream's budget; false, and counted, if there is not enough left.
pub(super) fn withdraw(worker: &Worker, exchange: &Exchange) -> bool {
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    let may = upstream
        .is_some_and(|upstream| upstream.cohort.budget.withdraw(&upstream.budget, Instant::now()));
    if !may {
        worker.counters().retries_refused.add(1);
    }
    may
}

/// Tells the backend's live state, and the strategy where it wants to know, what became of a try: a status, or why
/// there was none. What is not the backend's fault says nothing about it.
#[inline]
pub(super) fn settle(permit: &mut Permit, exchange: &mut Exchange, became: Result<u16, Reason>) {
    let Some(upstream) = exchange.hold.as_ref().and_then(Hold::upstream) else { return };
    let became = match became {
        Ok(status @ (429 | 503)) => Became::Answered(status, retry_after(exchange)),
        Ok(status) => Became::Answered(status, None),
        // That it is stalled is known of it; what became of this try is that it was not answered in time.
        Err(Reason::Stalled) => Became::Failed(Signal::Timeout),
        Err(reason) => match signal_of(reason) {
            Some(signal) => Became::Failed(signal),
            None => return,
        },
    };
    let now = Instant::now();
    exchange.record.turn = Some(now);
    let latency = exchange.wait.sent.map(|sent| now.saturating_duration_since(sent));
    permit.judge(&Verdict { became, latency: latency.unwrap_or_default(), now }, &upstream.care);
}

/// Tells the backend's live state that the body of its answer broke off, or stalled for too long, as `signal` says. By
/// then the exchange may have let go of its snapshot: what is in service counts.
#[cold]
pub(super) fn broke_off(worker: &Worker, permit: &Permit, exchange: &Exchange, signal: Signal) {
    let policy = exchange.hold.as_ref().and_then(Hold::policy);
    let snapshot = worker.pin();
    let name = policy.and_then(|policy| policy.upstream.as_deref());
    if let Some(index) = name.and_then(|name| snapshot.upstream_named(name)) {
        permit.body_broke_off(signal, &snapshot.upstreams[index].care, Instant::now());
    }
}

/// How long the backend that answered asks to be left alone.
#[cold]
fn retry_after(exchange: &Exchange) -> Option<Duration> {
    let value = exchange.response.fields.named(b"retry-after")?;
    retry_after::parse(value, Timestamp::now())
}
