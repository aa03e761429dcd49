//! Backends behind TLS and backends that speak HTTP/2, through the whole daemon at 4 workers, against peers that are
//! not ours: OpenSSL under Python, nghttpd, and the h2 crate's server where a peer has to misbehave.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod h2_peer;
mod hostile;
mod http2;
mod peers;
mod raw;
mod relay;
mod stalls;
mod tls;
mod trailers;
mod trunks;

use std::fmt::Display;

use support::{Message, Proxy};

/// A configuration with this `[upstream.app]`.
fn with_upstream(upstream: impl Display) -> String {
    format!(
        "[global]\nworkers = 4\nshutdown_grace = \"2s\"\n[[listener]]\nname = \"main\"\n\
         bind = \"127.0.0.1:0\"\n[[route]]\nupstream = \"app\"\n[upstream.app]\n{upstream}\n"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: client.test\r\n\r\n")
}

/// What comes to a request for `path` on a connection of its own.
#[track_caller]
fn ask(proxy: &Proxy, path: &str) -> Message {
    let mut client = proxy.connect();
    client.send(get(path));
    client.response()
}
