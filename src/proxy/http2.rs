//! One HTTP/2 connection to a client. Each of its streams is served by a task of its own (`stream`); here is what
//! belongs to all of them: opening them, their bounds, going away, giving up.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use super::connection::{Client, Connection, ON_ITS_WAY};
use super::exchange::Exchange;
use super::handshake;
use super::stream;
use super::timer::{Timer, earlier};
use super::worker::{Gate, Worker};
use crate::error::Reason;
use crate::http1::HeadLimits;
use crate::http2::{Accepted, Carrier, CarrierLimits, Code, Offence};
use crate::net::{Peer, Stream};
use crate::snapshot::Listener;
use crate::tls;

/// How long a client has to take note that the connection ends.
const GOODBYE: Duration = Duration::from_secs(2);

/// RFC 9113, section 6.5.2: what a field counts beside its bytes.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// How many streams of a connection are served now.
#[derive(Debug, Default)]
struct Streams {
    n_open: Cell<usize>,
    /// The connection's task.
    waker: RefCell<Option<Waker>>,
}

impl Streams {
    fn keep_waker(&self, waker: &Waker) {
        let mut kept = self.waker.borrow_mut();
        if !kept.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
            *kept = Some(waker.clone());
        }
    }
}

/// Keeps a stream counted.
#[derive(Debug)]
pub(super) struct OpenStream(Rc<Streams>);

impl OpenStream {
    fn new(streams: &Rc<Streams>) -> Self {
        streams.n_open.set(streams.n_open.get() + 1);
        OpenStream(Rc::clone(streams))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let n_open = self.0.n_open.get() - 1;
        self.0.n_open.set(n_open);
        if n_open == 0
            && let Some(waker) = &*self.0.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }
}

/// What the connection's task keeps.
struct Session<'a> {
    worker: &'a Rc<Worker>,
    gate: &'a Rc<Gate>,
    peer: Peer,
    peer_ip: &'a Rc<str>,
    /// Of its TLS.
    tls: Option<&'a Rc<tls::Session>>,
    over_limit: bool,
    timer: &'a mut Timer,
    carrier: Carrier<'a>,
    streams: Rc<Streams>,
    began: Instant,
    /// What it waits for while no stream is served, since when, and how much had been written then.
    quiet: Option<(Quiet, Instant, u64)>,
    /// Since when the client knows that it is to open no more streams.
    leaving: Option<Instant>,
    /// Since when the connection is given up.
    ending: Option<Instant>,
    /// Something may be on its way in either direction when the connection ends.
    lingers: bool,
}

/// What a connection waits for while no stream is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    /// The client has to take what is left of the answers.
    Sending,
    /// A stream has to be opened.
    Idle,
}

impl Connection {
    /// Serves HTTP/2 until the connection ends. `before`: what was read of it already.
    pub(super) async fn run_http2(&mut self, before: Vec<u8>) {
        let worker = &self.registration.worker;
        let Some((pin, index)) = self.gate.pin(worker) else { return };
        let limits = carrier_limits(&pin.listeners[index].1);
        drop(pin);
        worker.counters().h2_connections.add(1);
        let mut session = Session {
            worker,
            gate: &self.gate,
            peer: self.peer,
            peer_ip: &self.peer_ip,
            tls: self.session.as_ref(),
            over_limit: self.over_limit,
            timer: &mut self.timer,
            carrier: Carrier::new(&self.stream, before, limits),
            streams: Rc::default(),
            began: Instant::now(),
            quiet: None,
            leaving: None,
            ending: None,
            lingers: true,
        };
        poll_fn(|cx| session.poll(cx)).await;
        let lingers = session.lingers;
        // Whatever is still served is told by this that the client is gone.
        drop(session);
        if lingers {
            self.linger().await;
        }
    }
}

/// What a client may open and send.
fn carrier_limits(listener: &Listener) -> CarrierLimits {
    let limits = &listener.limits;
    // A list that is longer than this has more bytes or more fields than a head may have.
    let header_list_bytes = limits.header_bytes + limits.headers * FIELD_OVERHEAD_BYTES;
    CarrierLimits { streams: listener.http.h2_max_streams, header_list_bytes }
}

impl Session<'_> {
    /// Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.streams.keep_waker(cx.waker());
        self.carrier.begin_turn(cx);
        if self.worker.is_draining() || self.gate.is_retired() || self.over_limit {
            self.leave();
        }
        let (limits, is_outdated) = self.look();
        if is_outdated {
            self.leave();
        }
        loop {
            if self.poll_streams(cx, &limits).is_ready() {
                return Poll::Ready(());
            }
            if self.condemn() {
                // Once more, so that the client is told.
                continue;
            }
            if let Poll::Ready(Err(_)) = self.carrier.poll_flush(cx) {
                return Poll::Ready(());
            }
            let deadline = self.deadline();
            ready!(self.timer.poll(cx, deadline));
            if self.expire().is_ready() {
                return Poll::Ready(());
            }
        }
    }

    /// Serves the streams that were opened; ready when there will be no more.
    fn poll_streams(&mut self, cx: &mut Context<'_>, limits: &HeadLimits) -> Poll<()> {
        let mut exchange = self.worker.take_exchange();
        let over = loop {
            let head = &mut exchange.request.head;
            match self.carrier.poll_accept(cx, head, limits) {
                Poll::Ready(Some(Ok(accepted))) => {
                    let next = self.worker.take_exchange();
                    self.open(accepted, std::mem::replace(&mut exchange, next));
                }
                Poll::Ready(Some(Err(error))) => {
                    if error.code == Code::EnhanceYourCalm {
                        self.tell_flood(&error.what);
                    }
                    // There may be a last word for the client.
                    let _ = self.carrier.poll_flush(cx);
                    break Poll::Ready(());
                }
                Poll::Ready(None) => break Poll::Ready(()),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.worker.put_exchange(exchange);
        over
    }

    /// What heads are bounded by, as long as the listener is there, and whether it asks for other connections by now:
    /// then streams are refused, see [`handshake::is_outdated`].
    fn look(&self) -> (HeadLimits, bool) {
        let Some((pin, index)) = self.gate.pin(self.worker) else {
            return (HeadLimits { header_bytes: 0, headers: 0, uri_bytes: 0 }, false);
        };
        let listener = &pin.listeners[index].1;
        let limits = HeadLimits {
            header_bytes: listener.limits.header_bytes,
            headers: listener.limits.headers,
            uri_bytes: listener.limits.uri_bytes,
        };
        (limits, handshake::is_outdated(self.tls.map(|tls| &**tls), listener))
    }

    /// Has a request served whose head is in `exchange`.
    fn open(&mut self, (server, facts): Accepted, mut exchange: Box<Exchange>) {
        let left = self.leaving.is_some_and(|leaving| leaving.elapsed() > GOODBYE);
        let Some((pin, index)) = self.gate.pin(self.worker).filter(|_| !left) else {
            return server.refuse();
        };
        self.worker.counters().h2_streams.add(1);
        exchange.record.started = Some(Instant::now());
        exchange.begin_at(pin, index);
        let client = Client {
            gate: Rc::clone(self.gate),
            stream: Stream::Channel(Box::new(server)),
            peer: self.peer,
            peer_ip: Rc::clone(self.peer_ip),
            session: self.tls.cloned(),
            over_limit: self.over_limit,
        };
        let open = OpenStream::new(&self.streams);
        stream::serve(self.worker, stream::Job::new(client, exchange, facts, open));
    }

    /// Ends the connection of a client that does what it must not do; true when that was news.
    fn condemn(&mut self) -> bool {
        let Some(offence) = self.carrier.offence().filter(|_| self.ending.is_none()) else {
            return false;
        };
        self.ending = Some(Instant::now());
        let code = match offence {
            Offence::NoSettings => Code::Protocol,
            Offence::Flood => {
                self.tell_flood(&"frames that do no work");
                Code::EnhanceYourCalm
            }
        };
        self.carrier.end(code)
    }

    fn tell_flood(&self, what: &dyn std::fmt::Display) {
        self.worker.counters().reasons[Reason::H2Flood as usize].add(1);
        tracing::debug!(peer = &**self.peer_ip, %what, "an HTTP/2 connection was closed: h2_flood");
        if !self.gate.may_tell_flood(Instant::now()) {
            return;
        }
        let pinned = self.gate.pin(self.worker);
        let name = pinned.map(|(pin, index)| Arc::clone(&pin.listeners[index].1.name));
        tracing::warn!(
            listener = name.as_deref().unwrap_or_default(),
            peer = &**self.peer_ip,
            %what,
            "a client floods an HTTP/2 connection, which is closed; others are told at debug for a minute"
        );
    }

    /// Tells the client once to open no more streams.
    fn leave(&mut self) {
        if self.leaving.is_none() && self.carrier.leave() {
            self.leaving = Some(Instant::now());
        }
    }

    /// Until when something has to happen; nothing while streams are served, which have times of their own.
    fn deadline(&mut self) -> Option<Instant> {
        if let Some(ending) = self.ending {
            return Some(ending + GOODBYE);
        }
        if self.streams.n_open.get() > 0 {
            self.quiet = None;
            return None;
        }
        let (pin, index) = self.gate.pin(self.worker)?;
        let listener = &pin.listeners[index].1;
        let (quiet, since) = self.quiet_since(Instant::now());
        if !self.carrier.began() {
            let header = listener.timeouts.header.map(|header| self.began + header);
            let stays = !self.worker.is_draining() && !self.gate.is_retired();
            return if stays { header } else { earlier(header, Some(since + ON_ITS_WAY)) };
        }
        if quiet == Quiet::Idle {
            self.carrier.rest();
        }
        let patience = match quiet {
            Quiet::Sending => listener.send_idle,
            Quiet::Idle if self.leaving.is_some() => Some(ON_ITS_WAY),
            Quiet::Idle => listener.timeouts.keepalive,
        };
        patience.map(|patience| since + patience)
    }

    /// What is waited for, and since when without anything having moved.
    fn quiet_since(&mut self, now: Instant) -> (Quiet, Instant) {
        let n_written = self.carrier.n_written();
        let sending = self.carrier.has_streams();
        let quiet = if sending { Quiet::Sending } else { Quiet::Idle };
        let since = match self.quiet {
            // Answers to pings are no use of an idle connection.
            Some((before, since, n)) if before == quiet && (n == n_written || !sending) => since,
            _ => now,
        };
        self.quiet = Some((quiet, since, n_written));
        (quiet, since)
    }

    /// The time of [`Session::deadline`] has come. Ready when the connection is over; else the client has a last word
    /// coming.
    fn expire(&mut self) -> Poll<()> {
        if self.ending.is_some() {
            return Poll::Ready(());
        }
        let idle = matches!(self.quiet, Some((Quiet::Idle, ..)));
        if idle && self.leaving.is_none() && self.carrier.began() {
            if self.carrier.has_bytes() {
                // The reactor has yet to see them; it will wake us for them.
                self.quiet = None;
            } else {
                self.leave();
                self.quiet = None;
            }
            return Poll::Pending;
        }
        self.lingers = !idle;
        if matches!(self.quiet, Some((Quiet::Sending, ..))) {
            self.worker.counters().reasons[Reason::ClientStalled as usize].add(1);
        }
        self.ending = Some(Instant::now());
        if self.carrier.end(Code::NoError) { Poll::Pending } else { Poll::Ready(()) }
    }
}
