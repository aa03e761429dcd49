//! From a request to a response head: the first try, and for most requests the only one. What comes after one that
//! failed is in `again`.

use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

use super::again;
use super::attempt::{Answered, Failed};
use super::connection::Connection;
use super::exchange::Exchange;
use super::mirror;
use super::pick;
use super::queue;
use super::retry::Nature;
use super::worker::Worker;
use crate::backend::{Pending, Permit};
use crate::error::Reason;
use crate::http1::ResponseFacts;
use crate::pool;
use crate::relay::Buffer;

/// A response that has begun.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) connection: pool::Connection,
    /// Keeps the backend's in-flight count up until the exchange ends.
    pub(super) permit: Permit,
    pub(super) facts: ResponseFacts,
    /// What was read along with the head, in `range`.
    pub(super) buffer: Buffer,
    pub(super) range: Range<usize>,
}

/// What is still to be done for a response head.
type Rest<'a> = Pin<Box<dyn Future<Output = Result<(), Reason>> + 'a>>;

impl Connection {
    /// Sends the request and waits for the final response head (or a 101), which is then in
    /// `exchange.response`, and the rest in `exchange.started`. Interim responses go to the client on the way.
    pub(super) async fn forward(&mut self, exchange: &mut Exchange) -> Result<(), Reason> {
        mirror::plan(self.worker(), exchange);
        let mut permit = match pick::pick(self.worker(), exchange) {
            Some(permit) => permit,
            // Boxed for the same reason as connecting is.
            None if queue::may_wait(exchange) => Box::pin(self.wait_in_queue(exchange)).await?,
            None => return Err(Reason::NoBackend),
        };
        begin(self.worker(), exchange)?;
        exchange.record.attempts = 1;
        exchange.record.backend = Some(permit.backend().clone());
        let outcome = self.attempt(exchange, &mut permit, false).await;
        match self.after_first(exchange, permit, outcome) {
            None => Ok(()),
            Some(more) => more.await,
        }
    }

    /// What is still to be done after the first try; mostly nothing. No async function, so that idle connections do
    /// not keep room for what it is given.
    #[inline]
    fn after_first<'a>(
        &'a mut self,
        exchange: &'a mut Exchange,
        mut permit: Permit,
        outcome: Result<Answered, Failed>,
    ) -> Option<Rest<'a>> {
        if outcome.is_ok() {
            pick::settle(&mut permit, exchange, Ok(exchange.seen_status()));
        }
        match outcome {
            Ok(answered) if !again::is_listed(exchange) => {
                self.start(exchange, permit, answered);
                None
            }
            outcome => Some(Box::pin(self.try_again(exchange, permit, outcome))),
        }
    }

    /// This is the answer that the client gets.
    #[inline]
    pub(super) fn start(&self, exchange: &mut Exchange, permit: Permit, answered: Answered) {
        exchange.upload.commit(self.worker().resources());
        exchange.pending = None;
        let Answered { connection, facts, buffer, range } = answered;
        exchange.started = Some(Started { connection, permit, facts, buffer, range });
    }
}

/// Counts the first try in, and has the body kept as far as the request may be sent again.
#[inline]
fn begin(worker: &Worker, exchange: &mut Exchange) -> Result<(), Reason> {
    let hold = exchange.hold.as_ref();
    let Some((policy, upstream)) = hold.and_then(|hold| hold.policy().zip(hold.upstream())) else {
        return Err(Reason::Internal);
    };
    if let Some(max) = upstream.max_pending {
        exchange.pending = Some(Pending::begin(&upstream.cohort, max).ok_or(Reason::PendingLimit)?);
    }
    upstream.cohort.budget.deposit(worker.index);
    if !exchange.upload.is_read() && Nature::of(&exchange.request.head, &policy.retry).repeatable {
        exchange.upload.remember(policy.retry.body_buffer);
    }
    Ok(())
}
