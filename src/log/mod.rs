//! Everything that is written for people or collectors: operator events and the access log.
//!
//! Lines leave through one writer thread per target behind a bounded channel: a blocked pipe or a full
//! disk costs lines, never time on a worker. How a line looks is decided by pure functions
//! ([`access`], [`escape`]); who writes which line is decided elsewhere (`proxy`, `control`, `server`).

pub mod access;
pub mod escape;
pub mod operator;
mod time;
mod writer;

pub use access::{AccessRecord, LoggedHeader, header_json, names_json, write_combined, write_json};
pub use time::{TimeCache, since_1970};
pub use writer::{LineSender, Writer};
