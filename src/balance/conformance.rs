//! What every strategy in the registry keeps to, whatever it does.

use std::collections::HashSet;

use proptest::prelude::*;

use super::testing::{Bench, key, members, members_with, shares};
use super::{Balance, STRATEGIES};
use crate::backend::{Candidates, Members, Permit, Tier};
use crate::config;

/// Strategies that send a key to the same backend.
const WITH_AFFINITY: &[&str] = &["ip_hash", "ring_hash", "maglev"];

/// What may be the matter with a member.
#[derive(Clone, Debug)]
struct Condition {
    weight: u32,
    backup: bool,
    available: bool,
    tried: bool,
    full: bool,
    share: f64,
}

fn condition() -> impl Strategy<Value = Condition> {
    let weight = prop_oneof![2 => Just(0_u32), 6 => Just(1), 4 => 1..10_u32];
    let share = prop_oneof![4 => Just(1.0), 1 => 0.0..1.0_f64];
    (
        weight,
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
        share,
    )
        .prop_map(|(weight, backup, available, tried, full, share)| Condition {
            weight,
            backup,
            available,
            tried,
            full,
            share,
        })
}

/// Members in these conditions, and the permits that make some of them full.
fn arrange(name: &'static str, conditions: &[Condition]) -> (Bench, Vec<Permit>) {
    let weights: Vec<u32> = conditions.iter().map(|condition| condition.weight).collect();
    let members = members_with(&weights, |list| {
        for (member, condition) in list.iter_mut().zip(conditions) {
            member.tier = if condition.backup { Tier::Backup } else { Tier::Primary };
            if condition.full {
                member.max_connections = 1;
            }
            member.backend.set_available(condition.available);
            member.backend.set_share(condition.share);
        }
    });
    let full = conditions.iter().zip(&members).filter(|(condition, _)| condition.full);
    let permits = full.map(|(_, member)| Permit::acquire(&member.backend)).collect();
    let mut bench = Bench::over(name, members, 2);
    (0..).zip(conditions).filter(|(_, c)| c.tried).take(8).for_each(|(n, _)| bench.try_(n));
    (bench, permits)
}

fn eligible(bench: &Bench) -> HashSet<u64> {
    let candidates = Candidates::new(&bench.members, &bench.tried);
    candidates.iter().map(|member| member.backend.id).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_pick_is_eligible_and_there_is_one_if_anybody_is(
        conditions in prop::collection::vec(condition(), 0..80),
        seed: u64,
    ) {
        for strategy in STRATEGIES {
            let (mut bench, _permits) = arrange(strategy.name, &conditions);
            bench.random = crate::rng::Rng::seeded(seed);
            let eligible = eligible(&bench);
            for n in 0..20 {
                bench.worker = n % 2;
                bench.key = if n < 15 { Some(key(seed.wrapping_add(n as u64))) } else { None };
                match bench.pick() {
                    Some(id) => prop_assert!(eligible.contains(&id), "{}: {id}", strategy.name),
                    None => prop_assert!(eligible.is_empty(), "{}: nobody", strategy.name),
                }
            }
        }
    }

    #[test]
    fn where_affinity_is_claimed_a_key_stays_whatever_the_order_the_worker_and_the_load(
        weights in prop::collection::vec(1..20_u32, 2..30),
        seed: u64,
    ) {
        for name in WITH_AFFINITY {
            let ordered = members(&weights);
            let reversed: Members = ordered.iter().rev().cloned().collect::<Vec<_>>().into();
            let mut one = Bench::over(name, ordered, 1);
            let mut other = Bench::over(name, reversed, 4);
            other.worker = 3;
            let _busy: Vec<_> = (0..20).filter_map(|_| other.take()).collect();
            for n in 0..50 {
                one.key = Some(key(seed.wrapping_add(n)));
                other.key = one.key;
                prop_assert_eq!(one.pick(), other.pick(), "{}", name);
            }
        }
    }
}

#[test]
fn where_affinity_is_claimed_an_unrelated_removal_moves_few_keys_or_none() {
    for (name, others_max) in [("ip_hash", 0), ("ring_hash", 0), ("maglev", 500)] {
        let all = members(&[3; 20]);
        let without: Vec<_> = all.iter().filter(|m| m.backend.id != 3).cloned().collect();
        let options = config::Balance::of(name);
        let (n_moved, n_between) =
            super::testing::moved(&options, &all, &without.into(), 10_000, 3);
        assert!(n_between <= others_max, "{name}: {n_between}");
        assert!((300..1000).contains(&n_moved), "{name}: {n_moved} of about 500");
    }
}

/// Without load and with a steady number of exchanges in use, over 100 000 picks.
#[test]
fn weights_hold_within_a_hundredth() {
    let weights = [5, 1, 1, 3];
    let exact = |shares: &[f64], what: &str| {
        for (share, weight) in shares.iter().zip(weights) {
            let expected = f64::from(weight) / 10.0;
            assert!((share - expected).abs() < 0.01, "{what}: {shares:?}");
        }
    };
    for name in ["round_robin", "weighted", "random", "least_conn", "p2c", "peak_ewma", "maglev"] {
        exact(&shares(&mut Bench::new(name, &weights, 1), 100_000), name);
        if WITH_AFFINITY.contains(&name) {
            continue;
        }
        let mut bench = Bench::new(name, &weights, 1);
        for member in &*bench.members {
            let millis = std::time::Duration::from_millis(10);
            let outcome = crate::backend::Outcome::Success;
            member.backend.latency().observe(outcome, millis, bench.now);
        }
        let mut held = std::collections::VecDeque::new();
        let mut counts = [0_u32; 4];
        for _ in 0..100_000 {
            let permit = bench.take().expect("a place");
            counts[permit.backend().id as usize] += 1;
            held.push_back(permit);
            if held.len() > 200 {
                held.pop_front();
            }
        }
        exact(&counts.map(|count| f64::from(count) / 100_000.0), &format!("{name}, in use"));
    }
}

#[test]
fn one_that_starts_slowly_gets_its_share_also_while_all_are_idle() {
    let strategies = ["round_robin", "weighted", "random", "least_conn", "p2c", "peak_ewma"];
    for name in strategies.iter().chain(WITH_AFFINITY) {
        for n_members in [4, 80] {
            let mut bench = Bench::new(name, &vec![1; n_members], 1);
            bench.members[1].backend.set_share(0.1);
            let fair = 1.0 / n_members as f64;
            let share = shares(&mut bench, 40_000)[1];
            assert!(share < fair * 0.35, "{name}: {share} of {n_members}");
            assert!(share > 0.0 || n_members > 4, "{name}: nothing at all");
        }
    }
}

#[test]
fn a_change_of_backends_is_taken_at_once_in_every_strategy() {
    for strategy in STRATEGIES {
        let mut bench = Bench::new(strategy.name, &[1; 5], 1);
        for index in [0, 1, 2, 3] {
            bench.members[index].backend.set_available(false);
        }
        bench.key = Some(key(1));
        assert_eq!(bench.picks(5), [4; 5], "{}", strategy.name);
        bench.members[4].backend.set_available(false);
        assert_eq!(bench.pick(), None, "{}", strategy.name);
        bench.members[2].backend.set_available(true);
        assert_eq!(bench.picks(5), [2; 5], "{}", strategy.name);
    }
}

#[test]
fn a_bound_is_never_passed_and_every_place_is_found_by_threads_too() {
    const THREADS: usize = 4;
    for strategy in STRATEGIES {
        let members = members_with(&[1; 6], |list| {
            list.iter_mut().for_each(|member| member.max_connections = 10);
        });
        let bench = Bench::over(strategy.name, members, THREADS);
        let n_taken: usize = std::thread::scope(|scope| {
            let run = |worker| {
                let mut mine = bench.for_worker(worker);
                mine.key = Some(key(worker as u64));
                move || {
                    let permits: Vec<_> = (0..40).filter_map(|_| mine.take()).collect();
                    let n = permits.len();
                    std::mem::forget(permits);
                    n
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|worker| scope.spawn(run(worker))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it counts")).sum()
        });
        assert_eq!(n_taken, 60, "{}", strategy.name);
        for member in &*bench.members {
            assert_eq!(member.backend.in_flight(), 10, "{}", strategy.name);
        }
    }
}

#[test]
fn without_a_key_the_fallback_chooses() {
    let options = config::Balance { fallback: "first", ..config::Balance::of("ring_hash") };
    let mut bench = Bench::with(&options, members(&[1; 5]), 1);
    assert_eq!(bench.picks(10), [0; 10]);
    let options = config::Balance { fallback: "peak_ewma", ..options };
    let bench = Bench::with(&options, members(&[1; 5]), 1);
    assert!(bench.balance.learns(), "what the fallback has to learn");
    let unknown = config::Balance { strategy: "none", ..options };
    assert_eq!(Balance::build(&unknown, &members(&[1]), 1).err(), Some("none"));
}
