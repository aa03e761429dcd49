//! Connecting to a backend.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, UnixStream};

use super::client_tls::Plainly;
use super::transport::Speaks;
use super::{HandshakeError, Socket, Stream, Tls, Transport};
use crate::backend::Address;

/// Why there is no connection.
#[derive(Debug)]
pub enum DialError {
    /// The system says so: refused, unreachable, no descriptors left.
    Connect(io::Error),
    /// There is one, but no TLS session on it.
    Handshake(HandshakeError),
    /// There is a session, but the backend does not speak HTTP/2 on it.
    NotHttp2,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::Connect(error) => error.fmt(f),
            DialError::Handshake(HandshakeError::NotTls) => {
                f.write_str("the backend does not speak TLS: write http:// if that is meant")
            }
            DialError::Handshake(HandshakeError::Tls(error)) => Plainly(error).fmt(f),
            DialError::Handshake(HandshakeError::Io(error)) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    f.write_str("the backend closed the connection in the handshake")
                }
                _ => error.fmt(f),
            },
            DialError::NotHttp2 => {
                f.write_str("the backend does not agree on HTTP/2, which `protocol` asks for")
            }
        }
    }
}

impl std::error::Error for DialError {}

/// Connects to `address` and shakes hands as `transport` says; `None`: HTTP/1.1 in the clear. Bounded by nobody but the caller: dropping the future
/// closes the socket.
///
/// # Errors
/// What failed.
pub async fn dial(address: &Address, transport: Option<&Transport>) -> Result<Stream, DialError> {
    let socket = connect(address).await.map_err(DialError::Connect)?;
    let secure = transport.and_then(|transport| Some((transport, transport.session()?)));
    let Some((transport, session)) = secure else { return Ok(Stream::Plain(socket)) };
    let session = session.map_err(|error| DialError::Handshake(HandshakeError::Tls(error)))?;
    let mut tls = Box::new(Tls::to_backend(socket, transport.fingerprint(), session));
    // Held alone, since a session must not be looked at from two threads.
    let held = &mut tls;
    poll_fn(move |cx| held.poll_handshake(cx)).await.map_err(DialError::Handshake)?;
    if transport.speaks() == Speaks::Http2 && !tls.agreed_on_http2() {
        return Err(DialError::NotHttp2);
    }
    Ok(Stream::Tls(tls))
}

async fn connect(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Tcp(address) => {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Heads and bodies leave in as few writes as possible; Nagle would only delay their tails.
            socket.set_nodelay(true)?;
            socket.connect(*address).await.map(Socket::Tcp)
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
    }
}
