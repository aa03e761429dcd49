//! Accepting: one system call gives a non-blocking client socket that no runtime knows yet, so that it
//! can still be handed to another worker without being registered twice.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::net::{TcpStream, UnixStream};

use super::{Peer, Stream};

/// A client connection before it belongs to a worker.
#[derive(Debug)]
pub struct Accepted {
    socket: OwnedFd,
    /// Who connected.
    pub peer: Peer,
}

impl Accepted {
    /// Registers the socket with the runtime of the calling thread.
    pub fn into_stream(self) -> io::Result<Stream> {
        match self.peer {
            Peer::Tcp(_) => TcpStream::from_std(self.socket.into()).map(Stream::from),
            Peer::Unix => UnixStream::from_std(self.socket.into()).map(Stream::from),
        }
    }
}

/// Takes one connection from the queue of a non-blocking listening socket; `WouldBlock` when it is empty.
/// Other errors: see [`Trouble::of`].
pub fn accept(listener: &OwnedFd) -> io::Result<Accepted> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, address) = acceptfrom_with(listener, flags)?;
    let peer = match address.and_then(|address| SocketAddr::try_from(address).ok()) {
        Some(address) => Peer::Tcp(address),
        None => Peer::Unix,
    };
    Ok(Accepted { socket, peer })
}

/// What a failed [`accept`] means for whoever called it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The queue is empty: wait for readiness.
    Empty,
    /// That one connection died before it was accepted, or a signal came: go on with the next.
    Passing,
    /// The process or the system is out of descriptors or memory (or it is an error nobody expects), and
    /// accepting again at once would fail again: back off. The connection stays in the queue.
    Exhausted,
}

impl Trouble {
    /// Sorts an error of [`accept`].
    pub fn of(error: &io::Error) -> Self {
        const PASSING: &[Errno] = &[
            Errno::CONNABORTED,
            Errno::CONNRESET,
            Errno::INTR,
            // Linux hands errors that are pending on the new socket to accept: they are that client's alone.
            Errno::PROTO,
            Errno::PERM,
            Errno::NOPROTOOPT,
            Errno::OPNOTSUPP,
            Errno::NETDOWN,
            Errno::NETUNREACH,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NONET,
            Errno::TIMEDOUT,
        ];
        if error.kind() == io::ErrorKind::WouldBlock {
            return Trouble::Empty;
        }
        match Errno::from_io_error(error) {
            Some(errno) if PASSING.contains(&errno) => Trouble::Passing,
            _ => Trouble::Exhausted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream as StdUnixStream;

    use super::*;
    use crate::config::Bind;
    use crate::net::listen;

    #[test]
    fn an_empty_queue_is_told_from_exhaustion_and_from_a_client_that_left() {
        let bind = Bind::Tcp("127.0.0.1:0".parse().expect("an address"));
        let listening = listen(&bind, 1, 16, &[]).expect("bound");
        let error = accept(&listening.sockets[0]).expect_err("nobody connected");
        assert_eq!(Trouble::of(&error), Trouble::Empty);
        assert_eq!(Trouble::of(&Errno::CONNABORTED.into()), Trouble::Passing);
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert_eq!(Trouble::of(&errno.into()), Trouble::Exhausted, "{errno:?}");
        }
    }

    #[test]
    fn a_tcp_peer_has_its_address_and_a_unix_peer_has_none() {
        let bind = Bind::Tcp("127.0.0.1:0".parse().expect("an address"));
        let listening = listen(&bind, 1, 16, &[]).expect("bound");
        let Bind::Tcp(address) = listening.bound else { panic!("tcp") };
        let client = std::net::TcpStream::connect(address).expect("connected");
        let accepted = accept(&listening.sockets[0]).expect("accepted");
        assert_eq!(accepted.peer, Peer::Tcp(client.local_addr().expect("an address")));

        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x.sock");
        let listening = listen(&Bind::Unix(path.clone()), 1, 16, &[]).expect("bound");
        let _client = StdUnixStream::connect(&path).expect("connected");
        assert_eq!(accept(&listening.sockets[0]).expect("accepted").peer, Peer::Unix);
    }
}
