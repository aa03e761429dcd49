//! What the client gets without a backend's help, and whether its connection survives that.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use super::connection::{After, Connection};
use super::exchange::Exchange;
use super::hold::Hold;
use super::respond::{self, Answer};
use crate::error::Reason;
use crate::message::Version;

impl Connection {
    /// Answers for the backend.
    pub(super) async fn answer(&mut self, exchange: &mut Exchange, reason: Reason) -> After {
        exchange.record.reason = Some(reason);
        if respond::status(reason).is_none() {
            return After::Close;
        }
        let keep_alive =
            !closes(reason) && exchange.upload.is_read() && self.may_keep_alive(exchange);
        exchange.record.bytes_in = exchange.upload.data_bytes;
        exchange.upload.release(self.worker().resources());
        let answer = Answer {
            reason,
            request_id: &exchange.request.id,
            head_only: exchange.request.head.method() == b"HEAD",
            keep_alive,
            http10: exchange.request.head.version == Version::Http10,
        };
        let (status, body_bytes) = respond::write(answer, &mut exchange.download.out);
        (exchange.record.status, exchange.record.own_bytes) = (status, body_bytes);
        let send_idle =
            exchange.hold.as_ref().and_then(Hold::listener).and_then(|listener| listener.send_idle);
        let deadline = send_idle.map(|send_idle| Instant::now() + send_idle);
        let sent = poll_fn(|cx| {
            let resources = self.registration.worker.resources();
            match exchange.download.poll_flush(cx, &self.stream, resources) {
                Poll::Ready(result) => Poll::Ready(result.is_ok()),
                Poll::Pending => self.timer.poll(cx, deadline).map(|()| false),
            }
        });
        match (sent.await, keep_alive) {
            (true, true) => After::Continue,
            (true, false) => After::Linger,
            (false, _) => After::Close,
        }
    }
}

/// Reasons after which nothing on the connection can be trusted or waited for.
fn closes(reason: Reason) -> bool {
    use Reason::{
        BadRequest, BodyLimit, BodyTimeout, HeaderLimit, HeaderTimeout, RateLimited, UriLimit,
    };
    matches!(
        reason,
        BadRequest | BodyLimit | BodyTimeout | HeaderLimit | HeaderTimeout | RateLimited | UriLimit
    )
}
