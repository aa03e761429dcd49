//! One client connection: a head, an exchange, the next head, until somebody has had enough.
//!
//! While it is idle it holds its socket, its task, its timer and nothing else: heads are read into the
//! worker's buffer, and the state of an exchange is lent by the worker.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::cut::{self, unless_cut};
use super::exchange::Exchange;
use super::handshake::Spoken;
use super::hold::Hold;
use super::read_head::Head;
use super::timer::Timer;
use super::worker::{Gate, Worker};
use crate::admit;
use crate::message::Version;
use crate::net::{Peer, Stream};
use crate::relay::BUFFER_BYTES;
use crate::tls::Session;

/// How long a closing connection is read from, so that a client that is still sending gets our answer
/// instead of a reset.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How long an idle connection stays when it is to end: a request may be on its way to us, and from a client
/// that was accepted a moment ago one almost certainly is.
pub(super) const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// Serves one client connection to its end. `over_limit`: the client holds too many connections, so its
/// first request is answered 429 and the connection closed. Dropping the future closes it at once.
/// `guard` is dropped with it.
pub fn serve<G: 'static>(
    worker: Rc<Worker>,
    gate: Rc<Gate>,
    stream: Stream,
    peer: Peer,
    over_limit: bool,
    guard: G,
) -> impl Future<Output = ()> {
    // Not an async function: its arguments would be kept twice for as long as the connection lives.
    let mut connection = Connection {
        registration: Registration { worker, slot: None, is_stream: false },
        gate,
        stream,
        peer,
        peer_ip: admit::peer_ip(peer).map_or_else(|| Rc::from(""), |ip| ip.to_string().into()),
        timer: Timer::default(),
        inbox: Vec::new(),
        unparsed: false,
        deadline: None,
        first: true,
        over_limit,
        resets: false,
        session: None,
    };
    async move {
        connection.register().await;
        connection.run().await;
        drop(guard);
    }
}

/// Keeps a connection, or one stream of many on one, known to its worker for as long as it lives.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) worker: Rc<Worker>,
    slot: Option<u32>,
    is_stream: bool,
}

impl Registration {
    /// Of a task that serves streams: their connection is counted already.
    pub(super) fn of_streams(worker: Rc<Worker>, waker: Waker) -> Self {
        let slot = Some(worker.register(waker, true));
        Registration { worker, slot, is_stream: true }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.worker.unregister(slot, self.is_stream);
        }
    }
}

/// Who asks on a stream of an HTTP/2 connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) gate: Rc<Gate>,
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    pub(super) peer_ip: Rc<str>,
    /// What the TLS session of the connection is, where it has one.
    pub(super) session: Option<Rc<Session>>,
    pub(super) over_limit: bool,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) registration: Registration,
    pub(super) gate: Rc<Gate>,
    pub(super) stream: Stream,
    pub(super) peer: Peer,
    /// Empty on a unix socket.
    pub(super) peer_ip: Rc<str>,
    pub(super) timer: Timer,
    /// Bytes read but not used yet: a part of a head, or pipelined requests. At most a head's limit or one buffer.
    pub(super) inbox: Vec<u8>,
    /// The inbox may hold a whole head.
    pub(super) unparsed: bool,
    /// When to give up waiting for a head.
    pub(super) deadline: Option<Instant>,
    /// No head was read yet: this may be the preface of HTTP/2.
    pub(super) first: bool,
    pub(super) over_limit: bool,
    /// What the client gets last is not all of it, which an ordinary close would hide from it.
    pub(super) resets: bool,
    /// What the TLS handshake has settled, if there was one.
    pub(super) session: Option<Rc<Session>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.resets {
            self.stream.reset_on_close();
        }
    }
}

/// What comes after an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Another request may come.
    Continue,
    /// Close.
    Close,
    /// Close, but first read what the client is still sending.
    Linger,
}

impl Connection {
    pub(super) fn worker(&self) -> &Rc<Worker> {
        &self.registration.worker
    }

    async fn register(&mut self) {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        self.registration.slot = Some(self.worker().register(waker, false));
        self.worker().counters().connections.add(1);
    }

    /// For one stream of an HTTP/2 connection, served by a task with this `registration` and `timer`.
    pub(super) fn for_stream(registration: Registration, timer: Timer, client: Client) -> Self {
        let Client { gate, stream, peer, peer_ip, session, over_limit } = client;
        Connection {
            registration,
            gate,
            stream,
            peer,
            peer_ip,
            timer,
            inbox: Vec::new(),
            unparsed: false,
            deadline: None,
            first: false,
            over_limit,
            resets: false,
            session,
        }
    }

    /// Ends the stream; what belongs to its task comes back.
    pub(super) fn end_stream(mut self) -> (Registration, Timer) {
        let Registration { worker, slot, is_stream } = &mut self.registration;
        let registration =
            Registration { worker: Rc::clone(worker), slot: slot.take(), is_stream: *is_stream };
        (registration, std::mem::take(&mut self.timer))
    }

    /// Serves the connection in the language that its listener and its client agree on.
    async fn run(&mut self) {
        if self.speaks_tls() {
            // Boxed: few connections are at it at any time.
            match Box::pin(self.shake_hands()).await {
                Some(Spoken::Http1) => {}
                Some(Spoken::Http2) => return Box::pin(self.run_http2(Vec::new())).await,
                None => return,
            }
        }
        let header = self
            .gate
            .pin(self.worker())
            .and_then(|(pin, listener)| pin.listeners[listener].1.timeouts.header);
        self.deadline = header.map(|header| Instant::now() + header);
        let worker = Rc::clone(self.worker());
        loop {
            let (mut exchange, served) = match poll_fn(|cx| self.poll_head(cx)).await {
                Head::Closed => return,
                Head::Http2(before) => return Box::pin(self.run_http2(before)).await,
                Head::Refused(mut exchange, reason) => {
                    self.identify_refused(&mut exchange);
                    let served =
                        unless_cut(&worker, pin!(self.answer(&mut exchange, reason))).await;
                    (exchange, served)
                }
                Head::Request(mut exchange, buffer, range) => {
                    let served =
                        unless_cut(&worker, pin!(self.exchange(&mut exchange, buffer, range)))
                            .await;
                    (exchange, served)
                }
            };
            let after = served.unwrap_or_else(|| cut::note(&mut exchange));
            let ended = self.finish(&mut exchange);
            let keepalive = exchange
                .hold
                .as_ref()
                .and_then(Hold::listener)
                .map(|listener| listener.timeouts.keepalive);
            self.worker().put_exchange(exchange);
            match after {
                After::Continue => {
                    let keepalive = keepalive.unwrap_or_else(|| self.keepalive());
                    self.deadline = keepalive.map(|keepalive| ended + keepalive);
                    self.unparsed = !self.inbox.is_empty();
                }
                After::Linger => return Box::pin(self.linger()).await,
                After::Close => return,
            }
        }
    }

    /// The keep-alive time of the present snapshot, for an exchange that let go of its own.
    fn keepalive(&self) -> Option<Duration> {
        let (pin, listener) = self.gate.pin(self.worker())?;
        pin.listeners[listener].1.timeouts.keepalive
    }

    /// Whether the worker or the listener is to end.
    pub(super) fn is_leaving(&self) -> bool {
        self.worker().is_draining() || self.gate.is_retired()
    }

    /// Whether the client's side lets the connection stay open.
    pub(super) fn may_keep_alive(&self, exchange: &Exchange) -> bool {
        let facts = &exchange.request.facts;
        let asked = match exchange.request.head.version {
            Version::Http11 | Version::Http2 => !facts.connection.close,
            Version::Http10 => facts.connection.keep_alive && !facts.connection.close,
        };
        asked && !self.worker().is_draining() && !self.gate.is_retired()
    }

    /// Whether the client has left. Reads pipelined requests into the inbox meanwhile, up to a buffer of them.
    pub(super) fn poll_client_gone(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(channel) = self.stream.channel() {
            return channel.poll_gone(cx).is_ready();
        }
        while self.inbox.len() < BUFFER_BYTES {
            match self.stream.poll_readable(cx) {
                Poll::Pending => return false,
                Poll::Ready(Err(_)) => return true,
                Poll::Ready(Ok(())) => {}
            }
            let resources = self.registration.worker.resources();
            let mut buffer = resources.buffers.take();
            let read = self.stream.try_read(&mut buffer);
            if let Ok(n) = read {
                self.inbox.extend_from_slice(&buffer[..n]);
            }
            resources.buffers.put(buffer);
            match read {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return true,
            }
        }
        false
    }

    /// Ends our side and reads for a while, so that the answer is not lost to a reset.
    pub(super) async fn linger(&mut self) {
        if self.stream.shutdown_write().is_err() {
            return;
        }
        let deadline = Some(Instant::now() + LINGER);
        poll_fn(|cx| {
            let buffers = self.registration.worker.resources().buffers;
            let mut buffer = buffers.take();
            let read = self.stream.poll_read(cx, &mut buffer);
            buffers.put(buffer);
            match read {
                Poll::Ready(Ok(n)) if n > 0 => {
                    // One read a turn: somebody who sends without end must not keep the worker from others.
                    cx.waker().wake_by_ref();
                    self.timer.poll(cx, deadline)
                }
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => self.timer.poll(cx, deadline),
            }
        })
        .await;
    }
}

/// What was read behind a body is the beginning of the next request. Nearly always there is none.
#[inline]
pub(super) fn keep_surplus(inbox: &mut Vec<u8>, surplus: &mut Vec<u8>) {
    if !surplus.is_empty() {
        inbox.append(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory of an idle connection is mostly its task: what grows it grows every one of 100 000.
    #[test]
    fn a_connections_task_stays_small() {
        fn task_bytes<A, B, C, D, E, G, F>(_: fn(A, B, C, D, E, G) -> F) -> usize {
            size_of::<F>()
        }
        assert!(task_bytes(serve::<()>) <= 648, "{} bytes", task_bytes(serve::<()>));
    }
}
