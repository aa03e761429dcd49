//! Clients that ask without a pause, each on its own connection, and note everything that is not as it should be.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

use super::{Message, Wire, eventually};

/// What the clients of a crowd saw.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Complete responses by status.
    pub statuses: BTreeMap<u16, usize>,
    /// Responses that began and were cut.
    pub n_cut: usize,
    /// Requests that got not a byte, or nonsense, and how.
    pub faults: Vec<String>,
    /// Of each status but 200, the last response.
    pub examples: BTreeMap<u16, Message>,
}

impl Tally {
    /// Complete responses.
    pub fn n_complete(&self) -> usize {
        self.statuses.values().sum()
    }

    /// Fails the test unless every response was a whole 200.
    #[track_caller]
    pub fn all_well(&self) {
        let wrong: Vec<_> = self.statuses.keys().filter(|status| **status != 200).collect();
        assert!(wrong.is_empty() && self.n_cut == 0 && self.faults.is_empty(), "{self:?}");
    }
}

/// What the `n`th request of a client is; the bytes, and its method.
type Asks = dyn Fn(usize, usize) -> (String, &'static str) + Send + Sync;

/// Clients at work. Dropped, they stop.
pub struct Crowd {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    n_done: AtomicUsize,
    /// Held by whoever asks.
    asking: RwLock<()>,
    tally: Mutex<Tally>,
}

impl Crowd {
    /// The usual number of clients.
    pub const SIZE: usize = 64;

    /// [`Crowd::SIZE`] clients with GETs.
    pub fn of_gets(address: SocketAddr) -> Crowd {
        Crowd::start(address, Crowd::SIZE, |_, _| {
            ("GET / HTTP/1.1\r\nHost: test\r\n\r\n".to_owned(), "GET")
        })
    }

    /// `size` clients whose `n`th request `asks` makes from the client's number and `n`.
    pub fn start(
        address: SocketAddr,
        size: usize,
        asks: impl Fn(usize, usize) -> (String, &'static str) + Send + Sync + 'static,
    ) -> Crowd {
        let (shared, asks): (Arc<Shared>, Arc<Asks>) = (Arc::default(), Arc::new(asks));
        let clients = (0..size)
            .map(|client| {
                let (shared, asks) = (Arc::clone(&shared), Arc::clone(&asks));
                std::thread::spawn(move || ask(address, client, &*asks, &shared))
            })
            .collect();
        Crowd { shared, clients }
    }

    /// Requests that came to an end so far, good or bad.
    pub fn n_done(&self) -> usize {
        self.shared.n_done.load(SeqCst)
    }

    /// Waits until `n` more requests than now have come to an end: time, as a crowd counts it.
    #[track_caller]
    pub fn goes_on_for(&self, n: usize) {
        let until = self.n_done() + n;
        let mut before = 0;
        while self.n_done() < until {
            before += 1;
            let some = (self.n_done() + PATIENCE_REQUESTS).min(until);
            eventually(&format!("{n} more requests (part {before})"), || self.n_done() >= some);
        }
    }

    /// Does `change` between two requests of every client: none that begins before it ends after it.
    pub fn between_requests(&self, change: impl FnOnce()) {
        let _nobody_asks = self.shared.asking.write().unwrap_or_else(PoisonError::into_inner);
        change();
    }

    /// What was seen so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends when every client has its last answer.
    pub fn finish(mut self) -> Tally {
        self.stop();
        self.tally()
    }

    fn stop(&mut self) {
        self.shared.over.store(true, SeqCst);
        for client in self.clients.drain(..) {
            client.join().expect("a client panicked");
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
    }
}

/// So many requests must end within the usual deadline.
const PATIENCE_REQUESTS: usize = 100;

fn ask(address: SocketAddr, client: usize, asks: &Asks, shared: &Shared) {
    let mut wire = Wire::connect(address);
    let mut n = 0;
    while !shared.over.load(SeqCst) {
        let (request, method) = asks(client, n);
        n += 1;
        let asking = shared.asking.read().unwrap_or_else(PoisonError::into_inner);
        let n_before = wire.received().len();
        let answer = match wire.try_send(request) {
            Ok(()) => wire.try_response_to(method),
            Err(error) => Err(error.to_string()),
        };
        drop(asking);
        let ends =
            answer.as_ref().map_or(true, |answer| answer.field("connection") == Some("close"));
        {
            let mut tally = shared.tally.lock().unwrap_or_else(PoisonError::into_inner);
            match answer {
                Ok(answer) => {
                    *tally.statuses.entry(answer.status()).or_insert(0) += 1;
                    if answer.status() != 200 {
                        tally.examples.insert(answer.status(), answer);
                    }
                }
                Err(_) if wire.received()[n_before..].starts_with(b"HTTP/1.1 200") => {
                    tally.n_cut += 1;
                }
                Err(fault) => tally.faults.push(fault),
            }
        }
        shared.n_done.fetch_add(1, SeqCst);
        if ends && !shared.over.load(SeqCst) {
            wire = Wire::connect(address);
        }
    }
}
