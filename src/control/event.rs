//! Everything that can reach the control thread, as one type.

use std::sync::mpsc;

use tokio::sync::oneshot;

use super::certificates::Readings;
use super::prepare::Ready;
use super::reload::{ReloadError, Reloaded};
use super::resolve::Answer;
use crate::snapshot::HostPort;

/// Something for the controller to decide about.
#[derive(Debug)]
pub(super) enum Event {
    /// Somebody wants a reload.
    Reload(Request),
    /// A helper thread has prepared what a reload asked for, or says why it cannot be.
    Prepared(Box<Result<Ready, ReloadError>>),
    /// A file of a certificate or of an authority has changed.
    CertificatesChanged,
    /// A helper thread has read them.
    CertificatesRead(Box<Readings>),
    /// A name was asked for.
    Resolved(HostPort, Answer),
    /// A second has passed.
    Tick,
    /// USR1.
    ReopenLogs,
    /// USR2.
    ReplaceBinary,
    /// Time to go.
    Stop(Urgency),
    /// A graceful stop has nothing left to wait for, or its grace is over.
    Drained,
}

/// A request to reload.
#[derive(Debug)]
pub(super) struct Request {
    /// Who asks, for the log.
    pub(super) cause: &'static str,
    /// Where the outcome goes, if anybody waits for it.
    pub(super) reply: Option<Reply>,
}

/// Where an outcome goes. Answering never blocks.
#[derive(Debug)]
pub(super) enum Reply {
    /// To a thread that waits; holds one.
    Thread(mpsc::SyncSender<Outcome>),
    /// To a task that waits.
    Task(oneshot::Sender<Outcome>),
}

/// What became of a request to reload.
pub(super) type Outcome = Result<Reloaded, ReloadError>;

impl Reply {
    /// Tells the outcome. Whoever asked may have stopped waiting.
    pub(super) fn send(self, outcome: Outcome) {
        match self {
            Reply::Thread(reply) => drop(reply.try_send(outcome)),
            Reply::Task(reply) => drop(reply.send(outcome)),
        }
    }
}

/// How soon a stop is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// TERM, or a call: let exchanges finish.
    Graceful,
    /// INT: as TERM, but a second one stops at once.
    Interrupt,
    /// At once.
    Now,
}
