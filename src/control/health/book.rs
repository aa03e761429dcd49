//! Every backend that is checked: what its checks say, when the next is due, and who is asked now. Sans I/O but
//! for the connections that it keeps: the clock is an argument, and checks are begun by whoever calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, Id};

use super::CheckInfo;
use super::lag::Lag;
use super::pace;
use super::tally::Tally;
use super::turns::{Lane, Place, Turns};
use crate::backend::{Backend, Cause, Member, State};
use crate::config::{Health, Host};
use crate::hash::{Map, Set};
use crate::net::Stream;
use crate::probe::{self, ProbeError, Target};
use crate::rng::Rng;
use crate::snapshot::{Snapshot, Upstream};

/// The book.
#[derive(Debug)]
pub(super) struct Book {
    checks: Map<u64, Check>,
    /// When whom: every check that is not under way.
    due: Turns,
    random: Rng,
    lag: Lag,
    /// When it was last told that checks could not be done.
    spoilt_told: Option<Instant>,
    n_kept: usize,
    kept_max: usize,
}

/// One backend that is checked.
#[derive(Debug)]
struct Check {
    backend: Arc<Backend>,
    upstream: Arc<str>,
    target: Arc<Target>,
    tally: Tally,
    /// When it is asked next; of one that is asked now, when it was due.
    due: Instant,
    running: Option<Running>,
    last: Option<Last>,
    /// For the next check.
    kept: Option<Stream>,
}

/// A check under way. Dropped, it is cut.
#[derive(Debug)]
struct Running {
    began: Instant,
    /// Our lateness until then.
    lag: Duration,
    task: Option<AbortHandle>,
    /// Given back at its end.
    _place: Place,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

#[derive(Debug)]
struct Last {
    passed: bool,
    /// There was no answer within its time.
    silent: bool,
    text: String,
    at: Instant,
}

/// A check to begin.
#[derive(Debug)]
pub(super) struct Start {
    /// The backend.
    pub(super) id: u64,
    /// Whom to ask.
    pub(super) target: Arc<Target>,
    /// A connection to try first.
    pub(super) kept: Option<Stream>,
}

/// What became of a check.
#[derive(Debug)]
pub(super) struct Done {
    /// The backend.
    pub(super) id: u64,
    /// Whom it asked: if that was changed meanwhile, it does not count.
    pub(super) target: Arc<Target>,
    /// The verdict.
    pub(super) result: Result<(), ProbeError>,
    /// A connection for the next one.
    pub(super) kept: Option<Stream>,
}

impl Book {
    /// An empty one, that keeps at most `kept_max` idle connections and has `n_places` for checks under way, as many
    /// again for those of backends that kept silent the last time.
    pub(super) fn new(kept_max: usize, n_places: usize, random: Rng) -> Self {
        Book {
            checks: Map::default(),
            due: Turns::new(n_places),
            random,
            lag: Lag::default(),
            spoilt_told: None,
            n_kept: 0,
            kept_max,
        }
    }

    /// Follows from `last` to `next`, which nobody reads yet: whoever joins a set that serves already has to be
    /// proven first, whoever is not checked any more is up, and what has not changed goes on as it was.
    pub(super) fn adopt(&mut self, last: &Snapshot, next: &Snapshot, now: Instant) {
        let mut wanted: Set<u64> = Set::default();
        for upstream in &next.upstreams {
            let Some(options) = &upstream.health else {
                upstream.members.iter().for_each(|member| self.release(&member.backend, now));
                continue;
            };
            let before = last.upstream_named(&upstream.name).map(|at| &last.upstreams[at]);
            let same = before.is_some_and(|before| Arc::ptr_eq(before, upstream));
            let known = |before: &Arc<Upstream>| {
                before.members.iter().map(|member| member.backend.id).collect::<Set<u64>>()
            };
            let known = before.filter(|_| !same).map(known).unwrap_or_default();
            for member in &upstream.members {
                let id = member.backend.id;
                wanted.insert(id);
                // Nothing of the upstream has changed.
                if same && self.checks.contains_key(&id) {
                    continue;
                }
                let target = target(upstream, member, options);
                match self.checks.contains_key(&id) {
                    true => self.retarget(id, target, now),
                    false => {
                        let joins = !known.is_empty() && !known.contains(&id);
                        self.insert(upstream, member, target, joins, now);
                    }
                }
            }
        }
        if self.checks.len() > wanted.len() {
            let gone: Vec<u64> =
                self.checks.keys().filter(|id| !wanted.contains(*id)).copied().collect();
            gone.into_iter().for_each(|id| drop(self.remove(id)));
        }
    }

    fn insert(
        &mut self,
        upstream: &Upstream,
        member: &Member,
        target: Target,
        joins: bool,
        now: Instant,
    ) {
        let backend = Arc::clone(&member.backend);
        let id = backend.id;
        let tally = if joins { Tally::UNPROVEN } else { Tally::UP };
        if joins {
            backend.set_checked(State::Unproven, Cause::Start, now);
        }
        let due = pace::first(id, &target.options, now);
        let upstream = Arc::clone(&upstream.name);
        let target = Arc::new(target);
        let check =
            Check { backend, upstream, target, tally, due, running: None, last: None, kept: None };
        self.checks.insert(id, check);
        self.due.insert(Lane::Prompt, due, id);
    }

    /// The same backend is asked otherwise from now on: soon, and what is under way does not count.
    fn retarget(&mut self, id: u64, target: Target, now: Instant) {
        let Some(check) = self.checks.get_mut(&id) else { return };
        if *check.target == target {
            return;
        }
        self.n_kept -= usize::from(check.kept.take().is_some());
        check.running = None;
        self.due.remove(check.lane(), check.due, id);
        check.due = pace::first(id, &target.options, now);
        check.target = Arc::new(target);
        self.due.insert(check.lane(), check.due, id);
    }

    /// Nobody checks `backend` any more.
    fn release(&mut self, backend: &Backend, now: Instant) {
        if self.remove(backend.id).is_some() {
            backend.set_checked(State::Up, Cause::Configured, now);
        }
    }

    fn remove(&mut self, id: u64) -> Option<Check> {
        let check = self.checks.remove(&id)?;
        self.due.remove(check.lane(), check.due, id);
        self.n_kept -= usize::from(check.kept.is_some());
        Some(check)
    }

    /// Takes note that the control thread wanted to run at `planned` and does at `now`.
    pub(super) fn woke(&mut self, planned: Instant, now: Instant) {
        self.lag.woke(planned, now);
    }

    /// When the next check is due that is not under way and that there is a place for.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.next_due()
    }

    /// Begins, by `start`, every check that is due and that there is a place for, at most `n_max`.
    pub(super) fn start_due(
        &mut self,
        now: Instant,
        n_max: usize,
        mut start: impl FnMut(Start) -> Option<AbortHandle>,
    ) {
        for _ in 0..n_max {
            let Some((id, place)) = self.due.take(now) else { return };
            let Some(check) = self.checks.get_mut(&id) else { continue };
            let kept = check.kept.take();
            self.n_kept -= usize::from(kept.is_some());
            let task = start(Start { id, target: Arc::clone(&check.target), kept });
            check.running =
                Some(Running { began: now, lag: self.lag.total(), task, _place: place });
        }
    }

    /// Takes in what became of a check.
    pub(super) fn done(&mut self, done: Done, now: Instant) {
        let Some(check) = self.checks.get_mut(&done.id) else { return };
        let is_ours = Arc::ptr_eq(&check.target, &done.target);
        let Some(mut running) = check.running.take_if(|_| is_ours) else { return };
        running.task = None;
        let options = &done.target.options;
        let is_spoilt = match &done.result {
            Err(error) if error.is_the_askers() => Some(error.to_string()),
            Err(error) if error.may_be_the_askers() => {
                let is_late = self.lag.spoils(running.lag, options.timeout);
                is_late.then(|| "our own thread was late".to_owned())
            }
            _ => None,
        };
        if let Some(why) = is_spoilt {
            let (upstream, backend) = (&*check.upstream, &check.backend.label);
            if self.spoilt_told.is_none_or(|told| now >= told + SPOILT_TOLD_EVERY) {
                self.spoilt_told = Some(now);
                tracing::warn!(upstream, %backend, why, "a check could not be done, it is repeated");
            }
            check.due = pace::again(options, now, &mut self.random);
        } else {
            let is_first = check.last.is_none();
            check.record(&done.result, running.began, now);
            let changing = check.tally.is_changing();
            let due = match is_first && !changing {
                true => pace::second(done.id, options, running.began),
                false => pace::next(options, changing, running.began, &mut self.random),
            };
            check.due = due.max(now);
        }
        let keeps = self.n_kept < self.kept_max && check.due <= now + KEPT_FOR;
        check.kept = done.kept.filter(|_| keeps);
        self.n_kept += usize::from(check.kept.is_some());
        self.due.insert(check.lane(), check.due, done.id);
    }

    /// A check's task has ended by a fault: it is asked again in time.
    pub(super) fn lost(&mut self, task: Id, now: Instant) {
        let is_it = |check: &Check| {
            let handle = check.running.as_ref().and_then(|running| running.task.as_ref());
            handle.is_some_and(|handle| handle.id() == task)
        };
        let Some((id, check)) = self.checks.iter_mut().find(|(_, check)| is_it(check)) else {
            return;
        };
        check.running = None;
        check.due = now + check.target.options.interval;
        self.due.insert(check.lane(), check.due, *id);
    }

    /// What is known of a backend's checks; `None` if it is not checked.
    pub(super) fn info(&self, id: u64) -> Option<CheckInfo> {
        let check = self.checks.get(&id)?;
        let last = check.last.as_ref().map(|last| (last.passed, last.text.clone(), last.at));
        Some(CheckInfo { last, next: check.due })
    }
}

impl Check {
    /// Where it waits to be asked again.
    fn lane(&self) -> Lane {
        match self.last.as_ref().is_some_and(|last| last.silent) {
            true => Lane::Silent,
            false => Lane::Prompt,
        }
    }

    /// Counts a result and tells the backend what its checks say.
    fn record(&mut self, result: &Result<(), ProbeError>, began: Instant, now: Instant) {
        let (upstream, backend) = (&*self.upstream, &self.backend.label);
        let options = &self.target.options;
        let cause = self.tally.record(result.is_ok(), options.rise, options.fall);
        let text = match result {
            Ok(()) => format!("passed in {:.1?}", now.saturating_duration_since(began)),
            Err(error) => error.to_string(),
        };
        match result {
            Ok(()) => {}
            Err(_) if self.last.as_ref().is_none_or(|last| last.passed) => {
                tracing::info!(upstream, %backend, reason = text, "a check failed");
            }
            Err(_) => tracing::debug!(upstream, %backend, reason = text, "a check failed"),
        }
        if let Some(cause) = cause {
            self.backend.set_checked(self.tally.state(), cause, now);
        }
        // What changes nothing here is told as well: a pass speaks for a backend that requests found out of reach.
        if result.is_ok() {
            self.backend.check_passed(probe::is_answered(options.kind), now);
        }
        let silent = result.as_ref().is_err_and(ProbeError::is_silence);
        self.last = Some(Last { passed: result.is_ok(), silent, text, at: now });
    }
}

/// How a member of `upstream` is asked.
fn target(upstream: &Upstream, member: &Member, options: &Arc<Health>) -> Target {
    let host = match &upstream.host {
        Host::Literal(host) => host.as_str(),
        // There is no client whose Host could be preserved.
        Host::Preserve | Host::Backend => &member.authority,
    };
    let transport = upstream.transport(member.backend.id).cloned();
    Target::new(&member.backend.address, host, Arc::clone(options)).through(transport)
}

/// A connection is kept for the next check if that is due within this: longer, and most backends have closed it.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Whoever lacks something lacks it for all checks: told this often, for one of them.
const SPOILT_TOLD_EVERY: Duration = Duration::from_secs(10);

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
