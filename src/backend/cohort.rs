//! What the backends of one upstream share, across reloads: the retry budget, the cap on ejections, the count of
//! requests that wait for a response head, and how often they changed their state.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Care;
use super::breaker::Word;
use super::budget::RetryBudget;
use super::news::News;
use super::pending::Waiting;
use super::stall::Crowd;
use super::standing::{Cause, State};

/// The live state of an upstream as a whole.
#[derive(Debug)]
pub struct Cohort {
    /// The upstream's name.
    pub name: Arc<str>,
    /// What further tries may cost.
    pub budget: RetryBudget,
    /// Requests that wait for a response head.
    pub(super) pending: Waiting,
    /// Changes of state, by [`Cause`].
    pub(super) changes: [AtomicU64; Cause::ALL.len()],
    /// Held while a backend changes its state, so that two do not go when only one may.
    turn: Mutex<()>,
    /// Backends out by soft ejections; written in turn.
    n_ejected: AtomicU32,
    /// Backends that do not get requests as usual, for whatever cause; written in turn.
    n_out: AtomicU32,
    /// The configuration in service ejects nobody. A request that began under an older one goes by it, too: nobody
    /// would look again to mend what it did. Written in turn.
    ejects_nobody: AtomicBool,
    /// The configuration in service learns nothing from answers.
    senses_nothing: AtomicBool,
    /// When the watch looked.
    pulse: Mutex<Pulse>,
    /// What was told of changes.
    news: Mutex<News>,
}

/// How regularly the watch looks.
#[derive(Debug, Default)]
struct Pulse {
    last: Option<Instant>,
    gap: Duration,
    /// What it saw.
    crowd: Option<Crowd>,
    /// When it compared how long the backends take.
    compared: Option<Instant>,
}

/// The watch was not there if it comes so many times as late as it did before, and by more than [`BLINK_MIN`].
const BLINK_FACTOR: u32 = 4;

/// A pause that says nothing.
const BLINK_MIN: Duration = Duration::from_millis(100);

/// Whose turn it is to change a state.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    cohort: &'a Cohort,
    _guard: MutexGuard<'a, ()>,
}

impl Cohort {
    /// One that nothing has happened to, of the upstream `name`, for `n_workers` workers.
    pub fn new(name: Arc<str>, n_workers: usize) -> Self {
        Cohort {
            name,
            budget: RetryBudget::new(n_workers),
            pending: Waiting::default(),
            changes: Default::default(),
            turn: Mutex::default(),
            n_ejected: AtomicU32::new(0),
            n_out: AtomicU32::new(0),
            ejects_nobody: AtomicBool::new(false),
            senses_nothing: AtomicBool::new(false),
            pulse: Mutex::default(),
            news: Mutex::default(),
        }
    }

    /// How often a backend changed its state for `cause`.
    pub fn n_changes(&self, cause: Cause) -> u64 {
        self.changes[cause as usize].load(Relaxed)
    }

    /// Backends that are out by soft ejections.
    pub fn n_ejected(&self) -> u32 {
        self.n_ejected.load(Relaxed)
    }

    /// Whether one more may be softly ejected: within the cap, and not the last that serves.
    pub(super) fn has_room(&self, care: &Care) -> bool {
        self.n_ejected() < care.n_ejected_max() && self.has_others(care)
    }

    /// `care` is in service. To be called before anything that an older one brought about is mended.
    pub(super) fn goes_by(&self, care: &Care) {
        let senses_nothing = care.passive.is_none();
        let ejects_nobody = senses_nothing || care.breaker.is_none();
        if self.ejects_nobody() != ejects_nobody || self.senses_nothing() != senses_nothing {
            let _turn = self.turn();
            self.ejects_nobody.store(ejects_nobody, Relaxed);
            self.senses_nothing.store(senses_nothing, Relaxed);
            fence(SeqCst);
        }
    }

    /// Whether nobody is ejected, whatever a request's own configuration says. Certain only in turn.
    pub(super) fn ejects_nobody(&self) -> bool {
        self.ejects_nobody.load(Relaxed)
    }

    /// Whether nothing is learnt from answers, whatever a request's own configuration says.
    pub(super) fn senses_nothing(&self) -> bool {
        self.senses_nothing.load(Relaxed)
    }

    /// Whether somebody serves besides one who does.
    pub(super) fn has_others(&self, care: &Care) -> bool {
        self.n_out.load(Relaxed) + 1 < care.n_members
    }

    /// The watch looks and sees `crowd`: what it saw before, and whether it missed some of the times that it should
    /// have looked.
    pub(super) fn looked(&self, crowd: Crowd, now: Instant) -> (Option<Crowd>, bool) {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let gap = pulse.last.map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        let blinked = gap > BLINK_MIN && gap > pulse.gap.saturating_mul(BLINK_FACTOR);
        (pulse.last, pulse.gap) = (Some(now), gap);
        (pulse.crowd.replace(crowd), blinked)
    }

    /// Whether it is time to compare how long the backends take.
    pub(super) fn is_to_compare(&self, every: Duration, now: Instant) -> bool {
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        let since = pulse.compared.map(|compared| now.saturating_duration_since(compared));
        let is_due = since.is_none_or(|since| since >= every);
        if is_due {
            pulse.compared = Some(now);
        }
        is_due
    }

    /// What was told of changes, for whoever has one more.
    pub(super) fn news(&self) -> MutexGuard<'_, News> {
        // Nothing panics with it half written.
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the others to have changed.
    pub(super) fn turn(&self) -> Turn<'_> {
        // Nothing in turn panics half way.
        let guard = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        Turn { cohort: self, _guard: guard }
    }
}

impl Turn<'_> {
    /// Counts the change of a backend that is not drained.
    pub(super) fn count(&self, before: Word, after: Word) {
        shift(&self.cohort.n_ejected, before.is_soft(), after.is_soft());
        let is_out = |word: Word| word.state() != State::Up;
        shift(&self.cohort.n_out, is_out(before), is_out(after));
    }

    /// What is counted anew: those who left the upstream, or were drained, while they were out do not count.
    pub(super) fn recount(&self, words: impl Iterator<Item = Word>) {
        let (n_ejected, n_out) = counts(words);
        self.cohort.n_ejected.store(n_ejected, Relaxed);
        self.cohort.n_out.store(n_out, Relaxed);
    }
}

impl Cohort {
    /// Whether the counts are those of backends in these states.
    pub(super) fn counts_are(&self, words: impl Iterator<Item = Word>) -> bool {
        counts(words) == (self.n_ejected(), self.n_out.load(Relaxed))
    }
}

/// How many are softly ejected, and how many are out for whatever cause.
fn counts(words: impl Iterator<Item = Word>) -> (u32, u32) {
    words.fold((0, 0), |(n_ejected, n_out), word| {
        let is_out = word.state() != State::Up;
        (n_ejected + u32::from(word.is_soft()), n_out + u32::from(is_out))
    })
}

fn shift(count: &AtomicU32, before: bool, after: bool) {
    let n = count.load(Relaxed);
    match (before, after) {
        (false, true) => count.store(n + 1, Relaxed),
        (true, false) => count.store(n.saturating_sub(1), Relaxed),
        _ => {}
    }
}
