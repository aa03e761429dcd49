//! Names to addresses. Which name is asked when, and what an answer changes, is decided here without a clock
//! or a socket of its own; asking (getaddrinfo, so that /etc/hosts counts) happens on helper threads.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::hash::Map;
use crate::snapshot::{HostPort, Names};

/// Asks the system for the addresses of a name. Blocks.
pub type Lookup = Arc<dyn Fn(&HostPort) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// The system's resolver.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|name| Ok((&*name.host, name.port).to_socket_addrs()?.collect()))
}

/// An answer, or why there is none.
pub(super) type Answer = Result<Vec<SocketAddr>, String>;

/// What is known of every name that the configuration uses.
#[derive(Debug)]
pub(super) struct Resolver {
    states: Map<HostPort, State>,
    /// How often a name that has resolved is asked again.
    every: Duration,
}

#[derive(Debug)]
struct State {
    /// The last good set, sorted, without doubles.
    addresses: Option<Arc<[SocketAddr]>>,
    /// When it is asked next.
    due: Instant,
    /// A question is under way.
    asked: bool,
    /// The last answer was none; said once.
    failing: bool,
}

impl Resolver {
    /// How often a name that has resolved is asked again, usually.
    pub(super) const EVERY: Duration = Duration::from_secs(30);
    /// How often one that never has.
    pub(super) const FIRST: Duration = Duration::from_secs(1);
    /// Questions under way at once.
    pub(super) const ASKED_MAX: usize = 32;

    /// One that knows nothing yet and asks again `every` so often.
    pub(super) fn asking_every(every: Duration) -> Self {
        Resolver { states: Map::default(), every }
    }

    /// The last good sets.
    pub(super) fn names(&self) -> Names {
        let known = self.states.iter().filter_map(|(name, state)| {
            state.addresses.as_ref().map(|found| (name.clone(), Arc::clone(found)))
        });
        known.collect()
    }

    /// Keeps to the names that are `wanted` now: others are forgotten, new ones are due at once.
    pub(super) fn keep(&mut self, wanted: &[HostPort], now: Instant) {
        let mut before = std::mem::take(&mut self.states);
        for name in wanted {
            let fresh = || State { addresses: None, due: now, asked: false, failing: false };
            let state = before.remove(name).unwrap_or_else(fresh);
            self.states.insert(name.clone(), state);
        }
    }

    /// The names to ask now; each counts as under way until it is answered.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<HostPort> {
        let n_asked = self.states.values().filter(|state| state.asked).count();
        let due = self.states.iter_mut().filter(|(_, state)| !state.asked && state.due <= now);
        let due = due.take(Self::ASKED_MAX.saturating_sub(n_asked));
        due.map(|(name, state)| {
            state.asked = true;
            name.clone()
        })
        .collect()
    }

    /// Takes an answer; true if the name's addresses differ now. A failure leaves the last good set. Each
    /// change of state is told once. An answer to a name that is no longer wanted is ignored.
    pub(super) fn answer(&mut self, name: &HostPort, answer: Answer, now: Instant) -> bool {
        let Some(state) = self.states.get_mut(name) else { return false };
        state.asked = false;
        match answer.and_then(|found| sorted(found).ok_or_else(|| "it has no address".into())) {
            Ok(found) => {
                state.due = now + self.every;
                if std::mem::take(&mut state.failing) {
                    tracing::info!(name = %label(name), "the name resolves again");
                }
                if state.addresses.as_deref() == Some(&*found) {
                    return false;
                }
                tracing::debug!(name = %label(name), addresses = ?found, "the name has new addresses");
                state.addresses = Some(found);
                true
            }
            Err(reason) => {
                let known = state.addresses.is_some();
                state.due = now + if known { self.every } else { Self::FIRST };
                if !std::mem::replace(&mut state.failing, true) {
                    let then =
                        if known { "its last addresses stay" } else { "asking again every second" };
                    tracing::warn!(name = %label(name), reason, then, "the name does not resolve");
                }
                false
            }
        }
    }
}

fn label(name: &HostPort) -> String {
    format!("{}:{}", name.host, name.port)
}

/// An answer as it is kept: sorted, without doubles; `None` if there is no address in it.
pub(super) fn sorted(mut found: Vec<SocketAddr>) -> Option<Arc<[SocketAddr]>> {
    found.sort();
    found.dedup();
    (!found.is_empty()).then(|| found.into())
}

/// Asks for all `names`, several at a time, and waits at most `patience`: one that has not answered by then
/// has failed. A helper that still waits for the system then ends by itself.
pub(super) fn ask_all(
    names: &[HostPort],
    lookup: &Lookup,
    patience: Duration,
) -> Vec<(HostPort, Answer)> {
    let deadline = Instant::now() + patience;
    let queue: Arc<Mutex<VecDeque<HostPort>>> =
        Arc::new(Mutex::new(names.iter().cloned().collect()));
    let (sender, receiver) = mpsc::sync_channel(names.len().max(1));
    for _ in 0..names.len().min(Resolver::ASKED_MAX) {
        let (queue, sender, lookup) = (Arc::clone(&queue), sender.clone(), Arc::clone(lookup));
        let ask = move || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(name) = next else { return };
                let answer = lookup(&name).map_err(|error| error.to_string());
                if sender.send((name, answer)).is_err() {
                    return;
                }
            }
        };
        // Without a thread the name counts as not answered.
        let _ = thread::Builder::new().name("resolve".into()).spawn(ask);
    }
    drop(sender);
    let mut answers: Map<HostPort, Answer> = Map::default();
    while answers.len() < names.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok((name, answer)) = receiver.recv_timeout(left) else { break };
        answers.insert(name, answer);
    }
    queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let late = || Err(format!("no answer within {} s", patience.as_secs()));
    names.iter().map(|name| (name.clone(), answers.remove(name).unwrap_or_else(late))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(host: &str) -> HostPort {
        HostPort { host: host.into(), port: 80 }
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    fn known(resolver: &Resolver, host: &str) -> Option<Vec<SocketAddr>> {
        resolver.names().get(&name(host)).map(|found| found.to_vec())
    }

    #[test]
    fn answers_are_sorted_without_doubles_and_only_a_difference_is_a_change() {
        let now = Instant::now();
        let mut resolver = Resolver::asking_every(Resolver::EVERY);
        resolver.keep(&[name("a")], now);
        assert_eq!(resolver.take_due(now), [name("a")]);
        let found = addresses(&["10.0.0.2:80", "10.0.0.1:80", "10.0.0.2:80"]);
        assert!(resolver.answer(&name("a"), Ok(found), now));
        assert_eq!(known(&resolver, "a"), Some(addresses(&["10.0.0.1:80", "10.0.0.2:80"])));
        let again = addresses(&["10.0.0.1:80", "10.0.0.2:80"]);
        assert!(!resolver.answer(&name("a"), Ok(again), now));
    }

    #[test]
    fn the_last_good_set_stays_when_the_name_stops_resolving() {
        let now = Instant::now();
        let mut resolver = Resolver::asking_every(Resolver::EVERY);
        resolver.keep(&[name("a")], now);
        assert!(resolver.answer(&name("a"), Ok(addresses(&["10.0.0.1:80"])), now));
        assert!(!resolver.answer(&name("a"), Err("gone".into()), now));
        assert!(!resolver.answer(&name("a"), Ok(Vec::new()), now), "no address is no answer");
        assert_eq!(known(&resolver, "a"), Some(addresses(&["10.0.0.1:80"])));
        assert!(resolver.take_due(now + Resolver::FIRST).is_empty());
        assert_eq!(resolver.take_due(now + Resolver::EVERY), [name("a")]);
    }

    #[test]
    fn a_name_that_never_resolved_is_asked_every_second_and_then_every_thirty() {
        let now = Instant::now();
        let mut resolver = Resolver::asking_every(Resolver::EVERY);
        resolver.keep(&[name("a")], now);
        assert_eq!(resolver.take_due(now), [name("a")]);
        assert!(resolver.take_due(now).is_empty(), "one question at a time");
        assert!(!resolver.answer(&name("a"), Err("unknown".into()), now));
        assert_eq!(known(&resolver, "a"), None);
        assert_eq!(resolver.take_due(now + Resolver::FIRST), [name("a")]);
        assert!(resolver.answer(&name("a"), Ok(addresses(&["10.0.0.1:80"])), now));
        assert!(resolver.take_due(now + Resolver::FIRST).is_empty());
    }

    #[test]
    fn names_that_a_reload_keeps_keep_their_addresses_and_others_are_forgotten() {
        let now = Instant::now();
        let mut resolver = Resolver::asking_every(Resolver::EVERY);
        resolver.keep(&[name("a"), name("b")], now);
        assert!(resolver.answer(&name("a"), Ok(addresses(&["10.0.0.1:80"])), now));
        assert!(resolver.answer(&name("b"), Ok(addresses(&["10.0.0.2:80"])), now));
        resolver.keep(&[name("a"), name("c")], now);
        assert_eq!(known(&resolver, "a"), Some(addresses(&["10.0.0.1:80"])));
        assert_eq!(known(&resolver, "b"), None);
        assert_eq!(resolver.take_due(now), [name("c")]);
        assert!(!resolver.answer(&name("b"), Ok(addresses(&["10.0.0.3:80"])), now));
    }

    #[test]
    fn questions_under_way_are_bounded() {
        let now = Instant::now();
        let names: Vec<HostPort> = (0..100).map(|n| name(&format!("n{n}"))).collect();
        let mut resolver = Resolver::asking_every(Resolver::EVERY);
        resolver.keep(&names, now);
        let asked = resolver.take_due(now);
        assert_eq!(asked.len(), Resolver::ASKED_MAX);
        assert!(resolver.take_due(now).is_empty());
        resolver.answer(&asked[0], Err("unknown".into()), now);
        assert_eq!(resolver.take_due(now).len(), 1);
    }

    #[test]
    fn a_resolver_that_hangs_costs_its_own_name_and_no_other() {
        let (release, hang) = mpsc::channel::<()>();
        let hang = Mutex::new(hang);
        let lookup: Lookup = Arc::new(move |name| {
            if &*name.host == "hangs" {
                // Until the test ends and drops the other end.
                let _ = hang.lock().unwrap_or_else(PoisonError::into_inner).recv();
            }
            Ok(vec![SocketAddr::from(([10, 0, 0, 1], name.port))])
        });
        let names = [name("hangs"), name("works")];
        let answers = ask_all(&names, &lookup, Duration::from_millis(200));
        assert!(answers[0].1.is_err());
        assert_eq!(answers[1].1, Ok(addresses(&["10.0.0.1:80"])));
        drop(release);
    }

    #[test]
    fn localhost_resolves_by_the_system() {
        let answers = ask_all(&[name("localhost")], &system_lookup(), Duration::from_secs(5));
        let found = answers[0].1.as_ref().expect("localhost has an address");
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
    }
}
