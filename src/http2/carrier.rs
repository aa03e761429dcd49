//! A connection to a client that carries many streams: h2's, with bounds on everything a client can have us keep.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, Handshake, SendResponse};
use h2::{Reason as Code, RecvStream};
use http::Request;

use super::link::{Link, LinkIo};

/// Data that a client may send on one stream before somebody took it.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// Data that a client may send on all streams before somebody took it.
const WINDOW_BYTES: u32 = 1024 * 1024;

/// Data of one stream that waits to be sent.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Streams that we reset and that are known for a while longer, so that what is on its way to them is no error.
const RESET_STREAMS_MAX: usize = 128;

/// How long they are known.
const RESET_STREAMS_KEPT: Duration = Duration::from_secs(3);

/// What a client may open and send. All of it together bounds the memory of one connection: with the defaults
/// 1 MiB of data received, 100 × (64 KiB of data to send + 32 KiB in a pump + up to 32 KiB of a head).
#[derive(Clone, Copy, Debug)]
pub struct CarrierLimits {
    /// Streams at once.
    pub streams: u32,
    /// Bytes of a header list, counted as RFC 9113, section 6.5.2, does.
    pub header_list_bytes: usize,
}

/// One connection, before its preface came or after.
pub struct Carrier<'a> {
    link: &'a Link<'a>,
    state: State<'a>,
}

enum State<'a> {
    Preface(Box<Handshake<LinkIo<'a>, Bytes>>),
    Open(Box<Connection<LinkIo<'a>, Bytes>>),
}

impl fmt::Debug for Carrier<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}

/// A request and the means to answer it.
pub type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

impl<'a> Carrier<'a> {
    /// Over `link`.
    pub fn new(link: &'a Link<'a>, limits: CarrierLimits) -> Self {
        let handshake = h2::server::Builder::new()
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_list_bytes).unwrap_or(u32::MAX))
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_send_buffer_size(SEND_BUFFER_BYTES)
            .max_concurrent_reset_streams(RESET_STREAMS_MAX)
            .reset_stream_duration(RESET_STREAMS_KEPT)
            // Never more than may be open: a client that had enough while we were busy means well.
            .max_pending_accept_reset_streams(limits.streams as usize)
            .handshake(LinkIo(link));
        Carrier { link, state: State::Preface(Box::new(handshake)) }
    }

    /// Moves the connection on. Ready with the next stream that the client opened, or with `None` at the end.
    ///
    /// # Errors
    /// The connection failed, or the client broke the rules; it was told.
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Accepted, h2::Error>>> {
        if let State::Preface(handshake) = &mut self.state {
            match Pin::new(handshake).poll(cx) {
                Poll::Ready(Ok(connection)) => self.state = State::Open(Box::new(connection)),
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => return Poll::Pending,
            }
        }
        match &mut self.state {
            State::Open(connection) => connection.poll_accept(cx),
            State::Preface(_) => Poll::Pending,
        }
    }

    /// Sends what is to be sent. To be called after [`Carrier::poll_accept`] was pending.
    ///
    /// # Errors
    /// The connection failed.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.link.poll_flush(cx)
    }

    /// Whether a stream is open, or not everything of it was sent.
    pub fn has_streams(&self) -> bool {
        match &self.state {
            State::Open(connection) => connection.has_streams(),
            State::Preface(_) => false,
        }
    }

    /// Lets the client open no more streams, which it is told; the connection ends with the last one. `false`: it
    /// has not begun.
    pub fn leave(&mut self) -> bool {
        match &mut self.state {
            State::Open(connection) => connection.graceful_shutdown(),
            State::Preface(_) => return false,
        }
        true
    }

    /// Ends the connection, and all its streams, with `code`. `false`: it has not begun.
    pub fn end(&mut self, code: Code) -> bool {
        match &mut self.state {
            State::Open(connection) => connection.abrupt_shutdown(code),
            State::Preface(_) => return false,
        }
        true
    }
}
