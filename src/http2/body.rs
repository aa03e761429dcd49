//! Bodies of HTTP/2 streams, in the bytes that [`crate::net::Channel`] speaks: read as HTTP/1.1 would frame them, and
//! written from what HTTP/1.1 framed.
//!
//! What was read is credited to the peer's window only when somebody took it, and nothing is taken that the peer's
//! window has no room for: memory is bounded by the windows in both directions.

use std::io::{self, Write as _};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::HeaderMap;

use super::heads;
use crate::http1::{Decoder, Framing, Pieces};

/// Room for a chunk's size line and the line end behind its data.
const CHUNK_FRAMING_BYTES: usize = 24;

/// The most that is asked of the peer's window at once.
const ASKED_BYTES_MAX: usize = 64 * 1024;

/// Reads the body of a stream.
#[derive(Debug)]
pub(super) struct Source {
    stream: RecvStream,
    chunked: bool,
    state: State,
    /// Data that came and was not read.
    data: Bytes,
    /// The last chunk and what comes behind it, as far as that was not read.
    tail: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Ended,
}

impl Source {
    /// `framing`: how whoever reads expects the body, [`Framing::Chunked`] or a length.
    pub(super) fn new(stream: RecvStream, framing: Framing) -> Self {
        let chunked = framing == Framing::Chunked;
        Source { stream, chunked, state: State::Data, data: Bytes::new(), tail: Vec::new() }
    }

    /// See [`crate::net::Channel::try_read`].
    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.data.is_empty() {
            return self.read_data(buffer);
        }
        if !self.tail.is_empty() {
            let n = self.tail.len().min(buffer.len());
            buffer[..n].copy_from_slice(&self.tail[..n]);
            self.tail.drain(..n);
            return Ok(n);
        }
        match self.state {
            State::Ended => Ok(0),
            State::Data | State::Trailers => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn read_data(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let framing_bytes = if self.chunked { CHUNK_FRAMING_BYTES } else { 0 };
        let n = self.data.len().min(buffer.len().saturating_sub(framing_bytes));
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no room for a chunk"));
        }
        let data = self.data.split_to(n);
        // Fails only when the stream is over, and then there is nobody to credit it to.
        let _ = self.stream.flow_control().release_capacity(n);
        if !self.chunked {
            buffer[..n].copy_from_slice(&data);
            return Ok(n);
        }
        let room = buffer.len();
        let mut rest = &mut *buffer;
        write!(rest, "{n:x}\r\n")?;
        rest.write_all(&data)?;
        rest.write_all(b"\r\n")?;
        Ok(room - rest.len())
    }

    /// See [`crate::net::Channel::poll_readable`].
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.data.is_empty() && self.tail.is_empty() {
            match self.state {
                State::Ended => break,
                State::Data => match ready!(self.stream.poll_data(cx)) {
                    Some(Ok(data)) => self.data = data,
                    Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                    None => self.state = State::Trailers,
                },
                State::Trailers => {
                    let trailers = ready!(self.stream.poll_trailers(cx)).map_err(into_io)?;
                    self.state = State::Ended;
                    if self.chunked {
                        self.end_chunks(trailers);
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn end_chunks(&mut self, trailers: Option<HeaderMap>) {
        self.tail.extend_from_slice(b"0\r\n");
        if let Some(trailers) = trailers {
            heads::write_trailers(&trailers, &mut self.tail);
        }
        self.tail.extend_from_slice(b"\r\n");
    }

    /// See [`crate::net::Channel::has_more`].
    pub(super) fn has_more(&self) -> bool {
        !self.chunked && self.state != State::Ended && !self.stream.is_end_stream()
    }

    /// See [`crate::net::Channel::poll_tail`].
    pub(super) fn poll_tail(
        &mut self,
        cx: &mut Context<'_>,
        tail: &mut Vec<u8>,
    ) -> Poll<io::Result<()>> {
        while self.state == State::Data {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) if data.is_empty() => {}
                // h2 counts: there is none behind the length.
                Some(Ok(_)) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Some(Err(error)) => return Poll::Ready(Err(into_io(error))),
                None => self.state = State::Trailers,
            }
        }
        if self.state == State::Trailers {
            let trailers = ready!(self.stream.poll_trailers(cx)).map_err(into_io)?;
            self.state = State::Ended;
            if trailers.is_some() {
                self.end_chunks(trailers);
                tail.append(&mut self.tail);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Writes the body of a stream.
#[derive(Debug)]
pub(super) struct Sink {
    stream: SendStream<Bytes>,
    decoder: Decoder,
    /// Something follows what the decoder takes for all.
    held: bool,
    /// How much was offered and refused last.
    wanted: usize,
    /// Data of a chunk that is followed by another in the same bytes.
    spill: Vec<u8>,
    trailers: Vec<u8>,
}

impl Sink {
    /// `framing`: how the bytes will be framed. `held`: they are not all; see [`crate::net::Channel::hold_end`].
    pub(super) fn new(stream: SendStream<Bytes>, framing: Framing, held: bool) -> Self {
        let decoder = Decoder::new(framing);
        Sink { stream, decoder, held, wanted: 0, spill: Vec::new(), trailers: Vec::new() }
    }

    /// Whether the peer was told that this is all.
    pub(super) fn is_ended(&self) -> bool {
        self.decoder.is_done() && !self.held
    }

    /// See [`crate::net::Channel::hold_end`].
    pub(super) fn hold_end(&mut self) {
        self.held = true;
    }

    /// See [`crate::net::Channel::end_with`].
    pub(super) fn end_with(&mut self, tail: &[u8]) -> io::Result<()> {
        self.held = false;
        if tail.is_empty() {
            return self.stream.send_data(Bytes::new(), true).map_err(into_io);
        }
        self.decoder = Decoder::new(Framing::Chunked);
        self.feed(tail)
    }

    /// See [`crate::net::Channel::try_write`].
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.decoder.is_done() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let n = match self.capacity(bytes.len()) {
            0 => self.write_framing(bytes)?,
            capacity => {
                let n = capacity.min(bytes.len());
                self.feed(&bytes[..n])?;
                n
            }
        };
        match n {
            0 => {
                self.wanted = bytes.len();
                Err(io::ErrorKind::WouldBlock.into())
            }
            n => Ok(n),
        }
    }

    /// How much data the peer has room for now, of `wanted` bytes.
    fn capacity(&mut self, wanted: usize) -> usize {
        match self.stream.capacity() {
            enough if enough >= wanted => enough,
            _ => {
                self.stream.reserve_capacity(wanted.min(ASKED_BYTES_MAX));
                self.stream.capacity()
            }
        }
    }

    /// Takes from the front of `bytes` what is no data: the end of a body needs no room in a window.
    fn write_framing(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut n = 0;
        while n < bytes.len() && self.decoder.plain_bytes_ahead() == 0 && !self.decoder.is_done() {
            self.feed(&bytes[n..=n])?;
            n += 1;
        }
        Ok(n)
    }

    fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut pieces = Pieces::new(bytes, &mut self.spill, false);
        pieces.trailers = Some(&mut self.trailers);
        let fed = self.decoder.feed(&mut pieces);
        let run = pieces.run;
        fed.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        let data = match self.spill.is_empty() {
            true => Bytes::copy_from_slice(&bytes[run]),
            false => {
                self.spill.extend_from_slice(&bytes[run]);
                std::mem::take(&mut self.spill).into()
            }
        };
        let is_last = self.is_ended();
        let trailers = if is_last { heads::read_trailers(&self.trailers) } else { None };
        if !data.is_empty() || (is_last && trailers.is_none()) {
            self.stream.send_data(data, is_last && trailers.is_none()).map_err(into_io)?;
        }
        match trailers {
            Some(trailers) => self.stream.send_trailers(trailers).map_err(into_io),
            None => Ok(()),
        }
    }

    /// See [`crate::net::Channel::poll_writable`].
    pub(super) fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.capacity(self.wanted.max(1)) > 0 {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.stream.poll_capacity(cx)) {
            Some(Ok(_)) => Poll::Ready(Ok(())),
            Some(Err(error)) => Poll::Ready(Err(into_io(error))),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Ready once the peer reset the stream, or its connection failed.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx).map(|_| ())
    }

    /// Resets the stream, if the peer was not told its end.
    pub(super) fn reset(&mut self, reason: h2::Reason) {
        if !self.is_ended() {
            self.stream.send_reset(reason);
            (self.decoder, self.held) = (Decoder::Done, false);
        }
    }
}

/// A stream's error as one of its bytes.
pub(super) fn into_io(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
    }
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
