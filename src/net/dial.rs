//! Connecting to a backend.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpSocket, UnixStream};

use super::Stream;
use crate::backend::Address;

/// Connects to `address`. Bounded by nobody but the caller: dropping the future closes the socket.
///
/// # Errors
/// Whatever the system says: refused, unreachable, no descriptors left.
pub async fn dial(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(address) => {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Heads and bodies leave in as few writes as possible; Nagle would only delay their tails.
            socket.set_nodelay(true)?;
            socket.connect(*address).await.map(Stream::from)
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Stream::from),
    }
}
