//! The control thread's state and its loop. What an event means is decided in `reload` and `stop`; here are
//! the loop itself, names and housekeeping.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use super::admin::Admin;
use super::certificates::{self, Certificates};
use super::event::{Event, Request};
use super::fleet::{Fleet, Order};
use super::graveyard::Graveyard;
use super::handle::{Ended, Wish};
use super::health::Health;
use super::prepare::{Basis, Settings};
use super::reload::{ReloadError, Reloads};
use super::resolve::Resolver;
use super::stop::Stopping;
use super::watch::{self, Marks, Subject, Watched};
use crate::config::{Bind, Config};
use crate::hash::Set;
use crate::net::SocketFile;
use crate::snapshot::{Given, HostPort, Registry, Snapshot, Wanted, replace_members};

/// A socket the daemon listens on, as bound (port 0 resolved).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The listener's name.
    pub listener: String,
    /// The address as configured.
    pub written: Bind,
    /// The address as bound.
    pub bind: Bind,
}

/// A listening socket in service. The workers hold the socket itself.
#[derive(Debug)]
pub(super) struct OpenSocket {
    pub(super) wanted: Wanted,
    pub(super) bound: Bind,
    /// Dropping it removes the file.
    pub(super) file: Option<SocketFile>,
}

/// The only writer of the snapshot.
pub(super) struct Controller {
    pub(super) settings: Settings,
    pub(super) n_workers: usize,
    pub(super) config: Config,
    pub(super) registry: Arc<Registry>,
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) sockets: Vec<OpenSocket>,
    pub(super) resolver: Resolver,
    /// Names whose addresses differ from those in the snapshot.
    pub(super) changed: Set<HostPort>,
    pub(super) graveyard: Graveyard<Snapshot>,
    pub(super) reloads: Reloads,
    pub(super) stopping: Stopping,
    pub(super) fleet: Arc<dyn Fleet>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) bound: Arc<Mutex<Vec<Bound>>>,
    pub(super) wish: Arc<Wish>,
    pub(super) watched: Option<Arc<Watched>>,
    pub(super) certificates: Certificates,
    pub(super) admin: Admin,
    pub(super) health: Health,
}

impl Controller {
    /// Decides about one event after the other until the process is to end; returns how many connections
    /// the end cut, and the live state.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<Event>) -> Ended {
        while let Some(event) = events.recv().await {
            match event {
                Event::Reload(request) if self.stopping == Stopping::No => {
                    self.reload_requested(request);
                }
                Event::Reload(request) => refuse_while_stopping(request),
                Event::Prepared(result) => self.prepared(*result).await,
                Event::CertificatesChanged => self.read_certificates(),
                Event::CertificatesRead(readings) => self.certificates_read(*readings).await,
                Event::Resolved(name, answer) => {
                    if self.resolver.answer(&name, answer, Instant::now()) {
                        self.changed.insert(name);
                    }
                }
                Event::Tick => self.tick(),
                Event::ReopenLogs => self.reopen_logs(),
                Event::ReplaceBinary => tracing::warn!(
                    "USR2: replacing the binary is not built yet; restart to run another version"
                ),
                Event::Stop(urgency) => {
                    if self.stop_requested(urgency).await {
                        break;
                    }
                }
                Event::Drained => break,
            }
            if let Some(urgency) = self.wish.take_missed()
                && self.stop_requested(urgency).await
            {
                break;
            }
            // Answers tend to come together: they are stored together, and never under a reload that
            // was prepared from what stood before.
            if !self.changed.is_empty() && events.is_empty() && !self.reloads.busy() {
                self.store_members();
            }
        }
        let n_cut = self.finish().await;
        Ended { n_cut, registry: self.registry }
    }

    /// What a preparation starts from.
    pub(super) fn basis(&self) -> Basis {
        let port = |open: &OpenSocket| match open.bound {
            Bind::Tcp(address) => Some(address.port()),
            Bind::Unix(_) => None,
        };
        Basis {
            generation: self.snapshot.load().generation,
            n_workers: Some(self.n_workers),
            registry: Arc::clone(&self.registry),
            names: self.resolver.names(),
            open: self.sockets.iter().map(|open| open.wanted.socket).collect(),
            files: self.config.files.clone(),
            certificates: certificates::files(&self.config),
            admin: self.admin.path(),
            own_ports: self.sockets.iter().filter_map(port).collect(),
        }
    }

    /// Every worker's index.
    pub(super) fn workers(&self) -> Range<usize> {
        0..self.n_workers
    }

    /// Puts an order into a worker's mailbox.
    pub(super) async fn order(&self, worker: usize, order: Order) {
        if self.fleet.mailbox(worker).send(order).await.is_err() {
            tracing::error!(worker, "a worker has ended by a fault; restart to bring it back");
        }
    }

    /// Has every connection look again at what it waits for.
    pub(super) async fn wake_connections(&self) {
        for worker in self.workers() {
            self.order(worker, Order::WakeAll).await;
        }
    }

    /// Puts a registry into service. The old one may end log writers, which waits for their last lines, so
    /// it is dropped on a helper thread.
    pub(super) fn replace_registry(&mut self, registry: Registry) {
        let old = std::mem::replace(&mut self.registry, Arc::new(registry));
        tokio::task::spawn_blocking(move || drop(old));
    }

    /// Tells others what is listened on.
    pub(super) fn publish_bound(&self) {
        let bound = self.sockets.iter().map(|open| Bound {
            listener: open.wanted.listener.to_string(),
            written: open.wanted.key.0.clone(),
            bind: open.bound.clone(),
        });
        *self.bound.lock().unwrap_or_else(PoisonError::into_inner) = bound.collect();
    }

    /// Starts watching, or tells the watcher which files count now.
    pub(super) fn watch_files(&mut self, marks: Marks) {
        let wanted = self.settings.watch || self.config.reload.watch;
        let (files, marks) = match wanted {
            true => (self.config.files.clone(), marks),
            false => Default::default(),
        };
        match &self.watched {
            Some(watched) => watched.set(files, marks),
            None if files.is_empty() => {}
            None => {
                let watched = Arc::new(Watched::new(Subject::Configuration));
                watched.set(files, marks);
                tokio::spawn(watch::run(Arc::clone(&watched), self.events.clone()));
                self.watched = Some(watched);
            }
        }
    }

    /// The housekeeping of every second.
    fn tick(&mut self) {
        self.graveyard.sweep();
        self.look_at_expiry();
        for name in self.resolver.take_due(Instant::now()) {
            let (lookup, events) = (Arc::clone(&self.settings.lookup), self.events.clone());
            tokio::spawn(async move {
                let asked = name.clone();
                let work = tokio::task::spawn_blocking(move || lookup(&asked));
                let answer = match work.await {
                    Ok(answer) => answer.map_err(|error| error.to_string()),
                    Err(panic) => Err(panic.to_string()),
                };
                // Fails only when the controller has ended.
                let _ = events.send(Event::Resolved(name, answer)).await;
            });
        }
    }

    /// What `make` makes of the snapshot in service and of `config`.
    pub(super) fn following<T>(&self, config: &Config, make: impl FnOnce(Given<'_>) -> T) -> T {
        let (names, current) = (self.resolver.names(), self.snapshot.load_full());
        let (registry, n_workers) = (&self.registry, self.n_workers);
        make(Given { current: &current, config, names: &names, registry, n_workers })
    }

    /// Puts a snapshot in service that follows the present one.
    pub(super) fn follow_with(&mut self, snapshot: Snapshot, registry: Registry) {
        let last = self.publish(snapshot);
        self.graveyard.bury(last);
        self.replace_registry(registry);
    }

    /// Rebuilds the upstreams whose names have new addresses and stores them as one.
    fn store_members(&mut self) {
        let changed = std::mem::take(&mut self.changed);
        let made = self.following(&self.config, |given| replace_members(given, &changed));
        match made {
            Ok((snapshot, registry)) => {
                tracing::info!(
                    generation = snapshot.generation,
                    names = changed.len(),
                    "names have new addresses; members replaced"
                );
                self.follow_with(snapshot, registry);
            }
            Err(error) => {
                tracing::error!(%error, "the members of an upstream could not be replaced")
            }
        }
    }

    /// The one store: from here on this snapshot is read. Returns the last one.
    pub(super) fn publish(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        self.health.adopt(&self.snapshot.load(), &snapshot);
        let last = self.snapshot.swap(Arc::clone(&snapshot));
        self.health.stored();
        // Those who wait for a place choose from the members that are there now.
        snapshot.upstreams.iter().for_each(|upstream| upstream.queue.members_changed());
        last
    }

    fn reopen_logs(&self) {
        let writers: Vec<_> = self.registry.writers().cloned().collect();
        tracing::info!(files = writers.len(), "USR1: reopening log files");
        tokio::task::spawn_blocking(move || {
            for writer in writers {
                writer.reopen();
            }
        });
    }
}

fn refuse_while_stopping(request: Request) {
    if let Some(reply) = request.reply {
        reply.send(Err(ReloadError::stopping()));
    }
}
