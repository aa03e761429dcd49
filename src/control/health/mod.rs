//! Asking backends how they are, and watching what requests meet: both run on the control thread.
//!
//! `book` has every checked backend and says who is asked when (`pace`) and what the answers make of it (`tally`);
//! both are pure. `run` asks, by `probe`. `lookout` looks at all backends many times a second for what no single
//! request can see. The controller tells both of each new snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use rustix::process::{Resource, getrlimit};
use tokio::sync::Notify;

use super::fleet::Fleet;
use crate::rng::Rng;
use crate::snapshot::Snapshot;

mod book;
mod lag;
mod lookout;
mod pace;
mod run;
mod tally;
mod turns;

use book::Book;

/// What is known of a backend's checks.
#[derive(Clone, Debug)]
pub struct CheckInfo {
    /// The last one: whether it passed, how long that took or why not, and when.
    pub last: Option<(bool, String, Instant)>,
    /// When the next one is due, or was.
    pub next: Instant,
}

/// The checks of every backend. A clone is the same table.
#[derive(Clone, Debug)]
pub struct Checks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Held for moments: by the control thread, and by helpers that gather the state of everything.
    book: Mutex<Book>,
    /// The members may be others.
    changed: Notify,
}

impl Checks {
    /// Of nobody. Up to half of the descriptors may be idle connections for checks, and up to a quarter checks under
    /// way.
    pub(super) fn new() -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self::with((limit / 2).clamp(KEPT_MIN, KEPT_MAX), (limit / 8).clamp(PLACES_MIN, PLACES_MAX))
    }

    fn with(kept_max: usize, n_places: usize) -> Self {
        let book = Mutex::new(Book::new(kept_max, n_places, Rng::from_entropy()));
        Checks(Arc::new(Shared { book, changed: Notify::new() }))
    }

    /// What is known of a backend's checks; `None` if it is not checked.
    pub fn of(&self, backend_id: u64) -> Option<CheckInfo> {
        self.book().info(backend_id)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The controller's part: it tells of every snapshot.
#[derive(Debug)]
pub(super) struct Health {
    /// The table.
    pub(super) checks: Checks,
    stored: Arc<Notify>,
}

impl Health {
    /// Nothing is checked yet.
    pub(super) fn new() -> Self {
        Health { checks: Checks::new(), stored: Arc::default() }
    }

    /// Begins to check and to watch what `snapshot` names; both end with the runtime.
    pub(super) fn start(&self, snapshot: &Arc<ArcSwap<Snapshot>>, fleet: &Arc<dyn Fleet>) {
        tokio::spawn(run::run(self.checks.clone()));
        let (snapshot, fleet) = (Arc::clone(snapshot), Arc::clone(fleet));
        tokio::spawn(lookout::run(snapshot, fleet, Arc::clone(&self.stored)));
    }

    /// To be called just before `next` takes the place of `last`: whoever has to wait for a first pass gets no
    /// request before.
    pub(super) fn adopt(&self, last: &Snapshot, next: &Snapshot) {
        self.checks.book().adopt(last, next, Instant::now());
        self.checks.0.changed.notify_one();
    }

    /// To be called once a snapshot is stored.
    pub(super) fn stored(&self) {
        self.stored.notify_one();
    }
}

/// Idle connections that are kept for checks, at least and at most, whatever the limit on descriptors.
const KEPT_MIN: usize = 64;
const KEPT_MAX: usize = 16_384;

/// Checks under way at once, whatever the limit on descriptors, at least and at most: of backends that answer, and as
/// many again of those that kept silent the last time.
const PLACES_MIN: usize = 64;
const PLACES_MAX: usize = 4096;
