//! Waiting for a request's head on a connection of HTTP/1.1, or for the preface of HTTP/2. Called by `connection`,
//! which serves what comes.

use std::io;
use std::ops::Range;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::task::coop;

use super::connection::{Connection, ON_ITS_WAY};
use super::exchange::Exchange;
use super::handshake;
use super::hold::Hold;
use super::preface::Preface;
use super::timer::earlier;
use crate::admit;
use crate::error::Reason;
use crate::http1::{HeadLimits, Parsed, parse_request};
use crate::relay::Buffer;

/// What reading a head came to.
pub(super) enum Head {
    Request(Box<Exchange>, Buffer, Range<usize>),
    Refused(Box<Exchange>, Reason),
    /// HTTP/2, of which so much was read.
    Http2(Vec<u8>),
    Closed,
}

impl Connection {
    /// Reads until there is a head.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Head> {
        loop {
            if self.unparsed {
                // Pipelined requests that we answer ourselves may never have to wait for anything: now
                // and then it is the others' turn.
                ready!(coop::poll_proceed(cx)).made_progress();
                self.unparsed = false;
                let mut buffer = self.worker().resources().buffers.take_at_least(self.inbox.len());
                let n = self.inbox.len();
                buffer[..n].copy_from_slice(&self.inbox);
                if let Some(head) = self.parse(buffer, 0, n) {
                    return Poll::Ready(head);
                }
            }
            match self.stream.poll_readable(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Head::Closed),
                Poll::Pending => return self.poll_idle(cx),
            }
            let held = self.inbox.len();
            let mut buffer = self.worker().resources().buffers.take_at_least(held + 4096);
            let read = self.stream.try_read(&mut buffer[held..]);
            match read {
                Ok(n) if n > 0 => {
                    buffer[..held].copy_from_slice(&self.inbox);
                    if let Some(head) = self.parse(buffer, held, held + n) {
                        return Poll::Ready(head);
                    }
                }
                result => {
                    self.worker().resources().buffers.put(buffer);
                    match result {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        _ => return Poll::Ready(Head::Closed),
                    }
                }
            }
        }
    }

    /// Nothing to read: has the time come to stop waiting?
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Head> {
        if self.is_leaving() && self.inbox.is_empty() {
            self.deadline = earlier(self.deadline, Some(Instant::now() + ON_ITS_WAY));
        }
        match self.timer.poll(cx, self.deadline) {
            Poll::Pending => Poll::Pending,
            // The reactor has yet to see these bytes; it will wake us for them.
            Poll::Ready(()) if self.inbox.is_empty() && self.stream.has_bytes() => Poll::Pending,
            Poll::Ready(()) if self.inbox.is_empty() => Poll::Ready(Head::Closed),
            Poll::Ready(()) => {
                Poll::Ready(Head::Refused(self.begin_exchange(), Reason::HeaderTimeout))
            }
        }
    }

    /// Gives a request whose head could not be read its id and its client, for the answer and the log.
    pub(super) fn identify_refused(&self, exchange: &mut Exchange) {
        let Some((pin, _)) = self.gate.pin(self.worker()) else { return };
        let (forwarding, rng) = (&pin.forwarding, &mut self.worker().rng.borrow_mut());
        admit::identify(&mut exchange.request, forwarding, self.from(forwarding), rng);
    }

    fn begin_exchange(&self) -> Box<Exchange> {
        let mut exchange = self.worker().take_exchange();
        exchange.record.started = Some(Instant::now());
        if let Some((pin, listener)) = self.gate.pin(self.worker()) {
            exchange.hold = Some(Hold::Listener(pin, listener));
        }
        exchange
    }

    /// Parses the head in `buffer[..n]`, of which everything from `fresh` on was read just now. `None`:
    /// there is no whole head yet, and what there is went to the inbox.
    fn parse(&mut self, buffer: Buffer, fresh: usize, n: usize) -> Option<Head> {
        let Some((pin, index)) = self.gate.pin(self.worker()) else { return Some(Head::Closed) };
        let listener = &pin.listeners[index].1;
        if fresh == 0 && handshake::is_lost(&buffer[..n], listener, &self.peer_ip) {
            self.worker().resources().buffers.put(buffer);
            return Some(Head::Closed);
        }
        if self.first && (listener.http.h2c || !listener.http.h1) {
            match Preface::of(&buffer[..n], listener.http.h1) {
                Preface::Complete => {
                    let before = buffer[..n].to_vec();
                    (self.inbox, self.deadline) = (Vec::new(), None);
                    self.worker().resources().buffers.put(buffer);
                    return Some(Head::Http2(before));
                }
                Preface::Partial => {
                    self.inbox.extend_from_slice(&buffer[fresh..n]);
                    self.worker().resources().buffers.put(buffer);
                    return None;
                }
                Preface::None => {}
            }
        }
        self.first = false;
        let limits = HeadLimits {
            header_bytes: listener.limits.header_bytes,
            headers: listener.limits.headers,
            uri_bytes: listener.limits.uri_bytes,
        };
        // A head that trickles in is not parsed again for each byte, only for each line.
        let no_line_ended = fresh > 0 && memchr::memchr(b'\n', &buffer[fresh..n]).is_none();
        if no_line_ended && n < limits.header_bytes {
            self.inbox.extend_from_slice(&buffer[fresh..n]);
            self.worker().resources().buffers.put(buffer);
            return None;
        }
        let mut exchange = self.worker().take_exchange();
        exchange.record.started = Some(Instant::now());
        match parse_request(&buffer[..n], &limits, &mut exchange.request.head) {
            Ok(Parsed::Complete { head_bytes, facts }) => {
                self.inbox.clear();
                self.inbox.shrink_to(0);
                exchange.request.facts = facts;
                exchange.hold = Some(Hold::Listener(pin, index));
                Some(Head::Request(exchange, buffer, head_bytes..n))
            }
            // A stray line end behind a body is no beginning of anything.
            Ok(Parsed::Partial) if matches!(&buffer[..n], b"\r\n" | b"\r\n\r\n") => {
                self.inbox.clear();
                self.worker().resources().buffers.put(buffer);
                self.worker().put_exchange(exchange);
                None
            }
            Ok(Parsed::Partial) => {
                if fresh == 0 {
                    let started = exchange.record.started.unwrap_or_else(Instant::now);
                    self.deadline = listener.timeouts.header.map(|header| started + header);
                }
                self.inbox.clear();
                self.inbox.extend_from_slice(&buffer[..n]);
                self.worker().resources().buffers.put(buffer);
                self.worker().put_exchange(exchange);
                None
            }
            Err(reason) => {
                self.worker().resources().buffers.put(buffer);
                exchange.hold = Some(Hold::Listener(pin, index));
                Some(Head::Refused(exchange, reason))
            }
        }
    }
}
