//! One exchange from its head on: everything before a backend is looked for, then whatever it came to.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::connection::{After, Connection, keep_surplus};
use super::exchange::Exchange;
use super::expiry::{timeouts, total_deadline};
use super::handshake;
use super::held_back::GLANCE;
use super::hold::Hold;
use super::timer::earlier;
use crate::admit::{self, From, Step, Way};
use crate::error::Reason;
use crate::filter::Resume;
use crate::http1::Decoder;
use crate::relay::{Buffer, Encoding, PumpError};
use crate::snapshot::Forwarding;

/// How long the filters of one exchange may wait, all together. The test of it is not that patient.
const FILTERS_WAIT_MAX: Duration =
    if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(30) };

impl Connection {
    /// Serves the request whose head is in `exchange`, and what came behind it in the `range` of `buffer`.
    pub(super) fn exchange<'a>(
        &'a mut self,
        exchange: &'a mut Exchange,
        buffer: Buffer,
        range: Range<usize>,
    ) -> impl Future<Output = After> + 'a {
        // Not an async function: room for the arguments would be kept for as long as the connection lives.
        let began = self.begin(exchange, buffer, range);
        self.go_on(exchange, began)
    }

    async fn go_on(&mut self, exchange: &mut Exchange, mut began: Result<(), Reason>) -> After {
        // What few exchanges need is boxed, so that idle connections do not keep room for it.
        if exchange.detour.is_some() {
            match Box::pin(self.detour(exchange)).await {
                Ok(Some(after)) => return after,
                Ok(None) => {}
                Err(reason) => began = Err(reason),
            }
        }
        let began = match began {
            Ok(()) => self.forward(exchange).await,
            Err(reason) => Err(reason),
        };
        match began {
            Ok(()) if exchange.response.status == 101 => Box::pin(self.tunnel(exchange)).await,
            Ok(()) => self.deliver(exchange).await,
            Err(reason) => self.answer(exchange, reason).await,
        }
    }

    /// Waits for filters and answers without a backend. `None`: a backend is to be looked for after all.
    async fn detour(&mut self, exchange: &mut Exchange) -> Result<Option<After>, Reason> {
        let step = match exchange.detour.take() {
            Some(Step::Wait(future)) => self.wait(exchange, future).await?,
            Some(step) => step,
            None => return Ok(None),
        };
        match step {
            Step::Forward => Ok(None),
            Step::Answer(body) => Ok(Some(self.give(exchange, body).await)),
            Step::Refuse(reason) => Err(reason),
            Step::Wait(_) => Err(Reason::Internal),
        }
    }

    /// Everything before a backend is looked for. Where that is not what comes next, `exchange.detour` is.
    fn begin(
        &mut self,
        exchange: &mut Exchange,
        buffer: Buffer,
        range: Range<usize>,
    ) -> Result<(), Reason> {
        let worker = Rc::clone(self.worker());
        let Some(Hold::Listener(snapshot, listener_index)) = &exchange.hold else {
            return Err(Reason::Internal);
        };
        let (snapshot, listener_index) = (Rc::clone(snapshot), *listener_index);
        let listener = &*snapshot.listeners[listener_index].1;
        let (forwarding, request) = (&snapshot.forwarding, &mut exchange.request);
        let trusted = admit::is_trusted(&forwarding.trusted, self.peer);
        let from = From { peer: self.peer, peer_ip: &self.peer_ip, trusted };
        request.session.clone_from(&self.session);
        let entered = {
            let rng = &mut worker.rng.borrow_mut();
            admit::identify(request, forwarding, from, rng);
            if handshake::is_outdated(self.session.as_deref(), listener) {
                // On another connection it is what the listener asks for now.
                request.facts.connection.close = true;
                Err(Reason::Misdirected)
            } else {
                admit::enter(request, listener, rng)
            }
        };
        let entry = entered.ok().map(|place| &listener.entries[place.entry]);
        let body_bytes_max = entry.map_or(listener.limits.body_bytes, |entry| entry.body_bytes_max);
        let decoder = Decoder::new(request.facts.framing);
        let limit = body_bytes_max.unwrap_or(u64::MAX);
        exchange.upload.start(decoder, Encoding::AsReceived, limit);
        let primed = match range.is_empty() {
            true => {
                worker.resources().buffers.put(buffer);
                Ok(())
            }
            false => exchange.upload.prime(buffer, range, worker.resources()),
        };
        keep_surplus(&mut self.inbox, &mut exchange.upload.surplus);
        if let Ok(place) = entered {
            let target = listener.entries[place.entry].target(place.target);
            exchange.hold = Some(Hold::Pinned {
                snapshot: Rc::clone(&snapshot),
                listener: listener_index,
                place,
                upstream: target.map(|target| target.upstream),
                moved: None,
            });
        }
        if self.over_limit {
            return Err(Reason::RateLimited);
        }
        let place = entered?;
        let entry = &listener.entries[place.entry];
        if admit::is_over_limit(request, entry) {
            return Err(Reason::BodyLimit);
        }
        primed.map_err(|error| client_reason(&error))?;
        let policy = entry.policy(place.target).ok_or(Reason::Internal)?;
        let way = Way { forwarding, from, entry, policy };
        match admit::pass(request, &mut exchange.response, way) {
            Step::Forward => {}
            Step::Refuse(reason) => return Err(reason),
            step => exchange.detour = Some(step),
        }
        Ok(())
    }

    /// Who is at the other end.
    pub(super) fn from(&self, forwarding: &Forwarding) -> From<'_> {
        let trusted = admit::is_trusted(&forwarding.trusted, self.peer);
        From { peer: self.peer, peer_ip: &self.peer_ip, trusted }
    }

    /// Waits for filters, one after the other, and goes on to what they come to; never [`Step::Wait`].
    async fn wait(&mut self, exchange: &mut Exchange, mut future: Waiting) -> Result<Step, Reason> {
        let began = Instant::now();
        loop {
            let resumed = poll_fn(|cx| self.poll_filter(cx, exchange, &mut future, began)).await?;
            let Some(Hold::Pinned { snapshot, listener, place, .. }) = &exchange.hold else {
                return Err(Reason::Internal);
            };
            let (snapshot, listener, place) = (Rc::clone(snapshot), *listener, *place);
            let entry = &snapshot.listeners[listener].1.entries[place.entry];
            let policy = entry.policy(place.target).ok_or(Reason::Internal)?;
            let forwarding = &snapshot.forwarding;
            let way = Way { forwarding, from: self.from(forwarding), entry, policy };
            let (request, response) = (&mut exchange.request, &mut exchange.response);
            match admit::resume(request, response, way, resumed) {
                Step::Wait(next) => future = next,
                step => return Ok(step),
            }
        }
    }

    /// Whether the client left while nothing of its request goes anywhere.
    pub(super) fn poll_gone_before_sending(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
    ) -> bool {
        // What is read of a body now would be taken for the next request.
        match exchange.upload.is_read() || self.stream.channel().is_some() {
            true => self.poll_client_gone(cx),
            false => self.stream.is_reset(),
        }
    }

    /// Polls a filter that waits since `began`, notices a client that left and time that ran out.
    fn poll_filter(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
        future: &mut Waiting,
        began: Instant,
    ) -> Poll<Result<Resume, Reason>> {
        if let Poll::Ready(resume) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(resume));
        }
        if self.poll_gone_before_sending(cx, exchange) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        let total = total_deadline(exchange, timeouts(exchange).total);
        let (at, reason) = filters_expiry(began, total);
        let glance = glance_before_sending(exchange);
        self.timer.poll(cx, earlier(Some(at), glance)).map(|()| Err(reason))
    }
}

/// When filters that wait since `began` have waited too long, and what that is called.
fn filters_expiry(began: Instant, total: Option<Instant>) -> (Instant, Reason) {
    let bound = began + FILTERS_WAIT_MAX;
    match total {
        Some(total) if total <= bound => (total, Reason::TotalTimeout),
        _ => (bound, Reason::FilterTimeout),
    }
}

/// When to look next whether a client that still has something to send is there.
pub(super) fn glance_before_sending(exchange: &Exchange) -> Option<Instant> {
    (!exchange.upload.is_read()).then(|| Instant::now() + GLANCE)
}

/// A filter that waits.
type Waiting = Pin<Box<dyn Future<Output = Resume>>>;

/// Why reading a request's body failed.
pub(super) fn client_reason(error: &PumpError) -> Reason {
    match error {
        PumpError::Source(_) | PumpError::Truncated => Reason::ClientGone,
        PumpError::Malformed => Reason::BadRequest,
        PumpError::TooLong => Reason::BodyLimit,
        PumpError::Sink(_) => Reason::UpstreamReset,
    }
}

#[cfg(test)]
#[path = "begin_tests.rs"]
mod tests;
