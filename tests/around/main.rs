//! What stands around every strategy, through the whole daemon at 4 workers: bounds, the queue, backups, sticky
//! sessions.
#![allow(unreachable_pub, reason = "a test crate exports nothing")]

#[path = "../support/mod.rs"]
mod support;

mod queue;
mod sticky;
mod tiers;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A configuration with this `[upstream.app]`.
fn with_upstream(upstream: &str) -> String {
    format!(
        "[global]\nworkers = 4\nshutdown_grace = \"2s\"\n[[listener]]\nname = \"main\"\n\
         bind = \"127.0.0.1:0\"\n[[route]]\nupstream = \"app\"\n[upstream.app]\n{upstream}\n"
    )
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}
