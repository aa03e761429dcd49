//! What a reload does before anything changes: reading, checking, telling what is wrong, compiling.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use forebay::config::{self, Colour, Config, Source};
use forebay::snapshot::{Names, Registry, compile};

#[path = "support/mod.rs"]
mod support;

fn source(text: &str) -> Source {
    Source::Text { name: "bench.toml".to_owned(), text: text.to_owned() }
}

fn load(text: &str) -> Config {
    config::load(&source(text)).expect("it is right").config
}

fn read(c: &mut Criterion) {
    let small = source(&support::configuration(10, 3));
    c.bench_function("config/load 10 routes", |b| {
        b.iter(|| config::load(black_box(&small)).is_ok())
    });
    let large = source(&support::configuration(10_000, 10));
    let mut group = c.benchmark_group("config");
    group.sample_size(10);
    group.bench_function("load 10 000 routes", |b| {
        b.iter(|| config::load(black_box(&large)).is_ok());
    });
    group.finish();
}

/// A file with four mistakes, told with their lines.
fn diagnostics(c: &mut Criterion) {
    let bad = source(
        "[global]\nworkerz = 4\n[[listener]]\nbind = \"127.0.0.1:0\"\ntimeouts = { header = 5 }\n\
         [[route]]\nupstream = \"ap\"\n[upstream.app]\nproxy_pass = \"http://127.0.0.1:9001\"\n",
    );
    c.bench_function("config/four problems, rendered", |b| {
        b.iter(|| {
            let problems = config::load(black_box(&bad)).expect_err("it is wrong");
            problems.render(Colour::Never).len()
        });
    });
}

fn compiling(c: &mut Criterion) {
    let config = load(&support::configuration(10_000, 100));
    let names = Names::default();
    let first = compile(&config, &names, &Registry::default(), 1, 4).expect("it compiles").registry;
    let mut group = c.benchmark_group("snapshot");
    group.sample_size(20);
    group.bench_function("compile 10 000 routes and backends, nothing known", |b| {
        let compile_anew = || compile(&config, &names, &Registry::default(), 1, 4).is_ok();
        b.iter_batched(|| (), |()| compile_anew(), BatchSize::PerIteration);
    });
    group.bench_function("compile 10 000 routes and backends, all adopted", |b| {
        b.iter_batched(
            || (),
            |()| compile(&config, &names, &first, 2, 4).is_ok(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, read, diagnostics, compiling);
criterion_main!(benches);
