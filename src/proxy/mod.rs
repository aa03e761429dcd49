//! The data plane: a client connection becomes exchanges, an exchange finds its backend, bytes flow.
//!
//! The life of a request, each step a file:
//!
//! ```text
//! serve ─ handshake    TLS, where the listener speaks it
//!         connection   one exchange after the other, linger, close
//!         read_head    wait for a head
//!         http2        many exchanges at once, each stream a task of its own (stream)
//!         begin        crate::admit: head → route, fields, filters       | 4xx
//!         forward      pick, then one try after the other, until there is a response head
//!           attempt      pool or dial → send → await_head
//!           connect      the handshake, too
//!           await_head   the upload, 1xx, the final head
//!           again        after a try that failed: what retry (pure) allows  | 502 503 504
//!           race         a try on a stalled backend goes on beside another
//!         queue          waiting for a place at a backend                 | 503
//!         mirror         a copy to another upstream, that nobody waits for
//!         response_headers
//!         deliver      body to the client, connection back to the pool   | cut
//!         tunnel       after a 101: bytes both ways
//!         answer       without a backend: a reason, in respond, becomes a status
//!         cut          the process ends in the middle of it
//!         finish       counters, access log
//! ```

mod again;
mod answer;
mod attempt;
mod await_head;
mod begin;
mod connect;
mod connection;
mod cut;
mod deliver;
mod exchange;
mod expiry;
mod finish;
mod forward;
mod handshake;
mod held_back;
mod hold;
mod http2;
mod log_lines;
mod mirror;
mod pick;
mod preface;
mod queue;
mod race;
mod read_head;
mod respond;
mod response_headers;
mod retry;
mod retry_after;
#[cfg(test)]
mod stage;
mod stream;
mod timer;
mod tunnel;
mod worker;

pub use connection::serve;
pub use handshake::HANDSHAKES_MAX;
pub use retry::REFUSALS_MAX;
pub use worker::{Gate, Worker};
