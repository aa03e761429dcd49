//! Sockets: a client's or a backend's byte stream, listening, dialling. No HTTP here.

mod accept;
mod channel;
mod dial;
mod listen;
mod socket;
mod stream;
mod tls;

pub use accept::{Accepted, Trouble, accept};
pub use channel::{BackendChannel, Channel, ClientChannel};
pub use dial::dial;
pub use listen::{
    BindError, Listening, SocketFile, display, listen, listen_privately, set_backlog,
};
pub use socket::Socket;
pub use stream::{Peer, Stream};
pub use tls::{HandshakeError, Tls};
