//! Backends that hang, and all that must not be taken for it: small simulated upstreams, looked at every 20 ms.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::backend::Cause;
use crate::rng::Rng;

/// Nobody waits for longer.
const NEVER: Duration = Duration::from_secs(3600);

/// Requests that come at a rate, go round, and take as long as `takes` says.
struct Load<'a> {
    world: World,
    random: Rng,
    per_second: u64,
    /// Of the backend, the time since the beginning, and a random number: how long a request takes.
    takes: &'a dyn Fn(usize, Duration, u64) -> Duration,
    under_way: BinaryHeap<Reverse<(Instant, u64)>>,
    permits: std::collections::HashMap<u64, (usize, Permit, Instant)>,
    n_requests: u64,
    next: usize,
    /// Clients that each wait for their answer before they ask again, instead of so many a second.
    n_clients: Option<u64>,
    start: Instant,
    /// When which one was first found stalled.
    found: Option<(usize, Duration)>,
}

impl<'a> Load<'a> {
    fn new(n: u64, per_second: u64, takes: &'a dyn Fn(usize, Duration, u64) -> Duration) -> Self {
        let world = World::new(n);
        let start = world.now;
        Load {
            world,
            random: Rng::seeded(9),
            per_second,
            takes,
            under_way: BinaryHeap::new(),
            permits: std::collections::HashMap::new(),
            n_requests: 0,
            next: 0,
            n_clients: None,
            start,
            found: None,
        }
    }

    fn request(&mut self) {
        let n = self.world.members.len();
        let Some((to, permit)) = (0..n).find_map(|step| {
            let to = (self.next + step) % n;
            Some((to, self.world.send(to)?))
        }) else {
            return;
        };
        self.next = (to + 1) % n;
        let elapsed = self.world.now - self.start;
        let done = self.world.now + (self.takes)(to, elapsed, self.random.next_u64());
        self.n_requests += 1;
        self.under_way.push(Reverse((done, self.n_requests)));
        self.permits.insert(self.n_requests, (to, permit, self.world.now));
    }

    fn answer(&mut self) {
        while let Some(Reverse((done, number))) = self.under_way.peek().copied() {
            if done > self.world.now {
                return;
            }
            self.under_way.pop();
            if let Some((_, mut permit, sent)) = self.permits.remove(&number) {
                self.world.judge_after(&mut permit, OK, done - sent);
            }
        }
    }

    /// Steps of a millisecond for so long.
    fn run(mut self, time: Duration) -> Self {
        let end = self.world.now + time;
        while self.world.now < end {
            self.world.now += ms(1);
            self.answer();
            let elapsed = (self.world.now - self.start).as_millis() as u64;
            let n_new =
                (elapsed * self.per_second) / 1000 - ((elapsed - 1) * self.per_second) / 1000;
            let n_new = match self.n_clients {
                Some(n_clients) => n_clients.saturating_sub(self.permits.len() as u64),
                None => n_new,
            };
            (0..n_new).for_each(|_| self.request());
            if elapsed.is_multiple_of(20) && self.world.watch().found_stalled {
                let cause = |n: &usize| self.world.backend(*n).standing().cause == Cause::Stalled;
                let which = (0..self.world.members.len()).find(cause).unwrap_or(usize::MAX);
                self.found = self.found.or(Some((which, self.world.now - self.start)));
            }
        }
        self
    }

    fn n_stalls(&self) -> u64 {
        self.world.cohort.n_changes(Cause::Stalled)
    }
}

fn second(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_hung_one_of_three_is_found_within_tens_of_milliseconds_and_raced() {
    let takes = |n: usize, at: Duration, random: u64| match n {
        1 if at >= second(2) => NEVER,
        _ => Duration::from_micros(500 + random % 1000),
    };
    let load = Load::new(3, 3000, &takes).run(second(3));
    let (which, when) = load.found.expect("it is found");
    // Five requests to it take 5 ms; then 50 ms, and the next look.
    assert!(which == 1 && when > second(2) + ms(50) && when <= second(2) + ms(80), "{when:?}");
    assert!(load.world.backend(1).is_stalled());
    assert_eq!(load.world.states(), [State::Up, State::Open, State::Up]);
    assert_eq!((load.n_stalls(), load.world.cohort.n_ejected()), (1, 0));
}

#[test]
fn a_hung_one_is_found_when_it_has_caught_every_client_within_a_moment() {
    for (n, n_clients) in [(2, 64), (3, 64), (3, 8), (10, 8)] {
        let takes =
            |n: usize, at: Duration, _: u64| if n == 1 && at >= second(2) { NEVER } else { ms(1) };
        let load = Load { n_clients: Some(n_clients), ..Load::new(n, 0, &takes) }.run(second(3));
        let (which, when) = load.found.expect("it is found");
        assert!(which == 1 && when <= second(2) + ms(140), "{n_clients} of {n}: {when:?}");
    }
    let takes = |_: usize, at: Duration, random: u64| match at >= second(2) && at < second(4) {
        true => second(4) - at + ms(random % 30),
        false => ms(1 + random % 5),
    };
    for (n, n_clients) in [(2, 64), (3, 64), (3, 8), (3, 16), (10, 100), (10, 40)] {
        let load = Load { n_clients: Some(n_clients), ..Load::new(n, 0, &takes) }.run(second(6));
        assert_eq!(load.n_stalls(), 0, "{n_clients} of {n}, all stop for a while");
    }
}

#[test]
fn a_hung_one_is_found_though_the_others_were_not_quick_just_when_it_caught_all() {
    let busy = second(2) - ms(25);
    let takes = |n: usize, at: Duration, random: u64| match n {
        1 if at >= second(2) => NEVER,
        // The machine is busy with something else.
        _ if at >= busy => ms(20 + random % 15),
        _ => ms(1),
    };
    for (n, n_clients) in [(2, 64), (3, 64), (3, 16)] {
        let load = Load { n_clients: Some(n_clients), ..Load::new(n, 0, &takes) }.run(second(5));
        let (which, when) = load.found.expect("it is found");
        assert!(which == 1 && when <= second(2) + ms(1200), "{n_clients} of {n}: {when:?}");
    }
}

#[test]
fn the_slower_the_upstream_the_longer_the_silence_has_to_be() {
    let takes = |n: usize, at: Duration, random: u64| match n {
        0 if at >= second(5) => NEVER,
        _ => ms(30 + random % 40),
    };
    let load = Load::new(3, 1000, &takes).run(second(8));
    let (_, when) = load.found.expect("it is found");
    assert!(when > second(5) + ms(400) && when < second(5) + ms(1200), "{when:?}");
}

#[test]
fn two_hung_ones_of_three_are_both_found_and_the_last_never() {
    let takes =
        |n: usize, at: Duration, _: u64| if n > 0 && at >= second(1) { NEVER } else { ms(2) };
    let load = Load::new(3, 2000, &takes).run(second(3));
    assert_eq!(load.world.states(), [State::Up, State::Open, State::Open]);
    let takes = |_: usize, at: Duration, _: u64| if at >= second(1) { NEVER } else { ms(2) };
    let load = Load::new(3, 2000, &takes).run(second(10));
    assert_eq!((load.n_stalls(), load.world.states()), (0, vec![State::Up; 3]), "all hang");
    let load = Load::new(1, 2000, &takes).run(second(3));
    assert_eq!(load.n_stalls(), 0, "one alone");
}

#[test]
fn an_upstream_that_is_slow_as_a_whole_be_it_suddenly_does_not_stall() {
    let constant = |_: usize, _: Duration, random: u64| ms(1900 + random % 200);
    let sudden = |_: usize, at: Duration, random: u64| match at >= second(3) {
        true => ms(1900 + random % 200),
        false => ms(2 + random % 6),
    };
    let frozen = |_: usize, at: Duration, random: u64| match at.as_secs() % 5 == 4 {
        // A database of all of them stops for a second, again and again.
        true => {
            second(5) - Duration::from_nanos(at.as_nanos() as u64 % 5_000_000_000) + ms(random % 20)
        }
        false => ms(2 + random % 6),
    };
    for takes in [&constant as &dyn Fn(_, _, _) -> _, &sudden, &frozen] {
        for (n, per_second) in [(2, 40), (3, 300), (3, 2000)] {
            assert_eq!(Load::new(n, per_second, takes).run(second(20)).n_stalls(), 0);
        }
    }
}

#[test]
fn long_polls_among_fast_requests_do_not_stall() {
    for percent in [95, 50, 20, 5, 2] {
        let takes = |_: usize, _: Duration, random: u64| match random % 100 < percent {
            true => second(30),
            false => ms(1 + (random >> 32) % 10),
        };
        for per_second in [5, 30, 200] {
            let load = Load::new(3, per_second, &takes).run(second(60));
            assert_eq!(load.n_stalls(), 0, "{percent} % of {per_second} a second");
        }
    }
}

#[test]
fn one_that_is_slower_than_its_peers_does_not_stall() {
    for (quick, slow, at) in [(10, 50, 0), (10, 50, 3), (2, 10, 3), (100, 500, 3)] {
        let takes = |n: usize, now: Duration, random: u64| match n == 0 && now >= second(at) {
            true => ms(slow * 9 / 10) + Duration::from_micros(random % (slow * 200)),
            false => ms(quick * 9 / 10) + Duration::from_micros(random % (quick * 200)),
        };
        for per_second in [20, 300, 2000] {
            assert_eq!(Load::new(3, per_second, &takes).run(second(10)).n_stalls(), 0, "{slow} ms");
        }
    }
}

#[test]
fn little_traffic_is_no_evidence() {
    let takes = |n: usize, _: Duration, random: u64| match (n, random % 3) {
        (0, 0) => second(40),
        _ => ms(3),
    };
    let load = Load::new(3, 2, &takes).run(second(120));
    assert_eq!(load.n_stalls(), 0);
    // Four that are never answered are too few.
    let mut world = World::new(2);
    (0..40).for_each(|n| world.request(n % 2, OK));
    let mut held: Vec<_> = (0..4).filter_map(|_| world.send(0)).collect();
    for stalls in [0, 1] {
        for _ in 0..200 {
            world.request(1, OK);
            world.after(ms(20));
        }
        assert_eq!(world.cohort.n_changes(Cause::Stalled), stalls, "{} of five", held.len());
        held.extend(world.send(0));
    }
}

/// One of two that holds five requests and was found out.
fn stalled() -> (World, Vec<Permit>) {
    let mut world = World::new(2);
    (0..40).for_each(|n| world.request(n % 2, OK));
    let held = (0..6).map(|_| world.send(0).expect("up")).collect();
    for _ in 0..10 {
        world.request(1, OK);
        world.after(ms(20));
    }
    assert!(world.backend(0).is_stalled());
    (world, held)
}

#[test]
fn one_answer_clears_it_at_once_and_is_not_held_against_it() {
    for became in [OK, BAD] {
        let (world, mut held) = stalled();
        world.judge(&mut held[3], became);
        let standing = world.backend(0).standing();
        assert_eq!((standing.state, standing.cause), (State::Up, Cause::Answered));
        assert!(!world.backend(0).is_stalled());
        assert_eq!(world.backend(0).gate.load().openings(), 0);
    }
    let (world, mut held) = stalled();
    world.judge(&mut held[3], RESET);
    drop(held);
    assert!(world.backend(0).is_stalled(), "a reset is no answer");
}

#[test]
fn who_tries_it_brings_it_back_or_finds_it_stalled_still_soon() {
    let (mut world, held) = stalled();
    drop(held);
    world.after(ms(6100));
    assert_eq!(world.state(0), State::HalfOpen);
    assert!(!world.backend(0).is_stalled(), "who tries it is not raced at once");
    let mut probe = world.send(0).expect("a slot");
    assert!(!world.after(ms(40)).found_stalled);
    assert!(world.after(ms(20)).found_stalled, "who tries it is raced");
    assert_eq!(world.backend(0).standing().cause, Cause::ProbeLate);
    assert!(world.backend(0).is_stalled());
    world.judge(&mut probe, OK);
    assert_eq!(world.state(0), State::Up, "late, but it answers");
    let (mut world, _held) = stalled();
    world.after(ms(6100));
    world.request(0, OK);
    assert_eq!(world.state(0), State::Up);
}

#[test]
fn switched_off_nothing_is_found() {
    let takes =
        |n: usize, at: Duration, _: u64| if n > 0 && at >= second(1) { NEVER } else { ms(2) };
    for off in [0, 1, 2] {
        let mut load = Load::new(3, 2000, &takes);
        match off {
            0 => load.world.passive().stall = false,
            1 => load.world.care.passive = None,
            _ => load.world.care.breaker = None,
        }
        assert_eq!(load.run(second(3)).n_stalls(), 0);
    }
}

#[test]
fn what_was_missed_while_we_were_stopped_is_held_against_nobody() {
    let mut world = World::new(2);
    (0..40).for_each(|n| world.request(n % 2, OK));
    let mut held: Vec<_> = (0..6).map(|_| world.send(0).expect("up")).collect();
    world.after(ms(20));
    world.after(ms(20));
    // The process stops for a second; then one worker reads its answers before the other does.
    world.now += second(1);
    (0..20).for_each(|_| world.request(1, OK));
    assert!(!world.watch().found_stalled);
    world.after(ms(20));
    (0..20).for_each(|_| world.request(1, OK));
    assert!(!world.after(ms(20)).found_stalled);
    world.judge(&mut held[0], OK);
    assert_eq!(world.state(0), State::Up);
}
