//! What the client gets without a backend's help, and whether its connection survives that.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::connection::{After, Connection};
use super::exchange::Exchange;
use super::hold::Hold;
use super::respond::{self, Answer};
use crate::admit;
use crate::error::Reason;
use crate::filter;
use crate::http1::{Parsed, parse_response};
use crate::message::Known;
use crate::net::{Channel, ClientChannel};

impl Connection {
    /// Answers for the backend.
    pub(super) async fn answer(&mut self, exchange: &mut Exchange, reason: Reason) -> After {
        exchange.record.reason = Some(reason);
        if admit::status(reason).is_none() {
            return After::Close;
        }
        let keep_alive =
            !closes(reason) && exchange.upload.is_read() && self.may_keep_alive(exchange);
        exchange.record.bytes_in = exchange.upload.data_bytes;
        exchange.upload.release(self.worker().resources());
        let (status, body_bytes) = write_answer(exchange, reason, keep_alive);
        (exchange.record.status, exchange.record.own_bytes) = (status, body_bytes);
        // Boxed, so that idle connections do not keep room for it.
        Box::pin(self.send_answer(exchange, &[], keep_alive)).await
    }

    /// Gives the client what a route or a filter answers: the head in `exchange.response` and `body`.
    pub(super) async fn give(&mut self, exchange: &mut Exchange, body: Arc<[u8]>) -> After {
        let keep_alive = exchange.upload.is_read() && self.may_keep_alive(exchange);
        exchange.record.bytes_in = exchange.upload.data_bytes;
        exchange.upload.release(self.worker().resources());
        let wrapped = through_filters(exchange, &body);
        let body = wrapped.as_deref().unwrap_or(&body);
        let body = write_head(exchange, body, keep_alive);
        exchange.record.status = exchange.response.status;
        exchange.record.first_byte = exchange
            .record
            .started
            .map(|started| Instant::now().saturating_duration_since(started));
        if body.len() > JOINED_BYTES_MAX {
            return self.send_answer(exchange, body, keep_alive).await;
        }
        exchange.download.out.extend_from_slice(body);
        exchange.record.own_bytes = body.len() as u64;
        self.send_answer(exchange, &[], keep_alive).await
    }

    /// Sends what is in the client's pending bytes, then `body`, and counts that.
    async fn send_answer(
        &mut self,
        exchange: &mut Exchange,
        body: &[u8],
        keep_alive: bool,
    ) -> After {
        if let Some(channel) = self.stream.channel().and_then(Channel::client)
            && respond(channel, exchange).is_err()
        {
            return After::Close;
        }
        let send_idle = exchange.hold.as_ref().and_then(send_idle);
        let mut deadline = send_idle.map(|send_idle| Instant::now() + send_idle);
        let mut rest = body;
        let sent = poll_fn(|cx| {
            let resources = self.registration.worker.resources();
            match exchange.download.poll_flush(cx, &self.stream, resources) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(false),
                Poll::Pending => return self.poll_slow(cx, exchange, deadline),
            }
            while !rest.is_empty() {
                match self.stream.poll_write(cx, rest) {
                    Poll::Ready(Ok(n)) if n > 0 => {
                        rest = &rest[n..];
                        exchange.record.own_bytes += n as u64;
                        deadline = send_idle.map(|send_idle| Instant::now() + send_idle);
                    }
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => return self.poll_slow(cx, exchange, deadline),
                }
            }
            Poll::Ready(true)
        });
        match (sent.await, keep_alive) {
            (true, true) => After::Continue,
            (true, false) => After::Linger,
            (false, _) => After::Close,
        }
    }

    /// The client takes its time, at most until `deadline`: from here on only the policy is needed.
    fn poll_slow(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        deadline: Option<Instant>,
    ) -> Poll<bool> {
        if let Some(hold) = &mut exchange.hold {
            hold.unpin();
        }
        self.timer.poll(cx, deadline).map(|()| false)
    }
}

/// Writes the answer for `reason` to the client's pending bytes; its status and the length of its body.
fn write_answer(exchange: &mut Exchange, reason: Reason, keep_alive: bool) -> (u16, u64) {
    let answer = Answer {
        reason,
        request_id: &exchange.request.id,
        head_only: exchange.request.head.method() == b"HEAD",
        keep_alive,
        version: exchange.request.head.version,
        to_call: exchange.request.call.is_some(),
    };
    respond::write(answer, &mut exchange.download.out)
}

/// Sends the head that stands in the client's pending bytes beside them; what is behind it stays.
fn respond(channel: &dyn ClientChannel, exchange: &mut Exchange) -> Result<(), Reason> {
    let head_request = exchange.request.head.method() == b"HEAD";
    let out = &mut exchange.download.out;
    let parsed = parse_response(out, head_request, &mut exchange.response);
    let Ok(Parsed::Complete { head_bytes, facts }) = parsed else { return Err(Reason::Internal) };
    out.drain(..head_bytes);
    channel.respond(&exchange.response, facts.framing)
}

/// Up to this size a body is copied behind its head and written with it; a longer one is written from where it is.
const JOINED_BYTES_MAX: usize = 16 * 1024;

/// What an answer's client may take to read it: the route's, or before one was found the listener's.
fn send_idle(hold: &Hold) -> Option<Duration> {
    match hold.policy() {
        Some(policy) => policy.timeouts.send_idle,
        None => hold.listener().and_then(|listener| listener.send_idle),
    }
}

/// Lets the filters that saw the request see the answer; what they make of its body, if they change it.
fn through_filters(exchange: &mut Exchange, body: &[u8]) -> Option<Vec<u8>> {
    let (entry, policy) =
        exchange.hold.as_ref().and_then(|hold| hold.entry().zip(hold.policy()))?;
    let (request, response) = (&mut exchange.request, &mut exchange.response);
    let mut through = admit::on_response(request, response, entry, policy, "")?;
    Some(filter::whole(&mut *through, body))
}

/// Writes the head of an answer to the client's pending bytes; returns what is to be sent of its body.
fn write_head<'a>(exchange: &mut Exchange, body: &'a [u8], keep_alive: bool) -> &'a [u8] {
    let (head, out) = (&mut exchange.response, &mut exchange.download.out);
    // The framing is written here, whatever a filter made of it.
    head.fields.remove_if(|known, _| {
        matches!(
            known,
            Known::ContentLength
                | Known::TransferEncoding
                | Known::Connection
                | Known::KeepAlive
                | Known::Upgrade
        )
    });
    head.write_to(out);
    let bodiless = admit::is_bodiless(head.status);
    if !bodiless {
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    respond::write_connection(keep_alive, exchange.request.head.version, out);
    out.extend_from_slice(b"\r\n");
    if bodiless || exchange.request.head.method() == b"HEAD" { &[] } else { body }
}

/// Reasons after which nothing on the connection can be trusted or waited for.
fn closes(reason: Reason) -> bool {
    use Reason::{
        BadRequest, BodyLimit, BodyTimeout, HeaderLimit, HeaderTimeout, RateLimited, UriLimit,
    };
    matches!(
        reason,
        BadRequest | BodyLimit | BodyTimeout | HeaderLimit | HeaderTimeout | RateLimited | UriLimit
    )
}
