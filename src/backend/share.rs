//! The part of its weight that a backend gets for now: little after it came back, more and more over its slow start;
//! little while it asks to be left alone.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};
use std::time::{Duration, Instant};

use super::Backend;

/// What a slow start begins with, and what is left to who asks to be left alone.
const LITTLE: f64 = 0.1;

/// Who asks to be left alone for longer is left alone for this.
const REST_MAX: Duration = Duration::from_secs(60);

/// Read for every request, written by changes and by the watch. Times are in nanoseconds from the backend's
/// beginning, 0 is none.
#[derive(Debug)]
pub(super) struct Share {
    /// Of [`Backend::SHARE_FULL`].
    now: AtomicU32,
    /// How long a slow start takes.
    slow_start: AtomicU64,
    /// When the one that runs began.
    came_back: AtomicU64,
    /// Until when it asks to be left alone.
    rests_until: AtomicU64,
}

impl Default for Share {
    fn default() -> Self {
        Share {
            now: AtomicU32::new(Backend::SHARE_FULL),
            slow_start: AtomicU64::new(0),
            came_back: AtomicU64::new(0),
            rests_until: AtomicU64::new(0),
        }
    }
}

impl Backend {
    /// A share that leaves the weight as it is written.
    pub const SHARE_FULL: u32 = 1 << 16;

    /// The part of its weight that holds now, 0..=[`Backend::SHARE_FULL`].
    #[inline]
    pub fn share(&self) -> u32 {
        self.share.now.load(Relaxed)
    }

    /// Sets the part of its weight that holds, 0.0..=1.0 (clamped). Even at 0.0 it gets a request where no other
    /// backend can take it.
    pub fn set_share(&self, share: f64) {
        let share = (share.clamp(0.0, 1.0) * f64::from(Self::SHARE_FULL)) as u32;
        self.share.now.store(share, Relaxed);
    }

    /// Whether its share is small since it came back and gets more and more.
    pub fn starts_slowly(&self) -> bool {
        self.share.came_back.load(Relaxed) > 0
    }

    /// For how long from `now` its share is small since it asked to be left alone; `None`: it did not.
    pub fn rests(&self, now: Instant) -> Option<Duration> {
        let until = self.share.rests_until.load(Relaxed);
        until.checked_sub(self.nanos(now)).filter(|left| *left > 0).map(Duration::from_nanos)
    }

    /// It came back: where it starts slowly, it begins to.
    pub(super) fn starts(&self, now: Instant) {
        if self.share.slow_start.load(Relaxed) > 0 {
            self.share.came_back.store(self.nanos(now).max(1), Relaxed);
            self.set_share(LITTLE);
        }
    }

    /// It asked to be left alone for so long.
    #[cold]
    pub(super) fn rest(&self, time: Duration, now: Instant) {
        let time = time.min(REST_MAX);
        if !time.is_zero() {
            let until = self.nanos(now + time);
            self.share.rests_until.fetch_max(until, Relaxed);
            self.set_share(self.share_at(self.nanos(now)));
            // Who switches this off says so before taking the shares back: it is seen here, or finds this one.
            fence(SeqCst);
            if self.cohort.senses_nothing() {
                self.forget_share();
            }
        }
    }

    /// Moves the share on, where it is moving; a slow start takes `slow_start`.
    pub(super) fn move_share(&self, slow_start: Option<Duration>, now: Instant) {
        let share = &self.share;
        let takes = slow_start.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        if share.slow_start.load(Relaxed) != takes {
            share.slow_start.store(takes, Relaxed);
        }
        let (came_back, rests) = (share.came_back.load(Relaxed), share.rests_until.load(Relaxed));
        if came_back == 0 && rests == 0 {
            return;
        }
        let now = self.nanos(now);
        self.set_share(self.share_at(now));
        // Who asks or comes back in this moment is not forgotten.
        if rests <= now {
            let _ = share.rests_until.compare_exchange(rests, 0, Relaxed, Relaxed);
        }
        if now.saturating_sub(came_back) >= takes {
            let _ = share.came_back.compare_exchange(came_back, 0, Relaxed, Relaxed);
        }
    }

    /// All of its weight, whatever it asked for and however it came back.
    pub(super) fn forget_share(&self) {
        let share = &self.share;
        [&share.slow_start, &share.came_back, &share.rests_until]
            .iter()
            .for_each(|time| time.store(0, Relaxed));
        self.set_share(1.0);
    }

    fn share_at(&self, now: u64) -> f64 {
        let share = &self.share;
        let takes = share.slow_start.load(Relaxed).max(1) as f64;
        let started = match share.came_back.load(Relaxed) {
            0 => 1.0,
            came_back => (now.saturating_sub(came_back) as f64 / takes).min(1.0),
        };
        let rests = share.rests_until.load(Relaxed) > now;
        (LITTLE + (1.0 - LITTLE) * started) * if rests { LITTLE } else { 1.0 }
    }
}
