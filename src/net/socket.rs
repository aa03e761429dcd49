//! One connected socket, TCP or unix, in the clear: read and written through a shared reference, so that both
//! directions of an exchange can be polled without splitting it.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, SendFlags};
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A unix stream socket.
    Unix(UnixStream),
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self {
            Socket::Tcp($stream) => $call,
            Socket::Unix($stream) => $call,
        }
    };
}

impl Socket {
    /// Reads what is there without waiting; `WouldBlock` when nothing is. A short read empties the
    /// socket, so readiness is given back at once and the next call costs no system call.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_wanted = buffer.len();
        self.try_io_until_short(Interest::READABLE, n_wanted, || {
            // Straight to the kernel: the C library's calls are cancellation points and pay for it.
            let (n, _) = rustix::net::recv(self, &mut *buffer, RecvFlags::empty())?;
            Ok(n)
        })
    }

    /// Writes what fits without waiting.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_io_until_short(Interest::WRITABLE, bytes.len(), || {
            Ok(rustix::net::send(self, bytes, SendFlags::NOSIGNAL)?)
        })
    }

    /// Moves up to `n_wanted` bytes by `call`; when it moves fewer, but some, the socket has nothing more
    /// to give just now, and readiness is given back in the same step.
    #[inline]
    fn try_io_until_short(
        &self,
        interest: Interest,
        n_wanted: usize,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut short = None;
        let moved = self.try_io(interest, || match call() {
            Ok(n) if n > 0 && n < n_wanted => {
                short = Some(n);
                Err(io::ErrorKind::WouldBlock.into())
            }
            result => result,
        });
        short.map_or(moved, Ok)
    }

    /// Writes what fits of `slices` without waiting, in one system call.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, stream => stream.try_write_vectored(slices))
    }

    /// Waits until a read may succeed (or fail).
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_read_ready(cx))
    }

    /// Waits until a write may succeed (or fail).
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_write_ready(cx))
    }

    /// Runs a system call on the socket (splice, say) under tokio's readiness: `WouldBlock` from it
    /// gives readiness back, so that the next `poll_readable`/`poll_writable` waits.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        call: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        each!(self, stream => stream.try_io(interest, call))
    }

    /// Whether bytes wait in the socket right now, asked of the kernel, not of the reactor.
    pub fn has_bytes(&self) -> bool {
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        matches!(rustix::net::recv(self, &mut byte, flags), Ok((n, _)) if n > 0)
    }

    /// Whether the peer is gone for good, which can be seen without reading what it left behind. A peer
    /// that only ended its own direction is not.
    pub fn is_reset(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        // Errors and hang-ups are told whether asked for or not.
        let mut sockets = [PollFd::new(self, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut sockets, Some(&at_once)).is_ok()
            && sockets[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
    }

    /// Makes closing the socket a reset, so that the peer cannot take what it got for complete.
    pub fn reset_on_close(&self) {
        let socket = socket2::SockRef::from(self);
        let _ = socket.set_linger(Some(std::time::Duration::ZERO));
    }

    /// Ends the write direction: the peer reads the end of the stream.
    pub fn shutdown_write(&self) -> io::Result<()> {
        rustix::net::shutdown(self, rustix::net::Shutdown::Write).map_err(io::Error::from)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        each!(self, stream => stream.as_fd())
    }
}
