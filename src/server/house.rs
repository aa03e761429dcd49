//! What the workers share: mailboxes, counts, limits and the snapshot. To the control plane it is the
//! [`Fleet`].

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use super::descriptors;
use super::occupancy::{Occupancy, Place};
use crate::control::{Fleet, Order};
use crate::metrics::Metrics;
use crate::net::Accepted;
use crate::snapshot::{Snapshot, SocketId};

/// Shared by all workers and the control thread.
#[derive(Debug)]
pub(super) struct House {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) occupancy: Arc<Occupancy>,
    mailboxes: Vec<Mailbox>,
    /// Descriptors this process may have; `None` is no limit.
    descriptors_max: Option<u64>,
}

/// The sending ends of one worker's two mailboxes. Orders never wait behind connections.
#[derive(Debug)]
struct Mailbox {
    orders: mpsc::Sender<Order>,
    handovers: mpsc::Sender<Handover>,
}

/// The receiving ends, for the worker.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) handovers: mpsc::Receiver<Handover>,
}

/// A connection on its way from the worker that accepted it to the one that it will live on.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) socket: SocketId,
    pub(super) accepted: Accepted,
    pub(super) place: Place,
    pub(super) over_limit: bool,
}

impl House {
    /// A house with empty mailboxes, and the inbox of each of its `n_workers` workers.
    pub(super) fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        n_workers: usize,
        descriptors_max: Option<u64>,
    ) -> (Self, Vec<Inbox>) {
        let mut mailboxes = Vec::with_capacity(n_workers);
        let mut inboxes = Vec::with_capacity(n_workers);
        for _ in 0..n_workers {
            let (orders, orders_in) = mpsc::channel(ORDERS_MAX);
            let (handovers, handovers_in) = mpsc::channel(HANDOVERS_MAX);
            mailboxes.push(Mailbox { orders, handovers });
            inboxes.push(Inbox { orders: orders_in, handovers: handovers_in });
        }
        let metrics = Arc::new(Metrics::new(n_workers));
        let occupancy = Arc::new(Occupancy::new(n_workers));
        (House { snapshot, metrics, occupancy, mailboxes, descriptors_max }, inboxes)
    }

    /// The pipes that each worker may open.
    pub(super) fn n_pipes_per_worker(&self) -> usize {
        descriptors::pipes_per_worker(self.descriptors_max, self.mailboxes.len())
    }

    /// Puts a connection into a worker's mailbox; back it comes when that is full or the worker has ended.
    pub(super) fn hand_over(&self, worker: usize, handover: Handover) -> Result<(), Handover> {
        self.mailboxes[worker].handovers.try_send(handover).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(handover)
            | mpsc::error::TrySendError::Closed(handover) => handover,
        })
    }
}

impl Fleet for House {
    fn n_workers(&self) -> usize {
        self.mailboxes.len()
    }

    fn mailbox(&self, worker: usize) -> &mpsc::Sender<Order> {
        &self.mailboxes[worker].orders
    }

    fn open_connections(&self) -> usize {
        self.occupancy.total()
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn limit_connections(&self, written: Option<usize>) {
        let good_for = descriptors::connections_for(self.descriptors_max, self.n_workers());
        let max = written.unwrap_or(good_for);
        if max > good_for {
            tracing::warn!(
                max_connections = max,
                descriptors_good_for = good_for,
                "global.max_connections is more than the descriptor limit is good for: raise RLIMIT_NOFILE"
            );
        }
        if self.occupancy.set_max(max) != max {
            tracing::info!(max_connections = max, "connection limit");
        }
    }
}

/// Orders that may wait for a worker; who sends more waits.
const ORDERS_MAX: usize = 256;

/// Connections that may wait for a worker; beyond it they stay where they were accepted.
const HANDOVERS_MAX: usize = 1024;
