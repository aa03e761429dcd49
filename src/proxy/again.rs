//! After a try that failed, or whose answer the policy would rather not pass on: once more, elsewhere, or the end.
//! Called by `forward`, boxed: few requests come here.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::attempt::{Answered, Failed, came_to};
use super::await_head::{Head, Wait};
use super::begin::glance_before_sending;
use super::connection::Connection;
use super::exchange::Exchange;
use super::expiry::{timeouts, total_deadline};
use super::hold::Hold;
use super::pick;
use super::queue;
use super::race::{Parked, can_replay};
use super::retry::{self, Again, End, Nature, Origin, Try};
use super::timer::earlier;
use crate::backend::Permit;
use crate::error::{Fault, Reason};
use crate::http1::Framing;

/// What comes next.
enum Next {
    /// Another try, on a new connection or whichever there is.
    Try { permit: Permit, fresh: bool, replays: bool },
    /// The parked try is the only one left.
    Wait(Box<Parked>),
    /// The client gets this answer.
    Pass(Permit, Answered),
}

/// Whether the policy would rather have another answer than the one in `exchange.response`.
#[inline]
pub(super) fn is_listed(exchange: &Exchange) -> bool {
    let policy = exchange.hold.as_ref().and_then(Hold::policy);
    policy.is_some_and(|policy| policy.retry.on.statuses.contains(exchange.seen_status()))
}

impl Connection {
    /// Goes on after the first try, which came to `outcome`, until there is an answer to pass on or nothing more may
    /// be tried: then the last answer or the last reason counts.
    pub(super) async fn try_again(
        &mut self,
        exchange: &mut Exchange,
        permit: Permit,
        outcome: Result<Answered, Failed>,
    ) -> Result<(), Reason> {
        let result = self.try_on(exchange, permit, outcome).await;
        (exchange.pending, exchange.parked) = (None, None);
        result
    }

    async fn try_on(
        &mut self,
        exchange: &mut Exchange,
        mut permit: Permit,
        mut outcome: Result<Answered, Failed>,
    ) -> Result<(), Reason> {
        loop {
            let next = match outcome {
                Ok(answered) => self.after_answer(exchange, permit, answered).await?,
                Err(failed) => self.after_failure(exchange, permit, failed).await?,
            };
            (permit, outcome) = match next {
                Next::Pass(permit, answered) => {
                    // It may have been put off.
                    exchange.record.turn = None;
                    self.start(exchange, permit, answered);
                    return Ok(());
                }
                Next::Try { mut permit, fresh, replays } => {
                    if replays {
                        exchange.upload.replay();
                    }
                    self.worker().counters().retries.add(1);
                    exchange.record.attempts += 1;
                    exchange.record.backend = Some(permit.backend().clone());
                    exchange.record.connect = None;
                    let outcome = self.attempt(exchange, &mut permit, fresh).await;
                    (permit, outcome)
                }
                Next::Wait(parked) => {
                    let (upstream, mut permit) = parked.unpark(exchange);
                    let head = poll_fn(|cx| {
                        self.poll_response(cx, exchange, &upstream.stream, &mut permit)
                    });
                    let head = head.await;
                    let origin = Some(Origin::New);
                    let outcome = came_to(exchange, &mut permit, Some(upstream), head, origin);
                    (permit, outcome)
                }
            };
            if outcome.is_ok() {
                pick::settle(&mut permit, exchange, Ok(exchange.seen_status()));
                if !is_listed(exchange) {
                    outcome = match outcome {
                        Ok(answered) => {
                            self.start(exchange, permit, answered);
                            return Ok(());
                        }
                        failed => failed,
                    };
                }
            }
        }
    }

    /// The backend's answer is one of those that are tried again.
    async fn after_answer(
        &mut self,
        exchange: &mut Exchange,
        permit: Permit,
        answered: Answered,
    ) -> Result<Next, Reason> {
        let last = Try {
            end: End::Answered(exchange.seen_status()),
            origin: Some(Origin::New),
            unsent: false,
            unanswered: false,
            replayable: false,
            replied: false,
        };
        let refuser = Arc::clone(permit.backend());
        if decide(exchange, last) != Again::Elsewhere || !pick::is_another(exchange, &refuser) {
            return Ok(Next::Pass(permit, answered));
        }
        let until = self.pause_ends(exchange)?;
        let total = total_deadline(exchange, timeouts(exchange).total);
        // With no time left behind the pause this answer is the best there will be.
        if total.is_some_and(|total| total <= until) || !self.may_spend(exchange) {
            return Ok(Next::Pass(permit, answered));
        }
        self.back_off(exchange, until).await?;
        pick::mark_tried(exchange, &refuser);
        let Some(next) = pick::pick_again(self.worker(), exchange, &refuser, false) else {
            return Ok(Next::Pass(permit, answered));
        };
        self.discard(exchange, &permit, answered);
        exchange.wait = Wait { n_interims: exchange.wait.n_interims, ..Wait::default() };
        Ok(Next::Try { permit: next, fresh: false, replays: true })
    }

    /// There is no answer, or none yet.
    async fn after_failure(
        &mut self,
        exchange: &mut Exchange,
        mut permit: Permit,
        failed: Failed,
    ) -> Result<Next, Reason> {
        if let Some(connection) = failed.waiting {
            return Ok(self.race(exchange, connection, permit));
        }
        let (reason, replays) = (failed.reason, failed.origin.is_some());
        let last = Try {
            end: End::of(reason),
            origin: failed.origin,
            unsent: !replays
                || reason == Reason::RefusedStream
                || (exchange.upload.wrote_nothing() && !exchange.wait.head_sent),
            unanswered: exchange.inbox.is_empty(),
            replayable: false,
            replied: false,
        };
        let again = decide(exchange, last);
        exchange.inbox.clear();
        if again == Again::SameOnNewConnection {
            exchange.so_far.replaced = true;
            return Ok(Next::Try { permit, fresh: true, replays });
        }
        pick::settle(&mut permit, exchange, Err(reason));
        exchange.wait = Wait { n_interims: exchange.wait.n_interims, ..Wait::default() };
        let refuser = Arc::clone(permit.backend());
        drop(permit);
        pick::mark_tried(exchange, &refuser);
        exchange.so_far.n_refusals += u32::from(last.unsent);
        if let Again::Free(_) = again
            && let Some(permit) = self.pick_or_wait(exchange).await?
        {
            return Ok(Next::Try { permit, fresh: false, replays });
        }
        let may_pay = matches!(again, Again::Elsewhere | Again::Free(true));
        let same = may_ask_again(exchange, reason);
        let any = if same { pick::is_any(exchange) } else { pick::is_another(exchange, &refuser) };
        let until = self.pause_ends(exchange)?;
        if !may_pay || !any || !self.may_spend(exchange) {
            return give_up(exchange, reason);
        }
        if let Some(head) = self.back_off(exchange, until).await? {
            // Nothing lives that this permit could stand for: the parked try's own takes its place.
            return overtaken(exchange, head).ok_or(reason);
        }
        let picked = match self.pick_or_wait(exchange).await? {
            Some(permit) => Some(permit),
            None => match pick::pick_again(self.worker(), exchange, &refuser, same) {
                // The same one is asked again: in its turn, where others wait for it.
                None if same => self.pick_or_wait(exchange).await?,
                picked => picked,
            },
        };
        match picked {
            Some(permit) => Ok(Next::Try { permit, fresh: false, replays }),
            None => give_up(exchange, reason),
        }
    }

    /// The try on `connection` goes on, and another begins.
    fn race(
        &mut self,
        exchange: &mut Exchange,
        connection: crate::pool::Connection,
        permit: Permit,
    ) -> Next {
        self.worker().counters().races.add(1);
        exchange.so_far.n_retries += 1;
        pick::mark_tried(exchange, permit.backend());
        let parked = Parked::new(exchange, connection, permit);
        match pick::pick(self.worker(), exchange) {
            Some(permit) => {
                exchange.parked = Some(parked);
                Next::Try { permit, fresh: false, replays: true }
            }
            None => Next::Wait(parked),
        }
    }

    /// Takes the next further try from the budget.
    fn may_spend(&self, exchange: &mut Exchange) -> bool {
        let may = pick::withdraw(self.worker(), exchange);
        exchange.so_far.n_retries += u32::from(may);
        may
    }

    /// A place at a backend not tried yet, waiting in the upstream's queue if there is one.
    async fn pick_or_wait(&mut self, exchange: &mut Exchange) -> Result<Option<Permit>, Reason> {
        match pick::pick(self.worker(), exchange) {
            None if exchange.parked.is_none() && queue::may_wait_for_another(exchange) => {
                self.wait_in_queue(exchange).await.map(Some)
            }
            picked => Ok(picked),
        }
    }

    /// When the pause before the next further try is over, if it begins now.
    fn pause_ends(&self, exchange: &Exchange) -> Result<Instant, Reason> {
        let policy = exchange.hold.as_ref().and_then(Hold::policy).ok_or(Reason::Internal)?;
        let nth = exchange.so_far.n_retries + 1;
        let random = &mut self.worker().rng.borrow_mut();
        Ok(Instant::now() + retry::pause(policy.retry.backoff, nth, random))
    }

    /// Pauses `until` a further try. Notices a client that left, time that ran out, and the answer to the parked try.
    async fn back_off(
        &mut self,
        exchange: &mut Exchange,
        until: Instant,
    ) -> Result<Option<Head>, Reason> {
        poll_fn(|cx| {
            if let Poll::Ready(head) = self.poll_parked(cx, exchange) {
                return Poll::Ready(Ok(Some(head)));
            }
            if self.poll_gone_before_sending(cx, exchange) {
                return Poll::Ready(Err(Reason::ClientGone));
            }
            let total = total_deadline(exchange, timeouts(exchange).total);
            let due = earlier(Some(until), total);
            self.timer.poll(cx, earlier(due, glance_before_sending(exchange))).map(|()| match total
                .is_some_and(|total| total <= until)
            {
                true => Err(Reason::TotalTimeout),
                false => Ok(None),
            })
        })
        .await
    }

    /// An answer that the client does not get. Its connection is closed, unless all of the answer is here.
    fn discard(&self, exchange: &Exchange, permit: &Permit, answered: Answered) {
        let Answered { connection, facts, buffer, range } = answered;
        self.worker().resources().buffers.put(buffer);
        let n_body = match facts.framing {
            Framing::None => Some(0),
            Framing::Length(n) => Some(n),
            Framing::Chunked | Framing::UntilClose => None,
        };
        let sent = exchange.wait.upload_over && !exchange.wait.upload_broken;
        let pool = exchange.hold.as_ref().and_then(Hold::pool);
        if let Some(policy) = pool
            && sent
            && facts.keep_alive
            && n_body == Some(range.len() as u64)
        {
            self.worker().pool.put(permit.backend().id, connection, policy, Instant::now());
        }
    }
}

/// What the policy says of `last`, whose last two members are seen to here.
fn decide(exchange: &Exchange, last: Try) -> Again {
    let Some(policy) = exchange.hold.as_ref().and_then(Hold::policy) else { return Again::Never };
    let last = Try {
        replayable: last.origin.is_none() || can_replay(exchange, policy.retry.body_buffer),
        replied: exchange.wait.n_interims > 0,
        ..last
    };
    let nature = Nature::of(&exchange.request.head, &policy.retry);
    retry::decide(&policy.retry, nature, &last, exchange.so_far)
}

/// Whether the backend that failed may be asked again where there is no other. One that took the whole time it had is
/// not made to work on the same request a second time, unless the operator bounds each try for that.
fn may_ask_again(exchange: &Exchange, reason: Reason) -> bool {
    let policy = exchange.hold.as_ref().and_then(Hold::policy);
    let in_silence = matches!(reason, Reason::FirstByteTimeout | Reason::Stalled);
    !in_silence || policy.is_some_and(|policy| policy.retry.per_try.is_some())
}

/// Nothing more is tried: what is left is the try that is raced, if it may still help.
fn give_up(exchange: &mut Exchange, reason: Reason) -> Result<Next, Reason> {
    let over = reason.fault() != Fault::Backend || reason == Reason::TotalTimeout;
    match exchange.parked.take() {
        Some(parked) if !over => Ok(Next::Wait(parked)),
        _ => Err(reason),
    }
}

/// The parked try was answered while no other was under way.
fn overtaken(exchange: &mut Exchange, (facts, buffer, range): Head) -> Option<Next> {
    let (connection, mut permit) = exchange.parked.take()?.unpark(exchange);
    pick::settle(&mut permit, exchange, Ok(exchange.seen_status()));
    Some(Next::Pass(permit, Answered { connection, facts, buffer, range }))
}
