//! What the benches have in common: tables, members and heads of a realistic size.
#![allow(dead_code, reason = "each bench is a program of its own and uses its part")]

use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use forebay::backend::{Address, Backend, Member, Members};
use forebay::config::{
    Conditions, FieldCondition, HostPattern, MethodCondition, PathPattern, ValuePattern,
};
use forebay::http1::HeadLimits;
use forebay::message::{Fields, Known};
use forebay::route::RouteSpec;
use rustix::time::{ClockId, clock_gettime};

/// What a browser sends, more or less: 13 fields, 626 bytes.
pub(crate) const REQUEST: &[u8] = b"GET /api/v1/items/42?include=owner&page=3 HTTP/1.1\r\n\
Host: host-7.example.test\r\n\
Connection: keep-alive\r\n\
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36\r\n\
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
Accept-Encoding: gzip, deflate, br, zstd\r\n\
Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
Cache-Control: no-cache\r\n\
Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=1\r\n\
Referer: https://host-7.example.test/api/v1/items\r\n\
Sec-Fetch-Mode: navigate\r\n\
Sec-Fetch-Site: same-origin\r\n\
Upgrade-Insecure-Requests: 1\r\n\
X-Forwarded-For: 203.0.113.7\r\n\
\r\n";

/// What an app server answers, more or less.
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
Date: Sun, 22 Nov 2026 10:00:00 GMT\r\n\
Content-Type: application/json; charset=utf-8\r\n\
Content-Length: 128\r\n\
Cache-Control: private, max-age=0\r\n\
ETag: W/\"80-abcdef\"\r\n\
Vary: Accept-Encoding\r\n\
Connection: keep-alive\r\n\
\r\n";

/// The defaults of a listener.
pub(crate) const LIMITS: HeadLimits =
    HeadLimits { header_bytes: 32 * 1024, headers: 100, uri_bytes: 16 * 1024 };

/// `n_routes` routes, each with a host and a path prefix: ten paths on each host.
pub(crate) fn specs(n_routes: usize) -> Vec<RouteSpec> {
    let spec = |index| RouteSpec {
        priority: 0,
        conditions: Conditions::default(),
        hosts: vec![HostPattern::Exact(format!("host-{}.example.test", index / 10))],
        path: PathPattern::Prefix(format!("/api/v{}/items", index % 10)),
    };
    (0..n_routes).map(spec).collect()
}

/// As [`specs`], and every route asks for a method, a header, a cookie and a parameter that [`conditional_fields`] and
/// [`CONDITIONAL_QUERY`] have; `pattern` is what the header's value is held against.
pub(crate) fn conditional_specs(n_routes: usize, pattern: &ValuePattern) -> Vec<RouteSpec> {
    let field = |name: &str, value| FieldCondition { name: name.into(), value, negated: false };
    let conditions = Conditions {
        methods: Some(MethodCondition {
            methods: vec!["POST".into(), "GET".into()],
            negated: false,
        }),
        headers: vec![field("x-version", pattern.clone())],
        cookies: vec![field("user_type", ValuePattern::Exact("beta".into()))],
        query: vec![field("beta", pattern.clone())],
        client_ip: None,
    };
    let mut specs = specs(n_routes);
    for spec in &mut specs {
        spec.conditions = conditions.clone();
    }
    specs
}

/// What meets [`conditional_specs`], among other parameters.
pub(crate) const CONDITIONAL_QUERY: &[u8] = b"include=owner&page=3&beta=%762";

/// What meets [`conditional_specs`], among other fields.
pub(crate) fn conditional_fields() -> Fields {
    let mut fields = Fields::new();
    for (name, value) in [
        ("host", "host-7.example.test"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ("accept", "*/*"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark; user_type=beta"),
        ("x-version", "v2"),
    ] {
        fields.append(Known::of(name.as_bytes()), name.as_bytes(), &[value.as_bytes()]);
    }
    fields
}

/// `n_routes` routes of one host, each with a path expression of its own.
pub(crate) fn expression_specs(n_routes: usize) -> Vec<RouteSpec> {
    let spec = |index| RouteSpec {
        priority: 0,
        conditions: Conditions::default(),
        hosts: vec![HostPattern::Exact("host-0.example.test".into())],
        path: PathPattern::Regex(format!("/api/v{index}/items/[0-9]+")),
    };
    (0..n_routes).map(spec).collect()
}

/// `n_members` backends of one upstream.
pub(crate) fn members(n_members: u64) -> Members {
    let member = |id: u64| {
        let address = SocketAddr::from(([10, 0, (id >> 8) as u8, id as u8], 8080));
        let backend = Arc::new(Backend::new(id, Address::Tcp(address)));
        Member::new(backend, address.to_string())
    };
    (1..=n_members).map(member).collect::<Vec<_>>().into()
}

/// A configuration with `n_routes` routes, ten paths on each host, and an upstream of `n_members` for each
/// hundred of them.
pub(crate) fn configuration(n_routes: usize, n_members: usize) -> String {
    let mut text = String::from("[[listener]]\nbind = \"127.0.0.1:0\"\n");
    for index in 0..n_routes {
        let (host, path, upstream) = (index / 10, index % 10, index / 100);
        writeln!(
            text,
            "[[route]]\nname = \"r{index}\"\nhosts = [\"host-{host}.example.test\"]\n\
             match = {{ path_prefix = \"/api/v{path}/items\" }}\nupstream = \"u{upstream}\""
        )
        .expect("a String takes every write");
    }
    for upstream in 0..n_routes.div_ceil(100) {
        let backends: Vec<String> = (0..n_members)
            .map(|m| format!("\"10.{}.{}.{m}:80\"", upstream / 256, upstream % 256))
            .collect();
        writeln!(text, "[upstream.u{upstream}]\nbackends = [{}]", backends.join(", "))
            .expect("a String takes every write");
    }
    text
}

/// Time that this thread has had a core.
pub(crate) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The time of a core for `n_times` rounds of `work` on each of `n_threads` threads, each with its number.
pub(crate) fn contended(
    n_threads: usize,
    n_times: u64,
    work: impl Fn(usize, u64) + Sync,
) -> Duration {
    let barrier = Barrier::new(n_threads);
    std::thread::scope(|scope| {
        let run = |worker| {
            let (barrier, work) = (&barrier, &work);
            move || {
                barrier.wait();
                let started = thread_time();
                work(worker, n_times);
                thread_time() - started
            }
        };
        let threads: Vec<_> = (0..n_threads).map(|worker| scope.spawn(run(worker))).collect();
        let times = threads.into_iter().map(|thread| thread.join().expect("it counts"));
        times.sum::<Duration>() / n_threads as u32
    })
}
