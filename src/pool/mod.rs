//! Connections to backends that wait for the next exchange, one worker's share: idle ones, newest first, and those
//! that many exchanges share (`shared`).
//!
//! The idle connection used last is used next: its congestion window is open, its backend least likely to have
//! given up on it, and those at the bottom grow old and are closed. Deliberately absent: limits on
//! connections in use, and any watching of idle ones; a connection is looked at when it is taken out,
//! which costs no system call, and once a second.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use crate::config;
use crate::error::Reason;
use crate::hash::{Map, Set};
use crate::net::{Stream, Tls, Transport};

mod shared;

use shared::SharedPool;
pub use shared::{Dialling, TRUNKS_MAX, Turn};

/// What connections can be used for each other: those to the same backend, made with the same transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The backend's id.
    pub backend: u64,
    /// [`Transport::fingerprint`].
    pub transport: u64,
}

impl Key {
    /// The key of connections to `backend` made with `transport`; `None`: HTTP/1.1 in the clear.
    #[inline]
    pub fn new(backend: u64, transport: Option<&Transport>) -> Self {
        Key { backend, transport: transport.map_or(0, Transport::fingerprint) }
    }
}

/// A connection to a backend that can take a request.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: Stream,
    /// When it was made.
    pub opened: Instant,
    /// Exchanges begun on it.
    pub n_requests: u64,
}

impl Connection {
    /// A connection just made.
    pub fn new(stream: Stream, opened: Instant) -> Self {
        Connection { stream, opened, n_requests: 0 }
    }

    /// Whether the backend has neither closed it nor sent anything unasked. No system call unless the
    /// reactor saw something arrive.
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0];
        matches!(self.stream.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// One worker's share of an upstream's `pool`.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Idle connections kept per backend.
    pub max_idle: usize,
    /// How long one may stay idle.
    pub idle: Option<Duration>,
    /// How old one may become.
    pub max_age: Option<Duration>,
    /// Exchanges on one.
    pub max_requests: Option<u64>,
}

impl Policy {
    /// `pool` shared out over `n_workers` workers, at least one connection each unless it is 0.
    pub fn share(pool: &config::Pool, n_workers: usize) -> Self {
        let max_idle = match pool.max_idle {
            0 => 0,
            n => (n / n_workers.max(1)).max(1),
        };
        Policy { max_idle, idle: pool.idle, max_age: pool.max_age, max_requests: pool.max_requests }
    }

    fn allows(&self, connection: &Connection, now: Instant) -> bool {
        let young = is_within(self.max_age, connection.opened, now);
        young && self.max_requests.is_none_or(|max| connection.n_requests < max)
    }
}

/// Whether less than `max` has passed at `now` since `since`. By an addition, which costs a third of a difference.
#[inline]
fn is_within(max: Option<Duration>, since: Instant, now: Instant) -> bool {
    max.and_then(|max| since.checked_add(max)).is_none_or(|end| now < end)
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Debug)]
struct Stack {
    policy: Policy,
    idle: VecDeque<Idle>,
}

/// One worker's idle connections.
#[derive(Debug, Default)]
pub struct Pool {
    stacks: RefCell<Map<Key, Stack>>,
    shared: SharedPool,
}

impl Pool {
    /// The connection with this key that was used last and is still good, or a stream on a shared one. Those that are
    /// not good any more are closed.
    pub fn take(&self, key: Key, now: Instant) -> Option<Connection> {
        if key.transport != 0
            && let Some(stream) = self.shared.take(key, now)
        {
            return Some(stream);
        }
        let mut stacks = self.stacks.borrow_mut();
        let stack = stacks.get_mut(&key)?;
        while let Some(idle) = stack.idle.pop_back() {
            let fresh = is_within(stack.policy.idle, idle.since, now);
            if fresh && stack.policy.allows(&idle.connection, now) && idle.connection.is_quiet() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Waits for room on a shared connection with this key, or for the turn to make one. `since`: none that was made
    /// before.
    ///
    /// # Errors
    /// Why the connection that was waited for could not be made.
    pub async fn turn(&self, key: Key, since: Option<Instant>) -> Result<Turn<'_>, Reason> {
        self.shared.turn(key, since).await
    }

    /// Keeps `connection`, which leads to `backend`, for the next exchange, as far as `policy` lets it; the oldest makes room.
    pub fn put(&self, backend: u64, connection: Connection, policy: Policy, now: Instant) {
        let is_a_stream = connection.stream.channel().is_some();
        if is_a_stream || policy.max_idle == 0 || !policy.allows(&connection, now) {
            return;
        }
        let key = Key { backend, transport: connection.stream.tls().map_or(0, Tls::made_with) };
        let mut stacks = self.stacks.borrow_mut();
        let stack = stacks.entry(key).or_insert_with(|| Stack { policy, idle: VecDeque::new() });
        stack.policy = policy;
        while stack.idle.len() >= policy.max_idle {
            stack.idle.pop_front();
        }
        stack.idle.push_back(Idle { connection, since: now });
    }

    /// Closes what is too old, idle for too long, or was closed by its backend.
    pub fn sweep(&self, now: Instant) {
        self.shared.sweep(now);
        let mut stacks = self.stacks.borrow_mut();
        for stack in stacks.values_mut() {
            let policy = stack.policy;
            stack.idle.retain(|idle| {
                is_within(policy.idle, idle.since, now)
                    && policy.allows(&idle.connection, now)
                    && idle.connection.is_quiet()
            });
        }
        stacks.retain(|_, stack| !stack.idle.is_empty());
    }

    /// Closes the connections whose key is not in `keys`.
    pub fn retain(&self, keys: &Set<Key>) {
        self.shared.retain(keys);
        self.stacks.borrow_mut().retain(|key, _| keys.contains(key));
    }

    /// Connections kept now, shared ones included.
    pub fn len(&self) -> usize {
        let n_idle: usize = self.stacks.borrow().values().map(|stack| stack.idle.len()).sum();
        n_idle + self.shared.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
