//! From a response head to the end of its body.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::connection::{After, Connection};
use super::exchange::Exchange;
use super::forward::{Expiry, Started, Wait, timeouts};
use super::held_back;
use super::response_headers::{self, Client, Outgoing};
use crate::error::Reason;
use crate::http1::{Decoder, RequestFacts, ResponseFacts};
use crate::message::Known;
use crate::net::Stream;
use crate::pool;
use crate::relay::{PumpError, Waiting};

impl Connection {
    /// Passes the response on; afterwards the backend's connection is back in its pool or closed.
    pub(super) async fn deliver(
        &mut self,
        exchange: &mut Exchange,
        facts: &RequestFacts,
        started: Started,
    ) -> After {
        let Started { connection, permit, facts: response_facts, buffer, range, mut wait } =
            started;
        let outgoing = self.begin_response(exchange, facts, &response_facts, &wait);
        let worker = Rc::clone(self.worker());
        let resources = worker.resources();
        exchange.download.start(Decoder::new(response_facts.framing), outgoing.encoding, u64::MAX);
        let primed = match range.is_empty() {
            true => {
                resources.buffers.put(buffer);
                Ok(())
            }
            false => exchange.download.prime(buffer, range, resources),
        };
        exchange.download.commit(resources);
        let delivered = match primed {
            Err(_) => Err(Reason::UpstreamTruncated),
            Ok(()) => self.deliver_body(exchange, &connection.stream, &mut wait).await,
        };
        drop(permit);
        match delivered {
            Ok(()) => {
                self.pool_connection(exchange, connection, &response_facts, &wait);
                self.after(exchange, outgoing, &wait)
            }
            Err(reason) => {
                exchange.record.reason = Some(reason);
                if outgoing.until_close {
                    self.stream.reset_on_close();
                }
                After::Close
            }
        }
    }

    fn begin_response(
        &self,
        exchange: &mut Exchange,
        facts: &RequestFacts,
        response_facts: &ResponseFacts,
        wait: &Wait,
    ) -> Outgoing {
        let status = exchange.response.status;
        exchange.record.status = status;
        // An error before the body was taken: nobody wants the rest of it.
        let cut_short = (!wait.upload_over || wait.upload_broken) && status >= 400;
        let client = Client {
            version: exchange.request.version,
            keep_alive: self.may_keep_alive(exchange, Some(facts)) && !cut_short,
            head_request: exchange.request.method() == b"HEAD",
        };
        response_headers::write(
            &mut exchange.response,
            response_facts,
            client,
            &mut exchange.download.out,
        )
    }

    async fn deliver_body(
        &mut self,
        exchange: &mut Exchange,
        upstream: &Stream,
        wait: &mut Wait,
    ) -> Result<(), Reason> {
        let mut moved = Instant::now();
        exchange.record.first_byte =
            exchange.record.started.map(|started| moved.saturating_duration_since(started));
        poll_fn(|cx| self.poll_delivery(cx, exchange, upstream, wait, &mut moved)).await
    }

    fn poll_delivery(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
        wait: &mut Wait,
        moved: &mut Instant,
    ) -> Poll<Result<(), Reason>> {
        if let Poll::Ready(Err(reason)) = self.poll_upload(cx, exchange, upstream, wait) {
            return Poll::Ready(Err(reason));
        }
        match exchange.download.poll(cx, upstream, &self.stream, self.worker().resources()) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(PumpError::Sink(_))) => return Poll::Ready(Err(Reason::ClientGone)),
            Poll::Ready(Err(_)) => return Poll::Ready(Err(Reason::UpstreamTruncated)),
            Poll::Pending => {}
        }
        if std::mem::take(&mut exchange.download.progressed) {
            *moved = Instant::now();
        }
        if held_back::client_was_lost(&self.stream, exchange, wait.upload_moved) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        let timeouts = timeouts(exchange);
        let mut expiry = match exchange.download.waiting {
            Waiting::Sink => Expiry::after(*moved, timeouts.send_idle, Reason::ClientStalled),
            Waiting::Source if is_event_stream(exchange) => {
                Expiry::after(*moved, timeouts.tunnel_idle, Reason::ResponseTimeout)
            }
            Waiting::Source => {
                Expiry::after(*moved, timeouts.response_idle, Reason::ResponseTimeout)
            }
        };
        if !wait.upload_over {
            expiry = expiry.or(self.upload_expiry(exchange, wait, &timeouts));
        } else if exchange.download.waiting == Waiting::Source && self.poll_client_gone(cx) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        // It streams: from here on only the policy is needed.
        let n_workers = self.worker().n_workers;
        if let Some(hold) = &mut exchange.hold {
            hold.unpin(n_workers);
        }
        self.poll_expiry(cx, exchange, expiry, &timeouts)
    }

    fn pool_connection(
        &self,
        exchange: &Exchange,
        connection: pool::Connection,
        response_facts: &ResponseFacts,
        wait: &Wait,
    ) {
        let clean = wait.upload_over && !wait.upload_broken && exchange.download.surplus.is_empty();
        let worker = self.worker();
        if let (true, true, Some(policy), Some(backend)) = (
            response_facts.keep_alive,
            clean,
            exchange.hold.as_ref().and_then(|hold| hold.pool(worker.n_workers)),
            &exchange.record.backend,
        ) {
            worker.pool.put(backend.id, connection, policy, Instant::now());
        }
    }

    fn after(&self, exchange: &Exchange, outgoing: Outgoing, wait: &Wait) -> After {
        let all_read = wait.upload_over && exchange.upload.is_read();
        match (outgoing.keep_alive && all_read, all_read && self.inbox.is_empty()) {
            (true, _) => After::Continue,
            (false, true) => After::Close,
            (false, false) => After::Linger,
        }
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
