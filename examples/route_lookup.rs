//! Looks a route up among 60 on 100 hosts, as many times as its argument says: a subject for callgrind. Two runs of
//! different length, the shorter subtracted from the longer, give the instructions of one lookup. They differ a lot, as
//! compiling the table takes some more or less with the seeds of the maps:
//! ```sh
//! cargo build --release --example route_lookup
//! for n in 1000 101000; do valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/route_lookup $n; done
//! ```
//! A second argument `conditions` asks every route for a method, a header, a cookie and a parameter; `nothing` looks
//! nothing up: the cost of the loop.

use std::hint::black_box;

use forebay::config::{HostPattern, PathPattern, ValuePattern};
use forebay::route::{RouteSpec, RouteTable, Subject};

#[path = "../benches/support/mod.rs"]
mod support;

/// 60 prefixes, each on the same 100 hosts.
fn specs(conditions: bool) -> Vec<RouteSpec> {
    let exact = ValuePattern::Exact("v2".into());
    let mut specs =
        if conditions { support::conditional_specs(60, &exact) } else { support::specs(60) };
    for (index, spec) in specs.iter_mut().enumerate() {
        let name = |host| HostPattern::Exact(format!("host-{host}.example.test"));
        spec.hosts = (0..100).map(name).collect();
        spec.path = PathPattern::Prefix(format!("/api/v{index}/items"));
    }
    specs
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let n_lookups: usize = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let what = arguments.next().unwrap_or_default();
    let table = RouteTable::compile(&specs(what == "conditions")).expect("a table");
    let fields = support::conditional_fields();
    let mut n_found = 0usize;
    for _ in 0..n_lookups {
        let subject = Subject {
            query: support::CONDITIONAL_QUERY,
            fields: &fields,
            ..Subject::get(b"host-77.example.test", b"/api/v42/items/42/comments")
        };
        let subject = black_box(&subject);
        if what != "nothing" {
            n_found += usize::from(table.find(subject) == Some(42));
        }
    }
    assert!(what == "nothing" || n_found == n_lookups, "{n_found} of {n_lookups} lookups found");
}
