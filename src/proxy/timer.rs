//! One timer a connection.
//!
//! States only move a deadline; the timer in the runtime's wheel is re-armed when it fires too early or
//! would fire too late, so that a busy keep-alive connection touches the wheel about once a minute, not
//! several times a request.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A lazily armed timer. Must always be polled by the same task: the waker is registered once.
#[derive(Debug, Default)]
pub(super) struct Timer {
    armed: Option<(Pin<Box<Sleep>>, Instant)>,
}

impl Timer {
    /// Ready once `deadline` has passed; `None` never is.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let Some((sleep, at)) = &mut self.armed else {
            let mut sleep = Box::pin(tokio::time::sleep_until(deadline.into()));
            let fired = poll_sleep(&mut sleep, cx);
            self.armed = Some((sleep, deadline));
            return fired;
        };
        if *at > deadline {
            sleep.as_mut().reset(deadline.into());
            *at = deadline;
            return poll_sleep(sleep, cx);
        }
        // Armed for earlier: it wakes the task by itself, and there is nothing to do before it does.
        while sleep.is_elapsed() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline.into());
            *at = deadline;
            if poll_sleep(sleep, cx).is_pending() {
                break;
            }
        }
        Poll::Pending
    }
}

/// Polls outside tokio's budget: a task that has used it up would be told to wait without its waker being
/// registered, and we do not ask a second time.
fn poll_sleep(sleep: &mut Pin<Box<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
    pin!(tokio::task::unconstrained(sleep.as_mut())).poll(cx)
}

/// The earlier of two deadlines, where `None` is never.
pub(super) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    fn after(start: tokio::time::Instant, ms: u64) -> Option<Instant> {
        Some((start + Duration::from_millis(ms)).into_std())
    }

    /// The clock stands still but for the runtime's timers; `Instant::now` in the timer does not, so that what is
    /// said about it here holds from below only.
    async fn fires_after(timer: &mut Timer, deadline: Option<Instant>) -> Duration {
        let start = tokio::time::Instant::now();
        poll_fn(|cx| timer.poll(cx, deadline)).await;
        start.elapsed()
    }

    async fn is_pending(timer: &mut Timer, deadline: Option<Instant>) -> bool {
        poll_fn(|cx| Poll::Ready(timer.poll(cx, deadline).is_pending())).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_earlier_fires_then() {
        let start = tokio::time::Instant::now();
        let mut timer = Timer::default();
        assert!(is_pending(&mut timer, after(start, 100)).await);
        let elapsed = fires_after(&mut timer, after(start, 10)).await;
        assert!((10..20).contains(&elapsed.as_millis()), "{elapsed:?}");
    }

    #[tokio::test]
    async fn a_deadline_moved_later_does_not_fire_at_the_earlier_one() {
        let start = tokio::time::Instant::now();
        let mut timer = Timer::default();
        assert!(is_pending(&mut timer, after(start, 5)).await);
        let elapsed = fires_after(&mut timer, after(start, 60)).await;
        assert!(elapsed >= Duration::from_millis(50), "{elapsed:?}");
        // Once fired it can be used again.
        let again = tokio::time::Instant::now();
        assert!(is_pending(&mut timer, after(again, 20)).await);
        assert!(fires_after(&mut timer, after(again, 20)).await >= Duration::from_millis(10));
    }

    #[tokio::test]
    async fn no_deadline_is_never_ready_and_a_past_one_is_at_once() {
        let mut timer = Timer::default();
        assert!(is_pending(&mut timer, None).await);
        let past = Instant::now().checked_sub(Duration::from_millis(10));
        assert!(past.is_some(), "the machine has run for longer");
        assert!(!is_pending(&mut timer, past).await);
        assert!(is_pending(&mut timer, None).await, "nothing is left of it");
        assert!(!is_pending(&mut timer, past).await);
    }

    #[test]
    fn the_earlier_of_two_deadlines_where_none_is_never() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        assert_eq!(earlier(Some(later), Some(now)), Some(now));
        assert_eq!(earlier(None, Some(later)), Some(later));
        assert_eq!(earlier(Some(now), None), Some(now));
        assert_eq!(earlier(None, None), None);
    }
    #[tokio::test(start_paused = true)]
    async fn a_timer_that_is_armed_by_a_task_without_budget_still_fires() {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(10);
        let mut timer = Timer::default();
        let first = poll_fn(|cx| {
            while let Poll::Ready(progress) = tokio::task::coop::poll_proceed(cx) {
                progress.made_progress();
            }
            Poll::Ready(timer.poll(cx, Some(deadline.into_std())))
        })
        .await;
        assert!(first.is_pending());
        let fires = poll_fn(|cx| timer.poll(cx, Some(deadline.into_std())));
        let fired = tokio::time::timeout(Duration::from_secs(1), fires).await;
        assert!(fired.is_ok(), "the waker was never registered");
    }
}
