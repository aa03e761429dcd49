//! Real peers: clients and servers of gRPC and WebSocket that others wrote, on both sides of the whole daemon at four
//! workers.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod grpc;
mod python;
mod websocket;
