//! HTTP/2, by h2, behind the same heads and the same byte streams as HTTP/1: each of its streams is a
//! [`crate::net::Channel`], so that an exchange is one piece of code whatever carries it.

mod ask;
mod body;
mod carrier;
mod client;
mod frames;
mod guard;
mod heads;
mod io;
mod link;
mod server;

pub use ask::{Asked, ask};
pub use carrier::{Accepted, Carrier, CarrierLimits};
pub use client::{ClientStream, Driver, STREAMS_MAX, Trunk};
pub use guard::Offence;
pub use link::Link;
pub use server::ServerStream;
