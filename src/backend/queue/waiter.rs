//! One request's place in the queue.

use std::sync::Arc;
use std::sync::atomic::{Ordering::SeqCst, fence};
use std::task::{Poll, Waker};
use std::time::Instant;

use super::{Call, Queue};

/// What came of looking for a place.
#[derive(Debug)]
pub enum Attempt<T> {
    /// Here is one.
    Got(T),
    /// There is none for anybody.
    Full,
    /// There is none for this one, which may not use every backend: others may find one.
    NotForMe,
    /// Waiting is of no use: no backend that this one may use can get free.
    Hopeless,
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// With a place.
    Got(T),
    /// Its time was over.
    Expired,
    /// As [`Attempt::Hopeless`].
    Hopeless,
}

/// One who waits. Dropped at any time it leaves the queue, and passes on what it was called for.
#[derive(Debug)]
pub struct Waiter {
    queue: Arc<Queue>,
    ticket: u64,
}

impl Waiter {
    pub(super) fn new(queue: Arc<Queue>, ticket: u64) -> Self {
        Waiter { queue, ticket }
    }

    /// Looks for a place by `attempt` whenever it was called, else has `waker` woken when it is; until `deadline`.
    /// Once it was ready the waiter is to be dropped.
    pub fn poll<T>(
        &self,
        waker: &Waker,
        now: Instant,
        deadline: Option<Instant>,
        mut attempt: impl FnMut() -> Attempt<T>,
    ) -> Poll<Waited<T>> {
        loop {
            let call = self.step_up(waker);
            if call == Call::No {
                return match deadline.is_some_and(|deadline| now >= deadline) {
                    true => Poll::Ready(Waited::Expired),
                    false => Poll::Pending,
                };
            }
            // See the head of the queue's file: counted in, then this, then a look.
            fence(SeqCst);
            match attempt() {
                Attempt::Got(place) => {
                    // Where one of several was free, another may be.
                    if call == Call::Sweep {
                        self.pass_on(call);
                    }
                    return Poll::Ready(Waited::Got(place));
                }
                // Nobody behind could do better. A place that gets free from here on is called out anew.
                Attempt::Full => {}
                // How many places there are that others may use, is not known.
                Attempt::NotForMe => self.pass_on(Call::Sweep),
                Attempt::Hopeless => {
                    self.pass_on(Call::Sweep);
                    return Poll::Ready(Waited::Hopeless);
                }
            }
        }
    }

    /// Gives its call up, if it has one, and says which it was.
    fn step_up(&self, waker: &Waker) -> Call {
        let mut line = self.queue.lock();
        let Some(at) = line.at(self.ticket) else { return Call::No };
        let entry = &mut line.entries[at];
        let call = std::mem::replace(&mut entry.call, Call::No);
        let known = entry.waker.as_ref().is_some_and(|known| known.will_wake(waker));
        let old = if known { None } else { entry.waker.replace(waker.clone()) };
        drop(line);
        // Outside of the lock, as when waking.
        drop(old);
        call
    }

    fn pass_on(&self, call: Call) {
        let woken = self.queue.lock().call_after(Some(self.ticket), call);
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut line = self.queue.lock();
        let left = line.remove(self.ticket);
        let mut woken = None;
        if let Some(entry) = &left {
            self.queue.n_waiting.fetch_sub(1, SeqCst);
            // Called and not come: to the first who is not called, wherever it stands.
            woken = line.call_after(None, entry.call);
        }
        drop(line);
        drop(left);
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}
