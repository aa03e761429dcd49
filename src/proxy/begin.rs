//! One exchange from its head on: everything before a backend is looked for, then whatever it came to.

use std::ops::Range;
use std::rc::Rc;

use super::connection::{After, Connection};
use super::exchange::Exchange;
use super::hold::Hold;
use crate::admit::{self, From};
use crate::error::Reason;
use crate::http1::Decoder;
use crate::relay::{Buffer, Encoding, PumpError};

impl Connection {
    pub(super) async fn exchange(
        &mut self,
        exchange: &mut Exchange,
        buffer: Buffer,
        range: Range<usize>,
    ) -> After {
        let began = match self.begin(exchange, buffer, range) {
            Ok(()) => self.forward(exchange).await,
            Err(reason) => Err(reason),
        };
        match began {
            // What few exchanges need is boxed, so that idle connections do not keep room for it.
            Ok(()) if exchange.response.status == 101 => Box::pin(self.tunnel(exchange)).await,
            Ok(()) => self.deliver(exchange).await,
            Err(reason) => self.answer(exchange, reason).await,
        }
    }

    /// Everything before a backend is looked for.
    fn begin(
        &mut self,
        exchange: &mut Exchange,
        buffer: Buffer,
        range: Range<usize>,
    ) -> Result<(), Reason> {
        let worker = Rc::clone(self.worker());
        let Some(Hold::Listener(snapshot, index)) = &exchange.hold else {
            return Err(Reason::Internal);
        };
        let (snapshot, index) = (Rc::clone(snapshot), *index);
        let listener = &*snapshot.listeners[index].1;
        let trusted = admit::is_trusted(&snapshot.forwarding.trusted, self.peer);
        let from = From { peer: self.peer, peer_ip: &self.peer_ip, trusted };
        let request = &mut exchange.request;
        admit::identify(request, &snapshot.forwarding, from, &mut worker.rng.borrow_mut());
        let entered = admit::enter(request, listener);

        let limit = listener.limits.body_bytes.unwrap_or(u64::MAX);
        exchange.upload.start(Decoder::new(request.facts.framing), Encoding::AsReceived, limit);
        let primed = match range.is_empty() {
            true => {
                worker.resources().buffers.put(buffer);
                Ok(())
            }
            false => exchange.upload.prime(buffer, range, worker.resources()),
        };
        self.inbox.append(&mut exchange.upload.surplus);
        if let Ok(entry) = entered {
            let snapshot = Rc::clone(&snapshot);
            exchange.hold = Some(Hold::Pinned { snapshot, listener: index, entry, target: 0 });
        }
        if self.over_limit {
            return Err(Reason::RateLimited);
        }
        entered?;
        primed.map_err(|error| client_reason(&error))?;
        admit::pass(request, &snapshot, from);
        Ok(())
    }
}

/// Why reading a request's body failed.
pub(super) fn client_reason(error: &PumpError) -> Reason {
    match error {
        PumpError::Source(_) | PumpError::Truncated => Reason::ClientGone,
        PumpError::Malformed => Reason::BadRequest,
        PumpError::TooLong => Reason::BodyLimit,
        PumpError::Sink(_) => Reason::UpstreamReset,
    }
}
