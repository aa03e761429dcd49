//! Mirrors: a share of a route's requests is copied to another upstream, and what that one answers is thrown away.
//!
//! The original never waits for its copy and never learns what became of it. Its body is copied as it passes and
//! the copy sent once the original is out, by a task of its own on the same worker. All that can be held at once is
//! bounded: [`MIRRORS_MAX`] copies of [`MIRROR_BODY_BYTES_MAX`] bytes of body.
//!
//! Called by `forward`, at its beginning and when the upload is over.

mod send;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::exchange::Exchange;
use super::hold::Hold;
use super::pick;
use super::worker::Worker;
use crate::admit::{self, Request};
use crate::backend::Backend;
use crate::http1::Framing;
use crate::message::Known;
use crate::snapshot::Upstream;

/// Bytes of a body that are copied; a request with a longer one is not.
pub(super) const MIRROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// Copies that one worker makes at once, from the beginning of the original to the end of the copy.
pub(super) const MIRRORS_MAX: usize = 128;

/// A copy that is to be sent when its original is out.
#[derive(Debug)]
pub(super) struct Planned {
    upstream: Arc<Upstream>,
    place: Place,
}

/// Decides whether the exchange's request is copied; if so, its body is from now on. To be called before the first
/// head is set.
#[inline]
pub(super) fn plan(worker: &Worker, exchange: &mut Exchange) {
    let Some((upstream, at_most)) = exchange.hold.as_ref().and_then(Hold::mirror) else { return };
    let spared = at_most != u32::MAX && worker.rng.borrow_mut().next_u64() as u32 > at_most;
    if spared || exchange.request.upgrade {
        return;
    }
    let framing = exchange.request.facts.framing;
    let too_long = matches!(framing, Framing::Length(n) if n > MIRROR_BODY_BYTES_MAX as u64);
    let place = if too_long { None } else { worker.mirrors.take() };
    let Some(place) = place else { return worker.counters().mirrors_dropped.add(1) };
    exchange.mirror = Some(Planned { upstream: Arc::clone(upstream), place });
    exchange.upload.capture(framing, MIRROR_BODY_BYTES_MAX);
}

/// Sends the copy, if one was planned: the original was sent as a whole.
#[inline]
pub(super) fn launch(worker: &Rc<Worker>, exchange: &mut Exchange) {
    if let Some(planned) = exchange.mirror.take() {
        send(worker, exchange, planned);
    }
}

fn send(worker: &Rc<Worker>, exchange: &mut Exchange, planned: Planned) {
    let Planned { upstream, place } = planned;
    let counters = worker.counters();
    let Some(body) = exchange.upload.take_captured() else {
        return counters.mirrors_dropped.add(1);
    };
    counters.mirrors.add(1);
    let Some(permit) = pick::pick_for_copy(&upstream, worker, exchange) else {
        tracing::debug!(upstream = %upstream.name, "no backend for a mirrored request");
        return counters.mirrors_failed.add(1);
    };
    let bytes = copy_of(&exchange.request, &upstream, permit.backend(), &body);
    let to_head = exchange.request.head.method() == b"HEAD";
    let worker = Rc::clone(worker);
    let copy = send::Copy { worker, upstream, permit, bytes, to_head, place };
    tokio::task::spawn_local(copy.run());
}

/// The request as its backend gets it, but for the Host, and without asking for a 100: the body is there. Trailers
/// are not copied.
fn copy_of(request: &Request, upstream: &Upstream, backend: &Backend, body: &[u8]) -> Vec<u8> {
    let head = &request.head;
    let host = admit::mirror_host(request, upstream, backend);
    let mut bytes = Vec::with_capacity(1024 + body.len());
    let mut add = |parts: &[&[u8]]| parts.iter().for_each(|part| bytes.extend_from_slice(part));
    add(&[head.method(), b" ", head.target(), b" HTTP/1.1\r\n"]);
    if let Some(host) = host {
        add(&[b"host: ", host, b"\r\n"]);
    }
    for (known, name, value) in head.fields.iter() {
        let replaced = known == Known::Host && host.is_some();
        if !replaced && !matches!(known, Known::Expect | Known::Trailer) {
            add(&[name, b": ", value, b"\r\n"]);
        }
    }
    add(&[b"\r\n"]);
    match request.facts.framing {
        Framing::Chunked if body.is_empty() => add(&[b"0\r\n\r\n"]),
        Framing::Chunked => {
            let size = format!("{:x}\r\n", body.len());
            add(&[size.as_bytes(), body, b"\r\n0\r\n\r\n"]);
        }
        Framing::None | Framing::Length(_) | Framing::UntilClose => add(&[body]),
    }
    bytes
}

/// Room for one worker's copies.
#[derive(Debug, Default)]
pub(super) struct Places {
    n_taken: Rc<Cell<usize>>,
}

impl Places {
    /// Room for one more; `None` once there are [`MIRRORS_MAX`].
    fn take(&self) -> Option<Place> {
        let n_taken = self.n_taken.get();
        if n_taken == MIRRORS_MAX {
            return None;
        }
        self.n_taken.set(n_taken + 1);
        Some(Place { n_taken: Rc::clone(&self.n_taken) })
    }
}

/// Room for one copy, given back when it is dropped.
#[derive(Debug)]
struct Place {
    n_taken: Rc<Cell<usize>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.n_taken.set(self.n_taken.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_bounded_and_one_that_ended_makes_room() {
        let places = Places::default();
        let mut taken: Vec<Place> = (0..MIRRORS_MAX).map_while(|_| places.take()).collect();
        assert_eq!(taken.len(), MIRRORS_MAX);
        assert!(places.take().is_none());
        taken.pop();
        assert!(places.take().is_some());
    }
}
