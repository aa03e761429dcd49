//! Random walks from fixed seeds: whatever happens in whatever order, the promises hold after each step.

use super::*;
use crate::backend::breaker::Phase;
use crate::rng::Rng;

const N: usize = 5;

/// What is under way: to whom, and whether it tries a half-open one.
struct Walk {
    world: World,
    random: Rng,
    open: Vec<(usize, Permit)>,
    /// When each was seen to open.
    opened: [Option<(Instant, u64)>; N],
}

impl Walk {
    fn below(&mut self, n: u64) -> u64 {
        self.random.next_u64() % n
    }

    fn step(&mut self) {
        let n = self.below(N as u64) as usize;
        match self.below(10) {
            0..3 => self.open.extend(self.world.send(n).map(|permit| (n, permit))),
            // Its client is slow, or it connects.
            3 => {
                let unsent = Permit::try_acquire(&self.world.members[n]);
                self.open.extend(unsent.map(|permit| (n, permit)));
            }
            4..7 if !self.open.is_empty() => {
                let at = self.below(self.open.len() as u64) as usize;
                let (n, mut permit) = self.open.swap_remove(at);
                // Each has weathers of its own, so that runs of failures happen.
                let bad = self.below(3) > n as u64 % 3;
                let failures = [BAD, RESET, REFUSED];
                let became = if bad { failures[self.below(3) as usize] } else { OK };
                self.world.judge(&mut permit, became);
            }
            7 if !self.open.is_empty() => {
                let at = self.below(self.open.len() as u64) as usize;
                drop(self.open.swap_remove(at));
            }
            8 if self.below(20) == 0 => {
                let states = [State::Up, State::Up, State::Down, State::Unproven];
                let state = states[self.below(4) as usize];
                let cause = crate::backend::Cause::ChecksFailed;
                self.world.backend(n).set_checked(state, cause, self.world.now);
            }
            _ => {
                let time = ms(self.below(300));
                self.world.after(time);
            }
        }
        self.look();
    }

    fn look(&mut self) {
        let breaker = self.world.care.breaker.expect("on");
        let (mut n_soft, mut n_up) = (0, 0);
        for n in 0..N {
            let word = self.world.backend(n).gate.load();
            n_soft += u32::from(word.is_soft());
            n_up += u32::from(word.state() == State::Up);
            assert!(word.n_probing() <= u64::from(breaker.probes), "{word:?}");
            assert!(word.slots() <= u64::from(breaker.probes), "{word:?}");
            assert!(word.n_sent() <= word.n_probing(), "{word:?}");
            assert_eq!(word.state(), self.world.state(n));
            // Any answer closes one that was stalled.
            match word.is_stalled() {
                true => self.opened[n] = None,
                false => self.time_open(n, word.phase(), word.openings(), &breaker),
            }
        }
        assert_eq!(n_soft, self.world.cohort.n_ejected());
        assert!(n_soft <= self.world.care.n_ejected_max());
        let words = || self.world.members.iter().map(|member| member.backend.gate.load());
        assert!(self.world.cohort.counts_are(words()), "{n_up} up");
    }

    /// It is open for as long as told, ± 20 %, and until the next watch.
    fn time_open(&mut self, n: usize, phase: Phase, openings: u64, breaker: &config::Breaker) {
        match (self.opened[n], phase) {
            (None, Phase::Open) => self.opened[n] = Some((self.world.now, openings)),
            (Some((_, before)), Phase::Open) if before != openings => {
                self.opened[n] = Some((self.world.now, openings));
            }
            (Some((since, openings)), Phase::HalfOpen | Phase::Closed) => {
                let told = breaker.open.saturating_mul(1 << (openings - 1).min(20));
                let told = told.min(breaker.max_open);
                let was = self.world.now - since;
                assert!(was >= told.mul_f64(0.8), "{was:?} of {told:?}");
                assert!(was <= told.mul_f64(1.2) + ms(10_000), "{was:?} of {told:?}");
                self.opened[n] = None;
            }
            _ => {}
        }
    }
}

#[test]
fn the_promises_hold_after_every_step_of_a_random_walk() {
    for seed in 0..20 {
        let mut world = World::new(N as u64);
        let mut random = Rng::seeded(seed);
        world.breaker().probes = 1 + (random.next_u64() % 4) as u32;
        world.breaker().max_open = Duration::from_secs(30);
        world.breaker().max_ejected = (1 + random.next_u64() % 10) as f64 / 10.0;
        world.passive().failures = Some(3);
        world.care.probe_timeout = ms(1000);
        world.care.unsent_timeout = ms(2000);
        let mut walk = Walk { world, random, open: Vec::new(), opened: [None; N] };
        for _ in 0..10_000 {
            walk.step();
        }
        let n_opened = walk.world.cohort.n_changes(crate::backend::Cause::OpenOver);
        assert!(n_opened > 0, "nothing happened with seed {seed}");
    }
}
