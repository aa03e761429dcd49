//! Reloads, one at a time: prepare on a helper thread, which may fail; then, which cannot, close what is gone,
//! store once, and listen on what is new.
//!
//! Requests that come while one is being prepared wait together for the next, which reads files that are at
//! least as new as any of them.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::controller::{Controller, OpenSocket};
use super::event::{Event, Reply, Request};
use super::fleet::Order;
use super::prepare::{self, Ready};
use super::resolve::Answer;
use super::stop::Stopping;
use super::watch::Marks;
use crate::config::{Config, Failure, Loaded, Report, Severity};
use crate::log::operator;
use crate::net;
use crate::snapshot::{HostPort, Snapshot, names_of};

/// What a reload did.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// The generation now in service.
    pub generation: u64,
    /// Oddities in the configuration.
    pub warnings: Report,
    /// What was written but could not be applied, and what it takes.
    pub notes: Vec<String>,
}

/// Why a configuration was not taken. Everything is as it was before.
#[derive(Clone, Debug)]
pub enum ReloadError {
    /// Problems in the configuration, all of them.
    Problems(Report),
    /// Something could not be read, opened or bound; names it, says why and what to do.
    Io(String),
}

impl ReloadError {
    pub(super) fn stopping() -> Self {
        ReloadError::Io("the process is stopping".into())
    }
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReloadError::Problems(report) => report.fmt(f),
            ReloadError::Io(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ReloadError {}

impl From<Failure> for ReloadError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Problems(report) => ReloadError::Problems(report),
            Failure::Io(failure) => ReloadError::Io(failure.to_string()),
        }
    }
}

/// The queue of reloads: one under way, one that gathers whoever comes meanwhile.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    /// Who waits for the one under way; `None` when none is.
    running: Option<Vec<Reply>>,
    /// Who waits for the next; `None` when nobody asked.
    next: Option<Vec<Reply>>,
}

impl Reloads {
    /// Whether one is being prepared.
    pub(super) fn busy(&self) -> bool {
        self.running.is_some()
    }

    /// Joins a request; true if a preparation is to be started for it now.
    pub(super) fn join(&mut self, reply: Option<Reply>) -> bool {
        let starts = self.running.is_none();
        let waiting = if starts { &mut self.running } else { &mut self.next };
        let waiting = waiting.get_or_insert_default();
        // Somebody beyond the bound gets no answer, which they see as the sender going away.
        waiting.extend(reply.filter(|_| waiting.len() < WAITING_MAX));
        starts
    }

    /// Ends the one under way: who waited for it, and whether the next is to be started.
    pub(super) fn finish(&mut self) -> (Vec<Reply>, bool) {
        let waited = self.running.take().unwrap_or_default();
        self.running = self.next.take();
        (waited, self.running.is_some())
    }
}

/// How long a reload waits for workers to close what is gone.
const RETIRED_WITHIN: Duration = Duration::from_secs(1);

/// Callers that wait for one reload at most.
const WAITING_MAX: usize = 1024;

impl Controller {
    pub(super) fn reload_requested(&mut self, request: Request) {
        tracing::info!(cause = request.cause, "reload requested");
        if self.reloads.join(request.reply) {
            self.start_preparing();
        }
    }

    fn start_preparing(&self) {
        let (settings, basis) = (self.settings.clone(), self.basis());
        let events = self.events.clone();
        tokio::spawn(async move {
            let work = tokio::task::spawn_blocking(move || prepare::prepare(&settings, &basis));
            let result = work.await.unwrap_or_else(|panic| {
                Err(ReloadError::Io(format!("a fault while preparing the reload: {panic}")))
            });
            // Fails only when the controller has ended, and nobody waits then.
            let _ = events.send(Event::Prepared(Box::new(result))).await;
        });
    }

    pub(super) async fn prepared(&mut self, result: Result<Ready, ReloadError>) {
        let outcome = match result {
            // A stop has begun meanwhile: what would be listened on now would never be closed.
            Ok(_) if self.stopping != Stopping::No => Err(ReloadError::stopping()),
            Ok(ready) => Ok(self.commit(ready).await),
            Err(error) => {
                tell_refusal(&error);
                Err(error)
            }
        };
        let (waited, again) = self.reloads.finish();
        for reply in waited {
            reply.send(outcome.clone());
        }
        if again && self.stopping == Stopping::No {
            self.start_preparing();
        }
        self.catch_up_with_certificates();
    }

    /// Puts a prepared configuration into service. Cannot fail.
    pub(super) async fn commit(&mut self, ready: Ready) -> Reloaded {
        let Ready {
            loaded, draft, marks, answers, mut listening, admin, certificate_marks, ..
        } = ready;
        let mut gone = std::mem::take(&mut self.sockets);
        let mut orders = Vec::new();
        for wanted in draft.sockets {
            let socket = wanted.socket;
            if let Some(at) = gone.iter().position(|open| open.wanted.socket == socket) {
                let mut open = gone.swap_remove(at);
                if open.wanted.backlog != wanted.backlog {
                    let backlog = wanted.backlog;
                    orders.extend(
                        self.workers().map(|worker| (worker, Order::Backlog { socket, backlog })),
                    );
                }
                open.wanted = wanted;
                self.sockets.push(open);
            } else if let Some(at) = listening.iter().position(|(id, _)| *id == socket) {
                let (_, bound) = listening.swap_remove(at);
                let listeners = bound.sockets.into_iter().enumerate();
                orders.extend(
                    listeners
                        .map(|(worker, listener)| (worker, Order::Listen { socket, listener })),
                );
                tracing::info!(
                    listener = &*wanted.listener,
                    bind = %net::display(&bound.bound),
                    "listening"
                );
                self.sockets.push(OpenSocket { wanted, bound: bound.bound, file: bound.file });
            }
        }
        self.retire(gone).await;
        let generation = draft.snapshot.generation;
        let last = self.publish(draft.snapshot);
        for (worker, order) in orders {
            self.order(worker, order).await;
        }
        if asks_otherwise(&last, &self.snapshot.load()) {
            self.wake_connections().await;
        }
        self.graveyard.bury(last);
        self.replace_registry(draft.registry);
        self.admin.adopt(loaded.config.admin.socket.is_some(), admin);
        self.adopt(loaded, answers, generation, (marks, certificate_marks))
    }

    /// Closes sockets that the next snapshot does not name. This waits until every worker knows, because a
    /// request on one of their connections must find its listener: in the present snapshot now, and in the
    /// last one that has it, which the worker keeps, after the store.
    async fn retire(&self, gone: Vec<OpenSocket>) {
        let last = self.snapshot.load_full();
        let (done, mut retired) = mpsc::channel(1);
        for open in gone {
            let socket = open.wanted.socket;
            tracing::info!(
                listener = &*open.wanted.listener,
                bind = %net::display(&open.bound),
                "no longer listening; its connections finish"
            );
            // The file of a unix socket goes first, so that nobody comes while the queue is emptied.
            drop(open);
            for worker in self.workers() {
                let (last, done) = (Arc::clone(&last), done.clone());
                self.order(worker, Order::Retire { socket, last, done }).await;
            }
        }
        drop(done);
        if tokio::time::timeout(RETIRED_WITHIN, retired.recv()).await.is_err() {
            tracing::warn!("a worker is slow to close removed listeners; the reload goes on");
        }
    }

    /// The controller's own part of a commit: what it remembers of the configuration.
    fn adopt(
        &mut self,
        loaded: Loaded,
        answers: Vec<(HostPort, Answer)>,
        generation: u64,
        (marks, certificate_marks): (Marks, Marks),
    ) -> Reloaded {
        let now = Instant::now();
        let notes = self.unapplied(&loaded.config);
        for note in &notes {
            tracing::warn!(note, "a change needs a restart");
        }
        operator::configure(&loaded.config.log);
        self.config = loaded.config;
        self.resolver.keep(&names_of(&self.config), now);
        for (name, answer) in answers {
            self.resolver.answer(&name, answer, now);
        }
        self.fleet.limit_connections(self.config.global.max_connections);
        self.publish_bound();
        self.watch_files(marks);
        self.certificates_adopted(certificate_marks);
        tell_problems(&loaded.warnings);
        tracing::info!(
            generation,
            listeners = self.config.listeners.len(),
            routes = self.config.routes.len(),
            upstreams = self.config.upstreams.len(),
            "configuration in service"
        );
        Reloaded { generation, warnings: loaded.warnings, notes }
    }

    /// What `config` writes that only a restart can apply.
    fn unapplied(&self, config: &Config) -> Vec<String> {
        let wanted = prepare::n_workers(config);
        let running = self.n_workers;
        if wanted == running {
            return Vec::new();
        }
        vec![format!(
            "global.workers: {running} run and {wanted} are asked for; restart to change it"
        )]
    }
}

/// Whether a socket of both is spoken to otherwise in `next`: through TLS, in the clear, or with other certificates of
/// clients. Connections of HTTP/2 are to say goodbye then.
fn asks_otherwise(last: &Snapshot, next: &Snapshot) -> bool {
    next.listeners.iter().any(|(socket, listener)| {
        let before = last.listener(*socket).map(|before| &before.tls);
        before.is_some_and(|before| match (before, &listener.tls) {
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            (before, now) => before.is_some() != now.is_some(),
        })
    })
}

/// One event for the refusal and one for each problem.
fn tell_refusal(error: &ReloadError) {
    match error {
        ReloadError::Io(reason) => {
            tracing::error!(reason, "reload refused; the configuration in service stays");
        }
        ReloadError::Problems(report) => {
            tracing::error!(
                problems = report.summary(),
                "reload refused; the configuration in service stays"
            );
            tell_problems(report);
        }
    }
}

/// One event for each problem, with what an operator needs to find and mend it.
fn tell_problems(report: &Report) {
    for problem in report.problems() {
        let at = problem.location.to_string();
        let help = problem.help.as_deref().unwrap_or_default();
        match problem.severity {
            Severity::Error => tracing::error!(at, help, "{}", problem.message),
            Severity::Warning => tracing::warn!(at, help, "{}", problem.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn requests_during_a_reload_share_the_next_one() {
        let mut reloads = Reloads::default();
        let reply = || Some(Reply::Thread(mpsc::sync_channel(1).0));
        assert!(reloads.join(reply()), "the first starts at once");
        assert!(!reloads.join(reply()));
        assert!(!reloads.join(None));
        assert!(!reloads.join(reply()));
        let (waited, again) = reloads.finish();
        assert_eq!((waited.len(), again), (1, true));
        let (waited, again) = reloads.finish();
        assert_eq!((waited.len(), again), (2, false));
        assert!(!reloads.busy());
    }
}
