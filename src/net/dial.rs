//! Connecting to a backend.

use std::io;

use tokio::net::{TcpStream, UnixStream};

use super::Stream;
use crate::backend::Address;

/// Connects to `address`. Bounded by nobody but the caller: dropping the future closes the socket.
pub async fn dial(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Address::Unix(path) => UnixStream::connect(path).await.map(Stream::Unix),
    }
}
