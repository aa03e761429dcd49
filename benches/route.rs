//! Looking up a route among 10 000, and bringing hosts and paths into the form that is looked up.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use forebay::route::{RouteTable, Subject, normalize, normalize_host};

#[path = "support/mod.rs"]
mod support;

fn find(c: &mut Criterion) {
    let table = RouteTable::compile(&support::specs(10_000)).expect("a table");
    let mut group = c.benchmark_group("route/find among 10 000");
    for (name, host, path) in [
        ("prefix", "host-777.example.test", "/api/v3/items/42/comments"),
        ("exactly the prefix", "host-777.example.test", "/api/v3/items"),
        ("no path matches", "host-777.example.test", "/a/path/with/many/segments/that/nobody/has"),
        ("no host matches", "nobody.example.test", "/api/v3/items/42"),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                table.find(&Subject::get(black_box(host.as_bytes()), black_box(path.as_bytes())))
            });
        });
    }
    group.finish();
    // One lookup again and again has everything in the nearest cache; this walks over all hosts.
    let hosts: Vec<String> = (0..1000).map(|n| format!("host-{n}.example.test")).collect();
    let mut next = hosts.iter().cycle();
    c.bench_function("route/find among 10 000/a different host each time", |b| {
        b.iter(|| {
            let host = next.next().expect("it goes round");
            table.find(&Subject::get(black_box(host.as_bytes()), black_box(b"/api/v3/items/42")))
        });
    });
}

fn normal_forms(c: &mut Criterion) {
    let mut out = Vec::new();
    c.bench_function("route/normalize a host", |b| {
        b.iter(|| normalize_host(black_box(b"host-7.example.test:8080"), &mut out).is_ok());
    });
    for (name, path) in
        [("clean path", "/api/v1/items/42"), ("path with dots", "/a/../api/v1/./items")]
    {
        let (mut matched, mut forward) = (Vec::new(), Vec::new());
        c.bench_function(&format!("route/normalize a {name}"), |b| {
            let path = black_box(path.as_bytes());
            b.iter(|| normalize(path, false, &mut matched, &mut forward).is_ok());
        });
    }
}

criterion_group!(benches, find, normal_forms);
criterion_main!(benches);
