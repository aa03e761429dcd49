//! The state of one request and its response, in one box that the worker lends to a connection for as
//! long as there is an exchange, so that an idle connection holds none of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::await_head::Wait;
use super::forward::Started;
use super::hold::Hold;
use super::mirror::Planned;
use super::race::Parked;
use super::retry::SoFar;
use super::worker::Pinned;
use crate::admit::{self, Request, Step};
use crate::backend::{Backend, Pending, Tried};
use crate::error::Reason;
use crate::message::ResponseHead;
use crate::relay::{Pump, Resources};

/// Memory that a finished exchange keeps of its inbox.
const IDLE_BUFFER_BYTES_MAX: usize = 1024;

/// One request and its response.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) request: Request,
    /// What comes before a backend is looked for, or instead.
    pub(super) detour: Option<Step>,
    pub(super) response: ResponseHead,
    /// Client to backend.
    pub(super) upload: Pump,
    /// Backend to client.
    pub(super) download: Pump,
    /// A part of a response head.
    pub(super) inbox: Vec<u8>,
    /// Backends that refused it.
    pub(super) tried: Tried,
    /// What its tries have used up.
    pub(super) so_far: SoFar,
    /// Its place among those that wait for a response head, where their number is bounded.
    pub(super) pending: Option<Pending>,
    /// A try that goes on beside another.
    pub(super) parked: Option<Box<Parked>>,
    /// How far sending it and waiting for the answer have come.
    pub(super) wait: Wait,
    /// The response that has begun.
    pub(super) started: Option<Started>,
    /// A copy for another upstream, until the upload is over.
    pub(super) mirror: Option<Planned>,
    pub(super) record: Record,
    /// What the exchange keeps alive of the configuration.
    pub(super) hold: Option<Hold>,
}

impl Exchange {
    /// The status of the answer, as retries and the backend's health take it.
    #[inline]
    pub(super) fn seen_status(&self) -> u16 {
        match self.request.call {
            None => self.response.status,
            Some(_) => admit::seen_status(&self.response),
        }
    }

    /// Holds on to the listener at `index` of `pinned`, before a route is found.
    pub(super) fn begin_at(&mut self, pinned: Pinned, index: usize) {
        self.hold = Some(Hold::Listener(pinned, index));
    }

    /// Ready for another request; keeps memory up to a bound.
    pub(super) fn clear(&mut self, resources: Resources<'_>) {
        self.request.clear();
        self.tried = Tried::default();
        self.so_far = SoFar::default();
        (self.pending, self.parked) = (None, None);
        self.wait = Wait::default();
        self.started = None;
        self.detour = None;
        self.mirror = None;
        self.response.clear();
        self.upload.release(resources);
        self.download.release(resources);
        self.inbox.clear();
        if self.inbox.capacity() > IDLE_BUFFER_BYTES_MAX {
            self.inbox.shrink_to(IDLE_BUFFER_BYTES_MAX);
        }
        self.record.clear();
        self.hold = None;
    }
}

/// What the access log and the counters are told of an exchange.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// When the first byte of its head was read; set before anything else is.
    pub(super) started: Option<Instant>,
    /// When its last byte was written, where that was looked at.
    pub(super) ended: Option<Instant>,
    /// The final status sent to the client; 0 before.
    pub(super) status: u16,
    /// The moment in which a response head was there, for as long as everything happens in it.
    pub(super) turn: Option<Instant>,
    pub(super) reason: Option<Reason>,
    pub(super) backend: Option<Arc<Backend>>,
    pub(super) attempts: u32,
    /// It waited for a place at a backend: what was measured before is of no use any more.
    pub(super) queued: bool,
    /// How long, over all tries, as of the last look.
    pub(super) queued_for: Option<Duration>,
    pub(super) connect: Option<Duration>,
    pub(super) first_byte: Option<Duration>,
    /// Body bytes of an answer of our own.
    pub(super) own_bytes: u64,
    /// Tunnel and body bytes counted before a pump was started anew.
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Record {
    fn clear(&mut self) {
        self.started = None;
        self.ended = None;
        self.turn = None;
        self.status = 0;
        self.reason = None;
        self.backend = None;
        self.attempts = 0;
        self.queued = false;
        self.queued_for = None;
        (self.connect, self.first_byte) = (None, None);
        (self.own_bytes, self.bytes_in, self.bytes_out) = (0, 0, 0);
    }
}
