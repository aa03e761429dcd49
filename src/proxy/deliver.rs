//! From a response head to the end of its body.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Instant;

use super::connection::{After, Connection};
use super::exchange::Exchange;
use super::expiry::{Expiry, timeouts};
use super::forward::Started;
use super::held_back;
use super::pick;
use super::response_headers::{self, Client, Outgoing};
use crate::admit;
use crate::backend::Backend;
use crate::config::Signal;
use crate::error::Reason;
use crate::filter::Transform;
use crate::http1::{Decoder, Framing, ResponseFacts};
use crate::message::Known;
use crate::net::{Channel, Stream};
use crate::relay::{PumpError, Waiting};

impl Connection {
    /// Passes the response on; afterwards the backend's connection is back in its pool or closed.
    pub(super) async fn deliver(&mut self, exchange: &mut Exchange) -> After {
        let Some(mut started) = exchange.started.take() else { return After::Close };
        let n_before = exchange.download.out.len();
        let (outgoing, through, facts) = self.begin_response(exchange, &started);
        // For as long as the end of the connection would look like the end of the body, whoever ends it: the
        // backend, the client's slowness or the end of the process.
        self.resets = outgoing.until_close;
        if self.prime(exchange, &mut started, outgoing, through).is_err() {
            // Not a byte of this response has left: the client can be told.
            exchange.download.out.truncate(n_before);
            self.resets = false;
            pick::broke_off(self.worker(), &started.permit, exchange, Signal::Reset);
            return self.answer(exchange, Reason::UpstreamProtocol).await;
        }
        if let Some(client) = self.stream.channel()
            && let Err(reason) = respond(client, exchange, &started, outgoing.framing(&facts))
        {
            return match reason {
                Reason::UpstreamProtocol => {
                    // The answer is not to come behind what was read of the body.
                    exchange.download.release(self.worker().resources());
                    self.answer(exchange, reason).await
                }
                reason => cut(exchange, reason),
            };
        }
        let record = &mut exchange.record;
        let mut moved = *record.turn.get_or_insert_with(Instant::now);
        record.first_byte = record.started.map(|started| moved.saturating_duration_since(started));
        let upstream = &started.connection.stream;
        match poll_fn(|cx| self.poll_delivery(cx, exchange, upstream, &mut moved)).await {
            Ok(()) => {
                self.resets = false;
                if started.facts.framing != Framing::None {
                    started.permit.body_ended();
                }
                self.pool_connection(exchange, started);
                self.after(exchange, outgoing)
            }
            Err(reason) => {
                if let Some(signal) = backends_fault(exchange, reason) {
                    pick::broke_off(self.worker(), &started.permit, exchange, signal);
                }
                // What a client of gRPC takes for its deadline.
                if reason == Reason::TotalTimeout
                    && let (Some(_), Some(channel)) = (exchange.request.call, self.stream.channel())
                {
                    channel.cancel();
                }
                cut(exchange, reason)
            }
        }
    }

    /// Starts the download with what was read along with the head.
    fn prime(
        &self,
        exchange: &mut Exchange,
        started: &mut Started,
        outgoing: Outgoing,
        through: Option<Box<dyn Transform>>,
    ) -> Result<(), PumpError> {
        let resources = self.worker().resources();
        let (buffer, range) = (std::mem::take(&mut started.buffer), started.range.clone());
        exchange.download.start(Decoder::new(started.facts.framing), outgoing.encoding, u64::MAX);
        if let Some(through) = through.filter(|_| started.facts.framing != Framing::None) {
            exchange.download.pass_through(through);
        }
        let primed = match range.is_empty() {
            true => {
                resources.buffers.put(buffer);
                Ok(())
            }
            false => exchange.download.prime(buffer, range, resources),
        };
        exchange.download.commit(resources);
        primed
    }

    /// Shows the head to the route's filters and writes it to the client's pending bytes, if it does not go beside
    /// them. Returns what the body has to go through, and how it comes out.
    fn begin_response(
        &self,
        exchange: &mut Exchange,
        started: &Started,
    ) -> (Outgoing, Option<Box<dyn Transform>>, ResponseFacts) {
        let status = exchange.response.status;
        // Answered before the body was taken: nobody wants the rest of an error's or a redirect's, and who
        // waits for a 100 will not send it (RFC 9110, section 10.1.1: then the client is to be told).
        let wait = &exchange.wait;
        let cut_short =
            (!wait.upload_over || wait.upload_broken) && (status >= 300 || wait.expecting);
        let client = Client {
            version: exchange.request.head.version,
            keep_alive: self.may_keep_alive(exchange) && !cut_short,
            head_request: exchange.request.head.method() == b"HEAD",
        };
        let mut facts = started.facts;
        response_headers::strip(&mut exchange.response, &facts, client);
        pick::stick(exchange, started.permit.backend());
        let through = filter_response(exchange, started.permit.backend());
        if through.is_some() {
            facts = response_headers::wrap(&mut exchange.response, &facts);
        }
        exchange.record.status = exchange.response.status;
        let outgoing = match self.stream.channel() {
            Some(_) => response_headers::plan(&facts, client),
            None => {
                let out = &mut exchange.download.out;
                response_headers::write(&exchange.response, &facts, client, out)
            }
        };
        (outgoing, through, facts)
    }

    fn poll_delivery(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
        moved: &mut Instant,
    ) -> Poll<Result<(), Reason>> {
        if let Poll::Ready(Err(reason)) = self.poll_upload(cx, exchange, upstream) {
            return Poll::Ready(Err(reason));
        }
        match exchange.download.poll(cx, upstream, &self.stream, self.worker().resources()) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(PumpError::Sink(_))) => return Poll::Ready(Err(Reason::ClientGone)),
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Reason::UpstreamTruncated)),
            Poll::Pending => exchange.record.turn = None,
        }
        if std::mem::take(&mut exchange.download.progressed) {
            *moved = Instant::now();
        }
        if held_back::client_was_lost(cx, &self.stream, exchange) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        let timeouts = timeouts(exchange);
        let mut expiry = match exchange.download.waiting {
            Waiting::Sink => Expiry::after(Some(*moved), timeouts.send_idle, Reason::ClientStalled),
            Waiting::Source => {
                let idle = match is_event_stream(exchange) {
                    true => timeouts.tunnel_idle,
                    false => timeouts.response_idle,
                };
                // A backend that still gets the request may have nothing to say before its end.
                let since = Some(*moved).max(exchange.wait.upload_moved).max(exchange.wait.sent);
                Expiry::after(since, idle, Reason::ResponseTimeout)
            }
        };
        if !exchange.wait.upload_over {
            expiry = expiry.or(self.upload_expiry(exchange, &timeouts));
        } else if exchange.download.waiting == Waiting::Source && self.poll_client_gone(cx) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        // It streams: from here on only the policy is needed.
        if let Some(hold) = &mut exchange.hold {
            hold.unpin();
        }
        self.poll_expiry(cx, exchange, expiry, &timeouts)
    }

    fn pool_connection(&self, exchange: &mut Exchange, started: Started) {
        // Most responses leave in the turn they came in: that is one moment.
        let ended = exchange.record.turn.unwrap_or_else(Instant::now);
        exchange.record.ended = Some(ended);
        let wait = &exchange.wait;
        let clean = wait.upload_over && !wait.upload_broken && exchange.download.surplus.is_empty();
        if !clean || !started.facts.keep_alive {
            return;
        }
        let worker = self.worker();
        if let Some(policy) = exchange.hold.as_ref().and_then(|hold| hold.pool()) {
            let backend = started.permit.backend().id;
            worker.pool.put(backend, started.connection, policy, ended);
        }
    }

    fn after(&self, exchange: &Exchange, outgoing: Outgoing) -> After {
        let all_read = exchange.wait.upload_over && exchange.upload.is_read();
        match (outgoing.keep_alive && all_read, all_read && self.inbox.is_empty()) {
            (true, _) => After::Continue,
            (false, true) => After::Close,
            (false, false) => After::Linger,
        }
    }
}

/// Sends the head beside the bytes.
#[inline]
fn respond(
    client: &dyn Channel,
    exchange: &mut Exchange,
    started: &Started,
    framing: Framing,
) -> Result<(), Reason> {
    exchange.download.expect_trailers(framing, &started.connection.stream, client);
    match client.client() {
        Some(channel) => channel.respond(&exchange.response, framing),
        None => Err(Reason::Internal),
    }
}

/// Lets the filters that saw the request see the response.
pub(super) fn filter_response(
    exchange: &mut Exchange,
    backend: &Backend,
) -> Option<Box<dyn Transform>> {
    if exchange.request.n_passed == 0 {
        return None;
    }
    let entry = exchange.hold.as_ref()?.entry()?;
    let policy = exchange.hold.as_ref()?.policy()?;
    admit::on_response(&mut exchange.request, &mut exchange.response, entry, policy, &backend.label)
}

/// Ends the exchange in mid-response.
fn cut(exchange: &mut Exchange, reason: Reason) -> After {
    exchange.record.reason = Some(reason);
    After::Close
}

/// What speaks against the backend of a response that was cut for `reason`. Silence does not where it may last.
#[cold]
fn backends_fault(exchange: &Exchange, reason: Reason) -> Option<Signal> {
    let may_be_silent = exchange.request.call.is_some_and(|call| call.may_be_silent);
    match reason {
        Reason::UpstreamTruncated => Some(Signal::Reset),
        Reason::ResponseTimeout if may_be_silent || is_event_stream(exchange) => None,
        // The second: it does not take the rest of the request.
        Reason::ResponseTimeout | Reason::FirstByteTimeout => Some(Signal::Timeout),
        _ => None,
    }
}

/// Server-sent events are silent for as long as nothing happens.
fn is_event_stream(exchange: &Exchange) -> bool {
    const TYPE: &[u8] = b"text/event-stream";
    let content_type = exchange.response.fields.get(Known::ContentType);
    content_type.is_some_and(|value| {
        value.len() >= TYPE.len() && value[..TYPE.len()].eq_ignore_ascii_case(TYPE)
    })
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
