//! Opening, trying and closing, and who is used when nobody is sound.

use super::*;
use crate::backend::change::Trip;
use crate::backend::{Cause, Tier};

impl World {
    fn requests(&self, n: usize, became: Became, times: u32) {
        (0..times).for_each(|_| self.request(n, became));
    }

    fn cause(&self, n: usize) -> Cause {
        self.backend(n).standing().cause
    }
}

#[test]
fn failures_in_a_row_open_it_and_a_success_in_between_does_not_let_them() {
    for (became, cause) in
        [(BAD, Cause::Failures), (RESET, Cause::Failures), (REFUSED, Cause::Connect)]
    {
        let world = World::new(3);
        world.requests(0, became, 4);
        world.request(0, OK);
        world.requests(0, became, 4);
        assert_eq!(world.state(0), State::Up);
        world.request(0, became);
        assert_eq!((world.state(0), world.cause(0)), (State::Open, cause));
        assert_eq!((world.eligible(), world.cohort.n_changes(cause)), (vec![1, 2], 1));
        assert!(world.send(0).is_none());
    }
}

#[test]
fn what_does_not_count_opens_nothing_and_without_sensor_or_breaker_nothing_does() {
    let mut world = World::new(3);
    for became in [
        Became::Answered(500, None),
        Became::Answered(404, None),
        Became::Answered(503, Some(ms(1000))),
        Became::Failed(Signal::RefusedStream),
    ] {
        world.requests(0, became, 100);
    }
    assert_eq!(world.state(0), State::Up);
    world.care.breaker = None;
    world.requests(0, REFUSED, 100);
    world.care.breaker = Some(config::Breaker::default());
    world.care.passive = None;
    world.requests(0, REFUSED, 100);
    assert_eq!(world.states(), [State::Up; 3]);
}

#[test]
fn it_opens_for_the_time_told_and_longer_each_time_up_to_the_most() {
    let mut world = World::new(2);
    world.breaker().max_open = Duration::from_secs(60);
    world.requests(0, REFUSED, 5);
    for seconds in [5, 10, 20, 40, 60, 60] {
        let told = Duration::from_secs(seconds);
        world.after(told.mul_f64(0.799));
        assert_eq!(world.state(0), State::Open, "after {seconds} s");
        world.after(told.mul_f64(0.402));
        assert_eq!((world.state(0), world.cause(0)), (State::HalfOpen, Cause::OpenOver));
        world.request(0, REFUSED);
        assert_eq!((world.state(0), world.cause(0)), (State::Open, Cause::ProbeFailed));
    }
    world.after(Duration::from_secs(73));
    world.request(0, OK);
    assert_eq!((world.state(0), world.cause(0)), (State::Up, Cause::ProbesPassed));
}

#[test]
fn openings_are_forgotten_after_a_good_spell() {
    let openings = |spell: u64| {
        let mut world = World::new(2);
        world.requests(0, REFUSED, 5);
        world.after(ms(6001));
        world.request(0, OK);
        world.after(Duration::from_secs(spell));
        world.requests(0, REFUSED, 5);
        world.backend(0).gate.load().openings()
    };
    assert_eq!((openings(49), openings(50)), (2, 1));
}

#[test]
fn as_many_as_told_try_it_and_so_many_must_pass() {
    let mut world = World::new(2);
    world.breaker().probes = 3;
    world.requests(0, REFUSED, 5);
    world.after(ms(6001));
    assert_eq!(world.eligible(), [0, 1]);
    let mut probes: Vec<_> = (0..3).map(|_| world.send(0).expect("a slot")).collect();
    assert!(world.send(0).is_none() && world.eligible() == [1]);
    world.judge(&mut probes[0], OK);
    assert!(world.send(0).is_none(), "who passed does not make room");
    drop(probes.pop());
    let mut again = world.send(0).expect("who left without a verdict does");
    world.judge(&mut again, OK);
    assert_eq!(world.state(0), State::HalfOpen);
    world.judge(&mut probes[1], Became::Answered(404, None));
    assert_eq!(world.state(0), State::Up);
}

#[test]
fn one_failure_of_many_opens_it_again_and_the_others_say_nothing_any_more() {
    let mut world = World::new(2);
    world.breaker().probes = 2;
    world.requests(0, BAD, 5);
    world.after(ms(6001));
    let (mut one, mut other) = (world.send(0).expect("a slot"), world.send(0).expect("another"));
    world.judge(&mut one, BAD);
    assert_eq!(world.state(0), State::Open);
    world.judge(&mut other, OK);
    drop((one, other));
    assert_eq!((world.state(0), world.backend(0).gate.load().slots()), (State::Open, 2));
    assert_eq!((world.cohort.n_ejected(), world.backend(0).in_flight()), (1, 0));
}

#[test]
fn a_probe_that_nobody_answers_fails_when_its_time_is_over() {
    let mut world = World::new(2);
    world.care.probe_timeout = ms(300);
    world.requests(0, REFUSED, 5);
    world.after(ms(6001));
    let mut unsent = Permit::try_acquire(&world.members[0]).expect("a slot");
    world.after(ms(400));
    assert_eq!(world.state(0), State::HalfOpen, "connecting has a time of its own");
    unsent.sent(world.now);
    world.after(ms(299));
    assert_eq!(world.state(0), State::HalfOpen);
    world.after(ms(1));
    assert_eq!((world.state(0), world.cause(0)), (State::Open, Cause::ProbeLate));
    world.judge(&mut unsent, OK);
    assert_eq!(world.state(0), State::Open, "too late");
}

#[test]
fn a_probe_that_is_not_sent_yet_is_not_late_for_one_that_was_sent_before() {
    for passes in [true, false] {
        let mut world = World::new(2);
        world.care.probe_timeout = ms(300);
        world.breaker().probes = 2;
        world.requests(0, REFUSED, 5);
        world.after(ms(6001));
        let mut before = world.send(0).expect("a slot");
        if passes {
            world.judge(&mut before, OK);
        }
        drop(before);
        world.after(ms(1000));
        let mut next = Permit::try_acquire(&world.members[0]).expect("a slot");
        world.after(ms(400));
        assert_eq!(world.state(0), State::HalfOpen, "it connects still");
        next.sent(world.now);
        world.after(ms(300));
        assert_eq!((world.state(0), world.cause(0)), (State::Open, Cause::ProbeLate));
    }
}

#[test]
fn probes_that_are_never_sent_keep_others_from_trying_for_a_while_only() {
    let mut world = World::new(2);
    world.requests(0, REFUSED, 5);
    world.after(ms(6001));
    let mut unsent = Permit::try_acquire(&world.members[0]).expect("a slot");
    world.watch();
    world.after(world.care.unsent_timeout - ms(1));
    assert!(world.send(0).is_none());
    world.after(ms(1));
    let mut other = world.send(0).expect("its slot");
    assert!(world.send(0).is_none(), "there is one");
    unsent.sent(world.now);
    world.judge(&mut unsent, BAD);
    drop(unsent);
    assert!(world.send(0).is_none(), "it gives nothing back that it has not any more");
    assert_eq!(world.state(0), State::HalfOpen, "nor does it say anything");
    world.judge(&mut other, OK);
    assert_eq!(world.state(0), State::Up);
    assert_eq!(world.cohort.n_changes(Cause::OpenOver), 1);
}

#[test]
fn late_outcomes_of_an_older_generation_are_dropped() {
    let mut world = World::new(2);
    let mut old: Vec<_> = (0..10).map(|_| world.send(0).expect("up")).collect();
    world.requests(0, REFUSED, 5);
    world.after(ms(6001));
    world.request(0, OK);
    assert_eq!(world.state(0), State::Up);
    old.iter_mut().for_each(|permit| world.judge(permit, RESET));
    assert_eq!(world.state(0), State::Up);
    assert!(world.backend(0).sensor.is_clear());
}

#[test]
fn soft_ejections_keep_to_the_cap_and_hard_ones_do_not() {
    for (n, share, most) in [(1, 1.0, 0), (2, 0.5, 1), (2, 1.0, 1), (3, 0.1, 1), (10, 0.3, 3)] {
        let mut world = World::new(n);
        world.breaker().max_ejected = share;
        (0..n as usize).for_each(|n| world.requests(n, BAD, 20));
        assert_eq!(world.cohort.n_ejected(), most, "{share} of {n}");
        assert_eq!(
            world.states().iter().filter(|state| **state == State::Open).count(),
            most as usize
        );
        (0..n as usize).for_each(|n| world.requests(n, REFUSED, 20));
        assert_eq!(world.states(), vec![State::Open; n as usize]);
    }
    let mut world = World::new(3);
    world.breaker().max_ejected = 0.0;
    (0..3).for_each(|n| world.requests(n, BAD, 20));
    assert_eq!(world.states(), [State::Up; 3]);
}

#[test]
fn the_last_that_serves_is_not_softly_ejected_whyever_the_others_are_out() {
    let mut world = World::new(3);
    world.breaker().max_ejected = 1.0;
    world.requests(0, REFUSED, 5);
    world.backend(1).set_checked(State::Down, Cause::ChecksFailed, world.now);
    world.requests(2, BAD, 20);
    assert_eq!(world.states(), [State::Open, State::Down, State::Up]);
    world.backend(1).set_checked(State::Up, Cause::ChecksPassed, world.now);
    world.request(2, BAD);
    assert_eq!(world.states(), [State::Open, State::Up, State::Open]);
}

#[test]
fn who_leaves_while_it_is_out_makes_room_for_others() {
    let mut world = World::new(4);
    world.breaker().max_ejected = 0.25;
    world.requests(0, BAD, 5);
    world.requests(1, BAD, 5);
    assert_eq!(world.states(), [State::Open, State::Up, State::Up, State::Up]);
    let rest: Vec<Member> = world.members.iter().skip(1).cloned().collect();
    world.members = rest.into();
    world.care.n_members = 3;
    world.watch();
    world.request(0, BAD);
    assert_eq!(world.state(0), State::Open);
    assert_eq!(world.cohort.n_ejected(), 1);
}

#[test]
fn with_nobody_sound_those_are_used_that_could_be_connected_to() {
    let world = World::with(4, |list| {
        list[2].weight = 0;
        list[3].tier = Tier::Backup;
    });
    for n in 0..4 {
        world.backend(n).set_checked(State::Down, Cause::ChecksFailed, world.now);
    }
    assert_eq!(world.eligible(), [0, 1], "primaries, never drained");
    world.requests(0, REFUSED, 1);
    assert_eq!(world.eligible(), [1]);
    world.requests(1, REFUSED, 1);
    assert_eq!(world.eligible(), [3], "then backups");
    world.requests(3, REFUSED, 1);
    assert!(world.eligible().is_empty());
    world.request(1, OK);
    assert_eq!(world.eligible(), [1]);
    let closed = world.members.clone().failing_open(false);
    assert!(Candidates::last_resort(&closed, &Tried::default()).is_none());
}

#[test]
fn a_sound_one_that_was_tried_or_is_full_opens_nothing_to_the_others() {
    let world = World::with(2, |list| list[1].max_connections = 1);
    world.backend(0).set_checked(State::Down, Cause::ChecksFailed, world.now);
    let held = world.send(1);
    assert!(held.is_some() && world.eligible().is_empty());
    assert!(Candidates::any_gets_free(&world.members, &Tried::default()));
}

#[test]
fn new_ones_wait_for_a_check_unless_nobody_else_is_there() {
    let world = World::new(3);
    world.backend(2).set_checked(State::Unproven, Cause::Start, world.now);
    assert_eq!(world.eligible(), [0, 1]);
    for n in 0..2 {
        world.backend(n).set_checked(State::Down, Cause::ChecksFailed, world.now);
    }
    assert_eq!(world.eligible(), [2], "rather than who is down");
    world.backend(2).set_checked(State::Up, Cause::ChecksPassed, world.now);
    assert_eq!((world.eligible(), world.state(2)), (vec![2], State::Up));
}

#[test]
fn a_passing_check_lets_requests_try_who_could_not_be_connected_to() {
    let world = World::new(3);
    world.requests(0, REFUSED, 5);
    world.requests(1, BAD, 5);
    for n in 0..2 {
        world.backend(n).check_passed(n == 1, world.now);
    }
    assert_eq!(world.states(), [State::HalfOpen, State::Open, State::Up]);
    assert_eq!(world.cause(0), Cause::ChecksPassed);
}

#[test]
fn a_check_that_only_connects_does_not_speak_for_one_that_answers_nobody() {
    for (answered, expected) in [(false, State::Open), (true, State::HalfOpen)] {
        let world = World::new(3);
        let stalled = Trip::hard(Cause::Stalled);
        assert!(world.backend(0).trip(stalled, 0, &world.care, world.now));
        world.backend(0).check_passed(answered, world.now);
        assert_eq!(world.state(0), expected);
        // Nor does any for one whose checks have failed too often.
        world.backend(0).set_checked(State::Down, Cause::ChecksFailed, world.now);
        world.backend(0).check_passed(true, world.now);
        assert_eq!(world.state(0), State::Down);
    }
}

#[test]
fn with_breaker_or_sensor_switched_off_it_closes() {
    for breaker_off in [true, false] {
        let mut world = World::new(3);
        world.requests(0, REFUSED, 5);
        match breaker_off {
            true => world.care.breaker = None,
            false => world.care.passive = None,
        }
        world.watch();
        assert_eq!((world.state(0), world.cause(0)), (State::Up, Cause::Configured));
    }
}

#[test]
fn what_checks_say_stands_above_the_breaker_and_every_change_is_counted_once() {
    let mut world = World::new(3);
    world.requests(0, REFUSED, 5);
    let down = world.now + ms(10);
    world.backend(0).set_checked(State::Down, Cause::ChecksFailed, down);
    assert_eq!((world.state(0), world.backend(0).standing().since), (State::Down, down));
    world.after(ms(6001));
    assert_eq!(world.state(0), State::Down, "half-open, but nobody sees it");
    assert_eq!(world.cohort.n_changes(Cause::OpenOver), 0);
    assert_eq!(world.eligible(), [1, 2]);
    world.backend(0).set_checked(State::Up, Cause::ChecksPassed, world.now);
    assert_eq!((world.state(0), world.eligible()), (State::HalfOpen, vec![0, 1, 2]));
    let total: u64 = Cause::ALL.iter().map(|cause| world.cohort.n_changes(*cause)).sum();
    assert_eq!(total, 3);
}

#[test]
fn one_that_is_drained_and_gone_does_not_keep_the_others_from_being_taken_out() {
    let mut world = World::with(3, |list| list[2].weight = 0);
    world.care.n_members = 2;
    world.watch();
    let set = |state, cause| world.backend(2).set_checked(state, cause, world.now);
    set(State::Down, Cause::ChecksFailed);
    world.requests(0, BAD, 5);
    assert_eq!(world.state(0), State::Open);
    set(State::Up, Cause::ChecksPassed);
    world.requests(1, BAD, 5);
    assert_eq!(world.states(), [State::Open, State::Up, State::Up], "the last that serves");
}

#[test]
fn one_that_is_drained_while_it_is_out_is_not_missed_any_more() {
    let mut world = World::new(3);
    world.requests(2, BAD, 5);
    world.requests(0, BAD, 5);
    assert_eq!(world.states(), [State::Up, State::Up, State::Open], "one of three may be out");
    let drained = |(n, member): (usize, &Member)| {
        let mut member = Member::new(Arc::clone(&member.backend), "x");
        member.weight = u32::from(n != 2);
        member
    };
    let list: Vec<Member> = world.members.iter().enumerate().map(drained).collect();
    world.members = Members::from(list);
    world.care.n_members = 2;
    world.watch();
    world.request(0, BAD);
    assert_eq!(world.states(), [State::Open, State::Up, State::Open]);
}

#[test]
fn with_nobody_left_whoever_comes_back_is_found_within_a_second() {
    for n in [1, 2] {
        let mut world = World::new(n);
        let all = 0..n as usize;
        all.clone().for_each(|n| world.requests(n, REFUSED, 5));
        for _ in 0..100 {
            world.after(ms(999));
            assert_eq!(world.state(0), State::Open);
            world.after(ms(1));
            assert_eq!((world.state(0), world.eligible().len()), (State::HalfOpen, n as usize));
            all.clone().for_each(|n| world.request(n, REFUSED));
        }
        world.after(ms(1000));
        world.request(0, OK);
        assert_eq!(world.state(0), State::Up);
        world.after(ms(6001));
        assert!(world.states().iter().all(|state| *state != State::Open), "nor are the others far");
    }
}

#[test]
fn a_copy_never_takes_the_place_of_a_request_that_tries_a_half_open_one() {
    let mut world = World::new(2);
    world.requests(0, RESET, 5);
    world.after(ms(6001));
    assert_eq!(world.state(0), State::HalfOpen);
    let tried = Tried::default();
    let copies = Candidates::for_copy(&world.members, &tried);
    let ids: Vec<u64> = copies.iter().map(|member| member.backend.id).collect();
    assert_eq!(ids, [1]);
    assert!(copies.acquire(&world.members[0]).is_none(), "not even if it is picked");
    assert!(copies.acquire(&world.members[1]).is_some());
    assert!(world.send(0).is_some(), "the place is still there");
}

#[test]
fn a_request_that_knows_an_older_configuration_opens_nothing_once_ejecting_is_off() {
    let mut world = World::new(2);
    let before = world.care.clone();
    let request_of_before = |world: &World| {
        let mut permit = Permit::try_acquire_anyway(&world.members[0]).expect("no bound");
        permit.sent(world.now);
        let verdict = Verdict { became: RESET, latency: ms(5), now: world.now };
        permit.judge(&verdict, &before);
    };
    world.care.breaker = None;
    world.watch();
    (0..20).for_each(|_| request_of_before(&world));
    assert_eq!(world.state(0), State::Up);
    world.care = before.clone();
    world.watch();
    (0..5).for_each(|_| request_of_before(&world));
    assert_eq!(world.state(0), State::Open, "switched on again");
}

#[test]
fn a_plea_to_an_older_configuration_takes_no_share_once_sensing_is_off() {
    let mut world = World::new(2);
    let before = world.care.clone();
    world.care.passive = None;
    world.care.breaker = None;
    world.watch();
    let mut permit = world.send(0).expect("in service");
    let became = Became::Answered(503, Some(Duration::from_secs(9)));
    permit.judge(&Verdict { became, latency: ms(5), now: world.now }, &before);
    assert_eq!(world.backend(0).share(), Backend::SHARE_FULL);
}
