//! Looking up a route among 10 000, with and without conditions and expressions, compiling the table, and bringing
//! hosts and paths into the form that is looked up.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use forebay::config::ValuePattern;
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

/// What each further thing that a route may ask costs, with the subject that meets it.
fn find_with_conditions(c: &mut Criterion) {
    let fields = support::conditional_fields();
    let subject = Subject {
        query: support::CONDITIONAL_QUERY,
        fields: &fields,
        ..Subject::get(b"host-777.example.test", b"/api/v3/items/42/comments")
    };
    for (name, pattern) in [
        ("method, header, cookie, parameter", ValuePattern::Exact("v2".into())),
        ("method, cookie, two expressions", ValuePattern::Regex("v[0-9]".into())),
    ] {
        let specs = support::conditional_specs(10_000, &pattern);
        let table = RouteTable::compile(&specs).expect("a table");
        assert_eq!(table.find(&subject), Some(7773));
        c.bench_function(&format!("route/find among 10 000/{name}"), |b| {
            b.iter(|| table.find(black_box(&subject)));
        });
    }
    for n_routes in [1, 60] {
        let specs = support::expression_specs(n_routes);
        let table = RouteTable::compile(&specs).expect("a table");
        let path = format!("/api/v{}/items/42", n_routes - 1);
        let subject = Subject::get(b"host-0.example.test", path.as_bytes());
        assert_eq!(table.find(&subject), Some(n_routes - 1));
        c.bench_function(&format!("route/find the last of {n_routes} path expressions"), |b| {
            b.iter(|| table.find(black_box(&subject)));
        });
    }
}

/// Lookups that go over all hosts, in tables of growing size: the growth is that of the caches' misses.
fn growth(c: &mut Criterion) {
    let mut group = c.benchmark_group("route/growth");
    for n_routes in [10, 100, 1_000, 10_000, 100_000] {
        let table = RouteTable::compile(&support::specs(n_routes)).expect("a table");
        let n_hosts = n_routes / 10;
        let hosts: Vec<String> =
            (0..n_hosts).map(|n| format!("host-{}.example.test", n * 7919 % n_hosts)).collect();
        let mut next = hosts.iter().cycle();
        group.bench_function(n_routes.to_string(), |b| {
            b.iter(|| {
                let host = next.next().expect("it goes round").as_bytes();
                table.find(&Subject::get(black_box(host), black_box(b"/api/v3/items/42")))
            });
        });
    }
    group.finish();
}

fn compile(c: &mut Criterion) {
    let pattern = ValuePattern::Regex("v[0-9]".into());
    for (name, specs) in [
        ("10 000 prefixes", support::specs(10_000)),
        ("10 000 prefixes with conditions", support::conditional_specs(10_000, &pattern)),
        ("1 000 path expressions", support::expression_specs(1_000)),
    ] {
        c.bench_function(&format!("route/compile {name}"), |b| {
            b.iter(|| RouteTable::compile(&specs).is_ok());
        });
    }
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

criterion_group!(benches, find, find_with_conditions, growth, compile, normal_forms);
criterion_main!(benches);
