//! A backend that the test plays itself: it accepts when the test says so and sends what the test says.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use socket2::{Domain, Socket, Type};

use super::{DEADLINE, Wire};

/// A listening backend.
#[derive(Debug)]
pub struct Origin {
    listener: TcpListener,
}

impl Origin {
    /// Listens on a free port.
    pub fn bind() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a mode");
        Origin { listener }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket has an address")
    }

    /// The next connection.
    ///
    /// # Panics
    /// When none came within the deadline.
    #[track_caller]
    pub fn accept(&self) -> Wire {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.try_accept() {
                Some(wire) => return wire,
                None => assert!(Instant::now() < end, "no connection came to the backend"),
            }
            std::thread::park_timeout(std::time::Duration::from_micros(200));
        }
    }

    /// The next connection if one is there.
    pub fn try_accept(&self) -> Option<Wire> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a mode");
                Some(Wire::from(stream))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("accept: {error}"),
        }
    }
}

/// An address that refuses connections: it was bound a moment ago and its port is held by a socket
/// that does not listen.
#[derive(Debug)]
pub struct Refused {
    socket: Socket,
}

impl Refused {
    /// The address.
    pub fn address(&self) -> SocketAddr {
        let address = self.socket.local_addr().expect("a bound socket has an address");
        address.as_socket().expect("an IPv4 address")
    }
}

/// A port of its own that refuses connections for as long as the value lives.
pub fn refused_address() -> Refused {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a free port");
    Refused { socket }
}

/// An address where connecting takes for ever: its accept queue is full and nobody accepts.
#[derive(Debug)]
pub struct BlackHole {
    listener: Socket,
    _filling: Vec<TcpStream>,
}

impl BlackHole {
    /// Listens and fills the queue.
    pub fn open() -> BlackHole {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&any.into()).expect("a free port");
        listener.listen(0).expect("a listening socket");
        let address = listener.local_addr().expect("an address").as_socket().expect("IPv4");
        let short = std::time::Duration::from_millis(200);
        let mut filling = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, short) {
            filling.push(stream);
            assert!(filling.len() < 64, "the accept queue has no end");
        }
        BlackHole { listener, _filling: filling }
    }

    /// The address.
    pub fn address(&self) -> SocketAddr {
        let address = self.listener.local_addr().expect("a bound socket has an address");
        address.as_socket().expect("an IPv4 address")
    }
}
