//! Connecting to a backend for a request. Called by `attempt`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use super::await_head::Head;
use super::connection::Connection;
use super::exchange::Exchange;
use super::expiry::{timeouts, total_deadline};
use super::hold::Hold;
use super::timer::earlier;
use crate::backend::Backend;
use crate::error::Reason;
use crate::net::{self, DialError, Transport};
use crate::pool::{self, Key};

/// What connecting came to.
pub(super) enum Dialled {
    Connection(pool::Connection),
    /// The try that is raced was answered meanwhile.
    Overtaken(Head),
}

/// What a connection to `backend` for the exchange's request is made with; `None`: HTTP/1.1 in the clear.
#[inline]
fn transport<'a>(exchange: &'a Exchange, backend: &Backend) -> Option<&'a Arc<Transport>> {
    let transport = exchange.hold.as_ref()?.upstream()?.transport(backend.id)?;
    Some(transport.for_upgrades())
}

/// The key of connections to `backend` that can carry the exchange's request.
#[inline]
pub(super) fn pool_key(exchange: &Exchange, backend: &Backend) -> Key {
    Key::new(backend.id, transport(exchange, backend).map(|transport| &**transport))
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

impl Connection {
    pub(super) async fn connect(
        &mut self,
        exchange: &mut Exchange,
        backend: &Backend,
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
        let transport = transport.as_deref();
        let mut dialling = pin!(net::dial(&backend.address, transport));
        let dialled = poll_fn(|cx| {
            if let Poll::Ready(dialled) = dialling.as_mut().poll(cx) {
                let failed = |error| not_dialled(&error, transport, backend);
                return Poll::Ready(dialled.map(Ok).map_err(failed));
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
        let stream = match dialled.await? {
            Ok(stream) => stream,
            Err(head) => return Ok(Dialled::Overtaken(head)),
        };
        let opened = Instant::now();
        exchange.record.connect = Some(opened.saturating_duration_since(began));
        self.worker().counters().upstream_connects.add(1);
        Ok(Dialled::Connection(pool::Connection::new(stream, opened)))
    }
}
