//! Starting the control thread, and the handle by which the rest of the process talks to it.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc as blocking;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::Builder;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::admin::{Admin, Site};
use super::certificates::Certificates;
use super::controller::{Bound, Controller};
use super::event::{Event, Reply, Request, Urgency};
use super::fleet::Fleet;
use super::graveyard::Graveyard;
use super::health::Health;
use super::prepare::{self, Basis, Ready, Settings};
use super::reload::{ReloadError, Reloaded, Reloads};
use super::resolve::Resolver;
use super::signals;
use super::stop::Stopping;
use crate::hash::Set;
use crate::snapshot::{Registry, Snapshot};

/// A configuration that is read, compiled and bound, before anything runs.
#[derive(Debug)]
pub struct Launch {
    settings: Settings,
    /// Where signals are handled.
    hang_up: Option<Signal>,
    ready: Ready,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl Launch {
    /// Reads, resolves, compiles and binds. Blocks; nothing stays bound when it fails.
    pub fn prepare(settings: Settings) -> Result<Self, ReloadError> {
        let hang_up = match settings.handle_signals {
            true => Some(signals::hang_up().map_err(|error| {
                ReloadError::Io(format!("the HUP signal cannot be handled: {error}"))
            })?),
            false => None,
        };
        let ready = prepare::prepare(&settings, &Basis::default())?;
        // A start is a reload from nothing: workers begin with this and never see it used.
        let nothing = Snapshot {
            generation: 0,
            listeners: Vec::new(),
            upstreams: Vec::new(),
            forwarding: ready.draft.snapshot.forwarding.clone(),
            access_log: None,
        };
        Ok(Launch { settings, hang_up, ready, snapshot: Arc::new(ArcSwap::from_pointee(nothing)) })
    }

    /// Workers that the configuration asks for.
    pub fn n_workers(&self) -> usize {
        self.ready.n_workers
    }

    /// Where the data plane finds its snapshot.
    pub fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.snapshot)
    }

    /// Starts the control thread and puts the configuration into service.
    ///
    /// Fails when the system refuses a thread, a runtime or a signal handler.
    pub fn start(self, fleet: Arc<dyn Fleet>) -> io::Result<Handle> {
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let bound: Arc<Mutex<Vec<Bound>>> = Arc::default();
        let wish = Arc::new(Wish::default());
        let health = Health::new();
        let names_every = self.settings.names_every;
        let certificates = Certificates::default();
        let site = Site::new(
            &self.settings.source,
            self.ready.n_workers,
            Arc::clone(&self.snapshot),
            Arc::clone(&bound),
            Arc::clone(&fleet),
            events.clone(),
            health.checks.clone(),
        );
        let admin = Admin::new(site.telling(certificates.faults.clone()));
        let controller = Controller {
            n_workers: self.ready.n_workers,
            config: self.ready.loaded.config.clone(),
            settings: self.settings,
            registry: Arc::new(Registry::default()),
            snapshot: self.snapshot,
            sockets: Vec::new(),
            resolver: Resolver::asking_every(names_every),
            changed: Set::default(),
            graveyard: Graveyard::new(),
            reloads: Reloads::default(),
            stopping: Stopping::default(),
            fleet,
            events: events.clone(),
            bound: Arc::clone(&bound),
            wish: Arc::clone(&wish),
            watched: None,
            certificates,
            admin,
            health,
        };
        let (started, starting) = blocking::sync_channel(1);
        let (ready, hang_up) = (self.ready, self.hang_up);
        let thread = thread::Builder::new()
            .name("control".into())
            .spawn(move || control_thread(controller, hang_up, ready, inbox, &started))?;
        match starting.recv() {
            Ok(Ok(())) => Ok(Handle { events, bound, wish, thread: Some(thread) }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the control thread ended while it started")),
        }
    }
}

fn control_thread(
    mut controller: Controller,
    hang_up: Option<Signal>,
    ready: Ready,
    inbox: mpsc::Receiver<Event>,
    started: &blocking::SyncSender<io::Result<()>>,
) -> Option<Ended> {
    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(HELPERS_MAX).build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(error));
            return None;
        }
    };
    let ended = runtime.block_on(async move {
        if let Some(hang_up) = hang_up
            && let Err(error) = signals::forward(hang_up, &controller.events)
        {
            let _ = started.send(Err(error));
            return None;
        }
        tokio::spawn(ticks(controller.events.clone()));
        controller.health.start(&controller.snapshot, &controller.fleet);
        controller.commit(ready).await;
        let _ = started.send(Ok(()));
        Some(controller.run(inbox).await)
    });
    // A helper may hang in the system's resolver: it ends with the process, and nobody waits for it.
    runtime.shutdown_background();
    ended
}

async fn ticks(events: mpsc::Sender<Event>) {
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        // A full queue has no need of a tick: the next one comes in a second.
        if let Err(mpsc::error::TrySendError::Closed(_)) = events.try_send(Event::Tick) {
            return;
        }
    }
}

/// A wish to stop that found no room in the queue of events: looked at after every event.
#[derive(Debug, Default)]
pub(super) struct Wish(AtomicU8);

impl Wish {
    fn leave(&self, urgency: Urgency) {
        let level = match urgency {
            Urgency::Graceful | Urgency::Interrupt => 1,
            Urgency::Now => 2,
        };
        self.0.fetch_max(level, Relaxed);
    }

    /// The wish that was left, once.
    pub(super) fn take_missed(&self) -> Option<Urgency> {
        match self.0.swap(0, Relaxed) {
            0 => None,
            1 => Some(Urgency::Graceful),
            _ => Some(Urgency::Now),
        }
    }
}

/// The running control thread, to whoever holds the daemon. Not async: callable from any thread.
#[derive(Debug)]
pub struct Handle {
    events: mpsc::Sender<Event>,
    bound: Arc<Mutex<Vec<Bound>>>,
    wish: Arc<Wish>,
    thread: Option<JoinHandle<Option<Ended>>>,
}

impl Handle {
    /// Every socket listened on now, as bound.
    pub fn bound(&self) -> Vec<Bound> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reloads the configuration and waits for the outcome. A failure has changed nothing.
    pub fn reload(&self, cause: &'static str) -> Result<Reloaded, ReloadError> {
        let (reply, outcome) = blocking::sync_channel(1);
        let request = Event::Reload(Request { cause, reply: Some(Reply::Thread(reply)) });
        match self.events.try_send(request) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(ReloadError::Io(
                    "too much is waiting to be done already; reload again later".into(),
                ));
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(ReloadError::stopping()),
        }
        outcome.recv().unwrap_or_else(|_| Err(ReloadError::stopping()))
    }

    /// Begins the graceful stop and returns at once.
    pub fn stop_gracefully(&self) {
        self.stop(Urgency::Graceful);
    }

    /// Begins the stop that waits for nothing and returns at once.
    pub fn stop_now(&self) {
        self.stop(Urgency::Now);
    }

    fn stop(&self, urgency: Urgency) {
        // Closed means stopped already.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.events.try_send(Event::Stop(urgency))
        {
            self.wish.leave(urgency);
        }
    }

    /// Waits until the control thread has ended; `None` when called again, or if it ended by a fault.
    pub fn join(&mut self) -> Option<Ended> {
        let thread = self.thread.take()?;
        thread.join().unwrap_or_else(|_| {
            tracing::error!("the control thread ended by a fault");
            None
        })
    }
}

/// What a control thread leaves behind.
#[derive(Debug)]
pub struct Ended {
    /// Connections that were open when the workers were told to end.
    pub n_cut: usize,
    pub(super) registry: Arc<Registry>,
}

impl Ended {
    /// Waits, for at most `timeout`, until the log lines that workers have handed over are written. To be
    /// called once the workers have ended.
    pub fn flush_logs(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        for writer in self.registry.writers() {
            writer.flush(deadline.saturating_duration_since(Instant::now()));
        }
    }
}

/// Events that may wait for the control thread.
const EVENTS_MAX: usize = 256;

/// Helper threads: the questions to the resolver that may hang, and some for everything else.
const HELPERS_MAX: usize = Resolver::ASKED_MAX + 8;
