//! The data plane: a client connection becomes exchanges, an exchange finds its backend, bytes flow.

mod connection;
mod worker;

pub use connection::serve;
pub use worker::{Gate, Worker};
