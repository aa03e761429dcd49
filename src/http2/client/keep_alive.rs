//! Whether a peer that says nothing is still there. Pure: the driver tells what happened and does what is said.
//!
//! Only while streams wait. Servers of gRPC close connections on which they are pinged more than a few times while
//! they have nothing to say, so that the pauses grow.

use std::time::{Duration, Instant};

/// How long a peer may be silent while streams wait before it is asked, the first times.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20)];

/// And from then on: more than the five minutes that servers of gRPC want between two pings.
const LATER: Duration = Duration::from_secs(310);

/// How long the answer may take: what gRPC allows for it. A server of one thread that is busy answers nobody meanwhile.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What is known of a peer's silence.
#[derive(Debug, Default)]
pub(super) struct KeepAlive {
    /// Since when it has been silent while streams waited.
    silent_since: Option<Instant>,
    /// When it was asked, unless it has answered.
    asked: Option<Instant>,
    n_asked: usize,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing, until something happens.
    Rest,
    /// Look again then.
    Wait(Instant),
    /// Ask, and look again.
    Ask,
    /// Nobody is there.
    Dead,
}

impl KeepAlive {
    /// The peer answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.asked = None;
        self.silent_since = self.silent_since.map(|_| now);
    }

    /// What follows at `now`. `heard`: something came besides the answer to a ping.
    pub(super) fn step(&mut self, now: Instant, n_streams: usize, heard: bool) -> Next {
        if n_streams == 0 {
            *self = KeepAlive { asked: self.asked, ..KeepAlive::default() };
            return Next::Rest;
        }
        if heard {
            *self = KeepAlive { asked: self.asked, silent_since: Some(now), n_asked: 0 };
        }
        if let Some(asked) = self.asked {
            // Whoever sends something else is alive, whatever it does with pings.
            let since = self.silent_since.map_or(asked, |silent| silent.max(asked));
            let until = since + ANSWER_WITHIN;
            return if now >= until { Next::Dead } else { Next::Wait(until) };
        }
        let since = *self.silent_since.get_or_insert(now);
        let pause = PAUSES.get(self.n_asked).copied().unwrap_or(LATER);
        if now < since + pause {
            return Next::Wait(since + pause);
        }
        self.asked = Some(now);
        self.n_asked += 1;
        Next::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Peer {
        start: Instant,
        keep_alive: KeepAlive,
    }

    impl Peer {
        fn new() -> Self {
            Peer { start: Instant::now(), keep_alive: KeepAlive::default() }
        }

        fn at(&self, seconds: u64) -> Instant {
            self.start + Duration::from_secs(seconds)
        }

        fn step(&mut self, seconds: u64, n_streams: usize, heard: bool) -> Next {
            self.keep_alive.step(self.at(seconds), n_streams, heard)
        }
    }

    #[test]
    fn a_peer_that_dies_is_found_within_seconds() {
        let mut peer = Peer::new();
        assert_eq!(peer.step(0, 1, true), Next::Wait(peer.at(5)));
        assert_eq!(peer.step(5, 1, false), Next::Ask);
        assert_eq!(peer.step(5, 1, false), Next::Wait(peer.at(25)));
        // That others begin to wait as well changes nothing.
        assert_eq!(peer.step(8, 3, false), Next::Wait(peer.at(25)));
        assert_eq!(peer.step(25, 3, false), Next::Dead);
    }

    #[test]
    fn nobody_is_asked_while_nobody_waits() {
        let mut peer = Peer::new();
        assert_eq!(peer.step(0, 0, true), Next::Rest);
        assert_eq!(peer.step(1000, 0, false), Next::Rest);
        assert_eq!(peer.step(1000, 1, false), Next::Wait(peer.at(1005)));
    }

    #[test]
    fn who_answers_is_asked_ever_more_seldom_until_it_says_something() {
        let mut peer = Peer::new();
        let mut now = 0;
        for pause in [5, 10, 20, 310, 310] {
            assert_eq!(peer.step(now, 1, false), Next::Wait(peer.at(now + pause)));
            now += pause;
            assert_eq!(peer.step(now, 1, false), Next::Ask);
            peer.keep_alive.answered(peer.at(now));
        }
        assert_eq!(peer.step(now, 1, true), Next::Wait(peer.at(now + 5)));
    }

    #[test]
    fn who_sends_something_else_is_alive() {
        let mut peer = Peer::new();
        peer.step(0, 1, true);
        assert_eq!(peer.step(5, 1, false), Next::Ask);
        for now in [8, 12, 16, 20] {
            assert_eq!(peer.step(now, 1, true), Next::Wait(peer.at(now + 20)));
        }
        assert_eq!(peer.step(40, 1, false), Next::Dead);
    }
}
