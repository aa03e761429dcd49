//! One stream to a client or a backend, in the clear or through TLS, read and written through a shared reference,
//! so that both directions of an exchange can be polled without splitting it.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use tokio::net::{TcpStream, UnixStream};

use super::{Channel, Socket, Tls};

/// Who is at the other end of a client connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// Somebody on a unix socket.
    Unix,
}

/// A connected stream.
#[derive(Debug)]
pub enum Stream {
    /// In the clear.
    Plain(Socket),
    /// Through TLS; boxed, since most are not.
    Tls(Box<Tls>),
    /// One of many on a connection.
    Channel(Box<dyn Channel>),
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self {
            Stream::Plain($stream) => $call,
            Stream::Tls($stream) => $call,
            Stream::Channel($stream) => $call,
        }
    };
}

impl Stream {
    /// Reads what is there without waiting; `WouldBlock` when nothing is. A short read empties the
    /// stream, so readiness is given back at once and the next call costs no system call.
    #[inline]
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        each!(self, stream => stream.try_read(buffer))
    }

    /// Writes what fits without waiting. What was refused with `WouldBlock` must be what is offered next: TLS may
    /// have sealed it already.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        each!(self, stream => stream.try_write(bytes))
    }

    /// As [`Stream::try_write`], for what lies in several places.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.try_write_vectored(slices),
            Stream::Tls(tls) => tls.try_write_vectored(slices),
            Stream::Channel(channel) => {
                let first = slices.iter().find(|slice| !slice.is_empty());
                channel.try_write(first.map_or(&[], |first| first))
            }
        }
    }

    /// Reads into `buffer`; 0 is the end of the stream (or an empty buffer).
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_readable(cx))?
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes a prefix of `bytes`; see [`Stream::try_write`].
    pub fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_writable(cx))?
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes a prefix of `slices`; see [`Stream::try_write`].
    pub fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_writable(cx))?
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Waits until a read may succeed (or fail).
    #[inline]
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_readable(cx))
    }

    /// Waits until a write may succeed (or fail).
    #[inline]
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_writable(cx))
    }

    /// The socket, where nothing lies between it and the bytes: what splice can use.
    #[inline]
    pub fn plain(&self) -> Option<&Socket> {
        match self {
            Stream::Plain(socket) => Some(socket),
            Stream::Tls(_) | Stream::Channel(_) => None,
        }
    }

    /// Puts a TLS session that has yet to begin between a socket in the clear and the bytes; see
    /// [`Tls::poll_handshake`]. Of any other stream nothing is changed.
    pub fn begin_tls(&mut self, connection: impl Into<rustls::Connection>) {
        *self = match std::mem::replace(self, Stream::Channel(Box::new(Nowhere))) {
            Stream::Plain(socket) => Stream::Tls(Box::new(Tls::new(socket, connection))),
            other => other,
        };
    }

    /// The TLS session, where there is one.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Stream::Tls(tls) => Some(tls),
            Stream::Plain(_) | Stream::Channel(_) => None,
        }
    }

    /// What carries heads beside the bytes, where something does.
    #[inline]
    pub fn channel(&self) -> Option<&dyn Channel> {
        match self {
            Stream::Channel(channel) => Some(&**channel),
            Stream::Plain(_) | Stream::Tls(_) => None,
        }
    }

    /// Whether bytes wait to be read right now, asked of the kernel, not of the reactor. Of a channel never.
    pub fn has_bytes(&self) -> bool {
        match self {
            Stream::Plain(socket) => socket.has_bytes(),
            Stream::Tls(tls) => tls.has_bytes(),
            Stream::Channel(_) => false,
        }
    }

    /// Whether the peer is gone for good, which can be seen without reading what it left behind. A peer
    /// that only ended its own direction is not.
    pub fn is_reset(&self) -> bool {
        match self {
            Stream::Plain(socket) => socket.is_reset(),
            Stream::Tls(tls) => tls.socket().is_reset(),
            Stream::Channel(channel) => channel.is_reset(),
        }
    }

    /// Makes closing the stream a reset, so that the peer cannot take what it got for complete.
    pub fn reset_on_close(&self) {
        match self {
            Stream::Plain(socket) => socket.reset_on_close(),
            Stream::Tls(tls) => tls.reset_on_close(),
            Stream::Channel(channel) => channel.reset(),
        }
    }

    /// Ends the write direction: the peer reads the end of the stream. A channel's end goes with its bytes.
    ///
    /// # Errors
    /// The socket is no longer connected.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.shutdown_write(),
            Stream::Tls(tls) => tls.shutdown_write(),
            Stream::Channel(_) => Ok(()),
        }
    }
}

/// What stands in a stream's place while it is changed.
#[derive(Debug)]
struct Nowhere;

impl Channel for Nowhere {
    fn try_read(&self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn try_write(&self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::NotConnected.into())
    }

    fn poll_readable(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }

    fn poll_writable(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }

    fn poll_gone(&self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn is_reset(&self) -> bool {
        true
    }

    fn reset(&self) {}
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Stream::Plain(Socket::Tcp(stream))
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Stream::Plain(Socket::Unix(stream))
    }
}
