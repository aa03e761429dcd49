//! After a 101: bytes both ways, each direction ending on its own.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::connection::{After, Connection};
use super::deliver::filter_response;
use super::exchange::Exchange;
use super::expiry::timeouts;
use super::forward::Started;
use super::pick;
use super::response_headers;
use crate::error::Reason;
use crate::http1::Decoder;
use crate::net::Stream;
use crate::relay::{Encoding, Pump, Resources};

impl Connection {
    /// Passes the 101 on and becomes a tunnel until both sides have ended or nothing moves for too long.
    pub(super) async fn tunnel(&mut self, exchange: &mut Exchange) -> After {
        let Some(started) = exchange.started.take() else { return After::Close };
        let Started { connection, permit, facts, buffer, range } = started;
        let resources = self.worker().clone();
        let resources = resources.resources();
        exchange.record.status = 101;
        exchange.record.first_byte = exchange.record.started.map(|started| started.elapsed());
        exchange.record.bytes_in = exchange.upload.data_bytes;
        response_headers::strip_switching(&mut exchange.response, &facts);
        pick::stick(exchange, permit.backend());
        // There is no body to go through anything.
        drop(filter_response(exchange, permit.backend()));
        response_headers::write_switching(&exchange.response, &mut exchange.download.out);
        exchange.download.start(Decoder::UntilClose, Encoding::DataOnly, u64::MAX);
        let _ = exchange.download.prime(buffer, range, resources);
        exchange.download.commit(resources);
        exchange.upload.release(resources);
        exchange.upload.out.append(&mut self.inbox);
        exchange.upload.start(Decoder::UntilClose, Encoding::DataOnly, u64::MAX);

        let idle = timeouts(exchange).tunnel_idle;
        if let Some(hold) = &mut exchange.hold {
            hold.unpin();
        }
        let mut ends = Ends::default();
        let mut moved = Instant::now();
        exchange.record.reason = poll_fn(|cx| {
            self.poll_tunnel(cx, exchange, &connection.stream, &mut ends, idle, &mut moved)
        })
        .await;
        if matches!(exchange.record.reason, Some(Reason::ClientGone | Reason::UpstreamTruncated)) {
            // Through TLS that is also an end without a word. Who has not been told an end is not to take the close
            // for one.
            self.resets = !ends.backend;
            if !ends.client {
                connection.stream.reset_on_close();
            }
        }
        drop(permit);
        After::Close
    }

    fn poll_tunnel(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange,
        upstream: &Stream,
        ends: &mut Ends,
        idle: Option<Duration>,
        moved: &mut Instant,
    ) -> Poll<Option<Reason>> {
        let resources = self.worker().clone();
        let resources = resources.resources();
        if poll_direction(
            cx,
            &mut exchange.upload,
            &self.stream,
            upstream,
            resources,
            &mut ends.client,
        )
        .is_err()
        {
            return Poll::Ready(Some(Reason::ClientGone));
        }
        if poll_direction(
            cx,
            &mut exchange.download,
            upstream,
            &self.stream,
            resources,
            &mut ends.backend,
        )
        .is_err()
        {
            return Poll::Ready(Some(Reason::UpstreamTruncated));
        }
        if ends.client && ends.backend {
            return Poll::Ready(None);
        }
        let progressed = std::mem::take(&mut exchange.upload.progressed)
            | std::mem::take(&mut exchange.download.progressed);
        if progressed {
            *moved = Instant::now();
        }
        self.timer.poll(cx, idle.map(|idle| *moved + idle)).map(|()| Some(Reason::TunnelIdle))
    }
}

/// Which sides have sent their last byte, and the other was told.
#[derive(Debug, Default)]
struct Ends {
    client: bool,
    backend: bool,
}

fn poll_direction(
    cx: &mut Context<'_>,
    pump: &mut Pump,
    source: &Stream,
    sink: &Stream,
    resources: Resources<'_>,
    ended: &mut bool,
) -> Result<(), ()> {
    if *ended {
        return Ok(());
    }
    match pump.poll(cx, source, sink, resources) {
        Poll::Pending => Ok(()),
        Poll::Ready(Ok(())) => {
            *ended = true;
            pump.progressed = true;
            // The peer may be gone already: then its own direction tells.
            let _ = sink.shutdown_write();
            Ok(())
        }
        Poll::Ready(Err(_)) => Err(()),
    }
}
