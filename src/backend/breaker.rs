//! A backend's breaker and what its checks say, in one atomic word: closed, open, or half-open with so many requests
//! that may try it. Read by `candidates` for every request, changed by `change`, slots taken by `permit`.
//!
//! Every change of the phase counts a generation up. A permit carries the generation it was taken in, so that what
//! becomes of it later is only believed while that generation lasts.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::Duration;

use super::standing::State;
use crate::config::Breaker;
use crate::hash::mix;

/// How much longer or shorter than told it stays open, in thousandths.
const JITTER: u64 = 200;

/// Openings that are counted; further ones do not lengthen the time any more.
const OPENINGS_MAX: u64 = 63;

/// What the breaker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests pass.
    Closed,
    /// None does.
    Open,
    /// As many as there are slots.
    HalfOpen,
}

/// What checks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checked {
    /// They pass, or there are none.
    Up,
    /// None has passed yet.
    Unproven,
    /// They fail.
    Down,
}

/// The whole state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Default for Word {
    fn default() -> Self {
        Word::NEW
    }
}

/// A field of the word: its lowest bit and how many.
#[derive(Clone, Copy)]
struct Bits(u32, u32);

const PHASE: Bits = Bits(0, 2);
const CHECKED: Bits = Bits(2, 2);
const UNCONNECTED: Bits = Bits(4, 1);
const STALLED: Bits = Bits(5, 1);
const SOFT: Bits = Bits(6, 1);
const SLOTS: Bits = Bits(8, 7);
const TO_PASS: Bits = Bits(15, 7);
const OPENINGS: Bits = Bits(22, 6);
const SENT: Bits = Bits(28, 7);
const GENERATION: Bits = Bits(35, 29);

/// Closed and up.
const IN_SERVICE: u64 = 0b1111;
/// And nothing that a success would have to change.
const PLAIN: u64 = 0b111_1111;

impl Word {
    /// Closed and up.
    pub(super) const NEW: Word = Word(0);

    #[inline]
    fn get(self, bits: Bits) -> u64 {
        self.0 >> bits.0 & ((1 << bits.1) - 1)
    }

    fn with(self, bits: Bits, value: u64) -> Word {
        let mask = ((1_u64 << bits.1) - 1) << bits.0;
        Word(self.0 & !mask | value << bits.0 & mask)
    }

    #[inline]
    pub(super) fn phase(self) -> Phase {
        match self.get(PHASE) {
            0 => Phase::Closed,
            1 => Phase::Open,
            _ => Phase::HalfOpen,
        }
    }

    #[inline]
    pub(super) fn checked(self) -> Checked {
        match self.get(CHECKED) {
            0 => Checked::Up,
            1 => Checked::Unproven,
            _ => Checked::Down,
        }
    }

    /// Requests that may still try it while half-open; while open, those that will.
    #[inline]
    pub(super) fn slots(self) -> u64 {
        self.get(SLOTS)
    }

    /// Probes that still have to pass.
    pub(super) fn to_pass(self) -> u64 {
        self.get(TO_PASS)
    }

    /// Probes that are under way.
    pub(super) fn n_probing(self) -> u64 {
        match self.phase() {
            Phase::HalfOpen => self.to_pass().saturating_sub(self.slots()),
            _ => 0,
        }
    }

    /// Probes under way whose requests were sent: those that the backend owes an answer.
    pub(super) fn n_sent(self) -> u64 {
        self.get(SENT)
    }

    /// Openings one after the other.
    pub(super) fn openings(self) -> u64 {
        self.get(OPENINGS)
    }

    #[inline]
    pub(super) fn generation(self) -> u32 {
        self.get(GENERATION) as u32
    }

    /// The last connect to it failed.
    pub(super) fn is_unconnected(self) -> bool {
        self.get(UNCONNECTED) != 0
    }

    /// It was opened by a stall.
    #[inline]
    pub(super) fn is_stalled(self) -> bool {
        self.get(STALLED) != 0
    }

    /// It is out by a soft ejection.
    pub(super) fn is_soft(self) -> bool {
        self.get(SOFT) != 0
    }

    /// Whether requests may go to it.
    #[inline]
    pub(super) fn is_available(self) -> bool {
        self.is_in_service() || self.tries()
    }

    /// Closed, and checks say nothing against it.
    #[inline]
    pub(super) fn is_in_service(self) -> bool {
        self.0 & IN_SERVICE == 0
    }

    /// Half-open with a free slot, and nothing else against it.
    fn tries(self) -> bool {
        self.phase() == Phase::HalfOpen && self.checked() == Checked::Up && self.slots() > 0
    }

    /// In service, and there is nothing that an answer would have to clear.
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        self.0 & PLAIN == 0
    }

    /// As operators see it.
    pub(super) fn state(self) -> State {
        match (self.checked(), self.phase()) {
            (Checked::Down, _) => State::Down,
            (_, Phase::Open) => State::Open,
            (_, Phase::HalfOpen) => State::HalfOpen,
            (Checked::Unproven, Phase::Closed) => State::Unproven,
            (Checked::Up, Phase::Closed) => State::Up,
        }
    }

    pub(super) fn with_checked(self, checked: Checked) -> Word {
        self.with(CHECKED, checked as u64)
    }

    pub(super) fn with_unconnected(self, is: bool) -> Word {
        self.with(UNCONNECTED, u64::from(is))
    }

    pub(super) fn with_stalled(self, is: bool) -> Word {
        self.with(STALLED, u64::from(is))
    }

    pub(super) fn with_soft(self, is: bool) -> Word {
        self.with(SOFT, u64::from(is))
    }

    /// As if it had been opened so many times.
    pub(super) fn with_openings(self, openings: u64) -> Word {
        self.with(OPENINGS, openings.min(OPENINGS_MAX))
    }

    fn enter(self, phase: Phase) -> Word {
        let generation = self.generation().wrapping_add(1);
        self.with(PHASE, phase as u64).with(GENERATION, generation.into()).with(SENT, 0)
    }

    /// Opened once more; `probes` requests will try it.
    pub(super) fn opened(self, probes: u32) -> Word {
        let probes = u64::from(probes.clamp(1, 100));
        self.enter(Phase::Open)
            .with_openings(self.openings() + 1)
            .with(SLOTS, probes)
            .with(TO_PASS, probes)
    }

    /// Open → half-open.
    pub(super) fn half_opened(self) -> Option<Word> {
        (self.phase() == Phase::Open).then(|| self.enter(Phase::HalfOpen))
    }

    /// Closed, whatever it was; its openings are remembered.
    pub(super) fn closed(self) -> Option<Word> {
        let closed = self.enter(Phase::Closed).with(SLOTS, 0).with(TO_PASS, 0);
        (self.phase() != Phase::Closed).then(|| closed.with_stalled(false).with_soft(false))
    }

    /// A probe of this generation, of which was known whether it was `sent`, passed: closed if it was the last that
    /// had to.
    pub(super) fn passed(self, generation: u32, sent: bool) -> Option<Word> {
        if !self.is_trying(generation) || self.n_probing() == 0 {
            return None;
        }
        match self.to_pass() {
            0 | 1 => self.closed(),
            left => Some(self.with(TO_PASS, left - 1).without_one_sent(sent)),
        }
    }

    /// The request of a probe of this generation was sent.
    fn one_sent(self, generation: u32) -> Option<Word> {
        let unsent = self.is_trying(generation) && self.n_sent() < self.n_probing();
        unsent.then(|| self.with(SENT, self.n_sent() + 1))
    }

    fn without_one_sent(self, sent: bool) -> Word {
        self.with(SENT, self.n_sent().saturating_sub(u64::from(sent)))
    }

    /// Half-open anew, where not one of the probes under way was sent: they are waited for no longer.
    pub(super) fn tried_anew(self) -> Option<Word> {
        let unsent = self.n_probing() > 0 && self.n_sent() == 0;
        unsent.then(|| self.enter(Phase::HalfOpen).with(SLOTS, self.to_pass()))
    }

    /// Half-open of this generation.
    pub(super) fn is_trying(self, generation: u32) -> bool {
        self.phase() == Phase::HalfOpen && self.generation() == generation
    }

    /// A slot is taken.
    fn slot_taken(self) -> Option<Word> {
        self.tries().then(|| self.with(SLOTS, self.slots() - 1))
    }

    /// A slot of this generation is given back, by a probe of which was known whether it was `sent`.
    fn slot_given_back(self, generation: u32, sent: bool) -> Option<Word> {
        let taken = self.is_trying(generation) && self.n_probing() > 0;
        taken.then(|| self.with(SLOTS, self.slots() + 1).without_one_sent(sent))
    }

    /// For how long it stays open: doubled at each opening, ± 20 %, the same for the same backend and generation.
    pub(super) fn open_for(self, breaker: &Breaker, id: u64) -> Duration {
        let doublings = self.openings().saturating_sub(1).min(31) as u32;
        let told = breaker.open.saturating_mul(1 << doublings).min(breaker.max_open);
        let random = mix(mix(id.wrapping_add(1)) ^ u64::from(self.generation()));
        let thousandths = 1000 - JITTER + random % (2 * JITTER + 1);
        told.mul_f64(thousandths as f64 / 1000.0)
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Word")
            .field("phase", &self.phase())
            .field("checked", &self.checked())
            .field("slots", &self.slots())
            .field("to_pass", &self.to_pass())
            .field("sent", &self.n_sent())
            .field("openings", &self.openings())
            .field("generation", &self.generation())
            .field("stalled", &self.is_stalled())
            .field("soft", &self.is_soft())
            .field("unconnected", &self.is_unconnected())
            .finish()
    }
}

/// What the word is kept in: the processor's atomics, or those of the test that tries all interleavings.
pub(super) trait Cell {
    fn get(&self) -> u64;
    /// # Errors
    /// What is there instead of `old`.
    fn replace(&self, old: u64, new: u64) -> Result<u64, u64>;
}

impl Cell for AtomicU64 {
    #[inline]
    fn get(&self) -> u64 {
        self.load(Relaxed)
    }

    fn replace(&self, old: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange(old, new, AcqRel, Relaxed)
    }
}

/// The word, shared by all threads.
#[derive(Debug, Default)]
pub(super) struct Gate<C = AtomicU64>(pub(super) C);

impl<C: Cell> Gate<C> {
    #[inline]
    pub(super) fn load(&self) -> Word {
        Word(self.0.get())
    }

    /// Changes it by `step`, which may be asked again and again; before and after, or `None` if `step` did not want to.
    pub(super) fn update(
        &self,
        mut step: impl FnMut(Word) -> Option<Word>,
    ) -> Option<(Word, Word)> {
        let mut before = self.load();
        loop {
            let after = step(before)?;
            match self.0.replace(before.0, after.0) {
                Ok(_) => return Some((before, after)),
                Err(other) => before = Word(other),
            }
        }
    }

    /// The right to a request, with the generation it belongs to, and whether it is one that tries a half-open
    /// backend; `None` if requests may not go there.
    #[inline]
    pub(super) fn enter(&self) -> Option<(u32, bool)> {
        let word = self.load();
        if word.is_in_service() {
            return Some((word.generation(), false));
        }
        self.probe().map(|generation| (generation, true))
    }

    /// As [`Gate::enter`], without trying it while it is half-open: the generation.
    pub(super) fn enter_in_service(&self) -> Option<u32> {
        let word = self.load();
        word.is_in_service().then(|| word.generation())
    }

    /// As [`Gate::enter`], whatever the state.
    pub(super) fn enter_anyway(&self) -> (u32, bool) {
        self.enter().unwrap_or_else(|| (self.load().generation(), false))
    }

    #[cold]
    fn probe(&self) -> Option<u32> {
        self.update(Word::slot_taken).map(|(_, after)| after.generation())
    }

    /// The request of a probe was sent. Whether that was still of interest.
    pub(super) fn probe_sent(&self, generation: u32) -> bool {
        self.update(|word| word.one_sent(generation)).is_some()
    }

    /// A probe ended without a verdict; `sent` is what [`Gate::probe_sent`] said of it. Whether its slot is free again.
    pub(super) fn give_back(&self, generation: u32, sent: bool) -> bool {
        self.update(|word| word.slot_given_back(generation, sent)).is_some()
    }
}
