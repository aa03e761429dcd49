//! HTTP/2, by h2, behind the same heads and the same byte streams as HTTP/1: each of its streams is a
//! [`crate::net::Channel`], so that an exchange is one piece of code whatever carries it.

mod body;
mod client;
mod heads;
mod io;
mod server;

pub use client::{ClientStream, Driver, Link, STREAMS_MAX};
pub use io::Io;
pub use server::ServerStream;
