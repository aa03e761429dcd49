//! One end of a raw TCP connection, as a client or as a backend: what is sent are bytes, what arrived is
//! kept, and every wait has a deadline.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::{DEADLINE, Message, Parsed, parse_request, parse_response, show};

/// A connected socket with a memory.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// Everything that ever arrived.
    received: Vec<u8>,
    /// How much of it was taken by a call below.
    n_taken: usize,
    /// Whether the peer ended its direction, and how.
    end: Option<io::ErrorKind>,
    /// How long a wait may take.
    patience: Duration,
}

/// The peer closed in order: stands in `end` beside real errors.
const FIN: io::ErrorKind = io::ErrorKind::UnexpectedEof;

impl Wire {
    /// Connects to `address`.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Wire {
        Wire::from(TcpStream::connect(address).expect("the address accepts connections"))
    }

    /// Connects with a receive buffer of about `n_bytes`, so that a reader can be slow on purpose.
    #[track_caller]
    pub fn connect_narrow(address: SocketAddr, n_bytes: usize) -> Wire {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            None,
        )
        .expect("a socket");
        socket.set_recv_buffer_size(n_bytes).expect("a receive buffer size");
        socket.connect(&address.into()).expect("the address accepts connections");
        Wire::from(TcpStream::from(socket))
    }

    /// A second handle on the same connection, to send from another thread.
    pub fn again(&self) -> Wire {
        Wire::from(self.stream.try_clone().expect("a descriptor"))
    }

    /// The same wire with waits of up to a minute: for backends that stand idle between requests.
    #[must_use]
    pub fn patient(self) -> Wire {
        self.with_patience(Duration::from_secs(60))
    }

    /// The same wire with waits of up to `patience`.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Wire {
        self.patience = patience;
        self
    }

    /// This end's address.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// Sends all of `bytes`.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            panic!("could not send: {error}; received so far: {}", show(&self.received));
        }
    }

    /// Sends all of `bytes`, or tells why the peer took no more.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Writes what the peer and the kernel take until nothing moved for `stalled`; the number of bytes.
    pub fn send_until_stalled(&mut self, chunk: &[u8], stalled: Duration) -> usize {
        self.stream.set_write_timeout(Some(stalled)).expect("a write timeout");
        let mut n_sent = 0;
        while let Ok(n) = self.stream.write(chunk) {
            n_sent += n;
        }
        self.stream.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        n_sent
    }

    /// Sends `GET path` with a Host and waits for the response.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Message {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        self.response()
    }

    /// Takes the next complete request.
    #[track_caller]
    pub fn request(&mut self) -> Message {
        self.message("request", |bytes, _| parse_request(bytes))
    }

    /// Takes a request's head only, whatever follows it: the text up to and with the empty line.
    #[track_caller]
    pub fn head(&mut self) -> String {
        self.until(b"\r\n\r\n")
    }

    /// Takes the next response to a GET or the like; interim responses are responses too.
    #[track_caller]
    pub fn response(&mut self) -> Message {
        self.response_to("GET")
    }

    /// Takes the next response to a request with `method`.
    #[track_caller]
    pub fn response_to(&mut self, method: &str) -> Message {
        self.message("response", |bytes, ended| parse_response(bytes, method, ended))
    }

    /// As [`Wire::response_to`], but a peer that ends or breaks the rules is an `Err` that says how.
    pub fn try_response_to(&mut self, method: &str) -> Result<Message, String> {
        self.try_message(|bytes, ended| parse_response(bytes, method, ended))
    }

    /// As [`Wire::request`]; `Ok(None)` when the peer closed in order before a first byte of it.
    pub fn try_request(&mut self) -> Result<Option<Message>, String> {
        match self.try_message(|bytes, _| parse_request(bytes)) {
            Ok(message) => Ok(Some(message)),
            Err(_) if self.end.is_some() && self.waiting().is_empty() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Takes everything up to and with the next `pattern`.
    #[track_caller]
    pub fn until(&mut self, pattern: &[u8]) -> String {
        let end = Instant::now() + self.patience;
        loop {
            let found = self.waiting().windows(pattern.len()).position(|w| w == pattern);
            if let Some(at) = found {
                return String::from_utf8_lossy(&self.take(at + pattern.len())).into_owned();
            }
            let more = self.fill(end);
            assert!(more, "{} never came; there is: {}", show(pattern), self.story());
        }
    }

    /// Takes exactly `n` bytes.
    #[track_caller]
    pub fn exactly(&mut self, n: usize) -> Vec<u8> {
        let end = Instant::now() + self.patience;
        while self.waiting().len() < n {
            let more = self.fill(end);
            assert!(more, "{n} bytes never came; there is: {}", self.story());
        }
        self.take(n)
    }

    /// Takes everything until the peer ends its direction in order.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        self.drain();
        assert!(self.end == Some(FIN), "not closed in order: {}", self.story());
        self.take(self.waiting().len())
    }

    /// Waits until the peer is gone, by FIN or reset, having sent nothing more.
    #[track_caller]
    pub fn closed(&mut self) {
        self.drain();
        assert!(self.end.is_some(), "still open: {}", self.story());
        assert!(self.waiting().is_empty(), "bytes instead of the end: {}", self.story());
    }

    /// Waits until the peer is gone, whatever it sent before.
    pub fn is_closed(&mut self) -> bool {
        self.drain();
        self.end.is_some()
    }

    /// Waits until the peer is gone, and tells whether that was by a reset.
    pub fn is_reset(&mut self) -> bool {
        self.drain();
        self.end == Some(io::ErrorKind::ConnectionReset)
    }

    /// Reads what comes next, whatever it is; `false` when nothing came any more.
    pub fn read_some(&mut self) -> bool {
        self.fill(Instant::now() + self.patience)
    }

    /// Everything that arrived on this connection, taken or not.
    pub fn received(&self) -> &[u8] {
        &self.received
    }

    /// Bytes that arrived and were not taken yet.
    pub fn waiting(&self) -> &[u8] {
        &self.received[self.n_taken..]
    }

    /// Ends the write direction: the peer reads FIN, this end still reads.
    pub fn finish(&mut self) {
        // The peer may be gone already, which is an end as well.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes with a reset.
    pub fn reset(self) {
        SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
    }

    /// Whether the peer sent something or closed, without waiting.
    pub fn has_news(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a mode");
        let mut byte = [0];
        let news =
            !matches!(self.stream.peek(&mut byte), Err(e) if e.kind() == io::ErrorKind::WouldBlock);
        self.stream.set_nonblocking(false).expect("a mode");
        news
    }

    /// Whether the peer sent something or closed within `time`: what a test does in place of sleeping
    /// when the passing of time is its subject.
    pub fn has_news_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).expect("a read timeout");
        let mut byte = [0];
        let waited = |kind| matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        !self.stream.peek(&mut byte).is_err_and(|error| waited(error.kind()))
    }

    fn message(&mut self, what: &str, parse: impl Fn(&[u8], bool) -> Parsed) -> Message {
        match self.try_message(parse) {
            Ok(message) => message,
            Err(fault) => panic!("no {what}: {fault}"),
        }
    }

    fn try_message(&mut self, parse: impl Fn(&[u8], bool) -> Parsed) -> Result<Message, String> {
        let end = Instant::now() + self.patience;
        loop {
            match parse(self.waiting(), self.end == Some(FIN)) {
                Parsed::Complete(message, n) => {
                    self.n_taken += n;
                    return Ok(*message);
                }
                Parsed::Bad(fault) => return Err(format!("{fault} in {}", self.story())),
                Parsed::Partial if self.end.is_some() => {
                    return Err(format!("it is cut short: {}", self.story()));
                }
                // The end of the stream is news as well: it completes what runs until close.
                Parsed::Partial => {
                    if !self.fill(end) && self.end.is_none() {
                        return Err(format!("it never came: {}", self.story()));
                    }
                }
            }
        }
    }

    /// Waits for bytes; `false` when none came because of the deadline or the end.
    fn fill(&mut self, end: Instant) -> bool {
        if self.end.is_some() {
            return false;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.stream.set_read_timeout(Some(left)).expect("a read timeout");
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.end = Some(FIN),
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                return true;
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return true,
            Err(e) => self.end = Some(e.kind()),
        }
        false
    }

    fn drain(&mut self) {
        let end = Instant::now() + self.patience;
        while self.fill(end) {}
    }

    fn take(&mut self, n: usize) -> Vec<u8> {
        let bytes = self.waiting()[..n].to_vec();
        self.n_taken += n;
        bytes
    }

    fn story(&self) -> String {
        let end = match self.end {
            None => "open".to_owned(),
            Some(FIN) => "closed".to_owned(),
            Some(kind) => format!("{kind}"),
        };
        format!("{} ({end})", show(self.waiting()))
    }
}

impl From<TcpStream> for Wire {
    fn from(stream: TcpStream) -> Wire {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_write_timeout(Some(DEADLINE)).expect("a write timeout");
        Wire { stream, received: Vec::new(), n_taken: 0, end: None, patience: DEADLINE }
    }
}
