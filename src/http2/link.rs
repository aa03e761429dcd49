//! The bytes under one connection to a client: what h2 reads passes the guard, what it writes is gathered and leaves
//! in few writes.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::guard::{Guard, Offence};
use crate::net::Stream;

/// Writes of at least so many bytes are not copied, where nothing waits before them.
const DIRECT_BYTES: usize = 16 * 1024;

/// Bytes that are gathered before they are sent.
const GATHERED_BYTES_MAX: usize = 32 * 1024;

/// Memory for gathering that a connection keeps while no stream is open on it.
const IDLE_BYTES_MAX: usize = 2 * 1024;

/// Bytes of one read.
const READ_BYTES_MAX: usize = 32 * 1024;

/// Reads in one turn: somebody who sends without end must not keep the worker from others.
const READS_MAX: u32 = 16;

thread_local! {
    /// What is read goes through this.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into());
}

/// The bytes under one connection; h2 gets a [`LinkIo`] of it.
#[derive(Debug)]
pub struct Link<'a> {
    stream: &'a Stream,
    /// What is to be read before anything else.
    before: RefCell<Vec<u8>>,
    gathered: RefCell<Gathered>,
    guard: RefCell<Guard>,
    n_reads: Cell<u32>,
    n_written: Cell<u64>,
}

/// What waits to be sent.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    n_sent: usize,
}

impl<'a> Link<'a> {
    /// Over `stream`, of which `before` was read already.
    pub fn new(stream: &'a Stream, before: Vec<u8>) -> Self {
        Link {
            stream,
            before: RefCell::new(before),
            gathered: RefCell::default(),
            guard: RefCell::new(Guard::new(Instant::now())),
            n_reads: Cell::new(0),
            n_written: Cell::new(0),
        }
    }

    /// Begins a turn of the task.
    pub fn begin_turn(&self) {
        self.n_reads.set(0);
    }

    /// What the client did that it must not do. Nothing is read from it any more.
    pub fn offence(&self) -> Option<Offence> {
        self.guard.borrow().offence()
    }

    /// How often the client gave up a stream.
    pub fn n_resets(&self) -> u64 {
        self.guard.borrow().n_resets()
    }

    /// Whether the client's SETTINGS came.
    pub fn began(&self) -> bool {
        self.guard.borrow().began()
    }

    /// Bytes that the socket took.
    pub fn n_written(&self) -> u64 {
        self.n_written.get()
    }

    /// Whether bytes wait to be read or to be sent.
    pub fn has_bytes(&self) -> bool {
        self.stream.has_bytes() || !self.gathered.borrow().bytes.is_empty()
    }

    /// Sends what was gathered. To be called when h2 has nothing more to write for now.
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let gathered = &mut *self.gathered.borrow_mut();
        while gathered.n_sent < gathered.bytes.len() {
            let sent = self.stream.poll_write(cx, &gathered.bytes[gathered.n_sent..]);
            match ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => {
                    gathered.n_sent += n;
                    self.n_written.set(self.n_written.get() + n as u64);
                }
            }
        }
        gathered.n_sent = 0;
        gathered.bytes.clear();
        Poll::Ready(Ok(()))
    }

    /// Gives memory back: for now there is nothing to send.
    pub fn rest(&self) {
        let gathered = &mut *self.gathered.borrow_mut();
        if gathered.bytes.is_empty() && gathered.bytes.capacity() > IDLE_BYTES_MAX {
            gathered.bytes = Vec::new();
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut before = self.before.borrow_mut();
        if !before.is_empty() {
            let n = before.len().min(buffer.len());
            buffer[..n].copy_from_slice(&before[..n]);
            before.drain(..n);
            before.shrink_to(0);
            return Poll::Ready(Ok(n));
        }
        let n_reads = self.n_reads.get();
        if n_reads >= READS_MAX {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = ready!(self.stream.poll_read(cx, buffer))?;
        self.n_reads.set(n_reads + 1);
        Poll::Ready(Ok(n))
    }

    fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let n_offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let waits = self.gathered.borrow().bytes.len();
        let n = if n_offered >= DIRECT_BYTES && waits == 0 {
            let n = ready!(self.stream.poll_write_vectored(cx, slices))?;
            self.n_written.set(self.n_written.get() + n as u64);
            n
        } else {
            if waits >= GATHERED_BYTES_MAX {
                ready!(self.poll_flush(cx))?;
            }
            let gathered = &mut *self.gathered.borrow_mut();
            slices.iter().for_each(|slice| gathered.bytes.extend_from_slice(slice));
            n_offered
        };
        let (mut left, mut guard) = (n, self.guard.borrow_mut());
        for slice in slices {
            let seen = left.min(slice.len());
            guard.sent(&slice[..seen], Instant::now);
            left -= seen;
        }
        Poll::Ready(Ok(n))
    }
}

/// What h2 reads and writes.
#[derive(Debug)]
pub(super) struct LinkIo<'a>(pub(super) &'a Link<'a>);

impl AsyncRead for LinkIo<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = self.0;
        if link.offence().is_some() {
            // Whoever polls the connection looks at that next.
            return Poll::Pending;
        }
        // Not into its buffer, which would have to be zeroed first, each time and as a whole.
        SCRATCH.with_borrow_mut(|scratch| {
            let room = buffer.remaining().min(scratch.len());
            let n = ready!(link.poll_read(cx, &mut scratch[..room]))?;
            link.guard.borrow_mut().received(&scratch[..n], Instant::now);
            buffer.put_slice(&scratch[..n]);
            Poll::Ready(Ok(()))
        })
    }
}

impl AsyncWrite for LinkIo<'_> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was gathered leaves at the end of the turn.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_flush(cx))?;
        Poll::Ready(self.0.stream.shutdown_write())
    }
}
