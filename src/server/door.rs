//! One worker's door to one listening socket: accepting, within the limits, and deciding which worker a
//! connection lives on.
//!
//! The limits are those of the snapshot in service at the time. After accept nothing moves.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::house::{Handover, House};
use super::occupancy::{Full, Reservation, SocketShare};
use crate::config::Limits;
use crate::net::{self, Accepted, Peer, Trouble};
use crate::proxy::{self, Gate, Worker};
use crate::snapshot::Snapshot;

/// Accepts one connection; an argument so that tests can make it fail.
pub(super) type Accept = fn(&OwnedFd) -> io::Result<Accepted>;

/// A worker's door to a listening socket.
pub(super) struct Door {
    worker: Rc<Worker>,
    gate: Rc<Gate>,
    house: Arc<House>,
    share: Arc<SocketShare>,
    socket: AsyncFd<OwnedFd>,
    accept: Accept,
}

/// What an accepted connection may do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// To another worker, if this one holds too many.
    Allowed,
    /// Nowhere: the socket is being closed, and others may have closed it already.
    Forbidden,
}

impl Door {
    /// A door to `listener`, which must be non-blocking.
    ///
    /// Fails when the runtime cannot register it.
    pub(super) fn new(
        worker: &Rc<Worker>,
        gate: Rc<Gate>,
        house: &Arc<House>,
        listener: OwnedFd,
        accept: Accept,
    ) -> io::Result<Self> {
        Ok(Door {
            worker: Rc::clone(worker),
            share: house.occupancy.socket(gate.socket),
            gate,
            house: Arc::clone(house),
            socket: watch(listener)?,
            accept,
        })
    }

    /// Changes the length of the accept queue.
    pub(super) fn set_backlog(&self, backlog: u32) -> io::Result<()> {
        net::set_backlog(self.socket.get_ref(), backlog)
    }

    /// Accepts until it is dropped.
    pub(super) async fn accept_forever(self: Rc<Self>) {
        let mut backoff = Backoff::default();
        loop {
            // Fails only when the runtime is going down.
            let Ok(mut ready) = self.socket.readable().await else { return };
            let Some((snapshot, limits)) = self.limits() else {
                // The store of a reload has overtaken its order to retire this socket, which is on its way.
                return std::future::pending().await;
            };
            let reservation = match self.house.occupancy.reserve(&self.share, limits.connections) {
                Ok(reservation) => reservation,
                Err(full) => {
                    drop(snapshot);
                    self.tell_full(full, &limits);
                    self.house.occupancy.room(&self.share, limits.connections).await;
                    continue;
                }
            };
            match ready.try_io(|socket| (self.accept)(socket.get_ref())) {
                Err(_empty) => {}
                Ok(Ok(accepted)) => {
                    backoff.over(&self);
                    self.admit(accepted, reservation, &snapshot, &limits, Move::Allowed);
                }
                Ok(Err(error)) if Trouble::of(&error) != Trouble::Exhausted => {}
                Ok(Err(error)) => {
                    drop((reservation, snapshot));
                    tokio::time::sleep(backoff.failed(&error, &self)).await;
                }
            }
        }
    }

    /// Accepts what is in the queue, so that closing the socket resets nobody. Whoever is still accepting
    /// here must have been stopped. `last` is a snapshot that has this socket.
    pub(super) fn empty_queue(&self, last: &Arc<Snapshot>) {
        let Some(limits) = last.listener(self.gate.socket).map(|listener| listener.limits) else {
            return;
        };
        while let Ok(reservation) = self.house.occupancy.reserve(&self.share, limits.connections) {
            match (self.accept)(self.socket.get_ref()) {
                Ok(accepted) => self.admit(accepted, reservation, last, &limits, Move::Forbidden),
                Err(error) if Trouble::of(&error) == Trouble::Passing => {}
                Err(_) => return,
            }
        }
    }

    fn limits(&self) -> Option<(Arc<Snapshot>, Limits)> {
        let snapshot = self.house.snapshot.load_full();
        let limits = snapshot.listener(self.gate.socket)?.limits;
        Some((snapshot, limits))
    }

    fn admit(
        &self,
        accepted: Accepted,
        reservation: Reservation,
        snapshot: &Snapshot,
        limits: &Limits,
        movement: Move,
    ) {
        let own = self.worker.index;
        let target = match movement {
            Move::Allowed => self.house.occupancy.worker_for(own),
            Move::Forbidden => own,
        };
        let mut place = reservation.occupy(target);
        let over_limit = match (limits.per_ip, accepted.peer) {
            (Some(max), Peer::Tcp(peer)) if !is_trusted(snapshot, &peer) => {
                place.count_peer(peer.ip(), max)
            }
            _ => false,
        };
        let handover = Handover { socket: self.gate.socket, accepted, place, over_limit };
        let kept = match target == own {
            true => handover,
            false => match self.house.hand_over(target, handover) {
                Ok(()) => return,
                Err(mut refused) => {
                    refused.place.move_to(own);
                    refused
                }
            },
        };
        serve(&self.worker, &self.gate, kept);
    }

    fn tell_full(&self, full: Full, limits: &Limits) {
        if !self.house.occupancy.is_news(&self.share, full) {
            return;
        }
        match full {
            Full::Process => tracing::warn!(
                connections = self.house.occupancy.total(),
                "global.max_connections is reached; no more are accepted until one ends"
            ),
            Full::Listener => tracing::warn!(
                listener = self.name(),
                connections = limits.connections,
                "limits.connections is reached; no more are accepted until one ends"
            ),
        }
    }

    fn name(&self) -> String {
        let snapshot = self.house.snapshot.load();
        let listener = snapshot.listener(self.gate.socket);
        listener.map(|listener| listener.name.to_string()).unwrap_or_default()
    }
}

/// Registers a listening socket. (Tokio's own listeners register what they accept at once, with this thread.)
#[expect(
    deprecated,
    reason = "the contract of the unsafe successor, a descriptor that stays the same, is what OwnedFd is"
)]
fn watch(listener: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(listener, Interest::READABLE)
}

fn is_trusted(snapshot: &Snapshot, peer: &std::net::SocketAddr) -> bool {
    snapshot.forwarding.trusted.networks.iter().any(|network| network.contains(&peer.ip()))
}

/// Starts serving a connection on this thread.
pub(super) fn serve(worker: &Rc<Worker>, gate: &Rc<Gate>, handover: Handover) {
    let Handover { accepted, place, over_limit, .. } = handover;
    debug_assert_eq!(place.worker(), worker.index, "a connection counts where it lives");
    let peer = accepted.peer;
    match accepted.into_stream() {
        Ok(stream) => {
            let (worker, gate) = (Rc::clone(worker), Rc::clone(gate));
            tokio::task::spawn_local(proxy::serve(worker, gate, stream, peer, over_limit, place));
        }
        // Out of memory for the registration: the client sees its connection closed.
        Err(error) => tracing::debug!(%error, "an accepted connection could not be registered"),
    }
}

/// How long accepting pauses when descriptors or memory have run out: doubling, told once an episode.
#[derive(Debug, Default)]
struct Backoff {
    n_failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LAST: Duration = Duration::from_secs(1);

    fn failed(&mut self, error: &io::Error, door: &Door) -> Duration {
        if self.n_failures == 0 {
            tracing::error!(
                listener = door.name(),
                worker = door.worker.index,
                %error,
                "connections cannot be accepted; trying again up to once a second"
            );
        }
        let pause = self.pause();
        self.n_failures = self.n_failures.saturating_add(1);
        pause
    }

    fn pause(&self) -> Duration {
        (Self::FIRST * 2_u32.saturating_pow(self.n_failures.min(8))).min(Self::LAST)
    }

    fn over(&mut self, door: &Door) {
        if std::mem::take(&mut self.n_failures) > 0 {
            tracing::info!(
                listener = door.name(),
                worker = door.worker.index,
                "connections are accepted again"
            );
        }
    }
}
