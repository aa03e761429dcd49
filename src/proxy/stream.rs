//! Streams of HTTP/2 connections: one exchange each, served by tasks of the worker that take one stream after the
//! other, as a connection of HTTP/1 takes one request after the other: what a task has (its timer, its place in the
//! worker's list) is made once and not for each request.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::connection::{Client, Connection, Registration};
use super::cut::{self, unless_cut};
use super::exchange::Exchange;
use super::http2::OpenStream;
use super::timer::Timer;
use super::worker::Worker;
use crate::error::Reason;
use crate::http1::RequestFacts;
use crate::relay::Buffer;

/// Tasks that wait for a stream; more end when they have none.
const IDLE_MAX: usize = 256;

/// A request to be served.
#[derive(Debug)]
pub(super) struct Job {
    client: Client,
    exchange: Box<Exchange>,
    /// Why its head is refused.
    refused: Option<Reason>,
    open: OpenStream,
}

impl Job {
    /// The request whose head is in `exchange`; `facts` are what it says, or why it is refused.
    pub(super) fn new(
        client: Client,
        mut exchange: Box<Exchange>,
        facts: Result<RequestFacts, Reason>,
        open: OpenStream,
    ) -> Self {
        let refused = match facts {
            Ok(facts) => {
                exchange.request.facts = facts;
                None
            }
            Err(reason) => Some(reason),
        };
        Job { client, exchange, refused, open }
    }
}

/// Where a task waits for its next job.
#[derive(Debug)]
struct Berth {
    job: RefCell<Option<Job>>,
    waker: Waker,
    dismissed: Cell<bool>,
}

impl Berth {
    /// The next job; `None`: there will be none.
    fn poll_job(&self, _: &mut Context<'_>) -> Poll<Option<Job>> {
        match self.job.take() {
            Some(job) => Poll::Ready(Some(job)),
            None if self.dismissed.get() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

/// The worker's tasks that wait.
#[derive(Debug, Default)]
pub(super) struct Berths {
    idle: RefCell<Vec<Rc<Berth>>>,
    /// The fewest that waited since they were last thinned out: so many are not needed.
    n_spare: Cell<usize>,
}

impl Berths {
    fn take(&self) -> Option<Rc<Berth>> {
        let mut idle = self.idle.borrow_mut();
        let berth = idle.pop();
        self.n_spare.set(self.n_spare.get().min(idle.len()));
        berth
    }

    /// `false`: enough wait already.
    fn put(&self, berth: &Rc<Berth>) -> bool {
        let mut idle = self.idle.borrow_mut();
        let has_room = idle.len() < IDLE_MAX;
        if has_room {
            idle.push(Rc::clone(berth));
        }
        has_room
    }

    /// Lets those go that were not needed since the last call.
    pub(super) fn thin_out(&self) {
        let mut idle = self.idle.borrow_mut();
        let n_spare = self.n_spare.get().min(idle.len());
        for berth in idle.drain(..n_spare) {
            berth.dismissed.set(true);
            berth.waker.wake_by_ref();
        }
        self.n_spare.set(idle.len());
    }
}

/// Serves a request on a task that waits, or on one of its own.
pub(super) fn serve(worker: &Rc<Worker>, job: Job) {
    match worker.berths.take() {
        Some(berth) => {
            *berth.job.borrow_mut() = Some(job);
            berth.waker.wake_by_ref();
        }
        None => drop(tokio::task::spawn_local(run(Rc::clone(worker), job))),
    }
}

/// Serves `job`, then others for as long as there are any. Dropping the future resets the stream.
async fn run(worker: Rc<Worker>, job: Job) {
    let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
    let mut of_task =
        (Registration::of_streams(Rc::clone(&worker), waker.clone()), Timer::default());
    let berth = Rc::new(Berth { job: RefCell::new(Some(job)), waker, dismissed: Cell::new(false) });
    while let Some(job) = poll_fn(|cx| berth.poll_job(cx)).await {
        let Job { client, mut exchange, refused, open } = job;
        if client.stream.is_reset() {
            // Nobody waits for an answer any more: nobody is asked for one.
            of_task.0.worker.put_exchange(exchange);
            drop((client, open));
            if !of_task.0.worker.berths.put(&berth) {
                return;
            }
            continue;
        }
        let mut connection = Connection::for_stream(of_task.0, of_task.1, client);
        let served = match refused {
            None => {
                let serving = pin!(connection.exchange(&mut exchange, Buffer::default(), 0..0));
                unless_cut(&worker, serving).await
            }
            Some(reason) => {
                connection.identify_refused(&mut exchange);
                unless_cut(&worker, pin!(connection.answer(&mut exchange, reason))).await
            }
        };
        if served.is_none() {
            cut::note(&mut exchange);
        }
        connection.finish(&mut exchange);
        connection.worker().put_exchange(exchange);
        of_task = connection.end_stream();
        drop(open);
        if !of_task.0.worker.berths.put(&berth) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berth() -> Rc<Berth> {
        let (job, dismissed) = (RefCell::new(None), Cell::new(false));
        Rc::new(Berth { job, waker: Waker::noop().clone(), dismissed })
    }

    #[test]
    fn tasks_that_wait_are_bounded_and_those_not_needed_go() {
        let berths = Berths::default();
        let all: Vec<Rc<Berth>> = (0..=IDLE_MAX).map(|_| berth()).collect();
        let kept = all.iter().filter(|berth| berths.put(berth)).count();
        assert_eq!(kept, IDLE_MAX);
        // They are new: nothing is known of the need for them yet.
        berths.thin_out();
        assert_eq!(berths.idle.borrow().len(), IDLE_MAX);
        // Three at once were needed since.
        let taken: Vec<Rc<Berth>> = (0..3).filter_map(|_| berths.take()).collect();
        taken.iter().for_each(|berth| assert!(berths.put(berth)));
        berths.thin_out();
        assert_eq!(berths.idle.borrow().len(), 3);
        let dismissed = all.iter().filter(|berth| berth.dismissed.get()).count();
        assert_eq!(dismissed, IDLE_MAX - 3);
        berths.thin_out();
        berths.thin_out();
        assert!(berths.idle.borrow().is_empty(), "nobody needed any");
        assert!(berths.take().is_none());
    }
}
