//! Sockets: a client's or a backend's byte stream, listening, dialling. No HTTP here.

mod accept;
mod channel;
mod client_tls;
mod dial;
mod listen;
mod socket;
mod stream;
mod tls;
mod transport;

pub use accept::{Accepted, Trouble, accept};
pub use channel::{BackendChannel, Channel, ClientChannel};
pub use dial::{DialError, dial};
pub use listen::{
    BindError, Listening, SocketFile, display, listen, listen_privately, set_backlog,
};
pub use socket::Socket;
pub use stream::{Peer, Stream};
pub use tls::{HandshakeError, Tls};
pub use transport::{H2, HTTP11, Settings, Speaks, Transport};
