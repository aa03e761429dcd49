//! Read buffers, owned by the worker and lent to whoever has bytes to move just now.
//!
//! Most exchanges give their buffer back before the next await, so that one buffer, hot in the cache,
//! serves thousands of connections. Who has to keep one across an await (a slow reader) keeps it, and the
//! next borrower gets another.

use std::cell::RefCell;

/// Bytes in one buffer.
pub const BUFFER_BYTES: usize = 32 * 1024;

/// Idle buffers kept for reuse; more are freed. A bound on memory after a burst, not on buffers in use:
/// those are bounded by the connections.
const IDLE_BUFFERS_MAX: usize = 32;

/// A read buffer of [`BUFFER_BYTES`] bytes.
pub type Buffer = Box<[u8]>;

/// The worker's idle buffers.
#[derive(Debug, Default)]
pub struct Buffers {
    idle: RefCell<Vec<Buffer>>,
}

impl Buffers {
    /// Lends a buffer. Its contents are left over from earlier use.
    #[inline]
    pub fn take(&self) -> Buffer {
        self.idle.borrow_mut().pop().unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice())
    }

    /// Lends a buffer of at least `n_bytes`: a common one, or one of its own that is not kept afterwards.
    pub fn take_at_least(&self, n_bytes: usize) -> Buffer {
        if n_bytes <= BUFFER_BYTES { self.take() } else { vec![0; n_bytes].into_boxed_slice() }
    }

    /// Takes a buffer back.
    #[inline]
    pub fn put(&self, buffer: Buffer) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_BUFFERS_MAX && buffer.len() == BUFFER_BYTES {
            idle.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_buffers_are_bounded_and_only_common_ones_are_kept() {
        let buffers = Buffers::default();
        let lent: Vec<Buffer> = (0..=IDLE_BUFFERS_MAX).map(|_| buffers.take()).collect();
        lent.into_iter().for_each(|buffer| buffers.put(buffer));
        assert_eq!(buffers.idle.borrow().len(), IDLE_BUFFERS_MAX);
        let (common, large) =
            (buffers.take_at_least(BUFFER_BYTES), buffers.take_at_least(BUFFER_BYTES + 1));
        assert_eq!((common.len(), large.len()), (BUFFER_BYTES, BUFFER_BYTES + 1));
        buffers.put(large);
        assert_eq!(buffers.idle.borrow().len(), IDLE_BUFFERS_MAX - 1, "a large one is freed");
    }
}
