//! The watch: many times a second every backend is looked at for what no single request can see. A backend whose
//! time out is over is tried again; one that holds requests and answers none while its peers do is found here, and
//! every worker is told, so that what waits on it can be raced elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc::error::TrySendError};

use crate::backend;
use crate::control::fleet::{Fleet, Order};
use crate::snapshot::{Snapshot, Upstream};

/// How often upstreams with peers are looked at: a stall is to be found within tens of milliseconds.
const EVERY: Duration = Duration::from_millis(20);

/// How often when none has two backends: what is left to see can wait.
const EVERY_ALONE: Duration = Duration::from_millis(100);

/// Backends that are looked at that often. With n times as many it is n times as seldom, so that the cost of
/// watching stays the same.
const BACKENDS_PER_LOOK: usize = 1000;

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
        tell(&mut untold, &*fleet);
    }
}

/// Tells the workers in `untold` to wake all who wait. Nobody is waited for: a worker with a full mailbox stays in it
/// for the next look.
fn tell(untold: &mut Vec<usize>, fleet: &dyn Fleet) {
    untold.retain(|worker| {
        let told = fleet.mailbox(*worker).try_send(Order::WakeAll);
        matches!(told, Err(TrySendError::Full(_)))
    });
}

/// Looks after one upstream; true if a backend was found that answers nobody.
fn look(upstream: &Upstream, now: Instant) -> bool {
    let Upstream { members, care, cohort, .. } = upstream;
    backend::watch(members, care, cohort, now).found_stalled
}

/// Whether anything of `upstream` could be seen.
fn is_watched(upstream: &Upstream) -> bool {
    !upstream.members.is_empty() && upstream.care.is_watched()
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

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use tokio::sync::mpsc;

    use super::*;
    use crate::config::{self, Source};
    use crate::metrics::Metrics;
    use crate::snapshot::compile_offline;

    struct Mailboxes(Vec<mpsc::Sender<Order>>);

    impl Fleet for Mailboxes {
        fn n_workers(&self) -> usize {
            self.0.len()
        }

        fn mailbox(&self, worker: usize) -> &mpsc::Sender<Order> {
            &self.0[worker]
        }

        fn open_connections(&self) -> usize {
            0
        }

        fn metrics(&self) -> &Metrics {
            static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::new(0));
            &METRICS
        }

        fn limit_connections(&self, _written: Option<usize>) {}
    }

    #[test]
    fn a_worker_with_a_full_mailbox_is_told_later_and_one_that_has_ended_never() {
        let (free, mut free_inbox) = mpsc::channel(1);
        let (full, mut full_inbox) = mpsc::channel(1);
        let (ended, ended_inbox) = mpsc::channel(1);
        drop(ended_inbox);
        full.try_send(Order::Stop).expect("room");
        let fleet = Mailboxes(vec![free, full, ended]);
        let mut untold = vec![0, 1, 2];
        tell(&mut untold, &fleet);
        assert_eq!(untold, [1]);
        assert!(matches!(free_inbox.try_recv(), Ok(Order::WakeAll)));
        assert!(matches!(full_inbox.try_recv(), Ok(Order::Stop)));
        tell(&mut untold, &fleet);
        assert!(matches!(full_inbox.try_recv(), Ok(Order::WakeAll)));
        assert!(untold.is_empty() && free_inbox.try_recv().is_err(), "once is enough");
    }

    /// The pause with `n` backends and more `lines` in their upstream.
    fn pause(n: usize, lines: &str) -> Option<Duration> {
        let backend = |n: usize| format!("\"10.0.{}.{}:80\"", n / 250, n % 250);
        let list: Vec<String> = (0..n).map(backend).collect();
        let text = format!(
            "listener = [{{ name = \"a\", bind = \"127.0.0.1:0\" }}]\n\
             route = [{{ name = \"r\", upstream = \"u\" }}]\n\
             [upstream.u]\nbackends = [{}]\n{lines}\n",
            list.join(", ")
        );
        let source = Source::Text { name: "test".into(), text };
        let config = config::load(&source).unwrap_or_else(|error| panic!("{error:?}")).config;
        cadence(&compile_offline(&config).expect("compiled"))
    }

    #[test]
    fn the_more_backends_the_longer_the_pause_and_nothing_is_looked_at_where_nothing_can_be_seen() {
        assert_eq!(pause(2, ""), Some(EVERY));
        assert_eq!(pause(1, ""), Some(EVERY_ALONE));
        assert_eq!(pause(BACKENDS_PER_LOOK, ""), Some(EVERY));
        assert_eq!(pause(5 * BACKENDS_PER_LOOK, ""), Some(EVERY * 5));
        assert_eq!(pause(2, "passive = false\nbreaker = false"), None);
    }
}
