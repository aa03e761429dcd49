//! Choosing a backend, for every strategy there is: a pick alone, a pick with its permit settled by one thread and
//! by eight, and building the tables. All figures are time that a thread has had a core, so that a busy machine
//! and more threads than cores do not count.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use forebay::backend::{Candidates, Member, Members, Outcome, Permit, Tried};
use forebay::balance::{Balance, Hint, STRATEGIES};
use forebay::config;
use forebay::hash::mix;
use forebay::rng::Rng;

#[path = "support/mod.rs"]
mod support;

use support::{contended, thread_time};

/// Every strategy by itself, then what makes some of them dearer.
fn cases() -> Vec<(String, config::Balance, bool)> {
    let plain = STRATEGIES
        .iter()
        .map(|strategy| (strategy.name.to_owned(), config::Balance::of(strategy.name), false));
    let bounded = config::Balance { bounded_load: Some(1.25), ..config::Balance::of("ring_hash") };
    let weighted = ["round_robin", "least_conn", "p2c", "peak_ewma"]
        .map(|name| (format!("{name}, weighted"), config::Balance::of(name), true));
    plain.chain([("ring_hash, bounded".to_owned(), bounded, false)]).chain(weighted).collect()
}

fn members(n_members: u64, weighted: bool) -> Members {
    let members = support::members(n_members);
    let weigh = |(n, member): (u32, &Member)| Member {
        weight: if weighted { 1 + n % 7 } else { 1 },
        ..member.clone()
    };
    (0..).zip(&members).map(weigh).collect::<Vec<_>>().into()
}

fn pick(c: &mut Criterion) {
    for n_members in [10, 1000] {
        for (name, options, weighted) in cases() {
            let members = members(n_members, weighted);
            let balance = Balance::build(&options, &members, 1).expect("a strategy");
            let mut random = Rng::seeded(1);
            // What a busy upstream looks like.
            let now = Instant::now();
            let permits: Vec<Permit> = (0..2 * n_members)
                .filter_map(|_| {
                    let key = Some(random.next_u64());
                    let mut hint = Hint { worker: 0, now, key, random: &mut random };
                    let permit = balance.take(&members, &Tried::default(), &mut hint)?;
                    permit.settle(Outcome::Success, Duration::from_millis(10), now);
                    Some(permit)
                })
                .collect();
            c.bench_function(&format!("pick/{name} of {n_members}"), |b| {
                let tried = Tried::default();
                let mut n = 0;
                b.iter_custom(|n_times| {
                    let started = thread_time();
                    for _ in 0..n_times {
                        n += 1;
                        let candidates = Candidates::new(black_box(&members), &tried);
                        let mut hint =
                            Hint { worker: 0, now, key: Some(mix(n)), random: &mut random };
                        let picked = balance.pick(candidates, &mut hint);
                        black_box(picked.map(|member| member.backend.id));
                    }
                    thread_time() - started
                });
            });
            drop(permits);
        }
    }
}

/// Pick, permit and settle, of ten backends: what one request costs a strategy.
fn whole(c: &mut Criterion) {
    for (name, options, weighted) in cases() {
        let members = members(10, weighted);
        for n_threads in [1, 8] {
            let balance = Balance::build(&options, &members, n_threads).expect("a strategy");
            c.bench_function(&format!("whole/{name}, {n_threads} threads"), |b| {
                b.iter_custom(|n_times| {
                    contended(n_threads, n_times, |worker, n_times| {
                        let mut random = Rng::seeded(worker as u64);
                        let tried = Tried::default();
                        let mut now = Instant::now();
                        for n in 0..n_times {
                            now += Duration::from_micros(10);
                            let key = Some(random.next_u64());
                            let mut hint = Hint { worker, now, key, random: &mut random };
                            let permit = balance.take(&members, &tried, &mut hint);
                            let permit = permit.expect("a place");
                            let latency = Duration::from_micros(900 + n % 200);
                            if balance.learns() {
                                permit.settle(Outcome::Success, latency, now);
                            }
                            drop(black_box(permit));
                        }
                    })
                });
            });
        }
    }
}

/// All threads use the same backend, as they do when an upstream has one: the worst case for its counter.
fn permit(c: &mut Criterion) {
    let members = support::members(1);
    for n_threads in [1, 8] {
        c.bench_function(&format!("permit/acquire and drop, {n_threads} threads"), |b| {
            b.iter_custom(|n_times| {
                contended(n_threads, n_times, |_, n_times| {
                    for _ in 0..n_times {
                        drop(black_box(Permit::acquire(&members[0].backend)));
                    }
                })
            });
        });
    }
}

fn build(c: &mut Criterion) {
    let members = members(1000, true);
    for name in ["round_robin", "random", "ring_hash", "maglev"] {
        c.bench_function(&format!("build/{name} of 1000"), |b| {
            b.iter_custom(|n_times| {
                let started = thread_time();
                for _ in 0..n_times {
                    let built = Balance::build(&config::Balance::of(name), black_box(&members), 4);
                    drop(black_box(built));
                }
                thread_time() - started
            });
        });
    }
}

criterion_group!(benches, pick, whole, permit, build);
criterion_main!(benches);
