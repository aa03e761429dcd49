//! Forebay: an HTTP reverse proxy and load balancer.
#![forbid(unsafe_code)]

pub mod backend;
pub mod balance;
pub mod cli;
pub mod config;
pub mod control;
pub mod error;
pub mod hash;
pub mod http1;
pub mod log;
pub mod message;
pub mod metrics;
pub mod net;
pub mod pool;
pub mod proxy;
pub mod relay;
pub mod rng;
pub mod route;
pub mod server;
pub mod snapshot;
