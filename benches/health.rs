//! What resilience costs a request that all goes well with: whether a backend is eligible, the deposit for its
//! budget, the mark that it was sent, and the verdict; by one thread and by eight. As in `balance`, all figures are
//! time that a thread has had a core.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use forebay::backend::{
    Became, Candidates, Care, Cohort, Member, Members, Permit, Tried, Verdict, watch,
};
use forebay::config;

#[path = "support/mod.rs"]
mod support;

use support::contended;

/// Everything on, as it is by default.
fn care(members: &Members) -> Care {
    Care {
        passive: Some(config::Passive::default()),
        breaker: Some(config::Breaker::default()),
        is_checked: true,
        learns: false,
        probe_timeout: Care::PROBE_TIMEOUT_MAX,
        unsent_timeout: Care::PROBE_TIMEOUT_MAX,
        n_members: members.len() as u32,
    }
}

/// A place at one of ten backends, given back: what there would be without resilience, and with all of it.
fn request(c: &mut Criterion) {
    let members = support::members(10);
    let (care, cohort) = (care(&members), Cohort::new("app".into(), 8));
    watch(&members, &care, &cohort, Instant::now());
    for (name, cares) in [("permit alone", false), ("all of it", true)] {
        for n_threads in [1, 8] {
            c.bench_function(&format!("request/{name}, {n_threads} threads"), |b| {
                b.iter_custom(|n_times| {
                    contended(n_threads, n_times, |worker, n_times| {
                        let tried = Tried::default();
                        let mut now = Instant::now();
                        for n in 0..n_times {
                            now += Duration::from_micros(10);
                            let index = (n as usize + worker) % members.len();
                            if !cares {
                                drop(black_box(Permit::acquire(&members[index].backend)));
                                continue;
                            }
                            let candidates = Candidates::new(black_box(&members), &tried);
                            let member = candidates.eligible(index).expect("it is up");
                            let mut permit = candidates.acquire(member).expect("a place");
                            cohort.budget.deposit(worker);
                            permit.sent(now);
                            let latency = Duration::from_nanos(900_000 + n % 200_000);
                            let became = Became::Answered(200, None);
                            permit.judge(&Verdict { became, latency, now }, &care);
                            drop(black_box(permit));
                        }
                    })
                });
            });
        }
    }
}

/// A look at all backends of an upstream, as it is taken fifty times a second.
fn looks(c: &mut Criterion) {
    for n_members in [10, 1000] {
        let list: Vec<Member> = support::members(n_members).iter().cloned().collect();
        let members = Members::from(list);
        let (care, cohort) = (care(&members), Arc::new(Cohort::new("app".into(), 8)));
        c.bench_function(&format!("watch/{n_members} backends"), |b| {
            let mut now = Instant::now();
            b.iter(|| {
                now += Duration::from_millis(20);
                black_box(watch(&members, &care, &cohort, now))
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = request, looks
}
criterion_main!(benches);
