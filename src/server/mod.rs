//! The process: workers, listening sockets, the control thread, start and stop.

use crate::config::Bind;

/// A running daemon in this process. Tests drive it as the binary does.
#[derive(Debug)]
pub struct Daemon;

/// A socket the daemon listens on, as bound (port 0 resolved).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The listener's name.
    pub listener: String,
    /// The address as bound.
    pub bind: Bind,
}
