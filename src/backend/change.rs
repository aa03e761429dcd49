//! Every change of a backend's state, whoever brings it about: a worker by the outcome of a request, the control
//! thread by a check or the watch. All go through [`Backend::change`], which records, counts and tells each.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::breaker::{Checked, Phase, Word};
use super::news::Told;
use super::standing::{Cause, Standing, State};
use super::{Backend, Care};
use crate::config::{Breaker, Passive, Signal};

/// What is known of the last change. Written in the cohort's turn.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) standing: Standing,
    /// When the breaker closed.
    pub(super) closed: Instant,
    /// When it has been open long enough; of use only while it is.
    pub(super) open_until: Instant,
    /// How often it was taken out for what it did to requests.
    pub(super) n_ejections: u64,
    /// The word that the watch found all probes unsent in, and when first.
    pub(super) unsent: Option<(Word, Instant)>,
    told: Told,
}

impl Record {
    pub(super) fn new(now: Instant) -> Self {
        let standing = Standing { state: State::Up, since: now, cause: Cause::Start };
        Record {
            standing,
            closed: now,
            open_until: now,
            n_ejections: 0,
            unsent: None,
            told: Told::default(),
        }
    }
}

/// A state that was left, for the event.
struct Left {
    state: State,
    after: Duration,
    /// Whether it is told, and how many were not before it.
    n_untold: Option<u64>,
}

impl Backend {
    /// How it stands, since when and why.
    pub fn standing(&self) -> Standing {
        self.read(|record| record.standing)
    }

    /// How often its breaker has opened because of requests, not counting those that only tried it.
    pub fn n_ejections(&self) -> u64 {
        self.read(|record| record.n_ejections)
    }

    /// When requests may try it again; `None` unless its breaker is open.
    pub fn open_until(&self) -> Option<Instant> {
        let is_open = self.gate.load().phase() == Phase::Open;
        is_open.then(|| self.read(|record| record.open_until))
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&mut Record) -> T) -> T {
        // Nothing panics with it half written.
        look(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The one way to another state: `step` says what becomes of the word, if anything, and may be asked again and
    /// again; no other backend of the cohort changes meanwhile. Whether anything was changed.
    pub(super) fn change(
        &self,
        cause: Cause,
        now: Instant,
        mut step: impl FnMut(Word) -> Option<Word>,
    ) -> bool {
        let (before, after, left) = {
            let turn = self.cohort.turn();
            let Some((before, after)) = self.gate.update(&mut step) else { return false };
            if !self.drained.load(Relaxed) {
                turn.count(before, after);
            }
            (before, after, self.recorded(before, after, cause, now))
        };
        if let Some(left) = left {
            self.cohort.changes[cause as usize].fetch_add(1, Relaxed);
            // Who was not gone has lost nothing that it has to warm up for.
            let was_gone = !matches!(cause, Cause::Answered | Cause::Configured | Cause::Start);
            if after.state() == State::Up && was_gone {
                self.starts(now);
            }
            self.tell(after.state(), cause, &left);
        }
        if before.phase() != after.phase() {
            self.sensor.begin_anew(self.flow.n_answered(), self.nanos(now));
            if after.phase() == Phase::Closed {
                self.flow.forget();
            }
        }
        // Whoever waits may find a place now, or nothing to wait for.
        self.queue.members_changed();
        true
    }

    /// Keeps what is to be known of a change; what was left, if operators see one.
    fn recorded(&self, before: Word, after: Word, cause: Cause, now: Instant) -> Option<Left> {
        self.read(|record| {
            if before.phase() != Phase::Closed && after.phase() == Phase::Closed {
                record.closed = now;
            }
            if before.phase() == Phase::Closed && after.phase() == Phase::Open {
                record.n_ejections += 1;
            }
            let was = record.standing;
            if was.state == after.state() {
                return None;
            }
            record.standing = Standing { state: after.state(), since: now, cause };
            let is_in = after.state() == State::Up;
            let n_untold = self.cohort.news().tells(&mut record.told, is_in, now);
            Some(Left {
                state: was.state,
                after: now.saturating_duration_since(was.since),
                n_untold,
            })
        })
    }

    fn tell(&self, state: State, cause: Cause, left: &Left) {
        let Some(n_untold) = left.n_untold else { return };
        let (upstream, backend) = (&*self.cohort.name, &*self.label);
        let (cause, was) = (cause.token(), left.state.token());
        let after_ms = left.after.as_millis() as u64;
        // Changes of this upstream's backends that had no line since the last one.
        let untold = Some(n_untold).filter(|n| *n > 0);
        macro_rules! line {
            ($level:ident, $message:literal) => {{
                let state = state.token();
                tracing::$level!(upstream, backend, state, cause, was, after_ms, untold, $message)
            }};
        }
        match state {
            State::Down | State::Open => line!(warn, "a backend is out"),
            State::Up => line!(info, "a backend is in"),
            State::HalfOpen | State::Unproven => line!(info, "a backend is on trial"),
        }
    }

    /// What its checks say now: `Up`, `Unproven` or `Down`; `Up` where there are none.
    pub fn set_checked(&self, state: State, cause: Cause, now: Instant) {
        let checked = match state {
            State::Up | State::Open | State::HalfOpen => Checked::Up,
            State::Unproven => Checked::Unproven,
            State::Down => Checked::Down,
        };
        let word = self.gate.load();
        if word.checked() != checked {
            self.change(cause, now, |word| {
                (word.checked() != checked).then(|| word.with_checked(checked))
            });
        }
    }

    /// A check passed: a backend whose breaker is open for what that refutes may be tried by requests at once. That is
    /// no connection, and, if the check was `answered` and did not merely connect, no answer: the system takes
    /// connections for a process that is stopped, too.
    pub fn check_passed(&self, answered: bool, now: Instant) {
        let refuted = |word: Word| {
            let told = answered || !word.is_stalled();
            word.phase() == Phase::Open && word.checked() == Checked::Up && !word.is_soft() && told
        };
        if refuted(self.gate.load()) {
            self.half_open(Cause::ChecksPassed, now, refuted);
        }
    }

    /// Lets requests try it, if it is open and `may` still holds.
    pub(super) fn half_open(&self, cause: Cause, now: Instant, may: impl Fn(Word) -> bool) {
        self.change(cause, now, |word| word.half_opened().filter(|_| may(word)));
    }

    /// A failure that counts; what is to be done about it.
    pub(super) fn failed(
        &self,
        signal: Option<Signal>,
        passive: &Passive,
        now: Instant,
    ) -> Option<Trip> {
        self.sensor.failed(signal, self.flow.n_answered(), passive, self.nanos(now))
    }

    /// An answer's body broke off; what is to be done about it.
    pub(super) fn body_broke_off(&self, passive: &Passive, now: Instant) -> Option<Trip> {
        self.sensor.body_broke_off(self.flow.n_answered(), passive, self.nanos(now))
    }

    /// Takes a closed one of this generation out, if that may be done: a soft ejection only within the cap.
    pub(super) fn trip(&self, trip: Trip, generation: u32, care: &Care, now: Instant) -> bool {
        let Some(breaker) = &care.breaker else { return false };
        let closed = |word: Word| word.phase() == Phase::Closed && word.generation() == generation;
        // Those who merely fail while the cap is reached wait for nobody.
        let may = || match trip.cause {
            // Somebody else has to be there who answers.
            Cause::Stalled => self.cohort.has_others(care),
            _ => !trip.soft || self.cohort.has_room(care),
        };
        if !closed(self.gate.load()) || !may() {
            return false;
        }
        let forgets = breaker.max_open.min(breaker.open.saturating_mul(FORGETS_AFTER));
        self.change(trip.cause, now, |word| {
            if !closed(word) || !may() || self.cohort.ejects_nobody() {
                return None;
            }
            let since = self.read(|record| now.saturating_duration_since(record.closed));
            let known = if since >= forgets { word.with_openings(0) } else { word };
            let opened = known.opened(breaker.probes);
            let opened = opened.with_soft(trip.soft).with_stalled(trip.cause == Cause::Stalled);
            self.stays_open(opened, breaker, now);
            Some(opened)
        })
    }

    /// A request that tried a half-open one failed: open again.
    pub(super) fn probe_failed(
        &self,
        trip: Trip,
        generation: u32,
        care: &Care,
        now: Instant,
    ) -> bool {
        let Some(breaker) = &care.breaker else { return false };
        self.change(trip.cause, now, |word| {
            if !word.is_trying(generation) {
                return None;
            }
            let stalled = word.is_stalled() && trip.cause == Cause::ProbeLate;
            let opened = word.opened(breaker.probes).with_stalled(stalled);
            let opened = opened.with_soft(word.is_soft() && trip.soft);
            self.stays_open(opened, breaker, now);
            Some(opened)
        })
    }

    /// In the cohort's turn, so that no other opening comes between.
    fn stays_open(&self, opened: Word, breaker: &Breaker, now: Instant) {
        let open_until = now + opened.open_for(breaker, self.id);
        self.read(|record| record.open_until = open_until);
    }

    /// A request that tried a half-open one was answered as it should be.
    pub(super) fn probe_passed(&self, generation: u32, sent: bool, now: Instant) {
        self.change(Cause::ProbesPassed, now, |word| word.passed(generation, sent));
    }

    /// One that was thought to be stalled answered: it is closed, as if it had never been opened.
    pub(super) fn answered_after_all(&self, now: Instant) {
        self.change(Cause::Answered, now, |word| {
            let closed = word.closed().filter(|_| word.is_stalled())?;
            Some(closed.with_openings(word.openings().saturating_sub(1)))
        });
    }

    /// Keeps whether connections to it can be made: what an upstream that fails open goes by.
    #[cold]
    pub(super) fn set_unconnected(&self, is: bool) {
        let step = |word: Word| (word.is_unconnected() != is).then(|| word.with_unconnected(is));
        if self.gate.update(step).is_some() {
            self.queue.members_changed();
        }
    }
}

/// Openings are forgotten once it was closed for this many times as long as it is open at first.
pub(super) const FORGETS_AFTER: u32 = 10;

/// Why it is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trip {
    pub(super) cause: Cause,
    /// The cap on ejections holds for it.
    pub(super) soft: bool,
}

impl Trip {
    pub(super) fn soft(cause: Cause) -> Self {
        Trip { cause, soft: true }
    }

    pub(super) fn hard(cause: Cause) -> Self {
        Trip { cause, soft: false }
    }
}
