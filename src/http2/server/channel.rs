//! A stream that a client opened, as a [`Channel`].

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::task::{Context, Poll};

use super::core::{Core, Shared, lock};
use super::stream::{Answer, Broken, wants};
use crate::error::Reason;
use crate::http1::{Decoder, Framing, Pieces};
use crate::http2::frame::Code;
use crate::message::ResponseHead;
use crate::net::{Channel, ClientChannel};

/// One request's stream.
pub struct ServerStream {
    connection: Shared,
    place: u32,
    sink: RefCell<Sink>,
}

/// How what is written is framed.
#[derive(Default)]
struct Sink {
    decoder: Decoder,
    /// Something follows what the decoder takes for all.
    held: bool,
    /// Data of a chunk that is followed by another in the same bytes.
    spill: Vec<u8>,
    trailers: Vec<u8>,
}

impl fmt::Debug for ServerStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerStream").field("place", &self.place).finish_non_exhaustive()
    }
}

impl ServerStream {
    pub(super) fn new(connection: Shared, place: u32) -> Self {
        ServerStream { connection, place, sink: RefCell::default() }
    }

    /// Nothing was done with the request, and nothing will be.
    pub fn refuse(&self) {
        lock(&self.connection).give_up(self.place, Code::RefusedStream);
    }
}

impl Sink {
    /// Takes from the front of `bytes` what is no data: the end of a body needs no room in a window.
    fn n_framing(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < bytes.len() && self.decoder.plain_bytes_ahead() == 0 && !self.decoder.is_done() {
            self.feed(&bytes[n..=n])?;
            n += 1;
        }
        Ok(n)
    }

    /// Takes what may be sent of `bytes`.
    fn write(&mut self, core: &mut Core, place: u32, bytes: &[u8]) -> io::Result<usize> {
        let (n, run) = match core.take_room(place) {
            0 => (self.n_framing(bytes)?, 0..0),
            room => {
                let n = room.min(bytes.len());
                (n, self.feed(&bytes[..n])?)
            }
        };
        let is_last = self.decoder.is_done() && !self.held;
        let data = [&self.spill[..], &bytes[run]];
        let has_data = data.iter().any(|part| !part.is_empty());
        let has_trailers = is_last && !self.trailers.is_empty();
        if has_data || (is_last && !has_trailers) {
            core.send_data(place, data, is_last && !has_trailers);
        }
        if has_trailers && !core.send_trailers(place, &self.trailers) {
            core.send_data(place, [&[], &[]], true);
        }
        self.spill.clear();
        if n == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(n) }
    }

    /// Decodes `bytes`; where in them the data lies that is not in the spill.
    fn feed(&mut self, bytes: &[u8]) -> io::Result<std::ops::Range<usize>> {
        let mut pieces = Pieces::new(bytes, &mut self.spill, false);
        pieces.trailers = Some(&mut self.trailers);
        let fed = self.decoder.feed(&mut pieces);
        let run = pieces.run;
        fed.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        Ok(run)
    }
}

impl Channel for ServerStream {
    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        lock(&self.connection).read(self.place, buffer)
    }

    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (core, sink) = (&mut *lock(&self.connection), &mut *self.sink.borrow_mut());
        core.streams.at(self.place).may_be_written()?;
        let written = sink.write(core, self.place, bytes);
        // Not all that was granted may have been used.
        core.serve_line();
        written
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let core = &mut *lock(&self.connection);
        let stream = core.streams.at(self.place);
        if stream.is_readable() {
            return Poll::Ready(Ok(()));
        }
        stream.wait(cx, wants::READ);
        Poll::Pending
    }

    fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let core = &mut *lock(&self.connection);
        core.streams.at(self.place).may_be_written()?;
        if core.has_room(self.place) {
            return Poll::Ready(Ok(()));
        }
        core.streams.at(self.place).wait(cx, wants::WRITE);
        Poll::Pending
    }

    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let core = &mut *lock(&self.connection);
        let stream = core.streams.at(self.place);
        if stream.answer == Answer::Ended {
            return Poll::Pending;
        }
        if stream.broken.is_some() {
            return Poll::Ready(());
        }
        stream.wait(cx, wants::GONE);
        Poll::Pending
    }

    fn is_reset(&self) -> bool {
        lock(&self.connection).streams.at(self.place).broken.is_some()
    }

    fn reset(&self) {
        lock(&self.connection).give_up(self.place, Code::Internal);
    }

    fn cancel(&self) {
        lock(&self.connection).give_up(self.place, Code::Cancel);
    }

    fn has_more(&self) -> bool {
        lock(&self.connection).streams.at(self.place).has_more()
    }

    fn poll_tail(&self, cx: &mut Context<'_>, tail: &mut Vec<u8>) -> Poll<io::Result<()>> {
        let core = &mut *lock(&self.connection);
        let stream = core.streams.at(self.place);
        if stream.broken.is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if !stream.remote_ended {
            stream.wait(cx, wants::READ);
            return Poll::Pending;
        }
        tail.append(&mut stream.tail);
        Poll::Ready(Ok(()))
    }

    fn hold_end(&self) {
        self.sink.borrow_mut().held = true;
    }

    fn end_with(&self, tail: &[u8]) -> io::Result<()> {
        let (core, sink) = (&mut *lock(&self.connection), &mut *self.sink.borrow_mut());
        core.streams.at(self.place).may_be_written()?;
        sink.held = false;
        if !tail.is_empty() {
            sink.decoder = Decoder::new(Framing::Chunked);
            sink.feed(tail)?;
        }
        if !core.send_trailers(self.place, &sink.trailers) {
            core.send_data(self.place, [&[], &[]], true);
        }
        Ok(())
    }

    fn client(&self) -> Option<&dyn ClientChannel> {
        Some(self)
    }
}

impl ServerStream {
    /// Sends a head, if none was sent that is final and the client still wants one.
    fn send_head(&self, head: &ResponseHead, then: Answer, ends: bool) -> Result<(), Reason> {
        let core = &mut *lock(&self.connection);
        let stream = core.streams.at(self.place);
        match (stream.broken, stream.answer) {
            (Some(Broken::ByPeer | Broken::ByUs), _) => return Err(Reason::ClientGone),
            (None, Answer::Owed) => {}
            (None, Answer::Begun | Answer::Ended) => return Err(Reason::Internal),
        }
        if !(100..1000).contains(&head.status) {
            return Err(Reason::UpstreamProtocol);
        }
        stream.answer = then;
        core.send_head(self.place, head, ends);
        Ok(())
    }
}

impl ClientChannel for ServerStream {
    fn inform(&self, head: &ResponseHead) -> Result<(), Reason> {
        self.send_head(head, Answer::Owed, false)
    }

    fn respond(&self, head: &ResponseHead, framing: Framing) -> Result<(), Reason> {
        let sink = &mut *self.sink.borrow_mut();
        let ends = matches!(framing, Framing::None | Framing::Length(0)) && !sink.held;
        self.send_head(head, Answer::Begun, ends)?;
        sink.decoder = Decoder::new(framing);
        Ok(())
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        lock(&self.connection).drop_stream(self.place);
    }
}
