//! What comes before the first head on a listener that speaks TLS: the handshake, within its time and a bound on how
//! many there are at once. Called by `connection`; boxed there, so that idle connections do not keep room for it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::Semaphore;

use super::connection::{Connection, LINGER, ON_ITS_WAY};
use super::timer::earlier;
use crate::certificate::Standing;
use crate::error::Reason;
use crate::log::since_1970;
use crate::net::HandshakeError;
use crate::snapshot::Listener;
use crate::tls::{Server, Session, plainly};

/// Handshakes that one worker has under way at once, each with some 20 KiB of state. Who comes when there are as many
/// waits, within its own time; who has not said anything yet does not count.
pub const HANDSHAKES_MAX: usize = 1024;

/// Room for handshakes.
pub(super) fn places() -> Semaphore {
    Semaphore::new(HANDSHAKES_MAX)
}

/// Why there was no handshake.
enum Failure {
    /// Nothing was said, or not to the end.
    Gone,
    /// It took too long.
    Late,
    /// It failed.
    Failed(HandshakeError),
    /// The client's certificate is not, or no longer, good enough.
    Unvouched,
}

/// What is spoken on a connection from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

impl Connection {
    /// Whether its listener does.
    pub(super) fn speaks_tls(&self) -> bool {
        let listener = self.gate.pin(self.worker());
        listener.is_some_and(|(pin, listener)| pin.listeners[listener].1.tls.is_some())
    }

    /// What the listener begins TLS sessions with, if it does, and how long that may take.
    fn wants_tls(&self) -> Option<(Arc<Server>, Option<Duration>)> {
        let (pin, listener) = self.gate.pin(self.worker())?;
        let listener = &pin.listeners[listener].1;
        Some((listener.tls.clone()?, listener.timeouts.tls_handshake))
    }

    /// Makes the stream one through TLS. `None`: there is none, and who deserved to know why does.
    pub(super) async fn shake_hands(&mut self) -> Option<Spoken> {
        let (server, within) = self.wants_tls()?;
        let began = Instant::now();
        let outcome = self.try_handshake(&server, within.map(|within| began + within)).await;
        let failure = match outcome {
            Ok(spoken) => return Some(spoken),
            Err(failure) => failure,
        };
        let reason = match &failure {
            Failure::Gone => return None,
            Failure::Late => "it took too long".to_owned(),
            Failure::Unvouched => "the client's certificate is no longer good".to_owned(),
            Failure::Failed(HandshakeError::Tls(error)) => {
                let sni = self.stream.tls().and_then(|tls| tls.with(|tls| Agreed::of(tls).sni));
                plainly(error, sni.as_deref())
            }
            Failure::Failed(error) => error.to_string(),
        };
        self.worker().counters().tls_failed.add(1);
        self.tell_failure(&server, &reason);
        match failure {
            Failure::Failed(HandshakeError::NotTls) => self.answer_in_the_clear().await,
            // TLS 1.3 clients send their first request before they know that we refuse them.
            Failure::Failed(HandshakeError::Tls(_)) => self.let_last_words_arrive().await,
            _ => {}
        }
        None
    }

    /// Each at debug; once a minute how many there were, with why the last one failed.
    fn tell_failure(&self, server: &Server, reason: &str) {
        let peer = &*self.peer_ip;
        tracing::debug!(peer, reason, "a TLS handshake failed");
        let Some(failed) = server.count_failure(since_1970()) else { return };
        let pinned = self.gate.pin(self.worker());
        let name = pinned.map(|(pin, index)| Arc::clone(&pin.listeners[index].1.name));
        tracing::warn!(
            listener = name.as_deref().unwrap_or_default(),
            failed,
            peer,
            reason,
            "TLS handshakes of clients failed since this was told last, at most once a minute; reason and peer are those of the last one"
        );
    }

    async fn try_handshake(
        &mut self,
        server: &Arc<Server>,
        mut until: Option<Instant>,
    ) -> Result<Spoken, Failure> {
        let said = poll_fn(|cx| match self.stream.poll_readable(cx) {
            Poll::Ready(ready) => Poll::Ready(ready.is_ok()),
            Poll::Pending => self.poll_late(cx, &mut until).map(|()| false),
        });
        if !said.await {
            return Err(Failure::Gone);
        }
        let worker = Rc::clone(self.worker());
        let mut place = pin!(worker.handshakes.acquire());
        let placed = poll_fn(|cx| match place.as_mut().poll(cx) {
            Poll::Ready(placed) => Poll::Ready(placed.ok()),
            Poll::Pending => self.poll_late(cx, &mut until).map(|()| None),
        });
        let _placed = placed.await.ok_or(Failure::Late)?;
        let session = server.session().map_err(|error| {
            tracing::error!(%error, "a TLS session cannot be begun");
            Failure::Gone
        })?;
        self.stream.begin_tls(session);
        let done = poll_fn(|cx| {
            let shaken = self.stream.tls().map_or(Poll::Pending, |tls| tls.poll_handshake(cx));
            match shaken {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending => self.poll_late(cx, &mut until).map(|()| None),
            }
        });
        match done.await {
            None => Err(Failure::Late),
            Some(Err(HandshakeError::Io(_))) => Err(Failure::Gone),
            Some(Err(error)) => Err(Failure::Failed(error)),
            Some(Ok(())) => self.settle(server),
        }
    }

    /// Keeps what the handshake came to.
    fn settle(&mut self, server: &Arc<Server>) -> Result<Spoken, Failure> {
        let Some(tls) = self.stream.tls() else { return Err(Failure::Gone) };
        let counters = self.registration.worker.counters();
        let agreed = tls.with(Agreed::of);
        counters.tls_handshakes.add(1);
        if agreed.resumed {
            counters.tls_resumed.add(1);
        }
        let session =
            Session::new(Arc::clone(server), agreed.sni.as_deref(), agreed.client.as_deref());
        // A ticket outlives its day: what was verified when it was made may be over by now.
        let is_over =
            session.client().is_some_and(|peer| peer.validity.at(now()) != Standing::Good);
        if is_over || (session.client().is_none() && server.requires_client()) {
            return Err(Failure::Unvouched);
        }
        self.session = Some(Rc::new(session));
        Ok(if agreed.http2 { Spoken::Http2 } else { Spoken::Http1 })
    }

    /// Ready once there is no more time, which gets short when the worker or the listener is to end.
    fn poll_late(&mut self, cx: &mut Context<'_>, until: &mut Option<Instant>) -> Poll<()> {
        if self.is_leaving() {
            *until = earlier(*until, Some(Instant::now() + ON_ITS_WAY));
        }
        self.timer.poll(cx, *until)
    }

    /// Tells a client that does not speak TLS, in the language it speaks most likely, and closes.
    async fn answer_in_the_clear(&mut self) {
        let Some(tls) = self.stream.tls() else { return };
        let socket = tls.socket();
        let counters = self.registration.worker.counters();
        counters.responses[4].add(1);
        counters.reasons[Reason::BadRequest as usize].add(1);
        // It fits into an empty socket, or the client does not read.
        if socket.try_write(IN_THE_CLEAR).is_ok() {
            self.let_last_words_arrive().await;
        }
    }

    /// Ends our side and reads past TLS until the client has what was written last: closing on what it still sends
    /// would reset that, and it could not say why it was refused.
    async fn let_last_words_arrive(&mut self) {
        let Some(tls) = self.stream.tls() else { return };
        let socket = tls.socket();
        if socket.shutdown_write().is_err() {
            return;
        }
        let deadline = Some(Instant::now() + LINGER);
        let mut buffer = [0_u8; 1024];
        poll_fn(|cx| {
            if socket.poll_readable(cx).is_ready() {
                match socket.try_read(&mut buffer) {
                    Ok(0) => return Poll::Ready(()),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                        return Poll::Ready(());
                    }
                    // One read a turn: a client that never stops has no claim on the worker.
                    Ok(_) | Err(_) => cx.waker().wake_by_ref(),
                }
            }
            self.timer.poll(cx, deadline)
        })
        .await;
    }
}

/// The first byte of a client that speaks TLS, and of no request.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whether `head`, the first bytes of a client, are TLS on a listener in the clear. Says so once a minute.
pub(super) fn is_lost(head: &[u8], listener: &Listener, peer: &str) -> bool {
    let is_lost = head.first() == Some(&TLS_HANDSHAKE) && listener.tls.is_none();
    if is_lost && listener.not_in_the_clear.may_tell(since_1970()) {
        tracing::warn!(
            listener = &*listener.name,
            peer,
            "a client speaks TLS to this listener, which has no [listener.tls]; closed (told once a minute)"
        );
    }
    is_lost
}

/// Whether a connection with this `session`, or none, began as no connection to `listener` would now: a reload has
/// switched TLS on or off, or has it ask for certificates.
#[inline]
pub(super) fn is_outdated(session: Option<&Session>, listener: &Listener) -> bool {
    match (session, &listener.tls) {
        (None, None) => false,
        (Some(session), Some(server)) => !session.suits(server),
        (None, Some(_)) | (Some(_), None) => true,
    }
}

/// What the handshake came to.
#[derive(Default)]
struct Agreed {
    sni: Option<String>,
    client: Option<Vec<u8>>,
    http2: bool,
    resumed: bool,
}

impl Agreed {
    fn of(connection: &rustls::Connection) -> Self {
        let rustls::Connection::Server(session) = connection else { return Agreed::default() };
        let client = session.peer_certificates().and_then(<[_]>::first);
        Agreed {
            sni: session.server_name().map(str::to_owned),
            client: client.map(|certificate| certificate.to_vec()),
            http2: session.alpn_protocol() == Some(b"h2"),
            resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
        }
    }
}

/// What a request in the clear is answered.
const IN_THE_CLEAR: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    content-length: 58\r\n\
    connection: close\r\n\r\n\
    bad_request: this port speaks TLS; ask for https:// URLs\r\n";

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_in_the_clear_is_as_long_as_it_says() {
        let text = std::str::from_utf8(IN_THE_CLEAR).expect("ASCII");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let length = format!("content-length: {}", body.len());
        assert!(head.lines().any(|line| line == length), "{length}");
    }
}
