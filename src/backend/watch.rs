//! What only the passing of time brings about: a pure function of an upstream's members and the time. The control
//! thread calls it about every 20 ms for every upstream that is watched ([`Care::is_watched`]), and nobody else.

use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::fence;
use std::time::{Duration, Instant};

use super::breaker::{Phase, Word};
use super::change::Trip;
use super::quantile::nanos;
use super::stall::Usual;
use super::standing::Cause;
use super::{Backend, Candidates, Care, Cohort, Member, Members};
use crate::config::Passive;

/// How often it is compared how long the backends take.
const COMPARE_EVERY: Duration = Duration::from_millis(500);

/// While requests can go to nobody, a backend that is out is tried after this at the latest, however often that was in
/// vain: it costs nobody an answer, and whoever comes back is found soon.
const ALONE_OPEN_MAX: Duration = Duration::from_secs(1);

/// What the watch found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// A backend was taken out since it answers nobody: requests that wait on it are to be woken, so that they try
    /// another.
    pub found_stalled: bool,
}

/// Looks after `members`, which are those of `cohort`, at `now`. It takes no lock that a request waits for, unless something
/// changes.
pub fn watch(members: &Members, care: &Care, cohort: &Cohort, now: Instant) -> Watched {
    let mut watched = Watched::default();
    cohort.goes_by(care);
    let usual = Usual::of(members, cohort, now);
    let nobody = Candidates::has_nobody(members);
    for member in members {
        if nobody {
            member.backend.try_early(care, now);
        }
        member.backend.set_drained(member.weight == 0);
        watched.found_stalled |= member.backend.watch(&usual, care, now);
        match care.is_watched() {
            true => member.backend.move_share(member.slow_start, now),
            // Nobody will look again to move it on.
            false => member.backend.forget_share(),
        }
    }
    if let Some(factor) = care.passive.and_then(|passive| passive.latency_factor)
        && cohort.is_to_compare(COMPARE_EVERY, now)
    {
        compare(members, factor, care, now);
    }
    cohort.budget.roll(now);
    // Who is drained serves nobody, and is missed by nobody.
    let serving = || members.iter().filter(|member| member.weight > 0);
    let words = || serving().map(|member| member.backend.gate.load());
    if !cohort.counts_are(words()) {
        cohort.turn().recount(words());
    }
    watched
}

/// Takes out who is slower than its peers, by this factor.
fn compare(members: &Members, factor: f64, care: &Care, now: Instant) {
    let Some(passive) = &care.passive else { return };
    let known = |member: &Member| {
        let p95 = member.backend.p95_lately(passive, now)?;
        Some((p95, member.backend.id))
    };
    let mut all: Vec<(u64, u64)> = members.iter().filter_map(known).collect();
    all.sort_unstable();
    // From the slowest on: it may be the only one that there is room for.
    for (at, (p95, id)) in all.iter().enumerate().rev() {
        let peers = all[..at].iter().chain(&all[at + 1..]);
        let Some((usual, _)) = peers.clone().nth(peers.count().saturating_sub(1) / 2) else {
            return;
        };
        if *p95 as f64 <= *usual as f64 * factor {
            return;
        }
        if let Some(slow) = members.iter().find(|member| member.backend.id == *id) {
            let generation = slow.backend.gate.load().generation();
            slow.backend.trip(Trip::soft(Cause::Latency), generation, care, now);
        }
    }
}

impl Backend {
    /// The 95th percentile in nanoseconds, if it serves and answered often and lately enough.
    fn p95_lately(&self, passive: &Passive, now: Instant) -> Option<u64> {
        let (p95, n_known) = self.flow.p95();
        let since = Duration::from_nanos(self.nanos(now).saturating_sub(self.flow.last_answer()?));
        let enough = n_known >= passive.min_requests.into() && since <= passive.window;
        (enough && self.gate.load().phase() == Phase::Closed).then(|| nanos(p95))
    }

    /// Whether requests that wait on it are to be woken.
    fn watch(&self, usual: &Usual, care: &Care, now: Instant) -> bool {
        if let Some(passive) = &care.passive {
            self.sensor.roll(self.flow.n_answered(), passive, self.nanos(now));
        }
        let word = self.gate.load();
        if word.phase() != Phase::Closed && (care.breaker.is_none() || care.passive.is_none()) {
            self.change(Cause::Configured, now, |word| Some(word.closed()?.with_openings(0)));
            return false;
        }
        match word.phase() {
            Phase::Closed => self.stalled(word, usual, care, now),
            Phase::Open => {
                let is_due = || self.read(|record| now >= record.open_until);
                if is_due() {
                    self.half_open(Cause::OpenOver, now, |_| is_due());
                }
                false
            }
            Phase::HalfOpen => {
                // Who is suspected of answering nobody shows it soon.
                let silence = usual.silence.filter(|_| word.is_stalled());
                let timeout = silence.unwrap_or(care.probe_timeout).min(care.probe_timeout);
                if self.is_unsent(word, care.unsent_timeout, now) {
                    let same = |found: Word| found.tried_anew().filter(|_| found == word);
                    self.change(Cause::OpenOver, now, same);
                }
                self.is_late(word, timeout, now) && self.late(word, care, now)
            }
        }
    }

    /// Lets requests try it before its time out is over; that it fails again is not counted.
    fn try_early(&self, care: &Care, now: Instant) {
        if care.breaker.is_none() || self.gate.load().phase() != Phase::Open {
            return;
        }
        let since = self.read(|record| now.saturating_duration_since(record.standing.since));
        if since >= ALONE_OPEN_MAX {
            let fewer = |word: Word| word.with_openings(word.openings().saturating_sub(1));
            self.change(Cause::OpenOver, now, |word| Some(fewer(word.half_opened()?)));
        }
    }

    /// Takes it out if it answers nobody while its peers do.
    fn stalled(&self, word: Word, usual: &Usual, care: &Care, now: Instant) -> bool {
        care.passive.is_some_and(|passive| passive.stall)
            && self.is_silent(usual, self.nanos(now))
            && self.trip(Trip::hard(Cause::Stalled), word.generation(), care, now)
    }

    /// Whether the latest of the requests that try it was sent longer ago than `timeout`, and one is not answered.
    fn is_late(&self, word: Word, timeout: Duration, now: Instant) -> bool {
        // The time was written before the word that counts it.
        fence(Acquire);
        let sent = self.probe_sent.load(Relaxed);
        let waited = Duration::from_nanos(self.nanos(now).saturating_sub(sent));
        word.n_sent() > 0 && waited >= timeout
    }

    /// Whether all requests that try it have been waited for so long without one having been sent.
    fn is_unsent(&self, word: Word, timeout: Duration, now: Instant) -> bool {
        self.read(|record| {
            if word.tried_anew().is_none() {
                record.unsent = None;
                return false;
            }
            let known = record.unsent.filter(|(known, _)| *known == word);
            let (_, since) = *record.unsent.insert(known.unwrap_or((word, now)));
            now.saturating_duration_since(since) >= timeout
        })
    }

    /// Open again, since a request that tries it is not answered in time. Whether it is stalled still.
    fn late(&self, word: Word, care: &Care, now: Instant) -> bool {
        let trip = Trip::soft(Cause::ProbeLate);
        self.probe_failed(trip, word.generation(), care, now) && word.is_stalled()
    }
}
