//! A backend that answers by itself, from its own threads, and keeps every byte it got.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::{Message, Wire};

/// What one connection brought.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// All bytes, from the last complete request on at least; all of them once it ended.
    pub bytes: Vec<u8>,
    /// The complete requests.
    pub requests: Vec<Message>,
    /// Why the connection ended, if not in order between two requests.
    pub fault: Option<String>,
    /// Whether it ended.
    pub ended: bool,
}

/// A backend with a thread for each connection.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<Vec<JoinHandle<()>>>>,
}

#[derive(Debug, Default)]
struct Shared {
    records: Mutex<Vec<Record>>,
    stopping: AtomicBool,
}

type Answer = dyn Fn(&Message) -> Vec<u8> + Send + Sync;

impl Service {
    /// Answers each request with the bytes that `answer` makes of it; empty closes the connection.
    pub fn start(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let answer: Arc<Answer> = Arc::new(answer);
        let ours = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept_all(&listener, &ours, &answer));
        Service { address, shared, acceptor: Some(acceptor) }
    }

    /// Answers every request with 200 and its target as the body.
    pub fn echo() -> Service {
        Service::start(|request| {
            let body = request.target().to_owned();
            let length = body.len();
            let body = if request.line.starts_with("HEAD ") { String::new() } else { body };
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
        })
    }

    /// Answers every request with 200 and `name` as the body.
    pub fn named(name: &'static str) -> Service {
        Service::start(move |_| {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()).into_bytes()
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What came so far, one record a connection.
    pub fn records(&self) -> Vec<Record> {
        self.shared.records().clone()
    }

    /// Complete requests so far, over all connections.
    pub fn n_requests(&self) -> usize {
        self.shared.records().iter().map(|record| record.requests.len()).sum()
    }

    /// Connections so far.
    pub fn n_connections(&self) -> usize {
        self.shared.records().len()
    }

    /// Waits until every connection has ended (the proxy must be gone) and tells what they brought.
    pub fn finish(mut self) -> Vec<Record> {
        for connection in self.stop_accepting() {
            connection.join().expect("a connection of the service panicked");
        }
        self.records()
    }

    fn stop_accepting(&mut self) -> Vec<JoinHandle<()>> {
        let Some(acceptor) = self.acceptor.take() else { return Vec::new() };
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it is to stop.
        drop(TcpStream::connect(self.address));
        acceptor.join().expect("the acceptor of the service panicked")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop_accepting();
        }
    }
}

impl Shared {
    fn records(&self) -> MutexGuard<'_, Vec<Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept_all(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    answer: &Arc<Answer>,
) -> Vec<JoinHandle<()>> {
    let mut connections = Vec::new();
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let index = {
            let mut records = shared.records();
            records.push(Record::default());
            records.len() - 1
        };
        let (shared, answer) = (Arc::clone(shared), Arc::clone(answer));
        connections.push(std::thread::spawn(move || {
            serve(Wire::from(stream).patient(), index, &shared, &*answer);
        }));
    }
    connections
}

fn serve(mut wire: Wire, index: usize, shared: &Shared, answer: &Answer) {
    let fault = loop {
        let request = match wire.try_request() {
            Ok(Some(request)) => request,
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        };
        let bytes = answer(&request);
        {
            let mut records = shared.records();
            records[index].requests.push(request);
            records[index].bytes = wire.received().to_vec();
        }
        if bytes.is_empty() {
            break None;
        }
        if wire.try_send(bytes).is_err() {
            break Some("could not answer".to_owned());
        }
    };
    let mut records = shared.records();
    let record = &mut records[index];
    record.bytes = wire.received().to_vec();
    record.fault = fault;
    record.ended = true;
}
