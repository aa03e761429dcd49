//! Waiting in an upstream's queue while every backend is at its `max_connections`. Called by `forward`; who is next
//! is decided in [`crate::backend::Queue`].

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::begin::glance_before_sending;
use super::connection::Connection;
use super::exchange::Exchange;
use super::expiry::{timeouts, total_deadline};
use super::hold::Hold;
use super::pick;
use super::timer::earlier;
use super::worker::Worker;
use crate::backend::{Attempt, Candidates, Permit, Waited, Waiter};
use crate::error::Reason;

/// Whether a request that found no backend may wait for one: there is a queue, and something to wait for.
pub(super) fn may_wait(exchange: &Exchange) -> bool {
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    upstream.is_some_and(|upstream| {
        upstream.queueing.is_some()
            && (upstream.queue.n_waiting() > 0
                || Candidates::any_gets_free(&upstream.members, &exchange.tried))
    })
}

/// Whether a backend that was not tried yet may get a place free: who else waits is no reason to wait in vain.
pub(super) fn may_wait_for_another(exchange: &Exchange) -> bool {
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    upstream.is_some_and(|upstream| {
        upstream.queueing.is_some() && Candidates::any_gets_free(&upstream.members, &exchange.tried)
    })
}

impl Connection {
    /// Waits for a place at a backend.
    pub(super) async fn wait_in_queue(
        &mut self,
        exchange: &mut Exchange,
    ) -> Result<Permit, Reason> {
        let upstream = exchange.hold.as_ref().and_then(Hold::upstream).ok_or(Reason::Internal)?;
        let queueing = upstream.queueing.ok_or(Reason::Internal)?;
        let waiter = Arc::clone(&upstream.queue).join(queueing.max).ok_or(Reason::QueueFull)?;
        exchange.record.queued = true;
        self.worker().counters().queued.add(1);
        let began = Instant::now();
        let deadline = queueing.timeout.map(|timeout| began + timeout);
        let before = exchange.record.queued_for.unwrap_or_default();
        poll_fn(|cx| {
            let place = self.poll_place(cx, exchange, &waiter, deadline);
            // Each time: the end of the process may be what it waits for.
            exchange.record.queued_for = Some(before.saturating_add(began.elapsed()));
            place
        })
        .await
    }

    /// Looks for a place when it is called, notices a client that left and time that ran out.
    fn poll_place(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        waiter: &Waiter,
        deadline: Option<Instant>,
    ) -> Poll<Result<Permit, Reason>> {
        if self.poll_gone_before_sending(cx, exchange) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        // Whatever gets free because the process ends is nothing to begin in.
        if self.worker().is_cut() {
            return Poll::Pending;
        }
        let worker = Rc::clone(self.worker());
        let look = || look(&worker, exchange);
        match waiter.poll(cx.waker(), Instant::now(), deadline, look) {
            Poll::Ready(Waited::Got(permit)) => return Poll::Ready(Ok(permit)),
            Poll::Ready(Waited::Expired) => return Poll::Ready(Err(Reason::QueueTimeout)),
            Poll::Ready(Waited::Hopeless) => return Poll::Ready(Err(Reason::NoBackend)),
            Poll::Pending => {}
        }
        let total = total_deadline(exchange, timeouts(exchange).total);
        let earliest = earlier(earlier(deadline, total), glance_before_sending(exchange));
        self.timer.poll(cx, earliest).map(|()| {
            Err(match total.is_some_and(|total| deadline.is_none_or(|at| total <= at)) {
                true => Reason::TotalTimeout,
                false => Reason::QueueTimeout,
            })
        })
    }
}

/// Looks for a place among the members that the upstream has now.
fn look(worker: &Worker, exchange: &mut Exchange) -> Attempt<Permit> {
    if let Some(hold) = &mut exchange.hold {
        hold.move_to(worker.pin());
    }
    if let Some(permit) = pick::pick_anyway(worker, exchange) {
        return Attempt::Got(permit);
    }
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    let tried = &exchange.tried;
    match upstream {
        Some(upstream) if Candidates::any_gets_free(&upstream.members, tried) => {
            if tried.is_empty() { Attempt::Full } else { Attempt::NotForMe }
        }
        _ => Attempt::Hopeless,
    }
}
