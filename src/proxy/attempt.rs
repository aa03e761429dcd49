//! One try of a request at one backend: connect, send, and whatever comes of it. Called by `forward` and `again`.

use std::future::poll_fn;
use std::ops::Range;
use std::time::Instant;

use super::await_head::{Head, Wait};
use super::connect::Dialled;
use super::connection::Connection;
use super::exchange::Exchange;

use super::hold::Hold;
use super::race;
use super::retry::Origin;
use crate::admit;
use crate::backend::{Backend, Permit};
use crate::error::Reason;
use crate::http1::ResponseFacts;
use crate::net::{Channel, Stream};
use crate::pool;
use crate::relay::Buffer;

/// The final response head, which is in `exchange.response`, and the connection it came on.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) connection: pool::Connection,
    pub(super) facts: ResponseFacts,
    /// What was read along with the head, in `range`.
    pub(super) buffer: Buffer,
    pub(super) range: Range<usize>,
}

/// A try without a response head.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) reason: Reason,
    /// `None`: there was no connection.
    pub(super) origin: Option<Origin>,
    /// It has not failed: it is to be raced, and its answer may still come on this.
    pub(super) waiting: Option<pool::Connection>,
}

impl Connection {
    /// Sends the request to the permit's backend and waits for the final response head (or a 101). Interim responses
    /// go to the client on the way. Afterwards the permit is that of the backend that answered.
    pub(super) async fn attempt(
        &mut self,
        exchange: &mut Exchange,
        permit: &mut Permit,
        fresh: bool,
    ) -> Result<Answered, Failed> {
        let first_try = exchange.record.attempts == 1 && !exchange.record.queued;
        let now = exchange.record.started.filter(|_| first_try).unwrap_or_else(Instant::now);
        let pooled = if fresh { None } else { self.pooled(exchange, permit.backend(), now) };
        let mut origin = Origin::Pool;
        let mut ready = now;
        let mut upstream = match pooled {
            Some(connection) => connection,
            // Boxed, so that idle connections do not keep room for it.
            None => match Box::pin(self.connect(exchange, permit.backend(), fresh)).await {
                Ok(Dialled::Connection(connection, whence)) => {
                    (origin, ready) = (whence, Instant::now());
                    connection
                }
                Ok(Dialled::Overtaken(head)) => {
                    return came_to(exchange, permit, None, Ok(head), None);
                }
                Err(reason) => return came_to(exchange, permit, None, Err(reason), None),
            },
        };
        upstream.n_requests += 1;
        Wait::begin(exchange, now, ready);
        if let Err(reason) = self.send_head(exchange, permit.backend(), &upstream.stream) {
            return came_to(exchange, permit, Some(upstream), Err(reason), Some(origin));
        }
        let head = poll_fn(|cx| self.poll_response(cx, exchange, &upstream.stream, permit)).await;
        came_to(exchange, permit, Some(upstream), head, Some(origin))
    }

    /// Puts the request's head, with the Host this backend is to see, before its body; or sends it beside that.
    fn send_head(
        &self,
        exchange: &mut Exchange,
        backend: &Backend,
        stream: &Stream,
    ) -> Result<(), Reason> {
        let request = &exchange.request;
        let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
        let host = upstream.and_then(|upstream| admit::backend_host(request, upstream, backend));
        if let Some(channel) = stream.channel() {
            let framing = request.facts.framing;
            exchange.upload.expect_trailers(framing, &self.stream, channel);
            let channel = channel.backend().ok_or(Reason::Internal)?;
            channel.request(&request.head, host, framing)?;
            exchange.wait.head_sent = true;
            return Ok(());
        }
        exchange.upload.set_head(|out| {
            request.head.write_to(host, out);
            out.extend_from_slice(b"\r\n");
        });
        Ok(())
    }
}

/// What a try on `upstream` came to. Whoever lost a race is dropped here: its connection is closed.
#[inline]
pub(super) fn came_to(
    exchange: &mut Exchange,
    permit: &mut Permit,
    upstream: Option<pool::Connection>,
    head: Result<Head, Reason>,
    origin: Option<Origin>,
) -> Result<Answered, Failed> {
    let (facts, buffer, range) = match head {
        Ok(head) => head,
        Err(reason) => {
            // A connection that came to its end is no refusal: there is another where it came from.
            let leaves = |it: &pool::Connection| {
                it.stream.channel().and_then(Channel::backend).is_some_and(|it| it.is_leaving())
            };
            let refused = reason == Reason::RefusedStream && !upstream.as_ref().is_some_and(leaves);
            let origin = if refused { Some(Origin::New) } else { origin };
            let waiting = upstream.filter(|_| exchange.wait.parks);
            return Err(Failed { reason, origin, waiting });
        }
    };
    let overtaken =
        exchange.parked.take().and_then(|parked| race::winner(exchange, permit, *parked));
    match overtaken.or(upstream) {
        Some(connection) => Ok(Answered { connection, facts, buffer, range }),
        None => Err(Failed { reason: Reason::Internal, origin, waiting: None }),
    }
}
