//! Responses on their way back through a route's filters. Called by `proxy` for what backends answer and for what
//! routes and filters answer themselves.

use std::sync::Arc;

use super::{Context, Facts, Filter, Slot, Transform, Wrap};
use crate::message::{RequestHead, ResponseHead};

/// Bytes that a transform is given at a time.
const PIECE_BYTES_MAX: usize = 32 * 1024;

/// Shows a response's head to `filters`, the last of them first; where the request was answered by one of them,
/// the caller gives those before it. `slots` holds what each remembers, in the order of the filters.
///
/// Returns what the body has to go through, if anything: then its length is no longer known. The head of a
/// response without a body (to HEAD, 204, 304) is treated alike; what is returned then has nothing to do.
pub fn on_response(
    filters: &[Arc<dyn Filter>],
    slots: &mut [Slot],
    head: &mut ResponseHead,
    request: &RequestHead,
    facts: Facts<'_>,
    scratch: &mut Vec<u8>,
) -> Option<Box<dyn Transform>> {
    debug_assert_eq!(filters.len(), slots.len(), "a slot each");
    let mut through: Option<Box<dyn Transform>> = None;
    for (filter, slot) in filters.iter().zip(slots).rev() {
        let mut cx = Context { facts, slot, scratch };
        let Wrap::Body(transform) = filter.on_response(head, request, &mut cx) else { continue };
        through = Some(match through {
            None => transform,
            Some(first) => Box::new(Nested { first, then: transform, between: Vec::new() }),
        });
    }
    through
}

/// What `through` makes of a body that is there as a whole.
pub fn whole(through: &mut dyn Transform, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    body.chunks(PIECE_BYTES_MAX).for_each(|piece| through.data(piece, &mut out));
    through.end(&mut out);
    out
}

/// One transform behind another.
struct Nested {
    first: Box<dyn Transform>,
    then: Box<dyn Transform>,
    /// What the first made of a piece; empty between calls.
    between: Vec<u8>,
}

impl Nested {
    fn hand_on(&mut self, out: &mut Vec<u8>) {
        self.between.chunks(PIECE_BYTES_MAX).for_each(|piece| self.then.data(piece, out));
        self.between.clear();
    }
}

impl Transform for Nested {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.first.data(data, &mut self.between);
        self.hand_on(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.first.end(&mut self.between);
        self.hand_on(out);
        self.then.end(out);
    }
}
