//! Finding a backend that holds requests and answers none while its peers do. Asked by the watch alone.
//!
//! A slow answer, a long poll, an upstream that is slow as a whole must not look like one. So it takes all of this:
//! - [`EVIDENCE`] requests were sent to it since its last answer, and all of them have waited longer than 50 ms and
//!   than ten times what all but one in twenty take at the slowest of its peers: a few long polls among fast requests
//!   do not come in such a row, and where they are more than a few they are what is taken for usual;
//! - its peers went on answering quickly, that is, in less than a tenth of this, nearly all that was sent to them: not
//!   so when all of them are slow, nor where most requests are long polls of which none has been answered yet. After
//!   twice this silence less of it has to be quick, if nearly all is answered: clients that wait for their answers are
//!   caught within a moment, and if the machine was busy just then, nothing that is sent later changes the share. For
//!   the same reason none of it has to be quick when they owe nothing at all any more, once the silence is twice as long
//!   and ten times the slowest of their answers since there is a suspicion;
//! - one of them did so after the last request of the evidence was sent, and owes no evidence itself: not so when all
//!   of them stop at the same moment. It need not go on: clients that wait for their answers are soon all caught.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::flow::EVIDENCE;
use super::quantile::{log, nanos};
use super::{Backend, Cohort, Members};

/// The shortest silence that says anything.
const SILENCE_MIN: Duration = Duration::from_millis(50);

/// How many times the 95th percentile a silence has to be.
const SILENCE_FACTOR: u32 = 10;

/// The share of what was sent to its peers that has to be answered quickly meanwhile, in percent. One in twenty is
/// slow in any case, and some were sent just now.
const QUICK_SHARE: u64 = 85;

/// Which share is enough after twice the silence, if [`ANSWERED_SHARE`] of it is answered.
const QUICK_SHARE_LATER: u64 = 40;

/// In percent.
const ANSWERED_SHARE: u64 = 95;

/// Answers of all members below which nothing is known of what is usual.
const ANSWERS_MIN: u64 = 20;

/// A silence that is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// Which one it is: since when there is evidence.
    evident: u64,
    /// From when on it is counted.
    since: u64,
    /// What all had been sent and had answered shortly before there was evidence.
    crowd: Crowd,
}

/// All members together, at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Crowd {
    n_quick: u64,
    n_answered: u64,
    /// What had been sent to each before its last answer: what is sent to another that hangs does not count.
    n_sent: u64,
    /// Changes with who they are.
    who: u64,
}

/// What is usual at an upstream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    crowd: Crowd,
    /// At the look before.
    before: Crowd,
    /// When one that is not suspected itself answered last.
    answered: Option<Instant>,
    /// A silence of this is none of the usual ones; `None`: too little is known.
    pub(super) silence: Option<Duration>,
    /// The slowest answer since somebody is suspected.
    slowest: Duration,
    /// Who is not suspected has answered all that was sent.
    nothing_owed: bool,
    /// Who watches was not there for a while: what was not seen is held against nobody.
    blinked: bool,
}

impl Usual {
    /// Looks at all of them, and tells them what a quick answer is.
    pub(super) fn of(members: &Members, cohort: &Cohort, now: Instant) -> Self {
        let (mut slowest, mut slowest_lately, mut n_answered) = (0, 0, 0_u64);
        let (mut nobody_suspected, mut nothing_owed) = (true, true);
        let mut answered = None;
        let mut crowd = Crowd { n_quick: 0, n_answered: 0, n_sent: 0, who: members.len() as u64 };
        for member in members {
            let flow = &member.backend.flow;
            let (p95, n_known) = flow.p95();
            if n_known > 0 {
                slowest = slowest.max(nanos(p95));
            }
            let is_suspected = flow.evident_since().is_some();
            nobody_suspected &= !is_suspected;
            nothing_owed &= is_suspected || flow.n_owed() == 0;
            slowest_lately = slowest_lately.max(flow.slowest());
            n_answered = n_answered.saturating_add(flow.n_answered());
            crowd.n_quick = crowd.n_quick.saturating_add(flow.n_quick());
            crowd.n_sent = crowd.n_sent.saturating_add(flow.n_sent_before());
            crowd.who = crowd.who.wrapping_mul(31).wrapping_add(member.backend.id);
            answered = answered.max(member.backend.answered_unsuspected());
        }
        crowd.n_answered = n_answered;
        let silence = Duration::from_nanos(slowest).saturating_mul(SILENCE_FACTOR).max(SILENCE_MIN);
        let quick = log((silence / SILENCE_FACTOR).as_nanos() as u64);
        members.iter().for_each(|member| member.backend.flow.set_quick(quick));
        if nobody_suspected {
            members.iter().for_each(|member| member.backend.flow.forget_slowest());
        }
        let silence = (n_answered >= ANSWERS_MIN).then_some(silence);
        let (before, blinked) = cohort.looked(crowd, now);
        let before = before.filter(|before| before.who == crowd.who).unwrap_or(crowd);
        let slowest = Duration::from_nanos(nanos(slowest_lately));
        Usual { crowd, before, answered, silence, slowest, nothing_owed, blinked }
    }
}

impl Backend {
    /// Whether it holds requests and answers none while its peers do, at `now`.
    pub(super) fn is_silent(&self, usual: &Usual, now: u64) -> bool {
        let (Some(evident), Some(silence)) = (self.flow.evident_since(), usual.silence) else {
            return false;
        };
        // Nobody else asks.
        let mut suspicion = self.suspicion.lock().unwrap_or_else(PoisonError::into_inner);
        let known = suspicion
            .filter(|known| known.evident == evident && known.crowd.who == usual.crowd.who);
        let mut suspected =
            known.unwrap_or(Suspicion { evident, since: evident, crowd: usual.before });
        if usual.blinked {
            suspected.since = now;
        }
        *suspicion = Some(suspected);
        let silent = Duration::from_nanos(now.saturating_sub(suspected.since));
        let at = self.epoch + Duration::from_nanos(evident);
        silent >= silence
            && usual.answered.is_some_and(|answered| answered > at)
            && (usual.crowd.answers_since(&suspected.crowd, silent >= silence * 2)
                || silent >= usual.long(silence) && usual.is_over_since(&suspected.crowd))
    }

    /// When it answered last, if it does not owe so much itself that it is suspected.
    fn answered_unsuspected(&self) -> Option<Instant> {
        let answered = self.flow.last_answer().filter(|_| self.flow.evident_since().is_none())?;
        Some(self.epoch + Duration::from_nanos(answered))
    }
}

impl Usual {
    /// A silence that none of the answers lately comes near, quick or not.
    fn long(&self, silence: Duration) -> Duration {
        silence.saturating_mul(2).max(self.slowest.saturating_mul(SILENCE_FACTOR))
    }

    /// Whether the others gave enough answers since `before`, quick or not, and have nothing left to answer.
    fn is_over_since(&self, before: &Crowd) -> bool {
        self.nothing_owed && self.crowd.n_answered.saturating_sub(before.n_answered) >= EVIDENCE
    }
}

impl Crowd {
    /// Whether it gave enough quick answers since `before`, and to nearly all that was sent; after a `long` silence
    /// they need not be so many. Who is silent gave none.
    fn answers_since(&self, before: &Crowd, long: bool) -> bool {
        let n_quick = self.n_quick.saturating_sub(before.n_quick);
        let n_sent = self.n_sent.saturating_sub(before.n_sent);
        let n_answered = self.n_answered.saturating_sub(before.n_answered);
        let is_share = |n: u64, percent: u64| n * 100 >= n_sent * percent;
        let later = || is_share(n_quick, QUICK_SHARE_LATER) && is_share(n_answered, ANSWERED_SHARE);
        n_quick >= EVIDENCE && (is_share(n_quick, QUICK_SHARE) || long && later())
    }
}
