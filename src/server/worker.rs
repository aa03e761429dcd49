//! A worker thread: one single-threaded runtime, on which its doors, its connections and its housekeeping run.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc;
use tokio::task;

use super::door::{self, Accept, Door};
use super::house::{Handover, House, Inbox};
use crate::control::Order;
use crate::hash::Map;
use crate::proxy::{Gate, Worker};
use crate::snapshot::{Snapshot, SocketId};

/// Starts worker number `index`. Returns once its runtime stands.
///
/// Fails when the system refuses the thread or the runtime.
pub(super) fn start(
    index: usize,
    house: Arc<House>,
    inbox: Inbox,
    accept: Accept,
) -> io::Result<JoinHandle<()>> {
    let (started, starting) = blocking::sync_channel(1);
    let run = move || {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(error) => {
                // Whoever starts us waits for this.
                let _ = started.send(Err(error));
                return;
            }
        };
        let _ = started.send(Ok(()));
        let desk = Desk::new(index, house, accept);
        let worker = Rc::clone(&desk.worker);
        runtime.block_on(desk.run(inbox));
        // Every connection that is still open goes with the runtime; what that logs is handed over last.
        drop(runtime);
        worker.flush_log();
    };
    let thread = thread::Builder::new().name(format!("worker-{index}")).spawn(run)?;
    match starting.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(io::Error::other("a worker ended while it started")),
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .event_interval(EVENT_INTERVAL)
        .build_local(LocalOptions::default())
}

/// Where a worker's orders are carried out.
struct Desk {
    worker: Rc<Worker>,
    house: Arc<House>,
    doors: RefCell<Map<SocketId, Entry>>,
    accept: Accept,
}

/// What a worker has of one listening socket.
struct Entry {
    gate: Rc<Gate>,
    state: State,
}

enum State {
    Open {
        door: Rc<Door>,
        accepting: task::JoinHandle<()>,
    },
    /// Closed, or yet to be opened: the gate stands for a while alone, for connections in the mailbox
    /// that come after the order to close or have overtaken the order to listen.
    Shut {
        since: Instant,
    },
}

impl Desk {
    fn new(index: usize, house: Arc<House>, accept: Accept) -> Rc<Self> {
        let (snapshot, metrics) = (Arc::clone(&house.snapshot), Arc::clone(&house.metrics));
        let worker = Worker::new(index, snapshot, metrics, house.n_pipes_per_worker());
        Rc::new(Desk { worker, house, doors: RefCell::default(), accept })
    }

    /// Carries out orders until the one to stop.
    async fn run(self: Rc<Self>, inbox: Inbox) {
        let Inbox { mut orders, handovers } = inbox;
        task::spawn_local(Rc::clone(&self).keep_house());
        task::spawn_local(Rc::clone(&self).take_over(handovers));
        while let Some(order) = orders.recv().await {
            match order {
                Order::Listen { socket, listener } => self.listen(socket, listener),
                Order::Backlog { socket, backlog } => self.set_backlog(socket, backlog),
                Order::Retire { socket, last, done } => {
                    self.retire(socket, &last).await;
                    drop(done);
                }
                Order::Drain { done } => {
                    self.drain().await;
                    drop(done);
                }
                Order::WakeAll => self.worker.wake_all(),
                Order::Stop => {
                    self.worker.cut();
                    // Its turn comes when every task that was woken has had one.
                    let _ = task::spawn_local(async {}).await;
                    return;
                }
            }
        }
    }

    async fn keep_house(self: Rc<Self>) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.worker.tick();
            let kept = |state: &State| match state {
                State::Open { .. } => true,
                State::Shut { since } => since.elapsed() < SHUT_KEPT,
            };
            self.doors.borrow_mut().retain(|_, entry| kept(&entry.state));
        }
    }

    /// Serves what other workers hand over.
    async fn take_over(self: Rc<Self>, mut handovers: mpsc::Receiver<Handover>) {
        while let Some(handover) = handovers.recv().await {
            let gate = self.gate(handover.socket);
            door::serve(&self.worker, &gate, handover);
        }
    }

    fn gate(&self, socket: SocketId) -> Rc<Gate> {
        let mut doors = self.doors.borrow_mut();
        let entry = doors.entry(socket).or_insert_with(|| Entry {
            gate: Gate::new(socket),
            state: State::Shut { since: Instant::now() },
        });
        Rc::clone(&entry.gate)
    }

    fn listen(&self, socket: SocketId, listener: OwnedFd) {
        let gate = self.gate(socket);
        let door = Door::new(&self.worker, Rc::clone(&gate), &self.house, listener, self.accept);
        let door = match door {
            Ok(door) => Rc::new(door),
            Err(error) => {
                let worker = self.worker.index;
                tracing::error!(worker, %error, "a worker cannot watch a listening socket");
                return;
            }
        };
        let accepting = task::spawn_local(Rc::clone(&door).accept_forever());
        let entry = Entry { gate, state: State::Open { door, accepting } };
        self.doors.borrow_mut().insert(socket, entry);
    }

    fn set_backlog(&self, socket: SocketId, backlog: u32) {
        if let Some(Entry { state: State::Open { door, .. }, .. }) =
            self.doors.borrow().get(&socket)
            && let Err(error) = door.set_backlog(backlog)
        {
            tracing::warn!(worker = self.worker.index, backlog, %error, "the backlog stays as it was");
        }
    }

    /// Closes a socket that a reload removed: its connections end, with `last` as their configuration.
    async fn retire(&self, socket: SocketId, last: &Arc<Snapshot>) {
        self.close(socket, last).await;
        self.gate(socket).retire(&self.worker, Arc::clone(last));
    }

    /// Closes every socket; connections end after their exchange.
    async fn drain(&self) {
        let sockets: Vec<SocketId> = self.doors.borrow().keys().copied().collect();
        let current = self.house.snapshot.load_full();
        for socket in sockets {
            self.close(socket, &current).await;
        }
        self.worker.drain();
    }

    /// Stops accepting on a socket, takes what is in its queue, and closes it.
    async fn close(&self, socket: SocketId, snapshot: &Arc<Snapshot>) {
        let shut = State::Shut { since: Instant::now() };
        let state = match self.doors.borrow_mut().get_mut(&socket) {
            Some(entry) => std::mem::replace(&mut entry.state, shut),
            None => return,
        };
        let State::Open { door, accepting } = state else { return };
        accepting.abort();
        // Done once the task is gone, and with it its hold on the socket.
        let _ = accepting.await;
        door.empty_queue(snapshot);
    }
}

/// How many tasks run between two looks at the sockets: tokio's default, named here to be tuned.
const EVENT_INTERVAL: u32 = 61;

/// How often a worker does its housekeeping.
const TICK: Duration = Duration::from_secs(1);

/// How long a shut gate is kept.
const SHUT_KEPT: Duration = Duration::from_secs(2);
