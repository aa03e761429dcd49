//! Connections to the admin socket: accepted while there is a place, each a task, one request each, bounded in
//! bytes and in time.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;

use super::answer::answer;
use super::site::Site;

/// Accepts for as long as it lives.
pub(super) async fn accept(listener: UnixListener, site: Arc<Site>) {
    // A place first: beyond the bound clients wait in the accept queue of the system.
    while let Ok(place) = Arc::clone(&site.places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let site = Arc::clone(&site);
                tokio::spawn(async move {
                    serve(stream, site).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin socket could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end, which comes within [`CONNECTION_MAX`].
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, site: Arc<Site>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&site)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEAD_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // Who breaks off, stalls or talks nonsense is told by hyper or not at all.
    let _ = tokio::time::timeout(CONNECTION_MAX, connection).await;
}

/// How long a request head may take, and how large it may be.
const HEAD_MAX: Duration = Duration::from_secs(10);
const HEAD_BYTES_MAX: usize = 16 << 10;

/// How long a connection may take in all: the longest wait is that for a reload, and then the answer has to
/// be read.
const CONNECTION_MAX: Duration = Duration::from_secs(60);

/// The pause after an accept that failed: there is nothing left to accept with for a moment.
const PAUSE: Duration = Duration::from_millis(250);
