//! A stream through TLS: rustls between a socket and the bytes, driven by whoever reads or writes.
//!
//! Writing has the rule of every such layer: what was refused with `WouldBlock` may be sealed already, and must be
//! what is offered next. In return nothing that was taken is ever left unsent.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll, ready};

use rustls::{ClientConnection, Connection, InvalidMessage, ProtocolVersion};

use super::Socket;

/// The most that is sealed before it has to leave: two records.
const SEALED_BYTES_MAX: usize = 32 * 1024;

/// A session over a socket.
pub struct Tls {
    socket: Socket,
    /// The fingerprint of the transport it was made with; 0 of a client's.
    made_with: u64,
    session: RefCell<Session>,
}

struct Session {
    connection: Connection,
    /// Bytes that were opened and not read.
    opened: usize,
    /// Bytes that were sealed on behalf of a write that has yet to be told.
    owed: usize,
    /// The socket has nothing more to give.
    ended: bool,
    /// The peer is not to be told that the stream ends well.
    is_cut: bool,
}

/// Why there is no session.
#[derive(Debug)]
pub enum HandshakeError {
    /// The socket failed, or the peer left.
    Io(io::Error),
    /// What came is no TLS at all.
    NotTls,
    /// What came is not what we can agree to.
    Tls(rustls::Error),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Io(error) => error.fmt(f),
            HandshakeError::NotTls => f.write_str("what came is not TLS"),
            HandshakeError::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HandshakeError {}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Tls {
    /// A session that has yet to begin: see [`Tls::poll_handshake`].
    pub fn new(socket: Socket, connection: impl Into<Connection>) -> Self {
        let mut connection = connection.into();
        connection.set_buffer_limit(Some(SEALED_BYTES_MAX));
        let session = Session { connection, opened: 0, owed: 0, ended: false, is_cut: false };
        Tls { socket, made_with: 0, session: RefCell::new(session) }
    }

    /// One to a backend, made with the transport of this fingerprint.
    pub(super) fn to_backend(socket: Socket, made_with: u64, connection: ClientConnection) -> Self {
        let mut tls = Tls::new(socket, connection);
        tls.made_with = made_with;
        tls
    }

    /// The fingerprint of the transport it was made with; 0 of a client's.
    pub fn made_with(&self) -> u64 {
        self.made_with
    }

    /// The socket underneath.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Looks at the session: its version, what was agreed on, who the peer is.
    pub fn with<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&self.session.borrow().connection)
    }

    /// Whether HTTP/2 was agreed on.
    pub fn agreed_on_http2(&self) -> bool {
        self.with(|connection| connection.alpn_protocol() == Some(super::H2))
    }

    /// Agrees with the peer; to be polled to its end before anything is read or written.
    ///
    /// # Errors
    /// Why there will be no session. The alert that says so was sent, if the socket took it.
    pub fn poll_handshake(&self, cx: &mut Context<'_>) -> Poll<Result<(), HandshakeError>> {
        loop {
            {
                let session = &mut *self.session.borrow_mut();
                if session.waits_to_flush() {
                    match session.flush(&self.socket) {
                        Ok(()) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            drop(error);
                            ready!(self.socket.poll_writable(cx)).map_err(HandshakeError::Io)?;
                            continue;
                        }
                        Err(error) => return Poll::Ready(Err(HandshakeError::Io(error))),
                    }
                }
                if !session.connection.is_handshaking() {
                    return Poll::Ready(Ok(()));
                }
                match session.fill(&self.socket) {
                    Ok(()) if session.ended && session.connection.is_handshaking() => {
                        let error = io::ErrorKind::UnexpectedEof.into();
                        return Poll::Ready(Err(HandshakeError::Io(error)));
                    }
                    Ok(()) => continue,
                    Err(Filling::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(Filling::Io(error)) => {
                        return Poll::Ready(Err(HandshakeError::Io(error)));
                    }
                    Err(Filling::Tls(error)) => {
                        return Poll::Ready(Err(self.refused(session, error)));
                    }
                }
            }
            ready!(self.socket.poll_readable(cx)).map_err(HandshakeError::Io)?;
        }
    }

    /// Tells the peer why there is no session, in its own language.
    fn refused(&self, session: &mut Session, error: rustls::Error) -> HandshakeError {
        session.is_cut = true;
        if error == rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) {
            return HandshakeError::NotTls;
        }
        // Best effort: the error is what counts.
        let _ = match &error {
            rustls::Error::General(why) if why == NO_CERTIFICATE => {
                self.socket.try_write(UNRECOGNIZED_NAME).map(drop)
            }
            _ => session.flush(&self.socket),
        };
        HandshakeError::Tls(error)
    }

    /// See [`super::Stream::try_read`].
    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let session = &mut *self.session.borrow_mut();
        loop {
            match session.connection.reader().read(buffer) {
                Ok(n) => {
                    session.opened = session.opened.saturating_sub(n);
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            session.fill(&self.socket)?;
        }
    }

    /// See [`super::Stream::try_write`].
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_seal(|connection| connection.writer().write(bytes))
    }

    /// See [`super::Stream::try_write_vectored`].
    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_seal(|connection| connection.writer().write_vectored(slices))
    }

    fn try_seal(
        &self,
        seal: impl FnOnce(&mut Connection) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let session = &mut *self.session.borrow_mut();
        if session.owed == 0 {
            session.owed = seal(&mut session.connection)?;
        }
        session.flush(&self.socket)?;
        Ok(std::mem::take(&mut session.owed))
    }

    /// See [`super::Stream::poll_readable`].
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        {
            let session = self.session.borrow();
            if session.opened > 0 || session.ended {
                return Poll::Ready(Ok(()));
            }
        }
        self.socket.poll_readable(cx)
    }

    /// See [`super::Stream::poll_writable`].
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_writable(cx)
    }

    /// See [`super::Stream::has_bytes`].
    pub(super) fn has_bytes(&self) -> bool {
        self.session.borrow().opened > 0 || self.socket.has_bytes()
    }

    /// See [`super::Stream::reset_on_close`].
    pub(super) fn reset_on_close(&self) {
        self.session.borrow_mut().is_cut = true;
        self.socket.reset_on_close();
    }

    /// See [`super::Stream::shutdown_write`].
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        self.session.borrow_mut().end(&self.socket);
        self.socket.shutdown_write()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.session.get_mut().end(&self.socket);
    }
}

/// What rustls says where no certificate was found for a client; it would tell that its access is denied.
const NO_CERTIFICATE: &str = "no server certificate chain resolved";

/// The alert of RFC 6066, section 3, as a record in the clear: nothing else was sent before it.
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// Why nothing more was read.
enum Filling {
    Io(io::Error),
    Tls(rustls::Error),
}

impl From<Filling> for io::Error {
    fn from(filling: Filling) -> Self {
        match filling {
            Filling::Io(error) => error,
            Filling::Tls(error) => io::Error::new(io::ErrorKind::InvalidData, error),
        }
    }
}

impl Session {
    /// Reads once from the socket and opens what came.
    fn fill(&mut self, socket: &Socket) -> Result<(), Filling> {
        let n = self.connection.read_tls(&mut Wire(socket)).map_err(Filling::Io)?;
        self.ended |= n == 0;
        let state = self.connection.process_new_packets().map_err(Filling::Tls)?;
        self.opened = state.plaintext_bytes_to_read();
        self.ended |= state.peer_has_closed();
        // Answers of the protocol itself; what the socket does not take now leaves with the next write.
        if self.waits_to_flush() && !self.connection.is_handshaking() {
            match self.flush(socket) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Err(Filling::Io(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether something has to leave by itself. The tickets of a server that has just shaken hands wait for the
    /// first response, in whose write they cost nothing.
    fn waits_to_flush(&self) -> bool {
        let may_wait = matches!(self.connection, Connection::Server(_))
            && !self.connection.is_handshaking()
            && self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        self.connection.wants_write() && !may_wait
    }

    /// Writes all that is sealed.
    fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut Wire(socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Tells the peer, as far as the socket takes it, that nothing more comes.
    fn end(&mut self, socket: &Socket) {
        if !std::mem::replace(&mut self.is_cut, true) && !self.connection.is_handshaking() {
            self.connection.send_close_notify();
            let _ = self.flush(socket);
        }
    }
}

/// A socket as rustls wants it.
struct Wire<'a>(&'a Socket);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [one] => self.0.try_write(one),
            _ => self.0.try_write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
