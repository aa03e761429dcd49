//! Connections to backends that speak HTTP/2: a [`Trunk`] gives out streams, its [`Driver`] moves their frames, and
//! each stream is a [`crate::net::Channel`]. Kept and shared out by `pool`; used by `probe`, too.

mod driver;
mod keep_alive;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Waker};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::sync::Notify;

use super::io::Io;
use crate::http1::RESPONSE_HEAD_BYTES_MAX;
use crate::net::Stream;
pub use driver::Driver;
pub use stream::ClientStream;

/// Streams at once on one connection, if its peer allows as many.
pub const STREAMS_MAX: usize = 128;

/// Bytes of one body that its backend may send before somebody took them.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;

/// The same of all bodies of one connection: so many that no slow client holds the others up, and what a connection
/// can cost at most.
const CONNECTION_WINDOW_BYTES: u32 = STREAMS_MAX as u32 * STREAM_WINDOW_BYTES;

/// Bytes of one body that may wait to be sent.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// What everybody knows of a connection who has a stream on it.
#[derive(Debug)]
struct Shared {
    n_streams: AtomicUsize,
    /// Its peer has said how many streams it allows.
    is_settled: AtomicBool,
    is_over: AtomicBool,
    /// Told whenever there may be room for one more stream.
    news: Arc<Notify>,
}

/// A live connection.
#[derive(Debug)]
pub struct Trunk {
    requests: SendRequest<Bytes>,
    shared: Arc<Shared>,
    secure: bool,
}

impl Trunk {
    /// Begins to speak on `stream`. `news` is told when there is room for a stream, and when the connection ends.
    /// Nothing moves unless the driver is polled.
    ///
    /// # Errors
    /// The stream broke.
    pub async fn open(stream: Stream, news: Arc<Notify>) -> Result<(Self, Driver), h2::Error> {
        let secure = stream.tls().is_some();
        let (heard, io) = Io::new(stream);
        let (requests, mut connection) = h2::client::Builder::new()
            .enable_push(false)
            // Until the peer has said how many.
            .initial_max_send_streams(1)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buffer_size(SEND_BUFFER_BYTES)
            .max_header_list_size(RESPONSE_HEAD_BYTES_MAX as u32)
            .handshake::<_, Bytes>(io)
            .await?;
        let shared = Arc::new(Shared {
            n_streams: AtomicUsize::new(0),
            is_settled: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            news,
        });
        let pings = connection.ping_pong();
        let driver = Driver::new(connection, pings, heard, Arc::clone(&shared));
        Ok((Trunk { requests, shared, secure }, driver))
    }

    /// Streams open now.
    pub fn n_streams(&self) -> usize {
        self.shared.n_streams.load(Relaxed)
    }

    /// Streams that may be opened now.
    pub fn room(&self) -> usize {
        let max = match self.shared.is_settled.load(Relaxed) {
            true => self.requests.current_max_send_streams().min(STREAMS_MAX),
            false => 1,
        };
        max.saturating_sub(self.n_streams())
    }

    /// Whether its peer has yet to say how many streams it allows; until then there is room for one.
    pub fn is_unsettled(&self) -> bool {
        !self.shared.is_settled.load(Relaxed)
    }

    /// Whether it takes no more streams: it ended, or its peer has said that it will. Those that are open may go on.
    pub fn is_leaving(&self) -> bool {
        self.shared.is_over.load(Relaxed) || is_leaving(&mut self.requests.clone())
    }

    /// Another stream, whether or not there is room: it waits for that by itself.
    pub fn stream(&self) -> ClientStream {
        self.shared.n_streams.fetch_add(1, Relaxed);
        let lease = Lease(Arc::clone(&self.shared));
        ClientStream::new(self.requests.clone(), lease, self.secure)
    }
}

fn is_leaving(requests: &mut SendRequest<Bytes>) -> bool {
    let mut nobody = Context::from_waker(Waker::noop());
    matches!(requests.poll_ready(&mut nobody), std::task::Poll::Ready(Err(_)))
}

/// A stream's place on its connection, given back when it is dropped.
#[derive(Debug)]
struct Lease(Arc<Shared>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.n_streams.fetch_sub(1, Relaxed);
        self.0.news.notify_one();
    }
}
