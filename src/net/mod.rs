//! Sockets: a client's or a backend's byte stream, listening, dialling. No HTTP here.

mod dial;
mod stream;

pub use dial::dial;
pub use stream::{Peer, Stream};
