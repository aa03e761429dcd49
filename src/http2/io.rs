//! A stream to a backend as tokio's traits have it, which is what h2 reads and writes. It counts what is read, gives
//! others a turn when that is much, and has the backend watched.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::watch::Watch;
use crate::net::Stream;

/// What is read in one turn: h2 reads for as long as there is something, and whoever sends without a pause would have
/// the worker for itself.
pub(super) const TURN_BYTES_MAX: usize = 128 * 1024;

/// A stream that counts what is read of it.
#[derive(Debug)]
pub(super) struct Io {
    stream: Stream,
    /// Since the turn began.
    n_read: Arc<AtomicUsize>,
    watch: Watch,
}

impl Io {
    /// Whoever polls it takes what was counted from the first part, down to 0, at least once in each turn.
    pub(super) fn new(stream: Stream) -> (Arc<AtomicUsize>, Self) {
        let n_read = Arc::new(AtomicUsize::new(0));
        let watch = Watch::new(Instant::now());
        (Arc::clone(&n_read), Io { stream, n_read, watch })
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(n)) = written {
            self.watch.sent(n);
        }
        written
    }
}

impl AsyncRead for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let io = self.get_mut();
        if io.n_read.load(Relaxed) >= TURN_BYTES_MAX {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let n = ready!(io.stream.poll_read(cx, buffer.initialize_unfilled()))?;
        io.n_read.fetch_add(n, Relaxed);
        if !io.watch.received(&buffer.initialize_unfilled()[..n], Instant::now) {
            return Poll::Ready(Err(io::Error::other(
                "the backend floods it with frames that do no work",
            )));
        }
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        let written = io.stream.poll_write(cx, bytes);
        io.wrote(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let io = self.get_mut();
        let written = io.stream.poll_write_vectored(cx, slices);
        io.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.shutdown_write())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn a_turn_of_reading_ends_however_much_there_is() {
        const ALL: usize = 3 * TURN_BYTES_MAX;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        // All of it is in the kernel before anything is read.
        let mut far = std::net::TcpStream::connect(address).expect("connected");
        far.write_all(&[1; ALL]).expect("the kernel has room");
        let (near, _): (TcpStream, _) = listener.accept().await.expect("a connection");
        let (n_read, mut io) = Io::new(near.into());
        let (mut n_all, mut n_max) = (0, 0);
        while n_all < ALL {
            let n_turn = poll_fn(|cx| {
                let before = n_all;
                let mut space = [0; 16 * 1024];
                let mut buffer = ReadBuf::new(&mut space);
                while let Poll::Ready(read) = Pin::new(&mut io).poll_read(cx, &mut buffer) {
                    read.expect("it is read");
                    n_all += buffer.filled().len();
                    buffer.clear();
                    if n_all == ALL {
                        break;
                    }
                }
                n_read.store(0, Relaxed);
                match n_all - before {
                    0 => Poll::Pending,
                    n => Poll::Ready(n),
                }
            });
            n_max = n_max.max(n_turn.await);
        }
        assert!(n_max < TURN_BYTES_MAX + 16 * 1024, "{n_max} bytes in one turn");
    }
}
