//! One request on an HTTP/2 connection of its own, for checks: everything about its answer is bounded.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, Request};

use super::io::Io;
use crate::http1::RESPONSE_HEAD_BYTES_MAX;
use crate::net::Stream;

/// An answer.
#[derive(Debug, Default)]
pub struct Asked {
    /// Its status.
    pub status: u16,
    /// Its head.
    pub fields: HeaderMap,
    /// Its body, up to what was wanted of it.
    pub body: Vec<u8>,
    /// What came behind the body, if all of that was read.
    pub trailers: HeaderMap,
}

/// Sends `request` with `body` over `stream` and reads the answer, of its body `body_bytes_max` bytes; the stream is
/// closed afterwards.
///
/// # Errors
/// What broke.
pub async fn ask(
    stream: Stream,
    request: Request<()>,
    body: Bytes,
    body_bytes_max: usize,
) -> Result<Asked, h2::Error> {
    let (heard, io) = Io::new(stream);
    let (requests, connection) = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(RESPONSE_HEAD_BYTES_MAX as u32)
        .handshake::<_, Bytes>(io)
        .await?;
    let mut connection = pin!(connection);
    let mut exchange = pin!(exchange(requests, request, body, body_bytes_max));
    poll_fn(|cx| {
        heard.store(0, Relaxed);
        let ended = connection.as_mut().poll(cx);
        // What it was answered before it ended counts.
        match (exchange.as_mut().poll(cx), ended) {
            (Poll::Ready(asked), _) => Poll::Ready(asked),
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Pending, Poll::Ready(Ok(()))) => Poll::Ready(Err(h2::Reason::NO_ERROR.into())),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        }
    })
    .await
}

async fn exchange(
    mut requests: h2::client::SendRequest<Bytes>,
    request: Request<()>,
    body: Bytes,
    body_bytes_max: usize,
) -> Result<Asked, h2::Error> {
    let ends = body.is_empty();
    let (response, mut upload) = requests.send_request(request, ends)?;
    if !ends {
        // What does not fit the window waits for it.
        upload.send_data(body, true)?;
    }
    let (parts, mut download) = response.await?.into_parts();
    let mut asked =
        Asked { status: parts.status.as_u16(), fields: parts.headers, ..Asked::default() };
    while let Some(data) = download.data().await {
        let data = data?;
        let wanted = data.len().min(body_bytes_max - asked.body.len());
        asked.body.extend_from_slice(&data[..wanted]);
        if asked.body.len() == body_bytes_max {
            return Ok(asked);
        }
        download.flow_control().release_capacity(data.len())?;
    }
    asked.trailers = download.trailers().await?.unwrap_or_default();
    Ok(asked)
}
