//! A backend that changes its ways while it is asked: it answers, is late, hangs, lies, dies and comes back.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use super::message::{Parsed, parse_request};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// 200 and [`Moody::BODY`].
    Well,
    /// As `Well`, so much later.
    Late(Duration),
    /// It is read and never answered.
    Hung,
    /// This status, without a body.
    Status(u16),
    /// The head and half of the body of `Well`, and the end of the connection.
    Truncating,
    /// The connection is reset instead of an answer.
    Resetting,
}

/// How a process ends, as its peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// Every connection is reset.
    Reset,
    /// Every connection is closed.
    Fin,
}

/// The backend. Dropped, it dies.
#[derive(Debug)]
pub struct Moody {
    address: SocketAddr,
    /// Bound and not listening: while it is dead nobody else gets its port.
    _port: Socket,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    mood: Mutex<Mood>,
    /// Open connections, by number.
    open: Mutex<HashMap<usize, TcpStream>>,
    /// How many connections brought a byte of the request with this target.
    seen: Mutex<HashMap<String, usize>>,
    n_connections: AtomicUsize,
    n_requests: AtomicUsize,
    dying: AtomicBool,
}

impl Moody {
    /// The body of an answer.
    pub const BODY: &str = "well";

    /// Listens on a free port and is well.
    pub fn start() -> Moody {
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Well),
            open: Mutex::default(),
            seen: Mutex::default(),
            n_connections: AtomicUsize::new(0),
            n_requests: AtomicUsize::new(0),
            dying: AtomicBool::new(false),
        });
        let port = bind(SocketAddr::from(([127, 0, 0, 1], 0)));
        let address = port.local_addr().expect("a bound socket has an address");
        let address = address.as_socket().expect("an IPv4 address");
        let mut moody = Moody { address, _port: port, shared, acceptor: None };
        moody.accept();
        moody
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of requests from now on.
    pub fn feels(&self, mood: Mood) {
        *lock(&self.shared.mood) = mood;
    }

    /// The same for several from the same moment on: none is seen to differ from the others meanwhile.
    pub fn all_feel(backends: &[Moody], mood: Mood) {
        let mut moods: Vec<_> = backends.iter().map(|backend| lock(&backend.shared.mood)).collect();
        moods.iter_mut().for_each(|held| **held = mood);
    }

    /// Refuses connections and ends those that are open.
    pub fn die(&mut self, death: Death) {
        let Some(acceptor) = self.acceptor.take() else { return };
        self.shared.dying.store(true, SeqCst);
        // Wakes the acceptor, which then sees that it is over.
        drop(TcpStream::connect(self.address));
        acceptor.join().expect("the acceptor panicked");
        for stream in lock(&self.shared.open).values() {
            let how = match death {
                Death::Fin => Shutdown::Both,
                Death::Reset => {
                    SockRef::from(stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
                    // Its thread wakes and lets go of it: that sends the reset.
                    Shutdown::Read
                }
            };
            // It may have ended by itself.
            let _ = stream.shutdown(how);
        }
        lock(&self.shared.open).clear();
    }

    /// Listens again where it did before, and is well.
    pub fn revive(&mut self) {
        assert!(self.acceptor.is_none(), "it lives");
        self.feels(Mood::Well);
        self.shared.dying.store(false, SeqCst);
        self.accept();
    }

    /// Connections so far.
    pub fn n_connections(&self) -> usize {
        self.shared.n_connections.load(SeqCst)
    }

    /// Whole requests so far.
    pub fn n_requests(&self) -> usize {
        self.shared.n_requests.load(SeqCst)
    }

    /// How many connections brought a byte of the request with each target.
    pub fn seen(&self) -> HashMap<String, usize> {
        lock(&self.shared.seen).clone()
    }

    fn accept(&mut self) {
        let socket = bind(self.address);
        socket.listen(1024).expect("a listening socket");
        let listener = TcpListener::from(socket);
        let shared = Arc::clone(&self.shared);
        self.acceptor = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.dying.load(SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let shared = Arc::clone(&shared);
                let number = shared.n_connections.fetch_add(1, SeqCst);
                lock(&shared.open).insert(number, stream.try_clone().expect("a descriptor"));
                std::thread::spawn(move || {
                    serve(stream, &shared);
                    lock(&shared.open).remove(&number);
                });
            }
        }));
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        self.die(Death::Fin);
    }
}

/// Answers one request after the other, until the connection or the mood ends it.
fn serve(mut stream: TcpStream, shared: &Shared) {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    let mut held = Vec::new();
    let mut is_noted = false;
    let mut buffer = [0; 16 * 1024];
    loop {
        if !is_noted && let Some(end) = held.iter().position(|byte| *byte == b'\r') {
            let line = String::from_utf8_lossy(&held[..end]).into_owned();
            let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
            *lock(&shared.seen).entry(target).or_insert(0) += 1;
            is_noted = true;
        }
        match parse_request(&held) {
            Parsed::Complete(request, n_bytes) => {
                held.drain(..n_bytes);
                is_noted = false;
                shared.n_requests.fetch_add(1, SeqCst);
                let mood = wished_by(request.target()).unwrap_or(*lock(&shared.mood));
                if !answer(&mut stream, mood) {
                    return;
                }
                continue;
            }
            Parsed::Bad(fault) => panic!("a request that is none: {fault}"),
            Parsed::Partial => {}
        }
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => held.extend_from_slice(&buffer[..n]),
            Ok(0) | Err(_) => return,
        }
    }
}

/// `/poll/700` is answered after so many milliseconds, whatever the mood.
fn wished_by(target: &str) -> Option<Mood> {
    let ms = target.strip_prefix("/poll/")?.parse().ok()?;
    Some(Mood::Late(Duration::from_millis(ms)))
}

/// Whether the connection goes on.
fn answer(stream: &mut TcpStream, mood: Mood) -> bool {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", Moody::BODY.len());
    let bytes = match mood {
        Mood::Hung => return true,
        Mood::Resetting => {
            SockRef::from(&*stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
            return false;
        }
        Mood::Status(status) => format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"),
        Mood::Truncating => format!("{head}{}", &Moody::BODY[..2]),
        Mood::Late(time) => {
            work_for(time);
            head + Moody::BODY
        }
        Mood::Well => head + Moody::BODY,
    };
    stream.write_all(bytes.as_bytes()).is_ok() && mood != Mood::Truncating
}

/// What takes a service its time.
fn work_for(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}

fn bind(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("SO_REUSEADDR");
    socket.bind(&address.into()).expect("the port is free");
    socket
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
