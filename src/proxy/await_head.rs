//! Waiting for a response head while the request is still on its way: both peers at once.

use std::ops::Range;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::begin::client_reason;
use super::connection::{Connection, keep_surplus};
use super::exchange::Exchange;
use super::expiry::{Expiry, timeouts};
use super::held_back;
use super::hold::Hold;
use super::mirror;
use super::race;
use super::response_headers;
use crate::backend::Permit;
use crate::error::Reason;
use crate::http1::{Expectation, Parsed, ResponseFacts, parse_response};
use crate::message::Version;
use crate::net::{BackendChannel, Channel, Stream};
use crate::relay::{Buffer, PumpError};

/// Interim responses (1xx) we pass on for one request; a backend that sends more is broken.
const INTERIMS_MAX: u32 = 32;

/// Room for reading behind a part of a response head.
const HEAD_READ_BYTES: usize = 16 * 1024;

/// A response head as read, and what came behind it, in the range of the buffer.
pub(super) type Head = (ResponseFacts, Buffer, Range<usize>);

/// The state of waiting on both peers at once.
#[derive(Debug, Default)]
pub(super) struct Wait {
    /// Nothing more will be sent to the backend: all was, or it stopped taking it.
    pub(super) upload_over: bool,
    /// It stopped taking it.
    pub(super) upload_broken: bool,
    /// The client waits for a 100 before it sends the body.
    pub(super) expecting: bool,
    /// When the upload last moved.
    pub(super) upload_moved: Option<Instant>,
    /// When the request was fully sent.
    pub(super) sent: Option<Instant>,
    /// When this try has taken too long, where the policy bounds it.
    pub(super) try_until: Option<Instant>,
    /// Interim responses of all tries: the client has them, or may.
    pub(super) n_interims: u32,
    /// The head went to the backend beside the bytes that the upload counts.
    pub(super) head_sent: bool,
    /// The permit knows that all was sent.
    pub(super) told: bool,
    /// The answer was looked for once.
    pub(super) looked: bool,
    /// The backend is stalled: this try is put aside, and another races it.
    pub(super) parks: bool,
    /// The budget had nothing left for that.
    pub(super) race_refused: bool,
}

impl Wait {
    /// The beginning of a try at `now`, on a connection that was ready at `ready`.
    #[inline]
    pub(super) fn begin(exchange: &mut Exchange, now: Instant, ready: Instant) {
        let policy = exchange.hold.as_ref().and_then(Hold::policy);
        let per_try = policy.and_then(|policy| policy.retry.per_try);
        exchange.wait = Wait {
            expecting: exchange.request.facts.expectation == Expectation::Continue
                && exchange.request.head.version != Version::Http10
                && exchange.upload.data_bytes == 0,
            upload_moved: Some(ready),
            sent: Some(ready),
            try_until: per_try.map(|per_try| now + per_try),
            n_interims: exchange.wait.n_interims,
            ..Wait::default()
        };
    }
}

impl Connection {
    /// Drives the upload, reads the response head, notices a client that left and time that ran out. Polls the try
    /// that is raced, too.
    pub(super) fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
        permit: &mut Permit,
    ) -> Poll<Result<Head, Reason>> {
        if let Poll::Ready(Err(reason)) = self.poll_upload(cx, exchange, upstream) {
            return Poll::Ready(Err(reason));
        }
        if exchange.wait.upload_over
            && !std::mem::replace(&mut exchange.wait.told, true)
            && let Some(sent) = exchange.wait.sent
        {
            permit.sent(sent);
        }
        if let Poll::Ready(head) = self.poll_parked(cx, exchange) {
            return Poll::Ready(Ok(head));
        }
        loop {
            let n_interims = exchange.wait.n_interims;
            if let Poll::Ready(result) = self.poll_response_head(cx, exchange, upstream) {
                return Poll::Ready(result);
            }
            if !exchange.download.is_flushed() {
                let resources = self.worker().resources();
                if let Poll::Ready(Err(_)) =
                    exchange.download.poll_flush(cx, &self.stream, resources)
                {
                    return Poll::Ready(Err(Reason::ClientGone));
                }
            }
            if n_interims == exchange.wait.n_interims {
                break;
            }
        }
        if exchange.wait.upload_over && !exchange.wait.upload_broken && self.poll_client_gone(cx) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        if held_back::client_was_lost(cx, &self.stream, exchange) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        if permit.backend().is_stalled() && race::may_begin(self.worker(), exchange, permit) {
            exchange.wait.parks = true;
            return Poll::Ready(Err(Reason::Stalled));
        }
        self.poll_head_expiry(cx, exchange, permit)
    }

    /// Whether somebody has taken too long.
    fn poll_head_expiry(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
        permit: &Permit,
    ) -> Poll<Result<Head, Reason>> {
        let timeouts = timeouts(exchange);
        let mut expiry = match exchange.wait.upload_over || exchange.wait.expecting {
            true => Expiry::after(
                exchange.wait.sent.max(exchange.wait.upload_moved),
                timeouts.first_byte,
                Reason::FirstByteTimeout,
            ),
            false => self.upload_expiry(exchange, &timeouts),
        };
        if let Some(until) = exchange.wait.try_until {
            expiry = expiry.or(Expiry::at(until, Reason::FirstByteTimeout));
        }
        self.poll_expiry(cx, exchange, expiry, &timeouts).map_err(|reason| match reason {
            Reason::FirstByteTimeout if permit.backend().is_stalled() => Reason::Stalled,
            reason => reason,
        })
    }

    /// Moves the request body on.
    pub(super) fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
    ) -> Poll<Result<(), Reason>> {
        if exchange.wait.upload_over {
            return Poll::Ready(Ok(()));
        }
        let moved = exchange.upload.poll(cx, &self.stream, upstream, self.worker().resources());
        keep_surplus(&mut self.inbox, &mut exchange.upload.surplus);
        match moved {
            Poll::Pending => {
                if std::mem::take(&mut exchange.upload.progressed) {
                    exchange.wait.upload_moved = Some(Instant::now());
                    // Whatever the client sends now, it does not wait any longer.
                    exchange.wait.expecting &= exchange.upload.data_bytes == 0;
                }
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => {
                if exchange.upload.data_bytes > 0 {
                    exchange.wait.sent = Some(Instant::now());
                }
                mirror::launch(self.worker(), exchange);
            }
            // The backend may have answered before it stopped reading: see what it says.
            Poll::Ready(Err(PumpError::Sink(_))) => exchange.wait.upload_broken = true,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(client_reason(&error))),
        }
        exchange.wait.upload_over = true;
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
    ) -> Poll<Result<Head, Reason>> {
        if let Some(channel) = upstream.channel().and_then(Channel::backend) {
            return self.poll_channel_head(cx, exchange, channel);
        }
        // A request that has just left has no answer yet: ask for a wake-up before trying to read.
        if !std::mem::replace(&mut exchange.wait.looked, true)
            && upstream.poll_readable(cx).is_pending()
        {
            return Poll::Pending;
        }
        loop {
            let held = exchange.inbox.len();
            let buffers = self.worker().resources().buffers;
            let mut buffer = match held {
                0 => buffers.take(),
                _ => buffers.take_at_least(held + HEAD_READ_BYTES),
            };
            let n = match upstream.poll_read(cx, &mut buffer[held..]) {
                Poll::Ready(Ok(n)) if n > 0 => held + n,
                Poll::Ready(_) => {
                    buffers.put(buffer);
                    return Poll::Ready(Err(Reason::UpstreamReset));
                }
                Poll::Pending => {
                    buffers.put(buffer);
                    return Poll::Pending;
                }
            };
            buffer[..held].copy_from_slice(&exchange.inbox);
            exchange.inbox.clear();
            match read_heads(&self.stream, exchange, &buffer[..n]) {
                Ok(Some((facts, at))) => return Poll::Ready(Ok((facts, buffer, at..n))),
                Ok(None) => buffers.put(buffer),
                Err(reason) => {
                    buffers.put(buffer);
                    return Poll::Ready(Err(reason));
                }
            }
        }
    }

    /// Heads that come beside the bytes.
    fn poll_channel_head(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        channel: &dyn BackendChannel,
    ) -> Poll<Result<Head, Reason>> {
        loop {
            let facts = ready!(channel.poll_response(cx, &mut exchange.response))?;
            if see_head(&self.stream, exchange, &facts)? {
                return Poll::Ready(Ok((facts, Buffer::default(), 0..0)));
            }
        }
    }
}

/// Parses response heads until a final one. Interim ones go to the client; a part of a head to the exchange's inbox.
fn read_heads(
    client: &Stream,
    exchange: &mut Exchange,
    bytes: &[u8],
) -> Result<Option<(ResponseFacts, usize)>, Reason> {
    let mut at = 0;
    let head_request = exchange.request.head.method() == b"HEAD";
    while at < bytes.len() {
        let parsed = parse_response(&bytes[at..], head_request, &mut exchange.response);
        let (head_bytes, facts) = match parsed.map_err(|_| Reason::UpstreamProtocol)? {
            Parsed::Complete { head_bytes, facts } => (head_bytes, facts),
            Parsed::Partial => {
                exchange.inbox.extend_from_slice(&bytes[at..]);
                break;
            }
        };
        at += head_bytes;
        if see_head(client, exchange, &facts)? {
            return Ok(Some((facts, at)));
        }
    }
    Ok(None)
}

/// Takes note of the response head that was read last. `true`: it is the final one; interim ones go to the client.
fn see_head(
    client: &Stream,
    exchange: &mut Exchange,
    facts: &ResponseFacts,
) -> Result<bool, Reason> {
    match exchange.response.status {
        101 if exchange.request.upgrade && exchange.wait.upload_over => return Ok(true),
        101 => return Err(Reason::UpstreamProtocol),
        100..=199 => {}
        _ => return Ok(true),
    }
    exchange.wait.n_interims += 1;
    if exchange.wait.n_interims > INTERIMS_MAX {
        return Err(Reason::UpstreamProtocol);
    }
    if exchange.response.status == 100 && exchange.wait.expecting {
        exchange.wait.expecting = false;
        exchange.wait.upload_moved = Some(Instant::now());
    }
    match client.channel().and_then(Channel::client) {
        Some(channel) => {
            response_headers::strip_interim(&mut exchange.response, facts);
            channel.inform(&exchange.response)?;
        }
        // RFC 9110, section 15.2: an HTTP/1.0 client does not know them.
        None if exchange.request.head.version == Version::Http10 => {}
        None => {
            response_headers::strip_interim(&mut exchange.response, facts);
            response_headers::write_interim(&exchange.response, &mut exchange.download.out);
        }
    }
    Ok(false)
}
