//! The task that asks: one for all backends, and one more for each check under way.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep_until;

use super::Checks;
use super::book::{Book, Done, Start};
use crate::probe::{self, Line};

/// Checks that begin at once; further ones [`BEGIN_EVERY`] later.
const BEGUN_AT_ONCE_MAX: usize = 256;

/// While checks are under way we look this often at the clock, to notice that we ourselves were late.
const HEARTBEAT: Duration = Duration::from_millis(25);

/// Checks begin at most this often, as many at once as are due: waking up costs as much as a check.
const BEGIN_EVERY: Duration = Duration::from_millis(10);

/// What a check's task ended with.
type Ended = Result<Done, JoinError>;

/// Asks whoever is due, for ever.
pub(super) async fn run(checks: Checks) {
    let mut under_way = JoinSet::new();
    let (mut planned, mut ended) = (None, None);
    let mut begins = Instant::now();
    loop {
        let now = Instant::now();
        {
            let mut book = checks.book();
            // First of all: what is ready now may be late by our own fault.
            if let Some(planned) = planned {
                book.woke(planned, now);
            }
            let first = std::iter::from_fn(|| ended.take());
            for ended in first.chain(std::iter::from_fn(|| under_way.try_join_next())) {
                take_in(&mut book, ended, now);
            }
            if now >= begins {
                let n_before = under_way.len();
                book.start_due(now, BEGUN_AT_ONCE_MAX, |start| Some(under_way.spawn(ask(start))));
                if under_way.len() > n_before {
                    begins = now + BEGIN_EVERY;
                }
            }
            let due = book.next_due().map(|due| due.max(begins));
            let beat = (!under_way.is_empty()).then(|| now + HEARTBEAT);
            planned = due.into_iter().chain(beat).min();
        }
        ended = wait(&checks, &mut under_way, planned).await;
    }
}

fn take_in(book: &mut Book, ended: Ended, now: Instant) {
    match ended {
        Ok(done) => book.done(done, now),
        // Whoever cut it has no use for it.
        Err(error) if error.is_cancelled() => {}
        Err(error) => {
            tracing::error!(%error, "a check ended by a fault");
            book.lost(error.id(), now);
        }
    }
}

/// Waits for `until`, for other members, or for the end of a check, which it returns.
async fn wait(
    checks: &Checks,
    under_way: &mut JoinSet<Done>,
    until: Option<Instant>,
) -> Option<Ended> {
    let mut changed = pin!(checks.0.changed.notified());
    let mut timer = pin!(async {
        match until {
            Some(until) => sleep_until(until.into()).await,
            None => pending().await,
        }
    });
    poll_fn(|cx| {
        if let Poll::Ready(Some(ended)) = under_way.poll_join_next(cx) {
            return Poll::Ready(Some(ended));
        }
        let is_over = timer.as_mut().poll(cx).is_ready() || changed.as_mut().poll(cx).is_ready();
        if is_over { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

async fn ask(start: Start) -> Done {
    let Start { id, target, kept } = start;
    let mut line = Line { kept, ..Line::default() };
    let result = probe::check(&target, &mut line).await;
    Done { id, target, result, kept: line.kept }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
