//! The end: gracefully, then at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::controller::Controller;
use super::event::{Event, Urgency};
use super::fleet::{Fleet, Order};

/// How far a stop has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stopping {
    /// Not at all.
    #[default]
    No,
    /// Nothing is accepted any more; exchanges finish.
    Draining,
}

impl Controller {
    /// Takes a wish to stop; true if it is to be at once.
    pub(super) async fn stop_requested(&mut self, urgency: Urgency) -> bool {
        match (self.stopping, urgency) {
            (_, Urgency::Now) | (Stopping::Draining, Urgency::Interrupt) => true,
            (Stopping::Draining, Urgency::Graceful) => false,
            (Stopping::No, Urgency::Graceful | Urgency::Interrupt) => {
                self.drain().await;
                false
            }
        }
    }

    async fn drain(&mut self) {
        let grace = self.config.global.shutdown_grace;
        tracing::info!(
            connections = self.fleet.open_connections(),
            grace_seconds = grace.as_secs_f64(),
            "stopping; no more connections are accepted, exchanges finish"
        );
        self.stopping = Stopping::Draining;
        let deadline = Instant::now() + grace;
        // The files of unix sockets go first: who comes later sees that nobody is there, and who came
        // before is accepted from the queue.
        for open in &mut self.sockets {
            open.file = None;
        }
        self.admin.close();
        let (done, drained) = mpsc::channel(1);
        for worker in self.workers() {
            self.order(worker, Order::Drain { done: done.clone() }).await;
        }
        drop(done);
        let events = self.events.clone();
        let fleet = Arc::clone(&self.fleet);
        tokio::spawn(async move {
            wait_drained(&*fleet, drained, deadline).await;
            let _ = events.send(Event::Drained).await;
        });
    }

    /// Ends every worker; returns how many connections that cut.
    pub(super) async fn finish(&mut self) -> usize {
        let n_cut = self.fleet.open_connections();
        match n_cut {
            0 => tracing::info!("stopped; nothing was cut"),
            _ => tracing::warn!(connections = n_cut, "stopped; open connections were cut"),
        }
        for worker in self.workers() {
            self.order(worker, Order::Stop).await;
        }
        self.sockets.clear();
        self.admin.close();
        n_cut
    }
}

/// Waits until every worker has closed its sockets and no connection is left, or for the deadline.
async fn wait_drained(fleet: &dyn Fleet, mut drained: mpsc::Receiver<()>, deadline: Instant) {
    let at_end = tokio::time::Instant::from_std(deadline);
    if tokio::time::timeout_at(at_end, drained.recv()).await.is_err() {
        return;
    }
    while fleet.open_connections() > 0 && Instant::now() < deadline {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How often a stop looks whether it is done: only while stopping, so a count is simpler than a signal
/// from every connection's end.
const LOOK_EVERY: Duration = Duration::from_millis(5);
