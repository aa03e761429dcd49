//! Choosing a backend, for every strategy there is, and taking and giving back a place at it.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use forebay::backend::{Candidates, Permit, Tried};
use forebay::balance::{Hint, STRATEGIES};

#[path = "support/mod.rs"]
mod support;

fn pick(c: &mut Criterion) {
    for n_members in [3, 1000] {
        let members = support::members(n_members);
        for strategy in STRATEGIES {
            let balancer = (strategy.build)(1);
            c.bench_function(&format!("pick/{} of {n_members}", strategy.name), |b| {
                let tried = Tried::default();
                b.iter(|| {
                    let candidates = Candidates::new(black_box(&members), &tried);
                    balancer.pick(candidates, Hint { worker: 0 }).map(|backend| backend.id)
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
                let barrier = Barrier::new(n_threads);
                let backend = &members[0].backend;
                std::thread::scope(|scope| {
                    let run = || {
                        barrier.wait();
                        let started = Instant::now();
                        for _ in 0..n_times {
                            drop(black_box(Permit::acquire(backend)));
                        }
                        started.elapsed()
                    };
                    let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(run)).collect();
                    let times = threads.into_iter().map(|thread| thread.join().expect("it counts"));
                    times.sum::<Duration>() / n_threads as u32
                })
            });
        });
    }
}

criterion_group!(benches, pick, permit);
criterion_main!(benches);
