//! How many log lines changes of state are worth. Every change is counted, but with all backends of an upstream down
//! for hours, each tried again and again, most of them say nothing new.
//!
//! A backend's coming and going is told, [`FREE_MAX`] times within [`WINDOW`]; whatever else happens to it, and what
//! goes beyond, is told once in [`EXTRA_EVERY`] for the whole upstream. What was left out is counted, and the next line
//! says how much it was.

use std::time::{Duration, Instant};

/// For how long a backend's free lines are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// Free lines of a backend within it: that it went, and that it is back.
const FREE_MAX: u32 = 2;

/// How often an upstream has one of the other lines.
const EXTRA_EVERY: Duration = Duration::from_secs(1);

/// What was told of one backend.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The last line said that it is out, or on trial.
    is_out: bool,
    /// When the free lines began to count, and how many there were.
    free: Option<(Instant, u32)>,
}

/// What was told of an upstream's backends beyond their free lines.
#[derive(Debug, Default)]
pub(super) struct News {
    extra: Option<Instant>,
    n_untold: u64,
}

impl News {
    /// Whether the change of a backend to be in, or not, is told: how many were left out before.
    pub(super) fn tells(&mut self, told: &mut Told, is_in: bool, now: Instant) -> Option<u64> {
        let is_news = told.is_out == is_in;
        if (is_news && told.is_free(now)) || self.may_tell_more(now) {
            told.is_out = !is_in;
            return Some(std::mem::take(&mut self.n_untold));
        }
        self.n_untold += 1;
        None
    }

    fn may_tell_more(&mut self, now: Instant) -> bool {
        let may = self.extra.is_none_or(|last| now.saturating_duration_since(last) >= EXTRA_EVERY);
        if may {
            self.extra = Some(now);
        }
        may
    }
}

impl Told {
    /// Whether one more free line is left, which is taken.
    fn is_free(&mut self, now: Instant) -> bool {
        let known = self.free.filter(|(since, _)| now.saturating_duration_since(*since) < WINDOW);
        let (since, n) = known.unwrap_or((now, 0));
        let is_free = n < FREE_MAX;
        if is_free {
            self.free = Some((since, n + 1));
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_all_is_told_once_for_each_and_then_once_a_second() {
        let (mut news, start) = (News::default(), Instant::now());
        let mut backends: Vec<Told> = (0..100).map(|_| Told::default()).collect();
        let all = |news: &mut News, backends: &mut [Told], is_in, now| {
            backends.iter_mut().filter_map(|told| news.tells(told, is_in, now)).count()
        };
        assert_eq!(all(&mut news, &mut backends, false, start), 100);
        let mut n_lines = 0;
        for half_second in 1..=120 {
            let now = start + Duration::from_millis(500) * half_second;
            n_lines += all(&mut news, &mut backends, false, now);
        }
        assert_eq!(n_lines, 60, "one each second, of 12 000");
        let now = start + Duration::from_secs(90);
        let before = news.n_untold;
        assert_eq!(news.tells(&mut backends[0], true, now), Some(before), "none is forgotten");
        assert_eq!(all(&mut news, &mut backends[1..], true, now), 99, "all are back");
    }

    #[test]
    fn one_that_comes_and_goes_all_the_time_is_told_of_now_and_then() {
        let (mut news, mut told, start) = (News::default(), Told::default(), Instant::now());
        let lines = (0..600_u32).filter_map(|n| {
            let now = start + Duration::from_millis(100) * n;
            news.tells(&mut told, n % 2 == 1, now)
        });
        let (n_lines, n_untold) = lines.fold((0, 0), |(n, untold), more| (n + 1, untold + more));
        assert!((60..=72).contains(&n_lines), "{n_lines} in a minute");
        assert_eq!(n_lines + n_untold + news.n_untold, 600);
    }
}
