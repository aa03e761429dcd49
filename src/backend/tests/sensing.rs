//! Shares of failures, slow ones among quick ones, slow starts, and those who ask to be left alone.

use super::*;
use crate::backend::Cause;

fn second(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl World {
    /// One request each so many milliseconds, of which every `nth` fails; when it was taken out.
    fn until_open(&mut self, every: u64, nth: u64, n: u64) -> Option<u64> {
        (1..=n).find(|number| {
            self.after(ms(every));
            self.request(0, if number % nth == 0 { BAD } else { OK });
            self.state(0) == State::Open
        })
    }

    fn requests_of(&self, n: usize, latency: Duration, times: u32) {
        for _ in 0..times {
            let Some(mut permit) = self.send(n) else { return };
            self.judge_after(&mut permit, OK, latency);
        }
    }

    fn share(&self, n: usize) -> f64 {
        f64::from(self.backend(n).share()) / f64::from(Backend::SHARE_FULL)
    }
}

#[test]
fn half_of_twenty_in_the_window_open_it_and_fewer_or_slower_do_not() {
    let mut world = World::new(3);
    assert_eq!(world.until_open(10, 2, 100), Some(20));
    assert_eq!(world.backend(0).standing().cause, Cause::ErrorRatio);
    assert_eq!(World::new(3).until_open(10, 3, 1000), None, "a third");
    assert_eq!(World::new(3).until_open(1000, 2, 100), None, "ten in ten seconds are too few");
    let mut world = World::new(3);
    world.passive().min_requests = 8;
    assert!(world.until_open(1000, 2, 100).is_some_and(|n| (8..=12).contains(&n)));
    world = World::new(3);
    world.passive().error_ratio = None;
    assert_eq!(world.until_open(10, 2, 1000), None);
}

#[test]
fn signals_are_in_the_ratio_and_what_was_before_an_opening_is_not() {
    let mut world = World::new(3);
    for _ in 0..10 {
        world.after(ms(10));
        world.request(0, OK);
        world.request(0, REFUSED);
    }
    assert_eq!(world.backend(0).standing().cause, Cause::ErrorRatio);
    world.after(ms(6100));
    world.request(0, OK);
    assert_eq!(world.state(0), State::Up);
    world.request(0, BAD);
    assert_eq!(world.state(0), State::Up);
    assert_eq!(world.until_open(10, 2, 100), Some(20), "counted from its return");
}

#[test]
fn a_good_hour_does_not_hide_a_bad_ten_seconds() {
    let mut world = World::new(3);
    for _ in 0..360 {
        world.after(second(1));
        (0..100).for_each(|_| world.request(0, OK));
    }
    let opened = (1..=2000).find(|n| {
        world.after(ms(10));
        world.request(0, if n % 4 == 0 { OK } else { BAD });
        world.state(0) == State::Open
    });
    assert!(opened.is_some_and(|n| n <= 1000), "{opened:?}");
}

#[test]
fn one_that_is_much_slower_than_its_peers_is_taken_out_where_that_is_wished() {
    let slow = |factor: Option<f64>, times: u32, slow: u64, n_slow: usize| {
        let mut world = World::new(5);
        world.passive().latency_factor = factor;
        for n in 0..5 {
            let latency = if n < n_slow { ms(slow) } else { ms(10 + n as u64) };
            world.requests_of(n, latency, times);
        }
        world.after(ms(500));
        world
    };
    let world = slow(Some(4.0), 30, 70, 1);
    assert_eq!((world.state(0), world.backend(0).standing().cause), (State::Open, Cause::Latency));
    assert_eq!(world.cohort.n_ejected(), 1);
    for world in [slow(None, 30, 70, 1), slow(Some(4.0), 19, 70, 1), slow(Some(4.0), 30, 40, 1)] {
        assert_eq!(world.states(), [State::Up; 5]);
    }
    let two = slow(Some(4.0), 30, 70, 2);
    assert_eq!(two.states()[..3], [State::Open, State::Open, State::Up]);
    let mut back = slow(Some(4.0), 30, 70, 1);
    back.after(second(7));
    back.request(0, OK);
    for n in 1..5 {
        back.requests_of(n, ms(12), 30);
    }
    back.after(second(1));
    assert_eq!(back.state(0), State::Up, "what it took before is forgotten");
}

#[test]
fn a_slow_start_grows_from_a_tenth_after_whatever_it_was_out_for() {
    let slow = |list: &mut Vec<Member>| list[0].slow_start = Some(second(10));
    let mut world = World::with(2, slow);
    world.watch();
    assert_eq!(world.share(0), 1.0, "not at the beginning");
    for out in [State::Down, State::Unproven, State::Open] {
        match out {
            State::Open => (0..5).for_each(|_| world.request(0, REFUSED)),
            state => world.backend(0).set_checked(state, Cause::ChecksFailed, world.now),
        }
        world.after(ms(6100));
        match out {
            State::Open => world.request(0, OK),
            _ => world.backend(0).set_checked(State::Up, Cause::ChecksPassed, world.now),
        }
        assert_eq!((world.state(0), world.share(1)), (State::Up, 1.0));
        assert!((world.share(0) - 0.1).abs() < 0.001);
        world.after(second(5));
        assert!((world.share(0) - 0.55).abs() < 0.001, "{}", world.share(0));
        assert!(world.backend(0).starts_slowly() && world.backend(0).rests(world.now).is_none());
        world.after(second(5));
        assert!(!world.backend(0).starts_slowly());
        assert_eq!(world.share(0), 1.0);
    }
}

#[test]
fn who_asks_to_be_left_alone_gets_a_tenth_for_so_long_and_has_not_failed() {
    let mut world = World::new(2);
    let plea = |status, time| Became::Answered(status, Some(time));
    (0..50).for_each(|_| world.request(0, plea(503, second(3))));
    assert_eq!(world.state(0), State::Up);
    assert!((world.share(0) - 0.1).abs() < 0.001);
    assert_eq!(world.backend(0).rests(world.now), Some(second(3)));
    assert!(!world.backend(0).starts_slowly() && world.backend(1).rests(world.now).is_none());
    world.request(0, plea(429, second(1)));
    world.after(ms(2990));
    assert!((world.share(0) - 0.1).abs() < 0.001, "the longer one holds");
    world.after(ms(10));
    assert_eq!(world.share(0), 1.0);
    world.request(0, plea(503, second(3600)));
    world.after(second(60));
    assert_eq!(world.share(0), 1.0, "a minute at most");
    world.request(0, plea(200, second(9)));
    world.request(0, plea(503, Duration::ZERO));
    assert_eq!(world.share(0), 1.0);
    world.care.passive = None;
    world.request(0, plea(503, second(9)));
    assert_eq!(world.share(0), 1.0);
}

#[test]
fn with_everything_switched_off_all_of_the_weight_is_back() {
    let mut world = World::with(2, |list| list[0].slow_start = Some(second(10)));
    world.request(1, Became::Answered(503, Some(second(9))));
    world.backend(0).set_checked(State::Down, Cause::ChecksFailed, world.now);
    world.watch();
    world.backend(0).set_checked(State::Up, Cause::ChecksPassed, world.now);
    assert!(world.share(0) < 0.2 && world.share(1) < 0.2);
    (world.care.passive, world.care.breaker) = (None, None);
    world.watch();
    assert_eq!((world.share(0), world.share(1)), (1.0, 1.0));
}

#[test]
fn bodies_that_break_off_are_failures_in_a_row_until_one_is_whole() {
    let mut world = World::new(3);
    let cut = |world: &World| {
        let mut permit = world.send(0).expect("in service");
        world.judge(&mut permit, OK);
        permit.body_broke_off(Signal::Reset, &world.care, world.now);
        permit
    };
    for _ in 0..4 {
        cut(&world);
    }
    let whole = world.send(0).expect("in service");
    whole.body_ended();
    for _ in 0..4 {
        cut(&world);
    }
    assert_eq!(world.state(0), State::Up, "a whole body in between");
    let last = cut(&world);
    let standing = world.backend(0).standing();
    assert_eq!((standing.state, standing.cause), (State::Open, Cause::Failures));
    // Nothing more is learnt from those that were under way.
    last.body_broke_off(Signal::Reset, &world.care, world.now);
    assert_eq!(world.cohort.n_changes(Cause::Failures), 1);
    world.after(ms(6001));
    world.passive().count = config::Events::default();
    world.request(0, OK);
    for _ in 0..50 {
        cut(&world);
    }
    assert_eq!(world.state(0), State::Up, "where a reset does not count");
}

#[test]
fn bodies_that_break_off_have_their_share_of_the_answers_and_no_more() {
    let run = |n_cut_of_ten: u32| {
        let mut world = World::new(3);
        world.passive().failures = None;
        for n in 0..40 {
            let mut permit = world.send(0)?;
            world.judge(&mut permit, OK);
            match n * 7 % 10 < n_cut_of_ten {
                true => permit.body_broke_off(Signal::Reset, &world.care, world.now),
                false => permit.body_ended(),
            }
        }
        Some(world.state(0))
    };
    assert_eq!((run(5), run(4)), (None, Some(State::Up)));
}
