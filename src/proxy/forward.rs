//! From a request to a response head: pick, connect, send, wait, and again where that is safe.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::begin::client_reason;
use super::connection::Connection;
use super::exchange::Exchange;
use super::held_back;
use super::hold::Hold;
use super::mirror;
use super::pick;
use super::queue;
use super::response_headers;
use super::timer::earlier;
use crate::admit;
use crate::backend::{Backend, Permit};
use crate::config::ExchangeTimeouts;
use crate::error::Reason;
use crate::http1::{Expectation, Parsed, ResponseFacts, parse_response};
use crate::message::Version;
use crate::net::{self, Stream};
use crate::pool;
use crate::relay::{Buffer, PumpError, Waiting};

/// Tries of one request, whatever became of each.
const TRIES_MAX: u32 = 5;

/// Backends that may refuse a request before the client is told.
pub const REFUSALS_MAX: u32 = 3;

/// Interim responses (1xx) we pass on for one request; a backend that sends more is broken.
const INTERIMS_MAX: u32 = 32;

/// Room for reading behind a part of a response head.
const HEAD_READ_BYTES: usize = 16 * 1024;

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
    n_interims: u32,
    /// The answer was looked for once.
    looked: bool,
}

/// Why one try failed, and what may be tried next.
struct Failed {
    reason: Reason,
    again: Again,
}

enum Again {
    Never,
    /// Nothing was sent, or twice in vain: any other backend will do.
    Elsewhere,
    /// An idle connection turned out dead: a new one to the same backend.
    OnNewConnection,
}

impl Failed {
    fn never(reason: Reason) -> Self {
        Failed { reason, again: Again::Never }
    }
}

impl Wait {
    /// The beginning of a try.
    fn begin(exchange: &Exchange, now: Instant) -> Self {
        Wait {
            expecting: exchange.request.facts.expectation == Expectation::Continue
                && exchange.request.head.version == Version::Http11,
            upload_moved: Some(now),
            sent: Some(now),
            ..Wait::default()
        }
    }
}

/// A response head as read.
type Answered = (ResponseFacts, Buffer, Range<usize>);

impl Connection {
    /// Sends the request and waits for the final response head (or a 101), which is then in
    /// `exchange.response`, and the rest in `exchange.started`. Interim responses go to the client on the way.
    pub(super) async fn forward(&mut self, exchange: &mut Exchange) -> Result<(), Reason> {
        let mut last = Reason::NoBackend;
        let mut n_refusals = 0;
        let mut same: Option<Permit> = None;
        mirror::plan(self.worker(), exchange);
        for _ in 0..TRIES_MAX {
            let fresh = same.is_some();
            let mut permit = match same.take().or_else(|| pick::pick(self.worker(), exchange)) {
                Some(permit) => permit,
                // Boxed for the same reason as connecting is.
                None if queue::may_wait(exchange) => Box::pin(self.wait_in_queue(exchange)).await?,
                None => return Err(last),
            };
            if exchange.record.attempts > 0 {
                self.worker().counters().retries.add(1);
            }
            exchange.record.attempts += 1;
            exchange.record.backend = Some(permit.backend().clone());
            let failed = match self.attempt(exchange, permit.backend(), fresh).await {
                Ok((connection, (facts, buffer, range))) => {
                    pick::settle(&mut permit, exchange, Ok(exchange.response.status));
                    exchange.started = Some(Started { connection, permit, facts, buffer, range });
                    return Ok(());
                }
                Err(failed) => failed,
            };
            if !matches!(failed.again, Again::OnNewConnection) {
                pick::settle(&mut permit, exchange, Err(failed.reason));
            }
            last = failed.reason;
            match failed.again {
                Again::Never => return Err(last),
                Again::Elsewhere => {
                    n_refusals += 1;
                    if n_refusals == REFUSALS_MAX {
                        return Err(last);
                    }
                    exchange.tried.insert(permit.backend());
                }
                Again::OnNewConnection => same = Some(permit),
            }
        }
        Err(last)
    }

    async fn attempt(
        &mut self,
        exchange: &mut Exchange,
        backend: &Backend,
        fresh: bool,
    ) -> Result<(pool::Connection, Answered), Failed> {
        let first_try = exchange.record.attempts == 1 && !exchange.record.queued;
        let now = exchange.record.started.filter(|_| first_try).unwrap_or_else(Instant::now);
        let pooled = if fresh { None } else { self.worker().pool.take(backend.id, now) };
        let reused = pooled.is_some();
        let mut upstream = match pooled {
            Some(connection) => {
                self.worker().counters().upstream_reuses.add(1);
                connection
            }
            // Boxed, so that idle connections do not keep room for it.
            None => Box::pin(self.connect(exchange, backend)).await?,
        };
        upstream.n_requests += 1;
        write_head(exchange, backend);
        exchange.wait = Wait::begin(exchange, if reused { now } else { upstream.opened });
        match poll_fn(|cx| self.poll_response(cx, exchange, &upstream.stream)).await {
            Ok(answered) => {
                exchange.upload.commit(self.worker().resources());
                Ok((upstream, answered))
            }
            Err(reason) => Err(failed(exchange, reason, reused, fresh)),
        }
    }

    async fn connect(
        &mut self,
        exchange: &mut Exchange,
        backend: &Backend,
    ) -> Result<pool::Connection, Failed> {
        let began = Instant::now();
        let timeouts = timeouts(exchange);
        let total = total_deadline(exchange, timeouts.total);
        let deadline = earlier(timeouts.connect.map(|connect| began + connect), total);
        let mut dialling = pin!(net::dial(&backend.address));
        let dialled = poll_fn(|cx| {
            if let Poll::Ready(dialled) = dialling.as_mut().poll(cx) {
                return Poll::Ready(dialled.map_err(|error| {
                    tracing::debug!(backend = %backend.label, %error, "connect failed");
                    Failed { reason: Reason::ConnectFailed, again: Again::Elsewhere }
                }));
            }
            if exchange.upload.is_read() && self.poll_client_gone(cx) {
                return Poll::Ready(Err(Failed::never(Reason::ClientGone)));
            }
            self.timer.poll(cx, deadline).map(|()| {
                Err(match total.is_some_and(|total| Instant::now() >= total) {
                    true => Failed::never(Reason::TotalTimeout),
                    false => Failed { reason: Reason::ConnectTimeout, again: Again::Elsewhere },
                })
            })
        });
        let stream = dialled.await?;
        let opened = Instant::now();
        exchange.record.connect = Some(opened.saturating_duration_since(began));
        self.worker().counters().upstream_connects.add(1);
        Ok(pool::Connection::new(stream, opened))
    }

    /// Drives the upload, reads the response head, notices a client that left and time that ran out.
    fn poll_response(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
    ) -> Poll<Result<Answered, Reason>> {
        if let Poll::Ready(Err(reason)) = self.poll_upload(cx, exchange, upstream) {
            return Poll::Ready(Err(reason));
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
        if held_back::client_was_lost(&self.stream, exchange) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        let timeouts = timeouts(exchange);
        let expiry = match exchange.wait.upload_over || exchange.wait.expecting {
            true => Expiry::after(
                exchange.wait.sent.max(exchange.wait.upload_moved),
                timeouts.first_byte,
                Reason::FirstByteTimeout,
            ),
            false => self.upload_expiry(exchange, &timeouts),
        };
        self.poll_expiry(cx, exchange, expiry, &timeouts)
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
        // What was read behind the body is the beginning of the next request.
        self.inbox.append(&mut exchange.upload.surplus);
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

    fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
    ) -> Poll<Result<Answered, Reason>> {
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
            match read_heads(exchange, &buffer[..n]) {
                Ok(Some((facts, at))) => return Poll::Ready(Ok((facts, buffer, at..n))),
                Ok(None) => buffers.put(buffer),
                Err(reason) => {
                    buffers.put(buffer);
                    return Poll::Ready(Err(reason));
                }
            }
        }
    }

    /// When an upload that is not over has stalled, and whose fault that is.
    pub(super) fn upload_expiry(&self, exchange: &Exchange, timeouts: &ExchangeTimeouts) -> Expiry {
        let policy = exchange.hold.as_ref().and_then(Hold::policy);
        let body_idle = policy.and_then(|policy| policy.body_idle);
        match exchange.upload.waiting {
            Waiting::Source => {
                Expiry::after(exchange.wait.upload_moved, body_idle, Reason::BodyTimeout)
            }
            Waiting::Sink => Expiry::after(
                exchange.wait.upload_moved,
                timeouts.send_idle,
                Reason::FirstByteTimeout,
            ),
        }
    }

    /// Ready with the reason once `expiry`, or the time for the whole exchange, has come.
    pub(super) fn poll_expiry<T>(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &Exchange,
        expiry: Expiry,
        timeouts: &ExchangeTimeouts,
    ) -> Poll<Result<T, Reason>> {
        let total = total_deadline(exchange, timeouts.total);
        let deadline = earlier(earlier(expiry.at, total), held_back::next_glance(exchange));
        self.timer.poll(cx, deadline).map(|()| {
            Err(match total.is_some_and(|total| expiry.at.is_none_or(|at| total <= at)) {
                true => Reason::TotalTimeout,
                false => expiry.reason,
            })
        })
    }
}

/// A deadline and what it means when it passes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    at: Option<Instant>,
    reason: Reason,
}

impl Expiry {
    pub(super) fn after(since: Option<Instant>, timeout: Option<Duration>, reason: Reason) -> Self {
        Expiry { at: since.zip(timeout).map(|(since, timeout)| since + timeout), reason }
    }

    /// The one that comes first.
    pub(super) fn or(self, other: Expiry) -> Self {
        match (self.at, other.at) {
            (Some(a), Some(b)) if b < a => other,
            (None, Some(_)) => other,
            _ => self,
        }
    }
}

/// What may be tried after `reason`. A connection from the pool that ends before it answers was most likely
/// closed while idle: the request may be sent again where nothing of it was written, or it is idempotent. If the
/// `fresh` connection made in its place ends as well, the backend is going down, and another may answer.
fn failed(exchange: &mut Exchange, reason: Reason, reused: bool, fresh: bool) -> Failed {
    let unanswered = reason == Reason::UpstreamReset
        && exchange.inbox.is_empty()
        && exchange.wait.n_interims == 0;
    let safe = exchange.upload.wrote_nothing() || is_idempotent(exchange.request.head.method());
    exchange.inbox.clear();
    if !unanswered || !safe || !exchange.upload.can_replay() {
        return Failed::never(reason);
    }
    let again = match (reused, fresh) {
        (true, _) => Again::OnNewConnection,
        (false, true) => Again::Elsewhere,
        (false, false) => return Failed::never(reason),
    };
    exchange.upload.replay();
    Failed { reason, again }
}

/// Parses response heads until a final one. Interim ones are written to the client's pending bytes; a part
/// of a head goes to the exchange's inbox.
fn read_heads(
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
        match exchange.response.status {
            101 if exchange.request.upgrade && exchange.wait.upload_over => {
                return Ok(Some((facts, at)));
            }
            101 => return Err(Reason::UpstreamProtocol),
            100..=199 => {
                exchange.wait.n_interims += 1;
                if exchange.wait.n_interims > INTERIMS_MAX {
                    return Err(Reason::UpstreamProtocol);
                }
                if exchange.response.status == 100 && exchange.wait.expecting {
                    exchange.wait.expecting = false;
                    exchange.wait.upload_moved = Some(Instant::now());
                }
                // RFC 9110, section 15.2: an HTTP/1.0 client does not know them.
                if exchange.request.head.version == Version::Http11 {
                    response_headers::write_interim(
                        &mut exchange.response,
                        &facts,
                        &mut exchange.download.out,
                    );
                }
            }
            _ => return Ok(Some((facts, at))),
        }
    }
    Ok(None)
}

/// Puts the request's head, with the Host this backend is to see, before its body.
fn write_head(exchange: &mut Exchange, backend: &Backend) {
    let request = &exchange.request;
    let upstream = exchange.hold.as_ref().and_then(Hold::upstream);
    let host = upstream.and_then(|upstream| admit::backend_host(request, upstream, backend));
    exchange.upload.set_head(|out| {
        request.head.write_to(host, out);
        out.extend_from_slice(b"\r\n");
    });
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE")
}

pub(super) fn timeouts(exchange: &Exchange) -> ExchangeTimeouts {
    let policy = exchange.hold.as_ref().and_then(Hold::policy);
    policy.map_or_else(ExchangeTimeouts::off, |policy| policy.timeouts)
}

pub(super) fn total_deadline(exchange: &Exchange, total: Option<Duration>) -> Option<Instant> {
    Some(exchange.record.started? + total?)
}
