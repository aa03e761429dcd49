//! The data plane: a client connection becomes exchanges, an exchange finds its backend, bytes flow.
//!
//! The life of a request, each step a file:
//!
//! ```text
//! serve ─ connection   wait for a head, one exchange after the other, linger, close
//!         admit        head → Host, path → route                        | 4xx
//!         request_headers  hop-by-hop out, who asked in
//!         forward      pick → pool or dial → send → response head        | again | 502 503 504
//!         response_headers
//!         deliver      body to the client, connection back to the pool   | cut
//!         tunnel       after a 101: bytes both ways
//!         respond      a reason becomes a status, in one place
//!         finish       counters, access log
//! ```

mod admit;
mod client;
mod connection;
mod deliver;
mod exchange;
mod finish;
mod forward;
mod held_back;
mod hold;
mod log_lines;
mod request_headers;
mod respond;
mod response_headers;
mod timer;
mod tunnel;
mod worker;

pub use connection::serve;
pub use worker::{Gate, Worker};
