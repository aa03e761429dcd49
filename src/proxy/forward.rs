//! From a request to a response head: pick, connect, send, wait, and again where that is safe.

use std::future::{Future, poll_fn};
use std::ops::Range;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::connection::{Connection, client_reason};
use super::exchange::Exchange;
use super::held_back;
use super::hold::Hold;
use super::response_headers;
use super::timer::earlier;
use crate::backend::{Backend, Candidates, Permit, Tried};
use crate::balance::Hint;
use crate::config::{ExchangeTimeouts, Host};
use crate::error::Reason;
use crate::http1::{Expectation, Parsed, RequestFacts, ResponseFacts, parse_response};
use crate::message::Version;
use crate::net::{self, Stream};
use crate::pool;
use crate::relay::{Buffer, PumpError, Waiting};
use crate::snapshot::Upstream;

/// Tries of one request, whatever became of each.
const TRIES_MAX: u32 = 5;

/// Backends that may refuse a request before the client is told.
const REFUSALS_MAX: u32 = 3;

/// Interim responses (1xx) we pass on for one request; a backend that sends more is broken.
const INTERIMS_MAX: u32 = 32;

/// Room for reading behind a part of a response head.
const HEAD_READ_BYTES: usize = 16 * 1024;

/// A response that has begun.
pub(super) struct Started {
    pub(super) connection: pool::Connection,
    /// Keeps the backend's in-flight count up until the exchange ends.
    pub(super) permit: Permit,
    pub(super) facts: ResponseFacts,
    /// What was read along with the head, in `range`.
    pub(super) buffer: Buffer,
    pub(super) range: Range<usize>,
    pub(super) wait: Wait,
}

/// The state of waiting on both peers at once.
#[derive(Debug)]
pub(super) struct Wait {
    /// Nothing more will be sent to the backend: all was, or it stopped taking it.
    pub(super) upload_over: bool,
    /// It stopped taking it.
    pub(super) upload_broken: bool,
    /// The client waits for a 100 before it sends the body.
    expecting: bool,
    /// When the upload last moved.
    pub(super) upload_moved: Instant,
    /// When the request was fully sent.
    sent: Instant,
    n_interims: u32,
    upgrade: bool,
}

/// Why one try failed, and what may be tried next.
struct Failed {
    reason: Reason,
    again: Again,
}

enum Again {
    Never,
    /// Nothing was sent: any other backend will do.
    Elsewhere,
    /// An idle connection turned out dead: a new one to the same backend.
    OnNewConnection,
}

impl Failed {
    fn never(reason: Reason) -> Self {
        Failed { reason, again: Again::Never }
    }
}

/// A response head as read.
type Answered = (ResponseFacts, Buffer, Range<usize>);

impl Connection {
    /// Sends the request and waits for the final response head (or a 101), which is then in
    /// `exchange.response`. Interim responses go to the client on the way.
    pub(super) async fn forward(
        &mut self,
        exchange: &mut Exchange,
        facts: &RequestFacts,
        upgrade: bool,
    ) -> Result<Started, Reason> {
        let mut tried = Tried::default();
        let mut last = Reason::NoBackend;
        let mut n_refusals = 0;
        let mut same: Option<Permit> = None;
        for _ in 0..TRIES_MAX {
            let fresh = same.is_some();
            let Some(permit) = same.take().or_else(|| self.pick(exchange, &tried)) else {
                return Err(last);
            };
            if exchange.record.attempts > 0 {
                self.worker().counters().retries.add(1);
            }
            exchange.record.attempts += 1;
            exchange.record.backend = Some(permit.backend().clone());
            let failed = match self.attempt(exchange, facts, upgrade, permit.backend(), fresh).await
            {
                Ok((connection, (facts, buffer, range), wait)) => {
                    return Ok(Started { connection, permit, facts, buffer, range, wait });
                }
                Err(failed) => failed,
            };
            last = failed.reason;
            match failed.again {
                Again::Never => return Err(last),
                Again::Elsewhere => {
                    n_refusals += 1;
                    if n_refusals == REFUSALS_MAX {
                        return Err(last);
                    }
                    tried.insert(permit.backend());
                }
                Again::OnNewConnection => same = Some(permit),
            }
        }
        Err(last)
    }

    fn pick(&self, exchange: &Exchange, tried: &Tried) -> Option<Permit> {
        let upstream = exchange.hold.as_ref()?.upstream()?;
        let hint = Hint { worker: self.worker().index };
        upstream.balancer.pick(Candidates::new(&upstream.members, tried), hint).map(Permit::acquire)
    }

    async fn attempt(
        &mut self,
        exchange: &mut Exchange,
        facts: &RequestFacts,
        upgrade: bool,
        backend: &Backend,
        fresh: bool,
    ) -> Result<(pool::Connection, Answered, Wait), Failed> {
        let first_try = exchange.record.attempts == 1;
        let now = exchange.record.started.filter(|_| first_try).unwrap_or_else(Instant::now);
        let pooled = if fresh { None } else { self.worker().pool.take(backend.id, now) };
        let reused = pooled.is_some();
        let (mut upstream, now) = match pooled {
            Some(connection) => {
                self.worker().counters().upstream_reuses.add(1);
                (connection, now)
            }
            None => {
                let connection = self.connect(exchange, backend).await?;
                let opened = connection.opened;
                (connection, opened)
            }
        };
        upstream.n_requests += 1;
        write_head(exchange, backend);
        let mut wait = Wait {
            upload_over: false,
            upload_broken: false,
            expecting: facts.expectation == Expectation::Continue
                && exchange.request.version == Version::Http11,
            upload_moved: now,
            sent: now,
            n_interims: 0,
            upgrade,
        };
        let answered =
            poll_fn(|cx| self.poll_response(cx, exchange, &upstream.stream, &mut wait)).await;
        match answered {
            Ok(answered) => {
                exchange.upload.commit(self.worker().resources());
                Ok((upstream, answered, wait))
            }
            Err(reason) => {
                let unanswered = reason == Reason::UpstreamReset
                    && exchange.inbox.is_empty()
                    && wait.n_interims == 0;
                let safe =
                    exchange.upload.wrote_nothing() || is_idempotent(exchange.request.method());
                exchange.inbox.clear();
                if reused && unanswered && safe && exchange.upload.can_replay() {
                    exchange.upload.replay();
                    return Err(Failed { reason, again: Again::OnNewConnection });
                }
                Err(Failed::never(reason))
            }
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
        wait: &mut Wait,
    ) -> Poll<Result<Answered, Reason>> {
        if let Poll::Ready(Err(reason)) = self.poll_upload(cx, exchange, upstream, wait) {
            return Poll::Ready(Err(reason));
        }
        loop {
            let n_interims = wait.n_interims;
            if let Poll::Ready(result) = self.poll_response_head(cx, exchange, upstream, wait) {
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
            if n_interims == wait.n_interims {
                break;
            }
        }
        if wait.upload_over && !wait.upload_broken && self.poll_client_gone(cx) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        if held_back::client_was_lost(&self.stream, exchange, wait.upload_moved) {
            return Poll::Ready(Err(Reason::ClientGone));
        }
        let timeouts = timeouts(exchange);
        let expiry = match wait.upload_over || wait.expecting {
            true => Expiry::after(
                wait.sent.max(wait.upload_moved),
                timeouts.first_byte,
                Reason::FirstByteTimeout,
            ),
            false => self.upload_expiry(exchange, wait, &timeouts),
        };
        self.poll_expiry(cx, exchange, expiry, &timeouts)
    }

    /// Moves the request body on.
    pub(super) fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
        wait: &mut Wait,
    ) -> Poll<Result<(), Reason>> {
        if wait.upload_over {
            return Poll::Ready(Ok(()));
        }
        let moved = exchange.upload.poll(cx, &self.stream, upstream, self.worker().resources());
        // What was read behind the body is the beginning of the next request.
        self.inbox.append(&mut exchange.upload.surplus);
        match moved {
            Poll::Pending => {
                if std::mem::take(&mut exchange.upload.progressed) {
                    wait.upload_moved = Instant::now();
                    // Whatever the client sends now, it does not wait any longer.
                    wait.expecting &= exchange.upload.data_bytes == 0;
                }
                return Poll::Pending;
            }
            Poll::Ready(Ok(())) => {
                if exchange.upload.data_bytes > 0 {
                    wait.sent = Instant::now();
                }
            }
            // The backend may have answered before it stopped reading: see what it says.
            Poll::Ready(Err(PumpError::Sink(_))) => wait.upload_broken = true,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(client_reason(&error))),
        }
        wait.upload_over = true;
        Poll::Ready(Ok(()))
    }

    fn poll_response_head(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
        wait: &mut Wait,
    ) -> Poll<Result<Answered, Reason>> {
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
            match read_heads(exchange, &buffer[..n], wait) {
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
    pub(super) fn upload_expiry(
        &self,
        exchange: &Exchange,
        wait: &Wait,
        timeouts: &ExchangeTimeouts,
    ) -> Expiry {
        let body_idle = exchange
            .hold
            .as_ref()
            .and_then(Hold::listener)
            .and_then(|listener| listener.timeouts.body_idle);
        match exchange.upload.waiting {
            Waiting::Source => Expiry::after(wait.upload_moved, body_idle, Reason::BodyTimeout),
            Waiting::Sink => {
                Expiry::after(wait.upload_moved, timeouts.send_idle, Reason::FirstByteTimeout)
            }
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
    pub(super) fn after(since: Instant, timeout: Option<Duration>, reason: Reason) -> Self {
        Expiry { at: timeout.map(|timeout| since + timeout), reason }
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

/// Parses response heads until a final one. Interim ones are written to the client's pending bytes; a part
/// of a head goes to the exchange's inbox.
fn read_heads(
    exchange: &mut Exchange,
    bytes: &[u8],
    wait: &mut Wait,
) -> Result<Option<(ResponseFacts, usize)>, Reason> {
    let mut at = 0;
    let head_request = exchange.request.method() == b"HEAD";
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
            101 if wait.upgrade && wait.upload_over => return Ok(Some((facts, at))),
            101 => return Err(Reason::UpstreamProtocol),
            100..=199 => {
                wait.n_interims += 1;
                if wait.n_interims > INTERIMS_MAX {
                    return Err(Reason::UpstreamProtocol);
                }
                if exchange.response.status == 100 && wait.expecting {
                    wait.expecting = false;
                    wait.upload_moved = Instant::now();
                }
                // RFC 9110, section 15.2: an HTTP/1.0 client does not know them.
                if exchange.request.version == Version::Http11 {
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
    let host = upstream.and_then(|upstream| match &upstream.host {
        Host::Preserve if request.host().is_some() => None,
        Host::Preserve | Host::Backend => authority_of(upstream, backend),
        Host::Literal(host) => Some(host.as_bytes()),
    });
    exchange.upload.set_head(|out| {
        request.write_to(host, out);
        out.extend_from_slice(b"\r\n");
    });
}

fn authority_of<'a>(upstream: &'a Upstream, backend: &Backend) -> Option<&'a [u8]> {
    let member = upstream.members.iter().find(|member| member.backend.id == backend.id)?;
    Some(member.authority.as_bytes())
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &[u8]) -> bool {
    matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE")
}

pub(super) fn timeouts(exchange: &Exchange) -> ExchangeTimeouts {
    let policy = exchange.hold.as_ref().and_then(Hold::policy);
    policy.map_or_else(ExchangeTimeouts::off, |policy| policy.timeouts)
}

fn total_deadline(exchange: &Exchange, total: Option<Duration>) -> Option<Instant> {
    Some(exchange.record.started? + total?)
}
