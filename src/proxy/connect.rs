//! Connecting to a backend for a request. Called by `attempt`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::await_head::Head;
use super::connection::Connection;
use super::exchange::Exchange;
use super::expiry::{timeouts, total_deadline};
use super::hold::Hold;
use super::retry::Origin;
use super::timer::earlier;
use super::worker::Worker;
use crate::backend::Backend;
use crate::error::Reason;
use crate::http2::Trunk;
use crate::log::since_1970;
use crate::message::Known;
use crate::net::{self, DialError, Speaks, Transport};
use crate::pool::{self, Key, Turn};
use crate::snapshot::Upstream;

/// What connecting came to.
pub(super) enum Dialled {
    /// One, and where it came from.
    Connection(pool::Connection, Origin),
    /// The try that is raced was answered meanwhile.
    Overtaken(Head),
}

/// What a connection to `backend` for the exchange's request is made with; `None`: HTTP/1.1 in the clear.
#[inline]
fn transport<'a>(exchange: &'a Exchange, backend: &Backend) -> Option<&'a Arc<Transport>> {
    let upstream = exchange.hold.as_ref()?.upstream()?;
    let transport = upstream.transport(backend.id)?;
    Some(if exchange.request.upgrade {
        for_upgrade(upstream, transport, exchange)
    } else {
        transport
    })
}

/// The same for a request that asks for an upgrade. Where HTTP/2 is all that is spoken it goes on as one that asks for
/// none (RFC 9110, section 7.8), which nobody would guess who looks for why no WebSocket comes about.
#[cold]
fn for_upgrade<'a>(
    upstream: &Upstream,
    transport: &'a Arc<Transport>,
    exchange: &Exchange,
) -> &'a Arc<Transport> {
    let transport = transport.for_upgrades();
    if transport.speaks() == Speaks::Http2 && upstream.may_tell_of_lost_upgrade(since_1970()) {
        let policy = exchange.hold.as_ref().and_then(Hold::policy);
        let protocol = exchange.request.head.fields.get(Known::Upgrade).unwrap_or_default();
        tracing::warn!(
            upstream = &*upstream.name,
            route = policy.map(|policy| &*policy.route).unwrap_or_default(),
            upgrade = &*String::from_utf8_lossy(protocol),
            "an upgrade was asked of an upstream that speaks HTTP/2 alone: the request goes on without it; \
             protocol = \"http1\", or \"auto\" with https:// backends, lets it have HTTP/1.1 (told once a minute)"
        );
    }
    transport
}

/// Tells why there is no connection to `backend`: at debug, what an operator can mend once a minute at warn.
#[cold]
pub(super) fn not_dialled(
    error: &DialError,
    transport: Option<&Transport>,
    backend: &Backend,
) -> Reason {
    if let DialError::Connect(error) = error {
        tracing::debug!(backend = %backend.label, %error, "connect failed");
        return Reason::ConnectFailed;
    }
    match transport.is_some_and(|transport| transport.may_warn(Instant::now())) {
        true => tracing::warn!(backend = %backend.label, why = %error, "no TLS with a backend"),
        false => tracing::debug!(backend = %backend.label, why = %error, "no TLS with a backend"),
    }
    Reason::TlsFailed
}

/// What a new connection is made for.
pub(super) struct Wish<'a> {
    pub(super) backend: &'a Backend,
    /// `None`: HTTP/1.1 in the clear.
    pub(super) transport: Option<&'a Transport>,
    pub(super) policy: pool::Policy,
    /// One that was there before is none.
    pub(super) since: Option<Instant>,
}

/// Makes a connection, or finds room on one that others have made meanwhile. Bounded by nobody but the caller.
pub(super) async fn make(
    worker: &Worker,
    wish: Wish<'_>,
) -> Result<(pool::Connection, Origin), Reason> {
    let Wish { backend, transport, policy, since } = wish;
    let dialled = |error| not_dialled(&error, transport, backend);
    let Some(transport) = transport.filter(|transport| transport.speaks() != Speaks::Http1) else {
        let stream = net::dial(&backend.address, transport).await.map_err(dialled)?;
        worker.counters().upstream_connects.add(1);
        return Ok((pool::Connection::new(stream, Instant::now()), Origin::New));
    };
    let dialling = match worker.pool.turn(Key::new(backend.id, Some(transport)), since).await? {
        Turn::Take(connection) => {
            worker.counters().upstream_reuses.add(1);
            return Ok((connection, Origin::Pool));
        }
        Turn::Dial(dialling) => dialling,
    };
    let stream = match net::dial(&backend.address, Some(transport)).await {
        Ok(stream) => stream,
        Err(error) => {
            let reason = dialled(error);
            dialling.failed(reason);
            return Err(reason);
        }
    };
    worker.counters().upstream_connects.add(1);
    let opened = Instant::now();
    if !transport.is_http2(&stream) {
        dialling.speaks_http1();
        return Ok((pool::Connection::new(stream, opened), Origin::New));
    }
    match Trunk::open(stream, dialling.news()).await {
        Ok((trunk, driver)) => {
            tokio::task::spawn_local(driver);
            Ok((dialling.done(trunk, policy, opened), Origin::New))
        }
        Err(error) => {
            tracing::debug!(backend = %backend.label, %error, "HTTP/2 did not begin");
            dialling.failed(Reason::UpstreamReset);
            Err(Reason::UpstreamReset)
        }
    }
}

impl Connection {
    /// A connection to `backend` that is there.
    #[inline]
    pub(super) fn pooled(
        &self,
        exchange: &Exchange,
        backend: &Backend,
        now: Instant,
    ) -> Option<pool::Connection> {
        let transport = transport(exchange, backend).map(|transport| &**transport);
        let found = self.worker().pool.take(Key::new(backend.id, transport), now)?;
        self.worker().counters().upstream_reuses.add(1);
        Some(found)
    }

    /// Connects to `backend`, within the time that there is for it.
    pub(super) async fn connect(
        &mut self,
        exchange: &mut Exchange,
        backend: &Backend,
        fresh: bool,
    ) -> Result<Dialled, Reason> {
        let began = Instant::now();
        let timeouts = timeouts(exchange);
        let total = total_deadline(exchange, timeouts.total);
        let policy = exchange.hold.as_ref().and_then(Hold::policy);
        let per_try = policy.and_then(|policy| policy.retry.per_try);
        let connect = earlier(
            timeouts.connect.map(|connect| began + connect),
            per_try.map(|per_try| began + per_try),
        );
        let deadline = earlier(connect, total);
        let transport = transport(exchange, backend).cloned();
        let worker = Rc::clone(self.worker());
        let wish = Wish {
            backend,
            transport: transport.as_deref(),
            policy: exchange.hold.as_ref().and_then(Hold::pool).ok_or(Reason::Internal)?,
            since: fresh.then_some(began),
        };
        let mut making = pin!(make(&worker, wish));
        let made = poll_fn(|cx| {
            if let Poll::Ready(made) = making.as_mut().poll(cx) {
                return Poll::Ready(made.map(Ok));
            }
            if let Poll::Ready(head) = self.poll_parked(cx, exchange) {
                return Poll::Ready(Ok(Err(head)));
            }
            let may_look = exchange.upload.is_read() || self.stream.channel().is_some();
            if may_look && self.poll_client_gone(cx) {
                return Poll::Ready(Err(Reason::ClientGone));
            }
            self.timer.poll(cx, deadline).map(|()| {
                Err(match total.is_some_and(|total| Instant::now() >= total) {
                    true => Reason::TotalTimeout,
                    false => Reason::ConnectTimeout,
                })
            })
        });
        let (connection, origin) = match made.await? {
            Ok(made) => made,
            Err(head) => return Ok(Dialled::Overtaken(head)),
        };
        if origin == Origin::New {
            exchange.record.connect = Some(began.elapsed());
        }
        Ok(Dialled::Connection(connection, origin))
    }
}
