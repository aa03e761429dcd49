//! Connections that many exchanges share: one worker's share of those that speak HTTP/2.
//!
//! Whoever finds no room on one makes another, one at a time; the others wait for that, and for streams that end.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Notify;

use super::{Connection, Key, Policy, is_within};
use crate::error::Reason;
use crate::hash::{Map, Set};
use crate::http2::Trunk;
use crate::net::Stream;

/// Connections to one backend that one worker has at once.
pub const TRUNKS_MAX: usize = 16;

/// Requests on one connection, whatever its policy allows: half of those that it has numbers for (RFC 9113, section
/// 5.1.1), behind which it could take none, and would still look as if it could.
const REQUESTS_MAX: u64 = 1 << 29;

/// One worker's shared connections.
#[derive(Debug, Default)]
pub(super) struct SharedPool {
    groups: RefCell<Map<Key, Group>>,
}

/// Those that can be used for each other.
#[derive(Debug, Default)]
struct Group {
    trunks: Vec<Kept>,
    /// Somebody makes another.
    dials: bool,
    /// How often nobody could, and why the last time.
    n_failed: u64,
    failure: Option<Reason>,
    /// The backend was last found to speak HTTP/1.1, of which each exchange has a connection of its own.
    speaks_http1: bool,
    news: Arc<Notify>,
}

#[derive(Debug)]
struct Kept {
    trunk: Trunk,
    policy: Policy,
    opened: Instant,
    n_requests: u64,
    idle_since: Option<Instant>,
}

impl Kept {
    /// Whether new streams may go on it.
    fn is_good(&self, now: Instant) -> bool {
        let Policy { max_idle, idle, max_age, max_requests } = self.policy;
        let is_idle = self.trunk.n_streams() == 0;
        let too_long = is_idle && self.idle_since.is_some_and(|since| !is_within(idle, since, now));
        // What was made a moment ago has not been used yet.
        let unwanted = max_idle == 0 && is_idle && self.n_requests > 0;
        is_within(max_age, self.opened, now)
            && self.n_requests < max_requests.map_or(REQUESTS_MAX, |max| max.min(REQUESTS_MAX))
            && !too_long
            && !unwanted
            && !self.trunk.is_leaving()
    }

    fn stream(&mut self) -> Connection {
        self.n_requests += 1;
        self.idle_since = None;
        let stream = Stream::Channel(Box::new(self.trunk.stream()));
        Connection { stream, opened: self.opened, n_requests: self.n_requests - 1 }
    }
}

impl Group {
    /// A stream on the one with the fewest, of those made at `since` or later, if one has room.
    fn take(&mut self, since: Option<Instant>, now: Instant) -> Option<Connection> {
        self.trunks.retain(|kept| kept.is_good(now));
        let young = self.trunks.iter_mut();
        let young = young.filter(|kept| since.is_none_or(|since| kept.opened >= since));
        let least = young.min_by_key(|kept| kept.trunk.n_streams())?;
        (least.trunk.room() > 0).then(|| least.stream())
    }
}

/// What somebody who needs a connection is to do.
#[derive(Debug)]
pub enum Turn<'a> {
    /// Use this.
    Take(Connection),
    /// Make one; others may wait for it.
    Dial(Dialling<'a>),
}

impl SharedPool {
    /// A stream on a connection that is there, if one has room.
    pub(super) fn take(&self, key: Key, now: Instant) -> Option<Connection> {
        self.groups.borrow_mut().get_mut(&key)?.take(None, now)
    }

    /// Waits for room, or for the turn to make a connection. `since`: one made before is none.
    ///
    /// # Errors
    /// Why the connection that was waited for could not be made.
    pub(super) async fn turn(&self, key: Key, since: Option<Instant>) -> Result<Turn<'_>, Reason> {
        let mut n_failed = None;
        loop {
            let news = {
                let mut groups = self.groups.borrow_mut();
                let group = groups.entry(key).or_default();
                if *n_failed.get_or_insert(group.n_failed) != group.n_failed
                    && let Some(reason) = group.failure
                {
                    return Err(reason);
                }
                if let Some(connection) = group.take(since, Instant::now()) {
                    return Ok(Turn::Take(connection));
                }
                if group.speaks_http1 {
                    return Ok(Turn::Dial(Dialling { pool: self, key, is_alone: true }));
                }
                // What was made a moment ago will have room as soon as its peer says so.
                let is_soon = group.trunks.iter().any(|kept| kept.trunk.is_unsettled());
                if !group.dials && !is_soon && group.trunks.len() < TRUNKS_MAX {
                    group.dials = true;
                    return Ok(Turn::Dial(Dialling { pool: self, key, is_alone: false }));
                }
                Arc::clone(&group.news)
            };
            news.notified().await;
        }
    }

    /// Closes what is too old or idle for too long, once its streams have ended.
    pub(super) fn sweep(&self, now: Instant) {
        for group in self.groups.borrow_mut().values_mut() {
            for kept in &mut group.trunks {
                match kept.trunk.n_streams() {
                    0 => drop(kept.idle_since.get_or_insert(now)),
                    _ => kept.idle_since = None,
                }
            }
            let n_before = group.trunks.len();
            group.trunks.retain(|kept| kept.is_good(now));
            if group.trunks.len() < n_before {
                group.news.notify_one();
            }
        }
    }

    /// Lets go of the connections whose key is not in `keys`: they end with their streams.
    pub(super) fn retain(&self, keys: &Set<Key>) {
        self.groups.borrow_mut().retain(|key, group| {
            let stays = keys.contains(key) || group.dials;
            if !stays {
                group.news.notify_waiters();
            }
            stays
        });
    }

    /// Connections kept now.
    pub(super) fn len(&self) -> usize {
        self.groups.borrow().values().map(|group| group.trunks.len()).sum()
    }
}

/// The turn to make a connection. Dropped without a word, it is the next one's.
#[derive(Debug)]
pub struct Dialling<'a> {
    pool: &'a SharedPool,
    key: Key,
    /// Nobody waits for it.
    is_alone: bool,
}

impl Dialling<'_> {
    /// Who is to be told of room on the connection.
    pub fn news(&self) -> Arc<Notify> {
        self.with(|group| Arc::clone(&group.news))
    }

    /// It is there: the first stream on it.
    pub fn done(self, trunk: Trunk, policy: Policy, opened: Instant) -> Connection {
        let mut kept = Kept { trunk, policy, opened, n_requests: 0, idle_since: None };
        let connection = kept.stream();
        self.with(|group| {
            group.speaks_http1 = false;
            // Where each made one for itself and found another version than before, they may be too many: what is not
            // kept ends with its stream.
            if group.trunks.len() < TRUNKS_MAX {
                group.trunks.push(kept);
            }
        });
        connection
    }

    /// It is there, but speaks HTTP/1.1: nobody need wait for another any more.
    pub fn speaks_http1(self) {
        if !self.is_alone {
            self.with(|group| {
                group.speaks_http1 = true;
                group.news.notify_waiters();
            });
        }
    }

    /// There is none, and whoever waited for it gets none either.
    pub fn failed(self, reason: Reason) {
        if !self.is_alone {
            self.with(|group| {
                group.n_failed += 1;
                group.failure = Some(reason);
                group.news.notify_waiters();
            });
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Group) -> T) -> T {
        change(self.pool.groups.borrow_mut().entry(self.key).or_default())
    }
}

impl Drop for Dialling<'_> {
    fn drop(&mut self) {
        if !self.is_alone {
            self.with(|group| {
                group.dials = false;
                group.news.notify_one();
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { max_idle: 1, idle: None, max_age: None, max_requests: None };

    /// A connection whose peer has yet to say anything, and what keeps it alive.
    async fn trunk() -> (Trunk, impl Sized) {
        let (ours, theirs) = tokio::net::UnixStream::pair().expect("a pair");
        let opened = Trunk::open(ours.into(), Arc::default()).await;
        let (trunk, driver) = opened.expect("nothing is waited for");
        (trunk, (driver, theirs))
    }

    #[tokio::test]
    async fn no_connection_is_used_until_its_numbers_run_out() {
        let (trunk, _alive) = trunk().await;
        let (opened, n_requests) = (Instant::now(), REQUESTS_MAX - 1);
        let kept = Kept { trunk, policy: POLICY, opened, n_requests, idle_since: None };
        let mut group = Group { trunks: vec![kept], ..Group::default() };
        assert!(group.take(None, opened).is_some(), "the last one");
        assert!(group.take(None, opened).is_none());
        assert!(group.trunks.is_empty(), "it ends with its streams");
    }

    #[tokio::test]
    async fn a_backend_that_learns_http2_is_kept_no_more_connections_than_any_other() {
        let (pool, key) = (SharedPool::default(), Key { backend: 1, transport: 4 });
        let Ok(Turn::Dial(first)) = pool.turn(key, None).await else { panic!("nobody dials") };
        first.speaks_http1();
        let mut alive = Vec::new();
        let mut turns = Vec::new();
        for _ in 0..=TRUNKS_MAX {
            let Ok(Turn::Dial(turn)) = pool.turn(key, None).await else { panic!("all dial") };
            turns.push(turn);
        }
        for turn in turns {
            let (trunk, is_alive) = trunk().await;
            alive.push((turn.done(trunk, POLICY, Instant::now()), is_alive));
        }
        assert_eq!(pool.len(), TRUNKS_MAX);
    }
}
