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

    #[tokio::test(start_paused = true)]
    async fn a_deadline_moved_later_fires_then_and_one_moved_earlier_fires_at_once() {
        let start = tokio::time::Instant::now();
        let mut timer = Timer::default();
        let at = |ms| Some((start + Duration::from_millis(ms)).into_std());
        let first = poll_fn(|cx| Poll::Ready(timer.poll(cx, at(100)))).await;
        assert!(first.is_pending());
        poll_fn(|cx| timer.poll(cx, at(10))).await;
        assert!(
            start.elapsed() >= Duration::from_millis(10)
                && start.elapsed() < Duration::from_millis(20)
        );
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
