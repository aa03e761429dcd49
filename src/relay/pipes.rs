//! Kernel pipes for splice(2), owned by the worker.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

/// Capacity asked for; the kernel may grant less to unprivileged users who hold many pipes.
pub const PIPE_BYTES: usize = 256 * 1024;

/// Idle pipes kept for reuse.
const IDLE_PIPES_MAX: usize = 16;

/// A pipe, both ends non-blocking. Dropping it makes room for another.
#[derive(Debug)]
pub struct Pipe {
    /// Where bytes come out.
    pub reader: OwnedFd,
    /// Where bytes go in.
    pub writer: OwnedFd,
    /// Bytes it holds when full.
    pub capacity: usize,
    n_open: Rc<Cell<usize>>,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.n_open.set(self.n_open.get() - 1);
    }
}

/// The worker's pipes. Beyond `n_max`, lent and idle together, bodies are copied.
#[derive(Debug)]
pub struct Pipes {
    n_max: usize,
    idle: RefCell<Vec<Pipe>>,
    n_open: Rc<Cell<usize>>,
}

impl Pipes {
    /// None open yet, and never more than `n_max`, which bounds descriptors and kernel memory.
    pub fn new(n_max: usize) -> Self {
        Pipes { n_max, idle: RefCell::default(), n_open: Rc::default() }
    }

    /// Lends an empty pipe; `None` when there are too many or the system has none left.
    pub fn take(&self) -> Option<Pipe> {
        if let Some(pipe) = self.idle.borrow_mut().pop() {
            return Some(pipe);
        }
        if self.n_open.get() >= self.n_max {
            return None;
        }
        self.open().ok()
    }

    /// Takes an *empty* pipe back. One with bytes left in it must be dropped instead.
    pub fn put(&self, pipe: Pipe) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_PIPES_MAX {
            idle.push(pipe);
        }
    }

    fn open(&self) -> io::Result<Pipe> {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC)?;
        let capacity = fcntl_setpipe_size(&writer, PIPE_BYTES).unwrap_or(64 * 1024);
        self.n_open.set(self.n_open.get() + 1);
        Ok(Pipe { reader, writer, capacity, n_open: Rc::clone(&self.n_open) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_are_bounded_and_a_dropped_one_makes_room() {
        let pipes = Pipes::new(20);
        let lent: Vec<Pipe> = (0..20).map_while(|_| pipes.take()).collect();
        assert_eq!(lent.len(), 20);
        assert!(pipes.take().is_none());
        lent.into_iter().for_each(|pipe| pipes.put(pipe));
        assert_eq!(pipes.n_open.get(), IDLE_PIPES_MAX);
        assert!(pipes.take().is_some());
    }
}
