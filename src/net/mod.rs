//! Sockets: a client's or a backend's byte stream, listening, dialling. No HTTP here.

mod accept;
mod dial;
mod listen;
mod stream;

pub use accept::{Accepted, Trouble, accept};
pub use dial::dial;
pub use listen::{
    BindError, Listening, SocketFile, display, listen, listen_privately, set_backlog,
};
pub use stream::{Peer, Stream};
