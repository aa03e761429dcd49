//! A request that waits on a backend found stalled is raced: the try is parked, another begins elsewhere, and
//! whoever comes to a final response head first wins. The loser's connection is closed, and nothing is said of it.
//! If the other backend turns out stalled as well, its try takes the parked one's place, and the race goes on elsewhere.

use std::task::{Context, Poll};
use std::time::Duration;

use super::await_head::{Head, Wait};
use super::connection::Connection;
use super::exchange::Exchange;
use super::pick;
use super::retry::{self, Again, End, Nature, Origin, Try};
use super::worker::Worker;
use crate::backend::{Candidates, Permit};
use crate::config::Signal;
use crate::pool;

/// A try that waits for its answer beside another. At most one of a request.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) connection: pool::Connection,
    pub(super) permit: Permit,
    pub(super) wait: Wait,
    /// How long connecting took, if it did, for the log.
    connect: Option<Duration>,
    /// A part of its response head.
    inbox: Vec<u8>,
    /// It is the one whose head was read last.
    answered: bool,
}

impl Parked {
    /// Puts the try that waits on `connection` aside.
    pub(super) fn new(
        exchange: &mut Exchange,
        connection: pool::Connection,
        permit: Permit,
    ) -> Box<Self> {
        let mut wait = std::mem::take(&mut exchange.wait);
        exchange.wait.n_interims = wait.n_interims;
        wait.parks = false;
        let inbox = std::mem::take(&mut exchange.inbox);
        let connect = exchange.record.connect;
        Box::new(Parked { connection, permit, wait, connect, inbox, answered: false })
    }

    /// Makes it the try that the exchange waits for; returns its connection and its permit.
    pub(super) fn unpark(self, exchange: &mut Exchange) -> (pool::Connection, Permit) {
        let n_interims = exchange.wait.n_interims;
        exchange.wait = Wait { n_interims, ..self.wait };
        exchange.inbox = self.inbox;
        exchange.record.backend = Some(self.permit.backend().clone());
        exchange.record.connect = self.connect;
        // It was sent as a whole: what is left was for the other.
        exchange.upload.abandon();
        (self.connection, self.permit)
    }
}

/// The connection of `parked` if it won the race; then `permit` is its, too. Else it is dropped.
pub(super) fn winner(
    exchange: &mut Exchange,
    permit: &mut Permit,
    parked: Parked,
) -> Option<pool::Connection> {
    if !parked.answered {
        return None;
    }
    let (connection, its) = parked.unpark(exchange);
    *permit = its;
    Some(connection)
}

/// Whether the try that waits on a stalled backend is to be raced. What that costs is taken from the budget.
#[cold]
pub(super) fn may_begin(worker: &Worker, exchange: &mut Exchange, permit: &Permit) -> bool {
    let wait = &exchange.wait;
    // The one that is parked is let go for another, unless it has begun to answer.
    let has_room = exchange.parked.as_ref().is_none_or(|parked| parked.inbox.is_empty());
    let waits_for_nothing_but_the_head = wait.upload_over
        && !wait.upload_broken
        && !wait.expecting
        && has_room
        && exchange.inbox.is_empty();
    if !waits_for_nothing_but_the_head || wait.race_refused {
        return false;
    }
    let hold = exchange.hold.as_ref();
    let Some((policy, upstream)) = hold.and_then(|hold| hold.policy().zip(hold.upstream())) else {
        return false;
    };
    let nature = Nature::of(&exchange.request.head, &policy.retry);
    let stalled = Try {
        end: End::Failed(Signal::Stalled),
        origin: Some(Origin::New),
        unsent: false,
        unanswered: true,
        replayable: can_replay(exchange, policy.retry.body_buffer),
        replied: wait.n_interims > 0,
    };
    let mut tried = exchange.tried;
    tried.insert(permit.backend());
    if retry::decide(&policy.retry, nature, &stalled, exchange.so_far) != Again::Elsewhere
        || !Candidates::new(&upstream.members, &tried).any()
    {
        return false;
    }
    exchange.wait.race_refused = !pick::withdraw(worker, exchange);
    !exchange.wait.race_refused
}

/// Whether what was taken of the request's body can be sent again, of which the policy keeps `body_buffer` bytes.
pub(super) fn can_replay(exchange: &Exchange, body_buffer: u64) -> bool {
    let upload = &exchange.upload;
    upload.can_replay() && (upload.wrote_nothing() || upload.replay_bytes() as u64 <= body_buffer)
}

impl Connection {
    /// The head of the parked try, if there is one and it has come. One that fails is let go.
    #[inline]
    pub(super) fn poll_parked(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
    ) -> Poll<Head> {
        match exchange.parked.is_some() {
            true => self.poll_the_parked(cx, exchange),
            false => Poll::Pending,
        }
    }

    #[cold]
    fn poll_the_parked(&mut self, cx: &mut Context<'_>, exchange: &mut Exchange) -> Poll<Head> {
        let Some(mut parked) = exchange.parked.take() else { return Poll::Pending };
        std::mem::swap(&mut exchange.inbox, &mut parked.inbox);
        std::mem::swap(&mut exchange.wait, &mut parked.wait);
        exchange.wait.n_interims = parked.wait.n_interims;
        let polled = self.poll_response_head(cx, exchange, &parked.connection.stream);
        if let Poll::Ready(Err(reason)) = &polled {
            pick::settle(&mut parked.permit, exchange, Err(*reason));
        }
        std::mem::swap(&mut exchange.wait, &mut parked.wait);
        exchange.wait.n_interims = parked.wait.n_interims;
        std::mem::swap(&mut exchange.inbox, &mut parked.inbox);
        match polled {
            Poll::Ready(Ok(head)) => {
                parked.answered = true;
                exchange.parked = Some(parked);
                Poll::Ready(head)
            }
            Poll::Ready(Err(_)) => Poll::Pending,
            Poll::Pending => {
                exchange.parked = Some(parked);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
#[path = "race_tests.rs"]
mod tests;
