//! Requests that wait for a place: one bounded queue for each upstream, shared by all workers and kept across
//! reloads. `proxy` lines up in it while every backend is at `max_connections`; dropping a [`super::Permit`] calls
//! whoever is next.
//!
//! # How a freed place gets to the one who waited longest
//! A **call** stands for a place that may be free. A release calls the first in the queue that is not called yet;
//! who is called steps up and picks by the upstream's strategy, so that health, weights, tiers and a reload in
//! between are seen by the same code as ever. Newcomers line up behind as long as anybody waits: nobody takes a
//! freed place from the one it was meant for. A call is not lost: whoever leaves with one in hand, and whoever could
//! not use it because of what it tried before, passes it on; with nobody to pass it to it is kept for the next
//! newcomer.
//!
//! # Why nobody sleeps while a place is free
//! Who waits counts itself in, passes a fence, and only then looks for a place; who releases takes one off in flight
//! and only then looks whether anybody waits, both in the one order of sequentially consistent operations. Whichever
//! comes first, the other sees it: the releaser calls, or the waiter finds the place. After that all goes through the
//! mutex: a waiter gives its call up before it looks, so that a release at that moment calls it again.
//!
//! # The cost
//! Without a waiter a release reads one word that nobody writes, and a request reads it once more where a queue is
//! configured. Waking across threads is the task's own waker: it puts the task into its worker's run queue and wakes
//! the worker's poll, which is what a mailbox would do, with nothing to overflow.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crossbeam_utils::CachePadded;

#[cfg(test)]
mod tests;
mod waiter;

pub use waiter::{Attempt, Waited, Waiter};

/// What a waiter was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Call {
    No,
    /// A place may be free.
    One,
    /// Several may be, and it is not known how many: who gets one calls the next.
    Sweep,
}

/// One who waits.
#[derive(Debug)]
struct Entry {
    ticket: u64,
    call: Call,
    /// Nobody is there to wake before its first poll.
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Line {
    /// By ticket, the oldest first.
    entries: VecDeque<Entry>,
    next_ticket: u64,
    /// Calls for one place that nobody could take, for newcomers. None while nobody waits: then whoever comes looks
    /// for itself.
    n_spare: u32,
    /// The same for a sweep.
    spare_sweep: bool,
}

/// The requests that wait for a place at an upstream's backends.
#[derive(Debug, Default)]
pub struct Queue {
    /// Length of `entries`; written under the mutex only.
    n_waiting: CachePadded<AtomicU32>,
    line: Mutex<Line>,
}

impl Queue {
    /// How many wait now.
    #[inline]
    pub fn n_waiting(&self) -> u32 {
        self.n_waiting.load(Relaxed)
    }

    /// Lines up; `None` if `n_max` wait already. The first poll says whether it has to wait at all.
    pub fn join(self: &Arc<Self>, n_max: u32) -> Option<Waiter> {
        let mut line = self.lock();
        if line.entries.len() >= n_max as usize {
            return None;
        }
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        // The first looks for itself; all others leave what is free to those before them.
        let call = if line.entries.is_empty() { Call::One } else { line.take_spare() };
        line.entries.push_back(Entry { ticket, call, waker: None });
        self.n_waiting.fetch_add(1, SeqCst);
        Some(Waiter::new(Arc::clone(self), ticket))
    }

    /// A place was given back, and that can be seen. `SeqCst` as the head of this file says; on the common machines
    /// it costs what any load costs.
    #[inline]
    pub(super) fn place_freed(&self) {
        if self.n_waiting.load(SeqCst) > 0 {
            self.call(Call::One);
        }
    }

    /// Who may be used has changed in a way that can be seen (a reload, a backend that came back): those who wait
    /// look again, one after the other, for as long as they find a place.
    pub fn members_changed(&self) {
        fence(SeqCst);
        if self.n_waiting.load(SeqCst) > 0 {
            self.call(Call::Sweep);
        }
    }

    #[cold]
    fn call(&self, call: Call) {
        let woken = self.lock().call_after(None, call);
        // Outside of the lock: it may be the last that keeps a task, whose end takes the lock.
        if let Some(waker) = woken {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        // Nothing in here panics half way.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Gives `call` to the first behind `ticket` (of all, for `None`) that has none; returns whom to wake.
    fn call_after(&mut self, ticket: Option<u64>, call: Call) -> Option<Waker> {
        if call == Call::No || self.entries.is_empty() {
            return None;
        }
        let is_behind = |entry: &Entry| ticket.is_none_or(|ticket| entry.ticket > ticket);
        let mut behind = self.entries.iter_mut().filter(|entry| is_behind(entry));
        if let Some(entry) = behind.find(|entry| entry.call < call) {
            // Who is called already is on its way, and a sweep goes on from there.
            let was = std::mem::replace(&mut entry.call, call);
            return entry.waker.clone().filter(|_| was == Call::No);
        }
        match call {
            Call::One => self.n_spare = self.n_spare.saturating_add(1),
            Call::Sweep => self.spare_sweep = true,
            Call::No => {}
        }
        None
    }

    /// A call that was kept for a newcomer.
    fn take_spare(&mut self) -> Call {
        if std::mem::take(&mut self.spare_sweep) {
            return Call::Sweep;
        }
        match self.n_spare.checked_sub(1) {
            Some(left) => {
                self.n_spare = left;
                Call::One
            }
            None => Call::No,
        }
    }

    fn at(&mut self, ticket: u64) -> Option<usize> {
        self.entries.binary_search_by_key(&ticket, |entry| entry.ticket).ok()
    }

    /// Takes one out; nothing is kept for newcomers once nobody waits.
    fn remove(&mut self, ticket: u64) -> Option<Entry> {
        let at = self.at(ticket)?;
        let entry = self.entries.remove(at);
        self.forget_if_empty();
        entry
    }

    /// Once nobody waits nothing is kept for newcomers.
    fn forget_if_empty(&mut self) {
        if self.entries.is_empty() {
            (self.n_spare, self.spare_sweep) = (0, false);
        }
    }
}
