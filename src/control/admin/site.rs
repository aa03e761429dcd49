//! What requests on the admin socket may look at and ask for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, mpsc};

use super::super::certificates::Faults;
use super::super::controller::Bound;
use super::super::event::Event;
use super::super::fleet::Fleet;
use super::super::health::Checks;
use crate::config::Source;
use crate::snapshot::Snapshot;

/// Shared by every connection to the admin socket, across reloads.
pub(in crate::control) struct Site {
    /// Where the configuration comes from.
    pub(super) configuration: String,
    pub(super) n_workers: usize,
    pub(super) started: Instant,
    pub(super) started_at: SystemTime,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) fleet: Arc<dyn Fleet>,
    pub(super) events: mpsc::Sender<Event>,
    /// Places for connections.
    pub(super) places: Arc<Semaphore>,
    /// Places for those who gather the state of everything on a helper thread.
    pub(super) gathering: Arc<Semaphore>,
    /// For the control thread.
    pub(super) checks: Checks,
    /// What is wrong with files of certificates.
    pub(super) faults: Faults,
    bound: Arc<Mutex<Vec<Bound>>>,
}

/// Connections at once; who comes later waits to be accepted.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// Answers that are gathered at once: reloads and names need helper threads, too.
const GATHERING_MAX: usize = 2;

impl Site {
    /// The site of a process that starts now.
    pub(in crate::control) fn new(
        source: &Source,
        n_workers: usize,
        snapshot: Arc<ArcSwap<Snapshot>>,
        bound: Arc<Mutex<Vec<Bound>>>,
        fleet: Arc<dyn Fleet>,
        events: mpsc::Sender<Event>,
        checks: Checks,
    ) -> Self {
        let configuration = match source {
            // Who asks may be in another directory.
            Source::File(path) => {
                std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
            }
            Source::Text { name, .. } => name.clone(),
        };
        Site {
            configuration,
            n_workers,
            started: Instant::now(),
            started_at: SystemTime::now(),
            snapshot,
            fleet,
            events,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            gathering: Arc::new(Semaphore::new(GATHERING_MAX)),
            checks,
            faults: Faults::default(),
            bound,
        }
    }

    /// Tells these, too.
    pub(in crate::control) fn telling(self, faults: Faults) -> Self {
        Site { faults, ..self }
    }

    /// Every socket listened on now.
    pub(super) fn bound(&self) -> Vec<Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
