//! The right to use a backend for one exchange, and what became of it.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};

use super::change::Trip;
use super::standing::Cause;
use super::{Backend, Care, Member};
use crate::config::{Passive, Signal};

/// What became of a request at a backend, as strategies that learn see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It answered as it should.
    Success,
    /// It did not answer, or with a 5xx.
    Failure,
}

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// The backend answered with this status, and how long it asked to be left alone.
    Answered(u16, Option<Duration>),
    /// It did not.
    Failed(Signal),
}

impl Became {
    /// Whether it is a plea to be left alone for a while, which is no failure.
    fn is_plea(self) -> bool {
        matches!(self, Became::Answered(429 | 503, Some(_)))
    }

    fn counts(self, passive: &Passive) -> bool {
        match self {
            Became::Answered(status, _) => {
                passive.count.statuses.contains(status) && !self.is_plea()
            }
            Became::Failed(signal) => passive.count.contains(signal),
        }
    }

    fn signal(self) -> Option<Signal> {
        match self {
            Became::Answered(..) => None,
            Became::Failed(signal) => Some(signal),
        }
    }
}

/// What is learnt from a try.
#[derive(Clone, Copy, Debug)]
pub struct Verdict {
    /// What became of it.
    pub became: Became,
    /// From the request fully sent to the response head, or to the failure.
    pub latency: Duration,
    /// When it was known.
    pub now: Instant,
}

/// The right to use a backend for one exchange; in-flight is counted for as long as it lives. Dropped without
/// [`Permit::judge`] it was aborted: nothing is learnt from it.
#[derive(Debug)]
pub struct Permit {
    backend: Arc<Backend>,
    /// Of the backend's breaker, when it was taken.
    generation: u32,
    /// It tries a half-open backend, and nothing is known yet.
    probes: bool,
    /// The breaker knows that this probe was sent.
    probe_sent: bool,
    /// Sent, and not answered yet.
    owed: bool,
    judged: bool,
}

impl Permit {
    fn new(backend: &Arc<Backend>, (generation, probes): (u32, bool)) -> Self {
        Permit {
            backend: Arc::clone(backend),
            generation,
            probes,
            probe_sent: false,
            owed: false,
            judged: false,
        }
    }

    /// Takes a place at `backend`, whatever its bound and its health.
    pub fn acquire(backend: &Arc<Backend>) -> Self {
        backend.flow.in_flight.fetch_add(1, Relaxed);
        Self::new(backend, (backend.gate.load().generation(), false))
    }

    /// Takes a place at `member`; `None` if it is full, or out of service: while half-open it has a few places, over
    /// all workers.
    #[inline]
    pub fn try_acquire(member: &Member) -> Option<Self> {
        let entered = member.backend.gate.enter()?;
        Self::in_place(member, entered)
    }

    /// As [`Permit::try_acquire`], but never to try a half-open one.
    pub(super) fn try_acquire_in_service(member: &Member) -> Option<Self> {
        let generation = member.backend.gate.enter_in_service()?;
        Self::in_place(member, (generation, false))
    }

    /// As [`Permit::try_acquire`], whatever its health.
    pub(super) fn try_acquire_anyway(member: &Member) -> Option<Self> {
        Self::in_place(member, member.backend.gate.enter_anyway())
    }

    #[inline]
    fn in_place(member: &Member, entered: (u32, bool)) -> Option<Self> {
        let in_flight = &member.backend.flow.in_flight;
        if member.max_connections == Member::UNLIMITED {
            in_flight.fetch_add(1, Relaxed);
        } else {
            let more = |n: u32| (n < member.max_connections).then(|| n + 1);
            if in_flight.fetch_update(Relaxed, Relaxed, more).is_err() {
                if entered.1 {
                    member.backend.gate.give_back(entered.0, false);
                }
                return None;
            }
        }
        Some(Self::new(&member.backend, entered))
    }

    /// The backend to use.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    /// Says what became of it to a strategy that learns, and to nobody else: the answer, or the failure, came at
    /// `now`, `latency` after the request.
    #[inline]
    pub fn settle(&self, outcome: Outcome, latency: Duration, now: Instant) {
        self.backend.latency.observe(outcome, latency, now);
    }

    /// The request was sent at `now`, at least in part: from here on the backend owes an answer.
    #[inline]
    pub fn sent(&mut self, now: Instant) {
        if self.owed || self.judged {
            return;
        }
        self.owed = true;
        let backend = &*self.backend;
        backend.flow.sent(|| backend.nanos(now));
        if self.probes {
            self.probe_sent = self.backend.probe_sent(self.generation, now);
        }
    }

    /// Says what became of it, as [`Care`] wants it to be looked at. The place is kept until the permit is dropped;
    /// only the first verdict counts.
    #[inline]
    pub fn judge(&mut self, verdict: &Verdict, care: &Care) {
        if std::mem::replace(&mut self.judged, true) {
            return;
        }
        let backend = &*self.backend;
        if care.learns {
            let outcome = match verdict.became {
                Became::Answered(..500, _) if !verdict.became.is_plea() => Outcome::Success,
                Became::Answered(..) | Became::Failed(_) => Outcome::Failure,
            };
            backend.latency.observe(outcome, verdict.latency, verdict.now);
        }
        let answered = matches!(verdict.became, Became::Answered(..));
        if answered && std::mem::take(&mut self.owed) {
            backend.flow.answered(backend.nanos(verdict.now), verdict.latency);
        }
        if let (Became::Answered(429 | 503, Some(time)), true) =
            (verdict.became, care.passive.is_some())
        {
            backend.rest(time, verdict.now);
        }
        let counts = care.passive.as_ref().filter(|passive| verdict.became.counts(passive));
        match counts {
            Some(passive) => self.failed(verdict, passive, care),
            None if answered => self.succeeded(verdict.now),
            // A try that came to nothing, by what is no failure here.
            None => self.came_to_nothing(verdict, care),
        }
    }

    #[inline]
    fn succeeded(&mut self, now: Instant) {
        let backend = &*self.backend;
        if !backend.gate.load().is_plain() || !backend.sensor.is_clear() || self.probes {
            self.cleared(now);
        }
    }

    /// A success that is worth more than the others.
    #[cold]
    fn cleared(&mut self, now: Instant) {
        let backend = &*self.backend;
        let word = backend.gate.load();
        if word.is_unconnected() {
            backend.set_unconnected(false);
        }
        if word.is_stalled() {
            backend.answered_after_all(now);
        }
        if word.generation() == self.generation {
            backend.sensor.forget();
        }
        if std::mem::take(&mut self.probes) {
            backend.probe_passed(self.generation, self.probe_sent, now);
        }
    }

    #[cold]
    fn failed(&mut self, verdict: &Verdict, passive: &Passive, care: &Care) {
        let backend = &*self.backend;
        let signal = verdict.became.signal();
        let unconnected = signal == Some(Signal::Connect);
        let word = backend.gate.load();
        if word.is_unconnected() != unconnected {
            backend.set_unconnected(unconnected);
        }
        if word.is_stalled() && signal.is_none() {
            backend.answered_after_all(verdict.now);
        }
        if std::mem::take(&mut self.probes) {
            let trip = Trip { cause: Cause::ProbeFailed, soft: !unconnected };
            backend.probe_failed(trip, self.generation, care, verdict.now);
        } else if backend.gate.load().generation() == self.generation
            && let Some(trip) = backend.failed(signal, passive, verdict.now)
        {
            backend.trip(trip, self.generation, care, verdict.now);
        }
    }

    /// The answer's body was delivered as a whole.
    #[inline]
    pub fn body_ended(&self) {
        self.backend.sensor.body_ended();
    }

    /// The answer's body broke off, or turned out to be malformed, or stalled for too long, at `now`: a failure as surely
    /// as that before the head, and of the same kind, [`Signal::Reset`] or [`Signal::Timeout`].
    #[cold]
    pub fn body_broke_off(&self, signal: Signal, care: &Care, now: Instant) {
        let backend = &*self.backend;
        let passive = care.passive.as_ref();
        if let Some(passive) = passive.filter(|passive| passive.count.contains(signal))
            && backend.gate.load().generation() == self.generation
            && let Some(trip) = backend.body_broke_off(passive, now)
        {
            backend.trip(trip, self.generation, care, now);
        }
    }

    #[cold]
    fn came_to_nothing(&mut self, verdict: &Verdict, care: &Care) {
        let backend = &*self.backend;
        let unconnected = verdict.became == Became::Failed(Signal::Connect);
        if backend.gate.load().is_unconnected() != unconnected {
            backend.set_unconnected(unconnected);
        }
        // Who was to show that it is back has not.
        if care.passive.is_some() && std::mem::take(&mut self.probes) {
            let trip = Trip { cause: Cause::ProbeFailed, soft: !unconnected };
            backend.probe_failed(trip, self.generation, care, verdict.now);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.owed {
            self.backend.flow.lost();
        }
        if self.probes {
            self.backend.gate.give_back(self.generation, self.probe_sent);
        }
        // Sequentially consistent with who lines up, see `queue`: it sees the place, or is seen.
        self.backend.flow.in_flight.fetch_sub(1, SeqCst);
        self.backend.queue.place_freed();
    }
}
